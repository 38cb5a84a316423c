package web

import (
	"os"
	"strings"
	"testing"
	"time"

	"camward/camio"
)

func TestTheFirstPasswordIsTheMakersAndOnlyTheFirst(t *testing.T) {
	dir := t.TempDir()
	p, fresh, err := LoadPassword(dir, "from-the-label")
	if err != nil || fresh != "" || !p.Check("from-the-label") || !p.digests() {
		t.Fatalf("%q, %v", fresh, err)
	}
	if p, fresh, err = LoadPassword(dir, "another-label"); err != nil || fresh != "" || p.Check("another-label") || !p.Check("from-the-label") {
		t.Errorf("at the second start: %q, %v", fresh, err)
	}
	if b, _ := os.ReadFile(passwordFile(dir)); strings.Contains(string(b), "label") {
		t.Error("its text is in the file")
	}
	if p, fresh, err = LoadPassword(t.TempDir(), ""); err != nil || len(fresh) != 14 || !p.Check(fresh) {
		t.Errorf("without one: %q, %v", fresh, err)
	}
}

func TestAPasswordThatIsTooShortOrCannotBeTypedIsRefused(t *testing.T) {
	for text, want := range map[camio.Secret]bool{
		"1234567": false, "12345678": true, "": false, "äöüß-äöü": true, "äöüß": false, " 12345678": false, "12345678\n": false, "1234\x005678": false, "1234\xff5678": false,
		"correct horse": true, camio.Secret(strings.Repeat("x", maxPassword)): true, camio.Secret(strings.Repeat("x", maxPassword+1)): false,
	} {
		dir := t.TempDir()
		p, err := SetPassword(dir, text)
		if (err == nil) != want || HasPassword(dir) != want || want && !p.Check(text.Reveal()) {
			t.Errorf("%q: %v", text.Reveal(), err)
		}
		if err != nil && text != "" && strings.Contains(err.Error(), text.Reveal()) {
			t.Errorf("told: %v", err)
		}
		if text != "" {
			if _, _, err := LoadPassword(t.TempDir(), text); (err == nil) != want {
				t.Errorf("%q as the first: %v", text.Reveal(), err)
			}
		}
	}
}

func TestAPasswordFileThatIsDamagedOrGoneLaterLeavesTheLastGoodOne(t *testing.T) {
	dir := t.TempDir()
	p, err := SetPassword(dir, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	of := p.kept.Load()
	touched := time.Now().Add(time.Hour)
	if err := os.Chtimes(passwordFile(dir), touched, touched); err != nil {
		t.Fatal(err)
	}
	if err := p.read(); err != nil || p.kept.Load() != of {
		t.Error("a file that was only touched ends the sessions")
	}
	os.WriteFile(passwordFile(dir), []byte("{"), 0o600)
	if err := p.read(); err == nil || p.kept.Load() != of || !p.Check("correct horse") {
		t.Errorf("damaged: %v", err)
	}
	os.Remove(passwordFile(dir))
	if err := p.read(); err == nil || p.kept.Load() != of || !p.Check("correct horse") {
		t.Errorf("gone: %v", err)
	}
}
