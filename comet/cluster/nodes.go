package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
)

// Nodes tell each other about themselves on a separate stream, ctl (outbox.go), which has its own
// reader (reader.go). Each entry names its node (n: the node's name, i: an id of its process), and
// has a field for each thing that the node says:
//
//	b  the node runs: version, channels, subscribers, whether it has listeners to /psub (1 or 0)
//	q  a question: its number, then names of channels (asks.go)
//	a  an answer: the asker's i, the number of the question, then for each name the number of
//	   subscribers plus one, or 0 if the node does not have the channel
//	p  lines of presence: "1 name" and "0 name"
//	l  a listener to /psub at this node is to be told of all channels: others say them as p
//
// The value of a field is a list of words (words.go).
const (
	fieldNode     = "n"
	fieldProcess  = "i"
	fieldBeat     = "b"
	fieldQuestion = "q"
	fieldAnswer   = "a"
	fieldPresence = "p"
	fieldList     = "l"
)

const (
	beatTime   = 2 * time.Second
	listenTime = time.Second      // shortest time between two beats because of listeners
	nodeTime   = 10 * time.Second // a node that is silent for longer is forgotten
	controlMax = 10_000           // approximate number of entries that ctl keeps
)

// nodes is what this node knows of the other nodes of the cluster.
type nodes struct {
	key     string // of the stream
	process string // id of this process
	read    string // the id of the last entry that was read; only for the reader

	mu        sync.Mutex
	others    map[string]*otherNode // by process
	list      bool                  // the next beat asks for the presence of all channels
	listened  time.Time             // when Listens last caused a beat
	listening atomic.Bool           // another node has listeners to /psub
	local     atomic.Pointer[func() broker.Node]

	health health
	asks   asks
	outbox outbox
}

type otherNode struct {
	broker.Node
	process string
	heard   time.Time
}

func (n *nodes) open(cfg *Config) {
	var process [8]byte
	_, _ = rand.Read(process[:])
	n.key, n.process = cfg.Prefix+"{0}ctl", hex.EncodeToString(process[:])
	n.others = map[string]*otherNode{}
	n.asks.start()
	n.outbox.filled = newSignal()
}

// Start makes this node tell others what local returns; any goroutine may call local. Before Start
// others are only told its name and version. The readers run from then on: the loops must already
// have the channels of a program that this one continues.
func (l *Log) Start(local func() broker.Node) {
	if l.nodes.local.Swap(&local) == nil {
		select {
		case <-l.connected:
		default:
			l.connecting.Go(l.connectOn)
		}
		for _, r := range l.readers {
			go func() { // Close does not wait for it: Redis may hold a read for readBlock
				if l.awaitConnected() {
					r.read()
				}
			}()
		}
	}
	l.sendBeat()
}

// here returns what this node tells others about itself.
func (l *Log) here() (n broker.Node) {
	if local := l.nodes.local.Load(); local != nil {
		n = (*local)()
	}
	n.Name, n.Version = l.cfg.Node, l.cfg.Version
	return n
}

// beat tells others that this node runs, and checks the partitions and loans, until the log ends.
func (l *Log) beat() {
	for l.sleep(beatTime) {
		for _, r := range l.readers {
			r.expire(time.Now())
		}
		for _, p := range l.partitions {
			if err := p.check(); err != nil {
				p.health.failed(err)
			} else if p.proposals.none() {
				p.health.served() // otherwise the proposals show it
			}
		}
		l.sendBeat()
		l.nodes.forget(time.Now())
	}
}

func (l *Log) sendBeat() {
	n := l.here()
	listening := "0"
	if n.Listening != 0 {
		listening = "1"
	}
	l.nodes.outbox.say(fieldBeat, appendWords(nil, n.Version, strconv.FormatInt(n.Channels, 10), strconv.FormatInt(n.Subscribers, 10), listening))
	l.nodes.mu.Lock()
	list := l.nodes.list
	l.nodes.list = false
	l.nodes.mu.Unlock()
	if list {
		l.nodes.outbox.say(fieldList, nil) // after the beat: others must know that this node listens
	}
}

// Listens tells the other nodes with a beat that this one has a new listener to /psub. If there was
// such a beat a moment ago, the next regular beat tells them.
func (t *loop) Listens(list bool) {
	n := &t.log.nodes
	n.mu.Lock()
	n.list = n.list || list
	now := time.Now()
	soon := now.Sub(n.listened) >= listenTime
	if soon {
		n.listened = now
	}
	n.mu.Unlock()
	if soon {
		t.log.sendBeat()
	}
}

