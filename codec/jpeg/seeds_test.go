package jpeg

import (
	"bytes"
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// addSeeds gives the fuzzer the small pictures of testdata, whole and as cameras and cables spoil them. With these alone, plain go test
// -run Fuzz reaches over 90 % of the package's statements; see testdata/SOURCES.md.
func addSeeds(f *testing.F) {
	for _, data := range seeds(f) {
		f.Add(data)
	}
}

func seeds(tb testing.TB) (all [][]byte) {
	names, err := filepath.Glob("testdata/*.jpg")
	if err != nil || len(names) == 0 {
		tb.Fatalf("no pictures in testdata: %v", err)
	}
	for _, name := range names {
		if strings.Contains(name, "640x480") {
			continue // too large for the fuzzer to get anywhere with
		}
		data, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, data, data[:len(data)*2/3])
		if !strings.Contains(name, "jpegls") { // its scan has no header as others have
			all = append(all, without(tb, data, mDHT))
		}
	}
	for _, variants := range []map[string][]byte{broken(tb), spoiltHeaders(tb), spoiltScans(tb)} {
		for _, name := range slices.Sorted(maps.Keys(variants)) {
			all = append(all, variants[name])
		}
	}
	return all
}

// patched returns data with bytes replaced at an offset behind the first marker of a kind.
func patched(data []byte, marker byte, offset int, with ...byte) []byte {
	out := bytes.Clone(data)
	copy(out[bytes.Index(out, []byte{0xFF, marker})+offset:], with)
	return out
}

// before returns data with bytes put before the first marker of a kind.
func before(data []byte, marker byte, more ...byte) []byte {
	return slices.Insert(bytes.Clone(data), bytes.Index(data, []byte{0xFF, marker}), more...)
}

// dht is a segment with one Huffman table, whose symbols are 0, 1, 2...
func dht(classID byte, counts ...byte) []byte {
	body := append([]byte{classID}, counts...)
	body = append(body, make([]byte, 16-len(counts))...)
	n := 0
	for _, c := range counts {
		n += int(c)
	}
	for i := range n {
		body = append(body, byte(i))
	}
	return append(binary.BigEndian.AppendUint16([]byte{0xFF, mDHT}, uint16(len(body)+2)), body...)
}

