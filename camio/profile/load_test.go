package profile

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"camward/camio"
)

func mustCompile(s string) *regexp.Regexp { return regexp.MustCompile(s) }

const own = `profiles:
  - maker: Acme
    aliases: [Acme Cam]
    model: "^X1"
    success: ok
    endpoints:
      - path: /set
        query: {server: "@host"}
        required: [server]
    commands:
      - id: time
        path: /set?server={{ntp_server}}
  - maker: Acme
    success: fine
`

func TestAUsersFileAddsAndReplacesMakers(t *testing.T) {
	s, err := Builtin().Extend("mine.yml", []byte(own+"  - {maker: axis, success: mine}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ maker, model, success string }{
		{"acme", "X100", "ok"}, {"ACME CAM", "x1", "ok"}, {"acme", "Y", "fine"}, {"acme", "", "fine"}, {"Axis", "", "mine"}, {"sharx", "", "000 Success"},
	} {
		if p, ok := s.Find(tt.maker, tt.model, ""); !ok || p.Success != tt.success {
			t.Errorf("%+v: %+v, %v", tt, p, ok)
		}
	}
	if p, _ := Builtin().Find("Axis", "", ""); p.Success == "mine" {
		t.Error("the built-in set has changed")
	}
	if got := strings.Join(s.Makers(), " "); got != "Acme D-Link Dahua Foscam Hikvision Sharx axis camward" {
		t.Errorf("makers %s", got)
	}
}

func TestBodiesAreEscapedAsTheirTypeNeeds(t *testing.T) {
	s, err := Builtin().Extend("mine.yml", []byte(`profiles:
  - maker: Acme
    success: ok
    endpoints:
      - {methods: [POST], path: /json}
      - {methods: [PUT], path: /form}
    commands:
      - {id: a, method: POST, path: /json, content_type: application/json, body: '{"name": "{{camera}}", "zones": {{raw zones}}}'}
      - id: b
        method: PUT
        path: /form
        content_type: application/x-www-form-urlencoded
        body: |-
          name={{camera}}&server={{ntp_server}}
        no_auth: true
        success: fine
`))
	if err != nil {
		t.Fatal(err)
	}
	p, _ := s.Find("acme", "", "")
	v := everything()
	v.Camera, v.Zones = `Bob's "front" & back`, []camio.Zone{}
	got, err := p.Commands(v)
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	want := []camio.Command{
		{ID: "a", Method: "POST", Path: "/json", ContentType: "application/json", IsAuthRequired: true, RegexResponse: "ok",
			Body: `{"name": "Bob's \"front\" \u0026 back", "zones": []}`},
		{ID: "b", Method: "PUT", Path: "/form", ContentType: "application/x-www-form-urlencoded", RegexResponse: "fine",
			Body: "name=Bob%27s%20%22front%22%20%26%20back&server=time.nist.gov"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestAMakersNameIsStrongerThanAnothersAlias(t *testing.T) {
	s, err := Builtin().Extend("mine.yml", []byte("profiles:\n  - {maker: Other, aliases: [Dahua], success: other}\n  - {maker: Amcrest, success: mine}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for maker, want := range map[string]string{"dahua": "Dahua", "amcrest": "Amcrest", "ic realtime": "Dahua"} {
		if p, ok := s.Find(maker, "", ""); !ok || p.Maker != want {
			t.Errorf("%s: %v, %v", maker, p, ok)
		}
	}
}

func TestEveryFaultOfAFileIsReportedWithItsKeyAndLine(t *testing.T) {
	text := `profiles:
  - maker: "a/b"
    aliases: ["` + strings.Repeat("x", 41) + `"]
    colour: red
    auth: magic
    port: 70000
    model: "("
    snapshot: relative
    success: "[z-a]"
    endpoints:
      - methods: [GET, DELETE]
        path: /a/../b
        query: {a: "@what", "b c": x, d: "a)(b", e: ""}
        required: [zz]
        target: {kind: smtp, url: a, host: ["a if b"]}
        merge: {read: x}
        others: maybe
      - {path: [/ok]}
    commands:
      - {id: "1 2", path: "/x?{{nothing}}", body: x, needs: [luck]}
`
	_, err := Builtin().Extend("mine.yml", []byte(text))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"profiles[0].colour: unknown key (mine.yml:4)", `profiles[0].endpoints[0].others: "maybe" must be true or false (mine.yml:17)`,
		"profiles[0].endpoints[1].path: must be a single value (mine.yml:18)"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in\n%v", want, err)
		}
	}
	text = strings.Replace(strings.Replace(strings.Replace(text, "    colour: red\n", "", 1), "        others: maybe\n", "", 1), "[/ok]", "/ok", 1)
	_, err = Builtin().Extend("mine.yml", []byte(text))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{".maker:", ".aliases[0]:", ".auth:", ".port:", ".model:", ".snapshot:", ".success:", ".methods[1]:", "endpoints[0].path:", ".query.a:", ".query.b c:",
		".query.d:", ".query.e:", ".required:", ".target.kind:", ".target:", ".target.host[0]:", ".merge.read:", "commands[0].id:", "commands[0].path:", "commands[0].body:", "commands[0].needs[0]:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing", want)
		}
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if !regexp.MustCompile(`^profiles\[0\][^ ]*.*: .*\(mine\.yml:[1-9]\d*\)$`).MatchString(line) {
			t.Errorf("not key, fault and line: %q", line)
		}
	}
}

func TestFilesThatAreNoProfilesAreRefusedInOneLine(t *testing.T) {
	for name, text := range map[string]string{
		"twice": "profiles:\n  - maker: x\n    maker: y\n", "empty": "", "comment": "# x\n", "list": "- a\n", "scalar": "x", "no profiles": "profiles: []\n", "two documents": own + "---\n" + own,
		"broken": "profiles:\n - [", "tab": "profiles:\n\t- maker: x\n", "anchor": "profiles:\n  - &a {maker: x}\n", "alias": "profiles: *a\n", "merge": "profiles:\n  - {<<: {maker: x}}\n",
		"binary": "\x00\xff\xfe", "large": strings.Repeat("# comment\n", 30000), "many": "profiles:\n" + strings.Repeat("  - {maker: x}\n", 100),
		"never reached":       "profiles:\n  - {maker: x, success: a}\n  - {maker: X, model: b, success: a}\n",
		"refused by itself":   strings.Replace(own, "required: [server]", "required: [server, b]", 1) + "",
		"command not allowed": strings.Replace(own, "path: /set?server", "path: /other?server", 1),
		"no success":          strings.Replace(own, "    success: ok\n", "", 1),
		"long expression":     "profiles:\n  - {maker: x, success: '" + strings.Repeat("a", 1100) + "'}\n",
		"query without names": "profiles:\n  - {maker: x, auth: query}\n",
		"deep":                "profiles: " + strings.Repeat("[", 5000),
		"deep in lines":       strings.Repeat("[\n", 2001),
		"levels in a line":    strings.Repeat("- ", 101) + "x\n",
		"long line":           "profiles: " + strings.Repeat("x", 6000) + "\n",
		"long value":          "profiles:\n  - maker: " + strings.Repeat("x", 5000) + "\n",
		"no list":             "profiles:\n  - {maker: x, aliases: y, success: a}\n",
		"no mapping":          "profiles: [x]\n",
		"no single value":     "profiles:\n  - {maker: [x], success: a}\n",
		"no number":           "profiles:\n  - {maker: x, port: 8o, success: a}\n",
		"no boolean":          "profiles:\n  - {maker: x, commands: [{id: a, no_auth: 1}]}\n",
		"many parameters":     "profiles:\n  - {maker: x, endpoints: [{path: /x, query: {" + strings.Repeat("a: b, ", 65) + "}}]}\n",
	} {
		_, err := Builtin().Extend("mine.yml", []byte(text))
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "\n") || len(err.Error()) > 600 || !strings.Contains(err.Error(), "mine.yml") {
			t.Errorf("%s: %q", name, err)
		}
	}
}

