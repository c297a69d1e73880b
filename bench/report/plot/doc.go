// Package plot draws lines (Chart) and bars (Bars) as SVG of a given width in
// pixels, by gonum.org/v1/plot in a style of its own. A drawing is a plain
// string without scripts or style sheets, to be put into a page or saved as a
// file.
//
// Colours are of middle tone: they are readable on white and on a dark page
// alike. Each text has a class (plot-title, plot-ink, plot-mute), by which a
// page that knows its background may colour it better. Lines differ in dashes
// and markers too, and are labelled, so that nothing hangs on colour.
package plot
