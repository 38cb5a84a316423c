package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"image/jpeg"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/rtp/codecs"
	"github.com/pion/transport/v5/stdnet"
	"github.com/pion/webrtc/v4"
	"golang.org/x/net/dns/dnsmessage"

	"camward/agent"
)

// These tests ask a camera in the next network for its picture as home automations do: the same requests in the same order, with what
// those programs look at in the answers, and no more. What each of them does was read in its source.

// homePassword is the camera's in these tests.
const homePassword = "correct horse 9"

// A home is a camera with a network of its own, and a machine beside it in which home automations run.
type home struct {
	t       *testing.T
	camera  *namespace
	machine *namespace
	host    string // the camera's address
}

func newHome(t *testing.T) home {
	t.Helper()
	h := home{t: t, host: "192.168.5.2"}
	var err error
	for _, n := range []struct {
		to   **namespace
		name string
	}{{&h.camera, "camera"}, {&h.machine, "home"}} {
		if *n.to, err = newNamespace(n.name); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { (*n.to).file.Close() })
	}
	err = errors.Join(
		h.camera.ip("link set lo up"), h.machine.ip("link set lo up"),
		h.camera.ip("link add lan type veth peer name lan netns "+h.machine.path()),
		h.camera.ip("addr add 192.168.5.2/24 dev lan"), h.machine.ip("addr add 192.168.5.3/24 dev lan"),
		h.camera.ip("link set lan up"), h.machine.ip("link set lan up"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, password := filepath.Join(dir, "camward.yml"), filepath.Join(dir, "password")
	text := fmt.Sprintf("cloud: {url: \"http://127.0.0.1:9\"}\ncameras:\n  - {name: front, source: \"demo:\", clip: {heartbeat: 0s}}\n"+
		"spool: {dir: %q}\nstate_dir: %q\nlisten: \":8090\"\nlisten_https: \":8443\"\nfirst_password: %q\n", filepath.Join(dir, "spool"), filepath.Join(dir, "state"), password)
	if err := errors.Join(os.WriteFile(password, []byte(homePassword+"\n"), 0o600), os.WriteFile(file, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	h.camera.launch(t, "camward", "run", "-c", file)
	client := h.trusting()
	eventually(t, 20*time.Second, func() error {
		resp, err := client.Get(h.url("https", "/snapshot.jpg").String())
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	})
	return h
}

// url is an address on the camera with the credentials in it, as people write it into configurations.
func (h home) url(scheme, path string) *url.URL {
	return &url.URL{Scheme: scheme, Host: h.host + map[string]string{"http": ":8090", "https": ":8443"}[scheme], Path: path, User: url.UserPassword("admin", homePassword)}
}

// do sends a request and reads the whole answer.
func (h home) do(c *http.Client, method string, u *url.URL, body string, header map[string]string) (*http.Response, string) {
	h.t.Helper()
	req, err := http.NewRequest(method, u.String(), strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := c.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp, string(text)
}

// peer is a connection of a program on the machine that wants a video and an audio track, and gives the first key picture.
func (h home) peer(video, audio []webrtc.RTPCodecParameters) (pc *webrtc.PeerConnection, picture <-chan []byte) {
	h.t.Helper()
	network := &namespaceNet{n: h.machine}
	if err := h.machine.do(func() (err error) { network.Net, err = stdnet.NewNet(); return err }); err != nil {
		h.t.Fatal(err)
	}
	var e webrtc.SettingEngine
	e.SetNet(network)
	e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	media, registry := &webrtc.MediaEngine{}, &interceptor.Registry{}
	var errs []error
	for _, c := range video {
		errs = append(errs, media.RegisterCodec(c, webrtc.RTPCodecTypeVideo))
	}
	for _, c := range audio {
		errs = append(errs, media.RegisterCodec(c, webrtc.RTPCodecTypeAudio))
	}
	errs = append(errs, webrtc.RegisterDefaultInterceptors(media, registry))
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(e), webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry)).NewPeerConnection(webrtc.Configuration{})
	if err = errors.Join(append(errs, err)...); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { pc.GracefulClose() })
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio} {
		if _, err := pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			h.t.Fatal(err)
		}
	}
	got := make(chan []byte, 1)
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		var depacket codecs.H264Packet
		var all []byte
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			b, err := depacket.Unmarshal(p.Payload)
			if err != nil {
				continue
			}
			all = append(all, b...)
			if p.Marker {
				if bytes.Contains(all, []byte{0, 0, 1, 0x65}) {
					select {
					case got <- all:
					default:
					}
				}
				all = nil
			}
		}
	})
	return pc, got
}

