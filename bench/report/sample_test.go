package report

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ccomet/bench/result"
)

// All figures in this file are made up, so that each kind of result has an
// example. None was measured.

var sampleDir = flag.String("sample", "", "write the report of the sample results into this directory")

// TestSample writes a report of the sample results to look at:
//
//	go test ./bench/report -run Sample -sample DIR
func TestSample(t *testing.T) {
	dir := *sampleDir
	if dir == "" {
		dir = t.TempDir()
	}
	all := samples()
	if _, err := SVGs(dir, all); err != nil {
		t.Fatal(err)
	}
	for name, write := range writers {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := write(f, all); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func sampleMachine() result.Machine {
	return result.Machine{CPU: "Sample CPU 9000", Cores: 2, MemoryBytes: 24 << 30, Kernel: "Linux 6.18", Go: "go1.26.8", Virtual: true}
}

func sample(kind result.Kind, label string, number int) *result.Result {
	return &result.Result{
		Schema: result.Schema, Kind: kind, Label: label,
		Command: "ccomet-bench " + string(kind) + " --target sample-" + label + ".toml --save sample.json",
		Started: time.Date(2026, 11, 23, 9, number, 0, 0, time.UTC), Seconds: 61.7 + 37*float64(number),
		Machine: sampleMachine(),
		Setting: &result.Setting{
			Target: "sample-" + label, Server: "bin/" + label + " serve --front 127.0.0.1:8100 --loops 2",
			Transport: "stream", Channels: "shared", Connections: 10000, Clients: 2, SizeBytes: 5,
		},
	}
}

func sampleCheck(n int64) result.Check { return result.Check{Expected: n, Received: n} }

// wobble returns a number between -1 and 1 that looks random.
func wobble(i int) float64 { return math.Sin(float64(i)*12.9898) * math.Cos(float64(i)*4.1414) }

func sampleHold(label string, number, step, steps int, channels string, bytes, kernel float64) *result.Result {
	r := sample(result.KindHold, label, number)
	r.Setting.Channels, r.Setting.Connections = channels, step*steps
	empty := result.Sample{VirtualBytes: 1800 << 20, ResidentBytes: 9 << 20, ProportionalBytes: 8 << 20, KernelBytes: 41 << 20, Descriptors: 11, IdleCPU: 0}
	h := &result.Hold{Empty: empty, SlopeBytes: bytes, KernelSlopeBytes: kernel, Check: sampleCheck(int64(step * steps))}
	for i := 1; i <= steps; i++ {
		n := float64(i * step)
		h.Samples = append(h.Samples, result.Sample{
			Seconds: float64(i) * 4.2, Connections: i * step,
			VirtualBytes:      empty.VirtualBytes + int64(n*bytes*1.4),
			ResidentBytes:     empty.ResidentBytes + int64(n*bytes*(1+0.01*wobble(i))) + 700<<10,
			ProportionalBytes: empty.ProportionalBytes + int64(n*bytes) + 690<<10,
			KernelBytes:       empty.KernelBytes + int64(n*kernel), SocketBytes: int64(i) * 4096,
			Descriptors: empty.Descriptors + i*step, IdleCPU: 0.004 + n/4e7, ConnectsPerSecond: 31234 + 2000*wobble(i),
		})
	}
	h.EndBytes = float64(h.Samples[steps-1].ResidentBytes-empty.ResidentBytes) / float64(step*steps)
	r.Hold = h
	return r
}

func sampleChurn(label string, number int, drift float64) *result.Result {
	r := sample(result.KindChurn, label, number)
	r.Setting.ChurnShare = 0.05
	h := &result.Hold{Returned: 149_876, DriftBytesPerMinute: drift, DescriptorsAtStart: 10_011, DescriptorsAtTheEnd: 10_012, Check: sampleCheck(10_000)}
	for i := range 60 {
		h.Samples = append(h.Samples, result.Sample{
			Seconds: float64(i) * 10, Connections: 10_000, Descriptors: 10_011 + int(30*wobble(i)),
			ResidentBytes: 11<<20 + int64(drift*float64(i)/6) + int64(2e5*math.Tanh(float64(i)/5)) + int64(3e4*wobble(i)),
		})
	}
	r.Hold = h
	return r
}

func sampleLatency(count int64, typical float64) result.Latency {
	at := func(nines float64) float64 { return typical * (0.6 + 0.6*nines + math.Pow(nines, 3)/6) }
	l := result.Latency{Count: count, Mean: typical * 1.07, P50: at(0.301), P90: at(1), P99: at(2), P999: at(3), Max: at(math.Log10(float64(count)))}
	for nines := 0.0; nines < math.Log10(float64(count)); nines += 0.1 {
		l.Curve = append(l.Curve, [2]float64{100 * (1 - math.Pow(10, -nines)), at(nines)})
	}
	l.Curve = append(l.Curve, [2]float64{100, l.Max})
	return l
}

func sampleFanout(label string, number, burst int, server, bare float64) *result.Result {
	r := sample(result.KindFanout, label, number)
	r.Fanout = &result.Fanout{
		Messages: 200, Burst: burst, Rounds: 5, DeliveriesPerSecond: 1e6 / server,
		Server: result.Cost{Micros: server, UserMicros: server * 0.11}, Bare: result.Cost{Micros: bare, UserMicros: bare * 0.02},
		Client: result.Cost{Micros: 3.21, UserMicros: 0.87},
		Ratio:  server / bare, Latency: sampleLatency(10_000_000, 900*server), Check: sampleCheck(10_000_000),
	}
	if burst > 1 {
		r.Fanout.BareBurst, r.Fanout.BurstRatio = result.Cost{Micros: server * 0.8, UserMicros: server * 0.03}, 1.25
	}
	for i := range 5 {
		r.Fanout.Ratios = append(r.Fanout.Ratios, server/bare*(1+0.03*wobble(i)))
	}
	return r
}

func sampleChannels(label string, number int, server float64) *result.Result {
	r := sample(result.KindChannels, label, number)
	r.Setting.Channels = "own"
	r.Channels = &result.Channels{
		Publishes: 50_000, Connections: 32, Rounds: 5, PublishesPerSecond: 43_210,
		Server: result.Cost{Micros: server, UserMicros: server * 0.2}, Bare: result.Cost{Micros: 20.63, UserMicros: 1.9},
		Client: result.Cost{Micros: 31.4, UserMicros: 7.7}, Ratio: server / 20.63, Ratios: []float64{1.071, 1.093, 1.112},
		Latency: sampleLatency(250_000, 7*server), Check: sampleCheck(250_000),
	}
	return r
}

func sampleOneToOne(label string, number int, rate float64) *result.Result {
	r := sample(result.KindLatency, label, number)
	r.Setting.Channels = "own"
	r.OneToOne = &result.OneToOne{
		Rate: rate, Publishes: 2000, Connections: 1, Depth: 1, Rounds: 9, PublishesPerSecond: 999, BareLanguage: "C",
		Server: result.Cost{Micros: 41.3, UserMicros: 9}, Bare: result.Cost{Micros: 31.9, UserMicros: 1.1}, Client: result.Cost{Micros: 60, UserMicros: 12},
		Ratio: 1.295, Ratios: []float64{1.28, 1.31}, ReceiptRatio: 1.22, AnswerRatio: 1.4,
		Receipt: sampleLatency(18_000, 92), Answer: sampleLatency(18_000, 85), BareReceipt: sampleLatency(18_000, 44), BareAnswer: sampleLatency(18_000, 45),
		Check: sampleCheck(18_000),
	}
	return r
}

func sampleCompare(number int) *result.Result {
	r := sample(result.KindCompare, "ccomet", number)
	r.Setting.Channels = "both"
	r.Compare = &result.Compare{
		Rounds: 6, Contestants: []string{"bare", "ccomet", "other 1.3"}, BareLanguage: "C", LoadBefore: 0.31, LoadAfter: 2.04,
		Rows: []result.CompareRow{
			{What: "publish to one of 10,000 channels", Figure: "processor time", Unit: "µs", Medians: []float64{31.9, 41.3, 54.3}, ToBare: []float64{0, 1.295, 1.702}, OursTo: []float64{0, 0, 0.761}},
			{What: "publish to one of 10,000 channels", Figure: "publish to receipt, 50 %", Unit: "µs", Medians: []float64{44, 92.4, 55.1}, ToBare: []float64{0, 2.11, 1.26}, OursTo: []float64{0, 0, 1.68}},
			{What: "15,000 connect and subscribe", Figure: "resident memory of each, idle", Unit: "bytes", Medians: []float64{35.5, 71.2, 10_224}, ToBare: []float64{0, 2.01, 288}, OursTo: []float64{0, 0, 0.007}},
			{What: "15,000 connect and subscribe", Figure: "until all are subscribed", Unit: "s", Medians: []float64{0.9, 0.95, 0}, ToBare: []float64{0, 1.06, 0}, OursTo: []float64{0, 0, 0}},
		},
	}
	for i, row := range r.Compare.Rows {
		for _, v := range row.Medians {
			var values []float64
			if v > 0 {
				values = []float64{v, v, v}
			}
			r.Compare.Rows[i].Values = append(r.Compare.Rows[i].Values, values)
		}
	}
	return r
}

func sampleStorm(label string, number int, back float64, peak int64) *result.Result {
	r := sample(result.KindStorm, label, number)
	s := &result.Storm{
		BackSeconds: back, Refused: 17, ResidentBefore: 11 << 20, ResidentPeak: peak, ResidentAfter: 12 << 20,
		Quiet: sampleLatency(6_000, 130), Meanwhile: sampleLatency(2_400, 1400*back), Check: sampleCheck(123_456),
	}
	for i := range 41 {
		at := float64(i) / 40
		s.Back = append(s.Back, [2]float64{at * back, math.Round(10_000 * math.Min(1, at*1.15-0.15*at*at*wobble(i)*wobble(i)))})
	}
	s.Back[40][1] = 10_000
	r.Storm = s
	return r
}

func sampleStormWithRate(number int) *result.Result {
	r := sampleStorm("ccomet", number, 5.04, 14<<20)
	r.Storm.AcceptRate, r.Storm.ServerSeconds = 2000, 0.87
	r.Storm.Without = sampleStorm("ccomet", number, 0.63, 15<<20).Storm
	r.Storm.Without.ServerSeconds = 0.71
	return r
}

func sampleUpgrade(number int) *result.Result {
	r := sample(result.KindUpgrade, "ccomet", number)
	r.Setting.Transport, r.Setting.Channels = "all", "200"
	r.Upgrade = &result.UpgradeRun{
		Publishers: 200, Rate: 400, Churn: 20, Idle: 1000, IdleHistory: 100, PauseMillis: 36.5, PauseMostMillis: 41.2, BeyondMillis: 31.7, BeyondMostMillis: 88.9,
		Quiet: sampleLatency(123_456, 900), Meanwhile: sampleLatency(123_456, 1900), BytesBefore: 19 << 20, PeakBytes: 29 << 20, MoreBytes: 5 << 20, Published: 123_456, Check: sampleCheck(246_912),
	}
	for i := range 40 {
		r.Upgrade.Each = append(r.Upgrade.Each, result.Upgrade{
			Version: "v1.0.1", Seconds: 0.14, PauseMillis: 36 + 5*wobble(i), SilenceMillis: 549 + 12*wobble(i), QuietMillis: 513 + 12*wobble(i+50), Bytes: 20<<20 + int64(1e5*wobble(i)), Descriptors: 18_217,
		})
	}
	return r
}

func sampleStuck(number int) *result.Result {
	r := sample(result.KindStuck, "ccomet", number)
	r.Stuck = &result.Stuck{
		Readers: 1000, Messages: 50, Rounds: 2, RatioP50: 1.034, RatioP99: 1.127,
		Quiet: []result.Latency{sampleLatency(500, 130)}, Beside: []result.Latency{sampleLatency(500, 140)},
		BytesPerMessage: 12, QuietBytesPerMessage: -3, BytesPerReader: 1234, Cut: 1000, CutSeconds: 30.2, Resumed: 1000, Told: 999, Check: sampleCheck(123_456),
	}
	return r
}

func sampleSiege(number int) *result.Result {
	r := sample(result.KindSiege, "ccomet", number)
	r.Siege = &result.Siege{Slots: 5000}
	for i, name := range []string{"slow headers", "slow bodies"} {
		r.Siege.Attacks = append(r.Siege.Attacks, result.Attack{
			Name: name, RatioP50: 1.04 + float64(i)/8, RatioP99: 1.33 + float64(i)/8, Connections: int64(5001 + i),
			Rounds: []result.AttackRound{{Newcomers: result.Newcomer{Latency: sampleLatency(250, 900), Refused: 3}, ResidentPeak: 40 << 20}},
		})
	}
	r.Siege.Floods = []result.Flood{{
		Name: "history", SentBytes: 256 << 20, CeilingBytes: 64 << 20, PromisedBytes: 269 << 20, ResidentBefore: 12 << 20, ResidentPeak: 161 << 20,
		Refused: 21, Cut: 32, Connections: 57, Latency: sampleLatency(12_500, 1300), Newcomers: result.Newcomer{Latency: sampleLatency(280, 700)},
	}}
	return r
}

func sampleLoop(number int) *result.Result {
	r := sample(result.KindLoop, "ccomet", number)
	r.Setting = nil
	r.Loop = &result.Loop{Writes: 100_000, Runs: 25}
	for _, active := range []int{100, 1000} {
		for pairs := 1000; pairs <= 9000; pairs += 1000 {
			base := 98_000 + 3.1*float64(pairs) + 9*float64(active) + 900*wobble(pairs+active)
			for i, who := range []struct {
				name   string
				loops  int
				factor float64
			}{{"libevent", 1, 1}, {"reactor", 1, 0.972}, {"reactor", 2, 0.537}} {
				p := result.LoopRun{Who: who.name, Loops: who.loops, Pairs: pairs, Active: active, Micros: base * who.factor}
				if who.name != "libevent" {
					for round := range 25 {
						p.Ratios = append(p.Ratios, who.factor*(1+0.04*wobble(round+pairs+i)))
					}
				}
				r.Loop.Points = append(r.Loop.Points, p)
			}
		}
	}
	return r
}

// samples returns results of all kinds: with several labels, with equal labels,
// and a failed, an interrupted and an emulated one.
func samples() []*result.Result {
	million := sampleHold("ccomet", 2, 50_000, 20, "shared", 69.6, 7654)
	million.Machine.Emulated, million.Machine.Virtual = true, true
	million.Machine.MemoryBytes = 16 << 30
	poll := sampleChurn("other 1.3", 6, 81_920)
	poll.Interrupted = true
	failed := sampleFanout("other 1.3", 9, 1, 12.34, 7.49)
	failed.Fanout.Check.Lost, failed.Fanout.Check.Received = 3, failed.Fanout.Check.Expected-3
	several := sampleHold("ccomet", 21, 2000, 9, "shared", 291.5, 3885)
	several.Setting.Several, several.Hold.FurtherBytes = 8, 31.7
	return []*result.Result{
		several, sampleHold("ccomet", 0, 2000, 9, "shared", 69.6, 3870),
		sampleHold("ccomet", 1, 2000, 9, "own", 178.7, 3881),
		million,
		sampleHold("other 1.3", 3, 2000, 9, "shared", 2345, 3902),
		sampleHold("third", 4, 2000, 8, "shared", 34_567, 3888),
		sampleChurn("ccomet", 5, 512), poll,
		sampleFanout("ccomet", 7, 1, 8.08, 7.51), sampleFanout("ccomet", 8, 50, 0.234, 7.73), failed,
		sampleChannels("ccomet", 10, 22.15), sampleChannels("other 1.3", 11, 41.9),
		sampleOneToOne("ccomet", 18, 1000), sampleOneToOne("ccomet", 19, 0), sampleOneToOne("other 1.3", 20, 1000),
		sampleStorm("ccomet", 12, 1.87, 19<<20), sampleStorm("other 1.3", 13, 4.21, 78<<20),
		sampleStormWithRate(15), sampleStuck(16), sampleSiege(17), sampleUpgrade(18),
		sampleLoop(14), sampleCompare(21),
	}
}
