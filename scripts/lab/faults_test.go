package lab

import (
	"bytes"
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"camward/codec/h264"
	"camward/codec/mp4"
	"camward/scripts/lab/rows"
	"camward/scripts/lab/scene"
	"camward/video"
)

//go:embed jobs/drill.sh
var drillJob string

var (
	quick = flag.Bool("quick", false, "only the faults that take less than a minute, on the first guest")
	only  = flag.String("sets", "", "only these sets of faults, see package drill; what arrives in the cloud is not looked at")
)

// drills are what is run in each guest: sets of package drill, and what the host looks at afterwards.
var drills = []struct {
	name, sets string
	rows       int // at least so many are there
	check      func(t *testing.T, cloud *testCloud, share string)
}{
	{"vivid", "vivid,formats", 17, checkFormats},
	{"usb", "usb,replug,two,bandwidth", 12, checkUnplugged},
	{"h264", "h264", 1, checkH264},
}

func TestFaultsOfCamerasAreSurvived(t *testing.T) {
	if *guests == "" {
		t.Skip("not run: no guest is named; make lab boots them")
	}
	for i, name := range strings.Split(*guests, ",") {
		m, err := MachineByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if *quick && i > 0 {
			break
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel() // guests mostly wait for a camera
			switch {
			case *only != "":
				runDrill(t, m, *only, "", 0)
				return
			case *quick:
				cloud, share := runDrill(t, m, "vivid,usb,replug,h264", "-quick", 9)
				checkUnplugged(t, cloud, share)
				checkH264(t, cloud, share)
				return
			}
			for _, d := range drills {
				t.Run(d.name, func(t *testing.T) {
					cloud, share := runDrill(t, m, d.sets, "", d.rows)
					d.check(t, cloud, share)
				})
			}
		})
	}
}

// films are the pictures of all drills, made once.
var films = sync.OnceValues(func() (f struct{ jpegs, h264 []byte }, err error) {
	if f.jpegs, err = scene.New(640, 480, drillTimes).Film(drillPictures); err == nil {
		f.h264, err = h264Film(context.Background())
	}
	return f, err
})

