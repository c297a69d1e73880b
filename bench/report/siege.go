package report

import (
	"fmt"
	"math"

	"ccomet/bench/result"
)

// stuck makes the section about readers that have stopped reading.
func stuck(s *section, of []entry) {
	t := table{
		Note: "Latency: of the other subscribers, with stuck readers ÷ without them. Memory: growth of resident memory. Medians of the rounds.",
		Heads: []string{"", "connections", "stuck", "messages per round", "rounds", "latency at 50 %", "at 99 %", "memory per message", "without them", "memory per stuck reader",
			"disconnected", "all after", "came back without an unreported gap", "with a reported gap", "verified deliveries"},
	}
	var g group
	for _, e := range of {
		m := e.stuck()
		s.addCard(e, e.time(times(m.RatioP99)), "of the latency without, at 99 %", counted(int64(m.Readers), "stuck reader"))
		g.Rows = append(g.Rows, e.row(someWhole(int64(e.setting().Connections)), someWhole(int64(m.Readers)),
			someWhole(int64(m.Messages)), someWhole(int64(m.Rounds)),
			e.time(times(m.RatioP50)), e.time(times(m.RatioP99)), bytesOf(m.BytesPerMessage), bytesOf(m.QuietBytesPerMessage), bytesOf(m.BytesPerReader),
			someWhole(m.Cut), e.time(some(m.CutSeconds, seconds)), someWhole(int64(m.Resumed)), someWhole(int64(m.Told)), verified(m.Check)))
	}
	t.Groups = []group{g}
	s.addTable(t)
}

// bytesOf writes the growth of memory, which may be 0 or negative.
func bytesOf(bytes float64) string {
	if math.IsNaN(bytes) || math.IsInf(bytes, 0) {
		return ""
	}
	return fmt.Sprintf("%.0f B", bytes)
}

// siege makes the section about hostile clients.
func siege(s *section, of []entry) {
	attacks := table{
		Note: "Latency: of connected clients, during the attack ÷ just before it; medians of the rounds. Newcomers: of all rounds.",
		Heads: []string{"", "most connections", "latency at 50 %", "at 99 %", "newcomers answered", "refused", "not answered",
			"resident at the peak"},
	}
	floods := table{
		Title: "Floods: resident memory, and what the limits allow",
		Heads: []string{"", "sent", "ceiling", "most connections", "resident before", "at the peak", "promised", "requests refused", "readers disconnected", "latency of others, 99 %", "newcomers answered", "refused"},
	}
	for _, e := range of {
		m := e.siege()
		a, f := group{Name: e.Name, Marks: e.Marks}, group{Name: e.Name, Marks: e.Marks}
		worst := 0.0
		for _, one := range m.Attacks {
			worst = max(worst, one.RatioP99)
			newcomers, peak := sumOf(one.Rounds)
			a.Rows = append(a.Rows, row{Name: one.Name, Cells: []string{whole(one.Connections), e.time(times(one.RatioP50)), e.time(times(one.RatioP99)),
				whole(newcomers.Latency.Count), whole(newcomers.Refused), whole(newcomers.Failed), some(float64(peak), memory)}})
		}
		for _, one := range m.Floods {
			f.Rows = append(f.Rows, row{Name: one.Name, Cells: []string{some(float64(one.SentBytes), memory), some(float64(one.CeilingBytes), memory), whole(one.Connections), some(float64(one.ResidentBefore), memory),
				some(float64(one.ResidentPeak), memory), some(float64(one.PromisedBytes), memory), whole(one.Refused), whole(one.Cut),
				e.time(some(one.Latency.P99, micros)), whole(one.Newcomers.Latency.Count), whole(one.Newcomers.Refused)}})
		}
		s.addCard(e, e.time(times(worst)), "of the quiet latency, at 99 %, in the worst attack", counted(int64(m.Slots), "connection"))
		attacks.Groups, floods.Groups = append(attacks.Groups, a), append(floods.Groups, f)
	}
	s.addTable(attacks)
	s.addTable(floods)
}

// sumOf adds up the newcomers of all rounds; peak is the highest memory of a
// round.
func sumOf(rounds []result.AttackRound) (n result.Newcomer, peak int64) {
	for _, r := range rounds {
		n.Latency.Count += r.Newcomers.Latency.Count
		n.Refused += r.Newcomers.Refused
		n.Failed += r.Newcomers.Failed
		peak = max(peak, r.ResidentPeak)
	}
	return n, peak
}
