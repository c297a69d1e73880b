package hub

import (
	"runtime"
	"testing"
	"unsafe"

	"ccomet/comet/internal/mail"
)

// A crowd of polls that comes again uses the same memory, and leaves no garbage.
func TestLaterJoinsAreNoGarbage(t *testing.T) {
	const crowd, times = 2000, 20
	var l laterJoins
	places := make([]uint32, 0, crowd)
	come := func() {
		for n := range crowd {
			i := l.put(mail.Mail{Seq: int32(n)})
			places = append(places, i)
			if n%3 == 0 { // it leaves before it has asked
				l.take(i)
				places = places[:len(places)-1]
			}
		}
		if l.trim(); l.live() != len(places) {
			t.Fatalf("%d of %d join mails are stored", l.live(), len(places))
		}
		for n, i := range places {
			if m := l.take(i); m.Seq != int32(n+n/2+1) { // those that are not multiples of 3
				t.Fatalf("join mail %d belongs to subscriber %d", n, m.Seq)
			}
		}
		places = places[:0]
		if l.trim(); l.live() != 0 || len(l.pieces) != 1 {
			t.Fatalf("%d join mails and %d pieces are stored at the end", l.live(), len(l.pieces))
		}
	}
	come()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		come()
	}
	runtime.ReadMemStats(&after)
	// Not zero: the garbage collector empties a pool, and the race detector drops some.
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(times*crowd*unsafe.Sizeof(mail.Mail{})/2); got > most {
		t.Errorf("%d crowds allocated %d bytes, want %d at most", times, got, most)
	}
}
