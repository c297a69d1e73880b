// Package report makes a page, plots and tables from saved results. HTML writes
// one self-contained page, SVGs writes the plots of that page as files, and
// Markdown writes summary tables for a README. Results of the same kind stand
// side by side.
//
// Each kind of result has a file (hold.go, churn.go, …) that makes its section;
// HTML, SVGs and Markdown only write the sections. Wherever the name of a
// result is written, a mark beside it tells if the result failed or comes from
// an emulated machine. Times of emulated machines are left out everywhere.
package report
