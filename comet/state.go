package comet

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/statefile"
)

// state is the file in which channels outlive the process: their numbers, messages and
// leases, and the secret of the tokens if that is random.
//
//  1. openState, before anything else, reads the file once to check it (stateload.go). An
//     invalid file is put aside, whole. A lock on a file beside it keeps other servers away.
//  2. restore, before a client can connect, reads it again and makes its channels. When
//     nothing can keep the server from serving any more, the file is marked as dirty, in
//     place: the server now gives numbers that are not in it. A server that loads a dirty
//     file leaves a gap in the numbers, and one more for each server that has done so
//     before.
//  3. run, on a goroutine of its own, asks each loop at every interval for some of its
//     channels at a time (statesnapshot.go). It writes them to a new file, which replaces
//     the old one when it is safely on the disk.
//  4. When nothing is served any more (drain.go), the same once more: a clean file.
type state struct {
	cfg     *Config
	name    string
	lock    *os.File
	file    *os.File // file to restore; nil: none
	head    statefile.Head
	secret  []byte // secret to write; nil: it is configured
	failing bool   // the last write failed, which was logged
	lost    error  // why the final write failed; valid when done is closed
	shown   shownState
	carried *os.File // restored instead of the file, if not nil
	carry   *os.File // channels are also written to it at the end, if not nil

	*broker.Snapshots
	final chan struct{} // closed when nothing is served any more
	over  chan struct{} // closed when the loops have ended
	done  chan struct{} // closed when run has ended
}

// openState locks the state file and checks it. Without a configured file it returns nil, or
// a state that keeps no file (carry.go).
func openState(cfg *Config) (*state, error) {
	if cfg.StateFile == "" {
		return openCarrier(cfg), nil
	}
	st := &state{cfg: cfg, name: cfg.StateFile, Snapshots: broker.NewSnapshots(), final: make(chan struct{}), over: make(chan struct{})}
	err := st.settle()
	if err == nil && cfg.From != nil {
		return st.resume(cfg.From), nil
	}
	if err == nil {
		err = st.takeLock()
	}
	if err == nil {
		err = st.examine()
	}
	if err != nil {
		st.close()
		return nil, fmt.Errorf("state: %w", err)
	}
	st.takeCarried()
	return st, nil
}

// kept reports whether there is a state file.
func (st *state) kept() bool { return st != nil && st.name != "" }

// resume reads nothing from the file: the server that this one continues has read it.
func (st *state) resume(from *HandedOver) *state {
	st.head.Written = from.server.StateTime
	return st
}

// takeOver takes the lock of the file from that server. Call it only when no error here can
// make that server go on: an os.File closes the lock's descriptor when it is collected.
func (st *state) takeOver(from *HandedOver) {
	if st.kept() {
		st.lock = os.NewFile(uintptr(from.server.StateLock), st.name+".lock")
		unix.CloseOnExec(from.server.StateLock)
	}
}

// settle follows symbolic links to the file, and checks that another file can replace it
// there.
func (st *state) settle() error {
	for range maxLinks {
		to, err := os.Readlink(st.name)
		if err != nil {
			break // not a link, or not there
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(st.name), to)
		}
		st.name = to
	}
	var info unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, st.name, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_TYPE, &info)
	if errors.Is(err, unix.ENOENT) {
		return nil
	} else if err != nil {
		return fmt.Errorf("%s: %w", st.name, err)
	}
	switch {
	case info.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%s is not a regular file: name another file", st.name)
	case info.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0:
		return fmt.Errorf("%s is a mount point, so no new file can replace it: mount its directory instead", st.name)
	}
	return nil
}

// maxLinks bounds the symbolic links that are followed, as Linux does.
const maxLinks = 40

