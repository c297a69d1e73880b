// Package result defines the results of measurements: plain data, saved as JSON, from which reports are made. The name
// of every figure contains its unit.
package result

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// Schema is the version of the JSON. A file of another version is refused.
const Schema = 1

// Kind is the kind of a measurement. The part of the Result with that name is set.
type Kind string

const (
	KindHold     Kind = "hold"
	KindChurn    Kind = "churn"
	KindFanout   Kind = "fanout"
	KindChannels Kind = "channels"
	KindLatency  Kind = "latency"
	KindCompare  Kind = "compare"
	KindCluster  Kind = "cluster"
	KindStorm    Kind = "storm"
	KindStuck    Kind = "stuck"
	KindSiege    Kind = "siege"
	KindLoop     Kind = "loop"
	KindSoak     Kind = "soak"
	KindUpgrade  Kind = "upgrade"
)

// Result is one measurement.
type Result struct {
	Schema      int       `json:"schema"`
	Kind        Kind      `json:"kind"`
	Label       string    `json:"label"`   // name of the server in reports: "ccomet", "nchan 1.3"
	Command     string    `json:"command"` // the command line
	Started     time.Time `json:"started"`
	Seconds     float64   `json:"seconds"` // duration of the run
	Machine     Machine   `json:"machine"`
	Commit      string    `json:"commit,omitempty"`      // of the harness, and of a ccomet that was built with it
	Interrupted bool      `json:"interrupted,omitempty"` // interrupted, with partial results
	Setting     *Setting  `json:"setting,omitempty"`     // for all kinds except loop

	Hold     *Hold     `json:"hold,omitempty"` // also for churn
	Fanout   *Fanout   `json:"fanout,omitempty"`
	Channels *Channels `json:"channels,omitempty"`
	OneToOne *OneToOne `json:"one_to_one,omitempty"` // for latency
	Compare  *Compare  `json:"compare,omitempty"`    // also for cluster
	Storm    *Storm    `json:"storm,omitempty"`
	Stuck    *Stuck    `json:"stuck,omitempty"`
	Siege    *Siege    `json:"siege,omitempty"`
	Loop     *Loop     `json:"loop,omitempty"`
	Soak     *Soak     `json:"soak,omitempty"`

	Upgrade *UpgradeRun `json:"upgrade,omitempty"`
}

// Machine describes the machine of the measurement, without its name.
type Machine struct {
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"`
	MemoryBytes int64  `json:"memory_bytes"`
	Kernel      string `json:"kernel"`   // "Linux 6.18"
	Go          string `json:"go"`       // "Go 1.26"
	Virtual     bool   `json:"virtual"`  // a virtual machine
	Emulated    bool   `json:"emulated"` // emulated processor: memory is exact, times are meaningless and left out
}

// Setting is the load of a server.
type Setting struct {
	Target      string  `json:"target"`            // name of the server in its target file
	Server      string  `json:"server,omitempty"`  // its command line, if the harness started it
	Transport   string  `json:"transport"`         // stream, poll, sse
	Channels    string  `json:"channels"`          // "shared": one channel for all; "own": one for each
	Several     int     `json:"several,omitempty"` // channels of a connection, if more than one
	Connections int     `json:"connections"`
	Clients     int     `json:"clients"`               // client processes
	SizeBytes   int     `json:"size_bytes"`            // of a message's content
	ChurnShare  float64 `json:"churn_share,omitempty"` // share of the connections that leave and return each second
}

// Check is the verification of all messages. If any of Lost to Damaged, or Dropped, is not 0, the run has failed.
type Check struct {
	Expected   int64 `json:"expected"`   // messages × their subscribers
	Received   int64 `json:"received"`   // unique messages
	Lost       int64 `json:"lost"`       // missing
	Doubled    int64 `json:"doubled"`    // received again
	Disordered int64 `json:"disordered"` // received after a later one
	Damaged    int64 `json:"damaged"`    // of another channel, or with other content
	Dropped    int64 `json:"dropped"`    // connections closed by the server
}

// Failed reports whether anything was wrong.
func (c Check) Failed() bool {
	return c.Lost != 0 || c.Doubled != 0 || c.Disordered != 0 || c.Damaged != 0 || c.Dropped != 0
}

