// Package metrics exports metrics of the running program.
package metrics

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ccomet/comet"
	"ccomet/reactor"
)

// Path is where the admin side serves metrics in Prometheus' text format.
const Path = "/metrics"

// scrapeTimeout is the time limit for the loops to report their figures. Those of a slower
// loop are missing.
const scrapeTimeout = 2 * time.Second

// Metrics exports a server's figures as metrics, together with those of the Go runtime and
// the process. The number of metrics depends only on the loops and the settings: no label
// is a channel or an address.
type Metrics struct {
	Server            *comet.Server // set before the server starts
	Version, Revision string        // of the build
	Beside            []prometheus.Collector

	Upgrades func() (failures, restarts int) // failed upgrades, and restarts in place; safe for concurrent use

	loop []loopMetric
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	registry := prometheus.NewRegistry()
	m.loop = loopMetrics()
	registry.MustRegister(m.Beside...)
	registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	// Compression would keep a megabyte of memory for an occasional answer of some tens of
	// kilobytes.
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true})
}

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

// loopMetric is a metric of each loop without further labels.
type loopMetric struct {
	*prometheus.Desc
	kind   prometheus.ValueType
	value  func(*comet.LoopFigures) float64
	always bool // available even if the loop does not answer
}

func metricDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ccomet_"+name, help, labels, nil)
}

