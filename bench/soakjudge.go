package bench

import (
	"hash/maphash"

	"ccomet/comet"
)

// judge stores what is known of each channel: the content of every number, the numbers that a
// crash has skipped, and the numbers that must still be kept. It compares this with what
// clients receive and what publishers are answered.
//
//  1. publishing: a content is sent, and may be delivered under any number.
//  2. delivered or acknowledged, whichever is first: its number is known from now on.
//  3. refused: the content must never be delivered. Without an answer it may be, once.
//  4. restarted: numbers continue where they were. After a crash there is a gap, and messages
//     published since the start of the state file may be gone.
//  5. calm: all clients have all messages. Each number must belong to a message.
//
// Only one goroutine may use it.
type judge struct {
	channels []soakChannel
	seed     maphash.Seed
	keeps    int  // most messages that a channel keeps
	bytes    int  // and their bytes
	sheds    bool // the present server may keep less
	faults   *faults
}

// soakChannel is the state of a channel.
type soakChannel struct {
	name    string
	entries map[int32]soakEntry
	top     int32          // the highest number that is known to be given
	safe    int32          // lower numbers may have been shed or cleared
	clears  int            // unanswered requests to clear the channel
	dead    []span         // numbers that crashes have skipped, or taken back
	claims  map[uint64]int // by key: contents whose number is unknown
	open    int            // sum of claims
	due     map[uint64]int // claims of acknowledged broadcasts: they must be delivered
	judged  int32          // numbers up to here were judged by calm
}

// soakEntry is the message with a number.
type soakEntry struct {
	key   uint64
	acked int64 // time of acknowledgement, in nanoseconds of Unix time; 0: only delivered so far
	size  int
}

// span is the range of numbers [from, to).
type span struct{ from, to int32 }

func newJudge(names []string, keeps, bytes int, faults *faults) *judge {
	j := &judge{seed: maphash.MakeSeed(), keeps: keeps, bytes: bytes, faults: faults}
	for _, name := range names {
		j.channels = append(j.channels, soakChannel{
			name: name, entries: map[int32]soakEntry{}, claims: map[uint64]int{}, due: map[uint64]int{}, safe: 1,
		})
	}
	return j
}

// key identifies a content, and distinguishes broadcasts from other messages.
func (j *judge) key(content []byte, broadcast bool) uint64 {
	key := maphash.Bytes(j.seed, content) &^ 1
	if broadcast {
		key |= 1
	}
	return key
}

// publishing records that a content is about to be published.
func (j *judge) publishing(channel uint32, key uint64) {
	ch := &j.channels[channel]
	ch.claims[key]++
	ch.open++
}

// claim removes one content from those whose number is unknown. It returns false if there is
// none.
func (ch *soakChannel) claim(key uint64) bool {
	n := ch.claims[key]
	if n == 0 {
		return false
	}
	if n == 1 {
		delete(ch.claims, key)
	} else {
		ch.claims[key] = n - 1
	}
	ch.open--
	if n = ch.due[key]; n > 0 {
		ch.due[key] = n - 1
	}
	return true
}

// acknowledged records the number in the answer to a publish. after is a number that had been
// given before the request.
func (j *judge) acknowledged(channel uint32, key uint64, number, after int32, size int, now int64) {
	ch := &j.channels[channel]
	if number-after <= 0 {
		j.faults.doubled("%s: a publish got number %d, when %d had been given before", ch.name, number, after)
	}
	if ch.isDead(number) {
		j.faults.doubled("%s: a publish got number %d, which a crash had left out", ch.name, number)
	}
	e, known := ch.entries[number]
	switch {
	case known && e.acked != 0:
		j.faults.doubled("%s: two publishes got number %d", ch.name, number)
		return
	case known && e.key != key:
		j.faults.damaged("%s: number %d was delivered with another content than was published", ch.name, number)
		return
	case !known && !ch.claim(key):
		j.faults.doubled("%s: what is acknowledged as number %d was delivered under another", ch.name, number)
	}
	ch.entries[number] = soakEntry{key, now, size}
	ch.top = later(ch.top, number)
}

