package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"strings"
	"testing"

	"camward/agent"
	"camward/camio"
	"camward/uploader"
	"camward/uploader/dropfolder"
)

// hostile is what a server may call itself: it would set a window's title, clear the screen and hide what follows.
const hostile = "down \x1b]0;owned\a\x1b[2J\u202e\u009b31m\r gone"

func TestWhatServersSayCannotDriveTheTerminal(t *testing.T) {
	var out, errs bytes.Buffer
	std := stdio{&out, &errs}
	var s agent.Status
	s.Uploader = uploader.Status{LastError: hostile, Dropped: map[camio.Kind]uint64{}}
	s.Folders = make([]dropfolder.Status, 1)
	s.Folders[0].Dir, s.Folders[0].LastError = "/mnt/"+hostile, hostile
	printStatus(&agent.Loaded{}, s, &out)
	printItems([]agent.SpoolItem{{ID: 1, State: "waiting", Camera: hostile, Name: hostile, LastError: hostile}}, std)
	printDevice(std, agent.Device{Card: hostile})
	v := verb{name: "x", flags: func(*flag.FlagSet) func(context.Context, []string, stdio) error {
		return func(context.Context, []string, stdio) error { return errors.New(hostile + "\nsecond line") }
	}}
	v.run(t.Context(), nil, std)
	for _, text := range []string{out.String(), errs.String()} {
		if strings.ContainsAny(text, "\x1b\a\r\u202e\u009b") || !strings.Contains(text, "down ") {
			t.Errorf("%q", text)
		}
	}
	if !strings.Contains(errs.String(), "\nsecond line") {
		t.Errorf("an error of two lines: %q", errs.String())
	}
}
