package ftpstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jlaffaye/ftp"

	"camward/uploader"
)

// absent is the size of a file that is not there.
const absent = -1

// errNoSize says that the server does not know SIZE, so its word after a transfer must do.
var errNoSize = errors.New("the server does not tell sizes")

// put stores an item: under a temporary name first, under its own once the server has all of it.
func (c *session) put(ctx context.Context, it uploader.Item, to target) error {
	c.sent = false
	if err := c.enter(to.dirs); err != nil {
		return err
	}
	size, err := c.size(to.name)
	c.control.wait = c.cfg.Idle // a kept connection had less time to show that it lives
	switch {
	case errors.Is(err, errNoSize):
	case err != nil:
		return err
	case size == it.Size:
		return nil // an earlier attempt's, whose last reply got lost
	}
	if err := c.fill(ctx, it, to.temp, err == nil); err != nil {
		return err
	}
	if err := c.ftp.Rename(to.temp, to.name); err != nil {
		return c.refused(fmt.Errorf("rename: %w", err), code(err) == ftp.StatusBadFileName)
	}
	return nil
}

// fill brings the temporary file to the item's size, going on behind what is there of it.
func (c *session) fill(ctx context.Context, it uploader.Item, temp string, sizes bool) error {
	var offset int64
	if sizes && !c.noRest && len(it.SHA256) >= 4 {
		size, err := c.size(temp)
		if err != nil {
			return err
		}
		if size > 0 && size <= it.Size {
			offset = size
		}
	}
	if offset == 0 || offset < it.Size {
		if err := c.transfer(ctx, it, temp, offset); err != nil {
			return err
		}
	}
	if !sizes {
		return nil
	}
	size, err := c.size(temp)
	if err != nil {
		return err
	}
	if size != it.Size {
		c.ftp.Delete(temp) // or else the next attempt may trust its beginning
		return fmt.Errorf("the server has %d bytes of %d", size, it.Size)
	}
	return nil
}

// transfer sends the item from offset on, or all of it if the server does not take a part.
func (c *session) transfer(ctx context.Context, it uploader.Item, temp string, offset int64) error {
	begun, err := c.store(ctx, it, temp, offset)
	if !begun && offset > 0 && refusesPart(err) {
		c.noRest = true
		begun, err = c.store(ctx, it, temp, 0)
	}
	if err != nil {
		return c.refused(fmt.Errorf("send: %w", err), !begun && namesItem(err))
	}
	return nil
}

// store runs one STOR and reports whether the server let it begin.
func (c *session) store(ctx context.Context, it uploader.Item, temp string, offset int64) (begun bool, err error) {
	body, err := it.Open(offset)
	if err != nil {
		return true, err
	}
	defer body.Close()
	left := it.Size - offset
	c.drain = c.cfg.Idle + time.Duration(min(left, maxBuffered))*time.Second/slowest
	src := &source{ctx: ctx, body: body}
	err = c.ftp.StorFrom(temp, src, uint64(offset))
	c.sent = c.sent || src.begun
	return src.begun, err
}

// size asks for a file's size; absent if there is no such file.
func (c *session) size(name string) (int64, error) {
	size, err := c.ftp.FileSize(name)
	switch {
	case err == nil && size >= 0:
		return size, nil
	case unsupported(err):
		return 0, errNoSize
	case code(err) == ftp.StatusFileUnavailable:
		return absent, nil
	case err == nil:
		err = fmt.Errorf("%d is no size", size)
	}
	return 0, fmt.Errorf("ask for the size: %w", err)
}

// probeName is what is stored and deleted to learn whether a refusal was about an item.
const probeName = "camward-probe" + tempExt

// refused marks a refusal as one for good if it was about the item: the directory takes another file. A
// directory that takes none is a fault of the server, and quarantining one item after another would not mend it.
func (c *session) refused(err error, aboutItem bool) error {
	if !aboutItem {
		return err
	}
	if perr := c.ftp.Stor(probeName, strings.NewReader("camward\n")); perr != nil {
		return err
	}
	c.ftp.Delete(probeName) // an upload-only server may not let us, and then hides incomplete files itself
	return fmt.Errorf("%w: %w", uploader.ErrPermanent, err)
}

// A source is an item's body until the attempt has ended: what is read after that is not sent.
type source struct {
	ctx   context.Context
	body  io.Reader
	begun bool
}

func (s *source) Read(p []byte) (int, error) {
	s.begun = true
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.body.Read(p)
	if cerr := s.ctx.Err(); cerr != nil {
		return 0, cerr
	}
	return n, err
}
