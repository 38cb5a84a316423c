#!/bin/sh
# Makes the pictures of this directory; see SOURCES.md. Needs ffmpeg 5.1, cjpeg and djpeg of libjpeg-turbo 2.1.
set -eu
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
ff() { ffmpeg -v error -y -f lavfi "$@"; }

# 640x480 frames with sensor-like noise, coded as UVC webcams do: standard Huffman tables.
scene='mandelbrot=size=640x480:start_scale=0.9:end_pts=50,noise=alls=7:allf=t:all_seed=1,boxblur=1:1,noise=alls=4:allf=t:all_seed=2'
ff -i "$scene" -frames:v 1 -pix_fmt yuvj422p -huffman default -q:v 5 -flags +bitexact ffmpeg-422-640x480.jpg
ff -i "$scene" -frames:v 1 -pix_fmt yuvj420p -huffman optimal -q:v 12 -flags +bitexact ffmpeg-420-optimal-640x480.jpg
ff -i testsrc2=size=90x70 -frames:v 1 -pix_fmt yuvj444p -flags +bitexact ffmpeg-444-90x70.jpg

# Small pictures of odd sizes.
ff -i 'mandelbrot=size=99x75:start_scale=0.9,noise=alls=9:all_seed=3' -frames:v 1 -pix_fmt rgb24 "$tmp/odd.ppm"
printf 'P6 1 1 255 \300\200\100' >"$tmp/one.ppm"
ff -i mandelbrot=size=17x9:start_scale=0.9 -frames:v 1 -pix_fmt rgb24 "$tmp/tiny.ppm"
odd() { out=$1; shift; cjpeg "$@" "$tmp/odd.ppm" >"$out"; }
odd cjpeg-420.jpg -sample 2x2
odd cjpeg-422.jpg -sample 2x1
odd cjpeg-440.jpg -sample 1x2
odd cjpeg-411.jpg -sample 4x1
odd cjpeg-444.jpg -sample 1x1
odd cjpeg-grey.jpg -grayscale
odd cjpeg-grey-2x2.jpg -grayscale -sample 2x2
odd cjpeg-q1.jpg -quality 1 -baseline
odd cjpeg-q100.jpg -quality 100 -sample 1x1
odd cjpeg-optimize.jpg -quality 95 -optimize
odd cjpeg-restart-blocks.jpg -restart 3B
odd cjpeg-restart-rows.jpg -restart 1 -sample 2x1
odd cjpeg-16bit-quant.jpg -quality 1
odd cjpeg-progressive.jpg -progressive
odd cjpeg-arithmetic.jpg -arithmetic
odd cjpeg-rgb.jpg -rgb
printf '0;\n1;\n2;\n' >"$tmp/separate"
printf '1;\n0;\n2;\n' >"$tmp/luma-second"
odd cjpeg-separate-scans.jpg -scans "$tmp/separate" -restart 5B
odd cjpeg-luma-second.jpg -scans "$tmp/luma-second" -sample 2x1
cjpeg "$tmp/one.ppm" >cjpeg-1x1.jpg
cjpeg -sample 4x2 "$tmp/tiny.ppm" >cjpeg-410-17x9.jpg
odd cjpeg-progressive-arithmetic.jpg -progressive -arithmetic -restart 1

# Coding processes that nobody here decodes.
cc -o "$tmp/cmyk" cmyk.c -l:libturbojpeg.a && "$tmp/cmyk" >turbo-cmyk.jpg
ff -i testsrc2=size=64x48 -frames:v 1 -pix_fmt yuvj422p -c:v ljpeg -flags +bitexact -f image2 ffmpeg-lossless-64x48.jpg
ff -i testsrc2=size=64x48 -frames:v 1 -pix_fmt gray -c:v jpegls -flags +bitexact -f image2 ffmpeg-jpegls-64x48.jpg
