package cloud_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"camward/cloud"
	"camward/cloud/cloudtest"
)

// from makes a request that seems to come from an address. Header lines are "Name: value".
func from(t testing.TB, c *cloudtest.Cloud, addr, method, path, body string, header ...string) call {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, c.URL+path, strings.NewReader(body))
	r.RemoteAddr = addr + ":1024"
	if strings.Contains(addr, ":") {
		r.RemoteAddr = "[" + addr + "]:1024"
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	c.Server.Handler().ServeHTTP(w, r)
	return call{w.Code, w.Header(), w.Body.String()}
}

// person is somebody who is signed in.
type person struct {
	c      *cloudtest.Cloud
	cookie string
	addr   string
}

// second signs another account in.
func second(t testing.TB, c *cloudtest.Cloud, email, addr string) *person {
	t.Helper()
	acc, err := c.Server.AddUser(t.Context(), email)
	if err != nil {
		t.Fatal(err)
	}
	other := *c
	other.Account = acc
	return &person{c, "Cookie: " + signIn(t, &other), addr}
}

func first(t testing.TB, c *cloudtest.Cloud, addr string) *person {
	return &person{c, "Cookie: " + signIn(t, c), addr}
}

func (p *person) get(t testing.TB, path string) call {
	t.Helper()
	return from(t, p.c, p.addr, "GET", path, "", p.cookie)
}

// post sends a form with the token that every page carries.
func (p *person) post(t testing.TB, path string, fields ...string) call {
	t.Helper()
	v := url.Values{"csrf": {csrf(t, p.get(t, "/account").Body)}}
	for i := 0; i < len(fields); i += 2 {
		v.Set(fields[i], fields[i+1])
	}
	return from(t, p.c, p.addr, "POST", path, v.Encode(), p.cookie, formType)
}

const camera = "00E04CC27CC5"

func TestClaimPageSaysHowTheDeviceStands(t *testing.T) {
	now := noon
	c := cloudtest.New(t, cloudtest.Clock(func() time.Time { return now }))
	me := first(t, c, "192.0.2.1")
	other := second(t, c, "other@example.com", "192.0.2.1")
	want := func(p *person, state string) {
		t.Helper()
		r := p.get(t, "/claim/00:e0:4c:c2:7c:c5")
		if r.Status != 200 || !strings.Contains(r.Body, `data-state="`+state+`"`) {
			t.Fatalf("%d, want state %s:\n%s", r.Status, state, r.Body)
		}
		if refreshes := r.Header.Get("Refresh") != ""; refreshes != (state == "unheard" || state == "elsewhere" || state == "disputed") {
			t.Errorf("state %s refreshes: %v", state, refreshes)
		}
	}
	poll := func(addr string) {
		t.Helper()
		if r := from(t, c, addr, "GET", "/api/cameras/"+camera+"/?maker=Sharx&model=SCNC3904&ip_address_local=10.1.2.3", ""); r.Status != 200 {
			t.Fatal(r.Status, r.Body)
		}
	}
	want(me, "unheard")
	poll("192.0.2.1")
	now = now.Add(12 * time.Second)
	want(me, "ready")
	page := me.get(t, "/claim/"+camera).Body
	for _, s := range []string{"Sharx SCNC3904", "10.1.2.3", "12 s ago, from 192.0.2.1", "00:E0:4C:C2:7C:C5"} {
		if !strings.Contains(page, s) {
			t.Errorf("the page lacks %q", s)
		}
	}
	if home := me.get(t, "/").Body; !strings.Contains(home, "/claim/00:E0:4C:C2:7C:C5") {
		t.Error("the home page does not offer the camera")
	}
	me.addr = "198.51.100.7"
	want(me, "elsewhere")
	if page := me.get(t, "/claim/"+camera).Body; strings.Contains(page, "192.0.2.1") || strings.Contains(page, "Sharx") {
		t.Error("somebody elsewhere is told about the device")
	}
	if home := me.get(t, "/").Body; strings.Contains(home, "/claim/") {
		t.Error("the home page offers a camera from elsewhere")
	}
	poll("198.51.100.7") // the same stranger polls in its name, to be near it
	want(me, "disputed")
	me.addr = "192.0.2.1"
	poll("192.0.2.1")
	want(me, "disputed")
	now = now.Add(14 * time.Minute)
	poll("192.0.2.1")
	want(me, "disputed")
	now = now.Add(2 * time.Minute)
	want(me, "ready")
	now = now.Add(15 * time.Minute)
	want(me, "unheard")
	poll("192.0.2.1")
	if r := me.post(t, "/claim/"+camera, "name", "porch"); r.Status != 303 || r.Header.Get("Location") != "/devices/"+camera {
		t.Fatal(r.Status, r.Body)
	}
	want(me, "mine")
	want(other, "theirs")
	if page := other.get(t, "/claim/"+camera).Body; strings.Contains(page, "test@example.com") || strings.Contains(page, "porch") {
		t.Error("the page tells whose the camera is")
	}
	for _, path := range []string{"/devices/" + camera, "/devices/000000000001"} {
		if r := other.get(t, path); r.Status != 404 {
			t.Errorf("GET %s by another account: %d, want 404", path, r.Status)
		}
	}
	if r := me.get(t, "/claim/nonsense"); r.Status != 404 {
		t.Errorf("no MAC address: %d, want 404", r.Status)
	}
}

