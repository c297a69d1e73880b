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

// browser is Chromium, without a window of its own. All tests share one: each
// visitor has storage and connections that no other has.
type browser struct{ ctx context.Context }

// newBrowser is that browser, which the first test that asks for it starts.
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

// chromium starts the browser, with a fresh profile, once. It ends with the
// program of the tests.
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
		chromedp.Flag("ignore-certificate-errors", true), // those of the tests' nginx sign themselves
		chromedp.Flag("no-proxy-server", true))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // which root cannot have
	}
	allocator, _ := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocator)
	endChromium = func() { _ = chromedp.Cancel(ctx) }
	return ctx, chromedp.Do(ctx)
})

// endChromium ends the browser, if one was started.
var endChromium = func() {}

func findChromium() (path string, err error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err = exec.LookPath(name); err == nil {
			break
		}
	}
	return path, err
}

// window is one of a visitor's.
type window struct {
	t     *testing.T
	ctx   context.Context
	close context.CancelFunc
}

// visit opens a window on the chat. prelude is run before the page's own script.
func (b browser) visit(t *testing.T, address, prelude string) *window {
	t.Helper()
	w := b.open(t, address, prelude)
	w.is("open")
	return w
}

// open opens a window on an address, for a visitor of its own.
func (b browser) open(t *testing.T, address, prelude string) *window {
	t.Helper()
	return b.visitor(t).tab(t, address, prelude)
}

// visitor is a user whose windows share storage, and nothing with others'.
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

// tab opens one more window of a visitor's.
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

// holds waits until an expression of the page is true.
func (w *window) holds(expression string) {
	w.t.Helper()
	poll := chromedp.Poll[bool](expression, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(hangTimeout))
	if _, err := chromedp.Run(w.ctx, poll); err != nil {
		text, _ := chromedp.Run(w.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		w.t.Fatalf("never true: %s: %v\nthe page: %s", expression, err, text)
	}
}

// number is the value of an expression, now.
func (w *window) number(expression string) int {
	w.t.Helper()
	n, err := chromedp.Run(w.ctx, chromedp.Evaluate[int](expression))
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// text is the value of an expression, now.
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

// offline takes the network from a window, or gives it back.
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

// is waits until the page says that its connection is in some state.
func (w *window) is(state string) {
	w.t.Helper()
	w.holds(`document.querySelector("#status")?.dataset.state === ` + quoted(state))
}

// sees waits for a message, from another or confirmed by the server.
func (w *window) sees(text string) {
	w.t.Helper()
	w.holds(count(text, ":not(.pending)") + " > 0")
	if n := w.number(count(text, "")); n != 1 {
		w.t.Errorf("%q is there %d times", text, n)
	}
}

// notes waits for a line about the conversation.
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

// set puts a text into a field, as if it had been typed, and leaves it.
func (w *window) set(field, text string) {
	w.t.Helper()
	w.fill(field, text)
	w.do(chromedp.Blur(chromedp.CSS(field)))
}

func (w *window) reload() {
	w.t.Helper()
	w.do(chromedp.Reload())
}
