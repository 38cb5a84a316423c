package agent

import (
	"encoding"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"camward/internal/atomicfile"
)

// Layers are the places a value may come from, strongest first: flags, environment, changes made at run time,
// the file, defaults.
type Layers struct {
	File     string   // path of the YAML file
	Optional bool     // a missing file counts as an empty one
	Flags    []string // "key=value"
	Environ  []string // as os.Environ; those that begin with CAMWARD_ are read
}

// A Loaded configuration knows where each value came from.
type Loaded struct {
	Config
	// Ignored are the faults of changes made at run time. Such a change is left out: what once was a slip must not keep
	// the camera from starting.
	Ignored error

	origin map[string]string // by key; absent means default
}

// Load reads all layers and reports every fault of every layer at once, each under its key with its
// file and line or variable; those of changes made at run time are in Ignored. The configuration that comes with an error is as complete as could be read.
func Load(l Layers) (*Loaded, error) {
	c := &Loaded{Config: DefaultConfig(), origin: map[string]string{}}
	var errs []error
	errs = append(errs, c.readFile(l))
	// The state directory decides where run-time changes lie, so what outranks them is set before and after.
	errs = append(errs, c.readEnviron(l.Environ), c.readFlags(l.Flags))
	c.Ignored = c.readChanges()
	_ = errors.Join(c.readEnviron(l.Environ), c.readFlags(l.Flags)) // reported above
	return c, errors.Join(errs...)
}

func (c *Loaded) readFile(l Layers) error {
	b, err := os.ReadFile(l.File)
	switch {
	case errors.Is(err, fs.ErrNotExist) && l.Optional:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: there is no such file; the smallest one is: cloud: {url: ..., upload_token: ...} and cameras: [{name: front, source: /dev/video0}]", l.File)
	case err != nil:
		return fmt.Errorf("configuration: %w", err)
	}
	return c.readYAML(filepath.Base(l.File), b)
}

func (c *Loaded) readYAML(name string, b []byte) error {
	f, err := parser.ParseBytes(b, 0)
	if err != nil {
		return fmt.Errorf("%s: not YAML: %s", name, yaml.FormatError(err, false, true))
	}
	if len(f.Docs) > 1 {
		return fmt.Errorf("%s: has %d documents, must have one", name, len(f.Docs))
	}
	if len(f.Docs) == 0 || f.Docs[0].Body == nil {
		return nil
	}
	d := decoder{name: name, origin: c.origin}
	d.value(f.Docs[0].Body, reflect.ValueOf(&c.Config).Elem(), "")
	return errors.Join(d.errs...)
}

// decoder walks the YAML tree beside the configuration's type, so that it can report every fault and
// remember every line; the library's own decoder stops at the first.
type decoder struct {
	name   string
	origin map[string]string
	errs   []error
}

func (d *decoder) fault(n ast.Node, key, format string, args ...any) {
	where := ""
	if t := n.GetToken(); t != nil {
		where = fmt.Sprintf(" (%s:%d)", d.name, t.Position.Line)
	}
	d.errs = append(d.errs, fmt.Errorf("%s: %s%s", key, fmt.Sprintf(format, args...), where))
}

func (d *decoder) value(n ast.Node, v reflect.Value, key string) {
	if _, null := n.(*ast.NullNode); null && key != "" {
		return // "key:" with nothing behind it leaves the default
	}
	switch {
	case isSection(v.Type()):
		d.section(n, v, key)
	case isList(v.Type()):
		d.list(n, v, key)
	default:
		d.leaf(n, v, key)
	}
}

func (d *decoder) section(n ast.Node, v reflect.Value, key string) {
	var pairs []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		pairs = m.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{m}
	default:
		d.fault(n, orTop(key), "must be keys with values")
		return
	}
	for _, p := range pairs {
		name := p.Key.GetToken().Value
		field, ok := fieldOf(v, name)
		if !ok {
			d.fault(p.Key, join(key, name), "unknown key%s", suggestion(v, name))
			continue
		}
		d.value(p.Value, field, join(key, name))
	}
}