func loopMetrics() (list []loopMetric) {
	add := func(always bool, kind prometheus.ValueType, name, help string, value func(*comet.LoopFigures) float64) {
		list = append(list, loopMetric{metricDesc(name, help, "loop"), kind, value, always})
	}
	type f = *comet.LoopFigures
	add(false, gauge, "channels", "Existing channels, by the loop that is their home.", func(l f) float64 { return float64(l.Channels) })
	add(false, gauge, "subscribers_behind", "Slow subscribers that have not received all stored messages of their channels.", func(l f) float64 { return float64(l.Behind) })
	add(false, gauge, "readers_blocked", "Connections whose client does not read the output that is buffered for it.", func(l f) float64 { return float64(l.Reactor.Blocked) })
	add(false, gauge, "held_bytes", "Bytes buffered for connections that do not read, as max-held-bytes counts them: a frame that several connections share counts once.", func(l f) float64 { return float64(l.Reactor.HeldBytes) })
	add(false, gauge, "arriving_bytes", "Bytes buffered of incomplete requests and WebSocket messages, as max-held-bytes counts them.", func(l f) float64 { return float64(l.Reactor.InputBytes) + float64(l.Sockets.Bytes) })
	add(true, gauge, "connections_borrowing", "Connections that have a buffer, for an incomplete request or for unread output.", func(l f) float64 { return float64(l.Reactor.Held) })
	add(false, counter, "requests_total", "Requests received, including subscriptions.", func(l f) float64 { return float64(l.Requests) })
	add(false, counter, "messages_published_total", "Messages published, by the home of their channels; a broadcast counts once for each channel.", func(l f) float64 { return float64(l.Published) })
	add(false, counter, "messages_delivered_total", "Messages written to waiting subscribers.", func(l f) float64 { return float64(l.Delivered) })
	add(false, counter, "messages_replayed_total", "Stored messages sent to subscribers that reconnected or had been slow.", func(l f) float64 { return float64(l.Replayed) })
	add(false, counter, "histories_total", "Answers to /history with status 200.", func(l f) float64 { return float64(l.Histories) })
	add(false, counter, "histories_unchanged_total", "Answers to /history with status 304.", func(l f) float64 { return float64(l.Unchanged) })
	add(false, counter, "messages_lost_total", "Messages that a subscriber asked for and its channel no longer stored. The numbers that were skipped after a crash count as one.", func(l f) float64 { return float64(l.Lost) })
	add(false, counter, "publish_batches_total", "Accepted requests to /publish, each with many messages.", func(l f) float64 { return float64(l.Batches) })
	add(false, counter, "publishes_repeated_total", "Publishes with a known key, answered with the number of the first publish, by the home of the channel.", func(l f) float64 { return float64(l.Repeated) })
	add(false, counter, "broadcasts_total", "Broadcasts received.", func(l f) float64 { return float64(l.Broadcasts) })
	add(false, counter, "heartbeats_total", "Noops and pings sent to subscribers after the polling timeout.", func(l f) float64 { return float64(l.Heartbeats) })
	add(false, counter, "received_bytes_total", "Bytes read from connections.", func(l f) float64 { return float64(l.Reactor.BytesRead) })
	add(false, counter, "sent_bytes_total", "Bytes written to connections.", func(l f) float64 { return float64(l.Reactor.BytesWritten) })
	add(true, counter, "writes_total", "Write calls to connections.", func(l f) float64 { return float64(l.Reactor.Writes) })
	add(true, counter, "connections_accepted_total", "Connections accepted.", func(l f) float64 { return float64(l.Reactor.Accepted) })
	add(true, counter, "connections_refused_total", "Connections refused on arrival: at max-connections, or for lack of file descriptors or memory.", func(l f) float64 { return float64(l.Reactor.Refused) })
	add(false, counter, "accept_pauses_total", "Times that accepting paused because of accept-rate.", func(l f) float64 { return float64(l.Reactor.Pauses) })
	add(false, counter, "accept_troubles_total", "Times that accepting paused because the kernel was out of file descriptors or memory.", func(l f) float64 { return float64(l.Reactor.Troubles) })
	add(true, counter, "loop_turns_total", "Turns of the loop.", func(l f) float64 { return float64(l.Reactor.Turns) })
	add(false, gauge, "loop_guest", "1 while the loop runs on the thread of loop 0, because one thread is enough for all loops.", func(l f) float64 { return oneIf(l.Reactor.Guest) })
	add(false, counter, "loop_visits_total", "Times that the loop moved to the thread of loop 0.", func(l f) float64 { return float64(l.Reactor.Visits) })
	add(true, gauge, "loop_answered", "1 if the loop reported its figures in time, 0 if it is stuck in a turn.", func(l f) float64 { return oneIf(l.Answered) })
	add(true, gauge, "mailbox_depth", "Mails from other loops that wait in the mailbox.", func(l f) float64 { return float64(l.Mailbox) })
	add(true, gauge, "mailbox_depth_max", "The most mails that have waited since the last scrape, by any scraper.", func(l f) float64 { return float64(l.Most) })
	add(true, gauge, "mailbox_bytes", "Bytes of names and contents in waiting mails from other loops.", func(l f) float64 { return float64(l.MailboxBytes) })
	add(false, counter, "mails_total", "Mails handled, including those of the loop to itself.", func(l f) float64 { return float64(l.Mails) })
	add(false, gauge, "history_bytes", "Bytes of stored messages, by the home of the channels.", func(l f) float64 { return float64(l.HistoryBytes) })
	add(false, gauge, "history_messages", "Stored messages, by the home of the channels.", func(l f) float64 { return float64(l.HistoryMessages) })
	return list
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// Metrics with other labels, and metrics of the whole server.
var (
	connectionsDesc  = metricDesc("connections", "Open connections by state: idle (between two requests), request (a request is arriving), waiting (for messages), websocket, answering, listening (to /psub), refused (the refusal is delayed), ending.", "loop", "side", "state")
	subscribersDesc  = metricDesc("subscribers", "Waiting subscribers by transport; a connection counts once for each of its channels.", "loop", "transport")
	opsDesc          = metricDesc("websocket_operations_total", "Operations requested on WebSockets, by result: ok or refused.", "loop", "op", "result")
	closedDesc       = metricDesc("websockets_closed_total", "Closed WebSockets, by the end that closed them and the close code; 1006: without a code.", "loop", "by", "code")
	turnDesc         = metricDesc("loop_turn_seconds", "Duration of turns, from the arrival of the kernel's events until the loop waits again.", "loop")
	slabRecordsDesc  = metricDesc("slab_records", "Records in use.", "loop", "slab")
	slabCapacityDesc = metricDesc("slab_capacity_records", "Records for which memory is mapped.", "loop", "slab")
	slabMappedDesc   = metricDesc("slab_mapped_bytes", "Bytes mapped. The kernel provides the memory when it is first used.", "loop", "slab")
	slabRecordDesc   = metricDesc("slab_record_bytes", "Size of one record in bytes.", "slab")

	refusedDesc    = metricDesc("requests_refused_total", "Requests answered with an error.")
	cutDesc        = metricDesc("readers_cut_total", "Connections closed because the client did not read fast enough.")
	walksDesc      = metricDesc("broadcasts_pending", "Broadcasts in progress, counted once for each loop.")
	onTheirWayDesc = metricDesc("delivering_bytes", "Bytes of messages on their way to subscribers, counted on each loop, as max-held-bytes counts them.")
	drainingDesc   = metricDesc("draining", "1 while the server disconnects its clients, to stop.")
	limitDesc      = metricDesc("limit", "Value of a limit, by the name of its setting. A limit that is off is missing.", "limit")
	metDesc        = metricDesc("limit_met_total", "Times that a limit was reached.", "limit")
	buildDesc      = metricDesc("build_info", "1, with the build.", "version", "revision", "goversion")

	upgradesDesc    = metricDesc("upgrades_total", "Live upgrades: times that another program took over the running server.")
	upgradeTimeDesc = metricDesc("upgrade_pause_seconds", "How long nothing was served in the last live upgrade; 0: there was none.")
	upgradeBadDesc  = metricDesc("upgrade_failures_total", "Failed upgrades, after which the server continued as before.")
	upgradeEndDesc  = metricDesc("upgrade_restarts_total", "Restarts in place, because the new version could not take over the running server.")
	upgradeHadDesc  = metricDesc("upgrade_connections", "Connections handed over in the last live upgrade.")

	stateTimeDesc    = metricDesc("state_written_timestamp_seconds", "Time of the last successful write of the state file; 0: never.")
	stateTookDesc    = metricDesc("state_write_duration_seconds", "How long the last successful write of the state file took; 0: there was none yet.")
	stateSizeDesc    = metricDesc("state_size_bytes", "Size of the state file that this process wrote last; 0: none yet.")
	stateFailureDesc = metricDesc("state_write_failures_total", "Failed writes of the state file.")
)

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		connectionsDesc, subscribersDesc, opsDesc, closedDesc, turnDesc, slabRecordsDesc, slabCapacityDesc, slabMappedDesc, slabRecordDesc,
		refusedDesc, cutDesc, walksDesc, onTheirWayDesc, drainingDesc, limitDesc, metDesc, buildDesc, upgradesDesc, upgradeTimeDesc, upgradeHadDesc, upgradeBadDesc, upgradeEndDesc,
		stateTimeDesc, stateTookDesc, stateSizeDesc, stateFailureDesc,
	} {
		to <- desc
	}
	for i := range m.loop {
		to <- m.loop[i].Desc
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	f := m.Server.Figures(ctx)
	tell := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, kind, value, labels...)
	}
	tell(buildDesc, gauge, 1, m.Version, m.Revision, runtime.Version())
	tell(refusedDesc, counter, float64(f.Refused))
	tell(cutDesc, counter, float64(f.Cut))
	tell(walksDesc, gauge, float64(f.Walks))
	tell(onTheirWayDesc, gauge, float64(f.OnTheirWay))
	tell(drainingDesc, gauge, oneIf(f.Draining))
	upgrades := m.Server.HandOvers()
	tell(upgradesDesc, counter, float64(upgrades.Total))
	tell(upgradeTimeDesc, gauge, upgrades.Pause.Seconds())
	tell(upgradeHadDesc, gauge, float64(upgrades.Connections))
	failures, restarts := m.Upgrades()
	tell(upgradeBadDesc, counter, float64(failures))
	tell(upgradeEndDesc, counter, float64(restarts))
	for _, l := range f.Limits {
		if l.Value > 0 {
			tell(limitDesc, gauge, float64(l.Value), l.Name)
		}
		tell(metDesc, counter, float64(l.Met), l.Name)
	}
	if s := f.State; s != nil {
		written := 0.0
		if !s.Written.IsZero() {
			written = float64(s.Written.UnixMilli()) / 1000
		}
		tell(stateTimeDesc, gauge, written)
		tell(stateTookDesc, gauge, s.Took.Seconds())
		tell(stateSizeDesc, gauge, float64(s.Bytes))
		tell(stateFailureDesc, counter, float64(s.Failures))
	}
	for i := range f.Loops {
		m.collectLoop(&f.Loops[i], strconv.Itoa(i), tell)
		if f.Loops[i].Answered {
			to <- turnTimes(&f.Loops[i], strconv.Itoa(i))
		}
	}
	for n, slab := range comet.SlabNames {
		for i := range f.Loops {
			if f.Loops[i].Answered { // the same on all loops
				tell(slabRecordDesc, gauge, float64(f.Loops[i].Slabs[n].Record), slab)
				break
			}
		}
	}
}

