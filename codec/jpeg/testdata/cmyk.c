/* Writes a 48x40 picture in CMYK to stdout, which cjpeg cannot; part of make.sh. */
#include <stdio.h>
#include <turbojpeg.h>

int main(void) {
	enum { W = 48, H = 40 };
	static unsigned char pixels[W * H * 4];
	unsigned char *out = NULL;
	unsigned long n = 0;
	for (int i = 0; i < W * H * 4; i++) pixels[i] = i % 4 * 60 + i / 4 % W * 3 + i / 4 / W;
	tjhandle h = tjInitCompress();
	if (tjCompress2(h, pixels, W, 0, H, TJPF_CMYK, &out, &n, TJSAMP_420, 85, 0)) return 1;
	return fwrite(out, 1, n, stdout) != n;
}
