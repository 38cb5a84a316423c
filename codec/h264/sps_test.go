package h264

import (
	"encoding/hex"
	"testing"
)

// SPSs of x264 (ffmpeg 5.1, libx264 164), from one frame of its test pattern each:
// ffmpeg -f lavfi -i testsrc2=size=SIZE:rate=5 -frames:v 1 -c:v libx264 OPTIONS -f h264 -
var spsTests = []struct {
	name string
	hex  string
	want SPS
}{
	{"-profile:v baseline", "6742c016d900a03db0110000030001000003000a0f162e48",
		SPS{Profile: 66, Constraints: 0xc0, Level: 22, Width: 640, Height: 480}},
	{"-profile:v main", "674d4028eca03c0113f2e022000003000200000300141e30632c",
		SPS{Profile: 77, Constraints: 0x40, Level: 40, Width: 1920, Height: 1080}},
	{"-profile:v high -pix_fmt yuvj420p", "6764000cacd94150878888c05b2000000300200000030141e28532c0",
		SPS{Profile: 100, Level: 12, Width: 322, Height: 242, FullRange: true}},
	{"-profile:v high422", "677a000cbcd941419f8dc044000003000400000300283c50a658",
		SPS{Profile: 122, Level: 12, Width: 320, Height: 180}},
	{"-profile:v high444", "67f4000a919b28588f1f3e022000000300200000030141e244b2c0",
		SPS{Profile: 244, Level: 10, Width: 162, Height: 122}},
	{"-profile:v high10", "676e000ca6cd94141fb0110000030001000003000a0f142996",
		SPS{Profile: 110, Level: 12, Width: 320, Height: 240}},
	{"interlaced", "67640016acd940b424d8088000000300800000050f8a14cb",
		SPS{Profile: 100, Level: 22, Width: 720, Height: 576}},
	{"interlaced with cropping", "67640028acd94078044fde022000000300200000030143e2c5b2c0",
		SPS{Profile: 100, Level: 40, Width: 1920, Height: 1080}},
	{"cqm=jvt:sar=4/3:overscan=show:videoformat=pal", "6764000cacd94141fb01a44000000300400000030283c50a6580",
		SPS{Profile: 100, Level: 12, Width: 320, Height: 240}},
	{"sar=1000/999:nal-hrd=vbr", "6764000dacd94141fb0110000003001000000300a602001e840007a12928801e28532c",
		SPS{Profile: 100, Level: 13, Width: 320, Height: 240}},
}

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSizeAndRangeAreReadFromSPS(t *testing.T) {
	for _, test := range spsTests {
		if got, err := ParseSPS(unhex(t, test.hex)); err != nil || got != test.want {
			t.Errorf("%s: %+v, %v; want %+v", test.name, got, err, test.want)
		}
	}
}

func TestCutSPSIsRefusedUpToTheRangeFlag(t *testing.T) {
	nal := unhex(t, spsTests[2].hex)
	for n := range 12 {
		if got, err := ParseSPS(nal[:n]); err == nil {
			t.Errorf("%d bytes give %+v", n, got)
		}
	}
}

func TestAbsurdSPSIsRefused(t *testing.T) {
	for name, s := range map[string]string{
		"PPS":                     "68ce3c80",
		"forbidden bit":           "e742c016d900a03db0110000030001000003000a0f162e48",
		"all ones":                "67ffffffffffffffffffffff",
		"all zeros":               "6700000000000000000000000000",
		"id 32":                   "6742c01e0430",
		"endless Exp-Golomb code": "6742c01e00000000000001",
		"too long":                "67" + hex.EncodeToString(make([]byte, maxSPS)),
	} {
		if got, err := ParseSPS(unhex(t, s)); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestConfigFaultsAreReportedTogether(t *testing.T) {
	if err := (Config{Width: 640, Height: 480, Rate: 15, Bitrate: 1_000_000}).validate(); err != nil {
		t.Fatal(err)
	}
	err := Config{Width: 15, Height: 5000, Rate: -1, Bitrate: 0, KeyInterval: -1}.validate()
	faults, ok := err.(interface{ Unwrap() []error })
	if !ok || len(faults.Unwrap()) != 4 {
		t.Errorf("faults: %v; want 4", err)
	}
	if _, err := NewEncoder(Config{}); err == nil {
		t.Error("an empty Config was accepted")
	}
}

func FuzzParseSPS(f *testing.F) {
	for _, test := range spsTests {
		f.Add(unhex(f, test.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSPS(b)
		if err == nil && (s.Width < 2 || s.Height < 2 || s.Width*s.Height > maxMBs*256) {
			t.Fatalf("%+v", s)
		}
	})
}