func TestNetworksThatCountAsOne(t *testing.T) {
	tests := []struct {
		device, person string
		want           string
	}{
		{"192.0.2.1", "192.0.2.1", "ready"},
		{"192.0.2.1", "192.0.2.2", "elsewhere"},
		{"2001:db8:1:2::3", "2001:db8:1:2:ffff::4", "ready"},
		{"2001:db8:1:2::3", "2001:db8:1:3::3", "elsewhere"},
		{"2001:db8:1:2::3", "192.0.2.1", "elsewhere"},
		{"192.168.1.5", "192.168.7.9", "ready"},
		{"fd00::1", "10.0.0.1", "ready"},
		{"192.168.1.5", "192.0.2.1", "elsewhere"},
	}
	for _, tt := range tests {
		c := cloudtest.New(t)
		me := first(t, c, tt.person)
		if r := from(t, c, tt.device, "GET", "/api/cameras/"+camera+"?maker=Sharx", ""); r.Status != 200 {
			t.Fatal(r.Status, r.Body)
		}
		if r := me.get(t, "/claim/"+camera); !strings.Contains(r.Body, `data-state="`+tt.want+`"`) {
			t.Errorf("device at %s, person at %s: not %s", tt.device, tt.person, tt.want)
		}
	}
	c := cloudtest.New(t, func(cfg *cloud.Config) { cfg.ClaimFrom = cloud.ClaimAnywhere })
	if r := first(t, c, "192.0.2.9").get(t, "/claim/"+camera); !strings.Contains(r.Body, `data-state="ready"`) {
		t.Error("claims from anywhere: not ready")
	}
}

func TestClaimFormRefuses(t *testing.T) {
	c := cloudtest.New(t)
	me, other := first(t, c, "192.0.2.1"), second(t, c, "other@example.com", "192.0.2.1")
	for _, mac := range []string{camera, "000000000001", "000000000002"} {
		if r := from(t, c, "192.0.2.1", "GET", "/api/cameras/"+mac+"?maker=Sharx", ""); r.Status != 200 {
			t.Fatal(r.Status, r.Body)
		}
	}
	if r := from(t, c, "192.0.2.1", "POST", "/claim/"+camera, "name=x", me.cookie, formType); r.Status != 403 {
		t.Errorf("without the form's token: %d, want 403", r.Status)
	}
	if r := from(t, c, "192.0.2.1", "POST", "/claim/"+camera, "name=x", formType); r.Status != 401 {
		t.Errorf("signed out: %d, want 401", r.Status)
	}
	steps := []struct {
		who  *person
		mac  string
		name string
		want int
		say  string
	}{
		{me, camera, "", 400, "name is empty"},
		{me, camera, strings.Repeat("x", 101), 400, "more than 100"},
		{me, camera, "a\x07b", 400, "unprintable"},
		{me, camera, "a\u202eb", 400, "unprintable"},
		{me, camera, " porch ", 303, ""},
		{me, "000000000001", "Porch", 409, "Another of your cameras has this name"},
		{me, "000000000001", "yard", 303, ""},
		{me, camera, "yard", 409, "Another of your cameras has this name"},
		{me, camera, "gate", 303, ""}, // a rename
		{other, camera, "mine", 409, "belongs to another account"},
		{other, "000000000002", "porch", 303, ""},
		{other, "000000000003", "unheard of", 409, "Not heard of yet"},
	}
	for _, s := range steps {
		if r := s.who.post(t, "/claim/"+s.mac, "name", s.name); r.Status != s.want || !strings.Contains(r.Body, s.say) {
			t.Errorf("claim %s as %q: %d, want %d and %q", s.mac, s.name, r.Status, s.want, s.say)
		}
	}
	var last call
	for range 70 {
		if last = me.get(t, "/claim/"+camera); last.Status == 429 {
			break
		}
	}
	if last.Status != 429 || last.Header.Get("Retry-After") == "" {
		t.Errorf("trying without end is answered %d, want 429 with Retry-After", last.Status)
	}
}

func TestOfManyClaimsAtOnceOneWins(t *testing.T) {
	c := cloudtest.New(t)
	if r := from(t, c, "192.0.2.1", "GET", "/api/cameras/"+camera+"?maker=Sharx", ""); r.Status != 200 {
		t.Fatal(r.Status, r.Body)
	}
	var people []*person
	for i := range 6 {
		people = append(people, second(t, c, fmt.Sprintf("p%d@example.com", i), "192.0.2.1"))
	}
	var wg sync.WaitGroup
	status := make([]int, len(people))
	for i, p := range people {
		wg.Go(func() { status[i] = p.post(t, "/claim/"+camera, "name", "x").Status })
	}
	wg.Wait()
	won := 0
	for _, s := range status {
		switch s {
		case 303:
			won++
		case 409:
		default:
			t.Errorf("a claim was answered %d", s)
		}
	}
	if won != 1 {
		t.Errorf("%d claims won, want 1: %v", won, status)
	}
}

