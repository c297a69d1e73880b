// A Transcript is what this browser knows of a room: the last messages. It is
// kept, so that a reload or a later visit begins with them.

import { browser, recall, remember } from "./store.js";

const kept = 200;

export class Transcript {
  constructor(room) {
    this.key = "room:" + room;
    const was = recall(browser, this.key, {});
    this.entries = Array.isArray(was.entries) ? was.entries : [];
    this.ids = new Set(this.entries.map((entry) => entry.id));
  }

  // take keeps a message, and returns it as an entry to show, or null if it is
  // there: what was sent twice, because an answer was lost, comes twice.
  take(message) {
    const entry = read(message);
    if (this.ids.has(entry.id)) return null;
    this.ids.add(entry.id);
    this.entries.push(entry);
    if (this.entries.length > kept) this.ids.delete(this.entries.shift().id);
    remember(browser, this.key, { entries: this.entries });
    return entry;
  }
}

// read makes an entry of a message. Whoever publishes with curl sends text
// that is not this page's JSON: it is shown as it is.
function read(message) {
  let it = null;
  try {
    it = JSON.parse(message.content);
  } catch {
    // plain text
  }
  if (it === null || typeof it !== "object" || typeof it.text !== "string") {
    return { id: message.seq + ":" + message.content.slice(0, 64) + ":" + Date.now(), name: "", text: message.content, at: Date.now() };
  }
  return {
    id: String(it.id),
    by: String(it.by),
    name: String(it.name).slice(0, 32),
    text: it.text,
    at: Number.isFinite(it.at) ? it.at : Date.now(),
  };
}
