package cluster

// signal wakes the goroutine that waits for it, which then looks for work. Several
// signals before it wakes count as one.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) tell() {
	select {
	case s <- struct{}{}:
	default:
	}
}
