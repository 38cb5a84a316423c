package ftpd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"go.uber.org/zap"
)

func (c *session) cmdStor(ctx context.Context, arg string) { c.upload(ctx, arg, c.rest) }

// atEnd stands for the offset behind what has arrived.
const atEnd = -1

// cmdAppe goes on at the end of an unfinished file, or begins a new one.
func (c *session) cmdAppe(ctx context.Context, arg string) { c.upload(ctx, arg, atEnd) }

func (c *session) upload(ctx context.Context, arg string, offset int64) {
	path, err := resolveFile(c.cwd, arg)
	if err != nil {
		c.data.close()
		c.fault(553, "%v", err)
		return
	}
	c.start(ctx, func(ctx context.Context, src dataSource) (int, string) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		key := c.key(path)
		old, fl, err := c.srv.recent.begin(ctx, key, cancel, offset == 0)
		if err != nil {
			return 450, "Another transfer of this file is under way"
		}
		f, code, text := c.take(ctx, src, path, old, offset)
		c.srv.recent.end(key, fl, f)
		return code, text
	})
}

// take receives a file, going on with old at offset, and stores it if it is whole and has its final name. It returns what is to be
// remembered of it.
func (c *session) take(ctx context.Context, src dataSource, path []string, old *recentFile, offset int64) (f *recentFile, code int, text string) {
	file, f, err := openPartial(old, c.key(path), offset, c.srv.cfg.TempDir)
	if errors.Is(err, errNoPartial) {
		return old, 554, err.Error()
	}
	if err != nil {
		c.log.Error("temporary file", zap.Error(err))
		return nil, 452, "The disk refuses"
	}
	defer file.Close()
	d, err := c.open(ctx, src)
	if err != nil {
		return f.orNil(), 425, err.Error()
	}
	n, err := d.receive(ctx, file, c.srv.cfg.MaxFile-f.size, c.srv.cfg.DataTimeout)
	if err == nil && !d.secure() {
		err = settle(ctx)
	}
	f.size, f.at = f.size+n, time.Now()
	switch {
	case errors.Is(err, errTooLarge):
		f.discard()
		return nil, 552, fmt.Sprintf("Files may have %d bytes at most", c.srv.cfg.MaxFile)
	case errors.Is(err, errDisk):
		c.log.Error("upload", zap.Error(err))
		f.discard()
		return nil, 452, "The disk refuses"
	case err != nil:
		c.log.Info("upload cut", zap.Int64("bytes", f.size), zap.Error(err))
		return f.orNil(), 426, "The transfer was cut, the file is not complete"
	}
	f.whole = true
	if isTemporary(path[len(path)-1]) {
		return f, 226, "Received, to be renamed"
	}
	return c.store(ctx, f, file, path)
}

// settleTime is how long the end of a plain data connection is doubted.
const settleTime = 2 * time.Millisecond

// settle tells an end that the client meant from one that its kernel made: a client that is killed, or loses power over an orderly
// system, closes both connections, the control connection first since it is the older one, and so cancels ctx. One that
// is done waits for the reply.
func settle(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return errors.New("control connection ended too")
	case <-time.After(settleTime):
		return nil
	}
}

var errNoPartial = errors.New("there is no such part of this file to go on with")

