package report

import (
	"ccomet/bench/report/plot"
	"ccomet/bench/result"
)

// hold makes the section about memory and the number of connections.
func hold(s *section, of []entry) {
	for _, e := range of {
		h := e.hold()
		figure, what := each(h.SlopeBytes), "of resident memory per further connection"
		if h.SlopeBytes == 0 {
			figure, what = some(h.EndBytes, each), "of resident memory per connection"
		}
		s.addCard(e, figure, what, counted(int64(mostConnections(h)), "connection"), e.setting().Transport, channelWords(e.setting().Channels))
	}
	s.holdMemory(of)
	s.holdEach(of)
	s.addTable(holdSummary(of))
	s.addTable(holdSteps(of))
}

// mostConnections returns the highest number of connections that were held.
func mostConnections(h result.Hold) int {
	n := 0
	for _, p := range h.Samples {
		n = max(n, p.Connections)
	}
	return n
}

func (s *section) holdMemory(of []entry) {
	var lines []plot.Line
	for _, e := range of {
		h := e.hold()
		l := e.line("", points(h.Samples, func(p result.Sample) (x, y float64, ok bool) {
			return float64(p.Connections), float64(p.ResidentBytes - h.Empty.ResidentBytes), p.Connections > 0
		}))
		if n := len(l.Points); n > 0 {
			l = e.line(memory(l.Points[n-1][1]), l.Points)
		}
		lines = append(lines, l)
	}
	// Either both axes are logarithmic or none: then a line through the origin
	// stays straight.
	log, note := scale(wide(lines, 0) || wide(lines, 1))
	s.addFigure(figure{"hold-memory", plot.Chart{
		Title: "Memory for waiting connections",
		Sub:   "resident memory of the server, minus that of the empty server" + note,
		X:     plot.Axis{Label: "connections" + note, Scale: log, Format: tick(digits)},
		Y:     plot.Axis{Scale: log, Binary: true, Format: tick(memory)},
		Lines: lines,
	}, "The memory of the server's process; the table also has the kernel's. Lower is better."}, drawn(lines))
}

func (s *section) holdEach(of []entry) {
	var lines []plot.Line
	for _, e := range of {
		h := e.hold()
		l := e.line("", points(h.Samples, func(p result.Sample) (x, y float64, ok bool) {
			return float64(p.Connections), above(p.ResidentBytes, h.Empty.ResidentBytes, p.Connections), p.Connections > 0
		}))
		if n := len(l.Points); n > 0 {
			l = e.line(each(l.Points[n-1][1])+" at the end", l.Points)
		}
		lines = append(lines, l)
	}
	logX, noteX := scale(wide(lines, 0))
	logY, noteY := scale(wide(lines, 1))
	s.addFigure(figure{"hold-each", plot.Chart{
		Title: "Memory per connection",
		Sub:   "(resident memory − that of the empty server) ÷ connections" + noteY,
		X:     plot.Axis{Label: "connections" + noteX, Scale: logX, Format: tick(digits)},
		Y:     plot.Axis{Scale: logY, Format: tick(each)},
		Lines: lines,
	}, "A flat line means that a connection costs the same among few and among many. Memory that the server allocates only once matters less and less to the right."}, drawn(lines))
}

const kernelNote = "Kernel: its memory for sockets, files and epoll; for both ends if clients and server share a machine."

func holdSummary(of []entry) table {
	t := table{Note: kernelNote, Heads: []string{"", "connections", "transport", "channels", "resident per further connection", "resident ÷ connections", "kernel per further connection", "verified deliveries"}}
	var g group
	for _, e := range of {
		h, setting := e.hold(), e.setting()
		g.Rows = append(g.Rows, e.row(
			someWhole(int64(mostConnections(h))),
			setting.Transport,
			channelWords(setting.Channels),
			some(h.SlopeBytes, each),
			some(h.EndBytes, each),
			some(h.KernelSlopeBytes, each),
			verified(h.Check),
		))
	}
	t.Groups = []group{g}
	return t
}

// holdSteps makes the classic table: one row for each step.
func holdSteps(of []entry) table {
	t := table{
		Title:  "Every step",
		Note:   "VIRT, RES, PSS: virtual, resident and proportional size of the server's process. Figures per connection do not include the memory of the empty server.",
		Detail: true,
		Heads: []string{"connections", "VIRT", "RES", "PSS", "RES per connection", "kernel per connection",
			"socket buffers", "descriptors", "of a core when idle", "connects"},
	}
	for _, e := range of {
		h := e.hold()
		g := group{Name: e.Name, Marks: e.Marks}
		if e.Hold != nil {
			g.Rows = append(g.Rows, holdStep(e, h.Empty))
		}
		for _, p := range h.Samples {
			g.Rows = append(g.Rows, holdStep(e, p))
		}
		t.Groups = append(t.Groups, g)
	}
	return t
}

func holdStep(e entry, p result.Sample) row {
	empty := e.hold().Empty
	size := func(bytes int64) string { return some(float64(bytes), memory) }
	cells := []string{size(p.VirtualBytes), size(p.ResidentBytes), size(p.ProportionalBytes), "", "",
		size(p.SocketBytes), someWhole(int64(p.Descriptors)), "", ""}
	if p.Connections > 0 {
		cells[3] = each(above(p.ResidentBytes, empty.ResidentBytes, p.Connections))
		if p.KernelBytes > 0 {
			cells[4] = each(above(p.KernelBytes, empty.KernelBytes, p.Connections))
		}
		cells[8] = e.time(some(p.ConnectsPerSecond, rate))
	}
	if p.IdleCPU >= 0 {
		cells[7] = e.time(percent(p.IdleCPU))
	}
	return row{Name: whole(p.Connections), Cells: cells}
}