func TestTheSampleInTheHeadOfTheFileIsWhatTheLoaderReads(t *testing.T) {
	head, _, _ := strings.Cut(string(builtinYAML), "\nprofiles:")
	for _, key := range yamlKeys() {
		if !strings.Contains(head, key+":") {
			t.Errorf("the key %s is not explained", key)
		}
	}
	var sample strings.Builder
	for line := range strings.SplitSeq(head, "\n") {
		if line, ok := strings.CutPrefix(line, "#   "); ok {
			sample.WriteString(line + "\n")
		}
	}
	// Some keys contradict each other, on purpose; none may be unknown or of the wrong type.
	if _, err := Builtin().Extend("sample.yml", []byte(sample.String())); err != nil && (strings.Contains(err.Error(), "unknown key") || strings.Contains(err.Error(), "not YAML") || strings.Contains(err.Error(), "must be")) {
		t.Errorf("%v\n%s", err, sample.String())
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(builtinYAML)
	f.Add([]byte(own))
	f.Add([]byte("profiles:\n  - {maker: x, success: '(a{1000}){1000}'}\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Builtin().Extend("x.yml", text)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if strings.ContainsAny(line, "\r\x00\x1b") || len(line) > 2000 {
					t.Fatalf("not one line: %q", line)
				}
			}
			return
		}
		for _, p := range s.profiles {
			commands, _ := p.Commands(everything()) // what can't be told is left out
			for _, c := range commands {
				if err := p.Allows(c.Method, c.Path); err != nil {
					t.Fatal(err)
				}
				p.Target(c)
				p.Secrets(c)
				p.Merge(c)
			}
		}
	})
}

// yamlKeys lists every key of the file's form.
func yamlKeys() []string {
	var keys []string
	for _, v := range []any{fileYAML{}, profileYAML{}, endpointYAML{}, targetYAML{}, mergeYAML{}, commandYAML{}} {
		for i := range reflect.TypeOf(v).NumField() {
			keys = append(keys, reflect.TypeOf(v).Field(i).Tag.Get("yaml"))
		}
	}
	return keys
}
