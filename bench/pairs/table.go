package pairs

import (
	"fmt"
	"io"

	"ccomet/bench/result"
)

func printHead(out io.Writer, cfg Config, sides []side) {
	fmt.Fprintf(out, "socket pairs: %d writes a run, medians of %d rounds; ÷ is the time beside %s's in the same round\n",
		cfg.Writes, cfg.Rounds, sides[0].who)
	fmt.Fprintf(out, "%6s  %6s  %24s", "pairs", "active", sides[0].who+" µs")
	for _, s := range sides[1:] {
		loops := "loops"
		if s.loops == 1 {
			loops = "loop"
		}
		fmt.Fprintf(out, "  %20s  %5s", fmt.Sprintf("%s, %d %s µs", s.who, s.loops, loops), "÷")
	}
	fmt.Fprintln(out)
}

func printRow(out io.Writer, points []result.LoopRun) {
	fmt.Fprintf(out, "%6d  %6d  %24.0f", points[0].Pairs, points[0].Active, points[0].Micros)
	for _, p := range points[1:] {
		fmt.Fprintf(out, "  %20.0f  %5.3f", p.Micros, median(p.Ratios))
	}
	fmt.Fprintln(out)
}
