package websocket

import "github.com/klauspost/compress/flate"

// MinWindow and MaxWindow bound the size of an LZ77 window, in bits (RFC 7692 7.1.2).
const (
	MinWindow = 8
	MaxWindow = 15
)

// Deflater compresses messages for permessage-deflate, each by itself (no context takeover). So a loop needs only one,
// and a compressed message can be sent to all clients. The zero value is ready to use. The first message allocates
// about 830 KB. Only one goroutine may use it at a time.
type Deflater struct {
	w   *flate.Writer
	out sink
}

// sink collects the compressor's output.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// Append appends the compressed msg, as the payload of a message with Head.Compressed (RFC 7692 7.2.1). No distance in
// it is longer than 1<<window bytes (Handshake.Window); a window of 0 means MaxWindow.
func (d *Deflater) Append(dst, msg []byte, window int) []byte {
	d.out.b = dst
	if d.w == nil {
		d.w, _ = flate.NewWriter(&d.out, flate.BestSpeed) // fails only for unknown levels
	}
	// The compressor always uses the largest window. To limit it to a smaller one, it is reset after each piece of that
	// size.
	piece := max(len(msg), 1)
	if window > 0 && window < MaxWindow {
		piece = 1 << max(window, MinWindow)
	}
	for {
		n := min(piece, len(msg))
		d.w.Reset(&d.out)
		_, _ = d.w.Write(msg[:n]) // writing to a sink never fails
		_ = d.w.Flush()
		if msg = msg[n:]; len(msg) == 0 {
			break
		}
	}
	dst, d.out.b = d.out.b, nil
	return dst[:len(dst)-len(flushed)] // 7.2.1 step 3: remove the last four bytes
}

// AppendFrame appends a server's frame with a whole message. The message is compressed if that makes it shorter.
func (d *Deflater) AppendFrame(dst []byte, op Opcode, msg []byte, window int) []byte {
	at := len(dst)
	dst = d.Append(append(dst, make([]byte, maxHead)...), msg, window)
	packed := dst[at+maxHead:]
	if len(packed) >= len(msg) {
		return AppendFrame(dst[:at], op, msg)
	}
	end := Head{Op: op, Final: true, Compressed: true, Length: len(packed)}.Append(dst[:at])
	return append(end, packed...) // moves the payload left, to the end of the head
}
