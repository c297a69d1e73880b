package web

import (
	"fmt"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/op"
	"ccomet/httplite/websocket"
	"ccomet/reactor"
)

// Sockets is the unfinished work on WebSockets as plain data. WebSockets without any are in the
// records of the hub.
type Sockets struct {
	List        []Socket
	Clients     []uint64          // hashes of the addresses of clients that publish, by connection
	Ops, Failed map[string]uint64 // by name of the operation (op.Names)
	Closed      []Closed
}

// Closed counts closed connections.
type Closed struct {
	By    string // one of CloserNames
	Code  websocket.Code
	Count uint64
}

// Socket is the unfinished work of one WebSocket.
type Socket struct {
	Conn            reactor.Conn
	Parser, Payload []byte // of a message that has not completely arrived
	Began           reactor.Tick
	Ops             []SocketOp // all done
	First           uint32
	Held            []byte
	Out             []byte // rendered answers that are not written yet
	Waiting, Ended  bool
	Arriving, Whole bool // Whole: the parser has consumed no part of an incomplete message
}

// SocketOp is a completed operation whose answer waits until the client reads.
type SocketOp struct {
	Kind   op.Kind
	Closes bool
	Code   mail.Code
	ID     []byte
	Seq    int32
	Text   string
}

// quiet reports whether every operation is done.
func (k *sockets) quiet() bool {
	for _, s := range k.of {
		for i := range s.ops {
			if !s.ops[i].done {
				return false
			}
		}
	}
	return true
}

// state returns the state for resume.
func (k *sockets) state() Sockets {
	st := Sockets{Clients: k.clients.State(), Ops: map[string]uint64{}, Failed: map[string]uint64{}}
	for c, s := range k.of {
		one := Socket{
			Conn: c, Began: s.began, First: s.first, Held: s.held, Out: s.out, Waiting: s.waiting, Ended: s.ended, Arriving: s.arriving, Whole: s.partial.Idle(),
		}
		if !one.Whole {
			one.Parser, _ = s.partial.Parser.AppendBinary(nil) // a failed parser has closed its connection, so this cannot fail
			one.Payload = s.partial.Payload
		}
		for i := range s.ops {
			p := &s.ops[i]
			one.Ops = append(one.Ops, SocketOp{p.kind, p.closes, p.code, p.id[:p.idLen], p.seq, p.text})
		}
		st.List = append(st.List, one)
	}
	for kind, name := range op.Names {
		st.Ops[name], st.Failed[name] = k.counts.Ops[kind], k.counts.Failed[kind]
	}
	for by, name := range CloserNames {
		for i, n := range k.counts.Closed[by] {
			st.Closed = append(st.Closed, Closed{name, closeCodes[i], n})
		}
	}
	return st
}

// resume restores the WebSockets of another program.
func (k *sockets) resume(st *Sockets) error {
	k.clients.Resume(st.Clients)
	k.addCounts(st)
	for i := range st.List {
		if _, err := k.resumeOne(st.List[i].Conn, &st.List[i]); err != nil {
			return err
		}
	}
	return nil
}

// addCounts adds the counters of another program.
func (k *sockets) addCounts(st *Sockets) {
	for kind, name := range op.Names {
		k.counts.Ops[kind] += st.Ops[name]
		k.counts.Failed[kind] += st.Failed[name]
	}
	for _, n := range st.Closed {
		for by, name := range CloserNames {
			if name == n.By {
				k.counts.Closed[by][closeCode(n.Code)] += n.Count
			}
		}
	}
}

// resumeOne restores one WebSocket.
func (k *sockets) resumeOne(c reactor.Conn, one *Socket) (*socket, error) {
	s := k.open(c)
	if !one.Whole {
		if err := s.partial.Parser.UnmarshalBinary(one.Parser); err != nil {
			return nil, fmt.Errorf("an incomplete message: %w", err)
		}
		s.partial.Payload = one.Payload
	}
	s.began, s.first, s.held, s.waiting, s.ended, s.arriving = one.Began, one.First, one.Held, one.Waiting, one.Ended, one.Arriving
	for _, o := range one.Ops {
		if len(o.ID) > op.MaxID {
			return nil, errWebState
		}
		p := pendingOp{kind: o.Kind, done: true, closes: o.Closes, code: o.Code, seq: o.Seq, text: o.Text, idLen: uint8(len(o.ID))}
		copy(p.id[:], o.ID)
		s.ops = append(s.ops, p)
	}
	s.out = one.Out
	k.count(s)
	k.markReady(s)
	return s, nil
}
