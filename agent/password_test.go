package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"camward/web"
)

func TestAFirstPasswordThatCannotBeLeavesNoServerAndNothingAnnounced(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, first := range map[string]string{
		"short": file("short", "seven77\n"), "empty": file("empty", ""), "line": file("line", "\nthe second line\n"),
		"directory": dir, "absent": filepath.Join(dir, "none"), "no serial": serialPassword, "unwritable": randomPassword,
	} {
		set := []string{"listen=0.0.0.0:8090", "first_password=" + first}
		if name == "unwritable" {
			set = append(set, "state_dir="+filepath.Join(file("unwritable", ""), "state"))
		}
		home := filepath.Join(dir, "home of "+name)
		a := testAgent(t, home, set...)
		if a.cfg.Listen != "" || a.mdns != nil || a.FreshPassword != "" || web.HasPassword(filepath.Join(home, "state")) {
			t.Errorf("%s: listens on %q, announces %v, password %q", name, a.cfg.Listen, a.mdns != nil, a.FreshPassword)
		}
		if _, err := a.password(web.Config{Listen: "0.0.0.0:8090"}); err == nil || first != randomPassword && !strings.Contains(err.Error(), "first_password: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