// shows waits for a key picture with its parameter sets.
func (h home) shows(picture <-chan []byte) {
	h.t.Helper()
	select {
	case b := <-picture:
		if !bytes.Contains(b, []byte{0, 0, 1, 0x67}) {
			h.t.Errorf("the first key picture has no parameter set: %x", b[:min(len(b), 32)])
		}
	case <-time.After(20 * time.Second):
		h.t.Fatal("no key picture came")
	}
}

func h264Codec(payloadType webrtc.PayloadType, profile string, feedback ...webrtc.RTCPFeedback) webrtc.RTPCodecParameters {
	return webrtc.RTPCodecParameters{PayloadType: payloadType, RTPCodecCapability: webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeH264, ClockRate: 90000, SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=" + profile, RTCPFeedback: feedback}}
}

func codec(payloadType webrtc.PayloadType, mime string, rate uint32, channels uint16, fmtp string) webrtc.RTPCodecParameters {
	return webrtc.RTPCodecParameters{PayloadType: payloadType, RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: mime, ClockRate: rate, Channels: channels, SDPFmtpLine: fmtp}}
}

// schemes are what a WHEP client may be told. Over plain HTTP they know only Basic.
var schemes = []string{"http", "https"}

// trusting is a client on the machine that was told the camera's certificate.
func (h home) trusting() *http.Client {
	c := h.machine.client(h.t)
	c.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	return c
}

