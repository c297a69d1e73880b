package comet

import (
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

// examine opens the file, and reads it once to see whether it is good. One that
// is not is put aside; without any the server begins with nothing.
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
		return fmt.Errorf("%s is no regular file", st.name)
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
		return fmt.Errorf("%s cannot be used (%w), nor put aside: %w", st.name, bad, err)
	}
	st.cfg.Log.Error().Str("file", st.name).Err(bad).Str("aside", aside).
		Msg("the state file cannot be used: it is put aside, and the server begins with no channels")
	return nil
}

// putAside renames the file, to a name that no file has.
func (st *state) putAside() (string, error) {
	first := st.name + ".bad-" + st.cfg.Clock().Format("20060102-150405")
	for n, name := 2, first; ; n, name = n+1, fmt.Sprintf("%s-%d", first, n) {
		err := os.Link(st.name, name) // which never takes another file's place
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil { // a file system without links
			return name, os.Rename(st.name, name)
		}
		return name, os.Remove(st.name)
	}
}

// restore makes the channels that the file holds.
func (st *state) restore(srv *Server) error {
	if st.file == nil {
		return nil
	}
	info, err := st.file.Stat()
	if err == nil {
		_, err = st.file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	r := restorer{srv: srv, now: srv.cfg.Clock(), sharings: map[sharedBody]*msg.Sharing{}}
	r.gap = int32(st.head.Gaps) * record.StateGap
	srv.totals.Gapped = r.gap > 0
	if _, err := statefile.Read(st.file, info.Size(), &r); err != nil {
		return fmt.Errorf("state: %s has changed since it was found good: %w", st.name, err)
	}
	st.tell(&r)
	return nil
}

// mark makes the file one that this server has left without writing it anew, which
// gives numbers from now on that lie in one gap more.
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
func (st *state) tell(r *restorer) {
	log := &st.cfg.Log
	log.Info().Str("file", st.name).Int("channels", r.channels).Int("messages", r.messages).
		Dur("age", r.now.Sub(st.head.Written)).Msg("state loaded")
	if r.gap > 0 {
		log.Warn().Int32("gap", r.gap).
			Msg("the server that wrote the state did not end as it should: each channel leaves out numbers, for those that were given since")
	}
	if r.tooMany > 0 {
		log.Warn().Int("max-channels", st.cfg.MaxChannels).Int("left out", r.tooMany).Msg("the state has more channels than are allowed now")
	}
}

// restorer makes channels out of a file.
type restorer struct {
	srv *Server
	now time.Time
	gap int32

	s  *shard // the home of the channel that messages belong to
	at uint32 // 0: they belong to none

	channels, messages, tooMany int

	sharings map[sharedBody]*msg.Sharing
}

// sharedBody is a body of the file that messages of one loop's channels share.
type sharedBody struct {
	s    *shard
	body uint32
}

// Channel makes a channel, or begins one anew that stands in the file twice: it
// went and came while that was written.
func (r *restorer) Channel(c *statefile.Channel) {
	srv := r.srv
	r.s = srv.shards[srv.homes.Of(c.Name)]
	r.at = r.s.broker.Find(c.Name)
	if r.at == 0 {
		if limit := srv.cfg.MaxChannels; limit > 0 && srv.totals.Channels.Load() >= int64(limit) {
			r.tooMany++
			return
		}
		if r.at, _ = r.s.broker.FindOrMake(c.Name); r.at == 0 {
			r.tooMany++ // for the memory that there is
			return
		}
		r.channels++
	}
	ch := r.s.broker.Channels.At(r.at)
	r.s.broker.DropHistory(ch)
	ch.Next, ch.Dialect = c.Next+r.gap, c.Dialect
	if r.gap < statefile.MaxGaps*record.StateGap { // else they begin again
		ch.Gen = c.Epoch
	}
	// Its clients could not come while no server ran: they have a while now.
	left := time.UnixMilli(c.Lease).Sub(r.now)
	r.s.broker.Extend(r.at, min(max(left, srv.cfg.ChannelTimeout), broker.MaxLease))
}

// Message keeps a message, within the bounds of now.
func (r *restorer) Message(k msg.Kind, seq int32, content []byte) {
	if r.at != 0 {
		r.keep(msg.New(k, seq, content))
	}
}

// Shared keeps one whose content others share.
func (r *restorer) Shared(k msg.Kind, seq int32, content []byte, body uint32) {
	if r.at == 0 {
		return
	}
	key := sharedBody{r.s, body}
	if r.sharings[key] == nil {
		r.sharings[key] = new(msg.Sharing)
	}
	r.keep(&msg.Message{Kind: k, Seq: seq, Content: content, Shared: r.sharings[key]})
}

func (r *restorer) keep(message *msg.Message) {
	ch := r.s.broker.Channels.At(r.at)
	if len(message.Content) > pollBytes+8*r.srv.cfg.MaxMessage {
		r.s.broker.DropHistory(ch) // no response could hold it
		return
	}
	r.s.broker.Keep(ch, message)
	r.messages++
}
