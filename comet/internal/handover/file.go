// Package handover defines the file in which a program describes its server for the program that
// takes over: named records in an in-memory file. The values in it are by name, too. The package
// also describes what must be the same in both programs.
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

// A file is a line with its version, followed by records, each of them
//
//	CRC-32C of what follows (4 bytes), length of the name (4), length of the content (8), name, content
//
// in the byte order of the machine, which is the same for both programs. The last record is named
// "end". Values are encoded with gob: it names the fields, and a reader takes those that it knows.
// Large data has its own encodings, and may take several records with the same name.
const magic = "ccomet-handover 1\n"

const (
	recordHead = 4 + 4 + 8
	endName    = "end"
)

// Late is the suffix of the names of records whose content is read only when it is needed. The checksum
// of such a record does not cover its content: checking it would read the content.
const Late = "~"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Writer writes a file. It keeps the first error, and writes nothing after it. Several goroutines may
// call Raw at the same time.
type Writer struct {
	out io.Writer
	buf bytes.Buffer
	mu  sync.Mutex
	err error
}

// NewWriter starts a file.
func NewWriter(out io.Writer) *Writer {
	w := &Writer{out: out}
	_, w.err = io.WriteString(out, magic)
	return w
}

// Part writes the records of one loop. Other Parts may write at the same time with Raw.
type Part struct {
	w      *Writer
	prefix string
}

// Part returns a Part, whose records have the loop's number as a prefix of their names.
func (w *Writer) Part(loop int) Part { return Part{w, fmt.Sprintf("%d.", loop)} }

// Value writes v, a struct with exported fields.
func (w *Writer) Value(name string, v any) {
	w.buf.Reset()
	if err := gob.NewEncoder(&w.buf).Encode(v); err != nil {
		w.mu.Lock()
		w.err = cmp.Or(w.err, fmt.Errorf("%s: %w", name, err))
		w.mu.Unlock()
	}
	w.Raw(name, w.buf.Bytes())
}

// Raw writes a record.
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

// Value writes v, a struct with exported fields.
func (p Part) Value(name string, v any) { p.w.Value(p.prefix+name, v) }

// Raw writes a record.
func (p Part) Raw(name string, content []byte) { p.w.Raw(p.prefix+name, content) }

// Finish writes the last record, and returns the first error.
func (w *Writer) Finish() error {
	w.Raw(endName, nil)
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Reader gives access to the records of a file in memory, which must not change.
type Reader struct {
	records map[string][][]byte
	prefix  string
	mapped  *mapping // nil: the memory is not to be released
}

// mapping is memory to which a file is mapped. It is released when it has no users.
type mapping struct {
	mem   []byte
	users atomic.Int32
}

// MapReader maps a file to memory, and returns a Reader of it. Let releases the memory.
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
		_ = unix.Munmap(m.mem) // cannot fail
		return nil, err
	}
	r.mapped = m
	r.Keep()
	return r, nil
}

// Keep keeps the memory of the file until one more call of Let. Any goroutine may call Keep and Let.
func (r *Reader) Keep() {
	if r.mapped != nil {
		r.mapped.users.Add(1)
	}
}

// Let releases the memory, unless other users keep it.
func (r *Reader) Let() {
	if r.mapped != nil && r.mapped.users.Add(-1) == 0 {
		_ = unix.Munmap(r.mapped.mem) // cannot fail
	}
}

// Forget releases the memory of one record's content. Nothing may read the content afterwards.
func (r *Reader) Forget(content []byte) {
	if r.mapped == nil || len(content) == 0 {
		return
	}
	page := uintptr(os.Getpagesize())
	base := uintptr(unsafe.Pointer(unsafe.SliceData(r.mapped.mem)))
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(content))) - base
	end := (begin + uintptr(len(content))) / page * page
	if begin = (begin + page - 1) / page * page; begin < end {
		_ = unix.Madvise(r.mapped.mem[begin:end], unix.MADV_REMOVE) // on an error it is released later, by Let
	}
}

var errTorn = errors.New("the hand-over is not complete")

// NewReader locates all records.
func NewReader(file []byte) (*Reader, error) {
	if !bytes.HasPrefix(file, []byte(magic)) {
		return nil, errors.New("the hand-over has another format")
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

// Part returns a Reader of the records that the Part with this number has written.
func (r *Reader) Part(loop int) *Reader {
	return &Reader{r.records, fmt.Sprintf("%d.", loop), r.mapped}
}

// Value decodes a record into v, a pointer to a struct. It is an error if there is not exactly one.
func (r *Reader) Value(name string, v any) error {
	list := r.records[r.prefix+name]
	if len(list) != 1 {
		return fmt.Errorf("the hand-over has %d values with the name %q: want one", len(list), r.prefix+name)
	}
	if err := gob.NewDecoder(bytes.NewReader(list[0])).Decode(v); err != nil {
		return fmt.Errorf("%s: %w", r.prefix+name, err)
	}
	return nil
}

// Raw returns the contents of all records with this name, in order.
func (r *Reader) Raw(name string) [][]byte { return r.records[r.prefix+name] }
