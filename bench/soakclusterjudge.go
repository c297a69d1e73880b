package bench

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// clusterJudge stores the message of every number of every channel, as reported by all nodes. A number
// belongs to one message forever. A message has one number. A client receives all numbers in order, or
// is told which are gone. Any goroutine may use it.
//
// While Redis is down, or a replica replaces it, its last messages may be lost: this is called a harm.
// Messages that were numbered after a harm must not be lost before the next.
type clusterJudge struct {
	mu       sync.Mutex
	channels []judgedChannel
	faults   *faults
	harms    int   // twice the number of past harms, plus one while a harm lasts
	casts    []int // for each acknowledged broadcast that calm has not checked: harms when it was sent
	castText []string

	lastSwitch string // see switched
	clusterCounts
}

// clusterCounts are figures since the start.
type clusterCounts struct {
	published, refused, unknown, repeated int64 // publishes
	delivered, told, again                int64 // messages; told: reported as gone; again: numbered a second time
	failovers                             int   // those that no event of the soak has caused
}

type judgedChannel struct {
	contents map[int32]numberedContent
	numbers  map[string]int32        // the reverse of contents
	claims   map[string]clusterClaim // contents that were sent, and may have been published
	begun    bool                    // a client knows its position
	emptying int                     // number of clears and closes that may still have an effect
	emptied  bool                    // was cleared or closed since the last calm
	closable bool                    // is closed from time to time
	closed   int                     // harms at the first of the present clears and closes
}

// numberedContent is the message with a number.
type numberedContent struct {
	text  string
	harms int // harms when it was sent: whoever reports it may do so late
}

// clusterClaim is a content that was sent.
type clusterClaim struct {
	harms int
	keyed bool // may be sent again
}

func newClusterJudge(channels int, f *faults) *clusterJudge {
	j := &clusterJudge{channels: make([]judgedChannel, channels), faults: f}
	for i := range j.channels {
		j.channels[i] = judgedChannel{contents: map[int32]numberedContent{}, numbers: map[string]int32{}, claims: map[string]clusterClaim{}}
	}
	return j
}

// harmless reports whether there was no harm since that value of harms, so that nothing may be lost.
func (j *clusterJudge) harmless(since int) bool { return since == j.harms && since%2 == 0 }

// never is a value of harms for messages that may be gone at any time.
const never = -1

// emptied records that a channel is about to be cleared or closed (begins is 1), or that this has no
// effect any more (begins is -1). The present messages of the channel may be gone from now on.
func (j *clusterJudge) emptied(channel, begins int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	ch := &j.channels[channel]
	if ch.emptying == 0 {
		ch.closed = j.harms // if Redis is harmed from now on, it may forget the clear or close
	}
	ch.emptying += begins
	ch.emptied = true
	for number, c := range ch.contents {
		c.harms = never
		ch.contents[number] = c
	}
}

// closes records that a client was told that a channel is closed.
func (j *clusterJudge) closes(p *clusterPlace, client string, number int32) {
	j.mu.Lock()
	closable := j.channels[p.channel].closable
	j.mu.Unlock()
	if !closable {
		j.faults.fault("channel %d: %s is told that it is closed", p.channel, client)
	}
	j.lost(p, client, number, false)
	p.next, p.epoch = number+1, ""
}

// harm records that Redis is about to be harmed, healed that the harm is over.
func (j *clusterJudge) harm()   { j.setHarm(1) }
func (j *clusterJudge) healed() { j.setHarm(0) }

// switched reports a line of a Sentinel's log which says that the master was replaced. All Sentinels
// log the same text. If no event of the soak has caused it, it is a harm of its own: the
// Sentinels also replace a master that gets no processor time.
func (j *clusterJudge) switched(text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if text == j.lastSwitch {
		return
	}
	j.lastSwitch = text
	if j.harms%2 == 0 {
		j.harms += 2
		j.failovers++
	}
}

func (j *clusterJudge) setHarm(lasts int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.harms%2 != lasts {
		j.harms++
	}
}

// publishing records that a content is sent to some channels. keyed says that it may be sent again.
func (j *clusterJudge) publishing(content string, keyed bool, channels ...int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, channel := range channels {
		j.channels[channel].claims[content] = clusterClaim{j.harms, keyed}
	}
}

// numbered records a content's number, as reported to a publisher or a client.
func (j *clusterJudge) numbered(channel int, number int32, content, by string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.number(channel, number, content, by)
}

