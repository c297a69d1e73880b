// A Link reads a room by Comet (js/comet.js), which keeps the messages coming
// whatever happens, and tells the chat what that means for its reader.
//
// On the same connection it is subscribed to a channel of its own, of which
// nobody ever says anything: that it lives tells who is here (presence.js).

const { Comet } = window;
const reopen = 5000; // milliseconds after which a room that was closed is entered again

export class Link {
  // on.message(message), on.note(text), and on.changed(state, why), where state
  // is "connecting", "open", or "down".
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
      onstate: (state, reason) => this.told(state, reason),
      onchannel: (channel, state) => state === "closed" && this.closed(channel),
    });
  }

  get next() {
    return this.comet.next(this.room) || 1;
  }

  get transport() {
    return this.comet.transport;
  }

  // publish is a promise, as Comet's.
  publish(room, text) {
    return this.comet.publish(room, text);
  }

  told(state, reason) {
    if (state === "connecting" || state === "open") this.on.changed(state, "");
    else this.on.changed("down", state === "offline" ? "" : reason);
  }

  lost(from, to) {
    if (to === null) return; // a server without a memory: what it has now comes as news
    const count = ((to - from) | 0) + 1;
    this.on.note(count === 1 ? "1 message was not kept." : count + " messages were not kept.");
  }

  closed(channel) {
    if (channel === this.room) this.on.note("The room was closed. It opens again in a moment.");
    setTimeout(() => {
      if (channel === this.room || channel === this.presence) this.comet.subscribe(channel, 1);
    }, reopen);
  }

  // rename is for a new channel of presence.
  rename(presence) {
    this.comet.unsubscribe(this.presence);
    this.comet.subscribe(presence, 0);
    this.presence = presence;
  }

  end() {
    this.comet.unsubscribe(this.presence);
    this.comet.close();
  }
}
