package comet

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/statefile"
)

// examine opens the file and reads it once to check it. An invalid file is put
// aside. Without a file the server starts with nothing.
func (st *state) examine() error {
	f, err := os.OpenFile(st.name, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	st.file = f
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", st.name)
	}
	head, bad := statefile.Read(f, info.Size(), statefile.Nobody{})
	if bad == nil {
		st.head = head
		return nil
	}
	f.Close()
	st.file = nil
	aside, err := st.putAside()
	if err != nil {
		return fmt.Errorf("%s cannot be used (%w), and cannot be renamed: %w", st.name, bad, err)
	}
	st.cfg.Log.Error().Str("file", st.name).Err(bad).Str("aside", aside).
		Msg("the state file cannot be used: it is renamed, and the server starts without channels")
	return nil
}

// putAside renames the file to a name that no file has.
func (st *state) putAside() (string, error) {
	first := st.name + ".bad-" + st.cfg.Clock().Format("20060102-150405")
	for n, name := 2, first; ; n, name = n+1, fmt.Sprintf("%s-%d", first, n) {
		err := os.Link(st.name, name) // never replaces another file
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil { // the file system has no links
			return name, os.Rename(st.name, name)
		}
		return name, os.Remove(st.name)
	}
}

// restore makes the channels in the file.
func (st *state) restore(srv *Server) error {
	file := cmp.Or(st.carried, st.file)
	if file == nil {
		return nil
	}
	info, err := file.Stat()
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	now, gap := srv.cfg.Clock(), int32(st.head.Gaps)*record.StateGap
	if gap > 0 {
		srv.totals.Gap = record.StateGap
	}
	r := restorer{homes: srv.homes}
	for _, s := range srv.shards {
		r.brokers = append(r.brokers, s.broker.Restorer(now, gap, pollBytes+8*srv.cfg.MaxMessage))
	}
	if _, err := statefile.Read(file, info.Size(), &r); err != nil {
		return fmt.Errorf("state: %s has changed since it was checked: %w", file.Name(), err)
	}
	st.tell(&r, now, gap)
	return nil
}

// mark marks the file, without rewriting it, as one whose numbers are out of date,
// because this server gives numbers from now on. The next server that loads it
// leaves one more gap.
func (st *state) mark() error {
	if st.file == nil {
		return nil
	}
	word := statefile.Word(min(st.head.Gaps+1, statefile.MaxGaps))
	_, err := st.file.WriteAt([]byte(word), int64(statefile.LineLen-len(word)-len("\n")))
	err = errors.Join(err, st.file.Sync(), st.file.Close())
	st.file = nil
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}

// tell logs what was restored.
func (st *state) tell(r *restorer, now time.Time, gap int32) {
	channels, messages, leftOut := 0, 0, 0
	for i := range r.brokers {
		b := &r.brokers[i]
		channels, messages, leftOut = channels+b.Channels, messages+b.Messages, leftOut+b.LeftOut
	}
	log := &st.cfg.Log
	log.Info().Str("file", cmp.Or(st.carried, st.file).Name()).Int("channels", channels).Int("messages", messages).
		Dur("age", now.Sub(st.head.Written)).Msg("state loaded")
	if gap > 0 {
		log.Warn().Int32("gap", gap).
			Msg("the server that wrote the state file ended abnormally: each channel skips numbers, because some were given after the file was written")
	}
	if leftOut > 0 {
		log.Warn().Int("max-channels", st.cfg.MaxChannels).Int("left out", leftOut).Msg("the state file has more channels than max-channels allows")
	}
}

// restorer passes the content of a file to the homes of its channels.
type restorer struct {
	homes   *record.Homes
	brokers []broker.Restorer
	at      *broker.Restorer // the home of the channel to which the messages belong
}

func (r *restorer) Channel(c *statefile.Channel) {
	r.at = &r.brokers[r.homes.Of(c.Name)]
	r.at.Channel(c)
}

func (r *restorer) Message(k msg.Kind, seq int32, content []byte) { r.at.Message(k, seq, content) }

func (r *restorer) Shared(k msg.Kind, seq int32, content []byte, body uint32) {
	r.at.Shared(k, seq, content, body)
}
