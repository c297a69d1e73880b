package report

import (
	"ccomet/bench/report/plot"
	"ccomet/bench/result"
)

// delivery holds what the results of fanout and channels have in common.
type delivery struct {
	entry
	rate                 float64 // per second
	server, bare, client result.Cost
	ratio                float64
	latency              result.Latency
}

// burstRatio compares the server with a bare loop that writes a burst in one
// call.
func (d delivery) burstRatio() float64 { return d.fanout().BurstRatio }

// fanout makes the section about one message to many subscribers.
func fanout(s *section, of []entry) {
	var all []delivery
	for _, e := range of {
		f := e.fanout()
		all = append(all, delivery{e, f.DeliveriesPerSecond, f.Server, f.Bare, f.Client, f.Ratio, f.Latency})
	}
	s.deliveries(all, "delivery", "deliveries", "bare loop")
}

// channels makes the section about many channels.
func channels(s *section, of []entry) {
	var all []delivery
	for _, e := range of {
		c := e.channels()
		all = append(all, delivery{e, c.PublishesPerSecond, c.Server, c.Bare, c.Client, c.Ratio, c.Latency})
	}
	s.deliveries(all, "publish with its delivery", "publishes", "bare program")
}

// deliveries makes the section of either. one and many name the operation, bare
// the program that the server is compared with.
func (s *section) deliveries(all []delivery, one, many, bare string) {
	for _, d := range all {
		setting := d.setting()
		compared := ""
		switch {
		case d.burstRatio() != 0:
			compared = with(d.time(times(d.burstRatio())), "a "+bare+" that coalesces too")
		case d.ratio != 0 && d.fanout().Burst > 1:
			compared = with(d.time(times(d.ratio)), "a "+bare+" that does not coalesce")
		case d.ratio != 0:
			compared = with(d.time(times(d.ratio)), "the "+bare)
		}
		s.addCard(d.entry, d.time(some(d.server.Micros, micros)), "of processor time per "+one, compared,
			counted(int64(setting.Connections), "connection"), burstWords(d.fanout().Burst))
	}
	s.latencyFigure(all)
	s.costFigure(all, one, bare)
	costs := table{
		Note:  "Processor time per " + one + "; clients: the processor time of the programs that measure. Medians of the rounds.",
		Heads: []string{"", "connections", "burst", many, "server", "in user mode", bare, "in user mode", "server ÷ " + bare, "coalescing " + bare, "in user mode", "server ÷ coalescing " + bare, "clients", "verified deliveries"},
	}
	latencies := table{Title: "Time to delivery", Heads: []string{"", "deliveries", "mean", "50 %", "90 %", "99 %", "99.9 %", "longest"}}
	var g, l group
	bursts := false
	for _, d := range all {
		cost := func(v float64) string { return d.time(some(v, micros)) }
		g.Rows = append(g.Rows, d.row(
			someWhole(int64(d.setting().Connections)), someWhole(int64(d.fanout().Burst)), d.time(some(d.rate, rate)),
			cost(d.server.Micros), cost(d.server.UserMicros), cost(d.bare.Micros), cost(d.bare.UserMicros),
			d.time(times(d.ratio)), cost(d.fanout().BareBurst.Micros), cost(d.fanout().BareBurst.UserMicros), d.time(times(d.burstRatio())), cost(d.client.Micros), verified(d.check())))
		bursts = bursts || d.fanout().Burst > 1
		if d.latency.Count > 0 && !d.Machine.Emulated {
			l.Rows = append(l.Rows, d.row(append([]string{whole(d.latency.Count)}, latencyCells(d.latency)...)...))
		}
	}
	if bursts {
		costs.Note += " The " + bare + " makes a system call for each message of a burst, so the ratio to it shows what a server saves by coalescing. The coalescing " + bare + " makes one call for each burst."
	}
	costs.Groups, latencies.Groups = []group{g}, []group{l}
	s.addTable(costs)
	s.addTable(latencies)
}

// latencyCells returns the mean, the percentiles and the maximum.
func latencyCells(l result.Latency) []string {
	return []string{micros(l.Mean), micros(l.P50), micros(l.P90), micros(l.P99), micros(l.P999), micros(l.Max)}
}

func (s *section) latencyFigure(all []delivery) {
	var lines []plot.Line
	for _, d := range all {
		if !d.Machine.Emulated && d.latency.Count > 0 {
			lines = append(lines, d.line("longest "+micros(d.latency.Max), latencyCurve(d.latency)))
		}
	}
	s.addFigure(figure{s.ID + "-latency", latencyChart("Time from publish to delivery", "by percentile, logarithmic", lines), latencyCaption}, drawn(lines))
}

func (s *section) costFigure(all []delivery, one, bare string) {
	c := plot.Bars{
		Title: "Processor time per " + one, Sub: "full colour: in user mode; pale: in the kernel",
		Format: micros,
	}
	for _, d := range all {
		if d.Machine.Emulated || d.server.Micros == 0 {
			continue
		}
		g := plot.Group{Name: d.title(), Bars: []plot.Bar{{Name: "server", Value: d.server.Micros, Part: d.server.UserMicros, Hue: d.hue}}}
		if d.ratio != 0 {
			g.Bars[0].Note = "· " + times(d.ratio)
		}
		if coalescing := d.fanout().BareBurst; coalescing.Micros != 0 {
			g.Bars[0].Note = "· " + times(d.burstRatio())
			g.Bars = append(g.Bars, plot.Bar{Name: "coalescing " + bare, Value: coalescing.Micros, Part: coalescing.UserMicros, Hue: plot.Neutral})
		}
		if d.bare.Micros != 0 {
			g.Bars = append(g.Bars, plot.Bar{Name: bare, Value: d.bare.Micros, Part: d.bare.UserMicros, Hue: plot.Neutral})
		}
		c.Groups = append(c.Groups, g)
	}
	s.addFigure(figure{s.ID + "-cost", c, "Medians of the rounds; the ratio is the median of the rounds' ratios. Shorter is better."}, len(c.Groups))
}
