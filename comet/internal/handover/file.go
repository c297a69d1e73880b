// Package handover has the form in which a server is written down for the program that
// goes on with it: named records in a file in memory, values of which are by name, too,
// and what must be the same in both programs.
package handover

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
)

// A file is a line that says its version, and records behind it, each of them
//
//	CRC-32C of what follows (4 bytes), length of the name (4), length of the content (8), name, content
//
// in the byte order of the machine, which both programs run on. The last record is
// named "end". The content of a value is gob's: fields by name, of which a reader takes
// those that it knows. What is large has a form of its own, and may be several records
// of one name.
const magic = "ccomet-handover 1\n"

const (
	recordHead = 4 + 4 + 8
	endName    = "end"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Writer writes a file. The first error is kept, and nothing is written after it.
type Writer struct {
	out io.Writer
	buf bytes.Buffer
	err error
}

// NewWriter begins a file.
func NewWriter(out io.Writer) *Writer {
	w := &Writer{out: out}
	_, w.err = io.WriteString(out, magic)
	return w
}

// Part is where one actor of one loop writes, beside others.
type Part struct {
	w      *Writer
	prefix string
}

// Part begins the names of what it writes with a number.
func (w *Writer) Part(loop int) Part { return Part{w, fmt.Sprintf("%d.", loop)} }

// Value writes a struct of exported fields.
func (w *Writer) Value(name string, v any) {
	w.buf.Reset()
	if err := gob.NewEncoder(&w.buf).Encode(v); err != nil && w.err == nil {
		w.err = fmt.Errorf("%s: %w", name, err)
	}
	w.Raw(name, w.buf.Bytes())
}

// Raw writes bytes.
func (w *Writer) Raw(name string, content []byte) {
	head := make([]byte, recordHead, recordHead+len(name))
	binary.NativeEndian.PutUint32(head[4:], uint32(len(name)))
	binary.NativeEndian.PutUint64(head[8:], uint64(len(content)))
	head = append(head, name...)
	binary.NativeEndian.PutUint32(head, crc32.Update(crc32.Checksum(head[4:], castagnoli), castagnoli, content))
	for _, part := range [][]byte{head, content} {
		if w.err == nil {
			_, w.err = w.out.Write(part)
		}
	}
}

// Value writes a struct of exported fields.
func (p Part) Value(name string, v any) { p.w.Value(p.prefix+name, v) }

// Raw writes bytes.
func (p Part) Raw(name string, content []byte) { p.w.Raw(p.prefix+name, content) }

// Finish writes the end, and returns what went wrong.
func (w *Writer) Finish() error {
	w.Raw(endName, nil)
	return w.err
}

// Reader has the records of a file, which is in memory and must not change.
type Reader struct {
	records map[string][][]byte
	prefix  string
}

var errTorn = errors.New("what was handed over is not whole")

// NewReader finds all records.
func NewReader(file []byte) (*Reader, error) {
	if !bytes.HasPrefix(file, []byte(magic)) {
		return nil, errors.New("what was handed over is of another form")
	}
	r := &Reader{records: map[string][][]byte{}}
	for file = file[len(magic):]; ; {
		if len(file) < recordHead {
			return nil, errTorn
		}
		sum, nameLen, n := binary.NativeEndian.Uint32(file), binary.NativeEndian.Uint32(file[4:]), binary.NativeEndian.Uint64(file[8:])
		if uint64(nameLen) > uint64(len(file)-recordHead) || n > math.MaxInt || n > uint64(len(file)-recordHead)-uint64(nameLen) {
			return nil, errTorn
		}
		end := recordHead + int(nameLen) + int(n)
		if crc32.Checksum(file[4:end], castagnoli) != sum {
			return nil, errTorn
		}
		name := string(file[recordHead : recordHead+nameLen])
		if name == endName {
			return r, nil
		}
		r.records[name] = append(r.records[name], file[recordHead+int(nameLen):end:end])
		file = file[end:]
	}
}

// Part has the records that a Part of that number wrote.
func (r *Reader) Part(loop int) *Reader {
	return &Reader{r.records, fmt.Sprintf("%d.", loop)}
}

// Value reads a struct.
func (r *Reader) Value(name string, v any) error {
	list := r.records[r.prefix+name]
	if len(list) != 1 {
		return fmt.Errorf("what was handed over has %d of %q: want one", len(list), r.prefix+name)
	}
	if err := gob.NewDecoder(bytes.NewReader(list[0])).Decode(v); err != nil {
		return fmt.Errorf("%s: %w", r.prefix+name, err)
	}
	return nil
}

// Raw are all records of a name, in their order.
func (r *Reader) Raw(name string) [][]byte { return r.records[r.prefix+name] }
