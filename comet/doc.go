// Package comet is a comet server: clients wait on channels over plain HTTP,
// backends publish, the wait ends. It joins [ccomet/reactor] and
// [ccomet/httplite].
//
// The types to know:
//
//   - [Config] says where and how to serve; its zero value does.
//   - [Server] serves: [New] opens it, Start runs it, Stop or Drain, and Wait, end it.
//
// A server has one shard for each event loop, and a shard has three actors, each in a
// package of its own below internal/:
//
//		web ──▶ hub ⇄ mail ⇄ broker
//
//	  - The broker has the channels whose home the loop is: numbers, history, leases.
//	  - The hub has the subscribers whose connections are on the loop: cursors,
//	    rosters, delivery.
//	  - The web has the connections: requests, access, answers.
//
// Broker and hub know each other by mail alone, on the same loop too. Imports run one
// way, which imports_test.go holds. This package has what joins the three: the
// configuration, the server, the order of a turn, the drain, the state file's life.
//
// The words:
//
//   - A channel's home is the loop, by a hash of the name, that alone numbers its
//     messages and keeps its history.
//   - A roster is the list of one channel's subscribers on one loop.
//   - A cursor is the number of the message that a subscriber wants next.
//   - The pump delivers what is new to rosters when a turn ends, within a budget.
//   - Mail is what passes between loops, in order, and from a loop to itself.
//   - A lease is how long a channel lives without subscribers.
//   - A turn is one round of a loop: events, then the steps of turn.go.
//   - A topic is a channel as a request asks for it; a bundle is several of them on
//     one connection.
//   - An epoch tells one life of a channel from the next.
//   - A session is a subscriber's name on a channel of CComet's dialect.
//
// Caveats:
//
//   - What channels keep is in memory, and gone with the process, but for what
//     Config.StateFile had of it.
//   - The admin side is open to whoever reaches its address.
//   - The memory of records is the process's, not the collector's: a Server is
//     to be waited for (Wait) when it is not needed any more.
package comet
