package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"camward/internal/porttest"
)

var (
	crashKills = flag.Int("kills", 12, "how often TestCrash kills the agent")
	crashSeed  = flag.Uint64("crash-seed", 0, "of TestCrash's moments; 0: a new one, which is printed")
)

// An aim is what a kill is meant to interrupt. What it did interrupt is judged afterwards, by what it left.
type aim int

const (
	aimSweep    aim = iota // the start-up sweep, after a random number of its steps
	aimClip                // a clip being written, the cloud out of reach
	aimTransfer            // an upload, before a still scene
	aimBoth                // a clip being written, the cloud in reach
	aimAnywhere            // whatever there is at a random moment
	aimSplit               // a clip that follows on one of full length
	aims
)

// shares are the aims' parts of the kills, in percent.
var shares = [aims]int{18, 33, 37, 6, 4, 2}

// TestCrash kills the agent at random moments, with the real cloud behind it, and then compares what the cloud holds with what
// the cameras were shown: every finished recording is there once, of a clip being written at most the last second is missing, and
// no file is left over anywhere. It is no parallel test, so that the machine is its own.
func TestCrash(t *testing.T) {
	c := newCrash(t)
	began := time.Now()
	said := began
	for run := range *crashKills {
		c.kill(run)
		if t.Failed() {
			t.Fatalf("after %d kills", run+1)
		}
		if time.Since(said) > 10*time.Second {
			said = time.Now()
			fmt.Printf("crash: %d of %d kills, %.2f s each: %v\n", run+1, *crashKills, said.Sub(began).Seconds()/float64(run+1), &c.tally)
		}
	}
	each := time.Since(began) / time.Duration(max(*crashKills, 1))
	began = time.Now()
	c.drain()
	fmt.Printf("crash: the last run took %.1f s to send the rest\n", time.Since(began).Seconds())
	c.judge()
	c.report(each)
}

// A crash is the whole test: one spool, one cloud, many agents.
type crash struct {
	t     *testing.T
	seed  uint64
	rng   *rand.Rand
	cloud *cloud
	relay *relay
	feed  *feed
	watch *watch
	stall *stallMeter
	spool string
	file  string // the agents' configuration
	addr  string // of their HTTP server
	deck  []aim  // of the kills to come
	quiet string // a recording in which nothing moves

	ledger  crashLedger
	waiting int // items that the last kill left, and how many of them unfinished
	cut     int
	tally   tally
	cuts    []cut
	lengths map[[2]int]int // pictures of a recording, by run and camera
	ended   []int          // runs in which the first camera's recording ended, and its clip with it
}

