package report

import (
	"fmt"
	"strings"

	"ccomet/bench/result"
)

// run says how a result was measured.
type run struct {
	Name    string
	Marks   []mark
	When    string // down to the minute
	Day     string
	Command string
	Server  string // the server's command, if the harness started the server
	Machine string
	Commit  string
	Facts   []fact
}

type fact struct{ Name, Text string }

func newRun(e entry) run {
	r := run{Name: e.Name, Marks: e.Marks, When: date(e.Started), Day: dates([]*result.Result{e.Result}), Command: oneLine(e.Command), Machine: machine(e.Machine), Commit: oneLine(e.Commit)}
	add := func(name, text string) {
		if text != "" {
			r.Facts = append(r.Facts, fact{name, text})
		}
	}
	s := e.setting()
	r.Server = oneLine(s.Server)
	add("Took", e.time(some(e.Seconds, seconds)))
	add("Server", s.Target)
	add("Commit", r.Commit)
	add("Transport", s.Transport)
	add("Channels", channelWords(s.Channels))
	add("Connections", someWhole(int64(s.Connections)))
	if s.Several > 1 {
		add("Channels per connection", fmt.Sprintf("%s; resident memory per further channel: %s", whole(s.Several), some(e.hold().FurtherBytes, each)))
	}
	add("Client processes", someWhole(int64(s.Clients)))
	add("Message", some(float64(s.SizeBytes), memory))
	add("Leave and come back", churnWords(s.ChurnShare))
	if f := e.fanout(); e.Fanout != nil {
		add("Rounds", fmt.Sprintf("%s of %s messages, %s", whole(f.Rounds), whole(f.Messages), burstWords(max(f.Burst, 1))))
		add("Server ÷ bare, per round", e.time(ratios(f.Ratios)))
		add("Clients", e.time(costWords(f.Client)))
		add("Bare loop", languageWords(f.BareLanguage))
	}
	if c := e.channels(); e.Channels != nil {
		add("Rounds", fmt.Sprintf("%s of %s publishes over %s", whole(c.Rounds), whole(c.Publishes), counted(int64(max(c.Connections, 1)), "connection")))
		add("Server ÷ bare, per round", e.time(ratios(c.Ratios)))
		add("Clients", e.time(costWords(c.Client)))
		add("Bare program", languageWords(c.BareLanguage))
	}
	if o := e.oneToOne(); e.OneToOne != nil {
		add("Rounds", fmt.Sprintf("%s of %s publishes, %s, over %s", whole(o.Rounds), whole(o.Publishes), e.time(rateWords(o)), depthWords(o)))
		add("Server ÷ bare, per round", e.time(ratios(o.Ratios)))
		add("Clients", e.time(costWords(o.Client)))
		add("Bare program", languageWords(o.BareLanguage))
	}
	if u := e.upgrade(); e.Upgrade != nil {
		add("Publishers", someWhole(int64(u.Publishers)))
		add("Published", with(someWhole(u.Published), e.time(some(u.Rate, rate))))
		add("Connections that left and came back", with(someWhole(int64(u.Churn)), "per second"))
		add("Connections without messages", someWhole(int64(u.Idle)))
		add("Messages that their channels keep", someWhole(int64(u.IdleHistory)))
	}
	if l := e.loop(); e.Loop != nil {
		add("Runs", fmt.Sprintf("each figure is the median of %s, of %s writes each", whole(l.Runs), whole(l.Writes)))
	}
	if c := e.check(); verified(c) != "" {
		add("Deliveries", fmt.Sprintf("%s expected, %s received, %s lost, %s doubled, %s out of order, %s damaged; %s connections dropped",
			whole(c.Expected), whole(c.Received), whole(c.Lost), whole(c.Doubled), whole(c.Disordered), whole(c.Damaged), whole(c.Dropped)))
	}
	return r
}

func languageWords(language string) string {
	if language == "" {
		return ""
	}
	return "in " + language
}

func ratios(v []float64) string {
	var texts []string
	for _, r := range finite(v) {
		texts = append(texts, times(r))
	}
	return strings.Join(texts, ", ")
}

func costWords(c result.Cost) string {
	if c.Micros == 0 {
		return ""
	}
	return fmt.Sprintf("%s of processor time for each, %s of it in user mode", micros(c.Micros), micros(c.UserMicros))
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
