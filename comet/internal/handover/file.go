// Package handover has the form in which a server is written down for the program that
// goes on with it: named records in a file in memory, values of which are by name, too,
// and what must be the same in both programs.
package handover

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
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

// Late ends the names of records that are read when somebody asks for what is in them. No
// sum of these is checked, for that would read them.
const Late = "~"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Writer writes a file. The first error is kept, and nothing is written after it. Several
// goroutines may write with Raw.
type Writer struct {
	out io.Writer
	buf bytes.Buffer
	mu  sync.Mutex
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
	if err := gob.NewEncoder(&w.buf).Encode(v); err != nil {
		w.mu.Lock()
		w.err = cmp.Or(w.err, fmt.Errorf("%s: %w", name, err))
		w.mu.Unlock()
	}
	w.Raw(name, w.buf.Bytes())
}

// Raw writes bytes.
func (w *Writer) Raw(name string, content []byte) {
	head := make([]byte, recordHead, recordHead+len(name))
	binary.NativeEndian.PutUint32(head[4:], uint32(len(name)))
	binary.NativeEndian.PutUint64(head[8:], uint64(len(content)))
	head = append(head, name...)
	sum := crc32.Checksum(head[4:], castagnoli)
	if !strings.HasSuffix(name, Late) {
		sum = crc32.Update(sum, castagnoli, content)
	}
	binary.NativeEndian.PutUint32(head, sum)
	w.mu.Lock()
	defer w.mu.Unlock()
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
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Reader has the records of a file, which is in memory and must not change.
type Reader struct {
	records map[string][][]byte
	prefix  string
	mapped  *mapping // nil: the file is not to be given up
}

// mapping is memory that a file is mapped to, until none needs it.
type mapping struct {
	mem   []byte
	users atomic.Int32
}

// MapReader has the records of a file, which it maps to memory. Let gives that up.
func MapReader(file *os.File) (*Reader, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	m := &mapping{}
	if m.mem, err = unix.Mmap(int(file.Fd()), 0, int(max(info.Size(), 1)), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, err
	}
	r, err := NewReader(m.mem)
	if err != nil {
		_ = unix.Munmap(m.mem) // which cannot fail
		return nil, err
	}
	r.mapped = m
	r.Keep()
	return r, nil
}

// Keep has the memory of the file stay until Let was called once more. Any goroutine may
// call them.
func (r *Reader) Keep() {
	if r.mapped != nil {
		r.mapped.users.Add(1)
	}
}

// Let gives the memory up, unless others keep it.
func (r *Reader) Let() {
	if r.mapped != nil && r.mapped.users.Add(-1) == 0 {
		_ = unix.Munmap(r.mapped.mem) // which cannot fail
	}
}

// Forget gives up the memory of one record of the file, which nobody reads any more.
func (r *Reader) Forget(content []byte) {
	if r.mapped == nil || len(content) == 0 {
		return
	}
	page := uintptr(os.Getpagesize())
	base := uintptr(unsafe.Pointer(unsafe.SliceData(r.mapped.mem)))
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(content))) - base
	end := (begin + uintptr(len(content))) / page * page
	if begin = (begin + page - 1) / page * page; begin < end {
		_ = unix.Madvise(r.mapped.mem[begin:end], unix.MADV_REMOVE) // else it is given up later
	}
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
		name := string(file[recordHead : recordHead+nameLen])
		summed := end
		if strings.HasSuffix(name, Late) {
			summed = recordHead + int(nameLen)
		}
		if crc32.Checksum(file[4:summed], castagnoli) != sum {
			return nil, errTorn
		}
		if name == endName {
			return r, nil
		}
		r.records[name] = append(r.records[name], file[recordHead+int(nameLen):end:end])
		file = file[end:]
	}
}

// Part has the records that a Part of that number wrote.
func (r *Reader) Part(loop int) *Reader {
	return &Reader{r.records, fmt.Sprintf("%d.", loop), r.mapped}
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
