// A Link receives and publishes a room's messages through Comet (js/comet.js),
// which reconnects by itself. The Link translates Comet's events for the chat.
//
// On the same connection the Link subscribes to a presence channel, which belongs
// to this window alone. Nobody publishes on it. It exists while the window is
// subscribed, which shows the other windows that this one is there (presence.js).

const { Comet } = window;
const reopen = 5000; // milliseconds after which a channel that was closed is subscribed to again

// After a crash of the server, or a failover or restart of Redis, each channel skips
// at least this many numbers (StateGap and LogGap in comet/internal/record). Most of
// them, or all, never had a message. So if this many numbers are missing, their count
// does not tell how many messages are.
const leastSkipped = 65536;

export class Link {
  // on has functions that are called: on.message(message), on.note(text), and
  // on.changed(state, why), where state is "connecting", "open" or "down".
  constructor(room, presence, transport, on) {
    this.room = room;
    this.presence = presence;
    this.on = on;
    this.comet = new Comet({
      transport,
      channels: { [room]: 1, [presence]: 0 },
      resume: "browser",
      publishURL: "/demo/push",
      onmessage: (message) => message.channel === room && on.message(message),
      onlost: (channel, from, to) => channel === room && this.lost(from, to),
      onstate: (state, reason) => this.stateChanged(state, reason),
      onchannel: (channel, state) => state === "closed" && this.closed(channel),
    });
  }

  // next is the number of the room's next message.
  get next() {
    return this.comet.next(this.room) || 1;
  }

  get transport() {
    return this.comet.transport;
  }

  // publish publishes a text in a room, and returns the promise of Comet's publish.
  publish(room, text) {
    return this.comet.publish(room, text);
  }

  // stateChanged reports the state of the connection. While it is merely offline,
  // there is no reason to show.
  stateChanged(state, reason) {
    if (state === "connecting" || state === "open") this.on.changed(state, "");
    else this.on.changed("down", state === "offline" ? "" : reason);
  }

  // lost reports that messages are missing. If to is null, the room has started
  // anew at the server: the messages that it has now are delivered as new ones, and
  // nothing is reported. The numbers may wrap, so their difference has 32 bits.
  lost(from, to) {
    if (to === null) return;
    const count = ((to - from) | 0) + 1;
    let text = count + " messages are missing: the server no longer has them.";
    if (count === 1) text = "1 message is missing: the server no longer has it.";
    if (count >= leastSkipped) text = "Messages may be missing here: the server has skipped numbers.";
    this.on.note(text);
  }

  // closed subscribes again, after a while, to a channel that was closed at the
  // server, unless the window uses another one by then.
  closed(channel) {
    if (channel === this.room) this.on.note("The room was closed. It opens again in a moment.");
    setTimeout(() => {
      if (channel === this.room || channel === this.presence) this.comet.subscribe(channel, 1);
    }, reopen);
  }

  // rename changes to another presence channel, because the user's name is part of
  // its name.
  rename(presence) {
    this.comet.unsubscribe(this.presence);
    this.comet.subscribe(presence, 0);
    this.presence = presence;
  }

  // end stops receiving. unsubscribe also deletes Comet's stored position in the
  // presence channel, which is of no use later.
  end() {
    this.comet.unsubscribe(this.presence);
    this.comet.close();
  }
}
