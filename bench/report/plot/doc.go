// Package plot draws lines (Chart) and bars (Bars) as SVG of a given width in
// pixels, with gonum.org/v1/plot and a style of its own. A drawing is a string
// without scripts or style sheets, which can be put into a page or saved as a
// file.
//
// Colours are of middle brightness: they are readable both on white and on a
// dark page. Each text has a class (plot-title, plot-ink, plot-mute), so that a
// page can set a colour that fits its background. Lines also differ in dashes
// and markers, and have labels, so that nobody needs to tell the colours apart.
package plot
