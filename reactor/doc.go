// Package reactor is an event loop on raw Linux sockets: epoll, timers and wake-ups. A loop
// runs on one goroutine and takes no lock. The package knows nothing of HTTP.
//
// The types to know:
//
//   - [Loop] waits for events and passes them to a [Handler]. One round of it is a turn.
//   - [Conn] identifies a connection. It is a plain number with a generation in it, which
//     identifies nothing once the connection is gone.
//   - [Group] is several loops with the same addresses, which share a goroutine while they
//     have little to do. [Mailbox] carries typed messages to a loop from any goroutine.
//     [Watch] is a descriptor of others that a loop polls.
//   - [Slab] and [Wheel] store connections and timers, and can be used by themselves:
//     records of a fixed size without pointers, outside the garbage collector's heap, and a
//     timing wheel that is linked through them.
//
// An idle connection is a record of [RecordSize] bytes and owns no buffer. Input is read
// into one buffer of the loop; only what the handler does not consume is kept, in a borrowed
// buffer. Output is written at once; only what the kernel does not accept is kept ("held").
// Write keeps a copy of it. TryWrite and Hold keep a reference to a frame that many
// connections share.
//
// Caveats:
//
//   - A loop may be used only on the goroutine that runs it. Only Wake, Stop, Stats,
//     Mailbox.Post and Mailbox.Watch may be called from others. A loop of a Group must not
//     wait for another one, except while [Group.KeepApart] is in force.
//   - The handler is never called from inside its own calls, and nothing is freed before the
//     turn has ended.
//   - A handler that stops consuming input must call Pause: unconsumed input is bounded by
//     Config.MaxInput.
//   - Handler.Ended only reports the end of the peer. The handler decides what to do about
//     it: usually Finish or Close.
package reactor
