package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"camward/scripts/lab/rows"
	"camward/scripts/lab/v4l2"
)

// rawFormats are what vivid is asked for, one camera each: first by its ordinary interface, then by the multi-planar one.
var rawFormats = []struct {
	name, format string
	planes       bool
}{
	{"yuyv", "YUYV", false}, {"uyvy", "UYVY", false}, {"nv12", "NV12", false}, {"yu12", "YU12", false}, {"grey", "GREY", false},
	{"mp-yuyv", "YUYV", true}, {"mp-nv12", "NV12", true}, {"mp-yu12", "YU12", true}, {"mp-grey", "GREY", true},
}

// formats records vivid's colour bars in each raw format, all in one agent. The host looks whether the colours are right.
func (d *drill) formats() error {
	n := len(rawFormats)
	var types, planar []string
	for _, f := range rawFormats {
		types = append(types, "0x1")
		planar = append(planar, map[bool]string{false: "1", true: "2"}[f.planes])
	}
	if err := loadVivid(fmt.Sprintf("n_devs=%d", n), "node_types="+strings.Join(types, ","), "multiplanar="+strings.Join(planar, ",")); err != nil {
		return err
	}
	var nodes, cameras []string
	for i, f := range rawFormats {
		node := fmt.Sprintf("/dev/video%d", i)
		nodes = append(nodes, node)
		if err := text(node, textNone); err != nil {
			return err
		}
		cameras = append(cameras, fmt.Sprintf("name: %s, source: %s, size: 320x180, rate: 5, format: %s, clip: {pre_roll: 2s, post_roll: 2s, heartbeat: 0s}", f.name, node, f.format))
	}
	a, err := d.start(cameras...)
	if err != nil {
		return err
	}
	learnt := func() bool { // the detector has to learn the picture
		return !slices.ContainsFunc(a.status(), func(s cameraStatus) bool { return s.Capture.Frames < 20 })
	}
	if err := until(40*time.Second, "20 pictures of each camera", learnt); err != nil {
		d.say("%v", err)
	}
	for i := range 6 { // and then something has to appear
		for _, node := range nodes {
			if err := text(node, [2]int32{textCounters, textNone}[i%2]); err != nil {
				return err
			}
		}
		time.Sleep(800 * time.Millisecond)
	}
	time.Sleep(2 * time.Second)
	if err := a.idle(); err != nil {
		return err
	}
	for i, f := range rawFormats {
		made := "vivid, format: " + f.format
		if f.planes {
			made += ", multi-planar interface"
		}
		d.row(nil, rows.Row{Set: "formats", Fault: "-", Made: made, Did: "granted, detected and recorded"}, func(r *rows.Row) error {
			s := a.camera(i)
			r.Driver = fmt.Sprintf("grants %s %dx%d at %.4g/s", s.Capture.Format.Format, s.Capture.Format.Width, s.Capture.Format.Height, s.Capture.Format.Rate)
			if s.Capture.Format.Format != f.format || s.Clip.Clips == 0 {
				return fmt.Errorf("%s after %d pictures, %d events, %d clips; %s", r.Driver, s.Capture.Frames, s.Motion.Events, s.Clip.Clips, s.Capture.LastError)
			}
			return nil
		})
	}
	return a.stop()
}

// What vivid writes on its picture, at the top.
const textCounters, textNone = 1, 2

// text sets what a device writes on its colour bars.
func text(node string, mode int32) error {
	n, err := v4l2.Open(node, false)
	if err != nil {
		return err
	}
	defer n.Close()
	return n.SetControl("OSD Text Mode", mode)
}
