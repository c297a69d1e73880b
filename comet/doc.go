// Package comet is a comet server: clients wait on channels over plain HTTP, backends
// publish messages, and the waiting clients get them. It joins [ccomet/reactor], which
// knows sockets, and [ccomet/httplite], which knows bytes, and contains everything
// about channels.
//
// The types to know:
//
//   - [Config] configures a server; its zero value is ready to use.
//   - [Server] is a server: [New] opens it, Start runs it, Stop or Drain ends it, and
//     Wait returns when it has ended.
//
// Inside, each loop has three actors, each in a package below internal/. None of them
// reads or writes what another owns (web ──▶ hub ⇄ mail ⇄ broker):
//
//   - the broker owns channels: their numbers, their history, how long they live, and
//     which loops have subscribers of them;
//   - the hub owns the subscribers on the loop, and delivers messages to them;
//   - the web owns the connections of the loop, with their requests and answers.
//
// The broker and the hub communicate only by mail, even on the same loop. Loops share
// nothing but channel names and messages, which do not change. The other packages below
// internal/ are leaves: records, bytes and rules that know no actor; imports_test.go
// checks which package may import which. This package contains what joins the actors:
// the configuration, the server, the order of a turn, the drain, and the life of the
// state file.
//
// The words of the code:
//
//   - A turn is one round of a loop: it handles events of the sockets, then mail, and
//     delivers messages at its end. Long work continues in the next turn.
//   - The home of a channel is the loop whose broker owns it. A hash of its name
//     determines it.
//   - Mail is a record of 64 bytes from one actor to another. It arrives in order.
//   - A cursor is the number of the message that a subscriber wants next. It is all
//     that a subscriber stores of a channel.
//   - An epoch is one life of a channel. A place is a number and an epoch.
//   - A roster lists the subscribers of one channel on one loop.
//   - The pump delivers messages to a roster: it renders them once for each framing,
//     and writes to each subscriber all messages that it lacks at once.
//   - A framing is the bytes around a message. Each transport has its own.
//   - A lease is the time for which a channel lives without subscribers.
//   - To drain a server is to end it while its connections are closed over some time.
//
// Caveats:
//
//   - The history of channels is in memory and ends with the process, except what is in
//     Config.StateFile.
//   - The admin side has no password. Keep its address private.
//   - Records are not in the garbage collector's memory: call Wait of a Server that is
//     no longer needed.
package comet
