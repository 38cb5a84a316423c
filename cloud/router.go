package cloud

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// router finds the handler of a request. It differs from http.ServeMux where the API needs it: a trailing slash and a
// doubled one are the same as none, without a redirect (a redirected PUT loses its body), and captured segments
// are decoded once each, so that names may hold any character, even a slash.
type router struct {
	routes []route
	wrap   func(*route, http.Handler) http.Handler
	absent http.Handler // no route
}

// A route is a pattern such as "api/users/:token/cameras/:camera" and its handler for each method. A segment "?name" at the
// end may be absent. Routes are tried in order: put literal segments before captures.
type route struct {
	pattern  string
	segments []string
	methods  map[string]http.HandlerFunc
	handler  http.Handler // of any method, wrapped
}

// add registers a route; methods are the keys of m. GET answers HEAD too.
func (r *router) add(pattern string, m map[string]http.HandlerFunc) {
	if get := m[http.MethodGet]; get != nil {
		m[http.MethodHead] = get // net/http drops the body
	}
	r.routes = append(r.routes, route{pattern: pattern, segments: strings.Split(pattern, "/"), methods: m})
}

// finish wraps each route's handler once.
func (r *router) finish() {
	for i := range r.routes {
		rt := &r.routes[i]
		rt.handler = r.wrap(rt, http.HandlerFunc(rt.serve))
	}
}

func (r *router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	segments, ok := split(req.URL)
	if !ok {
		r.absent.ServeHTTP(w, req)
		return
	}
	for i := range r.routes {
		if vars, ok := r.routes[i].match(segments); ok {
			r.routes[i].handler.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), varsKey{}, vars)))
			return
		}
	}
	r.absent.ServeHTTP(w, req)
}

func (rt *route) serve(w http.ResponseWriter, req *http.Request) {
	h := rt.methods[req.Method]
	if h == nil {
		w.Header().Set("Allow", strings.Join(rt.allowed(), ", "))
		fail(w, http.StatusMethodNotAllowed, "Method not allowed")
		return
	}
	h(w, req)
}

// allowed lists the route's methods in a fixed order.
func (rt *route) allowed() []string {
	list := []string{http.MethodOptions}
	for m := range rt.methods {
		list = append(list, m)
	}
	slices.Sort(list)
	return list
}

// split decodes the path's segments; empty ones are left out.
func split(u *url.URL) ([]string, bool) {
	var list []string
	for s := range strings.SplitSeq(u.EscapedPath(), "/") {
		if s == "" {
			continue
		}
		d, err := url.PathUnescape(s)
		if err != nil {
			return nil, false
		}
		list = append(list, d)
	}
	return list, true
}

// match compares the segments and returns the captured ones.
func (rt *route) match(segments []string) (map[string]string, bool) {
	var vars map[string]string
	for i, want := range rt.segments {
		switch {
		case i >= len(segments):
			return vars, want == "" || want[0] == '?'
		case want != "" && (want[0] == ':' || want[0] == '?'):
			if vars == nil {
				vars = make(map[string]string, 3)
			}
			vars[want[1:]] = segments[i]
		case want != segments[i]:
			return nil, false
		}
	}
	return vars, len(segments) <= len(rt.segments)
}

type varsKey struct{}

// pathVar is a captured segment of the request's path, decoded; empty if absent.
func pathVar(r *http.Request, name string) string {
	vars, _ := r.Context().Value(varsKey{}).(map[string]string)
	return vars[name]
}
