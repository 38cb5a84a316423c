package agent

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"camward/motion"
	"camward/video"
)

// reach says why nothing could ever count as motion in pictures of the size that is asked for, if the settings are valid but for that.
func (c CameraConfig) reach() error {
	if c.Motion.Validate() != nil || len(video.Faults("", c.Privacy)) > 0 {
		return nil
	}
	width, height := cmp.Or(c.Size.Width, 640), cmp.Or(c.Size.Height, 480)
	reach := func(m motion.Config) error { return m.Reach((width+7)/8, (height+7)/8) }
	if err := reach(c.Motion); err != nil {
		return fmt.Errorf("motion: %w", err)
	}
	seen := c.Motion
	seen.Exclude = slices.Concat(seen.Exclude, c.Privacy)
	if reach(seen) != nil {
		return errors.New("motion: nothing could count as motion: privacy blackens all that motion.include and motion.exclude leave, or so much that nothing of motion.min_area fits; leave more of the picture")
	}
	return nil
}
