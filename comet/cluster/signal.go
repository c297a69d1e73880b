package cluster

// signal wakes the goroutine that waits for it, which then looks what there is: told many times
// before that, it is told once.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) tell() {
	select {
	case s <- struct{}{}:
	default:
	}
}
