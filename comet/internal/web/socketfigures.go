package web

import (
	"ccomet/comet/internal/op"
	"ccomet/httplite/websocket"
)

// SocketFigures are what is counted of WebSockets.
type SocketFigures struct {
	Ops    [op.NumKinds]uint64      // by OpNames; what is none is counted at the first
	Failed [op.NumKinds]uint64      // of these, those that were answered with an error
	Closed [2][NumCloseCodes]uint64 // how they ended, by which side ended them (CloserNames) and CloseCodes
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
