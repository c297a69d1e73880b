package comet

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// park brings a server that is driven turn by turn to rest, as Park does.
func (h *harness) park() *Parked {
	h.t.Helper()
	if len(h.srv.front) == 0 { // it has no listeners
		h.srv.cfg.Front, h.srv.cfg.Admin = nil, nil
	}
	for _, s := range h.srv.shards {
		s.hold(true)
	}
	for range 100_000 {
		if h.srv.quiet() {
			return &Parked{srv: h.srv}
		}
		for _, s := range h.srv.shards {
			h.turn(s)
		}
	}
	h.t.Fatal("the loops did not stop")
	return nil
}

// written is what a server hands over.
func (h *harness) written(p *Parked) *os.File {
	h.t.Helper()
	var err error
	file := h.earlyFile
	if file != nil {
		err = p.HandOverRest(h.srv.early.Load())
	} else {
		file = h.memoryFile()
		err = p.HandOver(file)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.earlyFile = nil
	return file
}

func (h *harness) memoryFile() *os.File {
	h.t.Helper()
	fd, err := unix.MemfdCreate("handover", unix.MFD_CLOEXEC)
	if err != nil {
		h.t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "handover")
	h.t.Cleanup(func() { file.Close() })
	return file
}

// handOver continues the server in another one, as another program would: that has nothing
// but the hand-over, the descriptors, and the configuration.
func (h *harness) handOver(change func(*Config)) {
	h.t.Helper()
	p := h.park()
	p.ByName = h.byName
	file := h.written(p)
	h.rehearse(p, file, change)
	from, err := ReadHandOver(file)
	if err != nil {
		h.t.Fatal(err)
	}
	old := h.srv
	var before []byte
	if h.watchRecords {
		before = h.recordsNow(p)
	}
	srv, err := New(h.successor(from, change))
	if err != nil {
		h.t.Fatal(err)
	}
	if h.watchRecords && !bytes.Equal(before, h.recordsNow(p)) {
		h.t.Error("the new server changed records before it served, so the old one could not continue")
	}
	for _, s := range old.shards {
		s.release() // what this process has mapped of it
	}
	srv.leaveBehind()
	h.srv = srv
	h.settle()
}

// ways runs a test with each way to hand a server over: with its records as they lie in
// memory, and by names to any number of loops.
func ways(t *testing.T, test func(t *testing.T, handOver func(*harness, func(*Config)))) {
	for _, loops := range []int{0, 1, 2, 3} {
		t.Run(fmt.Sprintf("loops %d", loops), func(t *testing.T) {
			test(t, func(h *harness, change func(*Config)) {
				h.byName = loops > 0
				h.handOver(func(cfg *Config) {
					if loops > 0 {
						cfg.Loops = loops
					}
					if change != nil {
						change(cfg)
					}
				})
			})
		})
	}
}

// recordsNow returns a checksum of all records, as another program sees them, and of what
// the loops wait for.
func (h *harness) recordsNow(p *Parked) []byte {
	h.t.Helper()
	sum := sha256.New()
	for _, fd := range p.Records() {
		var info unix.Stat_t
		if err := unix.Fstat(fd, &info); err != nil {
			h.t.Fatal(err)
		}
		file := os.NewFile(uintptr(dup(h.t, fd)), "records")
		_, err := io.Copy(sum, io.NewSectionReader(file, 0, info.Size))
		if err = errors.Join(err, file.Close()); err != nil {
			h.t.Fatal(err)
		}
	}
	for _, s := range h.srv.shards {
		waits, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", s.loop.FDs()[0]))
		if err != nil {
			h.t.Fatal(err)
		}
		sum.Write(waits)
	}
	return sum.Sum(nil)
}

func dup(t testing.TB, fd int) int {
	t.Helper()
	other, err := unix.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	return other
}

// successor is the configuration of a server that continues another one.
func (h *harness) successor(from *HandedOver, change func(*Config)) Config {
	cfg := h.srv.cfg
	cfg.From, cfg.Front, cfg.Admin = from, []string{"unix:" + h.t.TempDir() + "/front"}, []string{"unix:" + h.t.TempDir() + "/admin"}
	if h.srv.randomSecret {
		cfg.Secret = nil
	}
	if change != nil {
		change(&cfg)
	}
	return cfg
}

// rehearse makes a server from a copy of the records; the first server is unchanged.
func (h *harness) rehearse(p *Parked, file *os.File, change func(*Config)) {
	h.t.Helper()
	from, err := ReadHandOver(file)
	if err != nil {
		h.t.Fatal(err)
	}
	var records []int
	for _, fd := range p.Records() {
		records = append(records, dup(h.t, fd))
	}
	if err := from.Rehearse(records); err != nil {
		h.t.Fatal(err)
	}
	srv, err := New(h.successor(from, change))
	if err != nil {
		h.t.Fatal(err)
	}
	check(h.t, srv, !h.waits, "a rehearsal")
	srv.abandon() // which closes nothing
	for _, fd := range records {
		unix.Close(fd)
	}
	check(h.t, h.srv, !h.waits, "after a rehearsal")
}
