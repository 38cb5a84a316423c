package cloud

import (
	"io"
	"net/http"
	"strings"

	"go.uber.org/zap"
)

type handlerFunc = func(http.ResponseWriter, *http.Request) error

// routes is the table of everything that the server answers. What is not in it is 404.
func (s *Server) routes() *router {
	rt := &router{wrap: s.wrap, absent: http.HandlerFunc(s.noRoute)}
	api := func(pattern string, m map[string]handlerFunc) {
		hs := make(map[string]http.HandlerFunc, len(m)+1)
		for method, f := range m {
			hs[method] = s.handle(f)
		}
		rt.add("api/"+pattern, hs)
	}
	get := func(f handlerFunc) map[string]handlerFunc { return map[string]handlerFunc{"GET": f} }

	api("users/:token/cameras", get(s.listCameras))
	api("users/:token/cameras/:camera", map[string]handlerFunc{"GET": s.getCamera, "DELETE": s.deleteCamera})
	api("users/:token/cameras/:camera/states", get(s.listStates))
	api("users/:token/cameras/:camera/zones", get(s.listZones))
	api("users/:token/cameras/:camera/zones/:zone", map[string]handlerFunc{"GET": s.getZone, "POST": s.setZone, "PUT": s.setZone, "DELETE": s.deleteZone})
	api("users/:token/cameras/:camera/content", map[string]handlerFunc{"POST": s.upload, "PUT": s.upload})
	// One path, two meanings: a file name to upload under, an id to fetch.
	api("users/:token/cameras/:camera/content/:name", map[string]handlerFunc{"POST": s.upload, "PUT": s.upload, "GET": s.getContent})
	api(livePattern, map[string]handlerFunc{"GET": s.liveSocketOrInfo, "POST": s.liveOpen})
	api(livePattern+"/:session", map[string]handlerFunc{"PATCH": s.livePatch, "DELETE": s.liveEnd})
	api("users/:token/camios", map[string]handlerFunc{"GET": s.listCamios, "POST": s.createCamio, "PUT": s.createCamio, "DELETE": s.deleteCamio})
	api("users/:token/tokens/upload", get(s.uploadToken))
	api("users/:token/settings", map[string]handlerFunc{"GET": s.getSettings, "POST": s.setSettings, "PUT": s.setSettings, "PATCH": s.setSettings})
	api("tokens/:upload_token/hint", map[string]handlerFunc{"GET": s.hint, "POST": s.hint})
	api("cameras/discovered", map[string]handlerFunc{"GET": s.getDiscovered, "POST": s.postDiscovered})
	api("cameras/:mac", map[string]handlerFunc{"GET": s.poll, "POST": s.poll, "PUT": s.poll})
	api("search", get(s.search))
	api("content", map[string]handlerFunc{"POST": s.postContent})
	api("content/live/:camera", get(s.live))
	s.pageRoutes(rt)
	rt.finish()
	return rt
}

// wrap adds what every reply of a route has in common, and logs it. The log names the pattern, never the path: paths
// hold upload tokens and sign-in links.
func (s *Server) wrap(rt *route, next http.Handler) http.Handler {
	isAPI := strings.HasPrefix(rt.pattern, "api/")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		if isAPI {
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("Access-Control-Expose-Headers", liveExposed)
			if r.Method == http.MethodOptions {
				preflight(w, rt)
				return
			}
		} else {
			pageHeaders(h)
		}
		sw := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(sw, r)
		s.log.Debug("request", zap.String("method", r.Method), zap.String("route", rt.pattern), zap.Int("status", sw.status))
	})
}

func preflight(w http.ResponseWriter, rt *route) {
	h := w.Header()
	h.Set("Allow", strings.Join(rt.allowed(), ", "))
	h.Set("Access-Control-Allow-Methods", strings.Join(rt.allowed(), ", "))
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match")
	h.Set("Access-Control-Max-Age", "86400")
	if strings.HasPrefix(rt.pattern, "api/"+livePattern) {
		h.Set("Accept-Post", sdpType)
		h.Set("Accept-Patch", fragmentType)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) noRoute(w http.ResponseWriter, r *http.Request) {
	if segments, ok := split(r.URL); ok && len(segments) > 0 && segments[0] == "api" {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		fail(w, http.StatusNotFound, "Not found")
		return
	}
	pageHeaders(w.Header())
	s.pages.problem(w, http.StatusNotFound, "There is nothing at this address.")
}

// statusWriter remembers the status for the log.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// ReadFrom keeps the way to sendfile(2) open for stored files.
func (w *statusWriter) ReadFrom(r io.Reader) (int64, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return io.Copy(w.ResponseWriter, r)
}

// Unwrap lets http.ResponseController reach the connection's deadlines.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
