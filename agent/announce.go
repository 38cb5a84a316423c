package agent

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"camward/web"
	"camward/web/mdns"
	"camward/web/mqtt"
)

// hostName is the name under which the device is found in the local network, without .local.
func (a *Agent) hostName() string { return "camward-" + strings.ToLower(a.id.MAC[len(a.id.MAC)-6:]) }

// newAnnouncements makes the page known in the local network, as far as it can be reached there, and the cameras to a home automation.
func (a *Agent) newAnnouncements() error {
	if a.cfg.MQTT.URL != "" {
		if err := a.newMQTT(); err != nil {
			return err
		}
	}
	listen := web.Config{Listen: a.cfg.Listen}
	if !a.cfg.MDNS || a.cfg.Listen == "" || listen.Loopback() {
		return nil
	}
	addr, err := net.ResolveTCPAddr("tcp", a.cfg.Listen)
	if err != nil || addr.Port == 0 {
		return err
	}
	text := []string{"path=/", "mac=" + a.id.MAC, "model=" + a.id.Model[:min(len(a.id.Model), 200)]}
	if _, port, err := net.SplitHostPort(a.cfg.httpsAddress()); err == nil {
		text = append(text, "https="+port)
	}
	cfg := mdns.Config{Host: a.hostName(), Services: []mdns.Service{{Type: "_http._tcp", Port: uint16(addr.Port), Text: text}}}
	if ip, ok := netip.AddrFromSlice(addr.IP); ok && !ip.Unmap().IsUnspecified() {
		cfg.Address = ip.Unmap()
	}
	a.mdns, err = mdns.New(cfg, a.log)
	return err
}

func (a *Agent) newMQTT() (err error) {
	info := mqtt.Info{MAC: a.id.MAC, Name: a.hostName(), Maker: a.id.Maker, Model: a.id.Model, Version: a.version}
	if addr, err := net.ResolveTCPAddr("tcp", a.cfg.Listen); err == nil && a.cfg.MDNS && a.cfg.Listen != "" && !addr.IP.IsLoopback() {
		info.PageURL = "http://" + net.JoinHostPort(a.hostName()+".local", strconv.Itoa(addr.Port)) + "/"
	}
	var cameras []mqtt.Camera
	for _, p := range a.cameras {
		cameras = append(cameras, mqtt.Camera{
			Name: p.name,
			Motion: func() mqtt.Motion {
				m := p.motionStatus()
				return mqtt.Motion{Moving: m.Moving, Score: m.Score, Events: m.Events}
			},
			Snapshot: p.picture,
		})
	}
	queue := func() (mqtt.Queue, error) {
		s, err := a.spool.Status()
		return mqtt.Queue{Files: s.Queued, Bytes: s.SpoolBytes}, err
	}
	a.mqtt, err = mqtt.New(a.cfg.MQTT, info, cameras, queue, a.log)
	return err
}

// keepAnnouncements runs what newAnnouncements made.
func (a *Agent) keepAnnouncements(keep func(string, func(context.Context) error)) {
	if a.mdns != nil {
		keep("mdns", a.mdns.Run)
	}
	if a.mqtt != nil {
		keep("mqtt", a.mqtt.Run)
	}
}
