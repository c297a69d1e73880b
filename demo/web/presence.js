// Who is here. Each window is subscribed to a channel of its own, named
// here/ROOM/NAME-ID, and the server says which channels live: /demo/psub is an
// endless response with a line "1 CHANNEL" when one comes to life, and now and
// then while it lives, and "0 CHANNEL" when it goes, a while after its last
// subscriber.
//
// The windows of a browser share one such response where there are locks: the
// one that has the lock reads, and tells the others. Without locks a window
// reads for itself while it is looked at.

const shared = "ccomet here";
const retry = 2000; // milliseconds

// hereChannel is the name of a window's channel.
export function hereChannel(room, name, id) {
  return "here/" + room + "/" + name.replaceAll("/", " ") + "-" + id;
}

// parseHere is the way back, null for other channels. A room may have slashes.
function parseHere(channel) {
  const [, room, name, id] = /^here\/(.*)\/([^/]*)-([0-9a-f]+)$/.exec(channel) || [];
  return id ? { room, name, id } : null;
}

export class Presence {
  // changed() is called when people() may say something new.
  constructor(changed) {
    this.changed = changed;
    this.channels = []; // that live, the oldest first
    this.reading = null; // ends what is read
    this.release = null; // gives the lock up
    this.begin();
    document.addEventListener("visibilitychange", () => this.look());
    // A page that is kept for the "back" button holds nothing meanwhile.
    window.addEventListener("pagehide", () => this.end());
    window.addEventListener("pageshow", (event) => event.persisted && this.begin());
  }

  begin() {
    this.ended = false;
    if (navigator.locks && window.BroadcastChannel) this.share();
    else this.look();
  }

  end() {
    this.ended = true;
    this.reading?.abort();
    this.bus?.close();
    this.release?.();
    this.release = null;
  }

  // people are those in a room: { id, name }. Who has a new name has two
  // channels for a while: the later one counts.
  people(room) {
    const found = new Map();
    for (const channel of this.channels) {
      const one = parseHere(channel);
      if (one && one.room === room) found.set(one.id, one);
    }
    return [...found.values()];
  }

  // refresh reads anew: the network was gone, and may have swallowed lines.
  refresh() {
    if (this.reading) this.reading.abort();
    else if (this.bus) this.bus.postMessage("refresh");
  }

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

  // look is for a window that reads for itself.
  look() {
    if (this.bus) return;
    if (document.hidden) this.reading?.abort();
    else if (!this.reading) this.read();
  }

  async read() {
    if (this.reading) return; // it goes on by itself
    while (!this.ended && (this.bus || !document.hidden)) {
      this.reading = new AbortController();
      try {
        await this.readLines(this.reading.signal);
      } catch {
        // cut off, refused, or to be read anew
      }
      if (!this.reading.signal.aborted) await new Promise((resolve) => setTimeout(resolve, retry));
    }
    this.reading = null;
  }

  // readLines begins with all that live, since now=1 asks for them.
  async readLines(signal) {
    const response = await fetch("/demo/psub?now=1", { signal, cache: "no-store" });
    if (!response.ok) throw new Error(response.statusText);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    const live = new Set();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const channel = line.slice(2);
        if (line.startsWith("1 here/")) live.add(channel);
        else live.delete(channel);
      }
      this.set([...live]);
      this.bus?.postMessage(this.channels);
    }
  }

  set(channels) {
    this.channels = channels;
    this.changed();
  }
}
