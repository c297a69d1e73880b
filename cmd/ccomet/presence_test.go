package main

import (
	"strings"
	"testing"
)

// TestChatHere: exactly the users in the room are listed, by their current names.
func TestChatHere(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	p := start(t, nil, "--demo", "--channel-timeout", "1")
	ada, bob := b.visit(t, "http://"+p.front+"/", ""), b.visit(t, "http://"+p.front+"/?transport=poll", "")
	eve := b.visit(t, "http://"+p.front+"/#elsewhere/here", "")
	ada.set("#name", "Ada")
	bob.set("#name", "Bob <b>")
	eve.set("#name", "Eve/-1f")
	ada.lists("Ada (you)", "Bob <b>")
	bob.lists("Ada", "Bob <b> (you)")
	eve.lists("Eve -1f (you)")
	bob.goTo("about:blank")
	ada.lists("Ada (you)")
	bob.goTo("http://" + p.front + "/")
	ada.lists("Ada (you)", "Bob <b>")
	eve.set("#room", "lobby")
	ada.lists("Ada (you)", "Bob <b>", "Eve -1f")
	ada.set("#name", "Ada Lovelace")
	eve.lists("Ada Lovelace", "Bob <b>", "Eve -1f (you)")
}

// TestChatHereAtOnce: a user is listed as soon as the page is connected, and under a new name as
// soon as it is changed, although no presence has been received. A server of a cluster may report
// the channels of another server late.
func TestChatHereAtOnce(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	p := start(t, nil, "--demo")
	ada := b.visit(t, "http://"+p.front+"/", "window.fetch = () => new Promise(() => {})")
	ada.holds(`/^Guest \d+ \(you\)$/.test(document.querySelector("#people").textContent)`)
	ada.set("#name", "Ada")
	ada.lists("Ada (you)")
	ada.set("#room", "elsewhere")
	ada.lists("Ada (you)")
}

// TestChatOneBrowser: the windows of one browser share a connection for messages and one for
// presence. When the window with them is closed, another takes them over.
func TestChatOneBrowser(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	p := start(t, nil, "--demo", "--channel-timeout", "1")
	visitor := b.visitor(t)
	ada := visitor.tab(t, "http://"+p.front+"/", "")
	ada.set("#name", "Ada")
	ada.lists("Ada (you)")
	bob := visitor.tab(t, "http://"+p.front+"/", "")
	bob.set("#name", "Bob")
	for _, w := range []*window{ada, bob} {
		w.holds(`document.querySelectorAll("#people li").length === 2`)
	}
	p.subscribers(3) // the room's once, and a channel for each user
	ada.says("hello, other me")
	bob.sees("hello, other me")
	ada.close()
	bob.lists("Bob (you)")
	p.push("lobby", "are you still there?")
	bob.sees("are you still there?")
	bob.says("I am")
	bob.sees("I am")
}

// lists waits until exactly these users are listed.
func (w *window) lists(people ...string) {
	w.t.Helper()
	w.holds(`[...document.querySelectorAll("#people li")].map((one) => one.textContent).join("|") === ` + quoted(strings.Join(people, "|")))
}
