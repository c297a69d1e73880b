package bench

import (
	"fmt"
	"sync"
)

// clusterJudge knows what every number of every channel stands for, whichever node tells of it.
// A number is one message's, for ever; a message has one number; a client has all numbers in
// order, or is told which it does not have. Any goroutine may ask it.
type clusterJudge struct {
	mu       sync.Mutex
	channels []judgedChannel
	faults   *faults

	published, refused, unknown, delivered, told int64 // messages; of told, those that are known to have been there
	harmed                                       bool  // since the last calm Redis has been ended, which may cost its last messages
}

type judgedChannel struct {
	contents map[int32]string // what numbers stand for
	numbers  map[string]int32 // and the other way round
	claims   map[string]bool  // what was published, or may have been
}

func newClusterJudge(channels int, f *faults) *clusterJudge {
	j := &clusterJudge{channels: make([]judgedChannel, channels), faults: f}
	for i := range j.channels {
		j.channels[i] = judgedChannel{map[int32]string{}, map[string]int32{}, map[string]bool{}}
	}
	return j
}

// publishing: a content is on its way.
func (j *clusterJudge) publishing(channel int, content string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.channels[channel].claims[content] = true
}

// numbered: a content has a number, as somebody was told who has published or received it.
func (j *clusterJudge) numbered(channel int, number int32, content, by string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	ch := &j.channels[channel]
	if !ch.claims[content] {
		j.faults.damaged("channel %d: %s has number %d, which is what nobody published: %.100q", channel, by, number, content)
		return
	}
	if other, known := ch.contents[number]; known && other != content {
		j.faults.doubled("channel %d: number %d was given twice: %.60q and, to %s, %.60q", channel, number, other, by, content)
	}
	if other, known := ch.numbers[content]; known && other != number {
		j.faults.doubled("channel %d: %.60q has number %d, and for %s number %d", channel, content, other, by, number)
	}
	ch.contents[number], ch.numbers[content] = content, number
}

// place is where a client is in its channel.
type clusterPlace struct {
	channel int
	next    int32 // 0: not known yet
	epoch   string
	name    string // of the client, for people
}

// message: a client has received one.
func (j *clusterJudge) message(p *clusterPlace, number int32, content string) {
	j.numbered(p.channel, number, content, p.name)
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case p.next == 0 || number == p.next:
	case number < p.next:
		j.faults.doubled("channel %d: %s wants %d, and gets %d", p.channel, p.name, p.next, number)
		return
	default:
		j.faults.lost(int64(number-p.next), "channel %d: %s wants %d, and gets %d without a word", p.channel, p.name, p.next, number)
	}
	j.delivered++
	p.next = number + 1
}

// lost: a client is told that the messages before number are gone.
func (j *clusterJudge) lost(p *clusterPlace, number int32) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if number < p.next {
		j.faults.disordered("channel %d: %s wants %d, and is told that all up to %d is gone", p.channel, p.name, p.next, number)
		return
	}
	gone := int64(0)
	for n, ch := p.next, &j.channels[p.channel]; p.next != 0 && n < number && n-p.next < 1<<20; n++ {
		if _, known := ch.contents[n]; known {
			gone++
		}
	}
	j.told += gone
	if gone > 0 && !j.harmed {
		j.faults.lost(gone, "channel %d: %s is told that %d to %d are gone, and Redis has not been ended", p.channel, p.name, p.next, number-1)
	}
	p.next = number
}

// line sums up.
func (j *clusterJudge) line() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return fmt.Sprintf("%10d %8d %8d %10d %8d", j.published, j.refused, j.unknown, j.delivered, j.told)
}

// count adds to a figure.
func (j *clusterJudge) count(figure *int64) {
	j.mu.Lock()
	*figure++
	j.mu.Unlock()
}

func (j *clusterJudge) setHarmed(harmed bool) {
	j.mu.Lock()
	j.harmed = harmed
	j.mu.Unlock()
}
