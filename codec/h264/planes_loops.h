// The loops over pictures, which planes.c includes once for each kind of processor that is told apart while running. They are such
// that a compiler makes vector instructions of them. KIND(name) is the name of a function for that kind.

static void KIND(split422)(uint8_t *restrict y, const uint8_t *restrict src, int pairs, int luma) {
	if (luma == 0)
		for (int i = 0; i < 2 * pairs; i++)
			y[i] = src[2 * i];
	else
		for (int i = 0; i < 2 * pairs; i++)
			y[i] = src[2 * i + 1];
}

static void KIND(mean422)(uint8_t *restrict u, uint8_t *restrict v, const uint8_t *restrict a, const uint8_t *restrict b, int pairs,
                    int luma) {
	if (luma == 0)
		for (int i = 0; i < pairs; i++) {
			u[i] = (uint8_t)((a[4 * i + 1] + b[4 * i + 1] + 1) >> 1);
			v[i] = (uint8_t)((a[4 * i + 3] + b[4 * i + 3] + 1) >> 1);
		}
	else
		for (int i = 0; i < pairs; i++) {
			u[i] = (uint8_t)((a[4 * i] + b[4 * i] + 1) >> 1);
			v[i] = (uint8_t)((a[4 * i + 2] + b[4 * i + 2] + 1) >> 1);
		}
}

static void KIND(planes422)(uint8_t *y, uint8_t *u, uint8_t *v, const uint8_t *src, int width, int height, int stride, int luma) {
	int pairs = width / 2;
	for (int i = 0; i < height; i += 2) {
		const uint8_t *a = src + (size_t)i * stride;
		const uint8_t *b = i + 1 < height ? a + stride : a; // the last line of an odd height stands alone
		KIND(split422)(y + (size_t)i * width, a, pairs, luma);
		if (b != a)
			KIND(split422)(y + (size_t)(i + 1) * width, b, pairs, luma);
		KIND(mean422)(u + (size_t)(i / 2) * pairs, v + (size_t)(i / 2) * pairs, a, b, pairs, luma);
	}
}

static void KIND(split_chroma)(uint8_t *restrict u, uint8_t *restrict v, const uint8_t *restrict src, int width, int height, int stride) {
	for (int y = 0; y < height; y++, u += width, v += width, src += stride)
		for (int x = 0; x < width; x++) {
			u[x] = src[2 * x];
			v[x] = src[2 * x + 1];
		}
}
