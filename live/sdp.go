package live

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pion/sdp/v3"
)

// Limits of what a viewer may send.
const (
	maxSDP   = 64 << 10 // bytes
	maxMedia = 8        // m= sections
)

func parseSDP(text string) (*sdp.SessionDescription, error) {
	if len(text) > maxSDP {
		return nil, fmt.Errorf("%w: %d bytes", ErrOffer, len(text))
	}
	d := &sdp.SessionDescription{}
	if err := d.UnmarshalString(text); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOffer, err)
	}
	if len(d.MediaDescriptions) == 0 || len(d.MediaDescriptions) > maxMedia {
		return nil, fmt.Errorf("%w: %d media sections", ErrOffer, len(d.MediaDescriptions))
	}
	return d, nil
}

// checkOffer refuses what is no offer, or asks for nothing that can be sent. Such an offer needs no peer connection.
func checkOffer(offer string) error {
	d, err := parseSDP(offer)
	if err != nil {
		return err
	}
	candidates := 0
	accepted := false
	for _, m := range d.MediaDescriptions {
		for _, a := range m.Attributes {
			if a.Key == "candidate" {
				candidates++
			}
		}
		accepted = accepted || takesH264(m)
	}
	switch {
	case candidates > maxCandidates:
		return fmt.Errorf("%w: %d candidates", ErrOffer, candidates)
	case ufrag(d) == "":
		return fmt.Errorf("%w: no ice-ufrag", ErrOffer)
	case !accepted:
		return ErrNoVideo
	}
	return nil
}

// takesH264 reports whether a media section wants to receive H.264 cut over several packets (RFC 6184 6.3).
func takesH264(m *sdp.MediaDescription) bool {
	if m.MediaName.Media != "video" || has(m.Attributes, "sendonly") || has(m.Attributes, "inactive") {
		return false
	}
	types := make(map[string]bool)
	for _, a := range m.Attributes {
		pt, rest, _ := strings.Cut(a.Value, " ")
		rest = strings.ToLower(rest)
		switch {
		case a.Key == "rtpmap" && strings.HasPrefix(rest, "h264/90000"):
			types[pt] = true
		case a.Key == "fmtp" && types[pt] && strings.Contains(rest, "packetization-mode=1"):
			return true
		}
	}
	return false
}

func has(attributes []sdp.Attribute, key string) bool {
	return slices.ContainsFunc(attributes, func(a sdp.Attribute) bool { return a.Key == key })
}

// ufrag is the ice-ufrag of a description, whose sections are all bundled; "" without.
func ufrag(d *sdp.SessionDescription) string { return attribute(d, "ice-ufrag") }

// attribute is the first of that name, in the session or in a media section.
func attribute(d *sdp.SessionDescription, key string) string {
	if v, ok := d.Attribute(key); ok {
		return v
	}
	for _, m := range d.MediaDescriptions {
		if v, ok := m.Attribute(key); ok {
			return v
		}
	}
	return ""
}

func iceUfrag(text string) (string, error) {
	d, err := parseSDP(text)
	if err != nil {
		return "", err
	}
	return ufrag(d), nil
}

// A fragment is what an application/trickle-ice-sdpfrag body says (RFC 8840 9).
type fragment struct {
	ufrag, pwd string
	candidates []string // as in a=candidate, with that prefix
}

// parseFragment reads a fragment. Lines that it does not know are passed over, as SDP wants it.
func parseFragment(text string) (fragment, error) {
	var f fragment
	if len(text) > maxSDP {
		return f, fmt.Errorf("%w: fragment of %d bytes", ErrOffer, len(text))
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		if len(line) < 2 || line[1] != '=' || line[0] < 'a' || line[0] > 'z' {
			return f, fmt.Errorf("%w: line %.40q of the fragment", ErrOffer, line)
		}
		if line[0] != 'a' {
			continue
		}
		key, value, _ := strings.Cut(line[2:], ":")
		switch key {
		case "ice-ufrag":
			f.ufrag = value
		case "ice-pwd":
			f.pwd = value
		case "candidate":
			f.candidates = append(f.candidates, "candidate:"+value)
		}
	}
	return f, f.check()
}

func (f fragment) check() error {
	switch {
	case f.ufrag != "" && !iceString(f.ufrag, 4), f.pwd != "" && !iceString(f.pwd, 22):
		return fmt.Errorf("%w: ICE credentials of the fragment", ErrOffer)
	case len(f.candidates) > maxCandidates:
		return fmt.Errorf("%w: %d candidates", ErrOffer, len(f.candidates))
	case f.ufrag == "" && len(f.candidates) == 0:
		return fmt.Errorf("%w: the fragment says nothing", ErrOffer)
	}
	return nil
}

// iceString checks ice-char (RFC 8839 5.4): letters, digits, + and /.
func iceString(s string, least int) bool {
	return len(s) >= least && len(s) <= 256 && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '+' || r == '/')
	}) < 0
}

// restartOffer is the viewer's offer with the fragment's credentials and candidates in the place of its own.
func restartOffer(offer string, f fragment) (string, error) {
	if f.pwd == "" {
		return "", fmt.Errorf("%w: ice-ufrag without ice-pwd", ErrOffer)
	}
	d, err := parseSDP(offer)
	if err != nil {
		return "", err
	}
	d.Origin.SessionVersion++
	d.Attributes = replaceICE(d.Attributes, f)
	for i, m := range d.MediaDescriptions {
		m.Attributes = replaceICE(m.Attributes, f)
		if i > 0 {
			continue // all sections are bundled with the first
		}
		for _, c := range f.candidates {
			m.Attributes = append(m.Attributes, sdp.NewAttribute("candidate", strings.TrimPrefix(c, "candidate:")))
		}
	}
	text, err := d.Marshal()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrOffer, err)
	}
	return string(text), nil
}

func replaceICE(attributes []sdp.Attribute, f fragment) []sdp.Attribute {
	var out []sdp.Attribute
	for _, a := range attributes {
		switch a.Key {
		case "candidate", "end-of-candidates":
			continue
		case "ice-ufrag":
			a.Value = f.ufrag
		case "ice-pwd":
			a.Value = f.pwd
		}
		out = append(out, a)
	}
	return out
}

// localFragment is what a viewer needs of a new local description.
func localFragment(local string) (string, error) {
	d, err := parseSDP(local)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "a=ice-options:trickle\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", ufrag(d), attribute(d, "ice-pwd"))
	m := d.MediaDescriptions[0]
	mid, _ := m.Attribute("mid")
	fmt.Fprintf(&b, "m=%s\r\na=mid:%s\r\n", m.MediaName.String(), mid)
	for _, a := range m.Attributes {
		if a.Key == "candidate" {
			fmt.Fprintf(&b, "a=candidate:%s\r\n", a.Value)
		}
	}
	b.WriteString("a=end-of-candidates\r\n")
	return b.String(), nil
}
