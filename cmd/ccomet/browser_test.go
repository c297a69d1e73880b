package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	emulation "github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// browser is a headless Chromium, which all tests share. Each visitor has storage and
// connections of its own.
type browser struct{ ctx context.Context }

// newBrowser returns the browser. The first test that calls it starts it.
func newBrowser(t *testing.T) browser {
	t.Helper()
	needsMuch(t)
	ctx, err := chromium()
	if errors.Is(err, exec.ErrNotFound) {
		leaveOut(t, "no Chromium here: the pages are not tested")
	}
	if err != nil {
		t.Fatal("starting Chromium: ", err)
	}
	return browser{ctx}
}

// chromium starts the browser once, with a fresh profile. It ends with the test program.
var chromium = sync.OnceValues(func() (context.Context, error) {
	path, err := findChromium()
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(filepath.Join(filepath.Dir(program), "chromium")),
		chromedp.WSURLReadTimeout(hangTimeout),
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-domain-reliability", true),
		chromedp.Flag("ignore-certificate-errors", true), // the tests' nginx has self-signed certificates
		chromedp.Flag("no-proxy-server", true))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // root cannot use the sandbox
	}
	allocator, _ := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocator)
	endChromium = func() { _ = chromedp.Cancel(ctx) }
	return ctx, chromedp.Do(ctx)
})

// endChromium ends the browser, if it was started.
var endChromium = func() {}

func findChromium() (path string, err error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err = exec.LookPath(name); err == nil {
			break
		}
	}
	return path, err
}

// window is a browser window of a visitor.
type window struct {
	t     *testing.T
	ctx   context.Context
	close context.CancelFunc
}

// visit opens a window on the chat. prelude runs before the page's own script.
func (b browser) visit(t *testing.T, address, prelude string) *window {
	t.Helper()
	w := b.open(t, address, prelude)
	w.is("open")
	return w
}

// open opens a window on an address, for a new visitor.
func (b browser) open(t *testing.T, address, prelude string) *window {
	t.Helper()
	return b.visitor(t).tab(t, address, prelude)
}

// visitor is a user, whose windows share storage with each other and with no one else.
type visitor struct{ ctx context.Context }

func (b browser) visitor(t *testing.T) visitor {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return visitor{ctx}
}

// tab opens another window of a visitor.
func (v visitor) tab(t *testing.T, address, prelude string) *window {
	t.Helper()
	ctx, cancel := chromedp.NewContext(v.ctx)
	t.Cleanup(cancel)
	w := &window{t, ctx, cancel}
	w.do()
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.IsException() {
				t.Error("the page failed: ", m)
			}
		}
	}()
	if prelude != "" {
		if _, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: prelude}); err != nil {
			t.Fatal(err)
		}
	}
	w.goTo(address)
	return w
}

func (w *window) do(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	if err := chromedp.Do(w.ctx, steps...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *window) goTo(address string) {
	w.t.Helper()
	w.do(chromedp.Navigate(address))
}

// holds waits until an expression in the page is true.
func (w *window) holds(expression string) {
	w.t.Helper()
	poll := chromedp.Poll[bool](expression, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(hangTimeout))
	if _, err := chromedp.Run(w.ctx, poll); err != nil {
		text, _ := chromedp.Run(w.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		w.t.Fatalf("never true: %s: %v\nthe page: %s", expression, err, text)
	}
}

// number returns the current value of an expression.
func (w *window) number(expression string) int {
	w.t.Helper()
	n, err := chromedp.Run(w.ctx, chromedp.Evaluate[int](expression))
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// text returns the current value of an expression.
func (w *window) text(expression string) string {
	w.t.Helper()
	text, err := chromedp.Run(w.ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// run evaluates an expression, and waits for its promise.
func (w *window) run(expression string) {
	w.t.Helper()
	_, err := chromedp.Run(w.ctx, chromedp.Evaluate[any]("Promise.resolve("+expression+").then(() => 0)", chromedp.EvalAwaitPromise))
	if err != nil {
		w.t.Fatal(err)
	}
}

func quoted(text string) string {
	quoted, _ := json.Marshal(text)
	return string(quoted)
}

// offline disconnects a window from the network, or reconnects it.
func (w *window) offline(is bool) {
	w.t.Helper()
	none := float64(-1)
	if _, err := chromedp.Call(w.ctx, emulation.OverrideNetworkState, emulation.OverrideNetworkStateParams{Offline: is, DownloadThroughput: none, UploadThroughput: none}); err != nil {
		w.t.Fatal(err)
	}
	all := []*emulation.Conditions{{Offline: is, DownloadThroughput: none, UploadThroughput: none}}
	if _, err := chromedp.Call(w.ctx, emulation.EmulateNetworkConditionsByRule, emulation.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: all}); err != nil {
		w.t.Fatal(err)
	}
}

// fill replaces the text of a field.
func (w *window) fill(field, text string) {
	w.t.Helper()
	w.run(`document.querySelector(` + quoted(field) + `).value = ""`)
	w.do(chromedp.SendKeys(chromedp.CSS(field), text))
}

// is waits until the page shows this connection state.
func (w *window) is(state string) {
	w.t.Helper()
	w.holds(`document.querySelector("#status")?.dataset.state === ` + quoted(state))
}

// sees waits for a message, from another user or confirmed by the server.
func (w *window) sees(text string) {
	w.t.Helper()
	w.holds(count(text, ":not(.pending)") + " > 0")
	if n := w.number(count(text, "")); n != 1 {
		w.t.Errorf("%q is there %d times", text, n)
	}
}

// notes waits for a line of information in the conversation.
func (w *window) notes(text string) {
	w.t.Helper()
	w.holds(`[...document.querySelectorAll("#log .note")].some((row) => row.textContent.includes(` + quoted(text) + `))`)
}

// count is the expression that counts messages.
func count(text, which string) string {
	return `[...document.querySelectorAll("#log .message` + which + ` .text")].filter((row) => row.textContent === ` + quoted(text) + `).length`
}

// says types a message and presses the button.
func (w *window) says(text string) {
	w.t.Helper()
	w.do(chromedp.SendKeys(chromedp.CSS("#text"), text), chromedp.Click(chromedp.CSS("#send")))
}

// enters types a message and presses the Enter key.
func (w *window) enters(text string) {
	w.t.Helper()
	w.do(chromedp.SendKeys(chromedp.CSS("#text"), text))
	key := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13, Text: "\r"}
	if _, err := chromedp.Call(w.ctx, input.DispatchKeyEvent, key); err != nil {
		w.t.Fatal(err)
	}
	w.holds(`document.querySelector("#text").value === ""`)
}

// set fills a field as if the text had been typed, and leaves the field.
func (w *window) set(field, text string) {
	w.t.Helper()
	w.fill(field, text)
	w.do(chromedp.Blur(chromedp.CSS(field)))
}

func (w *window) reload() {
	w.t.Helper()
	w.do(chromedp.Reload())
}
