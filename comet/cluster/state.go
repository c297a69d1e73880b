package cluster

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// state is the position of the readers, for a hand-over.
type state struct {
	Redis      string // Config.redisID; "" if an earlier version wrote it
	Cluster    bool   // Redis is a Redis Cluster
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

// Suspend stops the readers, and returns where they are. Nothing is posted any more
// except answers to proposals.
func (l *Log) Suspend() []byte {
	l.paused.Store(true)
	for _, r := range l.readers {
		r.resting.Lock() // the reader holds it while it tells the loops
		defer r.resting.Unlock()
	}
	s := state{Redis: l.cfg.redisID(), Cluster: l.cluster, Control: l.nodes.read, Process: l.nodes.process, Secret: l.secret}
	for _, p := range l.partitions {
		p.mu.Lock()
		at := &p.at
		s.Partitions = append(s.Partitions, partitionState{at.gen, at.off, at.top, at.b, at.events, at.total, at.seen, at.since, at.seed, p.read})
		p.mu.Unlock()
	}
	text, _ := json.Marshal(s) // the struct has only fields that JSON can hold
	return text
}

// Resume lets the readers continue.
func (l *Log) Resume() {
	if l.paused.Swap(false) {
		for _, r := range l.readers {
			r.wake()
		}
	}
}

// redisID identifies a Redis and the way to it: a hash of the URL, the password and the prefix.
func (cfg *Config) redisID() string {
	text, _ := json.Marshal([]any{cfg.Redis, cfg.Prefix}) // JSON can hold all of it
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// parseState parses the result of Suspend; nil gives the zero state.
func parseState(text []byte) (s state, err error) {
	if text == nil {
		return s, nil
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, &fatalError{fmt.Errorf("redis: the hand-over cannot be read: %w", err)}
	}
	return s, nil
}

// restore continues from the position of another program's readers.
func (l *Log) restore(s *state) error {
	if l.partitions == nil && (l.cfg.Partitions == 0 || l.cfg.Partitions == len(s.Partitions)) {
		l.cluster = s.Cluster
		l.makePartitions(len(s.Partitions))
	}
	if len(s.Partitions) != len(l.partitions) {
		return &fatalError{fmt.Errorf("redis: the running server has %d partitions, and redis-partitions is %d: restart the server to change it", len(s.Partitions), cmp.Or(len(l.partitions), l.cfg.Partitions))}
	}
	for n, p := range l.partitions {
		from := &s.Partitions[n]
		p.mu.Lock()
		p.at = place{gen: from.Gen, off: from.Off, top: from.Top, b: from.B, events: from.Events, total: from.Total, seen: from.Seen, since: from.Since, seed: from.Seed}
		p.read, p.restored = from.Read, true
		p.mu.Unlock()
	}
	if s.Control != "" {
		l.nodes.read, l.nodes.process = s.Control, s.Process
	}
	return nil
}
