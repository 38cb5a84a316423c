package dropfolder

import (
	"os"
	"testing"
	"time"

	"camward/camio"
)

func TestAFileRenamedIntoTheFolderIsTaken(t *testing.T) {
	for name, kind := range map[string]camio.Kind{
		"picture.jpg": camio.KindSnapshot, "progressive.jpg": camio.KindSnapshot, "ordinary.mp4": camio.KindClip,
		"faststart.mp4": camio.KindClip, "fragmented.mp4": camio.KindClip, "hevc-sound.mp4": camio.KindClip,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t).running()
			b := sample(t, name)
			r.put("upload.tmp", b)
			if err := os.Rename(r.path("upload.tmp"), r.path(name)); err != nil {
				t.Fatal(err)
			}
			it := r.taken(b)
			if it.Kind != kind || it.Camera != "porch" || it.length != it.Length {
				t.Errorf("%+v", it.Media)
			}
			if kind == camio.KindClip && (it.length-2500*time.Millisecond).Abs() > 100*time.Millisecond || kind != camio.KindClip && it.length != 0 {
				t.Errorf("length %v", it.length)
			}
			r.until("removed", func() bool { return len(r.left()) == 0 })
			if st := r.w.Status(); st.Taken != 1 || st.LastError != "" || !st.Notify || !st.Present {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestAFileWrittenInPiecesIsTakenOnceItIsClosed(t *testing.T) {
	for _, name := range []string{"picture.jpg", "ordinary.mp4", "fragmented.mp4"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t).running()
			b := sample(t, name)
			f, err := os.Create(r.path(name))
			if err != nil {
				t.Fatal(err)
			}
			for at := 0; at < len(b); at += 700 {
				if _, err := f.Write(b[at:min(at+700, len(b))]); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * quick)
			}
			if got := r.spool.all(); len(got) > 0 && usageOf(f) == writing {
				t.Errorf("taken while it was open")
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			r.taken(b)
			r.gone(name)
		})
	}
}

func TestAFileInANewSubdirectoryIsTaken(t *testing.T) {
	r := newRig(t).running()
	b := sample(t, "picture.jpg")
	for _, name := range []string{"20261101/07/a.jpg", "20261101/07/b.JPEG", "20261101/08/c.jpg", "20261102/00/d.jpg"} {
		r.put(name, b)
		r.taken(b)
		r.gone(name)
	}
	if _, err := os.Stat(r.path("20261101/08")); err != nil {
		t.Error("an emptied directory was removed")
	}
}

func TestWhatWasThereBeforeIsTakenInOrderOfTime(t *testing.T) {
	r := newRig(t)
	b := sample(t, "picture.jpg")
	base := time.Now().Add(-time.Hour)
	for i, name := range []string{"z.jpg", "sub/y.jpg", "a.jpg"} {
		r.put(name, b)
		at := base.Add(time.Duration(i) * time.Minute)
		if err := os.Chtimes(r.path(name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	r.run()
	first, second, third := r.next().Mono, r.next().Mono, r.next().Mono
	if second-first != time.Minute && (second-first-time.Minute).Abs() > time.Second || third < second {
		t.Errorf("taken at %v %v %v", first, second, third)
	}
}