// refused records that the server has refused a publish.
func (j *judge) refused(channel uint32, key uint64) {
	if ch := &j.channels[channel]; !ch.claim(key) {
		j.faults.damaged("%s: a publish was refused, and delivered", ch.name)
	}
}

// spread records that a broadcast is acknowledged for all channels.
func (j *judge) spread(key uint64) {
	for i := range j.channels {
		if ch := &j.channels[i]; ch.claims[key] > 0 { // otherwise it was delivered already
			ch.due[key]++
		}
	}
}

// delivered records that a subscriber has received a message.
func (j *judge) delivered(channel uint32, number int32, key uint64, size int) {
	ch := &j.channels[channel]
	e, known := ch.entries[number]
	switch {
	case known && e.key == key:
		return
	case known:
		j.faults.damaged("%s: number %d has two contents", ch.name, number)
	case ch.isDead(number):
		j.faults.doubled("%s: number %d is delivered, which a crash has left out", ch.name, number)
	case !ch.claim(key):
		j.faults.damaged("%s: number %d is what nobody published, or has been delivered under another number", ch.name, number)
	}
	if !known {
		ch.entries[number] = soakEntry{key: key, size: size}
		ch.top = later(ch.top, number)
	}
}

// highest returns an upper bound of the numbers that may have been given.
func (ch *soakChannel) highest() int32 { return ch.top + int32(ch.open) }

// mayLose reports whether the numbers [from, to) may be gone: a crash took them, or they are
// older than what must be kept.
func (j *judge) mayLose(channel uint32, from, to int32) bool {
	ch := &j.channels[channel]
	if to-1-ch.highest() > 0 {
		return false
	}
	last := to - 1
	for i := len(ch.dead) - 1; i >= 0; i-- {
		if d := ch.dead[i]; last-d.from >= 0 && last-d.to < 0 {
			last = d.from - 1
		}
	}
	return last-from < 0 || !j.mustKeep(ch, last)
}

// mustKeep reports whether a number must still be available to clients.
func (j *judge) mustKeep(ch *soakChannel, number int32) bool {
	if j.sheds || ch.clears > 0 || number-ch.safe < 0 || ch.alive(number+1, ch.highest()+1) >= j.keeps {
		return false
	}
	const frame = 300 // overhead of a message, with a long name
	size := ch.open * (maxSoakMessage*6 + frame)
	for n := number; n-ch.top <= 0; n++ {
		if d, ok := ch.deadAt(n); ok {
			n = d.to - 1
			continue
		}
		size += ch.entries[n].size*6 + frame // upper bound: each byte may be escaped
	}
	return size <= j.bytes
}

// alive returns how many of the numbers [from, to) no crash has taken.
func (ch *soakChannel) alive(from, to int32) int {
	n := int(to - from)
	for _, d := range ch.dead {
		n -= max(0, int(earlier(d.to, to)-later(d.from, from)))
	}
	return n
}

func (ch *soakChannel) deadAt(number int32) (span, bool) {
	for _, d := range ch.dead {
		if number-d.from >= 0 && number-d.to < 0 {
			return d, true
		}
	}
	return span{}, false
}

func (ch *soakChannel) isDead(number int32) bool {
	_, dead := ch.deadAt(number)
	return dead
}

// clearing records that a channel is asked to be cleared; cleared, that it was cleared, or that
// the request failed and may or may not be executed.
func (j *judge) clearing(channel uint32) { j.channels[channel].clears++ }

func (j *judge) cleared(channel uint32) {
	ch := &j.channels[channel]
	ch.clears--
	ch.safe = later(ch.safe, ch.highest()+1)
}

