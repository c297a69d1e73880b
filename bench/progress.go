package bench

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
)

// Progress shows the progress of a run: a bar on a terminal, else a line if nothing was
// printed for ten seconds. A nil Progress shows nothing.
type Progress struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	what     string
	total    int64
	bar      *progressbar.ProgressBar
	said     time.Time
}

// NewProgress returns a Progress that writes to f.
func NewProgress(f *os.File) *Progress {
	return &Progress{out: f, terminal: isatty.IsTerminal(f.Fd())}
}

const sayAgain = 10 * time.Second

// begin starts a phase with a total number of steps.
func (p *Progress) begin(what string, total int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop()
	p.what, p.total, p.said = what, total, time.Now()
	if p.terminal {
		p.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(p.out), progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetPredictTime(true))
	}
}

// at sets the number of completed steps.
func (p *Progress) at(n int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.bar != nil:
		_ = p.bar.Set64(min(n, p.total))
	case !p.terminal && p.what != "" && time.Since(p.said) >= sayAgain:
		p.said = time.Now()
		fmt.Fprintf(p.out, "%s: %d of %d\n", p.what, n, p.total)
	}
}

// print prints a line above the bar.
func (p *Progress) print(out io.Writer, line string) {
	if p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.bar != nil {
			_ = p.bar.Clear()
		}
		p.said = time.Now()
	}
	fmt.Fprintln(out, line)
}

// end ends the current phase.
func (p *Progress) end() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop()
	p.what = ""
}

func (p *Progress) drop() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
}
