package mqtt

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"
)

func TestHomeAssistantFindsEverything(t *testing.T) {
	b := newBroker(t, "", nil)
	y := &yard{queue: Queue{Files: 3, Bytes: 4096}, jpeg: []byte("\xff\xd8 a picture \xff\xd9")}
	c, _ := start(t, config(b), y)
	wait(t, "the connection", func() bool { return c.Status().Connected })
	got := map[string]string{}
	l := b.listen()
	for len(got) < 11 {
		m := l.until("")
		if !m.retained && !strings.HasSuffix(m.topic, "/image") && !strings.HasSuffix(m.topic, "/motion") {
			t.Errorf("%s is not retained", m.topic)
		}
		got[m.topic] = m.payload
	}
	const base = "camward/02fc00a1b2c3/"
	for topic, want := range map[string]string{
		"availability": "online", "uptime": "0", "queue_files": "3", "queue_bytes": "4096",
		"front_door/motion": "OFF", "front_door/image": string(y.jpeg),
	} {
		if topic == "uptime" {
			if _, err := fmt.Sscan(got[base+topic], new(int)); err != nil {
				t.Errorf("uptime: %q", got[base+topic])
			}
		} else if got[base+topic] != want {
			t.Errorf("%s: got %q, want %q", topic, got[base+topic], want)
		}
	}
	for topic, want := range map[string]map[string]any{
		"binary_sensor/camward_02fc00a1b2c3/front_door_motion/config": {"state_topic": base + "front_door/motion", "device_class": "motion", "name": "Front door motion"},
		"camera/camward_02fc00a1b2c3/front_door_image/config":         {"topic": base + "front_door/image", "name": "Front door"},
		"sensor/camward_02fc00a1b2c3/uptime/config":                   {"state_topic": base + "uptime", "device_class": "duration", "unit_of_measurement": "s"},
		"sensor/camward_02fc00a1b2c3/queue_files/config":              {"state_topic": base + "queue_files"},
		"sensor/camward_02fc00a1b2c3/queue_bytes/config":              {"state_topic": base + "queue_bytes", "device_class": "data_size", "unit_of_measurement": "B"},
	} {
		var e map[string]any
		if err := json.Unmarshal([]byte(got["homeassistant/"+topic]), &e); err != nil {
			t.Errorf("%s: %v", topic, err)
		}
		want["availability_topic"] = base + "availability"
		want["origin"] = map[string]any{"name": "camward", "sw_version": "1.2"}
		want["device"] = map[string]any{
			"identifiers": []any{"camward_02fc00a1b2c3"}, "connections": []any{[]any{"mac", "02:fc:00:a1:b2:c3"}}, "name": "camward-a1b2c3",
			"manufacturer": "Example", "model": "Yard 1", "sw_version": "1.2", "configuration_url": "http://camward-a1b2c3.local:8090/",
		}
		for key, v := range want {
			if !reflect.DeepEqual(e[key], v) {
				t.Errorf("%s: %s is %v, want %v", topic, key, e[key], v)
			}
		}
		if id, _ := e["unique_id"].(string); !strings.HasPrefix(id, "camward_02fc00a1b2c3_") {
			t.Errorf("%s: unique_id is %q", topic, id)
		}
	}
}

func TestMotionAndItsPicturesAreTold(t *testing.T) {
	b := newBroker(t, "", nil)
	y := &yard{jpeg: []byte("quiet")}
	start(t, config(b), y)
	l := b.listen()
	l.want("/front_door/image", "quiet")
	y.set(func() { y.motion, y.jpeg = Motion{Moving: true, Score: 0.1, Events: 1}, []byte("someone") })
	l.want("/front_door/motion", "ON")
	l.want("/front_door/image", "someone")
	y.set(func() { y.motion.Score, y.jpeg = 0.3, []byte("more of someone") })
	l.want("/front_door/image", "more of someone")
	y.set(func() { y.motion = Motion{Events: 1} })
	l.want("/front_door/motion", "OFF")
	y.set(func() { y.motion.Events = 2 }) // began and ended between two looks
	l.want("/front_door/motion", "ON")
	l.want("/front_door/motion", "OFF")
}

func TestPicturesComeAtIntervals(t *testing.T) {
	b := newBroker(t, "", nil)
	cfg := config(b)
	cfg.ImageEvery = time.Second
	start(t, cfg, &yard{jpeg: []byte("x")})
	l := b.listen()
	for range 3 {
		l.want("/image", "x")
	}
}

