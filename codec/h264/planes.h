// Raw pictures into planes. Go has no vector instructions to do it with.

#ifndef CAMWARD_PLANES_H
#define CAMWARD_PLANES_H

#include <stddef.h>
#include <stdint.h>

// Packed 4:2:2 of an even width; luma is the offset of the first luma byte, 0 or 1. The planes have no padding.
void camward_planes422(uint8_t *y, uint8_t *u, uint8_t *v, const uint8_t *src, int width, int height, int stride, int luma);
// Interleaved chroma: width and height are those of a chroma plane, which have no padding.
void camward_split_chroma(uint8_t *u, uint8_t *v, const uint8_t *src, int width, int height, int stride);

#endif
