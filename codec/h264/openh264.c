//go:build cgo

#include "openh264.h"

#include <stdlib.h>
#include <string.h>

static void fill_params(SEncParamExt *p, int width, int height, float rate, int bitrate, int min_qp, int key_interval,
                        int full_range) {
	p->iUsageType = CAMERA_VIDEO_REAL_TIME;
	p->iPicWidth = width;
	p->iPicHeight = height;
	p->fMaxFrameRate = rate;
	p->iTargetBitrate = bitrate;
	p->iMaxBitrate = UNSPECIFIED_BIT_RATE;
	p->iRCMode = RC_BITRATE_MODE;
	p->bEnableFrameSkip = false; // a skipped picture would be a hole in the clip
	p->iMinQp = min_qp;
	p->iTemporalLayerNum = 1;
	p->iSpatialLayerNum = 1;
	p->iMultipleThreadIdc = 1;
	p->uiIntraPeriod = (unsigned)key_interval;
	// An MP4 file has one parameter set in its header: its id must not change at each IDR picture.
	p->eSpsPpsIdStrategy = CONSTANT_ID;
	p->bPrefixNalAddingCtrl = false;
	p->bEnableSSEI = false;
	p->bEnableSceneChangeDetect = false; // would add key pictures of its own
	p->bEnableLongTermReference = false;
	p->bEnableDenoise = false;
	p->iEntropyCodingModeFlag = 0;
	p->iComplexityMode = LOW_COMPLEXITY;
	p->bEnableBackgroundDetection = true; // saves more time than it takes wherever the camera stands still
	p->bEnableAdaptiveQuant = false;      // the rate control sets it aside anyway

	SSpatialLayerConfig *l = &p->sSpatialLayers[0];
	l->iVideoWidth = width;
	l->iVideoHeight = height;
	l->fFrameRate = rate;
	l->iSpatialBitrate = bitrate;
	l->iMaxSpatialBitrate = UNSPECIFIED_BIT_RATE;
	l->uiProfileIdc = PRO_BASELINE;
	l->sSliceArgument.uiSliceMode = SM_SINGLE_SLICE;
	// JPEG's and a webcam's colours are BT.601 (SMPTE 170M); said outright, since players guess
	// BT.709 for large pictures. Primaries and transfer stay unspecified.
	l->bVideoSignalTypePresent = true;
	l->uiVideoFormat = VF_UNDEF;
	l->bFullRange = full_range != 0;
	l->bColorDescriptionPresent = true;
	l->uiColorPrimaries = CP_UNDEF;
	l->uiTransferCharacteristics = TRC_UNDEF;
	l->uiColorMatrix = CM_SMPTE170M;
}

camward_encoder *camward_encoder_new(int width, int height, float rate, int bitrate, int min_qp, int key_interval,
                                     int full_range, int *status) {
	camward_encoder *e = calloc(1, sizeof *e);
	*status = cmMallocMemeError;
	if (e == NULL)
		return NULL;
	*status = WelsCreateSVCEncoder(&e->codec);
	if (*status != 0 || e->codec == NULL) {
		free(e);
		if (*status == 0)
			*status = cmUnknownReason;
		return NULL;
	}
	int quiet = WELS_LOG_QUIET;
	SEncParamExt p;
	memset(&p, 0, sizeof p);
	(*e->codec)->SetOption(e->codec, ENCODER_OPTION_TRACE_LEVEL, &quiet);
	*status = (*e->codec)->GetDefaultParams(e->codec, &p);
	if (*status == 0) {
		fill_params(&p, width, height, rate, bitrate, min_qp, key_interval, full_range);
		*status = (*e->codec)->InitializeExt(e->codec, &p);
	}
	if (*status != 0) {
		WelsDestroySVCEncoder(e->codec);
		free(e);
		return NULL;
	}
	return e;
}

// The header declares ForceIntraFrame for C without its last parameter, which the C++ method
// has; called so, it would read an undefined layer number.
typedef int (*force_intra_frame)(ISVCEncoder *, bool idr, int layer);

