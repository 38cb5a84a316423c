package profile

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of a firmware's XML.
const (
	maxDepth    = 16
	maxElements = 2000
)

var errNotXML = errors.New("is not XML that can be read")

// An element is a node of a small XML tree that keeps names, prefixes and attributes as they came.
type element struct {
	name     xml.Name // Space is the prefix, not its address
	attrs    []xml.Attr
	children []*element
	text     string // of an element without children
}

// parseXML reads one document. Document types are refused, and with them every entity of its own.
func parseXML(b []byte) (*element, error) {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimSpace(b)))
	var root *element
	var open []*element
	count := 0
	for {
		t, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errNotXML
		}
		switch t := t.(type) {
		case xml.StartElement:
			if count++; count > maxElements || len(open) >= maxDepth {
				return nil, fmt.Errorf("more than %d elements or %d levels of XML", maxElements, maxDepth)
			}
			e := &element{name: t.Name, attrs: append([]xml.Attr(nil), t.Attr...)}
			switch {
			case len(open) > 0:
				up := open[len(open)-1]
				up.children = append(up.children, e)
			case root != nil:
				return nil, errNotXML
			default:
				root = e
			}
			open = append(open, e)
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1].name != t.Name {
				return nil, errNotXML
			}
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(t)
			} else if len(bytes.TrimSpace(t)) > 0 {
				return nil, errNotXML
			}
		case xml.Directive:
			return nil, errors.New("has a document type")
		}
	}
	if root == nil || len(open) > 0 {
		return nil, errNotXML
	}
	return root, nil
}

func (e *element) local() string { return e.name.Local }

// find returns the text at a path of names below e; empty if it is missing or there twice.
func (e *element) find(path []string) string {
	if e == nil {
		return ""
	}
	if len(path) == 0 {
		if len(e.children) > 0 {
			return ""
		}
		return e.text
	}
	var found *element
	for _, c := range e.children {
		if c.local() == path[0] {
			if found != nil {
				return ""
			}
			found = c
		}
	}
	return found.find(path[1:])
}

// overlay puts the values of own into e. Entries of a list belong together if their id is the same, else by their order.
func (e *element) overlay(own *element) {
	nth := map[string]int{}
	for _, c := range own.children {
		name := c.local()
		to := e.counterpart(c, nth[name])
		nth[name]++
		switch {
		case to == nil:
			e.children = append(e.children, c)
		case len(c.children) == 0:
			to.text, to.children = c.text, nil
		default:
			to.overlay(c)
		}
	}
}

func (e *element) counterpart(c *element, nth int) *element {
	id := strings.TrimSpace(c.find([]string{"id"}))
	for _, k := range e.children {
		if k.local() != c.local() {
			continue
		}
		if id != "" {
			if strings.TrimSpace(k.find([]string{"id"})) == id {
				return k
			}
			continue
		}
		if nth == 0 {
			return k
		}
		nth--
	}
	return nil
}

// document writes e with an XML declaration.
func (e *element) document() string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	e.write(&b)
	return b.String()
}

func (e *element) write(b *strings.Builder) {
	name := qualified(e.name)
	b.WriteString("<" + name)
	for _, a := range e.attrs {
		b.WriteString(" " + qualified(a.Name) + `="` + escapeXML(a.Value) + `"`)
	}
	b.WriteString(">")
	for _, c := range e.children {
		c.write(b)
	}
	if len(e.children) == 0 {
		b.WriteString(escapeXML(e.text))
	}
	b.WriteString("</" + name + ">")
}

func qualified(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}
