package mqtt

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// What Home Assistant takes for availability and motion if nothing else is said.
const (
	online  = "online"
	offline = "offline"
)

// A camera is one with its topics.
type camera struct {
	Camera
	id            string // of letters, digits and _, unlike the others'
	motion, image string
}

// named gives each camera an id made of its name.
func named(cameras []Camera) (out []camera) {
	taken := map[string]bool{}
	for i, c := range cameras {
		id := strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return '_'
		}, strings.ToLower(c.Name))
		if taken[id] || strings.Trim(id, "_") == "" {
			id += "_" + strconv.Itoa(i)
		}
		taken[id] = true
		out = append(out, camera{Camera: c, id: id})
	}
	return out
}

// An entity is a discovery message. Home Assistant has more fields; what is left out here has the right default.
type entity struct {
	Name          string  `json:"name"`
	UniqueID      string  `json:"unique_id"`
	StateTopic    string  `json:"state_topic,omitempty"`
	Topic         string  `json:"topic,omitempty"` // of a camera
	Availability  string  `json:"availability_topic"`
	DeviceClass   string  `json:"device_class,omitempty"`
	StateClass    string  `json:"state_class,omitempty"`
	Unit          string  `json:"unit_of_measurement,omitempty"`
	Category      string  `json:"entity_category,omitempty"`
	Icon          string  `json:"icon,omitempty"`
	Device        *device `json:"device"`
	Origin        origin  `json:"origin"`
	component, id string
}

type device struct {
	Identifiers  []string    `json:"identifiers"`
	Connections  [][2]string `json:"connections"`
	Name         string      `json:"name"`
	Manufacturer string      `json:"manufacturer,omitempty"`
	Model        string      `json:"model,omitempty"`
	Version      string      `json:"sw_version,omitempty"`
	PageURL      string      `json:"configuration_url,omitempty"`
}

type origin struct {
	Name    string `json:"name"`
	Version string `json:"sw_version,omitempty"`
}

func (c *Client) topic(name string) string { return c.cfg.BaseTopic + "/" + c.info.MAC + "/" + name }
func (c *Client) availability() string     { return c.topic("availability") }
func (c *Client) homeStatus() string       { return c.cfg.DiscoveryPrefix + "/status" }

// entities are all that Home Assistant is to show.
func (c *Client) entities() (all []*entity) {
	self := "camward_" + c.info.MAC
	dev := &device{
		Identifiers: []string{self}, Connections: [][2]string{{"mac", colons(c.info.MAC)}},
		Name: c.info.Name, Manufacturer: c.info.Maker, Model: c.info.Model, Version: c.info.Version, PageURL: c.info.PageURL,
	}
	add := func(component, id, name string) *entity {
		e := &entity{component: component, id: id, Name: name, UniqueID: self + "_" + id, Availability: c.availability(), Device: dev, Origin: origin{"camward", c.info.Version}}
		all = append(all, e)
		return e
	}
	diagnostic := func(id, name, deviceClass, unit string) *entity {
		e := add("sensor", id, name)
		e.StateTopic, e.DeviceClass, e.Unit, e.Category = c.topic(id), deviceClass, unit, "diagnostic"
		return e
	}
	for i := range c.cameras {
		cam := &c.cameras[i]
		e := add("binary_sensor", cam.id+"_motion", cam.Name+" motion")
		e.StateTopic, e.DeviceClass = cam.motion, "motion"
		add("camera", cam.id+"_image", cam.Name).Topic = cam.image
	}
	diagnostic("uptime", "Uptime", "duration", "s")
	files := diagnostic("queue_files", "Waiting for upload", "", "")
	files.StateClass, files.Icon = "measurement", "mdi:tray-full"
	diagnostic("queue_bytes", "Waiting for upload, size", "data_size", "B").StateClass = "measurement"
	return all
}

// colons writes a MAC as Home Assistant has it: 02:fc:00:a1:b2:c3.
func colons(mac string) string {
	var parts []string
	for ; len(mac) > 2; mac = mac[2:] {
		parts = append(parts, mac[:2])
	}
	return strings.Join(append(parts, mac), ":")
}

// tellAll publishes the discovery messages, then every state but pictures, which are retained, and last that the device is there.
func (s *session) tellAll(ctx context.Context) error {
	for _, e := range s.entities() {
		payload, err := json.Marshal(e)
		if err == nil {
			err = s.publish(ctx, s.cfg.DiscoveryPrefix+"/"+e.component+"/camward_"+s.info.MAC+"/"+e.id+"/config", payload)
		}
		if err != nil {
			return err
		}
	}
	for i := range s.cameras {
		if err := s.tellMotion(ctx, &s.cameras[i], s.cameras[i].Motion().Moving); err != nil {
			return err
		}
	}
	if err := s.tellUptime(ctx); err != nil {
		return err
	}
	if q, err := s.queue(); err == nil {
		if err := s.tellQueue(ctx, q); err != nil {
			return err
		}
	}
	return s.publish(ctx, s.availability(), []byte(online))
}

func (s *session) tellMotion(ctx context.Context, cam *camera, moving bool) error {
	state := "OFF"
	if moving {
		state = "ON"
	}
	return s.publish(ctx, cam.motion, []byte(state))
}

func (s *session) tellUptime(ctx context.Context) error {
	return s.publish(ctx, s.topic("uptime"), strconv.AppendInt(nil, int64(time.Since(s.started).Seconds()), 10))
}

func (s *session) tellQueue(ctx context.Context, q Queue) error {
	s.told = q
	if err := s.publish(ctx, s.topic("queue_files"), strconv.AppendInt(nil, int64(q.Files), 10)); err != nil {
		return err
	}
	return s.publish(ctx, s.topic("queue_bytes"), strconv.AppendInt(nil, q.Bytes, 10))
}
