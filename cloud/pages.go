package cloud

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"time"

	"go.uber.org/zap"

	"camward/camio"
)

//go:embed web
var webFiles embed.FS

// pages holds the parsed templates. They need no build step and load nothing from elsewhere.
type pages struct {
	sets   map[string]*template.Template // by page, each with the layout
	static map[string][]byte
}

var staticTypes = map[string]string{
	"app.css":  "text/css; charset=utf-8",
	"app.js":   "text/javascript; charset=utf-8",
	"live.js":  "text/javascript; charset=utf-8",
	"icon.svg": "image/svg+xml",
}

func newPages() (*pages, error) {
	p := &pages{sets: make(map[string]*template.Template), static: make(map[string][]byte)}
	funcs := template.FuncMap{
		"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"utc":     func(t time.Time) string { return t.UTC().Format("2 Jan 2006 15:04:05") + " UTC" },
		"seconds": seconds,
		"ago":     ago,
		"base":    path.Base,
		"inc":     func(i int) int { return i + 1 },
	}
	for _, name := range []string{"home", "events", "signin", "link", "account", "claim", "device", "camera", "problem"} {
		t, err := template.New(name).Funcs(funcs).ParseFS(webFiles, "web/templates/layout.html", "web/templates/live.html", "web/templates/watch.html", "web/templates/changes.html", "web/templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("page %s: %w", name, err)
		}
		p.sets[name] = t
	}
	for name := range staticTypes {
		b, err := fs.ReadFile(webFiles, "web/static/"+name)
		if err != nil {
			return nil, fmt.Errorf("page file %s: %w", name, err)
		}
		p.static[name] = b
	}
	return p, nil
}

// layout is what every page's data holds.
type layout struct {
	Title string
	Email string // of who is signed in; empty: nobody
	CSRF  string
}

// render sends a page. It is made whole before the first byte goes out, so that a fault in it is a clean 500.
func (p *pages) render(w http.ResponseWriter, status int, name string, data any) error {
	entry := "layout.html"
	if name == "events" {
		entry = "events.html"
	}
	var b bytes.Buffer
	if err := p.sets[name].ExecuteTemplate(&b, entry, data); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
	return nil
}

// problem is the page for everything that went wrong.
func (p *pages) problem(w http.ResponseWriter, status int, message string) {
	data := struct {
		layout
		Message string
	}{layout{Title: http.StatusText(status)}, message}
	if err := p.render(w, status, "problem", data); err != nil {
		http.Error(w, message, status)
	}
}

// pageHeaders keep everything that is not ours out of the pages, and the pages out of other sites' frames.
func pageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'self'; script-src 'self'; "+
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
}

// pageRoutes adds the pages to the table.
func (s *Server) pageRoutes(rt *router) {
	type methods = map[string]http.HandlerFunc
	rt.add("", methods{"GET": s.page(s.home)})
	rt.add("events", methods{"GET": s.page(s.eventsFragment)})
	rt.add("media/:id", methods{"GET": s.page(s.pageMedia)})
	rt.add("thumb/:id", methods{"GET": s.page(s.pageThumb)})
	rt.add("account", methods{"GET": s.page(s.accountPage)})
	rt.add("account/password", methods{"POST": s.page(s.changePassword)})
	rt.add("account/token", methods{"POST": s.page(s.rotateToken)})
	rt.add("claim/:mac", methods{"GET": s.page(s.claimPage), "POST": s.page(s.claimSubmit)})
	rt.add("devices/:mac", methods{"GET": s.page(s.devicePage)})
	rt.add("live/:camera", methods{"GET": s.page(s.watchPage)})
	rt.add("devices/:mac/release", methods{"POST": s.page(s.releaseDevice)})
	rt.add("devices/:mac/trust", methods{"POST": s.page(s.trustAddress)})
	rt.add("signin", methods{"GET": s.page(s.signinPage), "POST": s.page(s.signinPassword)})
	rt.add("signin/:link", methods{"GET": s.page(s.linkPage), "POST": s.page(s.signinLinkUse)})
	rt.add("signout", methods{"POST": s.page(s.signout)})
	rt.add("static/:file", methods{"GET": s.staticFile})
	rt.add("healthz", methods{"GET": s.healthz})
	rt.add("metrics", methods{"GET": s.metrics})
}

// page adapts a page's handler: errors become a page, or for visitors who are not signed in the way to the sign-in.
// A POST from another site is refused before anything else.
func (s *Server) page(f handlerFunc) http.HandlerFunc {
	var cross http.CrossOriginProtection
	return func(w http.ResponseWriter, r *http.Request) {
		if err := cross.Check(r); err != nil {
			s.pages.problem(w, http.StatusForbidden, "This form was sent from another site.")
			return
		}
		err := f(w, r)
		var told *camio.Error
		switch {
		case err == nil:
		case errors.Is(err, errUnauthorized) && r.Method == http.MethodGet && pathVar(r, "id") == "" && r.URL.Path != "/events":
			s.askToSignIn(w, r)
		case errors.As(err, &told):
			s.pages.problem(w, told.Code, told.Message)
		case errors.Is(err, errNotFound):
			s.pages.problem(w, http.StatusNotFound, "There is nothing at this address.")
		case r.Context().Err() != nil:
		default:
			s.log.Error("page failed", zap.Error(err))
			s.pages.problem(w, http.StatusInternalServerError, "Something went wrong here. Please try again.")
		}
	}
}

// signedIn authenticates a page and prepares its layout. A POST must carry the session's form token.
func (s *Server) signedIn(r *http.Request, title string) (*account, layout, error) {
	acc, session, err := s.session(r)
	if err != nil {
		return nil, layout{}, err
	}
	l := layout{Title: title, Email: acc.Email, CSRF: s.secrets.csrfToken(session)}
	if r.Method == http.MethodPost && r.PostFormValue("csrf") != l.CSRF {
		return nil, l, refuse(http.StatusForbidden, "This form is too old. Go back, reload the page and try again.")
	}
	return acc, l, nil
}

func (s *Server) staticFile(w http.ResponseWriter, r *http.Request) {
	name := pathVar(r, "file")
	b, ok := s.pages.static[name]
	if !ok {
		s.pages.problem(w, http.StatusNotFound, "There is nothing at this address.")
		return
	}
	w.Header().Set("Content-Type", staticTypes[name])
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, hash(string(b))[:8]))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

// origin is where this server is reached, for examples on the pages.
func (s *Server) origin(r *http.Request) string { return s.publicURL(r).String() }
