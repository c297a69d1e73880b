package cluster

import (
	"strconv"
	"sync"

	"github.com/redis/rueidis"
)

// outbox is what this node has to tell the others and has not written to ctl yet. While
// an entry is being written, the next entry is gathered.
type outbox struct {
	mu     sync.Mutex
	said   []controlLine
	bytes  int
	filled signal
}

type controlLine struct {
	field string
	text  []byte
}

// speechBytes bounds what waits to be written. What is dropped beyond it is told or asked
// again later.
const speechBytes = 1 << 20

func (s *outbox) say(field string, text []byte) {
	s.mu.Lock()
	if s.bytes < speechBytes {
		s.said, s.bytes = append(s.said, controlLine{field, text}), s.bytes+len(text)
	}
	s.mu.Unlock()
	s.filled.tell()
}

// presence adds a line of presence.
func (s *outbox) presence(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes >= speechBytes {
		return
	}
	s.bytes += len(line)
	if last := len(s.said) - 1; last >= 0 && s.said[last].field == fieldPresence {
		s.said[last].text = appendWords(s.said[last].text, line)
		return
	}
	s.said = append(s.said, controlLine{fieldPresence, appendWords(nil, line)})
}

// speak writes entries to ctl until the log ends. If Redis cannot be reached, they are
// dropped.
func (l *Log) writeControl() {
	s := &l.nodes.outbox
	for {
		select {
		case <-s.filled:
		case <-l.ctx.Done():
			return
		}
		processes := l.nodes.processes()
		number, question := l.question(processes)
		s.mu.Lock()
		said := s.said
		s.said, s.bytes = nil, 0
		s.mu.Unlock()
		if question != nil && len(processes) > 0 {
			said = append(said, controlLine{fieldQuestion, appendWords(appendWords(nil, strconv.FormatUint(number, 10)), question.names...)})
		}
		if len(said) > 0 {
			l.write(said)
		}
		if question != nil {
			l.askRedis(number, question.names)
		}
	}
}

// write appends an entry to ctl.
func (l *Log) write(said []controlLine) {
	ctx, done := l.call(callTimeout)
	defer done()
	b := l.client.B()
	entry := b.Xadd().Key(l.nodes.key).Maxlen().Almost().Threshold(strconv.Itoa(controlMax)).Id("*").
		FieldValue().FieldValue(fieldNode, l.cfg.Node).FieldValue(fieldProcess, l.nodes.process)
	for _, one := range said {
		entry = entry.FieldValue(one.field, rueidis.BinaryString(one.text))
	}
	if err := l.client.Do(ctx, entry.Build()).Error(); err != nil {
		l.nodes.health.failed(err)
	} else {
		l.nodes.health.served()
	}
}
