package cgi

import (
	"net/http"
	"net/url"
	"strings"
)

// crossSite says why a set form must not trust the request, or "". A page of any site can make a browser ask for
// /form/setNtp?..., as the address of a picture for instance, and a browser that has signed in to the camera
// adds the password by itself. So what a browser sends must show that it comes from this camera's own page, or
// from the address bar (Fetch Metadata, "Sec-Fetch-Site: none"). Browsers send that header only over HTTPS and to
// the loopback; elsewhere Origin or Referer have to show it, and without them a browser is refused.
// Programs send none of these headers and are let through.
func crossSite(r *http.Request) string {
	const why = "this request comes from another site's page; set the camera from its own page, or by curl --digest"
	shown := false
	for _, v := range r.Header.Values("Sec-Fetch-Site") {
		if v != "none" && v != "same-origin" {
			return why
		}
		shown = true
	}
	for _, name := range []string{"Origin", "Referer"} {
		for _, v := range r.Header.Values(name) {
			if u, err := url.Parse(v); err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
				return why
			}
			shown = true
		}
	}
	if !shown && strings.HasPrefix(r.UserAgent(), "Mozilla/") {
		return "a browser does not show here whose page asks; set the camera from its own page, or by curl --digest"
	}
	return ""
}
