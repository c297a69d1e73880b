package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"ccomet/comet/cluster"
)

// clusterMetric is one metric of a cluster's log.
type clusterMetric struct {
	*prometheus.Desc
	kind  prometheus.ValueType
	value func(*cluster.Figures) float64
}

// Cluster exports the figures of a cluster's log as metrics.
type Cluster struct {
	log   *cluster.Log
	list  []clusterMetric
	trips *prometheus.Desc
	nodes *prometheus.Desc
}

// NewCluster returns the metrics of a log.
func NewCluster(log *cluster.Log) *Cluster {
	m := &Cluster{
		log:   log,
		trips: metricDesc("cluster_redis_seconds", "Duration of calls to Redis that publish or ask for the positions of channels."),
		nodes: metricDesc("cluster_nodes", "Nodes that reported in the last ten seconds, including this one."),
	}
	add := func(kind prometheus.ValueType, name, help string, value func(*cluster.Figures) float64) {
		m.list = append(m.list, clusterMetric{metricDesc("cluster_"+name, help), kind, value})
	}
	type f = *cluster.Figures
	add(gauge, "ready", "1 while Redis can be used, 0 while publishes are refused.", func(f f) float64 { return oneIf(f.Ready) })
	add(gauge, "generation", "Times that the numbers were raised because another Redis took over or Redis was restarted: the highest of all partitions.", func(f f) float64 { return float64(f.Generation) })
	add(gauge, "lag_seconds", "Age of the bus entry that was read last, by the clocks of Redis and of this machine.", func(f f) float64 { return f.Lag.Seconds() })
	add(gauge, "queued_messages", "Publishes that wait for Redis.", func(f f) float64 { return float64(f.Queued) })
	add(gauge, "queued_bytes", "Bytes of publishes that wait for Redis.", func(f f) float64 { return float64(f.QueuedBytes) })
	add(counter, "calls_total", "Calls to Redis that published, each with many messages.", func(f f) float64 { return float64(f.Calls) })
	add(counter, "published_total", "Messages published at this node that Redis has numbered.", func(f f) float64 { return float64(f.Published) })
	add(counter, "repeated_total", "Publishes with a known key, answered with the number of the first publish.", func(f f) float64 { return float64(f.Repeated) })
	add(counter, "refused_total", "Publishes refused at this node because Redis did not answer, or too many publishes waited for it.", func(f f) float64 { return float64(f.Refused) })
	add(counter, "bus_read_total", "Messages and other events of all nodes that were read from the bus.", func(f f) float64 { return float64(f.Read) })
	add(counter, "bus_told_total", "Of those, the ones of channels that may have subscribers at this node.", func(f f) float64 { return float64(f.Told) })
	add(counter, "gaps_total", "Times that this node missed entries of the bus, and compared its channels with those in Redis.", func(f f) float64 { return float64(f.Compared) })
	add(counter, "bus_cuts_total", "Times that the connection which reads the bus was lost.", func(f f) float64 { return float64(f.Cuts) })
	return m
}

// Describe implements prometheus.Collector.
func (m *Cluster) Describe(to chan<- *prometheus.Desc) {
	for i := range m.list {
		to <- m.list[i].Desc
	}
	to <- m.trips
	to <- m.nodes
}

// Collect implements prometheus.Collector.
func (m *Cluster) Collect(to chan<- prometheus.Metric) {
	f := m.log.Figures()
	for i := range m.list {
		to <- prometheus.MustNewConstMetric(m.list[i].Desc, m.list[i].kind, m.list[i].value(&f))
	}
	buckets, count := make(map[float64]uint64, len(f.Trips.Bounds)), uint64(0)
	for i, n := range f.Trips.Counts {
		count += n
		if i < len(f.Trips.Bounds) {
			buckets[f.Trips.Bounds[i].Seconds()] = count
		}
	}
	to <- prometheus.MustNewConstHistogram(m.trips, count, f.Trips.Sum.Seconds(), buckets)
	to <- prometheus.MustNewConstMetric(m.nodes, gauge, float64(len(m.log.Nodes())))
}
