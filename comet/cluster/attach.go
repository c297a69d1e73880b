package cluster

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
)

// attachment is a channel whose state a loop has asked for.
type attachment struct {
	to      *loop
	channel mail.Ref
	name    string
	history bool
	from    int32 // of the history
}

// Limits of one call, by weight: a channel without its history weighs 1.
const (
	attachWeight  = 512
	historyWeight = 64
)

// wanted reports whether the loop still needs the answer: during an outage clients come and
// go.
func (w *attachment) wanted() bool { return w.to.interest.has(hashName(w.name)) }

func (w *attachment) weight() int {
	if w.history {
		return historyWeight
	}
	return 1
}

// attach answers the loops' requests for channels until the log ends. If Redis cannot answer now,
// it asks again: subscribers are waiting.
func (p *partition) attach() {
	var batch []attachment
	var pause retry
	for p.log.ctx.Err() == nil {
		weight := 0
		batch = p.attaches.take(batch[:0], func(w *attachment) bool {
			weight += w.weight()
			return weight <= attachWeight
		})
		if len(batch) == 0 {
			select {
			case <-p.attaches.filled:
			case <-p.log.ctx.Done():
			}
			continue
		}
		again, err := p.attachAll(batch)
		p.attaches.back(again)
		clear(batch)
		if len(again) == 0 {
			pause = 0
			continue
		}
		if err != nil {
			p.health.failed(err)
		}
		p.attaches.sift((*attachment).wanted)
		p.log.sleep(pause.next())
	}
}

// attachAll asks for many channels in one call, and passes the answers on. It returns the requests
// that must be made again.
func (p *partition) attachAll(batch []attachment) (again []attachment, err error) {
	ctx, done := p.log.call(callTimeout)
	defer done()
	began := time.Now()
	parts, err := p.ask(ctx, batch)
	if err != nil {
		return batch, err
	}
	if len(parts) < 6 {
		return batch, errAttach
	}
	p.health.served()
	p.log.figures.observe(time.Since(began))
	var heads []string
	for _, part := range parts[:5] {
		text, _ := part.ToString()
		heads = append(heads, text)
	}
	f, err := readFenced([]string{"", heads[0], heads[1], heads[2], heads[3], heads[4], "", ""})
	if err != nil {
		return batch, err
	}
	list, err := parts[5].AsStrSlice()
	if err != nil {
		return batch, err
	}
	return p.attached(batch, f.place, parseBroadcasts(list), parts[6:])
}

var errAttach = errors.New("redis: an answer about channels is malformed")

// ask makes one call.
func (p *partition) ask(ctx context.Context, batch []attachment) ([]rueidis.RedisMessage, error) {
	keys, args := p.attachCommand(batch)
	_, answer, err := p.do(ctx, func(r *term) rueidis.Completed {
		b := p.log.client.B()
		return b.Evalsha().Sha1(r.attach.sha).Numkeys(int64(len(keys))).Key(keys...).Arg(args...).Build()
	})
	if err != nil {
		return nil, err
	}
	return answer.ToArray()
}

// attachCommand builds the keys and arguments of attachText.
func (p *partition) attachCommand(batch []attachment) (keys, args []string) {
	letters := make([]byte, 0, len(batch))
	keys = append(make([]string, 0, 2+2*len(batch)), p.keyG)
	some := false
	for n := range batch {
		w := &batch[n]
		keys = append(keys, p.prefix+"m:"+w.name)
		letter := byte('-')
		if w.history {
			letter, some = 'h', true
			keys = append(keys, p.prefix+"h:"+w.name)
		}
		letters = append(letters, letter)
		if p.log.cfg.Leases {
			keys = append(keys, p.prefix+"l:"+w.name)
		}
	}
	leases := "0"
	if p.log.cfg.Leases {
		leases = "1"
	}
	if some {
		keys = append(keys, p.keyHB)
	}
	return keys, []string{string(letters), strconv.Itoa(p.log.cfg.History), leases, strconv.Itoa(p.log.cfg.HistoryBytes)}
}

// attached tells the loops the state of their channels, unless the reader is at another
// generation or has told the loops to compare since: then the answer would not fit what
// the reader tells them next.
func (p *partition) attached(batch []attachment, at place, casts []storedMessage, parts []rueidis.RedisMessage) (again []attachment, err error) {
	posts, left := p.log.posts(), answers(parts)
	for n := range batch {
		m, ok := p.attachedTo(&batch[n], at, casts, &left)
		if !ok {
			return batch, errAttach
		}
		posts.add(batch[n].to, m)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.gen != p.at.gen || at.total < p.at.since {
		return batch, nil
	}
	p.at.see(at.total)
	for _, list := range posts.mail {
		for n := range list {
			list[n].SetIndex(p.at.index(at.b))
		}
	}
	posts.post()
	return nil, nil
}

// answers are the unread parts of an answer.
type answers []rueidis.RedisMessage

func (a *answers) next() (m rueidis.RedisMessage, ok bool) {
	if len(*a) == 0 {
		return m, false
	}
	m, *a = (*a)[0], (*a)[1:]
	return m, true
}

// attachedTo builds the answer about one channel. It returns false if the reply lacks it.
func (p *partition) attachedTo(w *attachment, at place, casts []storedMessage, left *answers) (m mail.Mail, ok bool) {
	s := channelState{b: at.b, off: at.off}
	part, ok := left.next()
	if text, err := part.ToString(); ok && err == nil {
		r, _ := strconv.ParseUint(text, 10, 64)
		s.life, s.n = uint32(r>>32), uint32(r)
	}
	m = mail.Mail{Kind: mail.Attached, Ref: w.channel}
	if w.history {
		if part, ok = left.next(); !ok {
			return m, false
		}
		list, err := part.AsStrSlice()
		if err != nil {
			return m, false
		}
		messages, floor := parseHistory(list)
		run, complete := history(s, messages, floor, casts, w.from)
		m.Msg, m.N = linked(run, p.log.cfg.HistoryBytes)
		if !complete || int(m.N) < len(run) {
			m.Flag |= mail.FlagMore
		}
	} else if p.log.cfg.History > 0 && (s.n > 0 || s.b > 0) {
		m.Flag |= mail.FlagMore // there may be more: the history was not read
	}
	if p.log.cfg.Leases {
		part, ok = left.next()
		if lease, _ := part.AsInt64(); lease == 1 {
			m.Flag |= mail.FlagExist
		}
	}
	m.Seq = s.next()
	m.SetAttachedEpoch(epoch(at.seed, []byte(w.name), s.life))
	return m, ok
}

// linked links the last messages whose sizes add up to no more than most bytes.
func linked(run []*msg.Message, most int) (first *msg.Message, n int32) {
	for i := len(run) - 1; i >= 0; i-- {
		if most -= run[i].Size(); most < 0 {
			break
		}
		run[i].Link(first)
		first = run[i]
		n++
	}
	return first, n
}
