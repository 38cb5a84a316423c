package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"camward/cloud"
)

type cameraCmd struct {
	Claim   cameraClaimCmd   `cmd:"" help:"Give a camera that polls to an account."`
	Release cameraReleaseCmd `cmd:"" help:"Take a camera from the account that claimed it; its events stay there."`
	List    cameraListCmd    `cmd:"" help:"List cameras, and devices that wait to be claimed."`
}

type cameraClaimCmd struct {
	dataFlags
	MAC  string `arg:"" name:"mac" help:"MAC address of the camera, such as 00:E0:4C:C2:7C:C5."`
	User string `required:"" help:"E-mail address of the account." placeholder:"EMAIL"`
	Name string `required:"" help:"Name of the camera in that account."`
}

func (c *cameraClaimCmd) Run(ctx context.Context, std *stdio) (err error) {
	s, err := c.openExisting()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Claim(ctx, c.MAC, c.User, c.Name); err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "claimed %s for %s as %s\n", c.MAC, c.User, c.Name)
	return err
}

type cameraReleaseCmd struct {
	dataFlags
	MAC string `arg:"" name:"mac" help:"MAC address of the camera."`
}

func (c *cameraReleaseCmd) Run(ctx context.Context, std *stdio) (err error) {
	s, err := c.openExisting()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Release(ctx, c.MAC); err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "released %s\n", c.MAC)
	return err
}

type cameraListCmd struct {
	dataFlags
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *cameraListCmd) Run(ctx context.Context, std *stdio) (err error) {
	s, err := c.openExisting()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	list, err := s.Cameras(ctx)
	if err != nil {
		return err
	}
	waiting, err := s.Unclaimed(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(std.out, struct {
			Cameras   []cloud.ClaimedCamera `json:"cameras"`
			Unclaimed []cloud.Device        `json:"unclaimed"`
		}{list, waiting})
	}
	t := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "USER\tNAME\tCAMERA ID\tMAC\tONLINE\tLAST SEEN")
	for _, k := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%t\t%s\n", k.User, k.Name, k.CameraID, k.MAC, k.Online, local(k.Seen))
	}
	for _, d := range waiting {
		fmt.Fprintf(t, "(unclaimed)\t%s %s\t\t%s\t\t%s\n", d.Maker, d.Model, d.MAC, local(d.LastPoll))
	}
	return t.Flush()
}

func local(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
