// Package camio holds the wire types of the Camio API that camward and camward-cloud share,
// and the client that speaks them. The specification is Camio's API document of 2015; where
// it is silent the doc comments here say which reading is taken.
//
// The package imports nothing of this module. Fields never change their meaning; what is added is
// listed at Version.
package camio

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Version counts what both ends must agree on beyond the API document.
//
//	1  2026-11  the document itself; a poll may be a POST with command results
//	2  2026-11  a command may carry a body and its type, for firmware that is set by PUT
//	3  2026-11  a camera's live socket tells when the camera is lost and found; see CameraState and CameraChange
const Version = 3

// timeLayout is UTC with a literal minus before the zero offset and exactly three decimals.
const timeLayout = "2006-01-02T15:04:05.000"

// FormatTime writes t as the API does: "2014-02-21T04:12:38.911-0000", always UTC.
func FormatTime(t time.Time) string { return t.UTC().Format(timeLayout) + "-0000" }

var timeLayouts = []string{
	"2006-01-02T15:04:05.999999999Z07:00",
	"2006-01-02T15:04:05.999999999Z0700",
	"2006-01-02T15:04:05.999999999",
}

// ParseTime reads a timestamp as tolerantly as real clients need: 'T' or a space before the time,
// 0 to 9 decimals, a zone as Z, +hh:mm, +hhmm or absent (UTC), and a space where an
// unencoded '+' lost its way through a query string.
func ParseTime(s string) (time.Time, error) {
	if len(s) > 40 {
		return time.Time{}, fmt.Errorf("timestamp of %d characters", len(s))
	}
	n := s
	if len(n) > 10 && n[10] == ' ' {
		n = n[:10] + "T" + n[11:]
	}
	n = strings.Replace(n, " ", "+", 1)
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, n); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("timestamp %q is not like 2014-02-21T04:12:38.911-0000", s)
}

// Time is a time.Time that travels in JSON in the API's form.
type Time struct{ time.Time }

// MarshalText writes the API's form.
func (t Time) MarshalText() ([]byte, error) { return []byte(FormatTime(t.Time)), nil }

// MarshalJSON writes the API's form; it hides time.Time's own method.
func (t Time) MarshalJSON() ([]byte, error) { return []byte(`"` + FormatTime(t.Time) + `"`), nil }

// UnmarshalText reads what ParseTime accepts.
func (t *Time) UnmarshalText(b []byte) (err error) {
	t.Time, err = ParseTime(string(b))
	return err
}

// UnmarshalJSON reads a JSON string that ParseTime accepts.
func (t *Time) UnmarshalJSON(b []byte) error {
	s, err := strconv.Unquote(string(b))
	if err != nil {
		return fmt.Errorf("timestamp %s is not a string", b)
	}
	return t.UnmarshalText([]byte(s))
}

// Error is the body of every error reply. Code is the HTTP status; it does not travel.
type Error struct {
	Code    int    `json:"-"`
	Message string `json:"message"`
}

func (e *Error) Error() string { return fmt.Sprintf("%d: %s", e.Code, e.Message) }

// Camera is one entry of the cameras list. Only Name is always there.
type Camera struct {
	Name            string         `json:"name"`
	CameraID        string         `json:"camera_id,omitempty"`
	Attribution     map[string]any `json:"attribution"`
	Tags            []string       `json:"tags"`
	IsOnline        bool           `json:"is_online"`
	Capabilities    []string       `json:"capabilities"`
	RefreshInterval int            `json:"refreshInterval"` // seconds
	Latitude        *float64       `json:"latitude,omitempty"`
	Longitude       *float64       `json:"longitude,omitempty"`
	Resolution      *Resolution    `json:"resolution,omitempty"` // known after the first upload
	SessionID       string         `json:"session_id,omitempty"`
	UserID          string         `json:"user_id,omitempty"`
	Zones           []Zone         `json:"zones,omitempty"` // with fetch_zones=true
	State           *CameraChange  `json:"state,omitempty"` // whether it has pictures; an addition to the document
}

// Resolution is the size of a camera's pictures in pixels.
type Resolution struct {
	AspectRatio float32 `json:"aspect_ratio"`
	Height      int     `json:"height"`
	Width       int     `json:"width"`
}

