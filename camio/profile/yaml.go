package profile

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// loader walks the YAML tree beside the file's types, so that every fault is reported with its key and line; the library's own
// decoder stops at the first and follows anchors, which nobody needs here and which can grow a small file without bound.
type loader struct {
	name  string
	lines map[string]int // by key
	errs  []error
}

// maxFaults bounds what one file can say of itself.
const maxFaults = 100

func (l *loader) fault(key, format string, args ...any) {
	if len(l.errs) > maxFaults {
		return
	}
	where := l.name
	for k := key; ; k = parent(k) {
		if n := l.lines[k]; n > 0 {
			where = fmt.Sprintf("%s:%d", l.name, n)
			break
		}
		if k == "" {
			break
		}
	}
	l.errs = append(l.errs, fmt.Errorf("%s: %s (%s)", cut(oneLine(key)), cut(fmt.Sprintf(format, args...)), where))
}

// position is how the library's errors begin: [line:column].
var position = regexp.MustCompile(`^\[(\d+):\d+\] (.*)`)

// cut bounds a part of a fault, which repeats what could not be read.
func cut(s string) string {
	const longest = 300
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "..."
	}
	return s
}

// parent drops the last part of a key.
func parent(key string) string {
	for i := len(key) - 1; i >= 0; i-- {
		if key[i] == '.' || key[i] == '[' {
			return key[:i]
		}
	}
	return ""
}

func (l *loader) decode(text []byte, into *fileYAML) {
	f, err := parse(text)
	if err != nil {
		words := oneLine(err.Error())
		if m := position.FindStringSubmatch(words); m != nil {
			l.lines["the file"], _ = strconv.Atoi(m[1]) // 0, no line, if it is no number
			words = m[2]
		}
		l.fault("the file", "not YAML: %s", words)
		return
	}
	if len(f.Docs) != 1 || f.Docs[0].Body == nil {
		l.fault("profiles", "must be one document with this key")
		return
	}
	l.value(f.Docs[0].Body, reflect.ValueOf(into).Elem(), "")
}

// parse guards against the library: it reads a stranger's bytes and has paniced on some before.
func parse(text []byte) (f *ast.File, err error) {
	defer func() {
		if recover() != nil {
			f, err = nil, errors.New("it cannot be read")
		}
	}()
	f, err = parser.ParseBytes(text, 0)
	if err != nil {
		return nil, errors.New(yaml.FormatError(err, false, false))
	}
	return f, nil
}

func (l *loader) value(n ast.Node, v reflect.Value, key string) {
	if n == nil {
		return
	}
	if t := n.GetToken(); t != nil && t.Position != nil && l.lines[key] == 0 {
		l.lines[key] = t.Position.Line
	}
	if _, null := n.(*ast.NullNode); null {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		l.value(n, v.Elem(), key)
	case reflect.Struct, reflect.Map:
		l.mapping(n, v, key)
	case reflect.Slice:
		l.list(n, v, key)
	default:
		l.scalar(n, v, key)
	}
}

func (l *loader) mapping(n ast.Node, v reflect.Value, key string) {
	var pairs []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		pairs = m.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{m}
	default:
		l.fault(orTop(key), "must be keys with values")
		return
	}
	if len(pairs) > maxList {
		l.fault(orTop(key), "%d entries, at most %d", len(pairs), maxList)
		return
	}
	seen := map[string]bool{}
	for _, p := range pairs {
		t := p.Key.GetToken()
		if t == nil {
			l.fault(orTop(key), "a key that cannot be read")
			continue
		}
		k := join(key, short(t.Value))
		if t.Position != nil {
			l.lines[k] = t.Position.Line
		}
		if seen[t.Value] {
			l.fault(k, "is there twice")
			continue
		}
		seen[t.Value] = true
		l.entry(p.Value, v, t.Value, k)
	}
}

// entry sets one field of a struct, or one element of a map.
func (l *loader) entry(n ast.Node, v reflect.Value, name, key string) {
	if v.Kind() == reflect.Map {
		e := reflect.New(v.Type().Elem()).Elem()
		l.value(n, e, key)
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		v.SetMapIndex(reflect.ValueOf(name), e)
		return
	}
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == name {
			l.value(n, v.Field(i), key)
			return
		}
	}
	l.fault(key, "unknown key")
}

func (l *loader) list(n ast.Node, v reflect.Value, key string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		l.fault(key, "must be a list")
		return
	}
	if len(seq.Values) > maxList {
		l.fault(key, "%d entries, at most %d", len(seq.Values), maxList)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values)))
	for i, e := range seq.Values {
		l.value(e, v.Index(i), fmt.Sprintf("%s[%d]", key, i))
	}
}

func (l *loader) scalar(n ast.Node, v reflect.Value, key string) {
	text, ok := scalarText(n)
	if !ok {
		l.fault(key, "must be a single value")
		return
	}
	if len(text) > maxText {
		l.fault(key, "%d bytes, at most %d", len(text), maxText)
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		b, isBool := n.(*ast.BoolNode)
		if !isBool {
			l.fault(key, "%q must be true or false", short(text))
			return
		}
		v.SetBool(b.Value)
	case reflect.Int:
		i, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			l.fault(key, "%q is not a number", short(text))
			return
		}
		v.SetInt(i)
	default:
		v.SetString(text)
	}
}

func scalarText(n ast.Node) (string, bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.LiteralNode:
		if s.Value == nil {
			return "", false
		}
		return s.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		if t := n.GetToken(); t != nil {
			return t.Value, true
		}
	}
	return "", false
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

func orTop(key string) string {
	if key == "" {
		return "the file"
	}
	return key
}
