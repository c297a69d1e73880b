// Package comet is a comet server: clients wait on channels over plain HTTP,
// backends publish, the wait ends. It joins [ccomet/reactor] and
// [ccomet/httplite], in conn.go, and holds everything that is about channels.
//
// The types to know:
//
//   - [Config] says where and how to serve; its zero value does.
//   - [Server] serves: [New] opens it, Start runs it, Stop or Drain, and Wait, end it.
//
// Inside, a shard is one loop's part of a server. It is the home of some
// channels (by a hash of the name), which it alone numbers and keeps the
// history of, and of some connections, with the subscribers they are and the
// rosters these stand in. Shards share nothing but names, which do not change,
// and messages, which are immutable; what passes between them is mail.
//
// Caveats:
//
//   - What channels keep is in memory, and gone with the process, but for what
//     Config.StateFile had of it.
//   - The admin side is open to whoever reaches its address.
//   - The memory of records is the process's, not the collector's: a Server is
//     to be waited for (Wait) when it is not needed any more.
package comet