func TestSigningInLeadsBackToTheClaimPage(t *testing.T) {
	c := cloudtest.New(t)
	cookieOf := func(r call) string {
		for _, s := range r.Header.Values("Set-Cookie") {
			if v, _, _ := strings.Cut(s, ";"); strings.HasPrefix(v, "camward_next=") {
				return v
			}
		}
		return ""
	}
	r := send(t, "GET", c.URL+"/claim/"+camera, "")
	next := cookieOf(r)
	if r.Status != 303 || r.Header.Get("Location") != "/signin" || next != "camward_next=/claim/"+camera {
		t.Fatalf("signed out: %d to %s, cookie %q", r.Status, r.Header.Get("Location"), next)
	}
	if r := send(t, "POST", c.Account.SigninURL, "", "Cookie: "+next); r.Status != 303 || r.Header.Get("Location") != "/claim/"+camera || cookieOf(r) != "camward_next=" {
		t.Errorf("after the link: %d to %s, cookie %q", r.Status, r.Header.Get("Location"), cookieOf(r))
	}
	for _, hostile := range []string{"https://example.org/", "//example.org/", `/\example.org/`, "example.org", ""} {
		again, err := c.Server.SigninLink(t.Context(), "test@example.com")
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), "POST", again.SigninURL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Cookie", "camward_next="+hostile)
		w := httptest.NewRecorder()
		req.RemoteAddr = "127.0.0.1:1"
		c.Server.Handler().ServeHTTP(w, req)
		if w.Code != 303 || w.Header().Get("Location") != "/" {
			t.Errorf("next %q leads to %s", hostile, w.Header().Get("Location"))
		}
	}
}

func TestReleasedDeviceCanBeClaimedByOthersAndStartsAnew(t *testing.T) {
	now := noon
	c := cloudtest.New(t, cloudtest.Clock(func() time.Time { return now }), func(cfg *cloud.Config) { cfg.FTPHost = "ftp.example.org" })
	me, other := first(t, c, "127.0.0.1"), second(t, c, "other@example.com", "127.0.0.1")
	pollAs(t, c, camera, "maker=camward")
	if r := me.post(t, "/claim/"+camera, "name", "porch"); r.Status != 303 {
		t.Fatal(r.Status, r.Body)
	}
	put(t, c, "porch", stamp(0, ".jpeg"), "camera_id="+camera, picture(t, 64, 48, 1))
	told := pollAs(t, c, camera, "maker=camward")
	pollAs(t, c, camera, "maker=camward", reports(told, "applied", 200, "answer for the first owner")...)
	if r := other.post(t, "/devices/"+camera+"/release"); r.Status != 404 {
		t.Errorf("release by another account: %d, want 404", r.Status)
	}
	if r := me.post(t, "/devices/"+camera+"/release"); r.Status != 303 {
		t.Fatal(r.Status, r.Body)
	}
	if r := me.get(t, "/devices/"+camera); r.Status != 404 {
		t.Errorf("page of a released device: %d, want 404", r.Status)
	}
	if n := search(t, c, "motion_type=all").Result.Count; n != 1 {
		t.Errorf("%d events left to who released it, want 1", n)
	}
	if p := pollAs(t, c, camera, "maker=camward"); len(p.Commands) != 2 {
		t.Errorf("released, it is told %d commands, want ping and time", len(p.Commands))
	}
	now = now.Add(time.Second)
	if r := other.post(t, "/claim/"+camera, "name", "mine now"); r.Status != 303 {
		t.Fatal(r.Status, r.Body)
	}
	again := pollAs(t, c, camera, "maker=camward")
	if len(again.Commands) != len(told.Commands) || again.Commands[2].DateUpdated <= told.Commands[2].DateUpdated || strings.Contains(again.Commands[2].Path, c.Account.UploadToken) {
		t.Errorf("told the second owner's device: %v", again.Commands)
	}
	if page := other.get(t, "/devices/"+camera).Body; strings.Contains(page, "first owner") {
		t.Error("the second owner sees what the device answered to the first")
	}
	// The first owner's claim of the name alone does not bring it back.
	if err := c.Server.Claim(t.Context(), camera, "test@example.com", "porch"); err == nil || errors.Is(err, cloud.ErrNoUser) {
		t.Errorf("claim of another's device: %v", err)
	}
}

func TestAClaimUnderTheNameOfACameraThatUploadedMakesItThatDevices(t *testing.T) {
	c := cloudtest.New(t)
	const mac = "00E04CC27CC5"
	put(t, c, "front", stamp(0, ".jpeg"), "camera_id=4711", picture(t, 64, 48, 1))
	if err := c.Server.Claim(t.Context(), mac, "test@example.com", "Front"); err != nil {
		t.Fatal(err)
	}
	list, err := c.Server.Cameras(t.Context())
	if err != nil || len(list) != 1 || list[0].MAC != mac || list[0].Name != "Front" {
		t.Errorf("%+v, %v", list, err)
	}
}
