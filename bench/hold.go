package bench

import (
	"fmt"
	"io"
	"time"
)

// Paths of subscribers and publishers: on one channel, and each on its own
// channel with a name of 16 bytes.
const (
	sharedPath  = "/stream?cname=bench"
	ownPath     = "/stream?cname=%016d"
	publishPath = "/push?cname=%016d&content=" + Content
)

// Hold measures what an idle subscriber costs in resident memory: the slope of
// a line through the resident sets at 2,000 to 18,000 connections.
func Hold(out io.Writer, server []string) error {
	for _, mode := range []struct{ name, path string }{{"one channel", sharedPath}, {"own channels", ownPath}} {
		if err := hold(out, server, mode.name, mode.path); err != nil {
			return err
		}
	}
	return nil
}

func hold(out io.Writer, server []string, name, path string) error {
	const step, steps = 2000, 9
	s, err := StartServer(server)
	if err != nil {
		return err
	}
	defer s.Close()
	c, err := StartChild("client", s.Front, path)
	if err != nil {
		return err
	}
	defer c.Close()
	empty, err := s.Resident()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "hold, %s: %8d streams  %10d bytes resident\n", name, 0, empty)
	var xs, ys []float64
	for n := step; n <= step*steps; n += step {
		if _, err := c.Ask("open", "open %d", step); err != nil {
			return err
		}
		rss, err := s.Resident()
		if err != nil {
			return err
		}
		xs, ys = append(xs, float64(n)), append(ys, float64(rss))
		fmt.Fprintf(out, "hold, %s: %8d streams  %10d bytes resident\n", name, n, rss)
	}
	fmt.Fprintf(out, "hold, %s: %.1f bytes an idle stream (slope from %d to %d)\n", name, slope(xs, ys), step, step*steps)
	return nil
}

// slope is that of the least-squares line.
func slope(xs, ys []float64) float64 {
	var n, sx, sy, sxx, sxy float64
	for i, x := range xs {
		n++
		sx, sy = sx+x, sy+ys[i]
		sxx, sxy = sxx+x*x, sxy+x*ys[i]
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}

// Idle measures what 18,000 idle streams cost in processor time over 60 s with
// heartbeats of 30 s, and then what a bare program takes for as many writes
// spread in the same way.
func Idle(out io.Writer, server []string) error {
	const streams, seconds = 18000, 60
	used, beats, err := idle(server, streams, seconds*time.Second)
	if err != nil {
		return err
	}
	b, c, err := startBare(streams, sharedPath)
	if err != nil {
		return err
	}
	defer b.Close()
	defer c.Close()
	before, err := b.CPU()
	if err != nil {
		return err
	}
	if _, err = b.Ask("beat", "beat %d", seconds/2); err != nil {
		return err
	}
	after, err := b.CPU()
	if err != nil {
		return err
	}
	bare := after.Sub(before)
	each, bareEach := micros(used.All, beats), micros(bare.All, streams)
	fmt.Fprintf(out, "idle: %d streams, %d s: %v of processor time, %d heartbeats: %.1f µs each, a bare program's writes %.1f: ratio %.2f\n",
		streams, seconds, used.All.Round(time.Millisecond), beats, each, bareEach, each/bareEach)
	return nil
}

// idle holds streams for a time, and returns what that took and the writes made.
func idle(server []string, streams int, length time.Duration) (used CPU, beats int, err error) {
	s, err := StartServer(server, "--polling-timeout", "30")
	if err != nil {
		return used, 0, err
	}
	defer s.Close()
	c, err := StartChild("client", s.Front, sharedPath)
	if err != nil {
		return used, 0, err
	}
	defer c.Close()
	if _, err = c.Ask("open", "open %d", streams); err != nil {
		return used, 0, err
	}
	before, err := s.CPU()
	if err != nil {
		return used, 0, err
	}
	writes := s.Writes()
	time.Sleep(length)
	after, err := s.CPU()
	return after.Sub(before), int(s.Writes() - writes), err
}

func micros(d time.Duration, n int) float64 { return float64(d) / 1e3 / float64(max(n, 1)) }
