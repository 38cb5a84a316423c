package h264

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

func TestNALsAreFoundBetweenStartCodes(t *testing.T) {
	tests := map[string]struct {
		in   string
		want []string
	}{
		"empty":                   {"", nil},
		"no start code":           {"abc\x00\x00", nil},
		"only a start code":       {"\x00\x00\x01", nil},
		"three bytes":             {"\x00\x00\x01abc\x00\x00\x01def", []string{"abc", "def"}},
		"four bytes":              {"\x00\x00\x00\x01abc\x00\x00\x00\x01def", []string{"abc", "def"}},
		"leading zeros":           {"\x00\x00\x00\x00\x00\x01abc", []string{"abc"}},
		"trailing zeros":          {"\x00\x00\x01abc\x00\x00\x00\x00\x00\x01def\x00\x00", []string{"abc", "def"}},
		"junk before":             {"junk\x00\x00\x01abc", []string{"abc"}},
		"empty unit between":      {"\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x01abc", []string{"abc"}},
		"cut start code":          {"\x00\x00\x01abc\x00\x00", []string{"abc"}},
		"escaped zeros are kept":  {"\x00\x00\x01a\x00\x00\x03\x01b", []string{"a\x00\x00\x03\x01b"}},
		"one zero inside is kept": {"\x00\x00\x01a\x00\x01b", []string{"a\x00\x01b"}},
	}
	for name, test := range tests {
		var got []string
		for nal := range NALs([]byte(test.in)) {
			got = append(got, string(nal))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: NALs(%q) = %q, want %q", name, test.in, got, test.want)
		}
	}
}

func TestNALsStopsWhenAsked(t *testing.T) {
	n := 0
	for range NALs([]byte("\x00\x00\x01a\x00\x00\x01b")) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d units after break", n)
	}
}

func TestAVCCLeavesOutParameterSetsAndDelimiters(t *testing.T) {
	in := []byte("\x00\x00\x00\x01\x09\xf0\x00\x00\x01\x67sps\x00\x00\x01\x68pps\x00\x00\x01\x06sei\x00\x00\x01\x65idr")
	want := []byte("before\x00\x00\x00\x04\x06sei\x00\x00\x00\x04\x65idr")
	if got := AVCC([]byte("before"), in); !bytes.Equal(got, want) {
		t.Errorf("AVCC = %q, want %q", got, want)
	}
	sps, pps := ParameterSets(in)
	if string(sps) != "\x67sps" || string(pps) != "\x68pps" {
		t.Errorf("ParameterSets = %q, %q", sps, pps)
	}
	if sps, pps := ParameterSets([]byte("\x00\x00\x01\x41slice\x00\x00\x01\x67sps")); sps != nil || pps != nil {
		t.Errorf("parameter sets after a slice were taken: %q, %q", sps, pps)
	}
}

func TestSplittingDoesNotAllocate(t *testing.T) {
	au := []byte("\x00\x00\x00\x01\x67sps\x00\x00\x01\x68pps\x00\x00\x01\x65" + string(bytes.Repeat([]byte("x"), 20_000)))
	dst := make([]byte, 0, 1<<16)
	if n := testing.AllocsPerRun(100, func() { dst = AVCC(dst[:0], au); ParameterSets(au) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	total := 0
	if n := testing.AllocsPerRun(100, func() {
		for nal := range NALs(au) {
			total += len(nal)
		}
	}); n != 0 {
		t.Errorf("NALs: %v allocations", n)
	}
}

func FuzzNALs(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01\x67sps\x00\x00\x01\x68pps\x00\x00\x01\x65idr\x00\x00"))
	f.Add([]byte("\x00\x00\x01\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var joined []byte
		var units int
		for nal := range NALs(b) {
			if len(nal) == 0 || nal[len(nal)-1] == 0 || bytes.Contains(nal, startCode) {
				t.Fatalf("unit %q of %q", nal, b)
			}
			joined = append(append(joined, 0, 0, 0, 1), nal...)
			units++
		}
		again := 0
		for range NALs(joined) {
			again++
		}
		if again != units {
			t.Fatalf("%d units, %d after joining them again", units, again)
		}
		for rest := AVCC(nil, b); len(rest) > 0; {
			n := binary.BigEndian.Uint32(rest)
			rest = rest[4+n:]
		}
		ParameterSets(b)
	})
}

func BenchmarkAVCC(b *testing.B) {
	au := append([]byte("\x00\x00\x00\x01\x65"), bytes.Repeat([]byte{0x80, 0, 0x31, 0xfe, 7}, 8_000)...)
	var dst []byte
	b.SetBytes(int64(len(au)))
	b.ReportAllocs()
	for b.Loop() {
		dst = AVCC(dst[:0], au)
	}
}
