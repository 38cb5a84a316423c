package cloud

import (
	"testing"
	"time"

	"camward/camio"
)

func TestNameTime(t *testing.T) {
	tests := []struct {
		name   string
		search bool
		want   string // empty: none
	}{
		{"2014-07-21T20:38:31.000-07:00.mp4", false, "2014-07-22T03:38:31.000-0000"},
		{"2014-07-21T20:38:31.000-07:00", false, "2014-07-22T03:38:31.000-0000"},
		{"2014-07-21T20:38:31.250", false, "2014-07-21T20:38:31.250-0000"},
		{"2014-07-21T20:38:31.jpeg", false, "2014-07-21T20:38:31.000-0000"},
		{"2014-07-21 20:38:31+02:00.jpeg", false, "2014-07-21T18:38:31.000-0000"},
		{"MDAlarm_20150919-143055.jpg", false, ""},
		{"MDAlarm_20150919-143055.jpg", true, "2015-09-19T14:30:55.000-0000"},
		{"2015-09-19_14.30.55.jpg", true, "2015-09-19T14:30:55.000-0000"},
		{"cam1_2015-09-19T143055.123Z_m.jpg", true, "2015-09-19T14:30:55.123-0000"},
		{"IMG-20150919143055-0200.jpg", true, "2015-09-19T16:30:55.000-0000"},
		{"snap1442673055.jpg", true, "2015-09-19T14:30:55.000-0000"},
		{"snap1442673055123.jpg", true, "2015-09-19T14:30:55.123-0000"},
		{"20151319-143055.jpg", true, ""},
		{"cam 12345678901234567890.jpg", true, ""},
		{"0000-01-01T00:00:00Z", false, ""},
		{"", true, ""},
	}
	for _, tt := range tests {
		got := ""
		if tm, ok := nameTime(tt.name, tt.search); ok {
			got = camio.FormatTime(tm)
		}
		if got != tt.want {
			t.Errorf("nameTime(%q, %t) = %q, want %q", tt.name, tt.search, got, tt.want)
		}
	}
}

func FuzzNameTime(f *testing.F) {
	for _, s := range []string{"2014-07-21T20:38:31.000-07:00.mp4", "MDAlarm_20150919-143055.jpg", "snap1442673055123.jpg", "2015-09-19_14.30.55-0700"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		plain, ok := nameTime(name, false)
		found, ok2 := nameTime(name, true)
		if ok && (!ok2 || !found.Equal(plain)) {
			t.Fatalf("%q: %v alone, %v with search", name, plain, found)
		}
		if ok2 && (found.Year() < 1970 || found.Year() > 9999 || !fromMillis(millis(found)).Equal(found.Truncate(time.Millisecond))) {
			t.Fatalf("%q: %v cannot be stored", name, found)
		}
	})
}

func TestMACAddressForms(t *testing.T) {
	for _, s := range []string{"00e04cc27cc5", "00:E0:4C:C2:7C:C5", "00-e0-4c-c2-7c-c5", "00.E0.4C.C2.7C.C5", "00e0.4cc2.7cc5"} {
		if got, ok := parseMAC(s); !ok || got != "00E04CC27CC5" {
			t.Errorf("parseMAC(%q) = %q, %t", s, got, ok)
		}
	}
	for _, s := range []string{"", "00e04cc27cc", "00e04cc27cc5:", ":00e04cc27cc5", "00:e0:4c:c2:7c:c", "00:e0:4c:c2:7c:c5:", "00:e0-4c:c2:7c:c5",
		"0:0e:04:cc:27:cc5", "00e04cc27ccg", "00e0.4cc2.7c.c5", "00 e0 4c c2 7c c5", "\u0660\u0661\u0662\u0663\u0664\u0665"} {
		if got, ok := parseMAC(s); ok {
			t.Errorf("parseMAC(%q) = %q, want none", s, got)
		}
	}
}

func FuzzMAC(f *testing.F) {
	f.Add("00:E0:4C:C2:7C:C5")
	f.Add("00e0.4cc2.7cc5")
	f.Fuzz(func(t *testing.T, s string) {
		mac, ok := parseMAC(s)
		if !ok {
			return
		}
		if again, ok := parseMAC(mac); !ok || again != mac || len(mac) != 12 {
			t.Fatalf("parseMAC(%q) = %q, which reads as %q, %t", s, mac, again, ok)
		}
	})
}

func TestPollMACOfCameraIDs(t *testing.T) {
	for id, want := range map[string]string{"00E04CC27CC5": "00E04CC27CC5", "00E04CC27CC5.1": "00E04CC27CC5", "00:e0:4c:c2:7c:c5.0": "00E04CC27CC5",
		"00E04CC27CC5.x": "", "00E04CC27CC5.": "", "1234": "", "user:00E04CC27CC5:1": ""} {
		if got := pollMAC(id); got != want {
			t.Errorf("pollMAC(%q) = %q, want %q", id, got, want)
		}
	}
}
