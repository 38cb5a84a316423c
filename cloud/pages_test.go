package cloud_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"camward/cloud/cloudtest"
)

// signIn uses the account's link and returns the session's cookie.
func signIn(t testing.TB, c *cloudtest.Cloud) string {
	t.Helper()
	r := send(t, "POST", c.Account.SigninURL, "")
	cookie, _, _ := strings.Cut(r.Header.Get("Set-Cookie"), ";")
	if r.Status != 303 || !strings.HasPrefix(cookie, "camward_session=") {
		t.Fatalf("sign-in by link: %d %v %s", r.Status, r.Header, r.Body)
	}
	return cookie
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// csrf finds the form token on a page.
func csrf(t testing.TB, page string) string {
	t.Helper()
	m := csrfField.FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no form token on %s", page)
	}
	return m[1]
}

const formType = "Content-Type: application/x-www-form-urlencoded"

func TestSigninLinkWorksOnceAndPreviewsDoNotUseIt(t *testing.T) {
	now := noon
	c := cloudtest.New(t, cloudtest.Clock(func() time.Time { return now }))
	for range 2 {
		if r := send(t, "GET", c.Account.SigninURL, ""); r.Status != 200 || r.Header.Get("Set-Cookie") != "" {
			t.Fatalf("GET: %d %v", r.Status, r.Header)
		}
	}
	r := send(t, "POST", c.Account.SigninURL, "")
	if set := r.Header.Get("Set-Cookie"); r.Status != 303 || !strings.Contains(set, "HttpOnly") || !strings.Contains(set, "SameSite=Lax") {
		t.Fatalf("POST: %d %q", r.Status, set)
	}
	for _, method := range []string{"GET", "POST"} {
		if r := send(t, method, c.Account.SigninURL, ""); r.Status != 410 {
			t.Errorf("%s of a used link: %d, want 410", method, r.Status)
		}
	}
	again, err := c.Server.SigninLink(t.Context(), "test@example.com")
	if err != nil || again.UploadToken != c.Account.UploadToken {
		t.Fatalf("new link: %v, %v", again, err)
	}
	now = now.Add(25 * time.Hour)
	if r := send(t, "POST", again.SigninURL, ""); r.Status != 410 {
		t.Errorf("link after a day: %d, want 410", r.Status)
	}
}

func TestPagesNeedASession(t *testing.T) {
	now := noon
	c := cloudtest.New(t, cloudtest.Clock(func() time.Time { return now }))
	up := put(t, c, "front", stamp(0, ".jpeg"), "camera_id=1", picture(t, 64, 48, 1))
	cookie := "Cookie: " + signIn(t, c)
	for path, without := range map[string]int{"/": 303, "/account": 303, "/events": 401, "/media/" + up.ID: 401, "/thumb/" + up.ID: 401} {
		if r := send(t, "GET", c.URL+path, ""); r.Status != without {
			t.Errorf("GET %s without session: %d, want %d", path, r.Status, without)
		}
		r := send(t, "GET", c.URL+path, "", cookie)
		if r.Status != 200 || !strings.Contains(r.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("GET %s: %d %v", path, r.Status, r.Header)
		}
	}
	if r := send(t, "GET", c.URL+"/api/users/me/cameras/front/content/"+up.ID, "", cookie); r.Status != 200 {
		t.Errorf("content by session: %d, want 200", r.Status)
	}
	for _, p := range []string{"/api/users/me/cameras", "/api/users/me/settings", "/api/search"} {
		if r := send(t, "GET", c.URL+p, "", cookie); r.Status != 401 {
			t.Errorf("GET %s by session: %d, want 401", p, r.Status)
		}
	}
	now = now.Add(31 * 24 * time.Hour)
	if r := send(t, "GET", c.URL+"/account", "", cookie); r.Status != 303 {
		t.Errorf("session after a month: %d, want 303", r.Status)
	}
}

