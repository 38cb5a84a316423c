package agent

import (
	"context"
	"fmt"
	"strconv"

	"camward/camio"
	"camward/uploader/dropfolder"
)

// FolderConfig is a directory into which other firmware writes pictures and clips.
type FolderConfig struct {
	dropfolder.Config `yaml:",inline"`
}

// setDefaults prepares one entry of the folders list before it is read.
func (f *FolderConfig) setDefaults() { f.Config = dropfolder.Default() }

// folderSpool takes a folder's recordings for one camera.
type folderSpool struct {
	*lateSpool
	cameraID string
	mode     camio.UploadMode
}

// Create implements dropfolder.Spool.
func (s folderSpool) Create(m camio.Media) (dropfolder.Recording, error) {
	m.CameraID, m.Mode = s.cameraID, s.mode
	return s.lateSpool.Create(m)
}

// newFolders makes the watchers. A folder belongs to the camera of its name; a name that no camera has is one more camera, whose
// recordings only come from folders.
func (a *Agent) newFolders() error {
	numbers := map[string]int{}
	for i, c := range a.cfg.Cameras {
		numbers[c.Name] = i
	}
	for _, f := range a.cfg.Folders {
		n, known := numbers[f.Camera]
		if !known {
			n = len(numbers)
			numbers[f.Camera] = n
		}
		mode := camio.UploadVideo
		if known && n < len(a.cfg.Cameras) {
			mode = a.cfg.Cameras[n].Clip.Mode
		}
		w, err := dropfolder.New(f.Config, folderSpool{a.spool, a.id.CameraID(n), mode}, a.log)
		if err != nil {
			return fmt.Errorf("folder %s: %w", f.Dir, err)
		}
		a.folders = append(a.folders, w)
	}
	return nil
}

// watchFolders hands every folder's Run to keep.
func (a *Agent) watchFolders(keep func(name string, run func(context.Context) error)) {
	for _, w := range a.folders {
		keep("folder "+w.Status().Dir, w.Run)
	}
}

// foldersStatus is never nil, for JSON.
func (a *Agent) foldersStatus() []dropfolder.Status {
	list := []dropfolder.Status{}
	for _, w := range a.folders {
		list = append(list, w.Status())
	}
	return list
}

func (a *Agent) folderMetrics(gauge func(string, func() float64)) {
	for _, w := range a.folders {
		dir := strconv.Quote(w.Status().Dir)
		gauge(fmt.Sprintf("folder_files_taken_total{dir=%s}", dir), func() float64 { return float64(w.Status().Taken) })
		gauge(fmt.Sprintf("folder_files_waiting{dir=%s}", dir), func() float64 { return float64(w.Status().Waiting) })
		gauge(fmt.Sprintf("folder_files_refused{dir=%s}", dir), func() float64 { return float64(w.Status().Refused) })
	}
}

// validateFolders reports faults of the folders list.
func (c Config) validateFolders() (errs []error) {
	seen := map[string]int{}
	for i, f := range c.Folders {
		key := fmt.Sprintf("folders[%d]", i)
		errs = append(errs, under(key, f.Validate()))
		if f.Camera != "" && !cameraName.MatchString(f.Camera) {
			errs = append(errs, fmt.Errorf("%s.camera: %q is not a name of 1..63 letters, digits, spaces or . _ -", key, f.Camera))
		}
		if j, twice := seen[f.Dir]; twice && f.Dir != "" {
			errs = append(errs, fmt.Errorf("%s.dir: %s is folders[%d] already", key, f.Dir, j))
		}
		seen[f.Dir] = i
	}
	return errs
}
