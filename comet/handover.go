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

// layoutVersion is raised where a record means something else than before, although its
// fields have the same names, types and places: a flag has another bit, say.
var layoutVersion = "1"

// Layout names the layout of all records, which must be the same in two programs that hand
// a server to each other.
func Layout() string {
	return handover.Sum("version " + layoutVersion + "\n" + handover.Layout(reactor.RecordType()) + broker.Layout() + hub.Layout() + web.Layout())
}

// serverState is what all loops have together, as plain data.
type serverState struct {
	Layout      string
	Version     string // of the program
	Loops       int
	ByName      bool          // it is written by names, too
	Key         record.Key    // that names are hashed with
	Seeds       [2]record.Key // that the keys of messages are hashed with; zero in versions that had some for each loop
	Secret      []byte        // that tokens are derived with, where none is configured
	SecretSum   []byte
	Started     int64 // by the kernel's monotonic clock, in nanoseconds
	BaseBytes   int64
	Parked      int64 // when the loops stood still
	Connections int64
	Mails       []uint64 // that each loop has received
	HandOvers   int64    // that have gone well, this one included
	Totals      totalsState
	StateFile   string // "" for none
	StateLock   int
	StateTime   time.Time // when it was written last
	Sockets     []listening
	Descriptors []int // that the other program needs, but for those of connections
	Cluster     bool
	Place       []byte // of the Cluster
}

// totalsState are limit.Totals, but for what is under way, of which there is nothing.
type totalsState struct {
	Channels, Subscribers, Refused, SlowClosed, Admitted int64
	Listening                                            uint64
	Hits                                                 map[string]int64 // by the names of limits
	Gapped                                               bool
}

// listening are the sockets of one address.
type listening struct {
	Side, Address string
	FDs           []int
}

// Names of what a server writes.
const (
	serverName = "server"
	loopName   = "loop"
)

// HandOver writes the server down, for Config.From of another program. It changes nothing.
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
		return fmt.Errorf("comet: writing down what is handed over: %w", err)
	}
	return nil
}

// asState is the server as a whole.
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

// listening are the sockets that the server listens on.
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

// Keep has the descriptors that the other program needs stay open where the process
// executes it, or no more: those of connections do anyway.
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

// Records are the descriptors of what a rehearsal needs: the files of the loops' records,
// in the order of the loops.
func (p *Parked) Records() (fds []int) {
	for _, s := range p.srv.shards {
		fds = append(fds, s.loop.Arena().FD())
	}
	return fds
}

// HandedOver is a server of another program, as Parked.HandOver has written it down.
type HandedOver struct {
	reader    *handover.Reader
	server    serverState
	loops     []reactor.LoopState
	rehearsal bool
	byName    bool // of what is written by names another server is made (moving.go)
	asItWas   bool
}

// ReadHandOver reads what was written into a file, which must not change. It is an error
// if the records in memory have another layout than this program's, and nothing is written by
// names.
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

// mapHandOver reads what concerns the server as a whole.
func mapHandOver(file *os.File) (*HandedOver, error) {
	h, err := &HandedOver{}, error(nil)
	if h.reader, err = handover.MapReader(file); err != nil {
		return nil, fmt.Errorf("what was handed over: %w", err)
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
		return fmt.Errorf("what was handed over has %d loops", h.server.Loops)
	}
	h.loops = make([]reactor.LoopState, h.server.Loops)
	for i := range h.loops {
		if err := h.reader.Part(i).Value(loopName, &h.loops[i]); err != nil {
			return err
		}
	}
	return nil
}

// ErrLayout is why a server cannot go on for one of another version.
var ErrLayout = errors.New("the records of the server that runs have another layout than this version's, and it has not said by names what is in them: restart it, and its clients come back with their places")

// Rehearse has New make a server that does not run: it has the records in a copy of its
// own, of the files that Parked.Records has, and nothing else.
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

// AsItWas has New make the server with the records that the other one had, and as many loops,
// whatever Config says: for the program that has handed over to go on itself.
func (h *HandedOver) AsItWas() { h.byName, h.asItWas = false, true }

// KeepHandedOver has the descriptors that a file names stay open where the process
// executes a program: for the one that handed over to go on, where this one cannot, be it
// that it cannot read the rest.
func KeepHandedOver(file *os.File) error {
	h, err := mapHandOver(file)
	if err != nil {
		return err
	}
	return reactor.Keep(true, h.server.Descriptors...)
}

// Place is what the Cluster of this program goes on from, and whether the other program had
// one. It is to be given to it before it is given to New.
func (h *HandedOver) Place() (place []byte, had bool) { return h.server.Place, h.server.Cluster }

// Version is that of the program that handed over.
func (h *HandedOver) Version() string { return h.server.Version }

// part has what the actors of a loop have written; nil for a server that begins anew, or is
// made of what is written by names.
func (h *HandedOver) part(loop uint8) *handover.Reader {
	if h == nil || h.byName {
		return nil
	}
	return h.reader.Part(int(loop))
}

// fits says which settings may not change over a hand-over, and have.
func (h *HandedOver) fits(cfg *Config) error {
	if cfg.Loops != h.server.Loops && !h.byName {
		return fmt.Errorf("loops would be %d, and the server that runs, of a version that cannot say what another number needs, has %d: the number changes only where that ends", cfg.Loops, h.server.Loops)
	}
	if cfg.StateFile != h.server.StateFile {
		return fmt.Errorf("the state file would be %q, and that of the server that runs is %q: it changes only where that is restarted", cfg.StateFile, h.server.StateFile)
	}
	if has := map[bool]string{true: "several servers", false: "this server alone"}; h.server.Cluster != (cfg.Cluster != nil) {
		return fmt.Errorf("channels would be of %s, and those of the server that runs are of %s: it changes only where that is restarted", has[cfg.Cluster != nil], has[h.server.Cluster])
	}
	secret := cfg.Secret
	if len(secret) == 0 && cfg.Cluster != nil {
		secret = cfg.Cluster.Secret()
	}
	sum := sha256.Sum256(secret)
	if len(h.server.Secret) == 0 && !bytes.Equal(sum[:], h.server.SecretSum) || len(h.server.Secret) > 0 && len(cfg.Secret) > 0 {
		return errors.New("the secret would be another: tokens that clients have would be refused, so it changes only where the server is restarted")
	}
	return nil
}

// sockets are those that the other program has listened on.
func (h *HandedOver) sockets() (list []Sockets) {
	for _, s := range h.server.Sockets {
		list = append(list, Sockets{s.Side, s.Address, slices.Clone(s.FDs)})
	}
	return list
}

// HandOvers tells how the server came to go on for others: Total is 0 for one that did
// not. Call it from Start on, from any goroutine.
func (srv *Server) HandOvers() HandOvers { return srv.handOvers }

// SetUpgrading has /readyz say that another program is about to go on, or no more. Any
// goroutine may call it.
func (srv *Server) SetUpgrading(yes bool) { srv.site.Upgrading.Store(yes) }

// resumed has a server that was just made go on counting.
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

// HandOvers are figures of how a server came to go on for others.
type HandOvers struct {
	Total       int64         // that have gone well since the first server of all
	From        string        // the version that the last one was from
	Loops       int           // that it had
	Connections int64         // that it handed over
	Pause       time.Duration // for which they were not served
	parked      int64
}
