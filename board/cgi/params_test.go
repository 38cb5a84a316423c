package cgi

import (
	"net/url"
	"strings"
	"testing"
)

func FuzzParameters(f *testing.F) {
	for _, path := range []string{docPing, docTime, docFTP,
		"?ENABLE=1&MODE=video&URL=https://cloud.example.com/api/users/abc123pdq/cameras/Front%20door/content/",
		"?URL=http%3A%2F%2Fh%2Fapi%2Fcameras%2F%24(hwaddr)%3Fa%3Db%26c&AUTH=1&USERNAME=a+b&PASSWORD=%26",
		"?ENABLE=1&SEC=30&URL=h/?AUTH=1&AUTH=0&=&&%zz&URL",
		"?A=1&&B=2&", "?URL=https://h/api/users/t/cameras/c/content/&MODE=image&ENABLE=1", "?A=1&A=2", "?%ff=1", "?URL=" + strings.Repeat("/", maxURL+1), "?" + manyParams(maxParams+1), "?A=" + strings.Repeat("b", maxValue+1),
	} {
		_, query, _ := strings.Cut(path, "?")
		f.Add(query)
	}
	for _, wrong := range wrongRequests() {
		_, query, _ := strings.Cut(wrong.path, "?")
		f.Add(query)
		f.Add(wrong.body)
	}
	ends := []func(string) int{beforeAuth, beforeKnown, toNext}
	f.Fuzz(func(t *testing.T, raw string) {
		for i, end := range ends {
			values := map[string]string{}
			if parse(values, raw, end) != nil {
				continue
			}
			var again []string
			for k, v := range values {
				if len(values) > maxParams || len(k) > 64 || len(v) > maxURL || !plain(k) || !plain(v) {
					t.Errorf("%d: %q: %q = %q", i, raw, k, v)
				}
				if k == "URL" && !strings.Contains(v, "/") {
					return // cannot be told to be encoded
				}
				again = append(again, url.QueryEscape(k)+"="+url.QueryEscape(v))
			}
			second := map[string]string{}
			if f := parse(second, strings.Join(again, "&"), end); f != nil {
				t.Fatalf("%d: %q, encoded: %s", i, raw, f.text)
			}
			for k, v := range values {
				if second[k] != v {
					t.Errorf("%d: %q: %s is %q, and %q when encoded", i, raw, k, v, second[k])
				}
			}
		}
		for name, form := range setForms {
			in := &input{values: map[string]string{}, used: map[string]bool{}, body: []byte(raw)}
			if !form.raw && parse(in.values, raw, form.urlEnd) != nil {
				continue
			}
			s, fault := form.setting(in, Settings{})
			if fault == nil && s == nil {
				t.Errorf("%s: %q gives nothing", name, raw)
			}
			checkSetting(t, s, fault)
		}
	})
}

// checkSetting holds what a parser let through against its bounds.
func checkSetting(t *testing.T, s Setting, f *fault) {
	if f != nil {
		return
	}
	switch s := s.(type) {
	case Period:
		for _, c := range s.Candidates("00AA11BB22CC", "192.0.2.1", true) {
			if u, err := url.Parse(c); err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
				t.Errorf("%+v: polls %q", s, c)
			}
		}
		if s.Enabled && (s.Every < 5e9 || s.URL == "") {
			t.Errorf("%+v", s)
		}
	case FTPAlarm:
		if s.Enabled && (s.Server == "" || s.Port < 1 || s.Port > 65535 || s.Rate < 1) {
			t.Errorf("%+v", s)
		}
	case HTTPAlarm:
		if s.Enabled && (s.Base == nil || s.Base.Host == "" || s.Token == "" || s.Camera == "") {
			t.Errorf("%+v", s)
		}
	}
}

func FuzzZones(f *testing.F) {
	f.Add([]byte(`[{"name":"door","polygons":[{"points":[{"x":0.12079093470323,"y":0.16636921918746},{"x":1,"y":0},{"x":0,"y":1}]}]}]`))
	f.Add([]byte(`[{"name":"-tree","polygons":[{"points":[{"x":1e-400,"y":-0},{"x":1,"y":0},{"x":null,"y":1}]}]}]`))
	for _, wrong := range wrongRequests() {
		f.Add([]byte(wrong.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, fault := readZones(&input{body: body}, Settings{})
		if fault != nil {
			return
		}
		for _, z := range s.(Zones).Zones {
			if z.Name == "" || !plain(z.Name) || len(z.Polygons) == 0 {
				t.Errorf("%q: %+v", body, z)
			}
			for _, p := range z.Polygons {
				for _, pt := range p.Points {
					if !(pt.X >= 0 && pt.X <= 1 && pt.Y >= 0 && pt.Y <= 1) {
						t.Errorf("%q: %+v", body, pt)
					}
				}
			}
		}
	})
}
