package comet

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/handover"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/web"
	"ccomet/reactor"
)

// layoutVersion is raised if the meaning of a record changes although the names, types and offsets
// of its fields do not: for example, a flag gets another bit.
var layoutVersion = "1"

// Layout names the layout of all records. If one program hands a server over to another without
// ByName, both must have the same Layout.
func Layout() string {
	return handover.Sum("version " + layoutVersion + "\n" + handover.Layout(reactor.RecordType()) + broker.Layout() + hub.Layout() + web.Layout())
}

// serverState is the state that all loops of a server share, as plain data.
type serverState struct {
	Layout      string
	Version     string // of the program
	Loops       int
	ByName      bool          // the records are also described by names
	Key         record.Key    // for the hash of names
	Seeds       [2]record.Key // for the hashes of messages' keys; zero in versions that had some for each loop
	Secret      []byte        // for tokens, if none is configured
	SecretSum   []byte
	Started     int64 // by the kernel's monotonic clock, in nanoseconds
	BaseBytes   int64
	Parked      int64 // when HandOver was called
	Connections int64
	Mails       []uint64 // that each loop has received
	HandOvers   int64    // successful hand-overs, including this one
	Totals      totalsState
	StateFile   string // "" for none
	StateLock   int
	StateTime   time.Time // when the state file was last written
	Sockets     []listening
	Descriptors []int // that the other program needs, except those of connections
	Cluster     bool
	Place       []byte // of the Cluster
}

// totalsState is limit.Totals without the values for requests under way: there are none.
type totalsState struct {
	Channels, Subscribers, Refused, SlowClosed, Admitted int64
	Listening                                            uint64
	Hits                                                 map[string]int64 // by name of the limit
	Gapped                                               bool
}

// listening holds the sockets of one address.
type listening struct {
	Side, Address string
	FDs           []int
}

// Names of the values in a hand-over.
const (
	serverName = "server"
	loopName   = "loop"
)

// HandOver writes the server's state for another program (Config.From). It does not change the server.
func (p *Parked) HandOver(to io.Writer) error { return p.handOver(handover.NewWriter(to)) }

func (p *Parked) handOver(w *handover.Writer) error {
	st := p.srv.asState()
	st.Place, st.ByName = p.place, p.ByName
	w.Value(serverName, st)
	for i, s := range p.srv.shards {
		part := w.Part(i)
		part.Value(loopName, s.loop.State())
		s.web.HandOver(part)
		s.broker.HandOver(part, p.ByName)
		s.hub.HandOver(part)
		if p.ByName {
			s.writeByName(part)
		}
	}
	if err := w.Finish(); err != nil {
		return fmt.Errorf("comet: writing the hand-over: %w", err)
	}
	return nil
}

// asState returns the state that the loops share.
func (srv *Server) asState() *serverState {
	now := reactor.Monotonic()
	sum := sha256.Sum256(srv.cfg.Secret)
	st := &serverState{
		Layout: Layout(), Version: srv.cfg.Version, Loops: len(srv.shards), Key: srv.homes.Key, Seeds: srv.homes.Seeds, SecretSum: sum[:],
		Started: now - int64(srv.cfg.Clock().Sub(srv.started)), BaseBytes: srv.baseBytes, Parked: now,
		Cluster: srv.cfg.Cluster != nil, Connections: srv.connections(), HandOvers: srv.handOvers.Total + 1, Totals: asState(&srv.totals), Sockets: srv.listening(), Descriptors: srv.descriptors(),
	}
	for _, s := range srv.shards {
		st.Mails = append(st.Mails, s.Mails)
	}
	if srv.randomSecret {
		st.Secret = srv.cfg.Secret
	}
	if srv.state.kept() {
		st.StateFile, st.StateLock = srv.cfg.StateFile, int(srv.state.lock.Fd())
		st.StateTime = srv.state.figures().Written
	}
	return st
}

func asState(t *limit.Totals) totalsState {
	st := totalsState{
		Channels: t.Channels.Load(), Subscribers: t.Subscribers.Load(), Refused: t.Refused.Load(), SlowClosed: t.SlowClosed.Load(),
		Admitted: t.Admitted.Load(), Listening: t.Listening.Load(), Hits: map[string]int64{}, Gapped: t.Gap == record.StateGap,
	}
	for i, name := range limit.Names {
		st.Hits[name] = t.Hits[i].Times.Load()
	}
	return st
}

