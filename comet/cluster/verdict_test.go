package cluster

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"ccomet/comet/internal/mail"
)

// crowd publishes at all nodes, until it is stopped: each node proposes a message for every channel, and
// waits for the answer to the last of them.
type crowd struct {
	nodes    []*testNode
	channels []string
	stop     atomic.Bool
	done     sync.WaitGroup
	sent     atomic.Int64
}

func startCrowd(nodes []*testNode, channels ...string) *crowd {
	c := &crowd{nodes: nodes, channels: channels}
	for at, n := range nodes {
		c.done.Go(func() {
			for i := 0; !c.stop.Load(); i++ {
				last := ""
				for _, name := range channels {
					last = fmt.Sprintf("%s/%d/%d", name, at, i)
					n.home(name).propose(mail.OpPublish, name, "", last)
					c.sent.Add(1)
				}
				n.home(channels[len(channels)-1]).answer(last)
			}
		})
	}
	return c
}

// end stops the crowd, and waits until all its messages are answered.
func (c *crowd) end() {
	c.stop.Store(true)
	c.done.Wait()
}

// followAll makes all nodes follow channels.
func followAll(nodes []*testNode, channels ...string) {
	for _, n := range nodes {
		for _, name := range channels {
			n.home(name).follow(name, 0)
		}
	}
	for _, n := range nodes {
		for _, name := range channels {
			n.home(name).attachedTo(name)
		}
	}
}

// settle publishes at one node until all nodes have told of such a message.
func settle(t testing.TB, nodes []*testNode, channels ...string) {
	t.Helper()
	for _, name := range channels {
		round, last := 0, ""
		waitFor(t, "all nodes tell of a last message of "+name, func() bool {
			round++
			last = fmt.Sprintf("%s/settle/%d", name, round)
			nodes[0].home(name).propose(mail.OpPublish, name, "", last)
			if nodes[0].home(name).answer(last).Code != mail.CodeOK {
				return false
			}
			for _, n := range nodes {
				waitFor(t, "a node tells of "+last, func() bool { // a refused message, which got no answer, may still follow it
					return slices.ContainsFunc(n.home(name).messages(name), func(m toldMessage) bool { return m.content == last })
				})
			}
			return true
		})
	}
}

// verdict judges what the nodes have told: no number is given twice, numbers rise, and each node has
// told of each acknowledged message, or of a gap in its place.
func verdict(t testing.TB, nodes []*testNode, channels ...string) (told, gaps, refused int) {
	t.Helper()
	for _, name := range channels {
		given := map[int32]string{} // contents by number, at all nodes
		acknowledged := map[int32]string{}
		for _, n := range nodes {
			j := n.home(name)
			j.mu.Lock()
			for content, m := range j.answers {
				if string(m.Cname()) != name {
					continue
				}
				if m.Code != mail.CodeOK {
					refused++
					continue
				}
				if other, twice := acknowledged[m.Msg.Seq]; twice {
					t.Errorf("%s: number %d was given to %q and to %q", name, m.Msg.Seq, other, content)
				}
				acknowledged[m.Msg.Seq] = content
			}
			j.mu.Unlock()
		}
		for at, n := range nodes {
			j := n.home(name)
			j.mu.Lock()
			f := j.follows[name]
			last, has := f.first-1, map[int32]bool{}
			for _, m := range f.told {
				if m.seq <= last {
					t.Errorf("%s at node %d: number %d comes behind %d", name, at, m.seq, last)
				}
				if other, known := given[m.seq]; known && other != m.content {
					t.Errorf("%s: number %d is %q and %q", name, m.seq, other, m.content)
				}
				if ack, known := acknowledged[m.seq]; known && ack != m.content {
					t.Errorf("%s: number %d was given to %q, and node %d tells of %q", name, m.seq, ack, at, m.content)
				}
				given[m.seq], has[m.seq], last = m.content, true, m.seq
				told++
			}
			lost := 0
			for seq, content := range acknowledged {
				if !has[seq] && seq >= f.first && seq < f.next && !f.inGap(seq) {
					lost++
					t.Errorf("%s at node %d: %d %q was lost in silence", name, at, seq, content)
				}
			}
			gaps += len(f.gapsAt)
			j.mu.Unlock()
		}
	}
	return told, gaps, refused
}

// inGap reports whether the subscribers were told that the message with this number is lost.
func (f *followed) inGap(seq int32) bool {
	for _, gap := range f.gapsAt {
		if seq >= gap[0] && seq < gap[1] {
			return true
		}
	}
	return false
}
