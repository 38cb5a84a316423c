package capture

import (
	"fmt"
	"slices"
	"strings"

	"camward/video"
)

// formatOrder is the order in which "auto" takes what a camera offers: compressed pictures cost least to keep, and of the raw formats the
// camera makes most, those that lose least. H.264 is last because it must be decoded for detection.
var formatOrder = [...]video.FourCC{video.MJPEG, video.YUYV, video.NV12, video.YU12, video.UYVY, video.Grey, video.H264}

// pictureFormats are the formats of which each frame is a picture by itself.
func pictureFormats() []video.FourCC { return formatOrder[:len(formatOrder)-1] }

// Other names of the same pictures: V4L2_PIX_FMT_JPEG, which some drivers call what others call MJPG, and the planes of NV12 and YU12
// in memories of their own.
const (
	fourccJPEG = video.FourCC('J' | 'P'<<8 | 'E'<<16 | 'G'<<24)
	fourccNM12 = video.FourCC('N' | 'M'<<8 | '1'<<16 | '2'<<24)
	fourccYM12 = video.FourCC('Y' | 'M'<<8 | '1'<<16 | '2'<<24)
)

// canonical gives the format that frames of a driver's format have.
func canonical(c video.FourCC) video.FourCC {
	switch c {
	case fourccJPEG:
		return video.MJPEG
	case fourccNM12:
		return video.NV12
	case fourccYM12:
		return video.YU12
	}
	return c
}

// rank is a format's place in formatOrder; those not in it come after.
func rank(c video.FourCC) int {
	if i := slices.Index(formatOrder[:], canonical(c)); i >= 0 {
		return i
	}
	return len(formatOrder)
}

// parseFormat gives the formats to try; none for auto.
func parseFormat(s string) ([]video.FourCC, error) {
	if s == "" || strings.EqualFold(s, "auto") {
		return nil, nil
	}
	for _, c := range formatOrder {
		if strings.EqualFold(s, c.String()) {
			return []video.FourCC{c}, nil
		}
	}
	return nil, fmt.Errorf("%q is not auto, H264, MJPG, YUYV, UYVY, NV12, YU12 or GREY", s)
}
