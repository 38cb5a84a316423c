package capture

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// watchNodes tells when video nodes come, go or are given to a group: in dev, in its v4l/by-id, and where the configured path is. Changes
// that come faster than they are taken are one. stop ends it and waits.
func watchNodes(dev, configured string) (changed <-chan struct{}, stop func(), err error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, nil, fmt.Errorf("watch %s: %w", dev, err)
	}
	if err := w.Add(dev); err != nil {
		w.Close()
		return nil, nil, fmt.Errorf("watch %s: %w", dev, err)
	}
	folders := []string{filepath.Join(dev, "v4l"), filepath.Join(dev, "v4l", "by-id")}
	if strings.HasPrefix(configured, "/") {
		folders = append(folders, filepath.Dir(configured))
	}
	reach := func() {
		for _, f := range folders {
			_ = w.Add(f) // udev makes them with the first link and removes them with the last
		}
	}
	reach()
	tell := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case ev, ok := <-w.Events:
				if !ok {
					return
				}
				if !ev.Has(fsnotify.Create|fsnotify.Remove|fsnotify.Rename|fsnotify.Chmod) || !concerns(ev.Name, dev, configured) {
					continue // /dev/null is written to all the time
				}
			case _, ok := <-w.Errors:
				if !ok {
					return
				} // there was more than the kernel keeps (inotify(7), IN_Q_OVERFLOW): anything may have come
			}
			reach() // before anybody looks
			select {
			case tell <- struct{}{}:
			default:
			}
		}
	}()
	return tell, func() { w.Close(); <-done }, nil
}

// concerns tells names that may be of a camera from the rest of dev.
func concerns(name, dev, configured string) bool {
	base := filepath.Base(name)
	return filepath.Dir(name) != dev || strings.HasPrefix(base, "video") || base == "v4l" || name == configured
}
