package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"

	"camward/agent"
)

func versionVerb(fs *flag.FlagSet) func(context.Context, []string, stdio) error {
	asJSON := fs.Bool("json", false, "print JSON")
	return func(_ context.Context, _ []string, std stdio) error {
		b := agent.ThisBuild(version)
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
