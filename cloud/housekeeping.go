package cloud

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"
)

// housekeeping removes what a crash left at start, and hourly what has expired, until ctx ends. A fault is logged and
// does not end the server.
func (s *Server) housekeeping(ctx context.Context) error {
	if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
		s.log.Error("sweep after start", zap.Error(err))
	}
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if err := s.store.expire(ctx, s.now()); err != nil && ctx.Err() == nil {
			s.log.Error("expire sessions", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// sweepAge spares what the running server may be storing just now.
const sweepAge = 10 * time.Minute

// sweep removes temporary files of uploads that were cut, and content that is not in the index: its upload was never
// acknowledged, or its camera was deleted.
func (s *Server) sweep(ctx context.Context) error {
	before := time.Now().Add(-sweepAge)
	tmp, err := os.ReadDir(filepath.Join(s.cfg.Data, "tmp"))
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, e := range tmp {
		if info, err := e.Info(); err == nil && info.ModTime().Before(before) {
			_ = os.Remove(filepath.Join(s.cfg.Data, "tmp", e.Name()))
		}
	}
	root := filepath.Join(s.cfg.Data, "content")
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || ctx.Err() != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		file, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return s.sweepFile(ctx, file, e, before)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (s *Server) sweepFile(ctx context.Context, file string, e fs.DirEntry, before time.Time) error {
	info, err := e.Info()
	if err != nil || info.ModTime().After(before) {
		return nil // gone meanwhile, or too young to judge
	}
	var n int
	err = s.store.r.QueryRowContext(ctx, `SELECT 1 FROM items WHERE file = ?`, file).Scan(&n)
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	s.log.Info("removing content without an entry", zap.String("file", file))
	return os.Remove(s.contentPath(file))
}
