// Package bench measures comet servers from outside: the memory of a waiting connection,
// the processor time and the latency of a delivery, and the behaviour of a server when
// connections come and go or all return at once.
//
// The measurements are methods of Options: Hold, Fanout, Channels, Latency, Storm, Upgrade,
// Siege, Stuck, Compare of several servers, Cluster of servers that share a Redis, and the
// smaller Batches, Echo, Idle and Calls. Most return a result.Result, from which the report
// package makes tables and plots. Soak and SoakCluster measure nothing: they expose this server
// to all kinds of events, and judge the outcome (soakjudge.go, soakclusterjudge.go).
//
// Everything uses real sockets between processes, each with its own file descriptors: the
// server, which is started or already running (server.go); the client processes
// (RunClient), which hold the subscribers and check every message; the publisher
// (RunPublisher); and the bare program (bare/bare.c, or RunBare without a C compiler),
// which makes only the indispensable system calls and is the baseline for servers. The
// harness sends its processes commands, one a line, over a pipe (child.go). Everything that
// it knows about a server is in the server's target file.
//
// A measurement belongs to one goroutine, and ends early when its context is done.
package bench
