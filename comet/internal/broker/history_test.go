package broker

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"
	"weak"

	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/msg"
)

// TestHistoryKeepsTheLast compares a channel's history with the published messages: short
// ones, which lie together in a block, long ones, and ones that share content.
func TestHistoryKeepsTheLast(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv("CCOMET_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	rng := rand.New(rand.NewPCG(seed, 3))
	for _, size := range []int{0, 20, 64, 200, msg.MaxInside, 2000} {
		b, ch := keeper(t, 120)
		b.cfg.ChannelBufferBytes, b.totals = 60*(size+50), &limit.Totals{}
		b.channels.At(1).state = channelLive
		shared := msg.NewSharing(bytes.Repeat([]byte("shared"), 100))
		var came []*msg.Message
		var contents [][]byte
		for range 3000 {
			content := make([]byte, size)
			if rng.IntN(4) == 0 {
				content = make([]byte, rng.IntN(2*size+1))
			}
			for i := range content {
				content[i] = byte(rng.Uint32())
			}
			var message *msg.Message
			switch rng.IntN(100) {
			case 0:
				message, content = shared.Message(msg.Broadcast, ch.Next), shared.Content()
			case 1: // as a log beyond the loops makes them
				message = msg.New(msg.Data, ch.Next, content)
			default:
				message = b.newMessage(ch, msg.Data, ch.Next, content)
			}
			came, contents = append(came, message), append(contents, content)
			b.keep(1, message)
			ch.Next++
			switch rng.IntN(200) {
			case 0:
				b.drop(ch)
			case 1:
				b.dropBefore(ch, ch.Next-rng.Int32N(50))
			case 2: // more is kept of it once more
				if before := len(came) - b.messages - 1; ch.history != 0 && before >= 0 && b.At(ch.history).gone == 0 {
					content := contents[before]
					came[before] = msg.New(msg.Data, int32(before+1), content)
					b.keepBefore(1, came[before:before+1])
				}
			}
			if err := b.check(func(int32) bool { return false }); err != nil {
				t.Fatalf("CCOMET_SEED=%d: of %d bytes: %v", seed, size, err)
			}
			if err := b.same(ch, came, contents); err != nil {
				t.Fatalf("CCOMET_SEED=%d: of %d bytes: %v", seed, size, err)
			}
		}
	}
}

// same holds what a channel keeps against the last of the messages that came.
func (b *keeping) same(ch *Channel, came []*msg.Message, contents [][]byte) error {
	kept, oldest := b.from(ch, b.oldest(ch))
	if oldest != ch.Next-int32(kept.N) {
		return fmt.Errorf("the oldest of %d before %d is %d", kept.N, ch.Next, oldest)
	}
	for ; kept.N > 0; kept = kept.Rest() {
		at := len(came) - kept.N
		if message := kept.First; message != came[at] || !bytes.Equal(message.Content(), contents[at]) || message.Len() != len(contents[at]) {
			return fmt.Errorf("message %d is %q", at, message.Content())
		}
	}
	return nil
}

// TestHistoryKeepsLittleAlive: the memory of a history is little more than the bytes of its
// messages. Dropped messages are alive only if they lie in a block with stored ones, or in a
// spare block; each is at most an eighth of the history.
func TestHistoryKeepsLittleAlive(t *testing.T) {
	for _, size := range []int{1, 64, 150, 400} {
		b, ch := keeper(t, 100)
		var came []weak.Pointer[msg.Message]
		for range 1000 {
			message := b.newMessage(ch, msg.Data, ch.Next, make([]byte, size))
			b.keep(1, message)
			ch.Next++
			came = append(came, weak.Make(message))
		}
		runtime.GC()
		places := map[*msg.Message]bool{} // each may have been of several messages
		for _, message := range came {
			if place := message.Value(); place != nil {
				places[place] = true
			}
		}
		h := b.At(ch.history)
		if alive := len(places); h.count != 100 || alive < 100 || alive > 100+2*100/8 {
			t.Errorf("of %d bytes each, %d messages are kept, and %d alive", size, h.count, alive)
		}
		if most := 100 * (size + 8 + 4) * 5 / 4; h.bytes > most+512 {
			t.Errorf("100 messages of %d bytes count as %d, more than %d", size, h.bytes, most)
		}
		runtime.KeepAlive(b)
	}
}
