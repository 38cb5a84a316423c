package provision

import (
	"context"
	"encoding/json"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"camward/camio"
)

// example is the reply in the API document.
const example = `{"commands":[
{"date_updated":"2015-09-19T21:43:55.794-0000","id":"ping","is_auth_required":true,"method":"GET","path":"/form/setHttpPeriodSending/?ENABLE=1&SCHED=0&SCHEDID=1&HOUR=0&MIN=0&SEC=30&URL=www.camio.com/api/cameras/$(hwaddr)/?maker=Sharx&ip_address_local=$(localip)&AUTH=0&USERNAME=&PASSWORD=","regex_response":"000 Success"},
{"date_updated":"2015-09-19T21:43:55.794-0000","id":"time","is_auth_required":true,"method":"GET","path":"/form/setNtp?ENABLE=1&SERVER=time.nist.gov","regex_response":"000 Success"},
{"date_updated":"2015-09-19T21:43:55.835-0000","id":"ftpAlarm","is_auth_required":true,"method":"GET","path":"/form/setFtpAlarmSending/?ENABLE=1&SCHED=0&SCHEDID=1&STREAMID=0&DURATION=1&FRAMERATE=1&INTERVAL=0&SERVER=ftp.camio.com&PORT=21&REMOTEPATH=123456789012&AUTH=1&USERNAME=abc123pdq&PASSWORD=camio","regex_response":"000 Success"}
],"ip_address":"2601:646:c401:7902:8d45:b8eb:8b40:fa84","mac_address":"123456789012","maker":"Sharx","model":"SCNC3904","user_agent":"Wget"}`

// FuzzReply: a reply either is refused with one line, or all that the engine does with it holds.
func FuzzReply(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte(`{"commands":[{"id":"zones","method":"PUT","path":"/form/setMotionZones/","body":"{}","content_type":"application/json"}]}`))
	f.Add([]byte(`{"commands":[{"id":"x","method":"GET","path":"/..%2f","regex_response":"(a{9}){9}"}]}`))
	f.Add([]byte(`{"commands":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r camio.PollReply
		if json.Unmarshal(b, &r) != nil {
			return
		}
		if err := Check(&r); err != nil {
			if s := err.Error(); len(s) > 200 || strings.ContainsFunc(s, hides) {
				t.Fatalf("refused with %q", s)
			}
			return
		}
		for _, c := range r.Commands {
			if _, err := regexp.Compile(c.RegexResponse); err != nil {
				t.Fatalf("pattern %q passes but does not compile: %v", c.RegexResponse, err)
			}
			if checkPath(c.Path) == nil {
				path, _, _ := strings.Cut(c.Path, "?")
				if strings.Contains(path, "/../") || strings.ContainsAny(path, " \r\n\\") || path[0] != '/' {
					t.Fatalf("path %q passes", c.Path)
				}
			}
			if s := Mask(c.Path); len(s) > 3*len(c.Path)+3 {
				t.Fatalf("%q masked as %q", c.Path, s)
			}
		}
		w := &world{}
		p := quiet(t, w)
		p.accept(r.Commands)
		drain(t, p, len(r.Commands))
		list, err := parseState(stateJSON(t, p))
		if err != nil || len(list) != len(r.Commands) {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		for i, c := range r.Commands {
			if list[i].Command != c || list[i].State == camio.StatePending && list[i].Tries != 1 {
				t.Fatalf("read %+v, written %+v", list[i], c)
			}
		}
		for i, c := range w.sent() {
			if !slices.Contains(r.Commands, c) || slices.Contains(w.sent()[:i], c) {
				t.Fatalf("sent %+v", c)
			}
		}
	})
}

// quiet is a poller whose steps the test does itself: fuzzing wants the same work for the same input.
func quiet(t testing.TB, w *world) *Poller {
	w.answer = func(c camio.Command) (int, string, error) {
		if re, err := syntax.Parse(c.RegexResponse, syntax.Perl); err == nil && re.Op == syntax.OpLiteral {
			return 200, string(re.Rune), nil
		}
		return 404, c.Path, nil
	}
	p, err := New(Default(), Deps{Cloud: w, Self: self, Firmware: w, Confirmer: w, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// drain does all that is due, which is at most one job for each of n commands and each of their rollbacks, and looks at everything.
func drain(t testing.TB, p *Poller, n int) {
	for range 2*n + 1 {
		j, _ := p.nextJob()
		if j == nil {
			break
		}
		p.do(context.Background(), *j)
	}
	if j, _ := p.nextJob(); j != nil {
		t.Fatalf("%s is due again at once", j.c.ID)
	}
	for range n {
		if r, c, _, _ := p.nextTrial(); r != nil {
			p.judgeTrial(r, c, p.confirmer.Confirm(context.Background(), c))
		}
	}
	for _, c := range p.Status().Commands {
		if _, err := p.DryRun(c.ID); err != nil {
			t.Fatal(err)
		}
	}
}

func stateJSON(t testing.TB, p *Poller) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	b, err := json.Marshal(state{stateVersion, p.book.records})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// FuzzMask: what is shown of a path with a secret in it never holds the secret.
func FuzzMask(f *testing.F) {
	f.Add("/form/x/?ENABLE=1&", "&PORT=21", "USERNAME", "abc123pdq")
	f.Add("/form/x/?URL=http://h/?", "%26b=1", "ftp.Password", "p%26w")
	f.Add("/a?URL=host%3F", "", "token", "s3cr3t;,'\"<>")
	f.Fuzz(func(t *testing.T, before, after, name, secret string) {
		if strings.ContainsAny(secret, "&") || len(secret) < longSecret || !plain(secret) || strings.Contains(hidden, secret) ||
			strings.ContainsAny(name, "=&?%") || !isSecret(name) || strings.Contains(before+after+name, secret) {
			return
		}
		path := before + "&" + name + "=" + secret + "&" + after
		if s := Mask(path); strings.Contains(s, secret) {
			t.Fatalf("%q is shown as %q", path, s)
		}
		var b book
		c := camio.Command{Path: path}
		if s := b.clean("echo "+secret+" "+before, c); strings.Contains(s, secret) {
			t.Fatalf("%q is echoed as %q", path, s)
		}
		body := before + "\n" + name + "=\"" + secret + "\"\n" + after
		b.clean(body)
	})
}

// FuzzState: whatever a state file holds, it is refused or the engine runs on it.
func FuzzState(f *testing.F) {
	w := &world{list: []camio.Command{cmd("ping", "1"), cmd("ftpAlarm", "2")}}
	p := w.poller(f, Default())
	p.accept(w.list)
	good := w.list[0]
	p.book.records[1].Good, p.book.records[1].Trial, p.book.records[1].State = &good, &w.list[1], camio.StateConfirming
	p.book.records[1].remember(good, camio.StateRolledBack)
	b, err := json.Marshal(state{stateVersion, p.book.records})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)-10])
	f.Add([]byte(strings.ReplaceAll(string(b), `"trial"`, `"undo"`)))
	f.Add([]byte(`{"version":1,"commands":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := parseState(b)
		if err != nil {
			return
		}
		w := &world{}
		w.reach("2")
		p := quiet(t, w)
		p.loaded, p.book.records = true, list
		var cmds []camio.Command
		for _, r := range list {
			r.begin(time.Now())
			p.resume(r)
			if !r.Gone {
				cmds = append(cmds, r.Command)
			}
		}
		p.accept(cmds)
		drain(t, p, len(list))
		if _, err := parseState(stateJSON(t, p)); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
	})
}
