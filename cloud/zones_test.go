package cloud_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"camward/camio"
	"camward/cloud/cloudtest"
)

// triangle is a zone's body with a number that only double precision holds.
const triangle = `{"polygons":[{"points":[{"x":0.123456789012345,"y":0},{"x":1,"y":0.5},{"x":0.25,"y":1}]}],"colour":"unknown fields are ignored"}`

func TestZones(t *testing.T) {
	c := cloudtest.New(t)
	put(t, c, "Front", stamp(0, ".jpeg"), "camera_id=1", picture(t, 64, 48, 1))
	put(t, c, "yard", stamp(0, ".jpeg"), "camera_id=2", picture(t, 64, 48, 2))
	const polygons = `"polygons":[{"points":[{"x":0.123456789012345,"y":0},{"x":1,"y":0.5},{"x":0.25,"y":1}]}]`
	point := func(p string) string {
		return `{"polygons":[{"points":[{"x":0,"y":0},{"x":1,"y":0},` + p + `]}]}`
	}
	many := `{"polygons":[{"points":[` + strings.TrimSuffix(strings.Repeat(`{"x":0.5,"y":0.5},`, 2000), ",") + `]}]}`
	steps := []struct {
		method, path, body string
		status             int
		want               string // the reply, if not empty
	}{
		{"GET", "Front/zones", "", 200, `[]`},
		{"GET", "nobody/zones", "", 404, ""},
		{"GET", "Front/zones/door", "", 404, ""},
		{"POST", "Front/zones/door", triangle, 200, `{"name":"door",` + polygons + `}`},
		{"GET", "front/zones/DOOR/", "", 200, `{"name":"door",` + polygons + `}`},
		{"PUT", "Front/zones/-street", triangle, 200, `{"name":"-street",` + polygons + `}`},
		{"POST", "Front/zones/" + url.PathEscape("näht/weg & x"), triangle, 200, `{"name":"näht/weg & x",` + polygons + `}`},
		{"POST", "Front/zones/Door", `{"name":"porch",` + polygons + `}`, 200, `{"name":"porch",` + polygons + `}`},
		{"GET", "Front/zones/door", "", 404, ""},
		{"POST", "Front/zones/porch", `{"name":"-STREET",` + polygons + `}`, 400, ""},
		{"POST", "Front/zones/porch", `{"name":"Porch",` + polygons + `}`, 200, `{"name":"Porch",` + polygons + `}`},
		{"GET", "Front/zones", "", 200, `[{"name":"-street",` + polygons + `},{"name":"näht/weg & x",` + polygons + `},{"name":"Porch",` + polygons + `}]`},
		{"GET", "yard/zones", "", 200, `[]`},
		{"DELETE", "Front/zones/" + url.PathEscape("näht/weg & x"), "", 204, ""},
		{"DELETE", "Front/zones/" + url.PathEscape("näht/weg & x"), "", 404, ""},
		{"DELETE", "Front/zones/-street", "", 204, ""},
		{"DELETE", "nobody/zones/-street", "", 404, ""},
		{"POST", "nobody/zones/door", triangle, 404, ""},
		{"PATCH", "Front/zones/door", triangle, 405, ""},
		{"POST", "Front/zones", triangle, 405, ""},
		{"POST", "Front/zones/x", ``, 400, ""},
		{"POST", "Front/zones/x", `nonsense`, 400, ""},
		{"POST", "Front/zones/x", `{}`, 400, ""},
		{"POST", "Front/zones/x", `{"polygons":[]}`, 400, ""},
		{"POST", "Front/zones/x", `{"polygons":[{"points":[]}]}`, 400, ""},
		{"POST", "Front/zones/x", `{"polygons":[{"points":[{"x":0,"y":0},{"x":1,"y":1}]}]}`, 400, ""},
		{"POST", "Front/zones/x", point(`{"x":1.01,"y":0}`), 400, ""},
		{"POST", "Front/zones/x", point(`{"x":0,"y":-0.1}`), 400, ""},
		{"POST", "Front/zones/x", point(`{"x":0}`), 400, ""},
		{"POST", "Front/zones/x", point(`{"x":0,"y":null}`), 400, ""},
		{"POST", "Front/zones/x", point(`{"x":"0","y":0}`), 400, ""},
		{"POST", "Front/zones/x", `{"name":5,` + polygons + `}`, 400, ""},
		{"POST", "Front/zones/" + strings.Repeat("x", 101), triangle, 400, ""},
		{"POST", "Front/zones/%20", triangle, 400, ""},
		{"POST", "Front/zones/a%E2%80%AEb", triangle, 400, ""},
		{"POST", "Front/zones/x", many, 400, ""},
	}
	for _, s := range steps {
		status, body := c.Do(t, s.method, "/api/users/me/cameras/"+s.path, s.body)
		if status != s.status || s.want != "" && body != s.want {
			t.Errorf("%s %s %.100s: %d %.300s, want %d %s", s.method, s.path, s.body, status, body, s.status, s.want)
		}
	}
	list := get(t, c, "/api/users/me/cameras?fetch_zones=true").Body
	if !strings.Contains(list, `"zones":[{"name":"Porch",`+polygons+`}]`) || !strings.Contains(list, `"zones":[]`) {
		t.Errorf("fetch_zones: %s", list)
	}
	if list := get(t, c, "/api/users/me/cameras").Body; strings.Contains(list, "zones") {
		t.Errorf("zones without fetch_zones: %s", list)
	}
	if len(decode[[]camio.Camera](t, list)) != 2 {
		t.Errorf("the list with zones is not one of cameras: %s", list)
	}
	for i := range 31 {
		if status, body := c.Do(t, "POST", fmt.Sprintf("/api/users/me/cameras/Front/zones/z%d", i), triangle); status != 200 {
			t.Fatal(i, status, body)
		}
	}
	if status, _ := c.Do(t, "POST", "/api/users/me/cameras/Front/zones/one-more", triangle); status != 400 {
		t.Errorf("a 33rd zone: %d, want 400", status)
	}
	if r := send(t, "GET", c.URL+"/api/users/me/cameras/Front/zones", ""); r.Status != 401 {
		t.Errorf("without a token: %d, want 401", r.Status)
	}
	if status, _ := c.Do(t, "DELETE", "/api/users/me/cameras/Front", ""); status != 204 {
		t.Errorf("delete a camera with zones: %d", status)
	}
}
