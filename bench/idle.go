package bench

import (
	"context"
	"fmt"
	"time"
)

// Idle measures the processor time of idle connections, which is that of their heartbeats.
// It compares it with the bare program's for as many writes, spread in the same way.
func (o *Options) Idle(ctx context.Context, length time.Duration) error {
	o.Own = false
	r, err := o.start(ctx)
	if err != nil {
		return err
	}
	defer r.close()
	s := r.swarm(0, false)
	if err = s.open(ctx, o.Connections, 1); err != nil {
		return err
	}
	before, err := r.server.CPU()
	if err != nil {
		return err
	}
	writes := r.server.Writes()
	if err = sleep(ctx, length); err != nil {
		return err
	}
	after, err := r.server.CPU()
	if err != nil {
		return err
	}
	used, beats := after.Sub(before).All, int(r.server.Writes()-writes)
	if beats < o.Connections {
		return fmt.Errorf("only %d heartbeats of %d connections in %v", beats, o.Connections, length)
	}

	b, err := r.bare(false, false, false)
	if err != nil {
		return err
	}
	if err = b.subscribe(o.Connections); err != nil {
		return err
	}
	if before, err = b.process.CPU(); err != nil {
		return err
	}
	if _, err = b.bare.ask(ctx, "beat", "beat %d", int(length.Seconds()/2)); err != nil {
		return err
	}
	if after, err = b.process.CPU(); err != nil {
		return err
	}
	each, bare := micros(used, beats), micros(after.Sub(before).All, o.Connections)
	r.print("idle: %d %s subscribers, %v: %v of processor time, %d heartbeats: %.1f µs each, a bare program's writes (in %s) %.1f: ratio %.2f",
		o.Connections, r.transportName(), length, used.Round(time.Millisecond), beats, each, r.bareLanguage, bare, each/bare)
	return nil
}
