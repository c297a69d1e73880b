package websocket

import "encoding/binary"

// Head is the head of a frame to send.
type Head struct {
	Op         Opcode
	Final      bool // no further fragment of the message follows
	Compressed bool // the message was compressed by Deflater.Append; set only on its first frame
	Length     int  // bytes of the payload
}

// Append appends the head of a server's frame; Length bytes of payload must follow.
func (h Head) Append(dst []byte) []byte { return h.append(dst, 0) }

// AppendMasked appends the head of a client's frame. The payload must follow, masked with the same key
// (Mask). Each frame needs a new, unpredictable key (RFC 6455 5.3): take it from crypto/rand.
func (h Head) AppendMasked(dst []byte, key [4]byte) []byte {
	return append(h.append(dst, 0x80), key[:]...)
}

// append appends the head up to the mask's key. masked is the value of the mask bit.
func (h Head) append(dst []byte, masked byte) []byte {
	first := byte(h.Op)
	if h.Final {
		first |= 0x80
	}
	if h.Compressed {
		first |= 0x40
	}
	switch {
	case h.Length < 126:
		return append(dst, first, masked|byte(h.Length))
	case h.Length < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, first, masked|126), uint16(h.Length))
	}
	return binary.BigEndian.AppendUint64(append(dst, first, masked|127), uint64(h.Length))
}

// Mask masks or unmasks a whole payload, in place.
func Mask(payload []byte, key [4]byte) {
	mask(payload, binary.LittleEndian.Uint32(key[:]))
}

// AppendFrame appends a server's frame with a whole message, or a control frame. The payload of a
// control frame must be at most MaxControl bytes, the payload of a Text must be UTF-8; neither is
// checked.
func AppendFrame(dst []byte, op Opcode, payload []byte) []byte {
	return append(Head{Op: op, Final: true, Length: len(payload)}.Append(dst), payload...)
}

// AppendMaskedFrame appends a client's frame, as AppendFrame appends a server's. It does not write to
// payload. See Head.AppendMasked for the key.
func AppendMaskedFrame(dst []byte, op Opcode, payload []byte, key [4]byte) []byte {
	dst = Head{Op: op, Final: true, Length: len(payload)}.AppendMasked(dst, key)
	at := len(dst)
	dst = append(dst, payload...)
	Mask(dst[at:], key)
	return dst
}

// AppendClose appends a server's Close frame, with the payload of AppendClosePayload. A client passes
// that payload to AppendMaskedFrame.
func AppendClose(dst []byte, code Code, reason string) []byte {
	var scratch [MaxControl]byte
	return AppendFrame(dst, Close, AppendClosePayload(scratch[:0], code, reason))
}
