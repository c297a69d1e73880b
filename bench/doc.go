// Package bench measures a comet server from outside: what an idle connection
// costs it in memory, and what a delivery, a publish, a heartbeat and a poll
// cost it in processor time and system calls, beside bare programs that make
// the same system calls and nothing else.
//
// Everything is done with real sockets between processes. The command that is
// being run starts the server (Server), the bare programs (RunBare) and its
// own clients (RunClient) as processes of their own, because each has its own
// descriptors, and tells them what to do over a pipe (Child). What a process
// used is read from /proc.
package bench
