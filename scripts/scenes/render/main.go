// Command render writes scenes as recordings with their truth beside them, NAME.avi (Motion JPEG) or NAME.luma and NAME.json.
//
//	go run ./scripts/scenes/render -list
//	go run ./scripts/scenes/render -out DIR [-size 640x480] [-rate 10] [-split tune|held|all] [-raw] [NAME...]
//
// Raw luma is 8 bits, full range, one picture after the other without anything between them.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"camward/scripts/scenes"
)

type options struct {
	out           string
	width, height int
	rate          float64
	raw           bool
}

func main() {
	var o options
	flag.StringVar(&o.out, "out", "", "folder to write to")
	size := flag.String("size", "640x480", "size of the pictures")
	flag.Float64Var(&o.rate, "rate", 10, "pictures a second")
	flag.BoolVar(&o.raw, "raw", false, "raw luma instead of Motion JPEG")
	split := flag.String("split", "tune", "tune, held or all")
	list := flag.Bool("list", false, "only list the scenes")
	flag.Parse()
	err := run(o, *size, *split, *list, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}

func run(o options, size, split string, list bool, names []string) error {
	chosen, err := choose(split, names)
	if err != nil {
		return err
	}
	if list {
		for _, s := range chosen {
			fmt.Printf("%-24s %-5s %v\n", s.Name, s.Split, s.Length)
		}
		return nil
	}
	if n, err := fmt.Sscanf(size, "%dx%d", &o.width, &o.height); n != 2 || err != nil {
		return fmt.Errorf("-size %s is not WIDTHxHEIGHT", size)
	}
	if o.out == "" {
		return errors.New("say with -out where to write to")
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	for _, s := range chosen {
		if err := write(o, s); err != nil {
			return err
		}
	}
	return nil
}

func choose(split string, names []string) ([]scenes.Scene, error) {
	var chosen []scenes.Scene
	for _, n := range names {
		s, ok := scenes.Named(n)
		if !ok {
			return nil, fmt.Errorf("there is no scene %q; -list -split all shows them", n)
		}
		chosen = append(chosen, s)
	}
	switch {
	case len(names) > 0:
	case split == "all":
		chosen = scenes.All()
	case split == string(scenes.Tune) || split == string(scenes.Held):
		chosen = scenes.Of(scenes.Split(split))
	default:
		return nil, fmt.Errorf("-split %s is none of tune, held, all", split)
	}
	return chosen, nil
}

func write(o options, s scenes.Scene) (err error) {
	r, err := s.Renderer(o.width, o.height, o.rate)
	if err != nil {
		return err
	}
	name := s.Name + ".avi"
	if o.raw {
		name = s.Name + ".luma"
	}
	f, err := os.Create(filepath.Join(o.out, name))
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, f.Close()) }()
	if o.raw {
		err = writeLuma(f, r)
	} else {
		err = writeAVI(f, r, o)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", f.Name(), err)
	}
	truth := r.Truth()
	truth.Clip = name
	b, err := json.MarshalIndent(truth, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.out, s.Name+".json"), append(b, '\n'), 0o644)
}

func writeLuma(f io.Writer, r *scenes.Renderer) error {
	w := bufio.NewWriter(f)
	for p, ok := r.Next(); ok; p, ok = r.Next() {
		if _, err := w.Write(p.Luma.Pix); err != nil {
			return err
		}
	}
	return w.Flush()
}

func writeAVI(f io.WriteSeeker, r *scenes.Renderer, o options) error {
	a, err := newAVI(f, o.width, o.height, o.rate)
	if err != nil {
		return err
	}
	for p, ok := r.Next(); ok; p, ok = r.Next() {
		data, err := r.JPEG(p)
		if err != nil {
			return err
		}
		if err := a.add(data); err != nil {
			return err
		}
	}
	return a.finish()
}
