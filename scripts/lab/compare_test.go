package lab

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompareTellsWhatIsMissingAndOutOfOrder(t *testing.T) {
	shown := []int{0, 1, 2, 3, 4, 5, 6, 7, 9, 10} // 8 was broken
	tests := []struct {
		name string
		rec  Recording
		want Verdict
	}{
		{"whole", Recording{2, 3, 4, 5}, Verdict{First: 2, Last: 5}},
		{"what was broken is not missed", Recording{6, 7, 9, 10}, Verdict{First: 6, Last: 10}},
		{"repeated numbers", Recording{2, 2, 3, 3}, Verdict{First: 2, Last: 3}},
		{"a gap", Recording{2, 5}, Verdict{First: 2, Last: 5, Missing: []int{3, 4}}},
		{"out of order", Recording{2, 4, 3, 5}, Verdict{First: 2, Last: 5, Disorder: []int{3}}},
		{"unreadable", Recording{2, -1, 4}, Verdict{First: 2, Last: 4, Unreadable: 1, Missing: []int{3}}},
		{"empty", nil, Verdict{First: -1, Last: -1}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, tt.rec.Compare(shown)); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, diff)
		}
	}
}

func TestOnlyWholePicturesCountAsShown(t *testing.T) {
	got, err := ReadShown(strings.NewReader("0 run 1795440528104\n1 trunc 1795440528204\n2 run 1795440528304\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{0, 2}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if _, err := ReadShown(strings.NewReader("0 run\n")); err == nil {
		t.Error("a cut line was taken")
	}
}