// go2rtc 1.9 (internal/webrtc/client.go, pkg/webrtc): one POST with a complete offer, credentials by Basic from the address, no look at the status,
// neither OPTIONS, PATCH nor DELETE: the session ends with its connection.
func TestGo2rtcTakesWHEP(t *testing.T) {
	for _, scheme := range schemes {
		t.Run(scheme, func(t *testing.T) {
			h := newHome(t)
			feedback := []webrtc.RTCPFeedback{{Type: "goog-remb"}, {Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"}}
			pc, picture := h.peer([]webrtc.RTPCodecParameters{
				h264Codec(96, "42001f", feedback...), h264Codec(97, "42e01f", feedback...), h264Codec(98, "640032", feedback...), codec(100, webrtc.MimeTypeH265, 90000, 0, ""),
			}, []webrtc.RTPCodecParameters{
				codec(101, webrtc.MimeTypeOpus, 48000, 2, "minptime=10;useinbandfec=1"), codec(0, webrtc.MimeTypePCMU, 8000, 0, ""), codec(8, webrtc.MimeTypePCMA, 8000, 0, ""),
			})
			gathered := webrtc.GatheringCompletePromise(pc)
			h.offer(pc)
			<-gathered
			_, answer := h.do(h.trusting(), "POST", h.url(scheme, "/cameras/front/whep"), pc.LocalDescription().SDP, map[string]string{"Content-Type": sdpType})
			if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
				t.Fatalf("%v in\n%s", err, answer)
			}
			h.shows(picture)
		})
	}
}

func (h home) offer(pc *webrtc.PeerConnection) string {
	h.t.Helper()
	d, err := pc.CreateOffer(nil)
	if err == nil {
		err = pc.SetLocalDescription(d)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return d.SDP
}

// MediaMTX 1.x (internal/protocols/whip/client.go): OPTIONS, POST of an offer without candidates, Location resolved against the address, each candidate by
// a PATCH of its own with the prefix "candidate:" twice, DELETE. Any other status than those ends the attempt.
func TestMediaMTXTakesWHEP(t *testing.T) {
	for _, scheme := range schemes {
		t.Run(scheme, func(t *testing.T) {
			h := newHome(t)
			pc, picture := h.peer([]webrtc.RTPCodecParameters{
				codec(96, webrtc.MimeTypeAV1, 90000, 0, "profile=1"), codec(97, webrtc.MimeTypeAV1, 90000, 0, ""), codec(101, webrtc.MimeTypeVP9, 90000, 0, "profile-id=0"),
				codec(102, webrtc.MimeTypeVP8, 90000, 0, ""), codec(104, webrtc.MimeTypeH265, 90000, 0, "level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST"),
				h264Codec(105, "42001f"), h264Codec(106, "42e01f"),
			}, []webrtc.RTPCodecParameters{
				codec(112, "audio/multiopus", 48000, 3, "channel_mapping=0,2,1;num_streams=2;coupled_streams=1"), codec(111, webrtc.MimeTypeOpus, 48000, 2, "minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1"),
				codec(9, webrtc.MimeTypeG722, 8000, 0, ""), codec(0, webrtc.MimeTypePCMU, 8000, 0, ""), codec(120, "audio/L16", 8000, 2, ""),
			})
			candidates := make(chan string, 20)
			pc.OnICECandidate(func(c *webrtc.ICECandidate) {
				if c != nil {
					candidates <- c.ToJSON().Candidate
				}
			})
			client, u := h.trusting(), h.url(scheme, "/cameras/front/whep")
			if resp, _ := h.do(client, "OPTIONS", u, "", nil); resp.StatusCode != 200 && resp.StatusCode != 204 {
				t.Fatalf("OPTIONS: %s", resp.Status)
			}
			offer := h.offer(pc)
			resp, answer := h.do(client, "POST", u, offer, map[string]string{"Content-Type": sdpType})
			if resp.StatusCode != 201 || resp.Header.Get("ETag") == "" || resp.Header.Get("Accept-Patch") != fragmentType {
				t.Fatalf("POST: %s %v\n%s", resp.Status, resp.Header, answer)
			}
			session, err := u.Parse(resp.Header.Get("Location"))
			if err != nil || session.User == nil {
				t.Fatalf("Location %q leads to %v without the credentials, %v", resp.Header.Get("Location"), session, err)
			}
			for line := range strings.Lines(answer) {
				if strings.HasPrefix(line, "m=") && !strings.HasPrefix(line, "m=video") && !strings.HasPrefix(line, "m=audio") {
					t.Errorf("the answer has %s", line)
				}
			}
			if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
				t.Fatal(err)
			}
			ufrag, pwd := attributeOf(offer, "ice-ufrag"), attributeOf(offer, "ice-pwd")
			media := line(offer, "m=")
			for sent := 0; sent == 0 || len(candidates) > 0; sent++ {
				fragment := "a=ice-ufrag:" + ufrag + "\r\na=ice-pwd:" + pwd + "\r\n" + media + "\r\na=mid:0\r\na=candidate:" + <-candidates + "\r\n"
				resp, text := h.do(client, "PATCH", session, fragment, map[string]string{"Content-Type": fragmentType, "If-Match": resp.Header.Get("ETag")})
				if resp.StatusCode != 204 {
					t.Fatalf("PATCH: %s %s of\n%s", resp.Status, text, fragment)
				}
			}
			h.shows(picture)
			if resp, _ := h.do(client, "DELETE", session, "", nil); resp.StatusCode != 200 {
				t.Errorf("DELETE: %s", resp.Status)
			}
		})
	}
}

func line(sdp, prefix string) string {
	for l := range strings.Lines(sdp) {
		if strings.HasPrefix(l, prefix) {
			return strings.TrimRight(l, "\r\n")
		}
	}
	return ""
}

func attributeOf(sdp, name string) string {
	return strings.TrimPrefix(line(sdp, "a="+name+":"), "a="+name+":")
}

// digest answers a challenge by RFC 7616.
func digest(new func() hash.Hash, method string, u *url.URL, realm, nonce, algorithm string) string {
	sum := func(parts ...string) string {
		h := new()
		io.WriteString(h, strings.Join(parts, ":"))
		return hex.EncodeToString(h.Sum(nil))
	}
	const cnonce, nc = "0123456789abcdef", "00000001"
	response := sum(sum("admin", realm, homePassword), nonce, nc, cnonce, "auth", sum(method, u.RequestURI()))
	header := fmt.Sprintf(`Digest username="admin", realm="%s", nonce="%s", uri="%s", qop=auth, nc=%s, cnonce="%s", response="%s"`, realm, nonce, u.RequestURI(), nc, cnonce, response)
	if algorithm != "" {
		header += `, algorithm="` + algorithm + `"`
	}
	return header
}

func between(s, after, before string) string {
	_, s, _ = strings.Cut(s, after)
	s, _, _ = strings.Cut(s, before)
	return s
}

// programs are how those that read MJPEG sign in: first by Basic, and at 401 by the digest that they make of the challenges.
var programs = map[string]func(challenges []string, u *url.URL) string{
	// go2rtc 1.9 (pkg/tcp/request.go): the first challenge; MD5, and no word of it.
	"go2rtc": func(challenges []string, u *url.URL) string {
		c := challenges[0]
		return digest(md5.New, "GET", u, between(c, `realm="`, `"`), between(c, `nonce="`, `"`), "")
	},
	// Home Assistant's MJPEG IP Camera with requests: all challenges as one, in which the last of like names counts.
	"Home Assistant, requests": func(challenges []string, u *url.URL) string {
		all := strings.Join(challenges, ", ")
		last := all[strings.LastIndex(all, "algorithm="):]
		nonce := all[strings.LastIndex(all, "nonce="):]
		algorithm := strings.FieldsFunc(last[len("algorithm="):], func(r rune) bool { return r == ',' || r == ' ' })[0]
		return digest(map[string]func() hash.Hash{"MD5": md5.New, "SHA-256": sha256.New}[algorithm], "GET", u, between(all, `realm="`, `"`), between(nonce, `nonce="`, `"`), algorithm)
	},
	// The same with httpx: the first challenge, by its algorithm.
	"Home Assistant, httpx": func(challenges []string, u *url.URL) string {
		c := challenges[0]
		algorithm := strings.Trim(between(c+",", "algorithm=", ","), `" `)
		return digest(map[string]func() hash.Hash{"MD5": md5.New, "SHA-256": sha256.New}[algorithm], "GET", u, between(c, `realm="`, `"`), between(c, `nonce="`, `"`), algorithm)
	},
}

func TestMJPEGIsTakenByBasicAndDigest(t *testing.T) {
	h := newHome(t)
	for name, answer := range programs {
		t.Run(name, func(t *testing.T) {
			h.t = t
			get := func(path string) *http.Response {
				u := h.url("http", path)
				client := h.machine.client(t)
				client.Timeout = 0
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				t.Cleanup(cancel)
				req, err := http.NewRequestWithContext(ctx, "GET", u.String(), nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(req) // net/http makes Basic of the address, as others do
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Fatalf("%s by Basic: %s", path, resp.Status)
				}
				req.URL.User = nil
				if resp, err = client.Do(req); err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusUnauthorized {
					t.Fatalf("%s without a password: %s", path, resp.Status)
				}
				req.Header.Set("Authorization", answer(resp.Header.Values("WWW-Authenticate"), u))
				if resp, err = client.Do(req); err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode != http.StatusOK {
					t.Fatalf("%s: %s", path, resp.Status)
				}
				return resp
			}
			stream := get("/cameras/front/stream.mjpeg")
			defer stream.Body.Close()
			if kind := stream.Header.Get("Content-Type"); !strings.HasPrefix(kind, "multipart/x-mixed-replace;") {
				t.Errorf("the stream is %s", kind)
			}
			in := bufio.NewReader(stream.Body)
			for range 3 {
				h.isPicture(h.part(in))
			}
			still := get("/cameras/front/snapshot.jpg")
			defer still.Body.Close()
			b, err := io.ReadAll(still.Body)
			if err != nil || still.Header.Get("Content-Type") != "image/jpeg" {
				t.Errorf("the snapshot is %s, %v", still.Header.Get("Content-Type"), err)
			}
			h.isPicture(b)
			// Home Assistant takes a stream's first picture from its first start to its first end mark.
			if start, end := bytes.Index(b, []byte{0xff, 0xd8}), bytes.Index(b, []byte{0xff, 0xd9}); start != 0 || end != len(b)-2 {
				t.Errorf("marks at %d and %d of %d bytes", start, end, len(b))
			}
		})
	}
}

// part reads one part as go2rtc does (pkg/mpjpeg/multipart.go): a line that begins with two hyphens, headers, as many bytes as they say.
func (h home) part(in *bufio.Reader) []byte {
	h.t.Helper()
	line, err := in.ReadString('\n')
	for line == "\r\n" && err == nil {
		line, err = in.ReadString('\n')
	}
	if err != nil || !strings.HasPrefix(line, "--") {
		h.t.Fatalf("boundary %q, %v", line, err)
	}
	header, err := textproto.NewReader(in).ReadMIMEHeader()
	if err != nil {
		h.t.Fatal(err)
	}
	size, err := strconv.Atoi(header.Get("Content-Length"))
	if err != nil {
		h.t.Fatalf("part with %v: %v", header, err)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(in, b); err != nil {
		h.t.Fatal(err)
	}
	return b
}

func (h home) isPicture(b []byte) {
	h.t.Helper()
	if _, err := jpeg.Decode(bytes.NewReader(b)); err != nil {
		h.t.Errorf("picture of %d bytes: %v", len(b), err)
	}
}

// The page's name is found from the next machine, and leads to the camera.
func TestCameraIsFoundByItsName(t *testing.T) {
	h := newHome(t)
	_, text := h.do(h.trusting(), "GET", h.url("https", "/api/status"), "", nil)
	var status agent.Status
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		t.Fatal(err)
	}
	name := "camward-" + strings.ToLower(status.Identity.MAC[len(status.Identity.MAC)-6:]) + ".local"
	var socket *net.UDPConn
	if err := h.machine.do(func() (err error) {
		socket, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(192, 168, 5, 3), Port: 5353})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	query := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET | 1<<15}}}
	b, err := query.Pack()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 9000)
	eventually(t, 20*time.Second, func() error {
		if _, err := socket.WriteToUDP(b, &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}); err != nil {
			return err
		}
		// Not joined to the group, this gets what is sent to this machine alone, as it was asked for.
		socket.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		n, from, err := socket.ReadFromUDP(buf)
		if err != nil {
			return err
		}
		var m dnsmessage.Message
		if err := m.Unpack(buf[:n]); err != nil || len(m.Answers) == 0 {
			return fmt.Errorf("%d answers from %v, %w", len(m.Answers), from, err)
		}
		if a, ok := m.Answers[0].Body.(*dnsmessage.AResource); !ok || net.IP(a.A[:]).String() != h.host {
			return fmt.Errorf("answer %v", m.Answers[0])
		}
		return nil
	})
}
