// Package comet is a comet server: clients wait on channels over plain HTTP,
// backends publish, and the wait ends. It joins [ccomet/reactor], which knows
// sockets, and [ccomet/httplite], which knows bytes, and holds everything that is
// about channels.
//
// The types to know:
//
//   - [Config] says where and how to serve; its zero value does.
//   - [Server] serves: [New] opens it, Start runs it, Stop or Drain, and Wait, end it.
//
// Inside, each loop has three actors, each in a package below internal/. None of
// them reads or writes what another owns (web ──▶ hub ⇄ mail ⇄ broker):
//
//   - the broker owns channels: their numbers, their history, how long they live,
//     and which loops have subscribers of them;
//   - the hub owns the subscribers on the loop, and delivers to them;
//   - the web owns the connections of the loop, with their requests and answers.
//
// The broker and the hub talk by mail alone, on the same loop, too. Loops share
// nothing but channel names and messages, which do not change. The other packages
// below internal/ are leaves: records, bytes and rules that know no actor;
// imports_test.go holds which package may import which. This package has what joins the
// actors: the configuration, the server, the order of a turn, the drain, and the
// life of the state file.
//
// The words of the code:
//
//   - A turn is one round of a loop: it handles what the sockets have brought, then
//     the mail, and delivers at its end. What takes long goes on in the next turn.
//   - The home of a channel is the loop whose broker owns it, by a hash of the name.
//   - Mail is a record of 64 bytes from one actor to another. It arrives in order.
//   - A cursor is the number of the message that a subscriber wants next. It is all
//     that a subscriber keeps of a channel.
//   - An epoch is one life of a channel. A place is a number and an epoch.
//   - A roster lists the subscribers of one channel on one loop.
//   - The pump delivers messages to a roster: it renders them once for each framing
//     and gives each subscriber what it lacks in one write.
//   - A framing is the bytes around a message, of which each transport has its own.
//   - A lease is the time for which a channel lives without subscribers.
//   - To drain is to close the connections of a server that stops, over some time.
//
// Caveats:
//
//   - What channels keep is in memory and ends with the process, except what
//     Config.StateFile has of it.
//   - The admin side has no password. Keep its address private.
//   - The memory of records is not the garbage collector's: wait for a Server (Wait)
//     when it is no longer needed.
package comet
