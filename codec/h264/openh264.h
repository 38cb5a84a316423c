// What the Go side needs of OpenH264. Its C API is a table of function pointers, which Go
// cannot call, and passes structures that hold pointers, which cgo forbids to fill with
// Go memory; so each function here takes plane pointers as arguments of their own and lets
// nothing of Go outlive the call.

#ifndef CAMWARD_OPENH264_H
#define CAMWARD_OPENH264_H

#include <stddef.h>
#include <stdint.h>
#include <wels/codec_api.h>
#include <wels/codec_ver.h>

// "OpenH264 2.3.1", of the headers compiled against; the version macros are "(2)", hence the detour.
#define CAMWARD_TEXT(x) #x
#define CAMWARD_CALL(macro, argument) macro argument
#define CAMWARD_OPENH264 \
	"OpenH264 " CAMWARD_CALL(CAMWARD_TEXT, OPENH264_MAJOR) \
	"." CAMWARD_CALL(CAMWARD_TEXT, OPENH264_MINOR) \
	"." CAMWARD_CALL(CAMWARD_TEXT, OPENH264_REVISION)

typedef struct {
	ISVCEncoder *codec;
	SFrameBSInfo info; // of the last picture; its buffers belong to codec
} camward_encoder;

// Returns NULL and sets *status to OpenH264's CM_RETURN on failure.
camward_encoder *camward_encoder_new(int width, int height, float rate, int bitrate, int min_qp, int key_interval,
                                     int full_range, int *status);
// Returns the size of the access unit in bytes, 0 if the encoder made none, or minus a CM_RETURN.
// *key is set to 1 for an IDR picture.
int camward_encode(camward_encoder *e, const uint8_t *y, const uint8_t *u, const uint8_t *v, int width, int height,
                   int y_stride, int c_stride, int64_t milliseconds, int force_key, int *key);
// Copies the access unit of the last camward_encode; dst must have room for all of it.
void camward_packet(const camward_encoder *e, uint8_t *dst);
int camward_set_bitrate(camward_encoder *e, int bitrate);
void camward_encoder_free(camward_encoder *e);

typedef struct {
	ISVCDecoder *codec;
	uint8_t *plane[3]; // of the last picture; they belong to codec
	int width, height, y_stride, c_stride;
} camward_decoder;

camward_decoder *camward_decoder_new(long *status);
// Decodes one access unit, or gets a picture that waits if data is NULL. Sets *ready to 1 if d
// describes a picture; returns a DECODING_STATE.
int camward_decode(camward_decoder *d, const uint8_t *data, int size, int *ready);
// Copies the picture of the last camward_decode into planes of d's size without padding.
void camward_picture(const camward_decoder *d, uint8_t *y, uint8_t *u, uint8_t *v);
void camward_decoder_free(camward_decoder *d);

#endif