func (d *decoder) list(n ast.Node, v reflect.Value, key string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fault(n, key, "must be a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, len(seq.Values)))
	for i, e := range seq.Values {
		d.value(e, appendElement(v), fmt.Sprintf("%s[%d]", key, i))
	}
}

func (d *decoder) leaf(n ast.Node, v reflect.Value, key string) {
	if s, ok := n.(*ast.StringNode); !ok || !setPercent(v, s.Value) {
		if err := yaml.NodeToValue(n, v.Addr().Interface(), yaml.Strict()); err != nil {
			d.fault(n, key, "%s", wanted(v, n.GetToken().Value, err))
			return
		}
	}
	d.origin[key] = fmt.Sprintf("%s:%d", d.name, n.GetToken().Position.Line)
}

func orTop(key string) string {
	if key == "" {
		return "the file"
	}
	return key
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// oneLine takes the message of a YAML error without its picture of the source.
func oneLine(err error) string {
	var ye yaml.Error
	if errors.As(err, &ye) {
		return ye.GetMessage()
	}
	s, _, _ := strings.Cut(err.Error(), "\n")
	return s
}

var textType = reflect.TypeFor[encoding.TextUnmarshaler]()

// isSection says that a type is read key by key rather than as one value.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(textType) &&
		!reflect.PointerTo(t).Implements(reflect.TypeFor[yaml.BytesUnmarshaler]())
}

func isList(t reflect.Type) bool { return t.Kind() == reflect.Slice && isSection(t.Elem()) }

// appendElement lengthens a list by one element that has its defaults, and gives the element.
func appendElement(list reflect.Value) reflect.Value {
	e := reflect.New(list.Type().Elem())
	if d, ok := e.Interface().(interface{ setDefaults() }); ok {
		d.setDefaults()
	}
	list.Set(reflect.Append(list, e.Elem()))
	return list.Index(list.Len() - 1)
}

func fieldOf(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		tag, opts, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if opts == "inline" {
			if f, ok := fieldOf(v.Field(i), name); ok {
				return f, true
			}
		} else if tag != "" && tag == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func suggestion(v reflect.Value, name string) string {
	var known []string
	for i := range v.NumField() {
		tag, opts, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if opts == "inline" {
			known = append(known, strings.TrimPrefix(suggestion(v.Field(i), ""), "; known are "))
		} else if tag != "" && tag != "-" {
			known = append(known, tag)
		}
	}
	return "; known are " + strings.Join(known, ", ")
}

// A leaf is one value of the configuration that can be set by itself.
type leaf struct {
	key string
	v   reflect.Value
}

// leaves lists all values in the order of the sample file.
func leaves(v reflect.Value, key string) []leaf {
	var out []leaf
	switch {
	case isSection(v.Type()):
		for i := range v.NumField() {
			tag, opts, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
			switch {
			case opts == "inline":
				out = append(out, leaves(v.Field(i), key)...)
			case tag != "" && tag != "-":
				out = append(out, leaves(v.Field(i), join(key, tag))...)
			}
		}
	case isList(v.Type()):
		for i := range v.Len() {
			out = append(out, leaves(v.Index(i), fmt.Sprintf("%s[%d]", key, i))...)
		}
	default:
		out = append(out, leaf{key, v})
	}
	return out
}

func (c *Loaded) leaves() []leaf { return leaves(reflect.ValueOf(&c.Config).Elem(), "") }

// set gives one key a value written as in YAML. A key of the camera after the last one adds a camera.
func (c *Loaded) set(key, text, origin string) error {
	if strings.HasPrefix(key, fmt.Sprintf("cameras[%d].", len(c.Cameras))) {
		appendElement(reflect.ValueOf(&c.Cameras).Elem())
	}
	if list, ok := c.listOf(key); ok {
		return c.setList(list, key, text, origin)
	}
	for _, l := range c.leaves() {
		if l.key != key {
			continue
		}
		if setPercent(l.v, text) {
			c.origin[key] = origin
			return nil
		}
		if l.v.Kind() == reflect.String { // "123" and "yes" stay text
			text = strconv.Quote(text)
		}
		if err := yaml.Unmarshal([]byte(text), l.v.Addr().Interface()); err != nil {
			return fmt.Errorf("%s: %s (%s)", key, wanted(l.v, text, err), origin)
		}
		c.origin[key] = origin
		return nil
	}
	return fmt.Errorf("%s: unknown key (%s); camward check --effective lists them all", key, origin)
}

func (c *Loaded) readFlags(flags []string) error {
	var errs []error
	for _, f := range flags {
		key, value, ok := strings.Cut(f, "=")
		if !ok {
			errs = append(errs, fmt.Errorf("--set %s: write it as key=value", f))
			continue
		}
		errs = append(errs, c.set(key, value, "flag"))
	}
	return errors.Join(errs...)
}

// Variable is the environment variable of a key: CAMWARD_CLOUD_UPLOAD_TOKEN for cloud.upload_token, CAMWARD_CAMERAS_0_RATE
// for cameras[0].rate.
func Variable(key string) string {
	return "CAMWARD_" + strings.ToUpper(strings.NewReplacer(".", "_", "[", "_", "]", "").Replace(key))
}

func (c *Loaded) readEnviron(environ []string) error {
	vars := map[string]string{}
	for _, e := range environ {
		if name, value, _ := strings.Cut(e, "="); strings.HasPrefix(name, "CAMWARD_") {
			vars[name] = value
		}
	}
	var errs []error
	for {
		for _, l := range c.leaves() {
			name := Variable(l.key)
			if value, ok := vars[name]; ok {
				errs = append(errs, c.set(l.key, value, name))
				delete(vars, name)
			}
		}
		next := fmt.Sprintf("CAMWARD_CAMERAS_%d_", len(c.Cameras))
		more := false
		for name := range vars {
			more = more || strings.HasPrefix(name, next)
		}
		if !more {
			break
		}
		appendElement(reflect.ValueOf(&c.Cameras).Elem())
	}
	for name := range vars {
		if !isForOthers(name) {
			errs = append(errs, fmt.Errorf("%s: no key of the configuration has this variable", name))
		}
	}
	sort.Slice(errs, func(i, j int) bool { return fmt.Sprint(errs[i]) < fmt.Sprint(errs[j]) })
	return errors.Join(errs...)
}

// isForOthers names the variables that camward-cloud and the project's own tests read.
func isForOthers(name string) bool {
	switch name {
	case "CAMWARD_CLOUD_DATA", "CAMWARD_CLOUD_LISTEN", "CAMWARD_CLOUD_BASE_URL", "CAMWARD_SHARED", "CAMWARD_SHOTS":
		return true
	}
	return false
}

func (c *Loaded) changesFile() string { return filepath.Join(c.StateDir, "changes.yml") }

// originChange is the origin of a value that was changed at run time.
const originChange = "changed at run time"

// readChanges applies what was changed at run time, a flat map of keys, but for what cannot hold.
func (c *Loaded) readChanges() error {
	changes, err := loadChanges(c.changesFile())
	if err != nil {
		return err
	}
	var errs []error
	for _, ch := range changes {
		errs = append(errs, c.change(ch.Key.(string), fmt.Sprint(ch.Value)))
	}
	return errors.Join(errs...)
}

// change sets a key if that adds no fault to the configuration, and leaves it alone otherwise.
func (c *Loaded) change(key, text string) error {
	trial := &Loaded{Config: c.Config, origin: maps.Clone(c.origin)}
	trial.Cameras = slices.Clone(c.Cameras)
	if err := trial.set(key, text, originChange); err != nil {
		return err
	}
	if len(trial.Cameras) > len(c.Cameras) {
		return fmt.Errorf("%s: there is no such camera (%s)", key, originChange)
	}
	before, after := Faults(c.Validate()), Faults(trial.Validate())
	if len(after) > len(before) {
		return fmt.Errorf("%w (%s)", after[slices.IndexFunc(after, func(f error) bool { return !contains(before, f) })], originChange)
	}
	c.Config, c.origin = trial.Config, trial.origin
	return nil
}

func contains(faults []error, f error) bool {
	return slices.ContainsFunc(faults, func(o error) bool { return o.Error() == f.Error() })
}

func loadChanges(file string) (yaml.MapSlice, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("changes made at run time: %w", err)
	}
	var m yaml.MapSlice
	if err := yaml.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%s: damaged: %s; delete it to go back to the file's values", file, oneLine(err))
	}
	for _, item := range m {
		if _, ok := item.Key.(string); !ok {
			return nil, fmt.Errorf("%s: damaged: %v is no key; delete it to go back to the file's values", file, item.Key)
		}
	}
	return m, nil
}

