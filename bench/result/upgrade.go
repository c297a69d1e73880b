package result

// UpgradeRun measures a server that is upgraded again and again while clients wait. Windows without and with an upgrade
// take turns.
type UpgradeRun struct {
	Publishers       int       `json:"publishers"`   // connections with a channel of their own each
	Rate             float64   `json:"rate"`         // publishes a second, of all publishers
	Churn            int       `json:"churn"`        // connections a second that leave and return
	Idle             int       `json:"idle"`         // connections of the Setting without messages meanwhile
	IdleHistory      int       `json:"idle_history"` // stored messages of each of their channels
	Each             []Upgrade `json:"each"`
	PauseMillis      float64   `json:"pause_millis"` // by the server's clock, median
	PauseMostMillis  float64   `json:"pause_most_millis"`
	BeyondMillis     float64   `json:"beyond_millis"` // of Upgrade: SilenceMillis - QuietMillis, median
	BeyondMostMillis float64   `json:"beyond_most_millis"`
	Quiet            Latency   `json:"quiet"`        // of deliveries from their scheduled time, without an upgrade
	Meanwhile        Latency   `json:"meanwhile"`    // with an upgrade
	BytesBefore      int64     `json:"bytes_before"` // memory of the server before the first upgrade, including memfds
	PeakBytes        int64     `json:"peak_bytes"`   // maximum during the first upgrade, of the server and the rehearsing program
	MoreBytes        int64     `json:"more_bytes"`   // PeakBytes - BytesBefore, without unmodified pages of files
	Published        int64     `json:"published"`
	Refused          int64     `json:"refused"` // publishes and connections
	Check            Check     `json:"check"`
}

// Upgrade is one upgrade.
type Upgrade struct {
	Version       string  `json:"version"`        // the new version
	Seconds       float64 `json:"seconds"`        // from the request until the new program reports success
	PauseMillis   float64 `json:"pause_millis"`   // time without service, by the server's clock
	SilenceMillis float64 `json:"silence_millis"` // longest silence of a client
	QuietMillis   float64 `json:"quiet_millis"`   // likewise in a window before it, without an upgrade
	Bytes         int64   `json:"bytes"`          // memory of the server afterwards
	Descriptors   int     `json:"descriptors"`    // the same
}
