package client

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// message is a message of the server.
type message struct {
	Type    string `json:"type"`
	Cname   string `json:"cname"`
	Seq     int32  `json:"seq"`
	Content string `json:"content"`
	Epoch   string `json:"epoch"`
}

// take handles a message of the server, and yields its event. After an error the connection
// must be closed.
func (r *receiver) take(text []byte) error {
	var m message
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("a message is no JSON: %w", err)
	}
	switch m.Type {
	case "retry":
		if wait, ok := parseRetry(m.Content); ok {
			r.told = wait
		}
		return nil
	case "429", "503":
		return r.refusedForNow(&m)
	}
	r.heard = true
	c := r.channel(m.Cname)
	if c == nil {
		return nil // it is for no channel: a noop for several, or for one that is over
	}
	r.aside.heard(r, c)
	from := c.From
	if m.Epoch != "" {
		c.From.Epoch = m.Epoch
	}
	switch m.Type {
	case "data", "broadcast":
		return r.takeData(c, from, &m)
	case "next_seq":
		c.From.Next = m.Seq
	case "lost":
		return r.takeLost(c, &m)
	case "close":
		c.over = true
		return r.tell(Event{Kind: Closed, Channel: c.Name, Seq: m.Seq, Place: c.From})
	case "401":
		c.over = true
		return r.tell(Event{Kind: Refused, Channel: c.Name, Content: m.Content, Place: from})
	}
	return nil
}

// takeData yields a message. If the server has skipped numbers without notice, it reports them
// as lost. It ignores messages that have already come.
func (r *receiver) takeData(c *channel, from Place, m *message) error {
	kind := Data
	if m.Type == "broadcast" {
		kind = Broadcast
	}
	anew := from.Epoch != "" && c.From.Epoch != from.Epoch
	if ahead := m.Seq - c.From.Next; c.From.Next != 0 && !anew {
		if ahead < 0 {
			return nil
		}
		if ahead > 0 {
			if err := r.tell(Event{Kind: Lost, Channel: c.Name, Seq: m.Seq, First: c.From.Next, Last: m.Seq - 1, Place: Place{m.Seq, c.From.Epoch}}); err != nil {
				return err
			}
		}
	}
	c.From.Next = m.Seq + 1
	return r.tell(Event{Kind: kind, Channel: c.Name, Seq: m.Seq, Content: m.Content, Place: c.From})
}

// takeLost yields a Lost event. The content is "FROM-TO", or "FROM-" if the server cannot know
// how many messages are lost.
func (r *receiver) takeLost(c *channel, m *message) error {
	at := strings.LastIndexByte(m.Content, '-')
	if at < 1 {
		return fmt.Errorf("channel %q: what is lost is %q", c.Name, m.Content)
	}
	if at > 1 && m.Content[at-1] == '-' {
		at-- // the minus sign of a negative number
	}
	first, err := strconv.ParseInt(m.Content[:at], 10, 32)
	if err != nil {
		return fmt.Errorf("channel %q: what is lost is %q", c.Name, m.Content)
	}
	c.From.Next = m.Seq
	return r.tell(Event{
		Kind: Lost, Channel: c.Name, Seq: m.Seq, First: int32(first), Last: m.Seq - 1, Unknown: at == len(m.Content)-1, Place: c.From,
	})
}

func (r *receiver) tell(e Event) error {
	if !r.yield(e, nil) {
		return errLeft
	}
	return nil
}
