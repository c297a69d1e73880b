package mail

import (
	"encoding/binary"

	"ccomet/comet/internal/pool"
)

// A batch of messages goes to each home in mails of many: a batch's buffer has entries one
// behind the other, and its answer's as many results.

// Bounds of one mail of a batch, beside one entry that is longer.
const (
	BatchEntries = 1024
	BatchBytes   = pool.KeepBuffer - 4<<10 // so that most do not outgrow their buffer
)

// Entry is a message of a batch.
type Entry struct {
	Place              uint32 // of the message in its batch
	Name, Key, Content []byte // Key: empty where there is none
}

const entryHead = 4 + 4 + 1 + 1

// AppendEntryHead appends an entry but for its content, whose length EndEntry sets.
func AppendEntryHead(dst []byte, place uint32, name, key []byte) []byte {
	dst = binary.NativeEndian.AppendUint32(dst, place)
	dst = binary.NativeEndian.AppendUint32(dst, 0)
	dst = append(dst, uint8(len(name)), uint8(len(key)))
	return append(append(dst, name...), key...)
}

// EndEntry sets the length of the content of the entry that begins at that place of a buffer,
// and ends with it.
func EndEntry(buf []byte, at int) {
	entry := buf[at:]
	content := len(entry) - entryHead - int(entry[8]) - int(entry[9])
	binary.NativeEndian.PutUint32(entry[4:], uint32(content))
}

// NextEntry takes the first entry off a buffer.
func NextEntry(buf []byte) (e Entry, rest []byte) {
	e.Place = binary.NativeEndian.Uint32(buf)
	content := int(binary.NativeEndian.Uint32(buf[4:]))
	name, key := int(buf[8]), int(buf[9])
	buf = buf[entryHead:]
	e.Name, e.Key, e.Content = buf[:name], buf[name:name+key], buf[name+key:name+key+content]
	return e, buf[name+key+content:]
}

// Result is what has become of an entry.
type Result struct {
	Place   uint32
	Seq     int32
	Code    Code
	Seconds uint16 // until it is worth trying again
}

const resultSize = 4 + 4 + 1 + 2

// AppendResult appends a result.
func AppendResult(dst []byte, r Result) []byte {
	dst = binary.NativeEndian.AppendUint32(dst, r.Place)
	dst = binary.NativeEndian.AppendUint32(dst, uint32(r.Seq))
	dst = binary.NativeEndian.AppendUint16(dst, r.Seconds)
	return append(dst, uint8(r.Code))
}

// NextResult takes the first result off a buffer.
func NextResult(buf []byte) (r Result, rest []byte) {
	r.Place, r.Seq = binary.NativeEndian.Uint32(buf), int32(binary.NativeEndian.Uint32(buf[4:]))
	r.Seconds, r.Code = binary.NativeEndian.Uint16(buf[8:]), Code(buf[10])
	return r, buf[resultSize:]
}
