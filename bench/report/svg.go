package report

import (
	"fmt"
	"os"
	"path/filepath"

	"ccomet/bench/result"
)

// fileWidth is that of plots saved as files, in pixels.
const fileWidth = 720

// SVGs writes each plot into a file of its own in dir, which is made if need
// be, and returns the files' paths. Names depend on the kinds of the results
// only: hold-memory.svg, hold-each.svg, churn-memory.svg, churn-descriptors.svg,
// fanout-latency.svg, fanout-cost.svg, channels-latency.svg, channels-cost.svg,
// storm-back.svg, storm-latency.svg, storm-memory.svg, and for every number of
// active pairs loop-100-active.svg and so on. A plot with nothing to show is
// not written. When it fails, the files written so far stay, and are returned.
func SVGs(dir string, results []*result.Result) ([]string, error) {
	p, err := newPage(results)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("plots: %w", err)
	}
	var names []string
	for _, s := range p.Sections {
		for _, f := range s.Figures {
			name := filepath.Join(dir, f.Name+".svg")
			if err := os.WriteFile(name, []byte(f.Drawing.SVG(fileWidth)+"\n"), 0o644); err != nil {
				return names, fmt.Errorf("plots: %w", err)
			}
			names = append(names, name)
		}
	}
	return names, nil
}
