package bench

import (
	"fmt"
	"sync"
	"time"

	"ccomet/bench/result"
)

// faults is what went wrong, counted by kind, with the first ones told in full. Any
// goroutine may add one.
type faults struct {
	mu    sync.Mutex
	began time.Time
	check result.Check
	other int64 // of no kind of the check's
	texts []string
	tell  func(text string) // hears each that is told
}

// toldFaults is how many are told in full.
const toldFaults = 20

func (f *faults) add(kind *int64, n int64, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*kind += n
	if len(f.texts) >= toldFaults {
		return
	}
	text := fmt.Sprintf("%6.1f s: ", time.Since(f.began).Seconds()) + fmt.Sprintf(format, args...)
	f.texts = append(f.texts, text)
	f.tell("FAULT " + text)
}

// note tells what is no fault, but explains what may follow.
func (f *faults) note(format string, args ...any) {
	f.tell(fmt.Sprintf("%6.1f s: ", time.Since(f.began).Seconds()) + fmt.Sprintf(format, args...))
}

func (f *faults) lost(n int64, format string, args ...any) {
	f.add(&f.check.Lost, max(n, 1), format, args...)
}
func (f *faults) doubled(format string, args ...any) { f.add(&f.check.Doubled, 1, format, args...) }
func (f *faults) disordered(format string, args ...any) {
	f.add(&f.check.Disordered, 1, format, args...)
}
func (f *faults) damaged(format string, args ...any) { f.add(&f.check.Damaged, 1, format, args...) }
func (f *faults) dropped(format string, args ...any) { f.add(&f.check.Dropped, 1, format, args...) }
func (f *faults) fault(format string, args ...any)   { f.add(&f.other, 1, format, args...) }

// counts are the faults so far, by kind, those of no kind, and the first in full.
func (f *faults) counts() (result.Check, int64, []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.check, f.other, append([]string(nil), f.texts...)
}