// Sample is the memory of the server and the kernel at one time.
type Sample struct {
	Seconds           float64 `json:"seconds"` // since the start
	Connections       int     `json:"connections"`
	VirtualBytes      int64   `json:"virtual_bytes"`
	ResidentBytes     int64   `json:"resident_bytes"`
	ProportionalBytes int64   `json:"proportional_bytes"`  // PSS
	ProgramBytes      int64   `json:"program_bytes"`       // of ResidentBytes: unmodified pages of files; not in SlopeBytes
	KernelBytes       int64   `json:"kernel_bytes"`        // slabs of sockets, files and epoll, for both ends if they share a machine; 0 if slabinfo is not readable
	SocketBytes       int64   `json:"socket_bytes"`        // buffers of TCP sockets (sockstat)
	Descriptors       int     `json:"descriptors"`         // of the server
	IdleCPU           float64 `json:"idle_cpu"`            // of the server while it has nothing to do, in processors (0.01: 1 % of one); negative: not measured
	ConnectsPerSecond float64 `json:"connects_per_second"` // while this step's connections were opened; 0: not measured
}

// Hold is the memory of waiting connections, with a sample for each step; for churn, with a sample every few seconds
// while the number of connections stays the same.
type Hold struct {
	Empty               Sample   `json:"empty"` // before the first connection
	Samples             []Sample `json:"samples"`
	SlopeBytes          float64  `json:"slope_bytes"`             // resident bytes of a connection: regression over the samples; 0 for churn
	FurtherBytes        float64  `json:"further_bytes,omitempty"` // with several channels: resident bytes of each channel after the first
	EndBytes            float64  `json:"end_bytes"`               // resident bytes at the end ÷ connections
	KernelSlopeBytes    float64  `json:"kernel_slope_bytes"`      // the same slope of KernelBytes
	Returned            int64    `json:"returned,omitempty"`      // churn: connections that left and returned
	DriftBytesPerMinute float64  `json:"drift_bytes_per_minute"`  // churn: slope of resident bytes over time, after the first minute
	DescriptorsAtStart  int      `json:"descriptors_at_start"`    // churn: before the first connection left
	DescriptorsAtTheEnd int      `json:"descriptors_at_the_end"`
	Check               Check    `json:"check"` // of a message to all connections at the end
}

// Latency is the time from just before the sending of a publish to the receipt by each subscriber, in microseconds.
type Latency struct {
	Count int64        `json:"count"`
	Mean  float64      `json:"mean"`
	P50   float64      `json:"p50"`
	P90   float64      `json:"p90"`
	P99   float64      `json:"p99"`
	P999  float64      `json:"p99.9"`
	Max   float64      `json:"max"`
	Curve [][2]float64 `json:"curve,omitempty"` // percentile (0 to 100), microseconds; increasing
}

// Cost is the processor time of an operation, in microseconds.
type Cost struct {
	Micros     float64 `json:"micros"`      // all of it
	UserMicros float64 `json:"user_micros"` // in user mode, as the kernel samples it
}

// Fanout measures messages from one channel to many subscribers. Costs are for one delivery, medians of the rounds.
type Fanout struct {
	Messages            int       `json:"messages"` // in a round
	Burst               int       `json:"burst"`    // messages published together
	Rounds              int       `json:"rounds"`
	DeliveriesPerSecond float64   `json:"deliveries_per_second"`
	Server              Cost      `json:"server"`
	Bare                Cost      `json:"bare"`                    // a loop of write calls with the same bytes to as many connections, in turn with the server; one call for each message
	Client              Cost      `json:"client"`                  // the harness
	Ratios              []float64 `json:"ratios"`                  // server ÷ bare, for each round
	Ratio               float64   `json:"ratio"`                   // median; with bursts it shows the effect of coalescing
	BareBurst           Cost      `json:"bare_burst"`              // with bursts: the same loop with one call for a burst
	BurstRatio          float64   `json:"burst_ratio,omitempty"`   // server ÷ BareBurst, median of the rounds
	BareLanguage        string    `json:"bare_language,omitempty"` // of the bare program: "C", or "Go"
	Latency             Latency   `json:"latency"`
	Check               Check     `json:"check"`
}

// Channels measures publishes spread over many channels with one subscriber each. Costs are for a publish with its
// delivery.
type Channels struct {
	Publishes          int       `json:"publishes"`   // in a round
	Connections        int       `json:"connections"` // publishing connections, one request at a time each
	Rounds             int       `json:"rounds"`
	PublishesPerSecond float64   `json:"publishes_per_second"`
	Server             Cost      `json:"server"`
	Bare               Cost      `json:"bare"`
	Client             Cost      `json:"client"` // subscribers and publishers
	Ratios             []float64 `json:"ratios"`
	Ratio              float64   `json:"ratio"`
	Latency            Latency   `json:"latency"`
	BareLanguage       string    `json:"bare_language,omitempty"`
	Check              Check     `json:"check"`
}

