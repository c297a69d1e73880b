package bench

import (
	"bytes"
	"math"

	"ccomet/bench/target"
)

// How a client process checks what it receives. It handles lines of text, in whatever
// pieces they arrive.

var (
	typeKey = []byte(`{"type":"`)
	seqKey  = []byte(`"seq":`)
)

// lines handles the next piece of a response's body. last: the body ends with it.
func (c *client) lines(i uint32, sub *subscriber, p []byte, last bool) {
	if len(c.carry) > 0 {
		if before, ok := c.carry[i]; ok {
			if !last && bytes.IndexByte(p, '\n') < 0 {
				c.carry[i] = append(before, p...) // a long line arrives in many pieces
				return
			}
			p = append(before, p...)
			delete(c.carry, i)
		}
	}
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n') + 1
		if end == 0 {
			if !last {
				c.carry[i] = bytes.Clone(p)
				return
			}
			end = len(p)
		}
		c.line(i, sub, p[:end])
		p = p[end:]
	}
}

// line handles one line: the server's next number, and the messages in the line.
func (c *client) line(i uint32, sub *subscriber, line []byte) {
	if c.Transport.Cursor == target.ICometCursor {
		c.icomet(i, sub, line)
	}
	for {
		m, used, ok := c.format.next(line)
		if used == 0 {
			return
		}
		line = line[used:]
		at := c.placeOf(i, sub, m.channel)
		if !ok || at == nil {
			c.stats.Damaged++
			c.cause("damaged, or another channel's: %.200q", line)
			continue
		}
		c.message(at, m)
		c.hears(sub)
	}
}

// message checks that a message has the expected number.
func (c *client) message(at *place, m message) {
	switch d := int32(m.number - at.next); {
	case d == 0 || at.next == 0:
		at.next = m.number + 1
	case d > 0:
		at.gaps = uint16(min(int(at.gaps)+int(d), math.MaxUint16))
		c.stats.Lost += int64(d)
		at.next = m.number + 1
	case at.gaps > 0:
		at.gaps--
		c.stats.Lost--
		c.stats.Disordered++
	default:
		c.stats.Doubled++
		return
	}
	c.stats.Received++
	_ = c.latency.RecordValue(max(1, (c.now-m.sent)/1000))
}

// icomet follows the numbers of iComet's messages: one, or several in an array.
func (c *client) icomet(i uint32, sub *subscriber, line []byte) {
	for {
		if !bytes.HasPrefix(line, typeKey) { // nearly always true
			at := bytes.Index(line, typeKey)
			if at < 0 {
				return
			}
			line = line[at:]
		}
		line = line[len(typeKey):]
		end := bytes.IndexByte(line, '"')
		seq := bytes.Index(line, seqKey)
		if end < 0 || seq < 0 {
			return
		}
		n := leadingNumber(line[seq+len(seqKey):])
		at := c.placeIn(i, sub, line[:seq])
		switch string(line[:end]) {
		case "data", "broadcast":
			at.seq = n + 1
		case "next_seq":
			at.seq = n
			c.subscribed(sub)
		case "noop", "lost":
		default: // close, 401, 429
			c.cause("the server says %q", line[:end])
			c.loop.Close(sub.conn)
			return
		}
		line = line[seq:]
	}
}

// leadingNumber returns the decimal number at the start of p.
func leadingNumber(p []byte) (n int32) {
	for _, b := range p {
		if b < '0' || b > '9' {
			break
		}
		n = n*10 + int32(b-'0')
	}
	return n
}
