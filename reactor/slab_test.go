package reactor

import (
	"math/rand/v2"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"
)

// words is a record like a connection's.
type words [8]uint32

func newSlab(t testing.TB) *Slab[words] {
	s := &Slab[words]{}
	t.Cleanup(s.Release)
	return s
}

func TestSlabNeverHandsOutZero(t *testing.T) {
	s := newSlab(t)
	for want := uint32(1); want <= 3*chunkLen; want++ {
		if i := s.Alloc(); i != want {
			t.Fatalf("allocated %d, want %d", i, want)
		}
	}
	if s.Has(0) || !s.Has(1) || !s.Has(3*chunkLen) || s.Has(3*chunkLen+1) {
		t.Fatal("Has is wrong about allocated records")
	}
	if s.Used() != 3*chunkLen || s.Live() != 3*chunkLen || s.Size() != 32 {
		t.Fatal(s.Used(), s.Live(), s.Size())
	}
}

func TestSlabRecordsNeverMove(t *testing.T) {
	s := newSlab(t)
	first := s.At(s.Alloc())
	first[7] = 42
	for range 5 * chunkLen {
		s.At(s.Alloc())[7] = 1
	}
	if s.At(1) != first || first[7] != 42 {
		t.Fatal("the first record moved")
	}
}

func TestSlabKeepsAllButTheLink(t *testing.T) {
	s := newSlab(t)
	i := s.Alloc()
	*s.At(i) = words{1, 2, 3, 4, 5, 6, 7, 8}
	s.Free(i)
	if again := s.Alloc(); again != i {
		t.Fatalf("record %d was free, but %d was allocated", i, again)
	}
	if got := *s.At(i); [7]uint32(got[1:]) != [7]uint32{2, 3, 4, 5, 6, 7, 8} {
		t.Fatal("a freed record lost more than its first 4 bytes:", got)
	}
}

// Each live record contains its own number, whatever is allocated and freed.
func TestSlabRandomly(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	s := newSlab(t)
	var live []uint32
	for range 50_000 {
		if len(live) == 0 || rnd.IntN(5) > 1 {
			i := s.Alloc()
			*s.At(i) = words{i, i, i, i, i, i, i, i}
			live = append(live, i)
			continue
		}
		n := rnd.IntN(len(live))
		i := live[n]
		if *s.At(i) != (words{i, i, i, i, i, i, i, i}) {
			t.Fatal("record", i, "was overwritten:", *s.At(i))
		}
		s.Free(i)
		live[n] = live[len(live)-1]
		live = live[:len(live)-1]
	}
	if s.Live() != len(live) {
		t.Fatal(s.Live(), "live, want", len(live))
	}
}

func TestSlabForeignRead(t *testing.T) {
	s := newSlab(t)
	told := make(chan uint32, 64)
	done := make(chan bool)
	go func() {
		good := true
		for i := range told {
			good = good && s.Foreign(i)[7] == i
		}
		done <- good
	}()
	for range 3 * chunkLen { // the slab grows meanwhile
		i := s.Alloc()
		s.At(i)[7] = i
		told <- i
	}
	close(told)
	if !<-done {
		t.Fatal("another goroutine read a wrong record")
	}
}

func TestSlabRelease(t *testing.T) {
	s := newSlab(t)
	for range chunkLen + 1 {
		s.At(s.Alloc())[3] = 9
	}
	s.Release()
	if s.Live() != 0 || s.Used() != 0 || s.Has(1) {
		t.Fatal("a released slab is not empty")
	}
	if i := s.Alloc(); i != 1 || *s.At(1) != (words{}) {
		t.Fatal("a released slab is not like new")
	}
}

func TestSlabRefusesOddRecords(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("records of 3 bytes were taken")
		}
	}()
	(&Slab[[3]byte]{}).Alloc()
}

// A record must contain nothing that the garbage collector would have to scan.
func TestRecordsHaveNoPointers(t *testing.T) {
	for _, v := range []any{record{}, Timer{}} {
		if path := pointerIn(reflect.TypeOf(v)); path != "" {
			t.Errorf("%T%s", v, path)
		}
	}
	if pointerIn(reflect.TypeFor[struct{ a [2]struct{ s string } }]()) == "" {
		t.Error("the test does not see pointers")
	}
}

func pointerIn(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Array:
		if path := pointerIn(t.Elem()); path != "" {
			return "[]" + path
		}
	case reflect.Struct:
		for f := range t.Fields() {
			if path := pointerIn(f.Type); path != "" {
				return "." + f.Name + path
			}
		}
	case reflect.Bool, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
	default:
		return " is a " + t.Kind().String()
	}
	return ""
}

// BenchmarkSlabResident shows the resident memory of a million records, in two
// places.
func BenchmarkSlabResident(b *testing.B) {
	const million = 1_000_000
	measure := func(b *testing.B, build func() (keep any, release func())) {
		for b.Loop() {
			b.StopTimer()
			debug.FreeOSMemory()
			before := residentBytes(b)
			b.StartTimer()
			keep, release := build()
			b.StopTimer()
			b.ReportMetric(float64(residentBytes(b)-before)/million, "resident-B/record")
			runtime.KeepAlive(keep)
			release()
			b.StartTimer()
		}
	}
	b.Run("mmap", func(b *testing.B) {
		measure(b, func() (any, func()) {
			s := &Slab[words]{}
			for range million {
				i := s.Alloc()
				s.At(i)[7] = i
			}
			return s, s.Release
		})
	})
	b.Run("append", func(b *testing.B) {
		measure(b, func() (any, func()) {
			var s []words
			for i := range uint32(million) {
				s = append(s, words{7: i})
			}
			return s, func() {}
		})
	})
	b.Run("chunks", func(b *testing.B) {
		measure(b, func() (any, func()) {
			var s []*[chunkLen]words
			for i := range uint32(million) {
				if i&chunkMask == 0 {
					s = append(s, new([chunkLen]words))
				}
				s[i>>chunkShift][i&chunkMask][7] = i
			}
			return s, func() {}
		})
	})
}

func residentBytes(b *testing.B) int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		b.Fatal(err)
	}
	return pages * os.Getpagesize()
}
