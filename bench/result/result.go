// Package result is what a measurement leaves behind: plain data, saved as
// JSON, from which reports are made. Every figure carries its unit in its name.
package result

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// Schema is the version of the JSON; a file of another one is refused.
const Schema = 1

// Kind says what was measured; the part of the Result of that name is set.
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
	Label       string    `json:"label"`   // whose it is, in reports: "ccomet", "nchan 1.3"
	Command     string    `json:"command"` // what was typed
	Started     time.Time `json:"started"`
	Seconds     float64   `json:"seconds"` // how long it took
	Machine     Machine   `json:"machine"`
	Commit      string    `json:"commit,omitempty"`      // of the harness, and of a ccomet that was built with it
	Interrupted bool      `json:"interrupted,omitempty"` // ended before its time, with what it had
	Setting     *Setting  `json:"setting,omitempty"`     // of all kinds but loop

	Hold     *Hold     `json:"hold,omitempty"` // of churn too
	Fanout   *Fanout   `json:"fanout,omitempty"`
	Channels *Channels `json:"channels,omitempty"`
	OneToOne *OneToOne `json:"one_to_one,omitempty"` // of latency
	Compare  *Compare  `json:"compare,omitempty"`    // of cluster too
	Storm    *Storm    `json:"storm,omitempty"`
	Stuck    *Stuck    `json:"stuck,omitempty"`
	Siege    *Siege    `json:"siege,omitempty"`
	Loop     *Loop     `json:"loop,omitempty"`
	Soak     *Soak     `json:"soak,omitempty"`

	Upgrade *UpgradeRun `json:"upgrade,omitempty"`
}

// Machine is where it was measured. It names no host.
type Machine struct {
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"`
	MemoryBytes int64  `json:"memory_bytes"`
	Kernel      string `json:"kernel"`   // "Linux 6.18"
	Go          string `json:"go"`       // "Go 1.26"
	Virtual     bool   `json:"virtual"`  // a virtual machine
	Emulated    bool   `json:"emulated"` // with a processor of software: memory is exact, times mean nothing and are left out
}

// Setting is what a server was asked to do.
type Setting struct {
	Target      string  `json:"target"`            // the target file's name for the server
	Server      string  `json:"server,omitempty"`  // its command line, where the harness started it
	Transport   string  `json:"transport"`         // stream, poll, sse
	Channels    string  `json:"channels"`          // "shared": one channel for all; "own": one each
	Several     int     `json:"several,omitempty"` // channels of a connection, where it has more than one
	Connections int     `json:"connections"`
	Clients     int     `json:"clients"`               // client processes
	SizeBytes   int     `json:"size_bytes"`            // of a message's content
	ChurnShare  float64 `json:"churn_share,omitempty"` // of the connections, that leave and come back in a second
}

// Check is the verification of all messages. Any of Lost to Damaged, or
// Dropped, fails the run.
type Check struct {
	Expected   int64 `json:"expected"`   // messages × their subscribers
	Received   int64 `json:"received"`   // once each
	Lost       int64 `json:"lost"`       // expected, and did not come
	Doubled    int64 `json:"doubled"`    // came again
	Disordered int64 `json:"disordered"` // came after a later one
	Damaged    int64 `json:"damaged"`    // another channel's, or other bytes than were published
	Dropped    int64 `json:"dropped"`    // connections that the server ended
}

// Failed says whether anything was wrong.
func (c Check) Failed() bool {
	return c.Lost != 0 || c.Doubled != 0 || c.Disordered != 0 || c.Damaged != 0 || c.Dropped != 0
}

// Sample is what the server and the kernel hold at one time.
type Sample struct {
	Seconds           float64 `json:"seconds"` // since the start
	Connections       int     `json:"connections"`
	VirtualBytes      int64   `json:"virtual_bytes"`
	ResidentBytes     int64   `json:"resident_bytes"`
	ProportionalBytes int64   `json:"proportional_bytes"`  // PSS
	ProgramBytes      int64   `json:"program_bytes"`       // of ResidentBytes, what is of files as they are on the disk; not in SlopeBytes
	KernelBytes       int64   `json:"kernel_bytes"`        // slabs of sockets, files and epoll: of both ends where they share a machine; 0 where slabinfo is not readable
	SocketBytes       int64   `json:"socket_bytes"`        // buffers of TCP sockets (sockstat)
	Descriptors       int     `json:"descriptors"`         // of the server
	IdleCPU           float64 `json:"idle_cpu"`            // of the server, in processors (0.01: 1 % of one), while nothing is asked of it; negative: not measured
	ConnectsPerSecond float64 `json:"connects_per_second"` // while this step's connections were opened; 0: not measured
}

