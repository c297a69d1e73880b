package bench

import (
	"fmt"
	"time"
)

// The measurements of Compare.

// compareGroup is a list of rows that share their subscribers.
type compareGroup struct {
	polls, own bool
	rows       []loadRow
}

// loadRow is one load, and the figures measured in it.
type loadRow struct {
	name    string
	what    func(n int) string // description for n connections
	load    load
	depth   int
	seconds float64 // approximate duration of a turn
	figures []turnFigure
}

// turnFigure computes one figure of a turn with n operations.
type turnFigure struct {
	what, unit string
	value      func(t turn, n int) float64
}

var (
	turnCPU     = turnFigure{"processor time", "µs", func(t turn, n int) float64 { return t.server.Micros / float64(n) }}
	turnUser    = turnFigure{"of it in user mode", "µs", func(t turn, n int) float64 { return t.server.UserMicros / float64(n) }}
	turnReceipt = turnFigure{"publish to receipt, 50 %", "µs", func(t turn, _ int) float64 { return float64(t.receipt.ValueAtPercentile(50)) }}
	turnLate    = turnFigure{"publish to receipt, 99 %", "µs", func(t turn, _ int) float64 { return float64(t.receipt.ValueAtPercentile(99)) }}
	turnAnswer  = turnFigure{"publish to answer, 50 %", "µs", func(t turn, _ int) float64 { return float64(t.answer.ValueAtPercentile(50)) }}
)

func words(format string) func(int) string {
	return func(n int) string { return fmt.Sprintf(format, thousands(n)) }
}

// thousands formats a number with a comma between groups of three digits.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

var compareGroups = []compareGroup{
	{own: true, rows: []loadRow{
		{"sequential", words("publish to one of %s channels, one after the other"), load{publishes: 5000, answers: true}, 1, 0.8,
			[]turnFigure{turnCPU, turnReceipt, turnAnswer}},
		{"paced", words("publish to one of %s channels, 1,000 a second"), load{publishes: 1000, rate: 1000, answers: true}, 1, 1.2,
			[]turnFigure{turnCPU, turnReceipt, turnLate, turnAnswer}},
		{"pipelined", words("publish to one of %s channels, 64 deep"), load{publishes: 20000}, 64, 0.8,
			[]turnFigure{turnCPU}},
	}},
	{own: true, polls: true, rows: []loadRow{
		{"poll", words("long poll on %s own channels, one after the other: a delivery with the next poll"), load{publishes: 5000, answers: true}, 1, 1.2,
			[]turnFigure{turnCPU, turnReceipt}},
	}},
	{polls: true, rows: []loadRow{
		{"fanpoll", words("long poll, one channel of %s: a delivery with the next poll"), load{publishes: 4, burst: 1}, 1, 2.2,
			[]turnFigure{turnCPU}},
	}},
	{rows: []loadRow{
		{"fanout", words("message to %s streams: a delivery"), load{publishes: 12, burst: 1}, 1, 2.7,
			[]turnFigure{turnCPU, turnUser}},
	}},
}

// connectRow measures subscribers that connect to a freshly started server.
type connectRow struct {
	name      string
	what      func(n int) string
	transport string // "stream" stands for the transport that Compare was asked for
	own       bool
	rounds    int // maximum, where the figure hardly varies; 0: as many as for all
	figures   []connectFigure
}

// connectFigure computes one figure of n connections.
type connectFigure struct {
	what, unit string
	value      func(t connected, n int) float64
}

var (
	connectSeconds = connectFigure{"until all are subscribed", "s", func(t connected, _ int) float64 { return t.took.Seconds() }}
	connectCPU     = connectFigure{"processor time of each", "µs", func(t connected, n int) float64 { return t.server.Micros / float64(n) }}
	connectBytes   = connectFigure{"resident memory of each, idle", "bytes", func(t connected, n int) float64 { return float64(t.resident) / float64(n) }}
)

var connectRows = []connectRow{
	{"connect", words("%s connect and subscribe, one channel"), "stream", false, 0, []connectFigure{connectSeconds, connectCPU, connectBytes}},
	{"connect", words("%s connect and subscribe, own channels"), "stream", true, 0, []connectFigure{connectSeconds, connectCPU, connectBytes}},
	{"bytes", words("%s long polls, one channel"), "poll", false, 1, []connectFigure{connectBytes}},
	{"bytes", words("%s long polls, own channels"), "poll", true, 1, []connectFigure{connectBytes}},
	{"bytes", words("%s event streams, one channel"), "sse", false, 1, []connectFigure{connectBytes}},
	{"bytes", words("%s event streams, own channels"), "sse", true, 1, []connectFigure{connectBytes}},
}

// connectsOf returns how many clients connect in these rows: half as many more as are
// subscribed otherwise.
func connectsOf(n int) int { return n + n/2 }

// estimate returns the approximate duration of the run.
func (m *compareRun) estimate() time.Duration {
	contestants, size := float64(len(m.Contestants)), float64(m.Connections)/10000
	seconds := 0.0
	for _, g := range compareGroups {
		rows := 0
		for _, row := range g.rows {
			if m.wants(row.name) {
				turn := row.seconds
				if !g.own {
					turn *= size
				}
				seconds += contestants * float64(m.c.Rounds+1) * turn
				rows++
			}
		}
		if rows > 0 {
			seconds += contestants * (1 + 2*size)
		}
	}
	for _, row := range connectRows {
		if m.wants(row.name) {
			rounds := m.c.Rounds + 1
			if row.rounds > 0 {
				rounds = min(m.c.Rounds, row.rounds)
			}
			seconds += contestants * float64(rounds) * (1 + 2.5*size)
		}
	}
	return time.Duration(seconds * float64(time.Second))
}
