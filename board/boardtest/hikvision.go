package boardtest

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
)

// hikvision is ISAPI: a document for each group of settings, read by GET and replaced by PUT. A document that lacks a field is
// refused with statusCode 6.
type hikvision struct {
	docs map[string]*isapi
	ftp  string // the password, which no GET tells
}

// isapi is one document.
type isapi struct {
	root   node
	needed []string // paths below the root; of alternatives separated by | one must be there
}

// node is any element; text is that of one without children.
type node struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Text    string     `xml:",chardata"`
	Nodes   []node     `xml:",any"`
}

const namespace = "http://www.hikvision.com/ver20/XMLSchema"

func newHikvision() *hikvision {
	h := &hikvision{docs: map[string]*isapi{}}
	add := func(path, doc string, needed ...string) {
		var n node
		if err := xml.Unmarshal([]byte(doc), &n); err != nil {
			panic(err)
		}
		h.docs[path] = &isapi{n, needed}
	}
	add("/ISAPI/System/time/ntpServers/1", `<NTPServer><id>1</id><addressingFormatType>hostname</addressingFormatType><hostName>time.windows.com</hostName>`+
		`<portNo>123</portNo><synchronizeInterval>1440</synchronizeInterval></NTPServer>`,
		"id", "addressingFormatType", "hostName|ipAddress|ipv6Address", "portNo", "synchronizeInterval")
	add("/ISAPI/System/time", `<Time><timeMode>manual</timeMode><localTime>2026-11-23T16:00:00+01:00</localTime><timeZone>CST-1:00:00DST01:00:00,M3.5.0/02:00:00,M10.5.0/03:00:00</timeZone></Time>`,
		"timeMode", "timeZone")
	add("/ISAPI/System/Network/ftp", `<FTPNotificationList><FTPNotification><id>1</id><enabled>false</enabled><addressingFormatType>ipaddress</addressingFormatType>`+
		`<ipAddress>0.0.0.0</ipAddress><portNo>21</portNo><userName></userName><passiveModeEnabled>true</passiveModeEnabled><annoyftp>false</annoyftp>`+
		`<uploadPath><pathDepth>0</pathDepth><topDirNameRule>none</topDirNameRule><topDirName></topDirName></uploadPath></FTPNotification></FTPNotificationList>`,
		"FTPNotification/id", "FTPNotification/enabled", "FTPNotification/addressingFormatType", "FTPNotification/hostName|FTPNotification/ipAddress|FTPNotification/ipv6Address",
		"FTPNotification/portNo", "FTPNotification/annoyftp", "FTPNotification/uploadPath/pathDepth")
	add("/ISAPI/System/Video/inputs/channels/1/motionDetection", `<MotionDetection><enabled>false</enabled><enableHighlight>true</enableHighlight>`+
		`<samplingInterval>2</samplingInterval><startTriggerTime>500</startTriggerTime><endTriggerTime>500</endTriggerTime><regionType>grid</regionType>`+
		`<Grid><rowGranularity>18</rowGranularity><columnGranularity>22</columnGranularity></Grid><MotionDetectionLayout><sensitivityLevel>60</sensitivityLevel>`+
		`<layout><gridMap>fffffc</gridMap></layout></MotionDetectionLayout></MotionDetection>`,
		"enabled", "enableHighlight", "samplingInterval", "regionType", "Grid/rowGranularity", "MotionDetectionLayout/sensitivityLevel")
	add("/ISAPI/Event/triggers/VMD-1", `<EventTrigger><id>VMD-1</id><eventType>VMD</eventType><eventDescription>VMD Event trigger Information</eventDescription>`+
		`<videoInputChannelID>1</videoInputChannelID><EventTriggerNotificationList><EventTriggerNotification><id>center</id>`+
		`<notificationMethod>center</notificationMethod><notificationRecurrence>beginning</notificationRecurrence></EventTriggerNotification>`+
		`</EventTriggerNotificationList></EventTrigger>`,
		"id", "eventType", "EventTriggerNotificationList/EventTriggerNotification/notificationMethod")
	return h
}

