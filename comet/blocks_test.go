package comet

import (
	"fmt"
	"strings"
	"testing"

	"ccomet/comet/internal/conn"
)

// Messages that a loop was sent and has not read yet do not change, however much is
// published meanwhile: a channel's home overwrites messages only if no other loop has got
// them.
func TestMessagesOnTheirWayStayAsTheyAre(t *testing.T) {
	const messages, kept = 200, 100
	for _, path := range []string{"/poll?seq=%d&cname=", "/stream?seq=%d&cname=", "/sse?seq=%d&cname=", "/history?seq=%d&limit=1000&cname="} {
		for _, from := range []int{messages - kept + 1, messages - 40, messages + 1} {
			t.Run(fmt.Sprintf(path, from), func(t *testing.T) {
				st := newStage(t, Config{Loops: 2, ChannelBufferSize: kept})
				name := st.homed(0)
				st.admin(0, "/sign?cname="+name)
				home := st.srv.shards[0].broker.Inside()
				publish := func(from int) {
					for n := range messages {
						home.Publish(name, fmt.Appendf(nil, "message %05d", from+n))
					}
				}
				publish(1)
				p := st.enter(1, conn.Front)
				p.write(reqGet(1, fmt.Sprintf(path, from)+name))
				st.turn(1) // asks
				st.turn(0) // the home answers
				if from > messages {
					st.turn(1) // waits for more
					home.Publish(name, []byte("message 00201"))
					st.turn(0) // a message on its way
				}
				publish(messages + 2)
				st.turn(0)
				publish(2*messages + 2)
				for range 3 {
					st.turn(1)
				}
				got := p.take()
				for n := from; n <= max(from, messages); n++ {
					text := fmt.Sprintf(`"seq":%d,"content":"message %05d"`, n, n)
					if _, behind, found := strings.Cut(got, text); found || strings.Contains(path, "history") && n > messages {
						got = behind
						continue
					}
					t.Fatalf("%s is not in the messages that were on their way: %.300q", text, got)
				}
			})
		}
	}
}
