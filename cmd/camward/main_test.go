package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestEveryVerbExplainsItself(t *testing.T) {
	for _, v := range verbs {
		t.Run(v.name, func(t *testing.T) {
			var out, fault bytes.Buffer
			if code := dispatch(context.Background(), []string{v.name, "--help"}, stdio{&out, &fault}); code != exitOK || fault.Len() > 0 {
				t.Fatalf("exit code %d: %s", code, &fault)
			}
			if !strings.Contains(out.String(), "camward "+v.name) {
				t.Errorf("there is no example in\n%s", &out)
			}
		})
	}
}

func TestAPasswordIsChosenFromAPipeOrMade(t *testing.T) {
	dir := t.TempDir()
	password := func(args ...string) (string, int) {
		var out bytes.Buffer
		args = append([]string{"password", "--set", "state_dir=" + dir}, args...)
		code := dispatch(context.Background(), args, stdio{&out, &out})
		return out.String(), code
	}
	if out, code := password(); code != exitOK || !strings.Contains(out, "no password is set") {
		t.Errorf("%d: %s", code, out)
	}
	if out, code := password("--reset", "--new"); code == exitOK {
		t.Errorf("%d: %s", code, out)
	}
	if out, code := password("--reset"); code != exitOK || !strings.Contains(out, "the new password of user admin") {
		t.Errorf("%d: %s", code, out)
	}
	if out, code := password(); code != exitOK || !strings.Contains(out, "a password is set") {
		t.Errorf("%d: %s", code, out)
	}
}
