package web

import (
	"strconv"

	"ccomet/comet/internal/op"
	"ccomet/httplite/websocket"
)

// SocketFigures are what is counted of WebSockets.
type SocketFigures struct {
	Ops    [op.NumKinds]uint64      // by OpNames; what is no operation is counted as none
	Failed [op.NumKinds]uint64      // of these, those that were answered with an error
	Closed [2][NumCloseCodes]uint64 // how they ended, by which side ended them (CloserNames) and CloseCodes
	Busy   int                      // that have something under way
	Bytes  int                      // kept of messages that have not wholly arrived
}

func (k *sockets) figures() SocketFigures {
	f := k.counts
	f.Busy, f.Bytes = len(k.of), k.bytes
	return f
}

// OpNames are the names of operations.
var OpNames = op.Names

// Which end has ended a connection.
const (
	byServer = iota
	byClient
)

// CloserNames are the names of the sides that end them.
var CloserNames = [2]string{byServer: "server", byClient: "client"}

// CloseCodes are the codes that are counted one by one. The last stands for all others.
var CloseCodes = [...]websocket.Code{
	websocket.NormalClosure, websocket.GoingAway, websocket.ProtocolError, websocket.UnsupportedData, websocket.NoStatus, websocket.Abnormal,
	websocket.InvalidPayload, websocket.PolicyViolation, websocket.MessageTooBig, websocket.InternalError, websocket.ServiceRestart,
	websocket.TryAgainLater, 0,
}

// CloseNames are the names of CloseCodes.
func CloseNames() (names [NumCloseCodes]string) {
	for i, code := range CloseCodes {
		if names[i] = strconv.Itoa(int(code)); code == 0 {
			names[i] = "other"
		}
	}
	return names
}

// NumCloseCodes is how many there are.
const NumCloseCodes = len(CloseCodes)

// closeCode is where a code is counted.
func closeCode(code websocket.Code) int {
	for i, c := range CloseCodes {
		if c == code {
			return i
		}
	}
	return len(CloseCodes) - 1
}