func TestHugePictureIsLeftOut(t *testing.T) {
	b := newBroker(t, "", nil)
	y := &yard{jpeg: make([]byte, maxImage+1)}
	c, _ := start(t, config(b), y)
	wait(t, "the connection", func() bool { return c.Status().Connected })
	l := b.listen()
	y.set(func() { y.jpeg = []byte(strings.Repeat("x", maxImage)) })
	y.set(func() { y.motion = Motion{Moving: true, Events: 1} })
	if m := l.until("/image"); len(m.payload) != maxImage {
		t.Errorf("a picture of %d bytes", len(m.payload))
	}
}

func TestPasswordIsAskedFor(t *testing.T) {
	b := newBroker(t, "allow_anonymous false\npassword_file DIR/passwords", map[string]string{"passwords": passwords(t, "cam", "s3cret-pass")})
	b.args = []string{"-u", "cam", "-P", "s3cret-pass"}
	cfg := config(b)
	cfg.User, cfg.Password = "cam", "wr0ng-pass"
	c, stop := start(t, cfg, &yard{})
	wait(t, "the refusal", func() bool { return c.Status().LastError != "" })
	if s := c.Status(); s.Connected || !strings.Contains(s.LastError, "mqtt.password") || strings.Contains(s.LastError, "wr0ng") {
		t.Errorf("got %+v", s)
	}
	stop()
	cfg.Password = "s3cret-pass"
	start(t, cfg, &yard{})
	b.listen().want("/availability", "online")
}

func TestAccessListOfTheManualIsEnough(t *testing.T) {
	manual := read(t, "../../docs/homeassistant.md")
	_, list, _ := strings.Cut(manual, "    user camera\n")
	list, _, _ = strings.Cut("user camera\n"+list, "\n\n")
	b := newBroker(t, "allow_anonymous false\npassword_file DIR/passwords\nacl_file DIR/list", map[string]string{
		"passwords": passwords(t, "camera", "s3cret") + passwords(t, "house", "s3cret"),
		"list":      strings.ReplaceAll(list, "    ", "") + "\n\nuser house\ntopic readwrite #\n",
	})
	b.args = []string{"-u", "house", "-P", "s3cret"}
	cfg := config(b)
	cfg.User, cfg.Password = "camera", "s3cret"
	via, cut := relay(t, b.address())
	cfg.URL = "mqtt://" + via
	c, _ := start(t, cfg, &yard{jpeg: []byte("x")})
	wait(t, "the connection", func() bool { return c.Status().Connected })
	l := b.listen()
	l.until("/queue_bytes/config")
	l.want("/image", "x")
	b.publish("homeassistant/status", "online")
	for m := l.until("/queue_bytes/config"); m.retained; m = l.until("/queue_bytes/config") {
	}
	cut()
	l.want("/availability", "offline")
}

// passwords is a password file of one user.
func passwords(t *testing.T, user, password string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "p")
	if out, err := exec.Command("mosquitto_passwd", "-c", "-b", file, user, password).CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_passwd: %v\n%s", err, out)
	}
	return read(t, file)
}

func TestTLSBrokerIsHeldAgainstItsAuthority(t *testing.T) {
	files := certificates(t)
	b := newBroker(t, "allow_anonymous true\ncertfile DIR/crt\nkeyfile DIR/key", files)
	b.args = []string{"--cafile", filepath.Join(b.dir, "ca")}
	cfg := config(b)
	cfg.URL = "mqtts://" + b.address()
	c, stop := start(t, cfg, &yard{}) // by the system's authorities
	wait(t, "the refusal", func() bool { return c.Status().LastError != "" })
	if s := c.Status(); s.Connected || !strings.Contains(s.LastError, "certificate") {
		t.Errorf("got %+v", s)
	}
	stop()
	cfg.CAFile = filepath.Join(b.dir, "ca")
	y := &yard{jpeg: []byte(strings.Repeat("picture ", 40_000))}
	_, stop = start(t, cfg, y)
	l := b.listen()
	l.want("/image", string(y.jpeg))
	stop()
	l.want("/availability", "offline")
}

func TestBrokerThatComesBackIsToldAnew(t *testing.T) {
	b := newBroker(t, "", nil) // without persistence: it forgets everything
	c, _ := start(t, config(b), &yard{})
	wait(t, "the connection", func() bool { return c.Status().Connected })
	b.stop()
	wait(t, "the loss", func() bool { return !c.Status().Connected && c.Status().LastError != "" })
	b.start()
	l := b.listen()
	l.until("/front_door_motion/config")
	l.want("/availability", "online")
	wait(t, "the connection", func() bool { return c.Status().Connected && c.Status().LastError == "" })
}