// Hold is memory of waiting connections, a sample a step; of churn, a sample
// every few seconds while the number of connections stays.
type Hold struct {
	Empty               Sample   `json:"empty"` // before the first connection
	Samples             []Sample `json:"samples"`
	SlopeBytes          float64  `json:"slope_bytes"`             // resident bytes a connection: regression over the samples; 0 in churn
	FurtherBytes        float64  `json:"further_bytes,omitempty"` // of connections with several channels: resident bytes of each beyond the first, by this slope and that of connections with one
	EndBytes            float64  `json:"end_bytes"`               // resident bytes at the end ÷ connections
	KernelSlopeBytes    float64  `json:"kernel_slope_bytes"`      // the same slope of KernelBytes
	Returned            int64    `json:"returned,omitempty"`      // churn: connections that left and came back
	DriftBytesPerMinute float64  `json:"drift_bytes_per_minute"`  // churn: slope of resident bytes over time, after the first minute
	DescriptorsAtStart  int      `json:"descriptors_at_start"`    // churn: before the first connection left
	DescriptorsAtTheEnd int      `json:"descriptors_at_the_end"`
	Check               Check    `json:"check"` // of a message to all at the end
}

// Latency is from just before a publish is sent to the receipt of the message
// by each subscriber, in microseconds.
type Latency struct {
	Count int64        `json:"count"`
	Mean  float64      `json:"mean"`
	P50   float64      `json:"p50"`
	P90   float64      `json:"p90"`
	P99   float64      `json:"p99"`
	P999  float64      `json:"p99.9"`
	Max   float64      `json:"max"`
	Curve [][2]float64 `json:"curve,omitempty"` // percentile (0 to 100), microseconds; rising
}

// Cost is processor time an operation, in microseconds.
type Cost struct {
	Micros     float64 `json:"micros"`      // all of it
	UserMicros float64 `json:"user_micros"` // in user mode, as the kernel samples it
}

// Fanout is messages from one channel to many. Costs are a delivery, medians
// of the rounds.
type Fanout struct {
	Messages            int       `json:"messages"` // a round
	Burst               int       `json:"burst"`    // published at once
	Rounds              int       `json:"rounds"`
	DeliveriesPerSecond float64   `json:"deliveries_per_second"`
	Server              Cost      `json:"server"`
	Bare                Cost      `json:"bare"`                    // a loop of write calls of as many bytes to as many connections, in turn with the server; of a burst as many calls as there are messages
	Client              Cost      `json:"client"`                  // the harness's own
	Ratios              []float64 `json:"ratios"`                  // server ÷ bare, a round
	Ratio               float64   `json:"ratio"`                   // their median; of bursts it is what coalescing saves
	BareBurst           Cost      `json:"bare_burst"`              // of bursts: the same loop with one call a burst
	BurstRatio          float64   `json:"burst_ratio,omitempty"`   // server ÷ that, median of the rounds
	BareLanguage        string    `json:"bare_language,omitempty"` // of the bare program: "C", or "Go"
	Latency             Latency   `json:"latency"`
	Check               Check     `json:"check"`
}