func (j *clusterJudge) number(channel int, number int32, content, by string) {
	ch := &j.channels[channel]
	claim, ok := ch.claims[content]
	if !ok {
		j.faults.damaged("channel %d: %s has number %d, which is what nobody published: %.100q", channel, by, number, content)
		return
	}
	other, known := ch.contents[number]
	switch {
	case !known && ch.emptying > 0:
		ch.contents[number] = numberedContent{content, never}
	case !known:
		ch.contents[number] = numberedContent{content, claim.harms}
	case other.text != content:
		j.faults.doubled("channel %d: number %d was given twice: %.60q and, to %s, %.60q", channel, number, other.text, by, content)
		return
	}
	switch first, known := ch.numbers[content]; {
	case !known:
		ch.numbers[content] = number
	case first == number:
	case claim.keyed && !j.harmless(claim.harms): // Redis may have lost the message
		j.again++
	default:
		j.faults.doubled("channel %d: %.60q has number %d, and for %s number %d", channel, content, first, by, number)
	}
}

// spread records that a broadcast is acknowledged. At the next calm every channel must have it.
func (j *clusterJudge) spread(content string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.castText, j.casts = append(j.castText, content), append(j.casts, j.channels[0].claims[content].harms)
}

// begun waits until in each channel some client knows its position.
func (j *clusterJudge) begun(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, hangTimeout)
	defer cancel()
	for {
		j.mu.Lock()
		all := !slices.ContainsFunc(j.channels, func(ch judgedChannel) bool { return !ch.begun })
		j.mu.Unlock()
		if all {
			return nil
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			j.mu.Lock()
			defer j.mu.Unlock()
			return fmt.Errorf("no client has learned a position in channel %d", slices.IndexFunc(j.channels, func(ch judgedChannel) bool { return !ch.begun }))
		}
	}
}

// calm checks that the broadcasts have arrived in all channels.
func (j *clusterJudge) calm() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for n, text := range j.castText {
		for channel := range j.channels {
			if _, known := j.channels[channel].numbers[text]; !known && !j.channels[channel].emptied && j.harmless(j.casts[n]) {
				j.faults.lost(1, "channel %d: nobody has the broadcast %.60q, which was acknowledged", channel, text)
			}
		}
	}
	j.castText, j.casts = nil, nil
	for channel := range j.channels {
		j.channels[channel].emptied = false
	}
}

// clusterPlace is a client's position in a channel.
type clusterPlace struct {
	channel int
	next    int32 // 0: not known yet
	epoch   string
	at      atomic.Int32 // next, for other goroutines
	left    bool         // the client has left the channel for a moment
}

// message records that a client has received a message.
func (j *clusterJudge) message(p *clusterPlace, client string, number int32, content string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.number(p.channel, number, content, client)
	switch {
	case p.left:
		j.faults.doubled("channel %d: %s has left it, and gets %d", p.channel, client, number)
		return
	case p.next == 0 || number == p.next:
	case number < p.next:
		j.faults.doubled("channel %d: %s wants %d, and gets %d", p.channel, client, p.next, number)
		return
	default:
		j.faults.lost(int64(number-p.next), "channel %d: %s wants %d, and gets %d without a word", p.channel, client, p.next, number)
	}
	j.delivered++
	p.next = number + 1
}

// lost records that a client was told that the messages before number are gone. anew says that the
// channel has another epoch: Redis may then have gone back to an earlier state of a closed channel.
func (j *clusterJudge) lost(p *clusterPlace, client string, number int32, anew bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if ch := &j.channels[p.channel]; number < p.next && anew && ch.closable && !j.harmless(ch.closed) {
		p.next = number
		return
	}
	if number < p.next {
		j.faults.disordered("channel %d: %s wants %d, and is told that all up to %d is gone", p.channel, client, p.next, number)
		p.next = number
		return
	}
	kept := int64(0)
	for n, ch := p.next, &j.channels[p.channel]; p.next != 0 && n < number && n-p.next < 1<<20; n++ {
		c, known := ch.contents[n]
		if known {
			j.told++
		}
		if known && j.harmless(c.harms) {
			kept++
		}
	}
	if kept > 0 {
		j.faults.lost(kept, "channel %d: %s is told that %d to %d are gone, and Redis has not been ended since %d of them were numbered", p.channel, client, p.next, number-1, kept)
	}
	p.next = number
}

// moved records that a client was told the next number.
func (j *clusterJudge) moved(p *clusterPlace, client string, number int32) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.channels[p.channel].begun = true
	if p.next != 0 && number != p.next {
		j.faults.lost(1, "channel %d: %s wants %d, and is told that %d is next", p.channel, client, p.next, number)
	}
	p.next = number
}

// line returns the figures in one line.
func (j *clusterJudge) line() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return fmt.Sprintf("%10d %8d %8d %8d %10d %8d %6d", j.published, j.refused, j.unknown, j.repeated, j.delivered, j.told, j.again)
}

const clusterLine = " published  refused  unknown  repeats  delivered     told  again"

// count increments a figure.
func (j *clusterJudge) count(figure *int64) {
	j.mu.Lock()
	*figure++
	j.mu.Unlock()
}
