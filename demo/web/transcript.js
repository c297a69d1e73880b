// A Transcript is what this browser knows of a room: the last messages, and
// its place, which is the number of the next message it wants. It is kept, so
// that a reload or an outage goes on from there.

import { browser, recall, remember } from "./store.js";

const kept = 200;

export class Transcript {
  constructor(room) {
    this.room = room;
    this.key = "room:" + room;
    const was = recall(browser, this.key, {});
    this.entries = Array.isArray(was.entries) ? was.entries : [];
    this.next = was.next | 0 || 1;
    this.last = was.last || null; // { seq, content } of the newest message
    this.ids = new Set(this.entries.map((entry) => entry.id));
  }

  // from is the number to ask from when a connection begins: that of the newest
  // message known, once more. A server that was restarted counts from 1 again,
  // and may have got beyond our place by now: that it has another message there
  // is how we know. (That it has not got so far, takeNext knows.)
  from() {
    return this.last ? this.last.seq : this.next;
  }

  // take notes what the server said. It returns { entry } for something to
  // show, { again: true } if all must be asked for again from from() on, or {}.
  take(said) {
    switch (said.type) {
      case "data":
      case "broadcast":
        return this.takeMessage(said);
      case "next_seq":
        return this.takeNext(said.seq);
      case "lost":
        return this.takeLost(said);
      case "close":
        this.forget();
        return { entry: { note: "The room was closed. Whoever writes opens it again." }, again: true };
    }
    return {};
  }

  takeMessage(said) {
    if (this.last && said.seq === this.last.seq && said.content !== this.last.content) {
      this.forget();
      return { again: true };
    }
    // Numbers are of 32 bits and wrap, so their difference tells the order.
    if (((said.seq - this.next) | 0) < 0) return {};
    this.next = (said.seq + 1) | 0;
    this.last = { seq: said.seq, content: said.content };
    const entry = read(said);
    const known = this.ids.has(entry.id);
    if (!known) {
      this.ids.add(entry.id);
      this.entries.push(entry);
      if (this.entries.length > kept) this.ids.delete(this.entries.shift().id);
    }
    this.save();
    return known ? {} : { entry };
  }

  // takeNext: the server's next number. If it is below our place it counts anew,
  // and what it has said since must be asked for.
  takeNext(seq) {
    if (((seq - this.next) | 0) >= 0) return {};
    this.forget();
    return { again: true };
  }

  // takeLost: messages that the server no longer has, as "FROM-TO".
  takeLost(said) {
    const [, from, to] = /^(-?\d+)-(-?\d+)$/.exec(said.content).map(Number);
    const first = ((from - this.next) | 0) < 0 ? this.next : from;
    const count = ((to - first) | 0) + 1;
    if (((said.seq - this.next) | 0) > 0) this.next = said.seq;
    this.save();
    if (count <= 0) return {};
    return { entry: { note: count === 1 ? "1 message was not kept." : count + " messages were not kept." } };
  }

  // forget gives up the place, not what was read.
  forget() {
    this.next = 1;
    this.last = null;
    this.save();
  }

  save() {
    remember(browser, this.key, { entries: this.entries, next: this.next, last: this.last });
  }
}

// read makes an entry of a message. Whoever publishes with curl sends text
// that is not this page's JSON: it is shown as it is.
function read(said) {
  let it = null;
  try {
    it = JSON.parse(said.content);
  } catch {
    // plain text
  }
  if (it === null || typeof it !== "object" || typeof it.text !== "string") {
    return { id: said.seq + ":" + said.content.slice(0, 64) + ":" + Date.now(), name: "", text: said.content, at: Date.now() };
  }
  return {
    id: String(it.id),
    by: String(it.by),
    name: String(it.name).slice(0, 32),
    text: it.text,
    at: Number.isFinite(it.at) ? it.at : Date.now(),
  };
}