// takeLock locks a file that stays beside the state file, because each write replaces the
// state file.
func (st *state) takeLock() (err error) {
	if st.lock, err = os.OpenFile(st.name+".lock", os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	err = unix.Flock(int(st.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("%s is in use by another server, which has locked %s: stop that server, or name another file", st.name, st.lock.Name())
	}
	return err
}

// stopping shows AwaitState that the server is about to leave the file: by a lock of another
// kind on the same lock file, which is free while the server serves. Any goroutine may call
// it.
func (st *state) stopping() error {
	raw, err := st.lock.SyscallConn()
	if err != nil {
		return err
	}
	return errors.Join(raw.Control(func(fd uintptr) {
		err = unix.FcntlFlock(fd, unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Len: 1})
	}), err)
}

// isStopping reports whether the server that has the lock is about to end.
func isStopping(lock *os.File) bool {
	seen := unix.Flock_t{Type: unix.F_WRLCK, Len: 1}
	return unix.FcntlFlock(lock.Fd(), unix.F_OFD_GETLK, &seen) == nil && seen.Type != unix.F_UNLCK
}

func (st *state) close() {
	for _, f := range []*os.File{st.file, st.lock} {
		if f != nil {
			f.Close()
		}
	}
	st.file = nil
}

// start starts the goroutine.
func (st *state) start(srv *Server) {
	st.done = make(chan struct{})
	go st.run(srv)
	go func() {
		_ = srv.group.Wait() // Server.Wait reports the error
		close(st.over)
	}()
}

// wait returns when the goroutine has ended, with the error of the final write.
func (st *state) wait() error {
	if st.done != nil {
		<-st.done
	}
	return st.lost
}

func (st *state) run(srv *Server) {
	defer close(st.done)
	var tick <-chan time.Time
	if st.cfg.StateInterval > 0 && st.kept() {
		ticker := time.NewTicker(st.cfg.StateInterval)
		defer ticker.Stop()
		tick = ticker.C
		if st.head.Written.IsZero() || st.carried != nil {
			_ = st.save(srv, false) // at once, because tokens of a lost secret would be useless
		}
	}
	for {
		select {
		case <-tick:
			_ = st.save(srv, false)
		case <-st.final:
			if st.kept() {
				st.lost = st.save(srv, true)
			}
			st.lost = errors.Join(st.lost, st.writeCarry(srv))
			srv.group.Stop()
			return
		case <-st.over:
			st.cutOff()
			return
		}
	}
}

// cutOff logs that the loops have ended before they could be asked.
func (st *state) cutOff() {
	if !st.kept() {
		return
	}
	st.cfg.Log.Warn().Msg("the server ended before the state file was written: messages published since the last write are lost")
}

var errGivenUp = errors.New("given up")

// save writes the file. It logs when writing begins to fail, and when it works again. It
// returns an error only of the final write (clean).
func (st *state) save(srv *Server, clean bool) error {
	began := time.Now()
	channels, size, err := st.write(srv, clean)
	st.show(began, size, err)
	log := &st.cfg.Log
	switch {
	case errors.Is(err, errGivenUp) && clean:
		st.cutOff()
	case errors.Is(err, errGivenUp):
	case err != nil && clean:
		log.Error().Err(err).Msg("writing the state file failed: messages published since the last write are lost")
		return fmt.Errorf("state: %w", err)
	case err != nil && !st.failing:
		st.failing = true
		log.Error().Err(err).Msg("writing the state file failed: the last good file stays, and the server tries again")
	case err == nil:
		if st.failing {
			st.failing = false
			log.Info().Str("file", st.name).Msg("the state file is written again")
		}
		event := log.Debug()
		if clean {
			event = log.Info()
		}
		event.Str("file", st.name).Int("channels", channels).Dur("took", time.Since(began)).Msg("state written")
	}
	return nil
}

// shownState are the figures of the writes: seconds, nanoseconds, bytes, a count.
type shownState struct{ written, took, bytes, failures atomic.Int64 }

func (st *state) show(began time.Time, size int64, err error) {
	switch {
	case err == nil:
		st.shown.written.Store(st.cfg.Clock().Unix())
		st.shown.took.Store(int64(time.Since(began)))
		st.shown.bytes.Store(size)
	case !errors.Is(err, errGivenUp):
		st.shown.failures.Add(1)
	}
}

func (st *state) figures() *StateFigures {
	f := &StateFigures{
		Written: st.head.Written, Took: time.Duration(st.shown.took.Load()), Bytes: st.shown.bytes.Load(), Failures: st.shown.failures.Load(),
	}
	if at := st.shown.written.Load(); at != 0 {
		f.Written = time.Unix(at, 0)
	}
	return f
}

// write writes a new file, which then replaces the old one.
func (st *state) write(srv *Server, clean bool) (channels int, size int64, err error) {
	// Only the process that has the lock writes under this name. So a file that is there is
	// left from an interrupted write.
	fresh := st.name + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, 0, err
	}
	f, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(fresh) // it may have filled the disk
		}
	}()
	gaps := 1
	if clean {
		gaps = 0
	}
	w := statefile.NewWriter(f, statefile.Head{Gaps: gaps, Written: st.cfg.Clock(), Secret: st.secret})
	channels, err = st.writeChannels(srv, w, clean)
	if err == nil {
		err = w.Finish()
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		size, err = f.Seek(0, io.SeekCurrent)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, 0, err
	}
	if err := os.Rename(fresh, st.name); err != nil {
		return 0, 0, err
	}
	return channels, size, syncDirectory(filepath.Dir(st.name))
}

// syncDirectory makes the names in a directory survive a loss of power.
func syncDirectory(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