// restarted records that the server was started again and continues with the numbers next. If
// the last server was killed, written is the time when its state file was begun; otherwise it
// is 0. sheds is that of the new server.
func (j *judge) restarted(next []int32, written int64, sheds bool) {
	for i := range j.channels {
		ch := &j.channels[i]
		n := next[i]
		switch {
		case n-ch.top <= 0:
			j.faults.lost(int64(ch.top-n+1), "%s: number %d had been given, and the server, started again, goes on with %d", ch.name, ch.top, n)
		case written != 0:
			j.crashed(ch, n, written)
		case n-ch.highest() > 1:
			j.faults.lost(int64(n-ch.highest()-1), "%s: number %d is the last that can have been given, and the server, started again, goes on with %d", ch.name, ch.highest(), n)
		}
		ch.top = n - 1
		if sheds || j.sheds {
			ch.safe = later(ch.safe, n)
		}
	}
	j.sheds = sheds
}

// crashed determines what a crash has taken. The state file must contain what was acknowledged
// before the file was begun; the gap shows where the file ends.
func (j *judge) crashed(ch *soakChannel, next int32, written int64) {
	end := next - comet.StateGap // the first number that is not in the file
	if end-ch.highest() > 1 {
		j.faults.lost(int64(end-ch.highest()-1), "%s: after a crash it goes on with %d, and had not given %d", ch.name, next, end-1)
	}
	for number, e := range ch.entries {
		if number-end < 0 {
			continue
		}
		if e.acked != 0 && e.acked <= written {
			j.faults.lost(1, "%s: number %d was acknowledged before the state was written, and is gone after a crash", ch.name, number)
		}
		delete(ch.entries, number)
	}
	d := span{end, next}
	for n := len(ch.dead); n > 0 && d.from-ch.dead[n-1].to < 0; n-- { // two crashes with the same file
		d.from = earlier(d.from, ch.dead[n-1].from)
		ch.dead = ch.dead[:n-1]
	}
	ch.dead = append(ch.dead, d)
	clear(ch.due)
}

// calm judges all channels. All publishes are answered or given up, all subscribers have all
// messages, and next are the channels' next numbers.
func (j *judge) calm(next []int32) {
	for i := range j.channels {
		ch := &j.channels[i]
		n := next[i]
		if n-ch.top <= 0 {
			j.faults.lost(int64(ch.top-n+1), "%s: it goes on with number %d, when %d has been given", ch.name, n, ch.top)
		}
		// No client has seen what a crash or a full history has taken, but it must have been
		// published.
		unseen := 0
		for number := ch.judged + 1; number-n < 0; number++ {
			if d, dead := ch.deadAt(number); dead {
				number = d.to - 1
			} else if _, known := ch.entries[number]; !known {
				unseen++
			}
		}
		due := 0
		for _, n := range ch.due {
			due += n
		}
		if unseen > ch.open {
			j.faults.lost(int64(unseen-ch.open), "%s: %d numbers were given to nothing that was published", ch.name, unseen-ch.open)
		}
		if due > unseen {
			j.faults.lost(int64(due-unseen), "%s: %d broadcasts were acknowledged, and have no number", ch.name, due-unseen)
		}
		ch.top, ch.judged, ch.open = n-1, n-1, 0
		clear(ch.claims)
		clear(ch.due)
		for number := range ch.entries {
			if ch.alive(number, n) > 2*j.keeps {
				delete(ch.entries, number)
			}
		}
	}
}

// kept returns the most bytes of messages that channels may keep.
func (j *judge) kept() (sum int64) {
	for i := range j.channels {
		size := 0
		for number, e := range j.channels[i].entries {
			if j.channels[i].alive(number+1, j.channels[i].top+1) < j.keeps {
				size += e.size
			}
		}
		sum += int64(min(size, j.bytes))
	}
	return sum
}

// later and earlier compare numbers, which may wrap around.
func later(a, b int32) int32 {
	if a-b > 0 {
		return a
	}
	return b
}

func earlier(a, b int32) int32 {
	if a-b < 0 {
		return a
	}
	return b
}
