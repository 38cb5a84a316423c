package agent

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/parser"
)

// setPercent takes a number that is written in percent, as 0.1%, and reports whether text is one and v takes numbers.
func setPercent(v reflect.Value, text string) bool {
	if v.Kind() != reflect.Float64 {
		return false
	}
	number, ok := percent(text)
	if ok {
		v.SetFloat(number)
	}
	return ok
}

// percent reads "0.1%" as 0.001.
func percent(text string) (number float64, ok bool) {
	digits, ok := strings.CutSuffix(strings.TrimSpace(text), "%")
	if !ok {
		return 0, false
	}
	number, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if err != nil || math.IsNaN(number) || math.IsInf(number, 0) {
		return 0, false
	}
	return number / 100, true
}

// wanted says what is wrong with the text of a value: for a duration or a number what it is to look like.
func wanted(v reflect.Value, text string, err error) string {
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		return fmt.Sprintf("%s is no duration: write it with its unit, as in 300ms, 5s or 1m", text)
	case v.Kind() == reflect.Float64:
		return fmt.Sprintf("%s is no number", text)
	}
	return oneLine(err)
}

// listOf finds the list of sections that key names as a whole, such as cameras[0].motion.zones.
func (c *Loaded) listOf(key string) (list reflect.Value, ok bool) {
	v := reflect.ValueOf(&c.Config).Elem()
	for name := range strings.SplitSeq(key, ".") {
		name, index, indexed := strings.Cut(name, "[")
		if v.Kind() != reflect.Struct {
			return v, false
		}
		if v, ok = fieldOf(v, name); !ok {
			return v, false
		}
		if !indexed {
			continue
		}
		i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
		if err != nil || !isList(v.Type()) || i < 0 || i >= v.Len() {
			return v, false
		}
		v = v.Index(i)
	}
	return v, isList(v.Type())
}

// setList replaces a list of sections by what text says in YAML, as in [{name: door, sensitivity: 2}].
func (c *Loaded) setList(list reflect.Value, key, text, origin string) error {
	f, err := parser.ParseBytes([]byte(text), 0)
	if err != nil || len(f.Docs) != 1 || f.Docs[0].Body == nil {
		return fmt.Errorf("%s: not YAML (%s)", key, origin)
	}
	d := decoder{name: origin, origin: map[string]string{}}
	now := reflect.New(list.Type()).Elem()
	d.value(f.Docs[0].Body, now, key)
	if len(d.errs) > 0 {
		return errors.Join(d.errs...)
	}
	list.Set(now)
	for k := range c.origin {
		if strings.HasPrefix(k, key+"[") {
			delete(c.origin, k)
		}
	}
	for k := range d.origin {
		c.origin[k] = origin
	}
	return nil
}
