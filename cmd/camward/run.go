package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

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
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.ISO8601TimeEncoder
	encoder := zapcore.NewJSONEncoder(enc)
	if cfg.Format == "console" {
		enc.EncodeLevel = zapcore.CapitalLevelEncoder
		enc.ConsoleSeparator = "  "
		encoder = zapcore.NewConsoleEncoder(enc)
	}
	core := zapcore.NewCore(encoder, zapcore.Lock(os.Stderr), level)
	return zap.New(zapcore.NewSamplerWithOptions(core, time.Second, 100, 100)), nil
}