// A Zone is a named part of the picture.
type Zone struct {
	Name     string    `json:"name"`
	Polygons []Polygon `json:"polygons"`
}

// A Polygon is closed: the last point joins the first. At least three points.
type Polygon struct {
	Points []Point `json:"points"`
}

// A Point is in fractions 0..1 of the picture's width and height, from the top left.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// PollReply answers GET, POST and PUT /api/cameras/:mac.
type PollReply struct {
	Commands   []Command `json:"commands"`
	IPAddress  string    `json:"ip_address"`  // the camera's address as the server sees it
	MACAddress string    `json:"mac_address"` // bare, upper case
	Maker      string    `json:"maker"`
	Model      string    `json:"model"`
	UserAgent  string    `json:"user_agent"` // the request's own, echoed
}

// Claimed reports whether an account has claimed the camera: the server sends more than what every camera is told.
func (r *PollReply) Claimed() bool {
	for _, c := range r.Commands {
		if c.ID != "ping" && c.ID != "time" {
			return true
		}
	}
	return false
}

// A Command is one CGI call for the camera's firmware. The pair of ID and DateUpdated, with Path, says
// whether it was applied already. Path is sent byte for byte, never re-encoded.
type Command struct {
	DateUpdated    string `json:"date_updated"` // kept as text: it is a key
	ID             string `json:"id"`
	IsAuthRequired bool   `json:"is_auth_required"`
	Method         string `json:"method"`
	Path           string `json:"path"`
	RegexResponse  string `json:"regex_response"` // unanchored RE2, found in the answer's body when it worked
	ContentType    string `json:"content_type,omitempty"`
	Body           string `json:"body,omitempty"` // of a POST or PUT, sent byte for byte
}

// Key tells a command from every other, also from an earlier one of the same id.
func (c Command) Key() string { return c.ID + "\n" + c.DateUpdated + "\n" + c.Path }

// Poll is what a camera tells of itself when it asks for its configuration.
type Poll struct {
	MAC          string // 12 hex digits, any of the usual separators
	LocalAddress string // ip_address_local; optional
	Maker        string
	Model        string
	Results      []Result // what became of commands since they were last told; with any, the poll is a POST
}

// The states of a command on the device.
const (
	StatePending    = "pending"     // to be applied, or tried again after a failure
	StateWaiting    = "waiting"     // for a person's approval
	StateApplied    = "applied"     //
	StateConfirming = "confirming"  // applied; the changed server has still to be reached
	StateRolledBack = "rolled_back" // the changed server was not reached: the one before is in force again
	StateRefused    = "refused"     // by policy or by the allow list, and not tried
)

// A Result is what became of one command, as a poll tells the server.
type Result struct {
	ID          string `json:"id"`
	DateUpdated string `json:"date_updated"`
	State       string `json:"state"`
	HTTPStatus  int    `json:"http_status"` // of the firmware; 0 if it did not answer
	Answer      string `json:"answer"`      // the firmware's, or why there is none; at most 200 bytes, secrets masked
	At          Time   `json:"at"`
}

// Results is the JSON body of a poll that reports.
type Results struct {
	Results []Result `json:"results"`
}

// Hint answers /api/tokens/:upload_token/hint: the owner's e-mail as "test@...".
type Hint struct {
	Email string `json:"email"`
}

// UploadMode tells the server what a camera's events are made of.
type UploadMode string

// ImageType tells why a picture or clip was made.
type ImageType string

// The values of upload_mode and img_type.
const (
	UploadImage UploadMode = "image"
	UploadVideo UploadMode = "video"

	Motion    ImageType = "m"
	Audio     ImageType = "a" // accepted from others; camward makes none
	Heartbeat ImageType = "h"
)

