// Package metrics shows the running program to those that watch it.
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

// scrapeTimeout is how long the loops may take to tell their figures. Those of
// one that takes longer are missing.
const scrapeTimeout = 2 * time.Second

// Metrics are a server's figures as metrics, and the runtime's and the process's
// beside. Their number depends on the loops and the settings alone: none has a
// channel or an address for a label.
type Metrics struct {
	Server            *comet.Server // set before the server starts
	Version, Revision string        // of the build
	Beside            []prometheus.Collector

	Upgrades func() (failures, restarts int) // that failed, and that ended the server first; any goroutine calls it

	loop []loopMetric
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	registry := prometheus.NewRegistry()
	m.loop = loopMetrics()
	registry.MustRegister(m.Beside...)
	registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	// Compressing would keep a megabyte for some tens of kilobytes now and then.
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true})
}

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

// loopMetric is one of each loop's that has no other label.
type loopMetric struct {
	*prometheus.Desc
	kind   prometheus.ValueType
	value  func(*comet.LoopFigures) float64
	always bool // known of a loop that does not answer, too
}

func metricDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ccomet_"+name, help, labels, nil)
}

func loopMetrics() (list []loopMetric) {
	add := func(always bool, kind prometheus.ValueType, name, help string, value func(*comet.LoopFigures) float64) {
		list = append(list, loopMetric{metricDesc(name, help, "loop"), kind, value, always})
	}
	type f = *comet.LoopFigures
	add(false, gauge, "channels", "Channels that live, by the loop that is their home.", func(l f) float64 { return float64(l.Channels) })
	add(false, gauge, "subscribers_behind", "Subscribers that are stuck, and have not got what their channels keep for them.", func(l f) float64 { return float64(l.Behind) })
	add(false, gauge, "readers_blocked", "Connections that do not read what is held for them.", func(l f) float64 { return float64(l.Reactor.Blocked) })
	add(false, gauge, "held_bytes", "Bytes held for connections that do not read, as max-held-bytes counts them: a frame that many share counts once.", func(l f) float64 { return float64(l.Reactor.HeldBytes) })
	add(false, gauge, "arriving_bytes", "Bytes kept of requests, and of messages on WebSockets, that are still arriving, as max-held-bytes counts them.", func(l f) float64 { return float64(l.Reactor.InputBytes) + float64(l.Sockets.Bytes) })
	add(true, gauge, "connections_borrowing", "Connections that borrow a buffer, for a request that is not whole or for output that is not read.", func(l f) float64 { return float64(l.Reactor.Held) })
	add(false, counter, "requests_total", "Requests taken, subscriptions included.", func(l f) float64 { return float64(l.Requests) })
	add(false, counter, "messages_published_total", "Messages numbered, by the home of their channels; a broadcast once for each channel.", func(l f) float64 { return float64(l.Published) })
	add(false, counter, "messages_delivered_total", "Messages written to subscribers that were waiting for them.", func(l f) float64 { return float64(l.Delivered) })
	add(false, counter, "messages_replayed_total", "Messages given out of what channels keep, to subscribers that came back or had been stuck.", func(l f) float64 { return float64(l.Replayed) })
	add(false, counter, "histories_total", "Answers to /history that have what a channel keeps.", func(l f) float64 { return float64(l.Histories) })
	add(false, counter, "histories_unchanged_total", "Answers to /history that there is nothing new (304).", func(l f) float64 { return float64(l.Unchanged) })
	add(false, counter, "messages_lost_total", "Messages that a subscriber asked for and that its channel did not keep any more. The numbers that a crash has left out count as one.", func(l f) float64 { return float64(l.Lost) })
	add(false, counter, "publish_batches_total", "Requests to /publish, each of many messages.", func(l f) float64 { return float64(l.Batches) })
	add(false, counter, "publishes_repeated_total", "Publishes that were answered with the number of a message that has their key, by the home of its channel.", func(l f) float64 { return float64(l.Repeated) })
	add(false, counter, "broadcasts_total", "Broadcasts taken.", func(l f) float64 { return float64(l.Broadcasts) })
	add(false, counter, "heartbeats_total", "Noops and pings sent to subscribers for the polling timeout.", func(l f) float64 { return float64(l.Heartbeats) })
	add(false, counter, "received_bytes_total", "Bytes read from connections.", func(l f) float64 { return float64(l.Reactor.BytesRead) })
	add(false, counter, "sent_bytes_total", "Bytes written to connections.", func(l f) float64 { return float64(l.Reactor.BytesWritten) })
	add(true, counter, "writes_total", "Write calls to connections.", func(l f) float64 { return float64(l.Reactor.Writes) })
	add(true, counter, "connections_accepted_total", "Connections accepted.", func(l f) float64 { return float64(l.Reactor.Accepted) })
	add(true, counter, "connections_refused_total", "Connections refused when they came: at max-connections, or for want of descriptors or memory.", func(l f) float64 { return float64(l.Reactor.Refused) })
	add(false, counter, "accept_pauses_total", "Times that accepting paused at accept-rate.", func(l f) float64 { return float64(l.Reactor.Pauses) })
	add(false, counter, "accept_troubles_total", "Times that accepting paused because the kernel was out of descriptors or memory.", func(l f) float64 { return float64(l.Reactor.Troubles) })
	add(true, counter, "loop_turns_total", "Turns taken.", func(l f) float64 { return float64(l.Reactor.Turns) })
	add(false, gauge, "loop_guest", "1 while the loop turns on the thread of loop 0, as the others do while one thread is enough for all.", func(l f) float64 { return oneIf(l.Reactor.Guest) })
	add(false, counter, "loop_visits_total", "Times that the loop has come to turn on the thread of loop 0.", func(l f) float64 { return float64(l.Reactor.Visits) })
	add(true, gauge, "loop_answered", "1 where the loop has told its figures in time, 0 where it is stuck in a turn.", func(l f) float64 { return oneIf(l.Answered) })
	add(true, gauge, "mailbox_depth", "Mails from other loops that wait.", func(l f) float64 { return float64(l.Mailbox) })
	add(true, gauge, "mailbox_depth_max", "The most mails that have waited since the last scrape, whoever's that was.", func(l f) float64 { return float64(l.Most) })
	add(true, gauge, "mailbox_bytes", "Bytes of names and contents that mails from other loops have, which wait.", func(l f) float64 { return float64(l.MailboxBytes) })
	add(false, counter, "mails_total", "Mails handled, those of the loop to itself included.", func(l f) float64 { return float64(l.Mails) })
	add(false, gauge, "history_bytes", "Bytes of messages that channels keep, by the home of the channels.", func(l f) float64 { return float64(l.HistoryBytes) })
	add(false, gauge, "history_messages", "Messages that channels keep, by the home of the channels.", func(l f) float64 { return float64(l.HistoryMessages) })
	return list
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// Those with labels of their own, and the whole server's.
var (
	connectionsDesc  = metricDesc("connections", "Connections that are open, by what they do: idle (between two requests), request (one is arriving), waiting (for messages), websocket, answering, listening (to /psub), refused (to be told so later), ending.", "loop", "side", "state")
	subscribersDesc  = metricDesc("subscribers", "Subscribers that wait, by transport; a connection counts once for each of its channels.", "loop", "transport")
	opsDesc          = metricDesc("websocket_operations_total", "Operations that clients of WebSockets have asked for, and how they were answered: ok or refused.", "loop", "op", "result")
	closedDesc       = metricDesc("websockets_closed_total", "WebSockets that have ended, by the end that has ended them and the code that it gave; 1006: without any.", "loop", "by", "code")
	turnDesc         = metricDesc("loop_turn_seconds", "How long turns took, from when the kernel's events came until the loop waited again.", "loop")
	slabRecordsDesc  = metricDesc("slab_records", "Records in use.", "loop", "slab")
	slabCapacityDesc = metricDesc("slab_capacity_records", "Records that the mapped memory has room for.", "loop", "slab")
	slabMappedDesc   = metricDesc("slab_mapped_bytes", "Bytes mapped. The kernel provides them as they are touched.", "loop", "slab")
	slabRecordDesc   = metricDesc("slab_record_bytes", "Bytes of one record.", "slab")

	refusedDesc    = metricDesc("requests_refused_total", "Requests answered with an error.")
	cutDesc        = metricDesc("readers_cut_total", "Readers cut because they did not keep up.")
	walksDesc      = metricDesc("broadcasts_pending", "Broadcasts under way, counted on each loop.")
	onTheirWayDesc = metricDesc("delivering_bytes", "Bytes of messages on their way to subscribers, counted on each loop, as max-held-bytes counts them.")
	drainingDesc   = metricDesc("draining", "1 while the server sends its clients away, to stop.")
	limitDesc      = metricDesc("limit", "The value of a limit, under the name of its setting, where there is one.", "limit")
	metDesc        = metricDesc("limit_met_total", "How often a limit was met.", "limit")
	buildDesc      = metricDesc("build_info", "1, with the build.", "version", "revision", "goversion")

	upgradesDesc    = metricDesc("upgrades_total", "How often the server went on in another program.")
	upgradeTimeDesc = metricDesc("upgrade_pause_seconds", "For how long nothing was served in the last upgrade; 0: there was none.")
	upgradeBadDesc  = metricDesc("upgrade_failures_total", "Upgrades that came to nothing: the server went on as it was.")
	upgradeEndDesc  = metricDesc("upgrade_restarts_total", "How often the server was restarted in place, because it could not go on as it ran.")
	upgradeHadDesc  = metricDesc("upgrade_connections", "How many connections the last upgrade handed over.")

	stateTimeDesc    = metricDesc("state_written_timestamp_seconds", "When the state file was last written well; 0: never.")
	stateTookDesc    = metricDesc("state_write_duration_seconds", "How long the last good write of the state file took; 0: there was none yet.")
	stateSizeDesc    = metricDesc("state_size_bytes", "The size of the state file that this process has written last; 0: none yet.")
	stateFailureDesc = metricDesc("state_write_failures_total", "Writes of the state file that went wrong.")
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
			if f.Loops[i].Answered { // the same everywhere
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

// turnTimes are a loop's turns as a histogram, whose buckets add up.
func turnTimes(l *comet.LoopFigures, loop string) prometheus.Metric {
	t := &l.Reactor.TurnTimes
	buckets, n := map[float64]uint64{}, uint64(0)
	for i, count := range t.Counts[:len(t.Counts)-1] {
		n += count
		buckets[reactor.TimeBound(i).Seconds()] = n
	}
	return prometheus.MustNewConstHistogram(turnDesc, n+t.Counts[len(t.Counts)-1], t.Sum.Seconds(), buckets, loop)
}
