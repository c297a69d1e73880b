package result

// UpgradeRun is a server that goes on in another program, again and again, while clients
// wait. Windows without an upgrade and with one take turns.
type UpgradeRun struct {
	Publishers       int       `json:"publishers"`   // connections, each with a channel of its own
	Rate             float64   `json:"rate"`         // publishes a second, of all
	Churn            int       `json:"churn"`        // connections a second that left and came back
	Idle             int       `json:"idle"`         // connections that heard nothing meanwhile, of those of the Setting
	IdleHistory      int       `json:"idle_history"` // messages that each of their channels keeps
	Each             []Upgrade `json:"each"`
	PauseMillis      float64   `json:"pause_millis"` // by the server's own clock, median
	PauseMostMillis  float64   `json:"pause_most_millis"`
	BeyondMillis     float64   `json:"beyond_millis"` // of Upgrade: SilenceMillis - QuietMillis, median
	BeyondMostMillis float64   `json:"beyond_most_millis"`
	Quiet            Latency   `json:"quiet"`        // of deliveries, from when they should have been published, without an upgrade
	Meanwhile        Latency   `json:"meanwhile"`    // and with one
	BytesBefore      int64     `json:"bytes_before"` // memory of the server before the first upgrade, files in memory included
	PeakBytes        int64     `json:"peak_bytes"`   // the most during the first one, of the server and the program that rehearses
	MoreBytes        int64     `json:"more_bytes"`   // at the peak than before, but for what is of files as they are on the disk: the program and its libraries
	Published        int64     `json:"published"`
	Refused          int64     `json:"refused"` // publishes and connections
	Check            Check     `json:"check"`
}

// Upgrade is one of them.
type Upgrade struct {
	Version       string  `json:"version"`        // that goes on
	Seconds       float64 `json:"seconds"`        // from the request until the new program told of it
	PauseMillis   float64 `json:"pause_millis"`   // for which nothing was served, by the server's own clock
	SilenceMillis float64 `json:"silence_millis"` // the longest for which a client heard nothing
	QuietMillis   float64 `json:"quiet_millis"`   // the same in a window before it, without an upgrade
	Bytes         int64   `json:"bytes"`          // memory of the server afterwards
	Descriptors   int     `json:"descriptors"`    // the same
}
