package report

import (
	"fmt"
	"slices"
	"strings"

	"ccomet/bench/result"
)

// These lines enclose the place in a document for the tables of a kind.
const (
	placeBegin = "<!-- bench: "
	placeEnd   = "<!-- bench end -->"
)

// Update returns a Markdown document in which the tables of the results replace
// what stood in the places for them:
//
//	<!-- bench: fanout -->
//	<!-- bench end -->
//
// It fails if a place has no end, or if there is no result of its kind:
// otherwise a document could mix figures of different days unnoticed. It leaves
// out results without a place.
func Update(document string, results []*result.Result) (string, error) {
	p, err := newPage(results)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(document, placeBegin)
		out.WriteString(before)
		if !found {
			break
		}
		kind, rest, closed := strings.Cut(rest, " -->\n")
		_, after, ended := strings.Cut(rest, placeEnd)
		if !closed || !ended {
			return "", fmt.Errorf("the place %q has no end: want %s after it", oneLine(kind), placeEnd)
		}
		at := slices.IndexFunc(p.Sections, func(s section) bool { return s.ID == kind })
		if at < 0 {
			return "", fmt.Errorf("the document has a place for %q, but there is no result of that kind", kind)
		}
		fmt.Fprintf(&out, "%s%s -->\n", placeBegin, kind)
		p.Sections[at].markdown(&out)
		out.WriteString("\n" + placeEnd)
		document = after
	}
	return out.String(), nil
}
