//go:build cgo

package clip

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"camward/camio"
	"camward/codec/h264"
	"camward/video"
)

func TestClipShowsWhatCameBeforeAndAfterTheMotion(t *testing.T) {
	format, data := small(t)
	g := record(t, quiet(), format, data, func(g *rig) {
		g.play(shot{frames: 150}, shot{30, true}, shot{frames: 150})
	})
	first, last := g.fed[150].Mono, g.fed[179].Mono
	clip := g.clips(1)[0]
	checkClip(t, clip, g.taken(first-5*time.Second, last+5*time.Second))
	snap := g.media(camio.KindSnapshot, 1)[0]
	if clip.Event == "" || clip.Event != snap.Event {
		t.Errorf("the clip's event is %q, the snapshot's %q", clip.Event, snap.Event)
	}
	if clip.Camera != "front" || clip.CameraID != "00AA11BB22CC" || clip.Mode != camio.UploadVideo || snap.Mode != camio.UploadVideo {
		t.Errorf("clip %+v, snapshot %+v", clip.Media, snap.Media)
	}
	if snap.Mono != first {
		t.Errorf("the snapshot is of %v, want the first of equals, %v", snap.Mono, first)
	}
	if g.spool.syncs < 12 {
		t.Errorf("%d syncs in 12 s, want one a fragment", g.spool.syncs)
	}
	if st := g.r.Status(); st.Clips != 1 || st.Snapshots != 1 || st.Recording || st.LastError != "" {
		t.Errorf("status %+v", st)
	}
}

func TestClipKeepsTheTimesOfAnUnsteadyCamera(t *testing.T) {
	for name, c := range camerasOf(t, 160, 120) {
		t.Run(name, func(t *testing.T) {
			g := record(t, quiet(), c.format, c.data, func(g *rig) {
				rng := rand.New(rand.NewPCG(1, 2))
				for i := range 300 {
					g.feed(g.frame(), i >= 100 && i < 160, 1)
					g.mono += time.Duration(rng.IntN(40)-20) * time.Millisecond
					if rng.IntN(20) == 0 {
						g.mono += 3 * step // the camera lost some
					}
					if i%10 == 0 {
						synctest.Wait()
					}
				}
				synctest.Wait()
			})
			clip, from := g.clips(1)[0], g.fed[100].Mono-5*time.Second
			if c.format.FourCC != video.MJPEG && clip.Mono < from {
				from = clip.Mono // its last key picture before
			}
			checkPictures(t, clip, g.taken(from, g.fed[159].Mono+5*time.Second))
		})
	}
}

func TestKeyPicturesAreASecondApartAtAnyRate(t *testing.T) {
	format, data := small(t)
	for _, gap := range []time.Duration{33 * time.Millisecond, 333 * time.Millisecond, 700 * time.Millisecond} {
		t.Run(gap.String(), func(t *testing.T) {
			g := record(t, quiet(), format, data, func(g *rig) {
				for i := range 40 {
					f := g.frame()
					g.mono = f.Mono + gap
					g.feed(f, i == 20, 1)
				}
				synctest.Wait()
			})
			checkClip(t, g.clips(1)[0], g.taken(g.fed[20].Mono-5*time.Second, g.fed[20].Mono+5*time.Second))
		})
	}
}

func TestPreRollIsWhatThereWasAfterStart(t *testing.T) {
	format, data := small(t)
	g := record(t, quiet(), format, data, func(g *rig) {
		g.play(shot{frames: 15}, shot{15, true}, shot{frames: 90})
	})
	checkClip(t, g.clips(1)[0], g.taken(0, g.fed[29].Mono+5*time.Second))
}

func TestMotionThatResumesDuringThePostRollExtendsTheClip(t *testing.T) {
	format, data := small(t)
	g := record(t, quiet(), format, data, func(g *rig) {
		g.play(shot{frames: 80}, shot{15, true}, shot{frames: 70}, shot{15, true}, shot{frames: 90})
	})
	checkClip(t, g.clips(1)[0], g.taken(g.fed[80].Mono-5*time.Second, g.fed[179].Mono+5*time.Second))
	g.media(camio.KindSnapshot, 1)
}

