//go:build cgo

#include "planes.h"

#define KIND(name) name##_plain
#include "planes_loops.h"
#undef KIND

// 32-bit ARM is compiled for processors without vector instructions, which most have. The others have them anyway.
#if defined(__arm__) && !defined(__ARM_NEON)
#include <sys/auxv.h>
#define HWCAP_NEON (1 << 12) // asm/hwcap.h of the kernel
#pragma GCC push_options
#pragma GCC target("fpu=neon")
#define KIND(name) name##_neon
#include "planes_loops.h"
#undef KIND
#pragma GCC pop_options
#define CALL(name, ...) (getauxval(AT_HWCAP) & HWCAP_NEON ? name##_neon(__VA_ARGS__) : name##_plain(__VA_ARGS__))
#else
#define CALL(name, ...) name##_plain(__VA_ARGS__)
#endif

void camward_planes422(uint8_t *y, uint8_t *u, uint8_t *v, const uint8_t *src, int width, int height, int stride, int luma) {
	CALL(planes422, y, u, v, src, width, height, stride, luma);
}

void camward_split_chroma(uint8_t *u, uint8_t *v, const uint8_t *src, int width, int height, int stride) {
	CALL(split_chroma, u, v, src, width, height, stride);
}
