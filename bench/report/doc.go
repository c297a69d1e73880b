// Package report makes a page, plots and tables of saved results: HTML is one
// file with everything in it, SVGs the plots of that page as files, Markdown
// the summaries for a README. Several results are set side by side, those of a
// kind together.
//
// Each kind of result makes a section of its own file (hold.go, churn.go, …),
// which the three then only write out. What is wrong with a result, or was
// measured on an emulated machine, is told beside its name wherever that
// stands; times of emulated machines are left out everywhere.
package report
