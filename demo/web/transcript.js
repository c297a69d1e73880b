// A Transcript holds the last messages of a room. They are stored in the browser,
// so a reload or a later visit shows them at once.

import { browser, recall, remember } from "./store.js";

const kept = 200; // messages

export class Transcript {
  constructor(room) {
    this.key = "room:" + room;
    const stored = recall(browser, this.key, {});
    this.entries = Array.isArray(stored.entries) ? stored.entries : [];
    this.ids = new Set(this.entries.map((entry) => entry.id));
  }

  // take stores a message and returns its entry, to be shown. It returns null if the
  // message is there already: a message whose answer was lost is sent twice.
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

// read converts a message to an entry. A message that was published with curl is
// not this page's JSON, so its text is shown unchanged.
function read(message) {
  let parsed = null;
  try {
    parsed = JSON.parse(message.content);
  } catch {
    // It is plain text.
  }
  if (parsed === null || typeof parsed !== "object" || typeof parsed.text !== "string") {
    return { id: message.seq + ":" + message.content.slice(0, 64) + ":" + Date.now(), name: "", text: message.content, at: Date.now() };
  }
  return {
    id: String(parsed.id),
    by: String(parsed.by),
    name: String(parsed.name).slice(0, 32),
    text: parsed.text,
    at: Number.isFinite(parsed.at) ? parsed.at : Date.now(),
  };
}
