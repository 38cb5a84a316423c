package web

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestAPanicInARouteEndsTheRequestAndIsLogged(t *testing.T) {
	core, logs := observer.New(zap.ErrorLevel)
	s, err := New(Config{Listen: "127.0.0.1:0"}, nil, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	s.HandleOpen("GET /broken", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("out of order") }))
	func() {
		defer func() {
			if r := recover(); r != http.ErrAbortHandler {
				t.Errorf("net/http hears %v", r)
			}
		}()
		s.guard().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "http://127.0.0.1/broken", nil))
	}()
	if all := logs.All(); len(all) != 1 || all[0].ContextMap()["panic"] != "out of order" || all[0].ContextMap()["path"] != "/broken" {
		t.Errorf("logged: %v", all)
	}
}

func TestTheControlKeySignsNobodyIn(t *testing.T) {
	s, err := New(Config{Listen: "127.0.0.1:0"}, nil, testLog)
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		r := httptest.NewRequest(method, "http://127.0.0.1/signin", nil)
		r.Header.Set("Authorization", "Bearer "+s.key)
		w := httptest.NewRecorder()
		s.guard().ServeHTTP(w, r)
		if w.Code != http.StatusForbidden {
			t.Errorf("%s without a password on the device: %d", method, w.Code)
		}
	}
}
