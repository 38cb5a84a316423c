package lab

import (
	"bytes"
	"fmt"
	"io"

	"camward/codec/h264"
	"camward/codec/mp4"
	"camward/video"
)

// A Recording is the numbers read from the pictures of one clip, in the order they are shown.
// A picture whose mark can't be read counts as -1.
type Recording []int

// ReadRecording decodes a clip and reads each picture's mark.
func ReadRecording(clip []byte) (Recording, error) {
	r := bytes.NewReader(clip)
	file, err := mp4.Read(r, int64(len(clip)))
	if err != nil {
		return nil, err
	}
	if file.Whole != int64(len(clip)) {
		return nil, fmt.Errorf("only %d of the clip's %d bytes are whole fragments", file.Whole, len(clip))
	}
	decoder, err := h264.NewDecoder()
	if err != nil {
		return nil, err
	}
	defer decoder.Close()
	var rec Recording
	var picture video.I420
	for i := range file.Samples {
		p, err := file.Packet(r, i)
		if err != nil {
			return nil, err
		}
		ok, err := decoder.Decode(p.Data, &picture)
		if err != nil {
			return nil, fmt.Errorf("picture %d: %w", i, err)
		}
		if ok {
			rec = append(rec, readMark(&picture))
		}
	}
	for {
		ok, err := decoder.Flush(&picture)
		if err != nil || !ok {
			return rec, err
		}
		rec = append(rec, readMark(&picture))
	}
}

func readMark(p *video.I420) int {
	luma := video.Plane{Pix: p.Y, Width: p.Width, Height: p.Height, Stride: p.YStride}
	x, y := video.MarkAt(p.Width, p.Height)
	if n, ok := video.ReadMark(&luma, x, y); ok {
		return int(n)
	}
	return -1
}

// A Verdict is what comparing a recording with the camera's own log gives.
type Verdict struct {
	First, Last int
	Unreadable  int   // pictures without a mark
	Disorder    []int // numbers that came after a higher one
	Missing     []int // shown whole between First and Last, and not in the recording
}

// Compare holds a recording against the numbers of the whole pictures that the camera showed.
// A number may repeat: a camera faster than its scene shows pictures several times.
func (r Recording) Compare(shown []int) Verdict {
	v := Verdict{First: -1, Last: -1}
	seen := map[int]bool{}
	for _, n := range r {
		switch {
		case n < 0:
			v.Unreadable++
			continue
		case n < v.Last:
			v.Disorder = append(v.Disorder, n)
		}
		if v.First < 0 {
			v.First = n
		}
		v.Last = max(v.Last, n)
		seen[n] = true
	}
	for _, n := range shown {
		if n > v.First && n < v.Last && !seen[n] {
			v.Missing = append(v.Missing, n)
		}
	}
	return v
}

// ReadShown reads a camera's log and gives the numbers of its whole pictures.
func ReadShown(r io.Reader) (whole []int, err error) {
	for {
		var n int
		var mode string
		var at int64
		if _, err := fmt.Fscanln(r, &n, &mode, &at); err == io.EOF {
			return whole, nil
		} else if err != nil {
			return nil, fmt.Errorf("camera's log: %w", err)
		}
		if mode == "run" {
			whole = append(whole, n)
		}
	}
}
