package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"

	"go.uber.org/zap"

	"camward/agent"
	"camward/internal/atomicfile"
)

func devicesVerb(fs *flag.FlagSet) func(context.Context, []string, stdio) error {
	asJSON := fs.Bool("json", false, "print JSON")
	return func(_ context.Context, _ []string, std stdio) error {
		list, err := agent.Devices()
		if err != nil {
			return err
		}
		if *asJSON {
			e := json.NewEncoder(std.out)
			e.SetIndent("", "  ")
			return e.Encode(list)
		}
		if len(list) == 0 {
			fmt.Fprintln(std.err, "there is no camera; plug one in, or use source: demo: to try without")
		}
		for _, d := range list {
			printDevice(std, d)
		}
		return nil
	}
}

func snapshotVerb(fs *flag.FlagSet) func(context.Context, []string, stdio) error {
	var c configFlags
	c.register(fs)
	camera := fs.String("camera", "", "camera of the configuration (`NAME`; default: the first)")
	source := fs.String("source", "", "take it from this `SOURCE` instead: a device, a recording or demo:")
	out := fs.String("o", "", "write to `FILE`; default: standard output")
	return func(ctx context.Context, _ []string, std stdio) error {
		cam, err := snapshotCamera(&c, *camera, *source)
		if err != nil {
			return fmt.Errorf("%w: %w", errMisused, err)
		}
		b, err := agent.Snapshot(ctx, cam, zap.NewNop())
		if err != nil {
			return err
		}
		if *out != "" {
			return atomicfile.Write(*out, b, 0o644)
		}
		if isTerminal(std.out) {
			return fmt.Errorf("%w: a picture does not belong on a terminal; name a file with -o", errMisused)
		}
		_, err = std.out.Write(b)
		return err
	}
}

func snapshotCamera(c *configFlags, camera, source string) (agent.CameraConfig, error) {
	if source != "" {
		cam := agent.DefaultCamera()
		cam.Name, cam.Source = "snapshot", source
		return cam, cam.Config.Validate()
	}
	loaded, err := c.load()
	if err != nil {
		return agent.CameraConfig{}, err
	}
	cam, err := loaded.Camera(camera)
	if err == nil {
		err = cam.KeepHidden(loaded.StateDir)
	}
	if err != nil {
		return cam, err
	}
	return cam, cam.Config.Validate()
}