func TestAnEventFollowingCloselyHasItsWholePreRoll(t *testing.T) {
	format, data := small(t)
	g := record(t, quiet(), format, data, func(g *rig) {
		g.play(shot{frames: 80}, shot{15, true}, shot{frames: 85}, shot{15, true}, shot{frames: 90})
	})
	l := g.clips(2)
	checkClip(t, l[0], g.taken(g.fed[80].Mono-5*time.Second, g.fed[94].Mono+5*time.Second))
	checkClip(t, l[1], g.taken(g.fed[180].Mono-5*time.Second, g.fed[194].Mono+5*time.Second))
	if l[0].Event == l[1].Event {
		t.Error("two events have one id")
	}
	g.media(camio.KindSnapshot, 2)
}

func TestALongEventIsSeamlessFromClipToClip(t *testing.T) {
	for name, c := range camerasOf(t, 160, 120) {
		t.Run(name, func(t *testing.T) {
			cfg := quiet()
			cfg.MaxLength = 5 * time.Second
			g := record(t, cfg, c.format, c.data, func(g *rig) {
				rng := rand.New(rand.NewPCG(3, 4))
				for i := range 600 {
					g.feed(g.frame(), i >= 90 && i < 500, 1)
					g.mono += time.Duration(rng.IntN(20)-10) * time.Millisecond
					if i%7 == 0 {
						synctest.Wait()
					}
				}
			})
			l := g.spool.of(camio.KindClip)
			if n := len(l); n < 7 || n > 9 {
				t.Errorf("%d clips of 37 s, none longer than 5 s", n)
			}
			want := g.taken(l[0].Mono, g.fed[499].Mono+5*time.Second)
			checkSeamless(t, l, want)
			if from := g.fed[90].Mono - 5*time.Second; l[0].Mono > from+step {
				t.Errorf("the first clip begins at %v, want %v", l[0].Mono, from)
			}
			for _, s := range g.postersOf(l) {
				decodable(t, s.path)
			}
		})
	}
}

func TestALongEventGoesOnInTheNextClipWithoutAGap(t *testing.T) {
	format, data := small(t)
	cfg := quiet()
	cfg.MaxLength = 10 * time.Second
	g := record(t, cfg, format, data, func(g *rig) {
		g.play(shot{frames: 90}, shot{200, true}, shot{frames: 90})
	})
	l := g.clips(3)
	start, end := g.taken(g.fed[90].Mono-5*time.Second, forever)[0], g.fed[289].Mono+5*time.Second
	for i, clip := range l {
		from := start + time.Duration(i)*cfg.MaxLength
		to := min(from+cfg.MaxLength-step/2, end)
		checkClip(t, clip, g.taken(from-step/2, to))
		if clip.Event != l[0].Event {
			t.Errorf("clip %d is of another event", i)
		}
		if i > 0 && !near(l[i-1].Mono+l[i-1].Length, clip.Mono, time.Millisecond) {
			t.Errorf("clip %d begins at %v, the one before ends at %v", i, clip.Mono, l[i-1].Mono+l[i-1].Length)
		}
	}
	g.postersOf(l)
}

func TestStoppingFinishesTheOpenClip(t *testing.T) {
	format, data := small(t)
	g := record(t, quiet(), format, data, func(g *rig) {
		g.play(shot{frames: 80}, shot{20, true})
		if !g.r.Status().Recording {
			t.Error("not recording during motion")
		}
	})
	checkClip(t, g.clips(1)[0], g.taken(g.fed[80].Mono-5*time.Second, g.fed[99].Mono))
	g.media(camio.KindSnapshot, 1)
}

