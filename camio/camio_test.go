package camio

import (
	"encoding/json"
	"testing"
	"time"
)

func TestParseTimeAcceptsWhatRealClientsSend(t *testing.T) {
	want := time.Date(2014, 2, 21, 4, 12, 38, 911e6, time.UTC)
	for _, s := range []string{
		"2014-02-21T04:12:38.911-0000",
		"2014-02-21T04:12:38.911Z",
		"2014-02-21 04:12:38.911",
		"2014-02-21T04:12:38.911+0000",
		"2014-02-21T04:12:38.911+00:00",
		"2014-02-21T04:12:38.911 00:00", // '+' through a query string
		"2014-02-20T20:12:38.911-08:00",
		"2014-02-20 20:12:38.911-0800",
		"2014-02-21T04:12:38.911000000",
	} {
		if got, err := ParseTime(s); err != nil || !got.Equal(want) {
			t.Errorf("ParseTime(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "yesterday", "2014-02-30T00:00:00Z", "2014-02-21", "1392955958"} {
		if got, err := ParseTime(s); err == nil {
			t.Errorf("ParseTime(%q) = %v, want an error", s, got)
		}
	}
}

func TestTimeTravelsInTheAPIsForm(t *testing.T) {
	b, err := json.Marshal(map[string]Time{"date_created": {time.Date(2014, 2, 20, 20, 12, 38, 911e6, time.FixedZone("", -8*3600))}})
	if want := `{"date_created":"2014-02-21T04:12:38.911-0000"}`; err != nil || string(b) != want {
		t.Fatalf("got %s, %v; want %s", b, err, want)
	}
	var back map[string]Time
	if err := json.Unmarshal(b, &back); err != nil || FormatTime(back["date_created"].Time) != "2014-02-21T04:12:38.911-0000" {
		t.Fatalf("read back %v, %v", back, err)
	}
}

func FuzzParseTime(f *testing.F) {
	f.Add("2014-02-21T04:12:38.911-0000")
	f.Add("2014-02-21 04:12:38 00:00")
	f.Fuzz(func(t *testing.T, s string) {
		tm, err := ParseTime(s)
		if err != nil || tm.Year() > 9999 || tm.Year() < 0 {
			return
		}
		again, err := ParseTime(FormatTime(tm))
		if err != nil || !again.Equal(tm.Truncate(time.Millisecond)) {
			t.Fatalf("%q: %v does not survive its own form: %v, %v", s, tm, again, err)
		}
	})
}
