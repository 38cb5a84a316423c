package cloud

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"camward/camio"
)

// nameTime reads the time out of an upload's file name: the whole name, with or without an extension, is a
// timestamp as camio.ParseTime accepts. With search it also finds a date inside an arbitrary name
// (options=parse_timestamp).
func nameTime(name string, search bool) (time.Time, bool) {
	for _, s := range []string{name, withoutExtension(name)} {
		if t, err := camio.ParseTime(s); err == nil && plausible(t) {
			return t, true
		}
	}
	if !search || len(name) > 255 {
		return time.Time{}, false
	}
	if t, ok := findDate(name); ok {
		return t, true
	}
	return findEpoch(name)
}

// withoutExtension drops an ending like ".jpeg" or ".mp4". One of digits only is a fraction of a second.
func withoutExtension(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i < 0 || len(name)-i > 6 || strings.Trim(name[i+1:], "0123456789") == "" {
		return name
	}
	return name[:i]
}

// plausible keeps times within what the database and the API can show.
func plausible(t time.Time) bool { return t.Year() >= 1970 && t.Year() <= 9999 && t.UnixMilli() > 0 }

// inName finds dates such as 20150919-143055, 2015-09-19_14.30.55 and 2015-09-19T14:30:55.123-0700.
var inName = regexp.MustCompile(`(?:^|[^0-9])((?:19|20)[0-9]{2})[-_.]?([01][0-9])[-_.]?([0-3][0-9])[-T_. ]{0,3}([0-2][0-9])[-:_.h]?([0-5][0-9])[-:_.m]?([0-6][0-9])` +
	`(?:[.,]([0-9]{1,9}))?(Z|[+-][0-9]{2}:?[0-9]{2})?(?:[^0-9]|$)`)

func findDate(name string) (time.Time, bool) {
	m := inName.FindStringSubmatch(name)
	if m == nil {
		return time.Time{}, false
	}
	s := m[1] + "-" + m[2] + "-" + m[3] + "T" + m[4] + ":" + m[5] + ":" + m[6]
	if m[7] != "" {
		s += "." + m[7]
	}
	t, err := camio.ParseTime(s + m[8])
	return t, err == nil && plausible(t)
}

// epoch finds seconds or milliseconds since 1970, from 2001 to 2286.
var epoch = regexp.MustCompile(`(?:^|[^0-9])([1-9][0-9]{9})([0-9]{3})?(?:[^0-9]|$)`)

func findEpoch(name string) (time.Time, bool) {
	m := epoch.FindStringSubmatch(name)
	if m == nil {
		return time.Time{}, false
	}
	sec, err1 := strconv.ParseInt(m[1], 10, 64)
	ms, err2 := strconv.ParseInt("0"+m[2], 10, 64)
	return time.UnixMilli(sec*1000 + ms).UTC(), err1 == nil && err2 == nil
}