// OneToOne measures publishes at a steady rate to channels with one subscriber each. Costs are for a publish with its
// delivery, medians of the rounds. Latencies are of all rounds, and count from the scheduled time of a publish.
type OneToOne struct {
	Rate               float64   `json:"rate"`        // a second; 0: each when the previous one is answered; latencies then count from the sending
	Publishes          int       `json:"publishes"`   // in a round
	Connections        int       `json:"connections"` // publishing connections
	Depth              int       `json:"depth"`       // publishes in flight on each
	Rounds             int       `json:"rounds"`
	PublishesPerSecond float64   `json:"publishes_per_second"`
	Server             Cost      `json:"server"`
	Bare               Cost      `json:"bare"`
	Client             Cost      `json:"client"` // subscribers and publishers
	Ratios             []float64 `json:"ratios"` // Server.Micros ÷ Bare.Micros, for each round
	Ratio              float64   `json:"ratio"`
	Receipt            Latency   `json:"receipt"` // until the subscriber has received it
	Answer             Latency   `json:"answer"`  // until the publisher is answered
	BareReceipt        Latency   `json:"bare_receipt"`
	BareAnswer         Latency   `json:"bare_answer"`
	ReceiptRatio       float64   `json:"receipt_ratio"` // ratio of the medians of a round, median of the rounds
	AnswerRatio        float64   `json:"answer_ratio"`
	BareLanguage       string    `json:"bare_language"` // of the bare program: "C", or "Go"
	Check              Check     `json:"check"`
}

// Compare compares several servers that take turns.
type Compare struct {
	Rounds       int          `json:"rounds"`
	Contestants  []string     `json:"contestants"`   // the first is the bare program, or Redis alone; the second is the server that the others are compared with
	BareLanguage string       `json:"bare_language"` // of the bare program: "C", or "Go"
	LoadBefore   float64      `json:"load_before"`   // the machine's load average
	LoadAfter    float64      `json:"load_after"`    // likewise at the end, including this run's own load
	Rows         []CompareRow `json:"rows"`
}

// CompareRow is one figure of all contestants, in their order.
type CompareRow struct {
	What    string      `json:"what"`    // "message to 10,000 streams: a delivery"
	Figure  string      `json:"figure"`  // "processor time"
	Unit    string      `json:"unit"`    // "µs", "s", "bytes"
	Medians []float64   `json:"medians"` // over the rounds; 0: none
	ToBare  []float64   `json:"to_bare"` // figure ÷ the bare program's in the same round, median; 0: the bare program itself, or no figure
	OursTo  []float64   `json:"ours_to"` // second contestant's figure ÷ this one's in the same round, median; 0: the first two, or no figure
	Values  [][]float64 `json:"values"`  // for each round
}

// Storm measures all connections being cut and returning at once.
type Storm struct {
	BackSeconds    float64      `json:"back_seconds"` // until all are subscribed again
	Back           [][2]float64 `json:"back"`         // seconds, connections subscribed
	Refused        int64        `json:"refused"`      // failed connection attempts, which were retried
	ResidentBefore int64        `json:"resident_before"`
	ResidentPeak   int64        `json:"resident_peak"`
	ResidentAfter  int64        `json:"resident_after"`
	Quiet          Latency      `json:"quiet"`                    // of a channel whose subscribers stay, before the storm
	Meanwhile      Latency      `json:"meanwhile"`                // of the same channel, until all are back
	ServerSeconds  float64      `json:"server_seconds,omitempty"` // processor time of the server until all are back
	Check          Check        `json:"check"`                    // of messages published meanwhile to the returning clients
	AcceptRate     int          `json:"accept_rate,omitempty"`    // of the server, in a second; 0: none
	Without        *Storm       `json:"without,omitempty"`        // the same without the rate, on another server
}

// Stuck measures readers that have stopped reading, among others of one channel. Rounds without and with them take
// turns; the figures of both are medians.
type Stuck struct {
	Readers              int       `json:"readers"`  // readers that do not read
	Messages             int       `json:"messages"` // in a round
	Rounds               int       `json:"rounds"`
	Quiet                []Latency `json:"quiet"`                   // of the others, for each round
	Beside               []Latency `json:"beside"`                  // the same with stuck readers
	RatioP50             float64   `json:"ratio_p50"`               // Beside ÷ Quiet
	RatioP99             float64   `json:"ratio_p99"`               // the same
	BytesPerMessage      float64   `json:"bytes_per_message"`       // growth of resident memory
	QuietBytesPerMessage float64   `json:"quiet_bytes_per_message"` // the same without stuck readers
	BytesPerReader       float64   `json:"bytes_per_reader"`        // growth of resident memory when a reader connects and stops reading
	Cut                  int64     `json:"cut"`                     // stuck readers that the server closed
	CutSeconds           float64   `json:"cut_seconds"`             // from when they stopped reading until all were closed
	Resumed              int       `json:"resumed"`                 // returned without an unreported gap
	Told                 int       `json:"told"`                    // of these, with a reported gap
	Check                Check     `json:"check"`                   // of the others
}

