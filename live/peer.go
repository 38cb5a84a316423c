package live

import (
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/cc"
	"github.com/pion/interceptor/pkg/gcc"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/webrtc/v4"
)

// Profiles that are answered, by preference: constrained baseline, which is what the encoder makes, and baseline, for
// viewers that do not know the difference (RFC 6184 8.1).
const (
	baseline      = "42e01f"
	plainBaseline = "42001f"
)

// playoutDelayURI is the header extension by which a sender bounds the viewer's jitter buffer
// (webrtc.org/experiments/rtp-hdrext/playout-delay). Chromium follows it.
const playoutDelayURI = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"

// nackPackets are kept for retransmission: some seconds of a usual stream, and 0.6 MB at most.
const nackPackets = 512

func h264Codec(profile string) webrtc.RTPCodecCapability {
	return webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeH264, ClockRate: 90000,
		SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=" + profile,
		RTCPFeedback: []webrtc.RTCPFeedback{
			{Type: "goog-remb"}, {Type: "transport-cc"}, {Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"},
		},
	}
}

// There is no stream of its own for packets that are sent again (RTX, RFC 4588): viewers made with pion
// go on asking for what they got that way and drop it as a replay, which the estimator takes for loss without end.

// A bandwidth is the estimator of one peer connection.
type bandwidth struct{ estimator cc.BandwidthEstimator }

func (b *bandwidth) target() int { return b.estimator.GetTargetBitrate() }

// newAPI prepares one peer connection, whose estimator begins with start bits per second and ends up in b.
func newAPI(n *network, cfg Config, start int, b *bandwidth) (*webrtc.API, error) {
	media := &webrtc.MediaEngine{}
	for i, profile := range []string{baseline, plainBaseline} {
		p := webrtc.RTPCodecParameters{RTPCodecCapability: h264Codec(profile), PayloadType: webrtc.PayloadType(102 + i)}
		if err := media.RegisterCodec(p, webrtc.RTPCodecTypeVideo); err != nil {
			return nil, err
		}
	}
	if err := media.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: playoutDelayURI}, webrtc.RTPCodecTypeVideo); err != nil {
		return nil, err
	}
	registry := &interceptor.Registry{}
	if err := addInterceptors(media, registry, n, cfg, start, b); err != nil {
		return nil, err
	}
	return webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(n.settings)), nil
}

// addInterceptors registers what stands between the track and the wire. A packet passes the last one first, so the estimator,
// which must see the transport-wide number, comes before what adds that.
func addInterceptors(media *webrtc.MediaEngine, registry *interceptor.Registry, n *network, cfg Config, start int, b *bandwidth) error {
	congestion, err := cc.NewInterceptor(func() (cc.BandwidthEstimator, error) {
		// Without a pacer: a picture is a few dozen packets, and spreading them would cost the latency that this is all about.
		return gcc.NewSendSideBWE(gcc.SendSideBWEInitialBitrate(start), gcc.SendSideBWEMinBitrate(cfg.MinBitrate),
			gcc.SendSideBWEMaxBitrate(highest), gcc.SendSideBWEPacer(gcc.NewNoOpPacer()), gcc.WithLoggerFactory(n.logs))
	})
	if err != nil {
		return err
	}
	congestion.OnNewPeerConnection(func(_ string, e cc.BandwidthEstimator) { b.estimator = e })
	registry.Add(congestion)
	if err := webrtc.ConfigureTWCCHeaderExtensionSender(media, registry); err != nil {
		return err
	}
	responder, err := nack.NewResponderInterceptor(nack.ResponderSize(nackPackets), nack.WithResponderLoggerFactory(n.logs))
	if err != nil {
		return err
	}
	registry.Add(responder)
	reports, err := report.NewSenderInterceptor(report.WithSenderLoggerFactory(n.logs))
	if err != nil {
		return err
	}
	registry.Add(reports)
	return nil
}
