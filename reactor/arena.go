package reactor

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Arena is memory for the records of slabs (Slab.In) that another program can take
// over: pages of an in-memory file (memfd) that both programs map. The other program
// opens it by its descriptor (ResumeArena). An Arena belongs to one goroutine.
type Arena struct {
	fd      int
	size    int64
	private bool // the other program does not see what is written
}

// NewArena makes an empty Arena.
func NewArena() (*Arena, error) {
	fd, err := sysMemfd("ccomet-records")
	if err != nil {
		return nil, opError("memfd_create", err)
	}
	return &Arena{fd: fd}, nil
}

// ResumeArena opens an arena that another program made, and owns its descriptor from
// now on, except on an error. With private, that program does not see what is written
// from now on.
func ResumeArena(fd int, private bool) (*Arena, error) {
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return nil, opError("fstat", err)
	}
	unix.CloseOnExec(fd)
	return &Arena{fd: fd, size: info.Size, private: private}, nil
}

// FD returns its descriptor.
func (a *Arena) FD() int { return a.fd }

// Close closes the descriptor. Mapped memory stays mapped.
func (a *Arena) Close() {
	if a != nil && a.fd >= 0 {
		sysClose(int32(a.fd))
		a.fd = -1
	}
}

// extend maps size more bytes, which are zero, and returns their offset in the file.
func (a *Arena) extend(size int) (mem []byte, at int64, err error) {
	at = a.size
	if err := unix.Ftruncate(a.fd, at+int64(size)); err != nil {
		return nil, 0, err
	}
	if mem, err = a.mapAt(at, size); err != nil {
		return nil, 0, err
	}
	a.size += int64(size)
	return mem, at, nil
}

func (a *Arena) mapAt(at int64, size int) ([]byte, error) {
	sharing := unix.MAP_SHARED
	if a.private {
		sharing = unix.MAP_PRIVATE
	}
	return unix.Mmap(a.fd, at, size, unix.PROT_READ|unix.PROT_WRITE, sharing)
}

// SlabState is the state of a slab in an arena, as plain data.
type SlabState struct {
	Size   int     // bytes of a record
	Chunks []int64 // offsets in the arena
	Free   uint32
	Used   uint32
	Live   int
}

// errSlabState rejects a state that no slab of this program can be in.
var errSlabState = errors.New("reactor: the state of a slab is inconsistent")

// In makes an empty slab take its memory from an arena. A nil arena means the process's
// own memory.
func (s *Slab[T]) In(a *Arena) { s.arena = a }

// State returns the state that Resume needs.
func (s *Slab[T]) State() SlabState {
	return SlabState{Size: s.Size(), Chunks: s.places, Free: s.free, Used: s.used, Live: s.live}
}

// Resume maps the records of a slab that another program has left in an arena.
func (s *Slab[T]) Resume(a *Arena, st SlabState) error {
	size := chunkLen * s.Size()
	room := int64(len(st.Chunks)) * chunkLen
	if st.Size != s.Size() || int64(st.Used) >= max(room, 1) || st.Free > st.Used || st.Live < 0 || int64(st.Live) > int64(st.Used) {
		return errSlabState
	}
	s.arena = a
	for _, at := range st.Chunks {
		if at < 0 || at+int64(size) > a.size {
			return errSlabState
		}
		mem, err := a.mapAt(at, size)
		if err != nil {
			return opError("mmap", err)
		}
		s.chunks, s.places = append(s.chunks, (*[chunkLen]T)(unsafe.Pointer(&mem[0]))), append(s.places, at)
	}
	published := s.chunks
	s.shared.Store(&published)
	s.free, s.used, s.live = st.Free, st.Used, st.Live
	return nil
}

// more allocates memory for another chunk.
func (s *Slab[T]) more() ([]byte, error) {
	if s.arena == nil {
		return sysMap(chunkLen * s.Size())
	}
	mem, at, err := s.arena.extend(chunkLen * s.Size())
	if err == nil {
		s.places = append(s.places, at)
	}
	return mem, err
}
