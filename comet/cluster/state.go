package cluster

import (
	"encoding/json"
	"fmt"
)

// state is where the readers are, for the program that goes on.
type state struct {
	Partitions []partitionState
	Control    string // the id of the last entry of ctl
	Process    string
	Secret     []byte
}

type partitionState struct {
	Gen, Off, Top, B, Events uint32
	Total, Seen, Since       uint64
	Seed, Read               string
}

// Suspend has the readers stop, and returns where they are: what comes by itself is posted no
// more. Proposals are answered as before.
func (l *Log) Suspend() []byte {
	l.paused.Store(true)
	for _, r := range l.readers {
		r.resting.Lock() // which it holds while it tells the loops
		defer r.resting.Unlock()
	}
	s := state{Control: l.nodes.read, Process: l.nodes.process, Secret: l.secret}
	for _, p := range l.partitions {
		p.mu.Lock()
		at := &p.at
		s.Partitions = append(s.Partitions, partitionState{at.gen, at.off, at.top, at.b, at.events, at.total, at.seen, at.since, at.seed, p.read})
		p.mu.Unlock()
	}
	text, _ := json.Marshal(s) // which has nothing that JSON has not
	return text
}

// Resume has the readers go on.
func (l *Log) Resume() {
	if l.paused.Swap(false) {
		for _, r := range l.readers {
			r.changed.tell()
		}
	}
}

// secretOf is the secret of the program that this one goes on for; nil: there is none.
func secretOf(text []byte) ([]byte, error) {
	if text == nil {
		return nil, nil
	}
	s, err := parseState(text)
	return s.Secret, err
}

func parseState(text []byte) (s state, err error) {
	if err := json.Unmarshal(text, &s); err != nil {
		return s, &fatalError{fmt.Errorf("redis: what was handed over: %w", err)}
	}
	return s, nil
}

// restore goes on where another program's readers were.
func (l *Log) restore(text []byte) error {
	s, err := parseState(text)
	if err != nil {
		return err
	}
	if len(s.Partitions) != len(l.partitions) {
		return &fatalError{fmt.Errorf("redis: %d partitions were handed over, and there are %d", len(s.Partitions), len(l.partitions))}
	}
	for n, p := range l.partitions {
		from := &s.Partitions[n]
		p.mu.Lock()
		p.at = place{gen: from.Gen, off: from.Off, top: from.Top, b: from.B, events: from.Events, total: from.Total, seen: from.Seen, since: from.Since, seed: from.Seed}
		p.read = from.Read
		p.mu.Unlock()
	}
	if s.Control != "" {
		l.nodes.read, l.nodes.process = s.Control, s.Process
	}
	return nil
}