func (st *totalsState) resume(t *limit.Totals) {
	t.Channels.Store(st.Channels)
	t.Subscribers.Store(st.Subscribers)
	t.Refused.Store(st.Refused)
	t.SlowClosed.Store(st.SlowClosed)
	t.Admitted.Store(st.Admitted)
	t.Listening.Store(st.Listening)
	if st.Gapped {
		t.Gap = record.StateGap
	}
	for i, name := range limit.Names {
		t.Hits[i].Times.Store(st.Hits[name])
	}
}

// listening returns the sockets that the server listens on.
func (srv *Server) listening() (list []listening) {
	n := 0
	for _, side := range srv.cfg.sideLists() {
		for _, address := range side.addresses {
			list = append(list, listening{side.name, address, srv.group.Opened(n)})
			n++
		}
	}
	return list
}

// Keep makes the descriptors that the other program needs stay open when the process executes it, or
// close then. Those of connections always stay open.
func (p *Parked) Keep(keep bool) error { return reactor.Keep(keep, p.srv.descriptors()...) }

func (srv *Server) descriptors() (fds []int) {
	for _, s := range srv.shards {
		fds = append(fds, s.loop.FDs()...)
	}
	for _, s := range srv.listening() {
		fds = append(fds, s.FDs...)
	}
	if srv.state.kept() {
		fds = append(fds, int(srv.state.lock.Fd()))
	}
	return fds
}

// Records returns the descriptors of the files with the loops' records, in the order of the loops. A
// rehearsal needs them.
func (p *Parked) Records() (fds []int) {
	for _, s := range p.srv.shards {
		fds = append(fds, s.loop.Arena().FD())
	}
	return fds
}

// HandedOver is the state of another program's server, as Parked.HandOver has written it.
type HandedOver struct {
	reader    *handover.Reader
	server    serverState
	loops     []reactor.LoopState
	rehearsal bool
	byName    bool // a server with other records is made from the description by names (moving.go)
	asItWas   bool
}

// ReadHandOver reads the state from a file, which must not change. It returns ErrLayout if the records
// in memory have another layout than this program's, and are not described by names.
func ReadHandOver(file *os.File) (*HandedOver, error) {
	h, err := mapHandOver(file)
	if err == nil {
		err = h.read()
	}
	if err != nil {
		return nil, fmt.Errorf("comet: %w", err)
	}
	return h, nil
}

// mapHandOver reads the state that the loops share.
func mapHandOver(file *os.File) (*HandedOver, error) {
	h, err := &HandedOver{}, error(nil)
	if h.reader, err = handover.MapReader(file); err != nil {
		return nil, fmt.Errorf("the hand-over: %w", err)
	}
	if err = h.reader.Value(serverName, &h.server); err != nil {
		h.reader.Let()
		return nil, err
	}
	return h, nil
}

func (h *HandedOver) read() (err error) {
	if h.byName = h.server.ByName; h.server.Layout != Layout() && !h.byName {
		return ErrLayout
	}
	if h.server.Loops < 1 || h.server.Loops > record.MaxLoops {
		return fmt.Errorf("the hand-over has %d loops", h.server.Loops)
	}
	h.loops = make([]reactor.LoopState, h.server.Loops)
	for i := range h.loops {
		if err := h.reader.Part(i).Value(loopName, &h.loops[i]); err != nil {
			return err
		}
	}
	return nil
}

// ErrLayout says why a server cannot continue for one of another version.
var ErrLayout = errors.New("the running server's records have another layout than this version's, and it has not described them by names: restart it; its clients reconnect and resume")

// Rehearse makes New make a server that must not run: it only has a copy of the records, which it reads
// from the files that Parked.Records returns.
func (h *HandedOver) Rehearse(records []int) error {
	if len(records) != len(h.loops) {
		return fmt.Errorf("comet: %d files of records for %d loops", len(records), len(h.loops))
	}
	for i := range h.loops {
		h.loops[i].Arena = records[i]
	}
	h.rehearsal = true
	return nil
}