// Siege measures hostile clients and their effect on others.
type Siege struct {
	Slots   int      `json:"slots"` // max-connections
	Attacks []Attack `json:"attacks"`
	Floods  []Flood  `json:"floods"`
}

// Attack is the effect of one attack on others, in rounds, each after a quiet phase.
type Attack struct {
	Name        string        `json:"name"`
	Rounds      []AttackRound `json:"rounds"`
	RatioP50    float64       `json:"ratio_p50"`   // Meanwhile ÷ Quiet, median of the rounds
	RatioP99    float64       `json:"ratio_p99"`   // the same
	Connections int64         `json:"connections"` // the most that were open at a time
}

// AttackRound is one round of an Attack.
type AttackRound struct {
	Quiet            Latency  `json:"quiet"` // of connected clients
	Meanwhile        Latency  `json:"meanwhile"`
	QuietNewcomers   Newcomer `json:"quiet_newcomers"`
	Newcomers        Newcomer `json:"newcomers"`
	ResidentBefore   int64    `json:"resident_before"`
	ResidentPeak     int64    `json:"resident_peak"`
	ServerProcessors float64  `json:"server_processors"` // processors that the server used meanwhile
}

// Newcomer is the experience of clients that connect and send a small request.
type Newcomer struct {
	Latency Latency `json:"latency"` // of answered clients, including the connect
	Refused int64   `json:"refused"` // were answered 503 or 429
	Failed  int64   `json:"failed"`  // were not answered
}

// Flood is an attack that tries to exhaust memory, and the limits against it.
type Flood struct {
	Name           string   `json:"name"`
	SentBytes      int64    `json:"sent_bytes"`     // by the attackers
	CeilingBytes   int64    `json:"ceiling_bytes"`  // sum of the limits
	PromisedBytes  int64    `json:"promised_bytes"` // the limits' promise for resident memory
	ResidentBefore int64    `json:"resident_before"`
	ResidentPeak   int64    `json:"resident_peak"`
	Refused        int64    `json:"refused"`     // requests
	Cut            int64    `json:"cut"`         // readers
	Connections    int64    `json:"connections"` // the most that were open at a time
	Latency        Latency  `json:"latency"`     // of connected bystanders
	Newcomers      Newcomer `json:"newcomers"`
}

// Loop is libevent's classic benchmark: socket pairs, some of which are active at a time.
type Loop struct {
	Writes int       `json:"writes"` // in a run
	Runs   int       `json:"runs"`   // runs; each figure is their median
	Points []LoopRun `json:"points"`
}

// LoopRun is one figure of Loop.
type LoopRun struct {
	Who    string    `json:"who"` // "reactor", "libevent"
	Loops  int       `json:"loops"`
	Pairs  int       `json:"pairs"`
	Active int       `json:"active"`
	Micros float64   `json:"micros"`           // duration of all the writes of a run, median
	Ratios []float64 `json:"ratios,omitempty"` // Micros ÷ those of libevent in the same round
}

// Soak exposes a server to all kinds of events. Its figures count from the start.
type Soak struct {
	Seed   uint64      `json:"seed"`
	Phases int         `json:"phases"` // events
	Cycles []SoakCycle `json:"cycles"`
	Check  Check       `json:"check"`
	Other  int64       `json:"other"`  // faults that Check does not count
	Faults []string    `json:"faults"` // descriptions of the first
}

// SoakCycle is the calm phase at the end of one cycle.
type SoakCycle struct {
	Seconds       float64 `json:"seconds"` // since the start
	Connections   int     `json:"connections"`
	Published     int64   `json:"published"`
	ToldLost      int64   `json:"told_lost"` // lost messages that were reported to clients, which is permitted
	Check         Check   `json:"check"`
	Other         int64   `json:"other"`
	Upgrades      int     `json:"upgrades"`
	Kills         int     `json:"kills"`
	Stops         int     `json:"stops"`
	ResidentBytes int64   `json:"resident_bytes"`
	Descriptors   int     `json:"descriptors"`
	IdleCPU       float64 `json:"idle_cpu"` // of the server, in processors
}

// Save writes the result to a file.
func (r *Result) Save(name string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(data, '\n'), 0o644)
}

// Load reads a file written by Save.
func Load(name string) (*Result, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r := new(Result)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("%s: not a result: %w", name, err)
	}
	if r.Schema != Schema {
		return nil, fmt.Errorf("%s: a result of schema %d; this program reads schema %d", name, r.Schema, Schema)
	}
	return r, nil
}