// Channels is publishes spread over many channels of one subscriber. Costs are
// a publish with its delivery.
type Channels struct {
	Publishes          int       `json:"publishes"`   // a round
	Connections        int       `json:"connections"` // that publish, each one request at a time
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

// OneToOne is publishes at a steady rate to channels of one subscriber each. Costs are
// a publish with its delivery, medians of the rounds. Latencies are of all rounds, and
// count from when a publish should have been sent.
type OneToOne struct {
	Rate               float64   `json:"rate"`        // a second; 0: each as soon as those before are answered, and latencies from then
	Publishes          int       `json:"publishes"`   // a round
	Connections        int       `json:"connections"` // that publish
	Depth              int       `json:"depth"`       // publishes under way on each
	Rounds             int       `json:"rounds"`
	PublishesPerSecond float64   `json:"publishes_per_second"`
	Server             Cost      `json:"server"`
	Bare               Cost      `json:"bare"`
	Client             Cost      `json:"client"` // subscribers and publishers
	Ratios             []float64 `json:"ratios"` // of Server.Micros and Bare.Micros, a round
	Ratio              float64   `json:"ratio"`
	Receipt            Latency   `json:"receipt"` // until the subscriber has it
	Answer             Latency   `json:"answer"`  // until the publisher is answered
	BareReceipt        Latency   `json:"bare_receipt"`
	BareAnswer         Latency   `json:"bare_answer"`
	ReceiptRatio       float64   `json:"receipt_ratio"` // of the medians of a round, median of the rounds
	AnswerRatio        float64   `json:"answer_ratio"`
	BareLanguage       string    `json:"bare_language"` // of the bare program: "C", or "Go"
	Check              Check     `json:"check"`
}

// Compare is several servers in turn.
type Compare struct {
	Rounds       int          `json:"rounds"`
	Contestants  []string     `json:"contestants"`   // the first is the bare program, or Redis alone; the second the server that the others are beside
	BareLanguage string       `json:"bare_language"` // of the bare program: "C", or "Go"
	LoadBefore   float64      `json:"load_before"`   // the machine's load average
	LoadAfter    float64      `json:"load_after"`    // the same at the end, this run's own included
	Rows         []CompareRow `json:"rows"`
}

// CompareRow is one figure of all contestants, in their order.
type CompareRow struct {
	What    string      `json:"what"`    // "message to 10,000 streams: a delivery"
	Figure  string      `json:"figure"`  // "processor time"
	Unit    string      `json:"unit"`    // "µs", "s", "bytes"
	Medians []float64   `json:"medians"` // of the rounds; 0: none
	ToBare  []float64   `json:"to_bare"` // figure ÷ the bare program's in the same round, median; 0: of itself, or none
	OursTo  []float64   `json:"ours_to"` // the second contestant's ÷ the figure in the same round, median; 0: as before, and of the bare program
	Values  [][]float64 `json:"values"`  // of the rounds
}

// Storm is all connections cut, and coming back at once.
type Storm struct {
	BackSeconds    float64      `json:"back_seconds"` // until all are subscribed again
	Back           [][2]float64 `json:"back"`         // seconds, connections subscribed
	Refused        int64        `json:"refused"`      // connections that failed, and were tried again
	ResidentBefore int64        `json:"resident_before"`
	ResidentPeak   int64        `json:"resident_peak"`
	ResidentAfter  int64        `json:"resident_after"`
	Quiet          Latency      `json:"quiet"`                    // of a channel whose subscribers stay, before
	Meanwhile      Latency      `json:"meanwhile"`                // of the same, until all are back
	ServerSeconds  float64      `json:"server_seconds,omitempty"` // processor time of the server until all are back
	Check          Check        `json:"check"`                    // of messages published meanwhile to clients that come back
	AcceptRate     int          `json:"accept_rate,omitempty"`    // of the server, a second; 0: none
	Without        *Storm       `json:"without,omitempty"`        // the same without the rate, on a server of its own before
}

// Stuck is readers that have stopped reading, among others of one channel. Rounds
// without them and with them take turns; figures of both are medians.
type Stuck struct {
	Readers              int       `json:"readers"`  // that are stuck
	Messages             int       `json:"messages"` // a round
	Rounds               int       `json:"rounds"`
	Quiet                []Latency `json:"quiet"`                   // of the others, a round
	Beside               []Latency `json:"beside"`                  // the same with stuck readers
	RatioP50             float64   `json:"ratio_p50"`               // beside ÷ quiet
	RatioP99             float64   `json:"ratio_p99"`               // the same
	BytesPerMessage      float64   `json:"bytes_per_message"`       // that resident memory grows by
	QuietBytesPerMessage float64   `json:"quiet_bytes_per_message"` // the same without stuck readers
	BytesPerReader       float64   `json:"bytes_per_reader"`        // that resident memory grows by when one comes and gets stuck
	Cut                  int64     `json:"cut"`                     // of the stuck
	CutSeconds           float64   `json:"cut_seconds"`             // until all were, since they got stuck
	Resumed              int       `json:"resumed"`                 // came back, with no gap that they were not told of
	Told                 int       `json:"told"`                    // of these, were told of one
	Check                Check     `json:"check"`                   // of the others
}

// Siege is clients that mean harm, and what others notice of them.
type Siege struct {
	Slots   int      `json:"slots"` // max-connections
	Attacks []Attack `json:"attacks"`
	Floods  []Flood  `json:"floods"`
}

// Attack is what others notice of one, in rounds, each beside a quiet time just
// before it.
type Attack struct {
	Name        string        `json:"name"`
	Rounds      []AttackRound `json:"rounds"`
	RatioP50    float64       `json:"ratio_p50"`   // meanwhile ÷ quiet, median of the rounds
	RatioP99    float64       `json:"ratio_p99"`   // the same
	Connections int64         `json:"connections"` // the most that were open at a time
}

// AttackRound is one of them.
type AttackRound struct {
	Quiet            Latency  `json:"quiet"` // of clients that are connected
	Meanwhile        Latency  `json:"meanwhile"`
	QuietNewcomers   Newcomer `json:"quiet_newcomers"`
	Newcomers        Newcomer `json:"newcomers"`
	ResidentBefore   int64    `json:"resident_before"`
	ResidentPeak     int64    `json:"resident_peak"`
	ServerProcessors float64  `json:"server_processors"` // that the server kept busy meanwhile
}

// Newcomer is what clients see that connect and ask for something small.
type Newcomer struct {
	Latency Latency `json:"latency"` // of clients that were answered, connecting included
	Refused int64   `json:"refused"` // were answered 503 or 429
	Failed  int64   `json:"failed"`  // were not answered
}

// Flood is one that is meant to take all memory, and the ceilings that hold it.
type Flood struct {
	Name           string   `json:"name"`
	SentBytes      int64    `json:"sent_bytes"`     // by attackers
	CeilingBytes   int64    `json:"ceiling_bytes"`  // the sum of the ceilings
	PromisedBytes  int64    `json:"promised_bytes"` // of resident memory, for those ceilings
	ResidentBefore int64    `json:"resident_before"`
	ResidentPeak   int64    `json:"resident_peak"`
	Refused        int64    `json:"refused"`     // requests
	Cut            int64    `json:"cut"`         // readers
	Connections    int64    `json:"connections"` // the most that were open at a time
	Latency        Latency  `json:"latency"`     // of bystanders that are connected
	Newcomers      Newcomer `json:"newcomers"`
}

// Loop is libevent's classic: socket pairs, of which some are active at a time.
type Loop struct {
	Writes int       `json:"writes"` // a run
	Runs   int       `json:"runs"`   // of which each figure is the median
	Points []LoopRun `json:"points"`
}

// LoopRun is one figure of Loop.
type LoopRun struct {
	Who    string    `json:"who"` // "reactor", "libevent"
	Loops  int       `json:"loops"`
	Pairs  int       `json:"pairs"`
	Active int       `json:"active"`
	Micros float64   `json:"micros"`           // for all the writes of a run, median
	Ratios []float64 `json:"ratios,omitempty"` // Micros ÷ those of libevent in the same round
}

// Soak is a server that goes through everything that may happen to it. Its figures are
// since the start.
type Soak struct {
	Seed   uint64      `json:"seed"`
	Phases int         `json:"phases"` // things that happened
	Cycles []SoakCycle `json:"cycles"`
	Check  Check       `json:"check"`
	Other  int64       `json:"other"`  // faults of no kind that Check counts
	Faults []string    `json:"faults"` // the first, in words
}

// SoakCycle is the calm at the end of one cycle.
type SoakCycle struct {
	Seconds       float64 `json:"seconds"` // since the start
	Connections   int     `json:"connections"`
	Published     int64   `json:"published"`
	ToldLost      int64   `json:"told_lost"` // messages that clients were told of that they are gone, as they may be
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

// Load reads what Save wrote.
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