// beginControl sets where ctl is read from: its end.
func (l *Log) beginControl(ctx context.Context) error {
	if l.nodes.read != "" {
		return nil
	}
	call, done := context.WithTimeout(ctx, callTimeout)
	defer done()
	b := l.client.B()
	last, err := l.client.Do(call, b.Xrevrange().Key(l.nodes.key).End("+").Start("-").Count(1).Build()).AsXRange()
	if err != nil {
		return err
	}
	if l.nodes.read = "0-0"; len(last) > 0 {
		l.nodes.read = last[0].ID
	}
	return nil
}

// tookControl handles an entry of ctl.
func (l *Log) tookControl(e *streamEntry) {
	l.nodes.read = string(e.id)
	var node, process string
	for n := 0; n < len(e.texts); n += 2 {
		switch field, text := string(e.texts[n]), string(e.texts[n+1]); field {
		case fieldNode:
			node = text
		case fieldProcess:
			process = text
		default:
			if process != l.nodes.process {
				l.heard(node, process, field, text)
			}
		}
	}
}

// heard handles a field of an entry that another node has written.
func (l *Log) heard(node, process, field, text string) {
	words, ok := splitWords(text)
	if !ok {
		return
	}
	switch field {
	case fieldBeat:
		if len(words) >= 4 {
			first, listens := l.nodes.beaten(node, process, words, time.Now())
			if first && node == l.cfg.Node {
				l.cfg.Log.Warn().Str("node", node).Msg("another node of the cluster has this one's name")
			}
			if listens {
				l.tellAll(mail.Mail{Kind: mail.Listening})
			}
		}
	case fieldQuestion:
		if len(words) > 1 {
			l.asked(process, words[0], words[1:])
		}
	case fieldAnswer:
		if len(words) > 2 && words[0] == l.nodes.process {
			l.nodes.asks.answered(process, words[1], words[2:])
		}
	case fieldPresence:
		l.present(words)
	case fieldList:
		l.tellAll(mail.Mail{Kind: mail.ListAsked})
	}
}

// tellAll sends a mail to all loops.
func (l *Log) tellAll(m mail.Mail) {
	posts := l.posts()
	for _, to := range posts.loops {
		posts.add(to, m)
	}
	posts.post()
}

// beaten records that a node runs. first: it is the node's first beat. listens: other nodes have
// listeners to /psub, and had none before.
func (n *nodes) beaten(name, process string, words []string, now time.Time) (first, listens bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	other := n.others[process]
	if first = other == nil; first {
		other = &otherNode{process: process}
		n.others[process] = other
	}
	other.Name, other.Version, other.heard = name, words[0], now
	other.Channels, _ = strconv.ParseInt(words[1], 10, 64)
	other.Subscribers, _ = strconv.ParseInt(words[2], 10, 64)
	if other.Listening = 0; words[3] == "1" {
		other.Listening = 1
	}
	return first, n.update()
}

// forget removes nodes that have been silent for nodeTime.
func (n *nodes) forget(now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for process, other := range n.others {
		if now.Sub(other.heard) > nodeTime {
			delete(n.others, process)
			n.asks.gone(process)
		}
	}
	n.update()
}

// update sets whether other nodes have listeners, and reports whether they had none before.
func (n *nodes) update() (began bool) {
	listening := false
	for _, other := range n.others {
		listening = listening || other.Listening != 0
	}
	return !n.listening.Swap(listening) && listening
}

// Nodes returns the other nodes that are known to run, sorted by name. Any goroutine may call it.
func (l *Log) Nodes() (list []broker.Node) {
	l.nodes.mu.Lock()
	defer l.nodes.mu.Unlock()
	for _, other := range l.nodes.others {
		list = append(list, other.Node)
	}
	slices.SortFunc(list, func(a, b broker.Node) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// processes returns the ids of the other nodes' processes.
func (n *nodes) processes() (list []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for process := range n.others {
		list = append(list, process)
	}
	return list
}

// Wanted reports whether other nodes have listeners to /psub.
func (t *loop) Wanted() bool { return t.log.nodes.listening.Load() }

// Presence tells the listeners to /psub of other nodes that a channel was created or deleted.
func (t *loop) Presence(cname []byte, alive bool) {
	letter := "0 "
	if alive {
		letter = "1 "
	}
	t.log.nodes.outbox.presence(letter + string(cname))
	t.log.nodes.outbox.filled.tell()
}

// present tells this node's listeners to /psub about channels of other nodes.
func (l *Log) present(lines []string) {
	var text []byte
	for _, line := range lines {
		text = append(append(text, line...), '\n')
	}
	l.tellAll(mail.Mail{Kind: mail.PresenceLine, Msg: msg.Of(0, 0, text)})
}