// runDrill boots a guest for some sets, logs the table that comes of it, and fails for each row that went wrong.
func runDrill(t *testing.T, m Machine, sets, quick string, atLeast int) (cloud *testCloud, share string) {
	t.Helper()
	film, err := films()
	if err != nil {
		t.Fatal(err)
	}
	share = t.TempDir()
	for name, data := range map[string][]byte{"film.mjpeg": film.jpegs, "film.h264": film.h264} {
		if err := os.WriteFile(filepath.Join(share, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cloud = startCloud(t)
	job := Job{Share: share, Files: map[string][]byte{"camward": agentBinary(t, m), "usbcam": helper(t, m, "usbcam"), "drill": helper(t, m, "drill")}}
	job.Script = fmt.Sprintf("CLOUD=%s TOKEN=%s SETS=%s QUICK=%s\n%s", cloud.inGuest(), cloud.UploadToken, sets, quick, drillJob)
	boot(t, m, job)
	b, err := os.ReadFile(filepath.Join(share, "rows"))
	if err != nil {
		t.Fatal(err)
	}
	all, err := rows.Read(bytes.NewReader(b))
	if err != nil {
		t.Error(err)
	}
	var table strings.Builder
	rows.Table(&table, all)
	t.Logf("on %s:\n%s", m.Name, &table)
	if len(all) < atLeast {
		t.Errorf("%d rows, want %d", len(all), atLeast)
	}
	for _, r := range all {
		if r.Err != "" {
			t.Errorf("%s, %s, %s: %s\n\t%s", r.Set, r.Fault, r.Made, r.Err, strings.Join(r.Log, "\n\t"))
		}
	}
	return cloud, share
}

// checkUnplugged looks at the clip that the unplugged cable cut.
func checkUnplugged(t *testing.T, cloud *testCloud, _ string) {
	clips, _ := cloud.clips(t, "usb")
	if len(clips) == 0 {
		t.Fatal("the walk that the unplugging cut short is not in the cloud")
	}
	rec, err := ReadRecording(clips[0])
	if err != nil {
		t.Fatal(err)
	}
	v := rec.Compare(nil)
	t.Logf("the clip that was cut shows %d to %d, %d pictures", v.First, v.Last, len(rec))
	if v.Unreadable > 0 || len(v.Disorder) > 0 || v.First >= drillTimes.Quiet || v.Last < drillTimes.Quiet || v.Last > drillTimes.Quiet+drillTimes.Walk {
		t.Errorf("of a walk from %d to %d it shows %d to %d: %v", drillTimes.Quiet, drillTimes.Quiet+drillTimes.Walk, v.First, v.Last, rec)
	}
}

// checkH264 looks for two files without a gap between, the second of which begins where the parameter sets changed.
func checkH264(t *testing.T, cloud *testCloud, share string) {
	clips, snapshots := cloud.clips(t, "h264")
	if len(clips) != 2 || snapshots == 0 {
		t.Fatalf("%d clips and %d snapshots, want 2 clips with snapshots", len(clips), snapshots)
	}
	var parts [2]Recording
	var sets [2][]byte
	for i, clip := range clips {
		var err error
		if parts[i], err = ReadRecording(clip); err != nil {
			t.Fatalf("clip %d: %v", i+1, err)
		}
		file, err := mp4.Read(bytes.NewReader(clip), int64(len(clip)))
		if err != nil {
			t.Fatal(err)
		}
		sets[i] = file.SPS
	}
	rec := slices.Concat(parts[0], parts[1])
	t.Logf("the clips show %v and %v; SPS % x and % x", parts[0], parts[1], sets[0], sets[1])
	if parts[1][0] != h264Change || bytes.Equal(sets[0], sets[1]) {
		t.Errorf("the second clip begins with picture %d, want %d, and SPS % x", parts[1][0], h264Change, sets[1])
	}
	// What the driver lost on a busy machine, and the pictures up to the next IDR that need it, are no gap between files.
	lossy := countDrops(t, filepath.Join(share, "metrics")) > 0
	if v := rec.Compare(numbers(0, h264Pictures)); len(v.Missing) > 0 && !lossy || len(v.Disorder) > 0 || v.Unreadable > 0 || v.First > drillTimes.Quiet || v.Last < drillTimes.Quiet+drillTimes.Walk-1 {
		t.Errorf("together: %+v", v)
	}
}

func numbers(from, to int) (n []int) {
	for i := from; i < to; i++ {
		n = append(n, i)
	}
	return n
}

// checkFormats looks whether the colour bars arrived in their colours, from each raw format.
func checkFormats(t *testing.T, cloud *testCloud, _ string) {
	for _, camera := range []string{"yuyv", "uyvy", "nv12", "yu12", "grey", "mp-yuyv", "mp-nv12", "mp-yu12", "mp-grey"} {
		clips, _ := cloud.clips(t, camera)
		if len(clips) == 0 {
			t.Errorf("%s: no clip in the cloud", camera)
			continue
		}
		img, err := firstPicture(clips[0])
		if err != nil {
			t.Errorf("%s: %v", camera, err)
			continue
		}
		compareBars(t, camera, img)
	}
}

// firstPicture decodes the first picture of a clip.
func firstPicture(clip []byte) (*video.I420, error) {
	r := bytes.NewReader(clip)
	file, err := mp4.Read(r, int64(len(clip)))
	if err != nil {
		return nil, err
	}
	decoder, err := h264.NewDecoder()
	if err != nil {
		return nil, err
	}
	defer decoder.Close()
	var picture video.I420
	for i := range file.Samples {
		p, err := file.Packet(r, i)
		if err != nil {
			return nil, err
		}
		if ok, err := decoder.Decode(p.Data, &picture); ok || err != nil {
			return &picture, err
		}
	}
	_, err = decoder.Flush(&picture)
	return &picture, err
}

// compareBars holds a picture against vivid's first pattern, eight bars of 75 % in the order of their luma: white, yellow, cyan, green,
// magenta, red, blue, black; as BT.601 has them in its narrow range. Grey pictures have their luma only, by BT.709 and in the full range.
func compareBars(t *testing.T, camera string, img *video.I420) {
	bars := [8][3]int{{180, 128, 128}, {162, 44, 142}, {131, 156, 44}, {112, 72, 58}, {84, 184, 198}, {65, 100, 212}, {35, 212, 114}, {16, 128, 128}}
	if strings.HasSuffix(camera, "grey") {
		for i, luma := range []int{191, 177, 150, 137, 54, 41, 14, 0} {
			bars[i] = [3]int{luma, 128, 128}
		}
	}
	const tolerance = 6
	var got [8][3]int
	bad := false
	for i := range bars {
		x, y := img.Width*(2*i+1)/16, img.Height*3/4 // below the text
		got[i] = [3]int{int(img.Y[y*img.YStride+x]), int(img.U[y/2*img.CStride+x/2]), int(img.V[y/2*img.CStride+x/2])}
		for c := range got[i] {
			if d := got[i][c] - bars[i][c]; d < -tolerance || d > tolerance {
				bad = true
			}
		}
	}
	t.Logf("%s: %dx%d, bars %v", camera, img.Width, img.Height, got)
	if bad {
		t.Errorf("%s: the bars are %v, want %v", camera, got, bars)
	}
}