func (m *Metrics) collectLoop(l *comet.LoopFigures, loop string, tell func(*prometheus.Desc, prometheus.ValueType, float64, ...string)) {
	for i := range m.loop {
		if one := &m.loop[i]; l.Answered || one.always {
			tell(one.Desc, one.kind, one.value(l), loop)
		}
	}
	if !l.Answered {
		return
	}
	for side, name := range comet.SideNames {
		for state, what := range comet.StateNames {
			tell(connectionsDesc, gauge, float64(l.Connections[side][state]), loop, name, what)
		}
	}
	for i, transport := range comet.TransportNames {
		tell(subscribersDesc, gauge, float64(l.Subscribers[i]), loop, transport)
	}
	for i, op := range comet.OpNames {
		tell(opsDesc, counter, float64(l.Sockets.Ops[i]-l.Sockets.Failed[i]), loop, op, "ok")
		tell(opsDesc, counter, float64(l.Sockets.Failed[i]), loop, op, "refused")
	}
	for by, name := range comet.CloserNames {
		for i, code := range comet.CloseNames {
			tell(closedDesc, counter, float64(l.Sockets.Closed[by][i]), loop, name, code)
		}
	}
	for i, slab := range comet.SlabNames {
		s := &l.Slabs[i]
		tell(slabRecordsDesc, gauge, float64(s.Live), loop, slab)
		tell(slabCapacityDesc, gauge, float64(s.Room), loop, slab)
		tell(slabMappedDesc, gauge, float64(s.Mapped), loop, slab)
	}
}

// turnTimes returns a loop's turns as a histogram with cumulative buckets.
func turnTimes(l *comet.LoopFigures, loop string) prometheus.Metric {
	t := &l.Reactor.TurnTimes
	buckets, n := map[float64]uint64{}, uint64(0)
	for i, count := range t.Counts[:len(t.Counts)-1] {
		n += count
		buckets[reactor.TimeBound(i).Seconds()] = n
	}
	return prometheus.MustNewConstHistogram(turnDesc, n+t.Counts[len(t.Counts)-1], t.Sum.Seconds(), buckets, loop)
}
