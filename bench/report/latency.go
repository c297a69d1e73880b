package report

import (
	"fmt"

	"ccomet/bench/report/plot"
	"ccomet/bench/result"
)

// oneToOne makes the section about publishes at a steady rate.
func oneToOne(s *section, of []entry) {
	const one = "publish with its delivery"
	costs := table{
		Note:  "Processor time per " + one + "; clients: the processor time of the programs that measure. Medians of the rounds.",
		Heads: []string{"", "channels", "publishes", "actual rate", "over", "server", "in user mode", "bare program", "in user mode", "server ÷ bare program", "clients", "verified deliveries"},
	}
	latencies := table{
		Title: "Time since a publish was due",
		Note:  "The last column compares the medians (50 %) of each round, and is the median of the rounds. Where publishes go one after the other, the time starts when the publish is sent.",
		Heads: []string{"", "count", "mean", "50 %", "90 %", "99 %", "99.9 %", "longest", "server ÷ bare program"},
	}
	var all []delivery
	var g group
	for _, e := range of {
		o := e.oneToOne()
		d := delivery{entry: e, server: o.Server, bare: o.Bare, client: o.Client, ratio: o.Ratio, latency: o.Receipt}
		all = append(all, d)
		s.addCard(e, e.time(some(o.Receipt.P50, micros)), "from a publish to its receipt, median", with(e.time(times(o.ReceiptRatio)), "the bare program"),
			counted(int64(e.setting().Connections), "channel"), e.time(rateWords(o)))
		cost := func(v float64) string { return e.time(some(v, micros)) }
		g.Rows = append(g.Rows, e.row(someWhole(int64(e.setting().Connections)), e.time(rateWords(o)), e.time(some(o.PublishesPerSecond, rate)), depthWords(o),
			cost(o.Server.Micros), cost(o.Server.UserMicros), cost(o.Bare.Micros), cost(o.Bare.UserMicros),
			e.time(times(o.Ratio)), cost(o.Client.Micros), verified(o.Check)))
		latencies.Groups = append(latencies.Groups, latencyGroup(e, o))
	}
	costs.Groups = []group{g}
	s.oneToOneFigure(of)
	s.costFigure(all, one, "bare program")
	s.addTable(costs)
	s.addTable(latencies)
}

// latencyGroup returns the latencies of an entry, one row for each.
func latencyGroup(e entry, o result.OneToOne) group {
	g := group{Name: e.Name, Marks: e.Marks}
	if e.Machine.Emulated {
		return g
	}
	for _, r := range []struct {
		name  string
		l     result.Latency
		ratio float64
	}{
		{"receipt", o.Receipt, o.ReceiptRatio}, {"answer to the publisher", o.Answer, o.AnswerRatio},
		{"bare program: receipt", o.BareReceipt, 0}, {"bare program: answer", o.BareAnswer, 0},
	} {
		if r.l.Count > 0 {
			cells := append([]string{whole(r.l.Count)}, latencyCells(r.l)...)
			g.Rows = append(g.Rows, row{Name: r.name, Cells: append(cells, times(r.ratio))})
		}
	}
	return g
}

// oneToOneFigure draws a line for receipts and one for those of the bare
// program.
func (s *section) oneToOneFigure(of []entry) {
	var lines []plot.Line
	for _, e := range of {
		o := e.oneToOne()
		if e.Machine.Emulated || o.Receipt.Count == 0 {
			continue
		}
		lines = append(lines, e.line("longest "+micros(o.Receipt.Max), latencyCurve(o.Receipt)))
		if o.BareReceipt.Count > 0 {
			bare := e.line("", latencyCurve(o.BareReceipt))
			bare.Name, bare.Hue = e.Name+": bare program", plot.Neutral
			lines = append(lines, bare)
		}
	}
	s.addFigure(figure{s.ID + "-latency", latencyChart("Time from publish to receipt", "since the publish was due, by percentile, logarithmic", lines), latencyCaption}, drawn(lines))
}

func rateWords(o result.OneToOne) string {
	if o.Rate == 0 {
		return "one after the other"
	}
	return rate(o.Rate)
}

// someRate returns the rate of a result, or "" if nothing was published.
func someRate(o result.OneToOne) string {
	if o.Publishes == 0 {
		return ""
	}
	return rateWords(o)
}

func depthWords(o result.OneToOne) string {
	words := counted(int64(o.Connections), "connection")
	if o.Depth > 1 {
		words += fmt.Sprintf(", %d deep", o.Depth)
	}
	return words
}
