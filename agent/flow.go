package agent

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"
)

// An Effective value is one line of `camward check --effective`.
type Effective struct {
	Key    string `json:"key"`
	Value  string `json:"value"` // as YAML on one line; secrets as ***
	Origin string `json:"origin"`
}

// Effective lists every value with its origin.
func (c *Loaded) Effective() []Effective {
	var out []Effective
	for _, l := range c.leaves() {
		origin := c.origin[l.key]
		if origin == "" {
			origin = "default"
		}
		out = append(out, Effective{l.key, flow(l.v), origin})
	}
	return out
}

// plainText is text that YAML 1.2 reads back as that text without quotes around it: it begins like a word or a path and holds none of
// YAML's signs.
var plainText = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9/._+-]*(:[A-Za-z0-9/._+-]+)*$`)

// flow writes a value of the configuration as YAML on one line. Secrets print as ***. A writer of YAML for all there is would be ten times
// as large as the rest of what the agent needs to print.
func flow(v reflect.Value) string {
	if t, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, err := t.MarshalText()
		if err != nil {
			return "?"
		}
		return quoted(string(b))
	}
	switch v.Kind() {
	case reflect.Int64:
		if d, ok := v.Interface().(time.Duration); ok {
			return d.String()
		}
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Float32, reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case reflect.String:
		return quoted(v.String())
	case reflect.Slice, reflect.Array:
		var items []string
		for i := range v.Len() {
			items = append(items, flow(v.Index(i)))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case reflect.Map:
		var items []string
		for _, k := range v.MapKeys() {
			items = append(items, flow(k)+": "+flow(v.MapIndex(k)))
		}
		sort.Strings(items)
		return "{" + strings.Join(items, ", ") + "}"
	case reflect.Struct:
		return "{" + strings.Join(flowFields(v), ", ") + "}"
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return "null"
		}
		return flow(v.Elem())
	}
	return fmt.Sprint(v.Interface())
}

func flowFields(v reflect.Value) (items []string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || key == "-":
		case options == "inline":
			items = append(items, flowFields(v.Field(i))...)
		default:
			items = append(items, key+": "+flow(v.Field(i)))
		}
	}
	return items
}

// quoted puts text in quotes unless it reads as text without. JSON's are also YAML's.
func quoted(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
	default:
		if plainText.MatchString(s) {
			return s
		}
	}
	b, err := json.Marshal(s)
	if err != nil {
		return "?"
	}
	return string(b)
}
