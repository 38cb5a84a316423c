package agent

import (
	"fmt"
	"strconv"

	"github.com/VictoriaMetrics/metrics"

	"camward/camio"
	"camward/capture"
	"camward/uploader"
)

// metrics registers what /metrics tells. Each value is read when it is asked for; nothing is counted twice.
func (a *Agent) metrics() *metrics.Set {
	set := metrics.NewSet()
	gauge := func(name string, f func() float64) { set.NewGauge("camward_"+name, f) }
	gauge(fmt.Sprintf("build_info{version=%s}", strconv.Quote(a.version)), func() float64 { return 1 })
	for _, p := range a.cameras {
		p.metrics(gauge)
	}
	a.spool.metrics(gauge)
	a.folderMetrics(gauge)
	gauge("poll_total", func() float64 { return float64(a.poller.Status().Polls) })
	gauge("poll_failures_total", func() float64 { return float64(a.poller.Status().Failures) })
	gauge("poll_last_success_timestamp_seconds", func() float64 {
		if t := a.poller.Status().LastOK; !t.IsZero() {
			return float64(t.UnixMilli()) / 1000
		}
		return 0
	})
	return set
}

func (p *pipeline) metrics(gauge func(string, func() float64)) {
	camera := func(name, more string) string {
		return fmt.Sprintf("%s{camera=%s%s}", name, strconv.Quote(p.name), more)
	}
	gauge(camera("frames_total", ""), func() float64 { return float64(p.camera.Status().Frames) })
	gauge(camera("frames_dropped_total", `,where="driver"`), func() float64 { return float64(p.camera.Status().Drops) })
	gauge(camera("frames_dropped_total", `,where="broken"`), func() float64 { return float64(p.camera.Status().Errored) })
	for queue, hub := range map[string]*capture.Hub{queueDetect: p.small, queueRecord: p.hub} {
		gauge(camera("frames_dropped_total", `,where="queue `+queue+`"`), func() float64 { return float64(hub.Drops()[queue]) })
	}
	for reason := range p.recorder.Status().Dropped { // every reason is there from the start
		gauge(camera("frames_dropped_total", `,where="recorder `+reason+`"`), func() float64 { return float64(p.recorder.Status().Dropped[reason]) })
	}
	gauge(camera("camera_up", ""), func() float64 { return bit(p.camera.Status().Running) })
	gauge(camera("camera_lost_total", ""), func() float64 { return float64(p.losses.Load()) })
	gauge(camera("motion", ""), func() float64 { return bit(p.motionStatus().Moving) })
	gauge(camera("motion_events_total", ""), func() float64 { return float64(p.motionStatus().Events) })
	gauge(camera("scene_changes_total", ""), func() float64 { return float64(p.motionStatus().Scenes) })
	for _, scene := range sceneNames() {
		gauge(camera("scenes_total", `,scene="`+scene+`"`), func() float64 { return float64(p.motionStatus().ScenesNamed[scene]) })
	}
	gauge(camera("recording", ""), func() float64 { return bit(p.recorder.Status().Recording) })
	gauge(camera("recordings_total", `,kind="clip"`), func() float64 { return float64(p.recorder.Status().Clips) })
	gauge(camera("recordings_total", `,kind="snapshot"`), func() float64 { return float64(p.recorder.Status().Snapshots) })
	gauge(camera("recordings_total", `,kind="heartbeat"`), func() float64 { return float64(p.recorder.Status().Heartbeats) })
	gauge(camera("recordings_failed_total", ""), func() float64 { return float64(p.recorder.Status().Failures) })
	gauge(camera("ring_bytes", ""), func() float64 { return float64(p.recorder.Status().Bytes) })
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (s *lateSpool) metrics(gauge func(string, func() float64)) {
	for name, value := range map[string]func(uploader.Status) float64{
		"spool_items":                             func(st uploader.Status) float64 { return float64(st.Queued) },
		"spool_bytes":                             func(st uploader.Status) float64 { return float64(st.SpoolBytes) },
		"spool_max_bytes":                         func(st uploader.Status) float64 { return float64(st.SpoolMaxBytes) },
		"spool_oldest_seconds":                    func(st uploader.Status) float64 { return st.OldestSeconds },
		"spool_quarantined":                       func(st uploader.Status) float64 { return float64(st.Quarantined) },
		"spool_written_bytes":                     func(st uploader.Status) float64 { return float64(st.WrittenBytes) },
		"spool_written_day_bytes":                 func(st uploader.Status) float64 { return float64(st.WrittenDay) },
		"spool_written_ever_bytes":                func(st uploader.Status) float64 { return float64(st.WrittenEver) },
		"uploads_total":                           func(st uploader.Status) float64 { return float64(st.Sent) },
		"uploads_bytes_total":                     func(st uploader.Status) float64 { return float64(st.SentBytes) },
		"uploads_retried_total":                   func(st uploader.Status) float64 { return float64(st.Retries) },
		"uploads_refused_total":                   func(st uploader.Status) float64 { return float64(st.Refused) },
		"uploads_paused":                          func(st uploader.Status) float64 { return bit(st.Paused != "") },
		"spool_dropped_total{kind=\"clip\"}":      func(st uploader.Status) float64 { return float64(st.Dropped[camio.KindClip]) },
		"spool_dropped_total{kind=\"snapshot\"}":  func(st uploader.Status) float64 { return float64(st.Dropped[camio.KindSnapshot]) },
		"spool_dropped_total{kind=\"heartbeat\"}": func(st uploader.Status) float64 { return float64(st.Dropped[camio.KindHeartbeat]) },
	} {
		gauge(name, func() float64 {
			st, _ := s.Status()
			return value(st)
		})
	}
	gauge("spool_open", func() float64 {
		_, err := s.Status()
		return bit(err == nil)
	})
}
