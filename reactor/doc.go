// Package reactor is an event loop over raw Linux sockets: epoll, timers and
// wake-ups, on one goroutine a loop, without a lock. It has never heard of HTTP.
//
// The types to know:
//
//   - [Loop] waits for events and tells them to a [Handler], turn by turn.
//   - [Conn] names a connection: a plain number with a generation in it, which
//     names nothing once the connection is gone.
//   - [Group] is several loops with one address, which turn on one goroutine while
//     they have little to do; [Mailbox] carries typed messages to a loop from any goroutine.
//   - [Slab] and [Wheel] are what connections are kept in, for others to use:
//     records of a fixed size without pointers, outside the collector's heap,
//     and a timing wheel threaded through them.
//
// An idle connection is a record of [RecordSize] bytes and owns no buffer.
// Input is read into the loop's one buffer and only what the handler does not
// consume is kept, in a borrowed one. Output is written at once; only what the
// kernel does not take is kept: a copy with Write, or with TryWrite and Hold a
// place in a frame that many connections share.
//
// Caveats:
//
//   - A loop belongs to the goroutine that turns it. One of a Group must not wait for
//     another one, but where [Group.KeepApart] is in force. Only Wake, Stop, Stats and
//     Mailbox.Post may be called from others.
//   - Nothing is called back from inside the handler's own calls, and nothing
//     is freed before the turn has ended.
//   - Whoever stops consuming input must Pause: unconsumed input is bounded by
//     Config.MaxInput.
//   - The peer's end is only told (Handler.Ended); what to do about it is the
//     handler's decision, and Finish or Close the usual one.
package reactor
