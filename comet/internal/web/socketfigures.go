package web

import (
	"strconv"

	"ccomet/comet/internal/op"
	"ccomet/httplite/websocket"
)

// SocketFigures are the counters of WebSockets.
type SocketFigures struct {
	Ops    [op.NumKinds]uint64      // by OpNames; input that is no operation counts as "none"
	Failed [op.NumKinds]uint64      // those that were answered with an error
	Closed [2][numCloseCodes]uint64 // closed connections, by the side that closed them (CloserNames) and by closeCodes
	Busy   int                      // connections with unfinished work
	Bytes  int                      // buffered bytes of incomplete messages
}

func (k *sockets) figures() SocketFigures {
	f := k.counts
	f.Busy, f.Bytes = len(k.of), k.bytes
	return f
}

var OpNames = op.Names

// The end that closed a connection.
const (
	byServer = iota
	byClient
)

// CloserNames are the names of the ends that close connections.
var CloserNames = [2]string{byServer: "server", byClient: "client"}

// closeCodes are the close codes with a counter of their own. The last entry counts all others.
var closeCodes = [...]websocket.Code{
	websocket.NormalClosure, websocket.GoingAway, websocket.ProtocolError, websocket.UnsupportedData, websocket.NoStatus, websocket.Abnormal,
	websocket.InvalidPayload, websocket.PolicyViolation, websocket.MessageTooBig, websocket.InternalError, websocket.ServiceRestart,
	websocket.TryAgainLater, 0,
}

// CloseNames returns the names of closeCodes.
func CloseNames() (names [numCloseCodes]string) {
	for i, code := range closeCodes {
		if names[i] = strconv.Itoa(int(code)); code == 0 {
			names[i] = "other"
		}
	}
	return names
}

// numCloseCodes is the number of counters.
const numCloseCodes = len(closeCodes)

// closeCode returns the index of a code's counter.
func closeCode(code websocket.Code) int {
	for i, c := range closeCodes {
		if c == code {
			return i
		}
	}
	return len(closeCodes) - 1
}
