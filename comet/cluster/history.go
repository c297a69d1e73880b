package cluster

import (
	"strconv"
	"strings"

	"ccomet/comet/internal/msg"
)

// Redis keeps the history of a channel as a list of three elements for each message:
// life<<32 | n; the b and off at that time ("b:off"); the content. If the history was
// cleared or the channel closed, the second element ends in ":x" (a mark). The broadcasts
// are a list for all channels: index, off, content. Their place between the messages
// follows from b.

// storedMessage is one message of a list.
type storedMessage struct {
	n, b, off uint32
	mark      bool // the history begins after it
	content   string
}

func (k *storedMessage) number() int32 { return int32(k.n + k.b + k.off) }

// parseHistory reads a channel's list. It skips what is malformed, and everything before
// the last mark. floor is the mark, if the list begins or ends with one.
func parseHistory(list []string) (messages []storedMessage, floor *storedMessage) {
	for ; len(list) >= 3; list = list[3:] {
		r, err := strconv.ParseUint(list[0], 10, 64)
		places, mark := strings.CutSuffix(list[1], ":x")
		b, off, ok := twoNumbers(places)
		if err != nil || !ok {
			continue
		}
		one := storedMessage{n: uint32(r), b: b, off: off, mark: mark, content: list[2]}
		if mark {
			messages, floor = messages[:0], &one
			continue
		}
		messages = append(messages, one)
	}
	return messages, floor
}

func twoNumbers(text string) (a, b uint32, ok bool) {
	first, second, _ := strings.Cut(text, ":")
	x, errA := strconv.ParseUint(first, 10, 32)
	y, errB := strconv.ParseUint(second, 10, 32)
	return uint32(x), uint32(y), errA == nil && errB == nil
}

// parseBroadcasts reads the list of broadcasts; b is their index.
func parseBroadcasts(list []string) (casts []storedMessage) {
	for ; len(list) >= 3; list = list[3:] {
		index, err := strconv.ParseUint(list[0], 10, 32)
		off, errOff := strconv.ParseUint(list[1], 10, 32)
		if err == nil && errOff == nil {
			casts = append(casts, storedMessage{b: uint32(index), off: uint32(off), content: list[2]})
		}
	}
	return casts
}

// channelState is the state of a channel.
type channelState struct {
	life, n uint32 // n: how many messages of its own it has had
	b, off  uint32
}

func (s *channelState) next() int32 { return int32(s.n+s.b+s.off) + 1 }

// history returns the stored messages of a channel from number from on, in order. complete: no older
// ones are stored.
func history(at channelState, messages []storedMessage, floor *storedMessage, casts []storedMessage, from int32) (run []*msg.Message, complete bool) {
	var all []storedMessage // n, b and off are such that number is right
	kinds := make([]msg.Kind, 0, len(messages)+len(casts))
	between := func(n, above, upTo uint32) { // adds the broadcasts between two messages
		for _, c := range casts {
			if c.b > above && c.b <= upTo {
				all = append(all, storedMessage{n: n, b: c.b, off: c.off, content: c.content})
				kinds = append(kinds, msg.Broadcast)
			}
		}
	}
	switch {
	case floor != nil && (len(messages) == 0 || messages[0].n == floor.n+1):
		upTo := at.b
		if len(messages) > 0 {
			upTo = messages[0].b
		}
		between(floor.n, floor.b, upTo)
	case len(messages) == 0 && at.n == 0 || len(messages) > 0 && messages[0].n == 1:
		upTo := at.b
		if len(messages) > 0 {
			upTo = messages[0].b
		}
		if from > 0 { // otherwise it is unknown whether the channel existed
			between(0, 0, upTo)
		}
	}
	for i, m := range messages {
		all, kinds = append(all, m), append(kinds, msg.Data)
		upTo := at.b
		if i+1 < len(messages) {
			upTo = messages[i+1].b
		} else if m.n != at.n {
			break
		}
		between(m.n, m.b, upTo)
	}
	next := at.next()
	for i := range all {
		seq := all[i].number()
		if seq-from < 0 || seq-next >= 0 || len(run) > 0 && seq-run[len(run)-1].Seq <= 0 {
			continue
		}
		run = append(run, msg.New(kinds[i], seq, []byte(all[i].content)))
	}
	return run, len(all) == 0 || len(run) > 0 && run[0].Seq == all[0].number()
}
