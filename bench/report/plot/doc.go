// Package plot draws lines (Chart) and bars (Bars) as SVG of a given width in
// pixels. A drawing is a plain string without scripts, style sheets or fonts
// of its own, to be put into a page or saved as a file.
//
// Colours are of middle tone and stand as attributes: they are readable on
// white and on a dark page alike. Each element has a class (plot-ink,
// plot-mute, plot-grid, …), by which a page that knows its background may
// colour it better. Lines differ in dashes and markers too, and are labelled,
// so that nothing hangs on colour.
package plot