// spoiltHeaders are pictures with one thing in their headers that is unusual or wrong.
func spoiltHeaders(tb testing.TB) map[string][]byte {
	data := readFile(tb, "cjpeg-420.jpg")
	bare := without(tb, data, mDHT)
	grey := readFile(tb, "cjpeg-grey.jpg")
	arithmetic := readFile(tb, "cjpeg-arithmetic.jpg")
	scan := scanStart(tb, data)
	noEOB := append(patched(dht(0x10, 0, 3), mDHT, 21, 1, 2, 3), patched(dht(0x11, 0, 3), mDHT, 21, 1, 2, 3)...)
	return map[string][]byte{
		"AVI1, as from a webcam":          withSegment(bare, mAPP0, "AVI1\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		"Adobe says RGB":                  withSegment(without(tb, data, mAPP0), mAPP14, "Adobe\x00\x64\x00\x00\x00\x00\x00"),
		"RGB by its identifiers":          without(tb, readFile(tb, "cjpeg-rgb.jpg"), mAPP14),
		"a short Adobe segment":           withSegment(data, mAPP14, "Adobe"),
		"a comment":                       withSegment(data, 0xFE, "made of bytes"),
		"fill bytes":                      before(data, mDHT, 0xFF, 0xFF, 0xFF),
		"garbage between segments":        before(data, mSOS, []byte("garbage\xFF\x00more")...),
		"SOI twice, TEM and RST":          before(data, mDQT, 0xFF, mSOI, 0xFF, mTEM, 0xFF, mRST0),
		"EOI before the scan":             before(data, mSOS, 0xFF, mEOI),
		"frame header twice":              before(data, mDHT, data[bytes.Index(data, []byte{0xFF, mSOF0}):][:19]...),
		"short frame header":              patched(data, mSOF0, 2, 0, 7),
		"frame header of two":             patched(data, mSOF0, 9, 2),
		"five components":                 patched(data, mSOF0, 9, 5),
		"four components":                 patched(grey, mSOF0, 9, 4),
		"sampling of 0":                   patched(data, mSOF0, 11, 0x02),
		"sampling of 5":                   patched(data, mSOF0, 11, 0x15),
		"sampling of 4x4":                 patched(data, mSOF0, 11, 0x44),
		"luma is the smaller":             patched(data, mSOF0, 11, 0x11, 0, 2, 0x22),
		"quantisation table 3":            patched(data, mSOF0, 12, 3),
		"quantisation table 9":            patched(data, mSOF0, 12, 9),
		"12 bits":                         patched(data, mSOF0, 4, 12),
		"hierarchical":                    patched(data, mSOF0, 1, 0xC5),
		"arithmetic without conditioning": patched(data, mSOF0, 1, 0xC9),
		"conditioning":                    before(data, mSOF0, arithmetic[bytes.Index(arithmetic, []byte{0xFF, mDAC}):][:6]...),
		"quantisation table 4":            patched(data, mDQT, 4, 4),
		"quantisation of 2 bytes":         patched(data, mDQT, 4, 0x20),
		"quantisation of 0":               patched(data, mDQT, 5, 0),
		"wide quantisation too short":     patched(data, mDQT, 4, 0x10),
		"Huffman table 4":                 patched(data, mDHT, 4, 4),
		"Huffman class 2":                 patched(data, mDHT, 4, 0x20),
		"too many symbols":                patched(data, mDHT, 5, 200, 200),
		"no prefix code":                  before(data, mSOS, dht(0x00, 3)...),
		"DC difference of 31 bits":        patched(data, mDHT, 21, 31),
		"DHT too short":                   before(data, mSOS, 0xFF, mDHT, 0, 9, 0, 0, 0, 0, 0, 0, 0),
		"a table with nothing in it":      before(data, mSOS, dht(0x10)...),
		"a table without EOB":             before(data, mSOS, noEOB...),
		"no EOB, and cut":                 before(data, mSOS, noEOB...)[:scan+500],
		"symbols of progressive coding":   before(data, mSOS, append(dht(0x10, 0, 0, 0, 0, 0, 20), dht(0x11, 0, 0, 0, 0, 0, 20)...)...),
		"a DC table of one code":          before(data, mSOS, dht(0x00, 1)...),
		"codes of 16 bits alone":          before(data, mSOS, append(dht(0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12), dht(0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255)...)...),
		"restart interval of 1":           before(data, mSOS, 0xFF, mDRI, 0, 4, 0, 1),
		"restart interval of 65535":       before(data, mSOS, 0xFF, mDRI, 0, 4, 0xFF, 0xFF),
		"DRI too short":                   before(data, mSOS, 0xFF, mDRI, 0, 3, 1),
		"scan of none":                    patched(data, mSOS, 4, 0),
		"scan of five":                    patched(data, mSOS, 4, 5),
		"scan of two":                     patched(data, mSOS, 4, 2),
		"scan of one":                     patched(data, mSOS, 4, 1),
		"scan of another component":       patched(data, mSOS, 5, 9),
		"a component twice":               patched(data, mSOS, 7, 1),
		"components in another order":     patched(data, mSOS, 5, 2, 0x11, 1, 0),
		"scan with table 3":               patched(data, mSOS, 6, 0x33),
		"scan with table 8":               patched(data, mSOS, 6, 0x80),
		"bare, scan with table 2":         patched(bare, mSOS, 6, 0x22),
		"scan header cut":                 data[:scan-3],
		"cut behind SOS":                  data[:bytes.Index(data, []byte{0xFF, mSOS})+3],
		"segment longer than the data":    patched(data, mSOS, 2, 0x7F),
		"segment length 0":                patched(data, mDHT, 2, 0, 0),
	}
}

// spoiltScans are pictures whose headers are in order, and their data is not.
func spoiltScans(tb testing.TB) map[string][]byte {
	rows := readFile(tb, "cjpeg-restart-rows.jpg")
	head := scanStart(tb, rows)
	lost := func(from, to int) []byte {
		return slices.Concat(rows[:marker(rows, head, from)], rows[marker(rows, head, to):])
	}
	four, five := marker(rows, head, 4), marker(rows, head, 5)
	data := readFile(tb, "cjpeg-420.jpg")
	begin := scanStart(tb, data)
	middle := (begin + len(data)) / 2
	overwritten := func(at int, with ...byte) []byte {
		out := bytes.Clone(data)
		copy(out[at:], with)
		return out
	}
	whole := data[:len(data)-2]
	separate := readFile(tb, "cjpeg-separate-scans.jpg")
	second := begin + bytes.Index(separate[begin:], []byte{0xFF, mSOS})
	return map[string][]byte{
		"two rows lost":              lost(3, 5),
		"five rows lost":             lost(1, 6),
		"a row sent twice":           slices.Concat(rows[:five], rows[four:]),
		"half a row lost":            slices.Concat(rows[:(four+five)/2], rows[five:]),
		"a stale row":                slices.Concat(rows[:five], rows[marker(rows, head, 1):four], rows[five:]),
		"only stale rows follow":     slices.Concat(rows[:five], rows[marker(rows, head, 1):four]),
		"a row too many":             slices.Concat(rows[:len(rows)-2], rows[four:five], rows[len(rows)-2:]),
		"another marker in the rows": patched(rows, mRST0+4, 1, 0xE5),
		"cut after a marker":         rows[:five+2],
		"cut within a marker":        rows[:five+1],
		"no data":                    data[:begin],
		"no data but EOI":            slices.Concat(data[:begin], []byte{0xFF, mEOI}),
		"cut within a marker at end": data[:len(data)-1],
		"no EOI, ends in FF FF":      append(bytes.Clone(whole), 0xFF, 0xFF),
		"bytes after EOI":            append(bytes.Clone(data), "noise"...),
		"a second picture":           slices.Concat(data, data),
		"a second one, no EOI":       slices.Concat(whole, data),
		"padding of zeros":           slices.Concat(whole, make([]byte, 300), data[len(whole):]),
		"padding of one thing":       slices.Concat(whole, bytes.Repeat([]byte{0x2B}, 90), data[len(whole):]),
		"padding of this and that":   slices.Concat(whole, []byte("0123456789abcdef"), data[len(whole):]),
		"fill bytes in the data":     slices.Insert(bytes.Clone(data), middle, 0xFF, 0xFF, 0xFF, 0),
		"a marker in the data":       overwritten(middle, 0xFF, mDQT, 0, 4),
		"a restart marker too many":  overwritten(middle, 0xFF, mRST0),
		"ones in the data":           overwritten(middle, bytes.Repeat([]byte{0xFF, 0}, 40)...),
		"zeros in the data":          overwritten(middle, make([]byte, 60)...),
		"noise in the data":          overwritten(middle, []byte("Who would have thought that a JPEG is so long?")...),
		"cut between scans":          separate[:second],
		"cut in the second's header": separate[:second+6],
		"the second scan alone":      slices.Concat(separate[:head], separate[second:]),
	}
}