func TestFramesStillQueuedBelongToTheClip(t *testing.T) {
	format, data := small(t)
	for _, end := range []string{"camera lost", "stopped"} {
		t.Run(end, func(t *testing.T) {
			g := bubble(t, quiet(), format, data, func(g *rig) {
				g.frames = make(chan *video.Frame, 32)
				g.run(func() {
					g.play(shot{frames: 20}, shot{20, true})
					g.r.mu.Lock()
					for range 10 {
						g.frames <- g.frame()
					}
					if end == "camera lost" {
						g.r.CameraLost()
					} else {
						g.stop()
					}
					g.r.mu.Unlock()
					synctest.Wait()
				})
			})
			checkClip(t, g.clips(1)[0], g.taken(0, forever))
		})
	}
}

func TestACameraThatIsLostFinishesTheOpenClip(t *testing.T) {
	for name, c := range camerasOf(t, 160, 120) {
		t.Run(name, func(t *testing.T) { lostCamera(t, c.format, c.data) })
	}
}

func lostCamera(t *testing.T, format video.Format, data [][]byte) {
	g := record(t, quiet(), format, data, func(g *rig) {
		g.play(shot{frames: 80}, shot{20, true})
		g.r.CameraLost()
		synctest.Wait()
		if n := len(g.spool.of(camio.KindClip)); n != 1 {
			t.Errorf("%d clips after the camera was lost", n)
		}
		if st := g.r.Status(); st.Pictures != 0 || st.Recording {
			t.Errorf("status %+v", st)
		}
		g.mono += 20 * time.Second
		g.play(shot{frames: 30}, shot{15, true}, shot{frames: 90})
	})
	l := g.clips(2)
	from := g.fed[80].Mono - 5*time.Second
	if format.FourCC != video.MJPEG {
		from = l[0].Mono // the last key picture before
	}
	checkClip(t, l[0], g.taken(from, g.fed[99].Mono))
	back := slices.IndexFunc(g.fed, func(f *video.Frame) bool { return f.Mono == l[1].Mono })
	if back < 100 || back > 105 || l[0].Mono > g.fed[80].Mono-5*time.Second+step { // an H.264 camera's first key picture
		t.Errorf("the clips begin at %v and %v", l[0].Mono, l[1].Mono)
	}
	checkClip(t, l[1], g.taken(l[1].Mono, g.fed[144].Mono+5*time.Second))
	g.postersOf(l)
}

func TestAChangeOfSizeBeginsANewClipOfTheSameEvent(t *testing.T) {
	format, data := small(t)
	g := record(t, quiet(), format, data, func(g *rig) {
		g.play(shot{frames: 80}, shot{20, true})
		g.format, g.data = mjpeg(160, 120), jpegs(t, 160, 120, 60)
		g.play(shot{20, true}, shot{frames: 90})
	})
	l := g.clips(2)
	checkClip(t, l[0], g.taken(g.fed[80].Mono-5*time.Second, g.fed[99].Mono))
	checkClip(t, l[1], g.taken(g.fed[100].Mono, g.fed[119].Mono+5*time.Second))
	if l[0].Event != l[1].Event || !near(l[0].Mono+l[0].Length, l[1].Mono, time.Millisecond) {
		t.Errorf("clips %+v and %+v, want one event without a gap", l[0].Media, l[1].Media)
	}
	g.postersOf(l)
}

func TestJPEGsOfAnotherSizeThanTheCameraSaysBeginANewClip(t *testing.T) {
	format, data := small(t)
	g := record(t, quiet(), format, data, func(g *rig) {
		g.play(shot{frames: 80}, shot{20, true})
		g.data = jpegs(t, 160, 120, 60)
		g.play(shot{20, true}, shot{frames: 90})
	})
	l := g.clips(2)
	checkClip(t, l[0], g.taken(g.fed[80].Mono-5*time.Second, g.fed[99].Mono))
	checkClip(t, l[1], g.taken(g.fed[100].Mono, g.fed[119].Mono+5*time.Second))
}

