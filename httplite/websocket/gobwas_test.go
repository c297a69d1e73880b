package websocket

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/gobwas/ws/wsutil"
)

// gobwas reads input with the parts of gobwas/ws, which share no code with this package. It returns the result in the
// form of feed, with "error" and a close code. The known differences of gobwas/ws, and how it is corrected or excluded:
//
//   - it accepts lengths in more bytes than necessary: its own HeaderSize detects that;
//   - with an extension it accepts RSV2 and RSV3, and RSV1 on any frame, until the extension checks it;
//   - it does not know close codes 1012 to 1014, which were registered later, and accepts codes of 5000 and more, and a
//     payload of one byte;
//   - it inflates nothing after a block that is marked as the last (unsure), and does not accept a compressed message
//     of no bytes as an empty one, as zlib does.
//
// Compressed data is inflated with the standard library; FuzzInflate compares with klauspost/compress, too.
type gobwas struct {
	src    *bytes.Reader
	rules  *Rules
	state  ws.State
	flate  wsflate.MessageState
	op     ws.OpCode
	text   wsutil.UTF8Reader
	msg    bytes.Buffer
	frames int
	msgs   []string
	unsure bool
}

var (
	errCode1007 = errors.New("1007")
	errCode1009 = errors.New("1009")
)

// against returns the result of gobwas/ws for raw.
func against(raw []byte, rules *Rules) (got string, unsure bool) {
	g := gobwas{src: bytes.NewReader(raw), rules: rules, state: ws.StateServerSide}
	if rules.Client {
		g.state = ws.StateClientSide
	}
	if rules.Deflate {
		g.state = g.state.Set(ws.StateExtended)
	}
	for {
		done, err := g.frame()
		switch {
		case errors.Is(err, io.EOF) && !g.state.Fragmented():
			return strings.Join(g.msgs, "\n"), g.unsure
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return strings.Join(append(g.msgs, "incomplete"), "\n"), g.unsure
		case errors.Is(err, errCode1007), errors.Is(err, errCode1009):
			return strings.Join(append(g.msgs, "error "+err.Error()), "\n"), g.unsure
		case err != nil:
			return strings.Join(append(g.msgs, "error 1002"), "\n"), g.unsure
		case done:
			return strings.Join(g.msgs, "\n"), g.unsure
		}
	}
}

// frame reads a frame, and reports whether it was a Close frame.
func (g *gobwas) frame() (done bool, err error) {
	before := g.src.Len()
	h, err := ws.ReadHeader(g.src)
	if errors.Is(err, io.EOF) && before > 0 {
		return false, io.ErrUnexpectedEOF
	}
	if err != nil {
		return false, err
	}
	if err = ws.CheckHeader(h, g.state); err != nil {
		return false, err
	}
	if before-g.src.Len() != ws.HeaderSize(h) || h.Rsv&0b011 != 0 {
		return false, errors.New("not minimal, or RSV2 or RSV3")
	}
	if g.rules.Deflate {
		if h, err = g.flate.UnsetBits(h); err != nil {
			return false, err
		}
	}
	if h.OpCode.IsControl() {
		return h.OpCode == ws.OpClose, g.control(h)
	}
	if h.OpCode != ws.OpContinuation {
		g.op, g.text, g.frames = h.OpCode, wsutil.UTF8Reader{}, 0
		g.msg.Reset()
	}
	most := g.rules.message()
	if g.flate.IsCompressed() {
		most = g.rules.compressed()
	}
	if g.frames++; g.frames > g.rules.fragments() || uint64(g.msg.Len())+uint64(h.Length) > uint64(most) {
		return false, errCode1009
	}
	return false, g.data(h)
}

func (g *gobwas) control(h ws.Header) error {
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(g.src, payload); err != nil {
		return io.ErrUnexpectedEOF
	}
	if h.Masked {
		ws.Cipher(payload, h.Mask, 0)
	}
	if h.OpCode == ws.OpClose && len(payload) > 0 {
		code, reason := ws.ParseCloseFrameData(payload)
		err := ws.CheckCloseFrameData(code, reason)
		if code >= 1012 && code <= 1014 {
			err = ws.CheckCloseFrameData(1000, reason)
		}
		switch {
		case errors.Is(err, ws.ErrProtocolInvalidUTF8) && code < 5000:
			return errCode1007
		case err != nil, len(payload) == 1, code >= 5000:
			return ws.ErrProtocolStatusCodeUnknown
		}
	}
	g.msgs = append(g.msgs, line(Opcode(h.OpCode), payload))
	return nil
}

