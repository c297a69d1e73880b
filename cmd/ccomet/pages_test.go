package main

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"ccomet/demo"
)

// TestPages: every document fits a small telephone, marks the current page in the navigation,
// and has an accessible name for every control.
func TestPages(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	p := start(t, nil, "--demo")
	w := b.open(t, "about:blank", "")
	narrow := emulation.SetDeviceMetricsOverrideParams{Width: 360, Height: 740, DeviceScaleFactor: 1}
	if _, err := chromedp.Call(w.ctx, emulation.SetDeviceMetricsOverride, narrow); err != nil {
		t.Fatal(err)
	}
	documents := 0
	for _, page := range demo.Pages() {
		if !strings.HasPrefix(page.ContentType, "text/html") {
			continue
		}
		documents++
		w.goTo("http://" + p.front + page.Path)
		for _, expression := range []string{
			`innerWidth === 360 && document.documentElement.scrollWidth === 360`,
			`document.querySelectorAll("nav[aria-label=Pages] a").length === 3`,
			`document.querySelectorAll("nav[aria-label=Pages] a[aria-current]").length === 1`,
			`document.querySelectorAll("h1").length === 1 && document.querySelectorAll("main").length === 1`,
			`[...document.querySelectorAll("input, textarea, select")].every((field) => field.labels.length === 1)`,
			`[...document.querySelectorAll("[aria-labelledby]")].every((one) => document.getElementById(one.getAttribute("aria-labelledby")))`,
			`document.title !== "" && !document.documentElement.outerHTML.includes("{" + "{")`,
		} {
			w.holds(expression)
		}
	}
	if documents != 10 {
		t.Errorf("%d documents", documents)
	}
}
