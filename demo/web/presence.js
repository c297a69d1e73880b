// Presence tells who is in a room. Each window subscribes to its own presence
// channel, here/ROOM/NAME-ID, and the server reports which channels exist.
// /demo/psub is an endless response. It has a line "1 CHANNEL" when a channel is
// created, and again from time to time while it exists. It has a line "0 CHANNEL"
// when the channel is deleted, some time after its last subscriber has left.
//
// If the browser has Web Locks and BroadcastChannel, its windows share one such
// response: the window that holds the lock reads it and sends the channels to the
// others. Otherwise each window reads its own response while it is visible.

const shared = "ccomet here"; // name of the lock and of the BroadcastChannel
const retry = 2000; // milliseconds

// hereChannel returns the name of a window's presence channel.
export function hereChannel(room, name, id) {
  return "here/" + room + "/" + name.replaceAll("/", " ") + "-" + id;
}

// parseHere returns the room, name and id of a presence channel, or null for other
// channels. The name of a room may have slashes.
function parseHere(channel) {
  const [, room, name, id] = /^here\/(.*)\/([^/]*)-([0-9a-f]+)$/.exec(channel) || [];
  return id ? { room, name, id } : null;
}

export class Presence {
  // changed() is called when the result of people() may have changed.
  constructor(changed) {
    this.changed = changed;
    this.channels = []; // presence channels that exist, in the order in which they were reported
    this.reading = null; // the AbortController of the response that is being read
    this.release = null; // releases the lock; null: this window does not hold it
    this.begin();
    document.addEventListener("visibilitychange", () => this.readWhileVisible());
    // A page in the back/forward cache holds no lock and no connection.
    window.addEventListener("pagehide", () => this.end());
    window.addEventListener("pageshow", (event) => event.persisted && this.begin());
  }

  begin() {
    this.ended = false;
    if (navigator.locks && window.BroadcastChannel) this.share();
    else this.readWhileVisible();
  }

  end() {
    this.ended = true;
    this.reading?.abort();
    this.bus?.close();
    this.release?.();
    this.release = null;
  }

  // people returns the people in a room, as { id, name }. A user who has changed
  // names has two channels for a while, and the last one counts. own is this window's
  // channel if it is subscribed, or "". It is always included: in a cluster, a server
  // may report a channel of another one a little later.
  people(room, own) {
    const found = new Map();
    for (const channel of [...this.channels, own]) {
      const one = parseHere(channel);
      if (one && one.room === room) found.set(one.id, one);
    }
    return [...found.values()];
  }

  // refresh requests the list of channels again. It is called after an outage of the
  // network, in which lines may have been lost.
  refresh() {
    if (this.reading) this.reading.abort();
    else if (this.bus) this.bus.postMessage("refresh");
  }

  // share joins the other windows of the browser. The window that gets the lock reads
  // until it ends. A new window asks for the channels, and the reading window answers.
  share() {
    const bus = new BroadcastChannel(shared);
    bus.onmessage = ({ data }) => {
      if (Array.isArray(data)) this.set(data);
      else if (this.release && data === "refresh") this.refresh();
      else if (this.release) bus.postMessage(this.channels);
    };
    bus.postMessage("tell");
    this.bus = bus;
    navigator.locks.request(shared, () => {
      if (bus !== this.bus || this.ended) return undefined;
      this.read();
      return new Promise((resolve) => (this.release = resolve));
    });
  }

  // readWhileVisible starts or stops reading in a window that does not share.
  readWhileVisible() {
    if (this.bus) return;
    if (document.hidden) this.reading?.abort();
    else if (!this.reading) this.read();
  }

  // read reads one response after the other, until the page ends or, if it does not
  // share, is hidden.
  async read() {
    if (this.reading) return;
    while (!this.ended && (this.bus || !document.hidden)) {
      this.reading = new AbortController();
      try {
        await this.readLines(this.reading.signal);
      } catch {
        // The connection was lost, the server has refused the request, or refresh was
        // called.
      }
      if (!this.reading.signal.aborted) await new Promise((resolve) => setTimeout(resolve, retry));
    }
    this.reading = null;
  }

  // readLines reads one response. With now=1 it begins with all channels that exist at
  // the server. In a cluster, those at the other servers follow.
  async readLines(signal) {
    const response = await fetch("/demo/psub?now=1", { signal, cache: "no-store" });
    if (!response.ok) throw new Error(response.statusText);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    const channels = new Set();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const channel = line.slice(2);
        if (line.startsWith("1 here/")) channels.add(channel);
        else channels.delete(channel);
      }
      this.set([...channels]);
      this.bus?.postMessage(this.channels);
    }
  }

  set(channels) {
    this.channels = channels;
    this.changed();
  }
}