func (h *hikvision) settings() Settings {
	get := func(path, element string) string { return h.docs[path].root.find(element) }
	ntp, ftp := "/ISAPI/System/time/ntpServers/1", "/ISAPI/System/Network/ftp"
	s := Settings{All: map[string]string{}}
	s.NTP = get("/ISAPI/System/time", "timeMode") == "NTP"
	s.NTPServer = h.address(ntp, "")
	s.FTP = get(ftp, "FTPNotification/enabled") == "true"
	s.FTPServer = h.address(ftp, "FTPNotification/")
	s.FTPPort, _ = strconv.Atoi(get(ftp, "FTPNotification/portNo")) // 0 if it is no number
	s.FTPUser, s.FTPPassword = get(ftp, "FTPNotification/userName"), h.ftp
	s.FTPPath = get(ftp, "FTPNotification/uploadPath/topDirName")
	s.Motion = get("/ISAPI/System/Video/inputs/channels/1/motionDetection", "enabled") == "true"
	for path, d := range h.docs {
		d.root.flatten(path, s.All)
	}
	return s
}

// address is the host that addressingFormatType chooses.
func (h *hikvision) address(path, prefix string) string {
	root := &h.docs[path].root
	if root.find(prefix+"addressingFormatType") == "hostname" {
		return root.find(prefix + "hostName")
	}
	if ip := root.find(prefix + "ipAddress"); ip != "" {
		return ip
	}
	return root.find(prefix + "ipv6Address")
}

func (h *hikvision) serve(c *call) answer {
	if strings.HasPrefix(c.path, "/ISAPI/Streaming/channels/1") && strings.HasSuffix(c.path, "/picture") {
		return snapshot()
	}
	d := h.docs[strings.TrimSuffix(c.path, "/")]
	switch {
	case d == nil:
		return status(c, 404, 4, "Invalid Operation", "notSupport")
	case c.method == "GET":
		var b strings.Builder
		b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
		d.root.write(&b, true)
		return answer{200, "application/xml", b.String()}
	case c.method != "PUT":
		return status(c, 405, 4, "Invalid Operation", "methodNotAllowed")
	}
	var n node
	if err := xml.Unmarshal([]byte(c.body), &n); err != nil {
		return status(c, 400, 5, "Invalid XML Format", "badXmlFormat")
	}
	if n.XMLName.Local != d.root.XMLName.Local {
		return status(c, 400, 6, "Invalid XML Content", "badXmlContent")
	}
	for _, alternatives := range d.needed {
		found := false
		for path := range strings.SplitSeq(alternatives, "|") {
			found = found || n.find(path) != ""
		}
		if !found {
			return status(c, 400, 6, "Invalid XML Content", "badParameters")
		}
	}
	if strings.HasSuffix(c.path, "/ftp") {
		h.ftp = n.find("FTPNotification/password")
		n.remove("password")
	}
	d.root = n
	return status(c, 200, 1, "OK", "ok")
}

// status is an ISAPI ResponseStatus.
func status(c *call, code, n int, words, sub string) answer {
	return answer{code, "application/xml", fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<ResponseStatus version="2.0" xmlns="%s">
<requestURL>%s</requestURL>
<statusCode>%d</statusCode>
<statusString>%s</statusString>
<subStatusCode>%s</subStatusCode>
</ResponseStatus>
`, namespace, escape(c.path), n, words, sub)}
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder never fails
	return b.String()
}

// find returns the text of the first element at a path.
func (n *node) find(path string) string {
	name, rest, deeper := strings.Cut(path, "/")
	for i := range n.Nodes {
		if n.Nodes[i].XMLName.Local != name {
			continue
		}
		if deeper {
			return n.Nodes[i].find(rest)
		}
		return strings.TrimSpace(n.Nodes[i].Text)
	}
	return ""
}

// remove drops every element of a name.
func (n *node) remove(name string) {
	kept := n.Nodes[:0]
	for _, c := range n.Nodes {
		if c.XMLName.Local != name {
			c.remove(name)
			kept = append(kept, c)
		}
	}
	n.Nodes = kept
}

func (n *node) flatten(key string, into map[string]string) {
	if len(n.Nodes) == 0 {
		into[key] = strings.TrimSpace(n.Text)
	}
	for i := range n.Nodes {
		n.Nodes[i].flatten(key+"/"+n.Nodes[i].XMLName.Local, into)
	}
}

func (n *node) write(b *strings.Builder, root bool) {
	name := n.XMLName.Local
	b.WriteString("<" + name)
	if root {
		b.WriteString(` version="2.0" xmlns="` + namespace + `"`)
	}
	b.WriteString(">")
	for i := range n.Nodes {
		if i == 0 {
			b.WriteString("\n")
		}
		n.Nodes[i].write(b, false)
	}
	if len(n.Nodes) == 0 {
		b.WriteString(escape(strings.TrimSpace(n.Text)))
	}
	b.WriteString("</" + name + ">\n")
}