int camward_encode(camward_encoder *e, const uint8_t *y, const uint8_t *u, const uint8_t *v, int width, int height,
                   int y_stride, int c_stride, int64_t milliseconds, int force_key, int *key) {
	SSourcePicture pic;
	memset(&pic, 0, sizeof pic);
	pic.iColorFormat = videoFormatI420;
	pic.iStride[0] = y_stride;
	pic.iStride[1] = pic.iStride[2] = c_stride;
	pic.pData[0] = (unsigned char *)y;
	pic.pData[1] = (unsigned char *)u;
	pic.pData[2] = (unsigned char *)v;
	pic.iPicWidth = width;
	pic.iPicHeight = height;
	pic.uiTimeStamp = milliseconds;
	if (force_key)
		((force_intra_frame)(*e->codec)->ForceIntraFrame)(e->codec, true, -1);
	int status = (*e->codec)->EncodeFrame(e->codec, &pic, &e->info);
	if (status != cmResultSuccess) {
		e->info.iLayerNum = 0;
		return -status;
	}
	*key = e->info.eFrameType == videoFrameTypeIDR;
	int size = 0;
	for (int i = 0; i < e->info.iLayerNum; i++)
		for (int n = 0; n < e->info.sLayerInfo[i].iNalCount; n++)
			size += e->info.sLayerInfo[i].pNalLengthInByte[n];
	return size;
}

void camward_packet(const camward_encoder *e, uint8_t *dst) {
	for (int i = 0; i < e->info.iLayerNum; i++) {
		const SLayerBSInfo *l = &e->info.sLayerInfo[i];
		size_t size = 0;
		for (int n = 0; n < l->iNalCount; n++)
			size += (size_t)l->pNalLengthInByte[n];
		memcpy(dst, l->pBsBuf, size);
		dst += size;
	}
}

int camward_set_bitrate(camward_encoder *e, int bitrate) {
	SBitrateInfo b = {SPATIAL_LAYER_ALL, bitrate};
	return (*e->codec)->SetOption(e->codec, ENCODER_OPTION_BITRATE, &b);
}

void camward_encoder_free(camward_encoder *e) {
	(*e->codec)->Uninitialize(e->codec);
	WelsDestroySVCEncoder(e->codec);
	free(e);
}

camward_decoder *camward_decoder_new(long *status) {
	camward_decoder *d = calloc(1, sizeof *d);
	*status = dsOutOfMemory;
	if (d == NULL)
		return NULL;
	*status = WelsCreateDecoder(&d->codec);
	if (*status != 0 || d->codec == NULL) {
		free(d);
		return NULL;
	}
	int quiet = WELS_LOG_QUIET;
	(*d->codec)->SetOption(d->codec, DECODER_OPTION_TRACE_LEVEL, &quiet);
	SDecodingParam p;
	memset(&p, 0, sizeof p);
	p.sVideoProperty.size = sizeof p.sVideoProperty;
	p.sVideoProperty.eVideoBsType = VIDEO_BITSTREAM_AVC;
	p.eEcActiveIdc = ERROR_CON_DISABLE; // a picture patched up from another would look like motion
	*status = (*d->codec)->Initialize(d->codec, &p);
	if (*status != 0) {
		WelsDestroyDecoder(d->codec);
		free(d);
		return NULL;
	}
	return d;
}

int camward_decode(camward_decoder *d, const uint8_t *data, int size, int *ready) {
	SBufferInfo b;
	memset(&b, 0, sizeof b);
	memset(d->plane, 0, sizeof d->plane);
	int status;
	if (data != NULL)
		status = (*d->codec)->DecodeFrameNoDelay(d->codec, data, size, d->plane, &b);
	else
		status = (*d->codec)->FlushFrame(d->codec, d->plane, &b);
	*ready = b.iBufferStatus == 1 && d->plane[0] != NULL && d->plane[1] != NULL && d->plane[2] != NULL;
	d->width = b.UsrData.sSystemBuffer.iWidth;
	d->height = b.UsrData.sSystemBuffer.iHeight;
	d->y_stride = b.UsrData.sSystemBuffer.iStride[0];
	d->c_stride = b.UsrData.sSystemBuffer.iStride[1];
	return status;
}

static void copy_plane(uint8_t *dst, const uint8_t *src, int width, int height, int stride) {
	for (int i = 0; i < height; i++)
		memcpy(dst + (size_t)i * width, src + (size_t)i * stride, (size_t)width);
}

void camward_picture(const camward_decoder *d, uint8_t *y, uint8_t *u, uint8_t *v) {
	int cw = (d->width + 1) / 2, ch = (d->height + 1) / 2;
	copy_plane(y, d->plane[0], d->width, d->height, d->y_stride);
	copy_plane(u, d->plane[1], cw, ch, d->c_stride);
	copy_plane(v, d->plane[2], cw, ch, d->c_stride);
}

void camward_decoder_free(camward_decoder *d) {
	(*d->codec)->Uninitialize(d->codec);
	WelsDestroyDecoder(d->codec);
	free(d);
}
