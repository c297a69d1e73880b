// Package bench measures comet servers from outside: what a waiting connection
// costs in memory, what a delivery costs in processor time and how long it
// takes, and how a server stands connections that come and go, or all come
// back at once.
//
// The measurements are methods of Options: Hold, Fanout, Channels, Latency,
// Storm, Upgrade, Compare of several servers, and the smaller Batches, Echo, Idle and Calls. Each returns a result.Result, which the report
// package makes tables and plots of. Soak measures nothing: it has everything happen
// to this server that may, and judges what comes of it (soakjudge.go).
//
// Everything is done with real sockets between processes, each of which has its
// own descriptors: the server, started or found (server.go); the client
// processes (RunClient), which hold the subscribers and check every message;
// the publisher (RunPublisher); and the bare program (bare/bare.c, or RunBare where
// there is no C compiler), which makes the system calls that no server can do
// without, and is what servers are held against. The harness tells its processes what to do in lines over a pipe
// (child.go), and all that it knows of a server is its target file.
//
// A measurement is for one goroutine, and ends early when its context does.
package bench
