package provision

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
		synctest.Test(t, func(t *testing.T) {
			w := &world{list: r.Commands}
			p := w.poller(t, Default())
			stop := begin(p)
			time.Sleep(time.Second)
			p.Status()
			stop()
			list, err := parseState(stateJSON(t, p))
			if err != nil || len(list) != len(r.Commands) {
				t.Fatalf("what was written cannot be read: %v", err)
			}
			for i, c := range r.Commands {
				if list[i].Command != c {
					t.Fatalf("read %+v, written %+v", list[i].Command, c)
				}
			}
		})
	})
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
		synctest.Test(t, func(t *testing.T) {
			w := &world{}
			w.reach("")
			p := w.poller(t, Default())
			p.loaded, p.book.records = true, list
			for _, r := range list {
				r.begin(time.Now())
				p.resume(r)
				if r.Gone {
					continue
				}
				w.list = append(w.list, r.Command)
			}
			stop := begin(p)
			time.Sleep(10 * time.Minute)
			p.Status()
			stop()
			if _, err := parseState(stateJSON(t, p)); err != nil {
				t.Fatalf("what was written cannot be read: %v", err)
			}
		})
	})
}
