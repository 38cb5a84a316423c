package main

import (
	"context"
	"flag"
	"fmt"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"camward/agent"
)

func runVerb(fs *flag.FlagSet) func(context.Context, []string, stdio) error {
	var c configFlags
	c.register(fs)
	c.alias(fs, "listen", "listen", "`ADDRESS` of the agent's HTTP server, for instance :8090")
	c.alias(fs, "log-level", "log.level", "debug, info, warn or error")
	return func(ctx context.Context, _ []string, std stdio) error {
		cfg, err := c.valid(std)
		if err != nil {
			return err
		}
		log, err := newLogger(cfg.Log)
		if err != nil {
			return err
		}
		defer log.Sync()
		for _, f := range agent.Faults(cfg.Ignored) {
			log.Warn("a change made at run time is ignored", zap.Error(f))
		}
		a, err := agent.New(cfg, version, log)
		if err != nil {
			return err
		}
		if a.FreshPassword != "" {
			fmt.Fprintf(std.out, "The password of this camera, shown only now: %s (user %s)\n", a.FreshPassword, agent.User)
		}
		return a.Run(ctx)
	}
}

// newLogger writes to stderr: lines for people, or JSON for machines.
func newLogger(cfg agent.LogConfig) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(cfg.Level)
	if err != nil {
		return nil, err
	}
	z := zap.NewProductionConfig()
	z.Level = zap.NewAtomicLevelAt(level)
	z.Encoding = cfg.Format
	z.DisableCaller, z.DisableStacktrace = true, true
	z.EncoderConfig.EncodeTime = zapcore.ISO8601TimeEncoder
	if cfg.Format == "console" {
		z.EncoderConfig.EncodeLevel = zapcore.CapitalLevelEncoder
		z.EncoderConfig.ConsoleSeparator = "  "
	}
	return z.Build()
}