// AsItWas makes New use the records and the number of loops that the other server had, whatever Config
// says. The program that has handed over uses it when it continues itself.
func (h *HandedOver) AsItWas() { h.byName, h.asItWas = false, true }

// KeepHandedOver makes the descriptors that a file names stay open when the process executes a program:
// if this program cannot continue, the one that handed over does. It works also if the rest of the file
// cannot be read.
func KeepHandedOver(file *os.File) error {
	h, err := mapHandOver(file)
	if err != nil {
		return err
	}
	return reactor.Keep(true, h.server.Descriptors...)
}

// Place returns the state from which this program's Cluster must continue, and whether the other
// program had a Cluster. Give it to the Cluster before giving that to New.
func (h *HandedOver) Place() (place []byte, had bool) { return h.server.Place, h.server.Cluster }

// part returns what the actors of a loop have written. It returns nil if the server starts without a
// hand-over, or is made from a description by names.
func (h *HandedOver) part(loop uint8) *handover.Reader {
	if h == nil || h.byName {
		return nil
	}
	return h.reader.Part(int(loop))
}

// fits returns an error if a setting has changed that must not change in a hand-over.
func (h *HandedOver) fits(cfg *Config) error {
	if cfg.Loops != h.server.Loops && !h.byName {
		return fmt.Errorf("%d loops are configured, but the running server has %d: its version cannot be upgraded to another number of loops", cfg.Loops, h.server.Loops)
	}
	if cfg.StateFile != h.server.StateFile {
		return fmt.Errorf("the state file is %q, and the running server's is %q: only a restart can change it", cfg.StateFile, h.server.StateFile)
	}
	if err := h.CheckCluster(cfg.Cluster != nil); err != nil {
		return err
	}
	secret := cfg.Secret
	if len(secret) == 0 && cfg.Cluster != nil {
		secret = cfg.Cluster.Secret()
	}
	sum := sha256.Sum256(secret)
	if len(h.server.Secret) == 0 && !bytes.Equal(sum[:], h.server.SecretSum) || len(h.server.Secret) > 0 && len(cfg.Secret) > 0 {
		return errors.New("the secret is not the running server's, so the tokens of its clients would be refused: only a restart can change it")
	}
	return nil
}

// CheckCluster returns an error if this program is to have a Cluster and the one that handed over had none,
// or the other way round.
func (h *HandedOver) CheckCluster(has bool) error {
	if has == h.server.Cluster {
		return nil
	}
	belong := map[bool]string{true: "several servers (redis is set)", false: "this server alone (redis is not set)"}
	return fmt.Errorf("the channels belong to %s, and the running server's to %s: only a restart can change it", belong[has], belong[h.server.Cluster])
}

// sockets returns the sockets on which the other program has listened.
func (h *HandedOver) sockets() (list []Sockets) {
	for _, s := range h.server.Sockets {
		list = append(list, Sockets{s.Side, s.Address, slices.Clone(s.FDs)})
	}
	return list
}

// HandOvers returns figures of the hand-overs to this server; Total is 0 if there were none. Any
// goroutine may call it after Start.
func (srv *Server) HandOvers() HandOvers { return srv.handOvers }

// SetUpgrading makes /readyz say that another program is about to take over, or no longer. Any
// goroutine may call it.
func (srv *Server) SetUpgrading(yes bool) { srv.site.Upgrading.Store(yes) }

// resumed makes a new server continue the counters.
func (srv *Server) resumed(h *HandedOver) {
	h.server.Totals.resume(&srv.totals)
	for i, s := range srv.shards {
		if i < len(h.server.Mails) {
			s.Mails = h.server.Mails[i]
		}
	}
	now := reactor.Monotonic()
	srv.started, srv.baseBytes = srv.cfg.Clock().Add(-time.Duration(now-h.server.Started)), h.server.BaseBytes
	srv.handOvers = HandOvers{Total: h.server.HandOvers, From: h.server.Version, Loops: h.server.Loops, Connections: h.server.Connections, parked: h.server.Parked}
}

// HandOvers are figures of the hand-overs to a server.
type HandOvers struct {
	Total       int64         // number of successful ones since the first server
	From        string        // version of the last program before this one
	Loops       int           // number of its loops
	Connections int64         // number of connections that it handed over
	Pause       time.Duration // time for which they were not served
	parked      int64
}
