package web

import (
	"ccomet/comet/internal/pool"
	"ccomet/reactor"
)

// pipelines are the pipelines of a loop's connections, by index. A connection has one only
// while requests of it wait for an answer; the rest are used again.
type pipelines struct {
	*Web
	list  []*pipeline // [0] is no connection's
	idle  []uint32
	ready []uint32 // those that have something to write
}

func (ps *pipelines) at(i uint32) *pipeline { return ps.list[i] }

// open gives a connection a pipeline.
func (ps *pipelines) open(c reactor.Conn) uint32 {
	if len(ps.list) == 0 {
		ps.list = append(ps.list, nil)
	}
	var i uint32
	if n := len(ps.idle); n > 0 {
		i, ps.idle = ps.idle[n-1], ps.idle[:n-1]
	} else {
		ps.list = append(ps.list, &pipeline{})
		i = uint32(len(ps.list) - 1)
	}
	ps.list[i].conn = c
	return i
}

// release takes a pipeline off its connection. It may still be listed as ready.
func (ps *pipelines) release(i uint32) {
	p := ps.list[i]
	*p = pipeline{replies: pool.Emptied(p.replies), listed: p.listed}
	ps.idle = append(ps.idle, i)
}

// markReady lists a pipeline as one that has something to write.
func (ps *pipelines) markReady(i uint32) {
	if p := ps.list[i]; !p.listed {
		p.listed = true
		ps.ready = append(ps.ready, i)
	}
}
