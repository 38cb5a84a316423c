package rows

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRowsAreReadAsTheyWereWritten(t *testing.T) {
	want := []Row{
		{Set: "usb", Fault: "unplugged", Made: "detach", Driver: "poll 0x18, ENODEV", Log: []string{"camera lost", "a|b"}, Did: "reopened", Recovery: []float64{1.5, 0.5, 1}},
		{Set: "usb", Fault: "slow", Err: "too slow"},
	}
	var b bytes.Buffer
	for _, r := range want {
		if err := Write(&b, r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if _, err := Read(strings.NewReader(`{"Set":"usb"}` + "\n" + `{"Set":`)); err == nil {
		t.Error("a cut row was taken")
	}
}

func TestTableTellsMedianAndWorst(t *testing.T) {
	var b bytes.Buffer
	Table(&b, []Row{{Fault: "unplugged", Log: []string{"a|b", "c"}, Recovery: []float64{1.5, 0.5, 1}}, {Fault: "flag", Recovery: nil}})
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	want := []string{`| unplugged |  |  | a\|b; c |  | 1.0 s, at most 1.5 s of 3 |`, `| flag |  |  |  |  | - |`}
	if diff := cmp.Diff(want, lines[2:]); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