// An Upload is the metadata of one item of content, as the upload call's path and query carry it.
type Upload struct {
	Camera      string        // the camera's name, a path segment
	Name        string        // file name with extension, normally a timestamp; the idempotency key
	CameraID    string        // camera_id, required
	Mode        UploadMode    // upload_mode; empty means image
	Type        ImageType     // img_type; empty means m
	Rotation    int           // degrees clockwise: 0, 90, 180 or 270
	VideoLength time.Duration // of a clip; 0 for pictures
	ContentType string        // image/jpeg or video/mp4
	Size        int64         // bytes of the body
	SHA256      []byte        // digest of the body, or nil
	Track       *Track        // what moved in it, in a header; nil: nothing is known
}

// Query gives the call's query parameters.
func (u *Upload) Query() url.Values {
	q := url.Values{"camera_id": {u.CameraID}}
	if u.Mode != "" {
		q.Set("upload_mode", string(u.Mode))
	}
	if u.Type != "" {
		q.Set("img_type", string(u.Type))
	}
	if u.Rotation != 0 {
		q.Set("rotation", strconv.Itoa(u.Rotation))
	}
	if u.VideoLength > 0 {
		q.Set("video_length", strconv.FormatFloat(u.VideoLength.Seconds(), 'f', 3, 64))
	}
	return q
}

// Uploaded is the reply to an upload. The document leaves its shape open.
type Uploaded struct {
	ID          string    `json:"id"`
	EventID     string    `json:"event_id"`
	Source      string    `json:"source"` // the camera's name
	CameraID    string    `json:"camera_id"`
	ContentType string    `json:"content_type"`
	DateCreated Time      `json:"date_created"`
	Type        ImageType `json:"img_type"`
	Recorded    *bool     `json:"recorded,omitempty"` // false: accepted but not kept, recording is off
}

// SearchReply answers GET /api/search.
type SearchReply struct {
	Query  SearchQuery  `json:"query"`
	Result SearchResult `json:"result"`
}

// SearchQuery echoes the parameters that were in force.
type SearchQuery struct {
	Date        Time   `json:"date"`
	Sort        string `json:"sort"`
	MotionType  string `json:"motion_type"`
	ObjectType  string `json:"object_type"`
	ContentType string `json:"content_type"`
}

// SearchResult is one page of events. The next page's date is EarliestConsidered when sorted desc,
// LatestConsidered when sorted asc.
type SearchResult struct {
	BucketType         string   `json:"bucket_type"`
	Buckets            []Bucket `json:"buckets"`
	Count              int      `json:"count"` // buckets in this page
	MoreResults        bool     `json:"more_results"`
	EarliestConsidered Time     `json:"earliest_date_considered"`
	LatestConsidered   Time     `json:"latest_date_considered"`
}

// A Bucket is one event.
type Bucket struct {
	ID               string       `json:"bucket_id"`
	Source           string       `json:"source"`
	Labels           []string     `json:"labels"`
	Earliest         Time         `json:"earliest_date"`
	Latest           Time         `json:"latest_date"`
	MaxInterestLevel int          `json:"max_interest_level"` // 0 stored, 1 significant, 2 important, 3 labelled
	CoverImageID     string       `json:"cover_image_id"`
	Annotations      []Annotation `json:"annotations"`
	Images           []Item       `json:"images"`
	Videos           []Item       `json:"videos,omitempty"`
	Count            int          `json:"count"` // images in the event
}

// An Annotation marks an item of an event.
type Annotation struct {
	ObjectID string `json:"object_id"`
	Type     string `json:"type"`
}

// An Item is one picture or clip of an event.
type Item struct {
	ID            string   `json:"id"`
	ContentType   string   `json:"content_type"`
	DateCreated   Time     `json:"date_created"`
	Labels        []string `json:"labels"`
	InterestLevel int      `json:"interest_level"`
	InterestScore float64  `json:"interest_score"`
	Source        string   `json:"source"`
	ImageBytes    []byte   `json:"image_bytes,omitempty"`  // JPEG, base64 in JSON
	AccessToken   string   `json:"access_token,omitempty"` // for POST /api/content
	VideoLength   float64  `json:"video_length,omitempty"` // seconds

	MotionArea  float64     `json:"motion_area,omitempty"`  // of the largest part that moved, percent of the picture; with fetch_motion_boxes
	MotionBoxes []MotionBox `json:"motion_boxes,omitempty"` // with fetch_motion_boxes
}