// openPartial opens what the bytes are written to: a new temporary file, or the one of old, cut to offset. A finished file has
// none: an upload under its name is a new file.
func openPartial(old *recentFile, key fileKey, offset int64, dir string) (*os.File, *recentFile, error) {
	kept := old != nil && old.temp != ""
	switch {
	case offset == atEnd && kept:
		offset = old.size
	case offset == atEnd:
		offset = 0
	case offset > 0 && (!kept || offset > old.size):
		return nil, nil, errNoPartial
	}
	if offset == 0 {
		old.discard()
		file, err := os.CreateTemp(dir, "ftp-*")
		if err != nil {
			return nil, nil, err
		}
		return file, &recentFile{key: key, temp: file.Name(), at: time.Now()}, nil
	}
	file, err := os.OpenFile(old.temp, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	if err = file.Truncate(offset); err == nil {
		_, err = file.Seek(offset, 0)
	}
	if err != nil {
		_ = file.Close()
		old.discard()
		return nil, nil, err
	}
	return file, &recentFile{key: key, temp: old.temp, size: offset, at: time.Now()}, nil
}

// orNil drops a file of which nothing has arrived.
func (f *recentFile) orNil() *recentFile {
	if f.size > 0 {
		return f
	}
	f.discard()
	return nil
}

// store hands a whole file to the backend. What the backend does not take is gone: the client sends it again.
func (c *session) store(ctx context.Context, f *recentFile, file *os.File, path []string) (*recentFile, int, string) {
	_, err := file.Seek(0, 0)
	if err == nil {
		err = c.login.Store(context.WithoutCancel(ctx), path[:len(path)-1], path[len(path)-1], file)
	}
	f.discard()
	switch {
	case err == nil:
		c.log.Debug("upload stored", zap.Int64("bytes", f.size))
		return f, 226, "Stored"
	case errors.Is(err, ErrDenied):
		c.log.Info("upload by a user who is not valid any more")
		return nil, 530, "Log in again"
	case errors.Is(err, ErrRefused):
		c.log.Info("upload refused", zap.Int64("bytes", f.size), zap.Error(err))
		return nil, 553, err.Error()
	}
	c.log.Error("upload", zap.Error(err))
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return nil, 452, "The disk is full"
	}
	return nil, 451, "Not stored, try again"
}

func (c *session) cmdRnfr(ctx context.Context, arg string) {
	c.renFrom = nil
	f, ok := c.lookUp(ctx, arg)
	if !ok {
		return
	}
	if f.temp != "" && !f.whole {
		c.fault(550, "The file is not complete")
		return
	}
	c.renFrom, _ = resolve(c.cwd, arg) // lookUp did the same
	c.reply(350, "Send RNTO")
}

// cmdRnto gives a file its final name, which stores it. One that was stored under its first name stays what it is, and is
// found by SIZE under the new name too.
func (c *session) cmdRnto(ctx context.Context, arg string) {
	from := c.renFrom
	if from == nil {
		c.fault(503, "Send RNFR first")
		return
	}
	to, err := resolveFile(c.cwd, arg)
	if err != nil {
		c.fault(553, "%v", err)
		return
	}
	old, fl, err := c.srv.recent.begin(ctx, c.key(to), func() {}, false) // nothing to cancel: all bytes are here
	if err != nil {
		c.reply(450, "A transfer of this file is under way")
		return
	}
	f := old
	if pathOf(from) != pathOf(to) {
		if f = c.srv.recent.take(c.key(from)); f != nil {
			old.discard()
		}
	}
	if f == nil {
		c.srv.recent.end(c.key(to), fl, old)
		c.fault(550, "No such file")
		return
	}
	f.key = c.key(to)
	code, text := 250, "Renamed"
	if f.temp != "" && !isTemporary(to[len(to)-1]) {
		f, code, text = c.storeKept(ctx, f, to)
	}
	c.srv.recent.end(c.key(to), fl, f)
	c.reply(code, "%s", text)
}

// storeKept is store for a file that waited for its name.
func (c *session) storeKept(ctx context.Context, f *recentFile, path []string) (*recentFile, int, string) {
	file, err := os.OpenFile(f.temp, os.O_RDWR, 0)
	if err != nil {
		c.log.Error("temporary file", zap.Error(err))
		f.discard()
		return nil, 451, "The file is lost, send it again"
	}
	defer file.Close()
	f, code, text := c.store(ctx, f, file, path)
	if code == 226 {
		code, text = 250, "Renamed and stored"
	}
	return f, code, text
}