func TestEndIsTold(t *testing.T) {
	b := newBroker(t, "", nil)
	_, stop := start(t, config(b), &yard{})
	l := b.listen()
	l.want("/availability", "online")
	stop()
	l.want("/availability", "offline")
	if m := b.listen().until("/availability"); !m.retained || m.payload != "offline" {
		t.Errorf("kept: %+v", m)
	}
}

func TestBrokerTellsThatADeviceDropped(t *testing.T) {
	b := newBroker(t, "", nil)
	cfg := config(b)
	via, cut := relay(t, b.address())
	cfg.URL = "mqtt://" + via
	start(t, cfg, &yard{})
	l := b.listen()
	l.want("/availability", "online")
	cut() // as a process that is killed, or a device without power, would leave it
	if m := l.until("/availability"); m.payload != "offline" {
		t.Errorf("told %q", m.payload)
	}
}

// relay passes connections on until cut, which breaks them off and takes no more.
func relay(t *testing.T, to string) (address string, cut func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var open []net.Conn
	var running sync.WaitGroup
	running.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				return
			}
			mu.Lock()
			open = append(open, in, out)
			mu.Unlock()
			running.Go(func() { io.Copy(out, in) })
			running.Go(func() { io.Copy(in, out) })
		}
	})
	cut = func() {
		ln.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
	}
	t.Cleanup(func() { cut(); running.Wait() })
	return ln.Addr().String(), cut
}

func TestHomeAssistantsStartIsAnswered(t *testing.T) {
	b := newBroker(t, "", nil)
	c, _ := start(t, config(b), &yard{})
	wait(t, "the connection", func() bool { return c.Status().Connected })
	l := b.listen()
	l.until("/availability") // the retained ones have come
	b.publish("homeassistant/status", "offline")
	b.publish("homeassistant/status", "online")
	for {
		if m := l.until("/front_door_motion/config"); !m.retained {
			break
		}
	}
	l.want("/availability", "online")
}

func TestCamerasOfLikeNamesHaveTopicsOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range named([]Camera{{Name: "front"}, {Name: "Front"}, {Name: "前"}, {Name: "后"}, {Name: "a/b+c#d"}}) {
		if seen[c.id] || strings.ContainsAny(c.id, "/+# ") {
			t.Errorf("%s: %q", c.Name, c.id)
		}
		seen[c.id] = true
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := func(change func(*Config)) Config {
		c := Default()
		c.URL = "mqtt://broker"
		change(&c)
		return c
	}
	tests := map[string]struct {
		cfg  Config
		want string // in the error; empty: none
	}{
		"off":             {Default(), ""},
		"host":            {good(func(*Config) {}), ""},
		"TLS and port":    {good(func(c *Config) { c.URL = "mqtts://[::1]:1234/" }), ""},
		"scheme":          {good(func(c *Config) { c.URL = "tcp://broker" }), "mqtt.url"},
		"no host":         {good(func(c *Config) { c.URL = "mqtt://:1883" }), "mqtt.url"},
		"path":            {good(func(c *Config) { c.URL = "mqtt://broker/x" }), "mqtt.url"},
		"password in URL": {good(func(c *Config) { c.URL = "mqtt://u:s3cret@broker" }), "mqtt.url"},
		"broken URL":      {good(func(c *Config) { c.URL = "mqtt://u:s3cret@bro ker" }), "mqtt.url"},
		"password alone":  {good(func(c *Config) { c.Password = "s3cret" }), "mqtt.user"},
		"wildcard":        {good(func(c *Config) { c.BaseTopic = "a/#" }), "mqtt.base_topic"},
		"no prefix":       {good(func(c *Config) { c.DiscoveryPrefix = "" }), "mqtt.discovery_prefix"},
		"too often":       {good(func(c *Config) { c.ImageEvery = time.Millisecond }), "mqtt.image_every"},
	}
	for name, tt := range tests {
		err := tt.cfg.Validate()
		switch {
		case (err == nil) != (tt.want == ""), err != nil && !strings.Contains(err.Error(), tt.want):
			t.Errorf("%s: %v", name, err)
		case err != nil && strings.Contains(err.Error(), "s3cret"):
			t.Errorf("%s tells the password: %v", name, err)
		}
	}
}

func TestSilentBrokerEndsTheAttempt(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cfg := Default()
	cfg.URL = "mqtt://" + ln.Addr().String()
	c, err := New(cfg, device1, nil, nil, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := c.Run(ctx); err != context.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
}