func (g *gobwas) data(h ws.Header) error {
	payload := make([]byte, min(h.Length, int64(g.src.Len())))
	_, _ = io.ReadFull(g.src, payload)
	if h.Masked {
		ws.Cipher(payload, h.Mask, 0)
	}
	g.msg.Write(payload)
	whole := int64(len(payload)) == h.Length
	checked := g.op == ws.OpText && !g.flate.IsCompressed()
	if checked {
		g.text.Source = bytes.NewReader(payload)
		_, err := io.Copy(io.Discard, &g.text)
		if err != nil || whole && h.Fin && !g.text.Valid() {
			return errCode1007
		}
	}
	if !whole {
		return io.ErrUnexpectedEOF
	}
	if !h.Fin {
		g.state = g.state.Set(ws.StateFragmented)
		return nil
	}
	g.state = g.state.Clear(ws.StateFragmented)
	out := g.msg.Bytes()
	if g.flate.IsCompressed() {
		var err error
		if out, err = g.inflate(out); err != nil {
			return err
		}
	}
	g.msgs = append(g.msgs, line(Opcode(g.op), out))
	return nil
}

func (g *gobwas) inflate(payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	out, unsure, err := inflateAlone(payload, g.rules.message())
	g.unsure = g.unsure || unsure
	if err == nil && g.op == ws.OpText {
		text := wsutil.UTF8Reader{Source: bytes.NewReader(out)}
		if _, err := io.Copy(io.Discard, &text); err != nil || !text.Valid() {
			return nil, errCode1007
		}
	}
	return out, err
}

// inflateAlone inflates with wsflate and the standard library. unsure is set if blocks follow a block that is marked as
// the last: the library ignores them.
func inflateAlone(payload []byte, limit int) (out []byte, unsure bool, err error) {
	// wsflate's reader hides how much it has read. But if a last block ends the payload, it also ends without the bytes
	// that wsflate appends.
	src := bytes.NewReader(append(bytes.Clone(payload), tail...))
	if _, err := io.Copy(io.Discard, io.LimitReader(flate.NewReader(src), int64(limit)+1)); err == nil && src.Len() > 0 {
		unsure = src.Len() != len(tail) && src.Len() != len(tail)-len(flushed)
	}
	// The source must have no ReadByte: if it has, wsflate turns the end into a zero byte.
	r := wsflate.NewReader(struct{ io.Reader }{bytes.NewReader(payload)}, func(r io.Reader) wsflate.Decompressor { return flate.NewReader(r) })
	out, err = io.ReadAll(io.LimitReader(r, int64(limit)+1))
	switch {
	case len(out) > limit:
		// Bytes after the end do not count.
		src := bytes.NewReader(append(bytes.Clone(payload), flushed...))
		if out, _ = io.ReadAll(io.LimitReader(flate.NewReader(src), int64(limit)+1)); len(out) <= limit {
			return nil, unsure, errCode1007
		}
		return nil, unsure, errCode1009
	case err != nil:
		return nil, unsure, errCode1007
	}
	// The appended bytes must not have become a part of the message: another end must give the same result.
	src = bytes.NewReader(append(bytes.Clone(payload), flushed+"\x03\x00"...))
	if again, err := io.ReadAll(flate.NewReader(src)); err != nil || !bytes.Equal(again, out) {
		return nil, unsure, errCode1007
	}
	return out, unsure, nil
}

// compare compares the results of Reader and of gobwas/ws for raw.
func compare(t testing.TB, r *Reader, raw string, rules *Rules) {
	t.Helper()
	got := feed(t, r, raw, rules)
	want, unsure := against([]byte(raw), rules)
	if unsure {
		return
	}
	for k, e := range faults {
		if k > 0 && strings.HasSuffix(got, "error "+e.Kind.String()) {
			got = strings.TrimSuffix(got, e.Kind.String()) + map[Code]string{1002: "1002", 1007: "1007", 1009: "1009"}[e.Code]
		}
	}
	if got == want {
		return
	}
	// gobwas/ws waits for a complete head where Reader refuses at once. With a complete head it must refuse, too.
	if strings.HasSuffix(want, "incomplete") && strings.TrimSuffix(want, "incomplete")+"error 1002" == got {
		if want, _ = against(append([]byte(raw), make([]byte, maxHead)...), rules); got == want {
			return
		}
	}
	t.Fatalf("%x with %+v:\n got %s\nwant %s", raw, *rules, got, want)
}

// TestAgainstGobwas also gives the cases of other tests to gobwas/ws.
func TestAgainstGobwas(t *testing.T) {
	var r Reader
	for _, c := range refused {
		if c.rules == nil {
			c.rules = &Rules{}
		}
		compare(t, &r, c.raw, c.rules)
	}
	for _, k := range kinds() {
		for _, deflate := range []bool{false, true} {
			compare(t, &r, k.raw, &Rules{Deflate: deflate, Message: 1 << 20, Fragments: 1 << 17})
		}
	}
}
