package motion

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sync/errgroup"

	"camward/video"
)

var variationsIn = flag.String("variations", "", "write what detectors with other constants find in the films of this `folder` (make leave-one-out)")

// A variation is a detector with other constants.
type variation struct {
	name string
	tune tuning
	cfg  Config
}

// mainConstants are the constants that are varied one by one.
var mainConstants = []string{"MinArea", "MinContrast", "MinDuration", "noise", "edge", "flicker", "quiet", "busy", "settle", "recent", "reach", "leap", "freshShare",
	"minCells", "sure", "travel", "litShare", "crowd", "doubt", "pace", "creepQuiet", "fall", "sceneShare"}

// offs are values that switch a means off.
var offs = map[string]float64{"litShare": 10, "prompt": 1e9, "travel": 1e6, "crowd": 1e9, "creepSame": 1e9}

// jointly is how many variations have one of eight of all constants changed, drawn by chance.
const jointly = 10

// variations lists the defaults, each of the main constants a third down and half up, single means switched off, and some with several changes at once.
func variations(t *testing.T) []variation {
	list := []variation{{"default", defaultTuning(), Default()}}
	vary := func(name string, change func(constant)) variation {
		v := variation{tune: defaultTuning(), cfg: Default()}
		for _, k := range constants(&v.tune, &v.cfg) {
			if k.name == name {
				change(k)
				return v
			}
		}
		t.Fatalf("no constant %s", name)
		return v
	}
	for _, name := range mainConstants {
		for _, factor := range []float64{1 / 1.5, 1.5} {
			v := vary(name, func(k constant) { k.scale(factor) })
			v.name = fmt.Sprintf("%s x%.2g", name, factor)
			list = append(list, v)
		}
	}
	for name, value := range offs {
		v := vary(name, func(k constant) { k.value.SetFloat(value) })
		v.name = name + " off"
		list = append(list, v)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for n := range jointly {
		v := variation{tune: defaultTuning(), cfg: Default()}
		var names []string
		for _, k := range constants(&v.tune, &v.cfg) {
			if r.IntN(8) == 0 {
				factor := []float64{1 / 1.5, 1.5}[r.IntN(2)]
				k.scale(factor)
				names = append(names, fmt.Sprintf("%s x%.2g", k.name, factor))
			}
		}
		v.name = fmt.Sprintf("joint %d: %s", n+1, strings.Join(names, ", "))
		list = append(list, v)
	}
	return list
}

// A constant is one number of the detector, wherever it is kept.
type constant struct {
	name  string
	value reflect.Value
}

// scale multiplies it; a whole number changes by at least one.
func (c constant) scale(factor float64) {
	if c.value.CanFloat() {
		c.value.SetFloat(c.value.Float() * factor)
		return
	}
	was := c.value.Int()
	v := int64(math.Round(float64(was) * factor))
	if v == was {
		v += int64(math.Copysign(1, factor-1))
	}
	c.value.SetInt(v)
}

// constants lists every number of a tuning and of a configuration.
func constants(t *tuning, c *Config) (list []constant) {
	for _, from := range []any{t, c} {
		s := reflect.ValueOf(from).Elem()
		for i := range s.NumField() {
			f := s.Field(i)
			if f.CanInt() || f.CanFloat() {
				list = append(list, constant{s.Type().Field(i).Name, reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem()})
			}
		}
	}
	return list
}

// TestVariations writes found.jsonl into the folder: a line for each variation and film.
func TestVariations(t *testing.T) {
	if *variationsIn == "" {
		t.Skip("not run: -variations is not given")
	}
	films, err := filepath.Glob(filepath.Join(*variationsIn, "*.film"))
	if err != nil || len(films) == 0 {
		t.Fatalf("no films in %s, %v", *variationsIn, err)
	}
	out, err := os.Create(filepath.Join(*variationsIn, "found.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w := bufio.NewWriter(out)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	lines := make(chan any, 16)
	all := variations(t)
	go func() {
		for _, film := range films {
			g.Go(func() error {
				b, err := os.ReadFile(film)
				if err != nil {
					return err
				}
				for _, c := range all {
					lines <- map[string]any{"candidate": c.name, "film": strings.TrimSuffix(filepath.Base(film), ".film"), "found": c.detect(b)}
				}
				return nil
			})
		}
		err = g.Wait()
		close(lines)
	}()
	e := json.NewEncoder(w)
	for l := range lines {
		if err := e.Encode(l); err != nil {
			t.Error(err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}

// detect gives the intervals found in a film, in seconds. A film is width, height and number of planes in 32 bits each, stamps in 64, planes.
func (c *variation) detect(film []byte) [][2]float64 {
	word := func(i int) int { return int(binary.LittleEndian.Uint32(film[4*i:])) }
	luma, n := video.Plane{Width: word(0), Height: word(1), Stride: word(0)}, word(2)
	d := &Detector{cfg: c.cfg, tune: c.tune}
	found := [][2]float64{}
	var join Joiner
	keep := func(iv Interval, ok bool) {
		if ok {
			found = append(found, [2]float64{iv.Start.Seconds(), iv.End.Seconds()})
		}
	}
	for i := range n {
		at := time.Duration(binary.LittleEndian.Uint64(film[12+8*i:]))
		size := luma.Width * luma.Height
		luma.Pix = film[12+8*n+i*size:][:size]
		keep(join.Add(at, d.Step(at, &luma)))
	}
	keep(join.Flush())
	return found
}
