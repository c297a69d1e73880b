package bench

import (
	"fmt"
	"sync"
	"time"

	"ccomet/bench/result"
)

// faults counts faults by kind, and keeps the text of the first ones. Any goroutine may add a
// fault.
type faults struct {
	mu    sync.Mutex
	began time.Time
	check result.Check
	other int64 // faults of no kind of the check
	texts []string
	tell  func(text string) // is given each text that is kept, and each note
}

// toldFaults is the number of faults whose text is kept.
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

// note reports something that is no fault, but may explain later faults.
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

// counts returns the faults so far, by kind, those of no kind, and the texts of the first.
func (f *faults) counts() (result.Check, int64, []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.check, f.other, append([]string(nil), f.texts...)
}
