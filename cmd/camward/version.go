package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"runtime"

	"camward/codec/h264"
	"camward/codec/jpeg"
)

// build is what `camward version --json` prints.
type build struct {
	Version string   `json:"version"`
	Go      string   `json:"go"`
	System  string   `json:"system"`
	H264    string   `json:"h264_encoder"` // empty: none
	JPEG    string   `json:"jpeg"`
	Lacks   []string `json:"lacks"`
}

func thisBuild() build {
	b := build{Version: version, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, H264: h264.Backend, JPEG: jpeg.Backend, Lacks: []string{}}
	if !h264.Available {
		b.Lacks = append(b.Lacks, "H.264 encoder: events are uploaded as JPEGs, one a second")
	}
	return b
}

func versionVerb(fs *flag.FlagSet) func(context.Context, []string, stdio) error {
	asJSON := fs.Bool("json", false, "print JSON")
	return func(_ context.Context, _ []string, std stdio) error {
		b := thisBuild()
		if *asJSON {
			return json.NewEncoder(std.out).Encode(b)
		}
		encoder := b.H264
		if encoder == "" {
			encoder = "none"
		}
		fmt.Fprintf(std.out, "camward %s (%s, %s)\n  H.264 encoder: %s\n  JPEG: %s\n", b.Version, b.System, b.Go, encoder, b.JPEG)
		for _, l := range b.Lacks {
			fmt.Fprintf(std.out, "  lacks: %s\n", l)
		}
		return nil
	}
}
