package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestChat: users chat in real browsers, on the demo page of the real server, through all kinds
// of failures.
func TestChat(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	for name, test := range map[string]func(*testing.T, browser){
		"two windows":              chatTwoWindows,
		"the server goes":          chatOutage,
		"numbers are skipped":      chatSkipped,
		"another server":           chatRestart,
		"a visitor leaves":         chatAway,
		"long poll":                chatLongPoll,
		"more than the room keeps": chatLost,
		"rooms and names":          chatRooms,
		"each transport":           chatTransports,
		"no network":               chatOffline,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, b)
		})
	}
}

func chatTwoWindows(t *testing.T, b browser) {
	p := start(t, nil, "--demo")
	ada, bob := b.visit(t, "http://"+p.front+"/", ""), b.visit(t, "http://"+p.front+"/", "")
	ada.says("hello from Ada")
	bob.sees("hello from Ada")
	ada.sees("hello from Ada")
	bob.enters("hello from Bob")
	ada.sees("hello from Bob")
	bob.sees("hello from Bob")
	// The text of another user is text and nothing else.
	const markup = `<img src=x onerror="throw 1"> & 'quoted' "\`
	ada.says(markup)
	bob.sees(markup)
	if n := bob.number(`document.querySelectorAll("#log img").length`); n != 0 {
		t.Errorf("%d elements were made of a message", n)
	}
	p.push("lobby", "said by curl")
	ada.sees("said by curl")
	bob.sees("said by curl")
	// A new visitor sees earlier messages.
	eve := b.visit(t, "http://"+p.front+"/", "")
	for _, text := range []string{"hello from Ada", "hello from Bob", markup, "said by curl"} {
		eve.sees(text)
	}
	eve.holds(`document.querySelector("#seq").textContent === "5"`)
}

// chatOutage: the server is killed, and a new one starts without state, numbering from 1. The
// pages report the outage, queue messages that are written meanwhile, and miss none of the new
// server's messages.
func chatOutage(t *testing.T, b browser) {
	front := reserve(t)
	p := start(t, nil, "--demo", "--front", front)
	ada, bob := b.visit(t, "http://"+front+"/", ""), b.visit(t, "http://"+front+"/", "")
	for _, text := range []string{"one", "two", "three"} {
		ada.says(text)
		bob.sees(text)
		ada.sees(text)
	}
	p.kill()
	ada.is("down")
	bob.is("down")
	ada.holds(`document.querySelector("#status").textContent === "Disconnected"`)
	ada.notes("Disconnected at")
	ada.says("written meanwhile")
	ada.holds(count("written meanwhile", ".pending") + " === 1")
	ada.holds(`document.querySelector("#hint").textContent.startsWith("1 message waits")`)

	p = start(t, nil, "--demo", "--front", front)
	// As many as before: an old position is a valid number at the new server.
	for _, text := range []string{"uno", "due", "tre"} {
		p.push("lobby", text)
	}
	for _, w := range []*window{ada, bob} {
		w.is("open")
		w.notes("connected again at")
		for _, text := range []string{"one", "two", "three", "uno", "due", "tre", "written meanwhile"} {
			w.sees(text)
		}
	}
	ada.holds(`document.querySelector("#status").textContent === "Connected again"`)
	bob.says("glad you are back")
	ada.sees("glad you are back")
}

// chatAway: a visitor leaves, and finds the missed messages on return.
func chatAway(t *testing.T, b browser) {
	p := start(t, nil, "--demo")
	ada, bob := b.visit(t, "http://"+p.front+"/", ""), b.visit(t, "http://"+p.front+"/", "")
	bob.says("back in a minute")
	ada.sees("back in a minute")
	bob.sees("back in a minute")
	bob.goTo("about:blank")
	ada.says("he is gone")
	ada.says("let us talk about him")
	ada.sees("let us talk about him")
	bob.goTo("http://" + p.front + "/")
	bob.notes("While you were away")
	for _, text := range []string{"back in a minute", "he is gone", "let us talk about him"} {
		bob.sees(text)
	}
	// A reload shows the same, once.
	bob.reload()
	bob.is("open")
	ada.says("welcome")
	for _, text := range []string{"back in a minute", "he is gone", "let us talk about him", "welcome"} {
		bob.sees(text)
	}
}

// chatRestart: a new server runs when a visitor returns, with fewer, as many, or more messages
// than the visitor's position. Its numbers are known ones, but its messages are new: the
// visitor sees all of them.
func chatRestart(t *testing.T, b browser) {
	for said := 1; said <= 5; said++ {
		t.Run(strconv.Itoa(said), func(t *testing.T) {
			t.Parallel()
			front := reserve(t)
			p := start(t, nil, "--demo", "--front", front)
			ada := b.visit(t, "http://"+front+"/", "")
			for _, text := range []string{"one", "two", "three"} {
				p.push("lobby", text)
				ada.sees(text)
			}
			ada.goTo("about:blank")
			p.kill()
			p = start(t, nil, "--demo", "--front", front)
			words := []string{"uno", "due", "tre", "quattro", "cinque"}[:said]
			for _, text := range words {
				p.push("lobby", text)
			}
			ada.goTo("http://" + front + "/")
			for _, text := range append(words, "one", "two", "three") {
				ada.sees(text)
			}
		})
	}
}

// chatLongPoll: chosen by the user, and used where a browser supports nothing better.
func chatLongPoll(t *testing.T, b browser) {
	front := reserve(t)
	p := start(t, nil, "--demo", "--front", front)
	ada := b.visit(t, "http://"+front+"/?transport=poll", "")
	bob := b.visit(t, "http://"+front+"/", "delete window.EventSource; delete window.WebSocket")
	ada.holds(`document.querySelector("#transport").selectedOptions[0].text === "Long poll"`)
	bob.holds(`document.querySelector("#transport").selectedOptions[0].text === "Automatic: long poll"`)
	ada.says("by poll")
	bob.sees("by poll")
	bob.says("so am I")
	ada.sees("so am I")
	bob.sees("so am I")
	p.kill()
	ada.is("down")
	bob.is("down")
	p = start(t, nil, "--demo", "--front", front)
	p.push("lobby", "it is back")
	for _, w := range []*window{ada, bob} {
		w.is("open")
		w.sees("it is back")
	}
	bob.says("and so are we")
	ada.sees("and so are we")
}

// chatLost: messages that the server no longer stores are reported as missing.
func chatLost(t *testing.T, b browser) {
	p := start(t, nil, "--demo", "--channel-buffer-size", "2")
	ada := b.visit(t, "http://"+p.front+"/", "")
	bob := b.visit(t, "http://"+p.front+"/", "")
	p.push("lobby", "0")
	ada.sees("0")
	ada.goTo("about:blank")
	for _, text := range []string{"1", "2", "3", "4", "5"} {
		p.push("lobby", text)
	}
	bob.sees("5")
	ada.goTo("http://" + p.front + "/")
	ada.notes("3 messages are missing: the server no longer has them.")
	for _, text := range []string{"0", "4", "5"} {
		ada.sees(text)
	}
	p.push("lobby", "6")
	ada.sees("6")
}

// chatSkipped: after a crash the server skips numbers. The page says so, and does not count them
// as messages.
func chatSkipped(t *testing.T, b browser) {
	front, state := reserve(t), filepath.Join(t.TempDir(), "state")
	p := start(t, nil, "--demo", "--front", front, "--state", state, "--state-interval", "1")
	ada := b.visit(t, "http://"+front+"/", "")
	p.push("lobby", "stored")
	ada.sees("stored")
	until(t, func() bool {
		text, err := os.ReadFile(state)
		return err == nil && strings.Contains(string(text), "stored")
	})
	p.kill()
	p = start(t, nil, "--demo", "--front", front, "--state", state, "--state-interval", "0")
	p.push("lobby", "new")
	ada.sees("new")
	ada.notes("Messages may be missing here: the server has skipped numbers.")
	if n := ada.number(`[...document.querySelectorAll("#log .note")].filter((row) => /\d messages? /.test(row.textContent)).length`); n != 0 {
		t.Error("the page counts the skipped numbers as messages")
	}
}

func chatRooms(t *testing.T, b browser) {
	p := start(t, nil, "--demo")
	const room = "a room's näme & more"
	ada := b.visit(t, "http://"+p.front+"/", "")
	bob := b.visit(t, "http://"+p.front+"/#a%20room's%20n%C3%A4me%20%26%20more", "")
	p.push("lobby", "for the lobby")
	ada.sees("for the lobby")
	bob.holds(`document.querySelector("#empty").checkVisibility()`)
	ada.set("#room", room)
	ada.set("#name", "Ada")
	ada.is("open")
	ada.says("is it here?")
	bob.sees("is it here?")
	bob.holds(`document.querySelector(".who").textContent === "Ada"`)
	bob.holds(`document.querySelector("#curl").textContent.endsWith("/stream?cname=a%20room%27s%20n%C3%A4me%20%26%20more'")`)
	if n := bob.number(count("for the lobby", "")); n != 0 {
		t.Error("got a message of another room")
	}
	// The name survives a reload.
	ada.reload()
	ada.holds(`document.querySelector("#name").value === "Ada"`)
	ada.sees("is it here?")
}

// chatTransports: each transport on the page, chosen in the address and by hand.
func chatTransports(t *testing.T, b browser) {
	p := start(t, nil, "--demo")
	ada := b.visit(t, "http://"+p.front+"/", "")
	offered := ada.number(`document.querySelector("#transport").options.length`)
	if offered != 5 {
		t.Errorf("%d transports are offered", offered)
	}
	for i := range offered {
		option := `document.querySelector("#transport").options[` + strconv.Itoa(i) + `]`
		ada.run("(" + option + `.selected = true, document.querySelector("#transport").dispatchEvent(new Event("change")))`)
		name := ada.text(option + ".value")
		bob := b.visit(t, "http://"+p.front+"/?transport="+name, "")
		bob.holds(`document.querySelector("#transport").value === ` + quoted(name))
		bob.says("does " + name + " work?")
		ada.sees("does " + name + " work?")
		ada.says("yes, " + name + " does")
		bob.sees("yes, " + name + " does")
		bob.sees("does " + name + " work?")
	}
}

// chatOffline: one user's network goes down and comes back. Nothing is missed, and messages
// written meanwhile are sent.
func chatOffline(t *testing.T, b browser) {
	p := start(t, nil, "--demo")
	for _, transport := range []string{"ws", "sse", "poll", "jsonp"} {
		t.Run(transport, func(t *testing.T) { chatTunnel(t, b, p, transport) })
	}
}

// chatTunnel runs the test over one transport.
func chatTunnel(t *testing.T, b browser, p *process, transport string) {
	t.Parallel()
	room := "#" + transport
	ada := b.visit(t, "http://"+p.front+"/?transport="+transport+room, "")
	bob := b.visit(t, "http://"+p.front+"/?transport="+transport+room, "")
	bob.says("one")
	ada.sees("one")
	ada.offline(true)
	ada.is("down")
	ada.says("I am in a tunnel")
	for _, text := range []string{"two", "three", "four"} {
		bob.says(text)
		bob.sees(text)
	}
	if n := bob.number(count("I am in a tunnel", "")); n != 0 {
		t.Error("the namespace has a network")
	}
	ada.offline(false)
	ada.is("open")
	for _, text := range []string{"one", "two", "three", "four", "I am in a tunnel"} {
		ada.sees(text)
	}
	bob.sees("I am in a tunnel")
}
