package ftpstore

import (
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"camward/uploader"
)

// fields gives each field of a template its text for an item.
var fields = map[string]func(uploader.Item) string{
	"camera":    func(it uploader.Item) string { return it.Camera },
	"camera_id": func(it uploader.Item) string { return it.CameraID },
	"mac": func(it uploader.Item) string {
		mac, _, _ := strings.Cut(it.CameraID, ".")
		return mac
	},
	"name":   func(it uploader.Item) string { return it.Name },
	"stem":   func(it uploader.Item) string { return strings.TrimSuffix(it.Name, path.Ext(it.Name)) },
	"ext":    func(it uploader.Item) string { return path.Ext(it.Name) },
	"year":   date("2006"),
	"month":  date("01"),
	"day":    date("02"),
	"hour":   date("15"),
	"minute": date("04"),
	"second": date("05"),
}

func date(layout string) func(uploader.Item) string {
	return func(it uploader.Item) string {
		if it.Started.IsZero() {
			return strings.Repeat("0", len(layout))
		}
		return it.Started.UTC().Format(layout)
	}
}

// A template is literal text and fields in turn: text[0] field[0] text[1] ... text[n].
type template struct {
	text  []string
	field []string
}

func parseTemplate(s string) (template, error) {
	var t template
	for {
		text, rest, found := strings.Cut(s, "{")
		if strings.Contains(text, "}") {
			return t, fmt.Errorf("%q has a } without its {", s)
		}
		t.text = append(t.text, text)
		if !found {
			return t, nil
		}
		name, rest, found := strings.Cut(rest, "}")
		if !found {
			return t, fmt.Errorf("%q has a { without its }", s)
		}
		if fields[name] == nil {
			return t, fmt.Errorf("there is no field {%s}", name)
		}
		t.field = append(t.field, name)
		s = rest
	}
}

func (t template) has(field string) bool {
	for _, f := range t.field {
		if f == field {
			return true
		}
	}
	return false
}

// expand fills in the fields of an item, none of which can add an element to the path.
func (t template) expand(it uploader.Item) string {
	var b strings.Builder
	b.WriteString(t.text[0])
	for i, name := range t.field {
		b.WriteString(escape(fields[name](it), "/\\"))
		b.WriteString(t.text[i+1])
	}
	return b.String()
}

// validateTemplates checks both templates and that no two recordings can get one path.
func validateTemplates(directory, file string) (errs []error) {
	dir, err := parseTemplate(directory)
	if err != nil {
		errs = append(errs, fmt.Errorf("ftp.directory: %w", err))
	}
	name, ferr := parseTemplate(file)
	if ferr != nil {
		errs = append(errs, fmt.Errorf("ftp.file: %w", ferr))
	}
	if !plain(directory) || !plain(file) || !utf8.ValidString(directory+file) {
		errs = append(errs, fmt.Errorf("ftp.directory, ftp.file: control characters or no UTF-8"))
	}
	if strings.Contains(file, "/") {
		errs = append(errs, fmt.Errorf("ftp.file: %q holds a /, which belongs in ftp.directory", file))
	}
	if err != nil || ferr != nil {
		return errs
	}
	if !name.has("name") && !(name.has("stem") && name.has("ext")) {
		errs = append(errs, fmt.Errorf("ftp.file: %q needs {name}, or {stem} and {ext}, or files replace each other", file))
	}
	if !dir.has("camera") && !dir.has("camera_id") && !name.has("camera") && !name.has("camera_id") {
		errs = append(errs, fmt.Errorf("ftp.directory: %q needs {camera} or {camera_id}, or cameras replace each other's files", directory))
	}
	return errs
}

// target is where an item goes: directories from the login's on, and the names within the last.
type target struct {
	dirs []string
	name string // of the whole file
	temp string // while it is incomplete
}

func (s *Store) target(it uploader.Item) target {
	var t target
	for _, element := range strings.Split(s.directory.expand(it), "/") {
		if element != "" {
			t.dirs = append(t.dirs, safe(element))
		}
	}
	t.name = safe(s.file.expand(it))
	t.temp = t.name + tempExt
	if len(it.SHA256) >= 4 {
		// Bytes of this name in the temporary file are then bytes of this very recording, and an
		// interrupted transfer can go on behind them.
		t.temp = t.name + "." + hex.EncodeToString(it.SHA256[:4]) + tempExt
	}
	return t
}

// tempExt ends the names of incomplete files, so that whatever watches the server for recordings passes them by.
const tempExt = ".part"

// safe makes one element of a path that every server takes as a plain name.
func safe(element string) string {
	element = escape(element, "")
	if element == "." || element == ".." {
		return strings.ReplaceAll(element, ".", "%2E")
	}
	if body, ok := strings.CutSuffix(element, " "); ok { // lost by servers that trim the argument
		element = body + "%20"
	}
	if element != "" && strings.ContainsRune("~- ", rune(element[0])) { // a home, an option of ls, lost
		element = fmt.Sprintf("%%%02X", element[0]) + element[1:]
	}
	return element
}

// escape writes control characters, bytes that are not UTF-8 and those of also as %XX.
func escape(s, also string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n <= 1 || r < ' ' || r == 0x7f || strings.ContainsRune(also, r) {
			fmt.Fprintf(&b, "%%%02X", s[i])
			n = 1
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}