func TestPasswordIsSetOnThePageAndSignsIn(t *testing.T) {
	c := cloudtest.New(t)
	cookie := "Cookie: " + signIn(t, c)
	token := csrf(t, send(t, "GET", c.URL+"/account", "", cookie).Body)
	set := func(header string, fields ...string) call {
		v := url.Values{}
		for i := 0; i < len(fields); i += 2 {
			v.Set(fields[i], fields[i+1])
		}
		return send(t, "POST", c.URL+"/account/password", v.Encode(), formType, cookie, header)
	}
	const good = "correct horse"
	tests := []struct {
		name   string
		header string
		fields []string
		want   int
	}{
		{"without the form's token", "X: x", []string{"password", good, "again", good}, 403},
		{"from another site", "Sec-Fetch-Site: cross-site", []string{"csrf", token, "password", good, "again", good}, 403},
		{"too short", "X: x", []string{"csrf", token, "password", "short", "again", "short"}, 400},
		{"not the same twice", "X: x", []string{"csrf", token, "password", good, "again", good + "!"}, 400},
		{"good", "X: x", []string{"csrf", token, "password", good, "again", good}, 303},
		{"change without the present one", "X: x", []string{"csrf", token, "password", good, "again", good}, 400},
	}
	for _, tt := range tests {
		if r := set(tt.header, tt.fields...); r.Status != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, r.Status, tt.want)
		}
	}
	login := func(email, password string) call {
		return send(t, "POST", c.URL+"/signin", url.Values{"email": {email}, "password": {password}}.Encode(), formType)
	}
	if r := login("Test@Example.com", good); r.Status != 303 || r.Header.Get("Set-Cookie") == "" {
		t.Errorf("right password: %d", r.Status)
	}
	for _, r := range []call{login("test@example.com", "wrong"), login("nobody@example.com", good), login("", "")} {
		if r.Status != 401 || r.Header.Get("Set-Cookie") != "" {
			t.Errorf("wrong sign-in: %d, want 401", r.Status)
		}
	}
	var last call
	for range 12 {
		last = login("test@example.com", good)
	}
	if last.Status != 429 || last.Header.Get("Retry-After") == "" {
		t.Errorf("after many attempts: %d, want 429 with Retry-After", last.Status)
	}
}

func TestSigningOutEndsTheSession(t *testing.T) {
	c := cloudtest.New(t)
	cookie := "Cookie: " + signIn(t, c)
	token := csrf(t, send(t, "GET", c.URL+"/", "", cookie).Body)
	if r := send(t, "POST", c.URL+"/signout", "csrf="+url.QueryEscape(token), formType, cookie); r.Status != 303 {
		t.Fatal(r.Status, r.Body)
	}
	if r := send(t, "GET", c.URL+"/account", "", cookie); r.Status != 303 {
		t.Errorf("after signing out: %d, want the sign-in page", r.Status)
	}
}

func TestHomePageShowsFiltersAndPagesEvents(t *testing.T) {
	now := noon.Add(time.Hour)
	c := cloudtest.New(t, cloudtest.Clock(func() time.Time { return now }))
	cookie := "Cookie: " + signIn(t, c)
	if r := send(t, "GET", c.URL+"/", "", cookie); !strings.Contains(r.Body, "No camera has sent anything yet") {
		t.Fatal("an empty account's page does not say what to do")
	}
	for i := range 30 {
		put(t, c, "front", stamp(float64(i*60), ".jpeg"), "camera_id=1", picture(t, 64, 48, i))
	}
	put(t, c, "<b>yard", stamp(-86400, ".mp4"), "camera_id=2&upload_mode=video", movie(t, 2))
	put(t, c, "front", stamp(3000, ".jpeg"), "camera_id=1&img_type=h", picture(t, 64, 48, 40))
	count := func(path string) int {
		r := send(t, "GET", c.URL+path, "", cookie)
		if r.Status != 200 || strings.Contains(r.Body, "<b>yard") {
			t.Fatalf("GET %s: %d, or a name is not escaped", path, r.Status)
		}
		return strings.Count(r.Body, "<article")
	}
	for path, want := range map[string]int{"/": 24, "/?camera=front": 24, "/?camera=%3Cb%3Eyard": 1, "/?day=2026-05-01": 24, "/?day=2026-04-30": 1,
		"/?day=2026-04-30&zone=-720": 0, "/?day=2026-05-01&zone=-720": 1, "/events": 24, "/?camera=nobody": 0, "/?day=x&before=y&zone=z": 24} {
		if got := count(path); got != want {
			t.Errorf("%s shows %d events, want %d", path, got, want)
		}
	}
	put(t, c, "front", stamp(30*86400, ".jpeg"), "camera_id=1", picture(t, 64, 48, 41))
	if got := count("/?day=2026-05-31"); got != 1 || !strings.Contains(send(t, "GET", c.URL+"/", "", cookie).Body, "2026-05-31") {
		t.Errorf("a camera whose clock runs a month ahead: %d events of that day", got)
	}
	older := regexp.MustCompile(`href="([^"]*before=[^"]*)"`).FindStringSubmatch(send(t, "GET", c.URL+"/", "", cookie).Body)
	if older == nil {
		t.Fatal("no link to older events")
	}
	if got := count(strings.ReplaceAll(older[1], "&amp;", "&")); got != 8 {
		t.Errorf("the older page shows %d events, want 8", got)
	}
	if got := count("/?all=1&day=2026-05-01&camera=front"); got != 24 {
		t.Errorf("with heartbeats %d events", got)
	}
}
