package report_test

import (
	"os"

	"ccomet/bench/report"
	"ccomet/bench/result"
)

func ExampleMarkdown() {
	err := report.Markdown(os.Stdout, []*result.Result{{
		Kind: result.KindStorm, Label: "sample", Command: "ccomet-bench storm",
		Setting: &result.Setting{Connections: 10_000},
		Storm:   &result.Storm{BackSeconds: 1.5, ResidentBefore: 10 << 20, ResidentPeak: 12 << 20, ResidentAfter: 11 << 20},
	}})
	if err != nil {
		panic(err)
	}
	// Output:
	// ### Everybody comes back at once
	//
	// |  | connections | all back after | refused, tried again | resident before | at its peak | after |
	// | :-- | --: | --: | --: | --: | --: | --: |
	// | sample | 10,000 | 1.50 s | 0 | 10.0 MiB | 12.0 MiB | 11.0 MiB |
	//
	// * sample: `ccomet-bench storm`
}