// Change sets a key at run time and keeps it across restarts, stronger than the file and weaker than the
// environment. The result says under which origin the key now stands, which is a stronger layer's if that has it too.
// A change that cannot hold is refused with its fault.
func (c *Loaded) Change(key, text string) (origin string, err error) {
	stronger := c.origin[key]
	trial := &Loaded{Config: c.Config, origin: maps.Clone(c.origin)}
	if err := trial.change(key, text); err != nil {
		return "", err
	}
	m, err := loadChanges(c.changesFile())
	if err != nil {
		return "", err
	}
	m = append(without(m, key), yaml.MapItem{Key: key, Value: text})
	var b []byte
	for _, item := range m {
		b = fmt.Appendf(b, "%s: %s\n", flow(reflect.ValueOf(item.Key)), flow(reflect.ValueOf(item.Value)))
	}
	if err := os.MkdirAll(c.StateDir, 0o700); err != nil {
		return "", fmt.Errorf("keep the change: %w", err)
	}
	if err := atomicfile.Write(c.changesFile(), b, 0o600); err != nil {
		return "", fmt.Errorf("keep the change: %w", err)
	}
	if stronger == "flag" || strings.HasPrefix(stronger, "CAMWARD_") {
		return stronger, nil
	}
	c.Config, c.origin = trial.Config, trial.origin
	return originChange, nil
}

func without(m yaml.MapSlice, key string) yaml.MapSlice {
	var out yaml.MapSlice
	for _, item := range m {
		if item.Key != key {
			out = append(out, item)
		}
	}
	return out
}