func newCrash(t *testing.T) *crash {
	c := &crash{t: t, seed: *crashSeed, addr: porttest.Address(t), lengths: map[[2]int]int{}}
	for c.seed == 0 {
		c.seed = rand.Uint64()
	}
	t.Logf("-crash-seed %d", c.seed)
	c.rng = rand.New(rand.NewPCG(c.seed, 0))
	c.deck = shuffled(c.rng, *crashKills)
	c.feed = newFeed(t)
	var err error
	if c.quiet, err = c.feed.still(); err != nil {
		t.Fatal(err)
	}
	c.cloud = startCloud(t)
	c.relay = startRelay(t, c.cloud.addr)
	dir := t.TempDir()
	c.spool = filepath.Join(dir, "spool")
	if err := os.Mkdir(c.spool, 0o700); err != nil {
		t.Fatal(err)
	}
	c.watch = startWatch(t, c.spool, c.feed.dir)
	c.stall = startStallMeter(t)
	c.ledger.live = map[uint64]*item{}
	c.ledger.promised = map[promise]bool{}
	camera := "{name: %s, source: %q, rate: %d, motion: {min_duration: 100ms}, clip: {pre_roll: %v, post_roll: 1s, max_length: 5s, heartbeat: %s}}"
	text := fmt.Sprintf("cloud: {url: \"http://%s\", upload_token: %q, poll: {period: 2s}}\ncameras:\n  - "+camera+"\n  - "+camera+
		"\nspool: {dir: %q, max_percent: 100}\nstate_dir: %q\nlisten: %q\n",
		c.relay.ln.Addr(), c.cloud.account.UploadToken, crashNames[0], c.quiet, crashFPS, crashPreRoll, "0s", crashNames[1], c.quiet, crashFPS, crashPreRoll, "10s",
		c.spool, filepath.Join(dir, "state"), c.addr)
	c.file = filepath.Join(dir, "camward.yml")
	if err := os.WriteFile(c.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// crashNames are the cameras. The first one's recordings are short, so that its clips get finished; the second one's go on.
var crashNames = [crashCameras]string{"yard", "gate"}

// shuffled gives n aims in their shares, in random order.
func shuffled(rng *rand.Rand, n int) []aim {
	var deck []aim
	for a, percent := range shares {
		for range (n*percent + 50) / 100 {
			deck = append(deck, aim(a))
		}
	}
	for len(deck) < n {
		deck = append(deck, aimAnywhere)
	}
	rng.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	return deck
}

// next draws an aim that can be met: there must be something to put right in the sweep, or to send.
func (c *crash) next() aim {
	i := slices.IndexFunc(c.deck, func(a aim) bool {
		switch a {
		case aimSweep:
			return c.waiting >= 3 && c.cut > 0
		case aimTransfer:
			return c.waiting >= 2
		}
		return true
	})
	if i < 0 { // nothing is left: this one leaves something
		c.deck = c.deck[1:]
		return aimClip
	}
	a := c.deck[i]
	c.deck = slices.Delete(c.deck, i, i+1)
	return a
}

// A victim is one run of the agent.
type victim struct {
	c     *crash
	run   int
	aim   aim
	proc  *process
	timer *time.Timer   // the kill
	puts  int           // uploads still to be let pass before it
	steps int           // of the sweep, likewise
	hold  time.Duration // of the answer to the upload that is aimed at

	locked, scanned bool
	fed             [crashCameras]time.Time // when its recording was opened
	recordings      [crashCameras]string
	killed          time.Time
	stall           time.Duration // the longest that the machine made others wait
}

// kill starts the agent, kills it and notes what that interrupted.
func (c *crash) kill(run int) {
	v := &victim{c: c, run: run, aim: c.next(), timer: time.NewTimer(time.Hour)}
	defer v.timer.Stop()
	v.record()
	c.relay.reset(v.aim == aimClip, []time.Duration{0, 0, 30 * time.Millisecond, 150 * time.Millisecond}[c.rng.IntN(4)])
	bandwidth := "64KiB" // a clip takes a second
	v.hold = []time.Duration{500 * time.Millisecond, 20 * time.Millisecond}[c.rng.IntN(2)]
	if c.waiting > 30 || c.rng.IntN(3) == 0 {
		bandwidth, v.puts = "0B", c.rng.IntN(min(max(c.waiting-c.cut, 1), 25))
	}
	v.steps = c.rng.IntN(c.waiting + 7*c.cut + 1)
	c.watch.settle(c.t, nil) // what this test did meanwhile
	c.ledger.begin(run)
	c.stall.reset()
	v.start("--set", "spool.bandwidth="+bandwidth)
	if v.aim == aimAnywhere {
		v.timer.Reset(time.Duration(c.rng.Float64() * float64(3*time.Second)))
	}
	v.await()
	v.killed, v.stall = time.Now(), c.stall.reset()
	v.proc.cmd.Process.Kill()
	<-v.proc.done
	c.watch.settle(c.t, v.see)
	v.examine()
	for _, path := range v.recordings {
		if path != c.quiet {
			os.Remove(path)
		}
	}
}

// record makes what the cameras show.
func (v *victim) record() {
	c := v.c
	v.recordings = [crashCameras]string{c.quiet, c.quiet}
	lengths := [crashCameras]int{60 + c.rng.IntN(25), 6 * crashFPS}
	switch v.aim {
	case aimSweep, aimTransfer:
		return
	case aimSplit:
		lengths[1] = 11 * crashFPS
	}
	for camera, n := range lengths {
		path, err := c.feed.recording(v.run, camera, n)
		if err != nil {
			c.t.Fatal(err)
		}
		v.recordings[camera] = path
		c.lengths[[2]int{v.run, camera}] = n
	}
}

func (v *victim) start(flags ...string) {
	args := append([]string{"run", "-c", v.c.file}, flags...)
	for camera, path := range v.recordings {
		args = append(args, "--set", fmt.Sprintf("cameras[%d].source=%s?fps=%d", camera, path, crashFPS))
	}
	p := &process{t: v.c.t, name: "camward", out: &output{}, done: make(chan struct{})}
	p.cmd = exec.Command(filepath.Join(bin, p.name), args...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		v.c.t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	v.proc = p
}

// await follows what the agent does until the moment of its kill.
func (v *victim) await() {
	limit := time.After(20 * time.Second)
	for {
		select {
		case e := <-v.c.watch.events:
			if v.see(e); v.aim == aimSweep && v.scanned && v.steps <= 0 {
				return
			}
		case <-v.c.relay.began:
			if v.aim == aimTransfer && v.puts == 0 {
				v.c.relay.hold(v.hold)
				v.timer.Reset(v.c.upTo(v.hold + 5*time.Millisecond))
			}
			v.puts--
		case <-v.timer.C:
			return
		case <-v.proc.done:
			v.c.t.Fatalf("run %d ended by itself:\n%s", v.run, v.proc.out)
		case <-limit:
			v.c.t.Logf("run %d: the moment aimed at (%d) never came; %d items, %d of them cut; %d more uploads to come\n%s",
				v.run, v.aim, v.c.waiting, v.c.cut, v.puts, v.proc.out)
			return
		}
	}
}

func (c *crash) upTo(d time.Duration) time.Duration {
	return time.Duration(c.rng.Float64() * float64(d))
}

// see follows the agent by the files it touches.
func (v *victim) see(e fileEvent) {
	switch {
	case e.dir == v.c.feed.dir:
		v.seeFeed(e)
	case !v.locked:
		v.locked = e.name == "lock"
	case !v.scanned:
		v.scanned = e.name == "" // the directory itself is opened to be listed
	default:
		v.steps--
	}
	if e.dir != v.c.spool {
		return
	}
	began := v.c.ledger.see(e)
	if !began || v.killed != (time.Time{}) {
		return
	}
	switch v.aim {
	case aimClip, aimBoth:
		v.aim = aimAnywhere
		v.timer.Reset(v.c.upTo(1300 * time.Millisecond))
	case aimSplit:
		v.aim = aimAnywhere
		v.timer.Reset(5*time.Second + v.c.upTo(1500*time.Millisecond))
	}
}

// seeFeed notes when a camera's pictures began to come.
func (v *victim) seeFeed(e fileEvent) {
	for camera, path := range v.recordings {
		if path == filepath.Join(e.dir, e.name) && v.fed[camera].IsZero() {
			v.fed[camera] = e.at
		}
	}
}

// examine judges the kill by what it left.
func (v *victim) examine() {
	c := v.c
	log := v.proc.out.String()
	opened := strings.Contains(log, "  spool open  ") || strings.Contains(log, "\tspool open\t")
	inBody, inAnswer, answered := c.relay.settle(c.t)
	before := c.tally
	items, cut := c.waiting, c.cut
	clips := v.inspect(answered)
	c.tally.add(v.locked && v.scanned && !opened, len(clips) > 0, inBody, inAnswer)
	if c.tally.sweep > before.sweep {
		c.tally.swept(items, cut)
	}
	v.cutShort(clips)
	v.checkLog(log)
}

// checkLog looks for losses that the agent itself tells of, and for clips that ended with their recording.
func (v *victim) checkLog(log string) {
	for line := range strings.Lines(log) {
		for _, bad := range []string{"ERROR", "item quarantined", "dropped", "vanished", "panic"} {
			if strings.Contains(line, bad) {
				v.c.t.Errorf("run %d says: %s", v.run, line)
			}
		}
		if strings.Contains(line, "clip finished") && strings.Contains(line, fmt.Sprintf("%q: %q", "camera", crashNames[0])) {
			v.c.ended = append(v.c.ended, v.run)
		}
	}
}