func TestDamagedPicturesAreDroppedAndCounted(t *testing.T) {
	format, data := small(t)
	data = slices.Clone(data)
	whole := data[7]
	data[7] = whole[:len(whole)/2]         // cut short
	data[20] = []byte("no picture at all") // garbage
	data[31] = nil
	cfg := quiet()
	g := record(t, cfg, format, data[:60], func(g *rig) {
		g.play(shot{frames: 5}, shot{40, true}, shot{frames: 15})
	})
	want := g.taken(0, forever)
	for _, i := range []int{31, 20, 7} {
		want = slices.Delete(want, i, i+1)
	}
	checkClip(t, g.clips(1)[0], want)
	st := g.r.Status()
	if st.Dropped["truncated"] != 1 || st.Dropped["undecodable"] != 1 || st.Dropped["empty"] != 1 || st.Dropped["overload"] != 0 {
		t.Errorf("dropped %v", st.Dropped)
	}
}

func TestLateAndRepeatedPicturesAreDropped(t *testing.T) {
	format, data := small(t)
	g := record(t, quiet(), format, data, func(g *rig) {
		g.play(shot{30, true})
		g.mono -= 3 * step
		g.play(shot{3, true}, shot{frames: 90})
	})
	if n := g.r.Status().Dropped["disorder"]; n != 3 {
		t.Errorf("%d dropped, want 3", n)
	}
	times := g.taken(0, g.fed[29].Mono+5*time.Second)
	slices.Sort(times)
	checkClip(t, g.clips(1)[0], slices.Compact(times))
}

func TestAClockSetBackBeginsAnew(t *testing.T) {
	format, data := small(t)
	g := record(t, quiet(), format, data, func(g *rig) {
		g.play(shot{30, true})
		g.mono -= 500 * time.Second
		g.play(shot{frames: 30}, shot{30, true}, shot{frames: 90})
	})
	l := g.clips(2)
	checkClip(t, l[0], g.taken(g.fed[0].Mono, g.fed[29].Mono))
	checkClip(t, l[1], g.taken(g.fed[30].Mono, g.fed[89].Mono+5*time.Second))
}

func TestWithoutTheDetectorsWordAnEventStillEnds(t *testing.T) {
	format, data := small(t)
	g := record(t, quiet(), format, data, func(g *rig) {
		g.play(shot{30, true})
		for range 120 { // the detector died
			g.frames <- g.frame()
		}
		synctest.Wait()
		if n := len(g.spool.of(camio.KindClip)); n != 1 {
			t.Errorf("%d clips", n)
		}
	})
	checkClip(t, g.clips(1)[0], g.taken(0, g.fed[29].Mono+5*time.Second))
	if st := g.r.Status(); st.Snapshots != 1 {
		t.Errorf("status %+v", st)
	}
}

func TestARecorderRunsAgain(t *testing.T) {
	format, data := small(t)
	g := bubble(t, quiet(), format, data, func(g *rig) {
		play := func() { g.play(shot{frames: 30}, shot{30, true}, shot{frames: 20}) }
		g.run(play)
		g.r.Observe(g.frame(), true, 1) // not running: nothing may be kept
		g.fed[len(g.fed)-1].Release()
		g.run(play)
	})
	g.clips(2)
}

// A countingEncoder knows how many there are.
type countingEncoder struct {
	encoder
	closed *int
}

func (c countingEncoder) Close() {
	*c.closed++
	c.encoder.Close()
}

func TestCodecsAreFreedTenSecondsAfterTheirLastUse(t *testing.T) {
	format, data := small(t)
	made, closed := 0, 0
	bubble(t, quiet(), format, data, func(g *rig) {
		make := g.r.newEncoder
		g.r.newEncoder = func(c h264.Config) (encoder, error) {
			e, err := make(c)
			made++
			return countingEncoder{e, &closed}, err
		}
		g.run(func() {
			g.play(shot{frames: 30}, shot{30, true}, shot{frames: 100})
			if made != 1 || closed != 0 {
				t.Errorf("after the event: %d encoders made, %d closed", made, closed)
			}
			g.play(shot{frames: 150})
			if made != 1 || closed != 1 {
				t.Errorf("ten seconds later: %d encoders made, %d closed", made, closed)
			}
		})
	})
}
