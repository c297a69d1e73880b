package report

import (
	"fmt"
	"os"
	"path/filepath"

	"ccomet/bench/result"
)

// fileWidth is the width of saved plots in pixels.
const fileWidth = 720

// SVGs writes each plot into a file in dir, which it creates if need be, and
// returns the paths. The names depend only on the kinds of the results:
// hold-memory.svg, hold-each.svg, churn-memory.svg, churn-descriptors.svg,
// fanout-latency.svg, fanout-cost.svg, channels-latency.svg, channels-cost.svg,
// latency-latency.svg, latency-cost.svg, storm-back.svg, storm-latency.svg,
// storm-memory.svg, upgrade-silence.svg, and one for every number of active
// pairs: loop-100-active.svg and so on. A plot without points is not written.
// After an error, the files written so far remain, and their paths are
// returned.
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
