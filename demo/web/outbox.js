// The Outbox holds what was written until the server has it. It is kept with
// the window, so that a reload does not lose it. Each message carries an id:
// sent twice, because an answer was lost, it is shown once.

import { tab, recall, remember } from "./store.js";

export class Outbox {
  // publish(room, text) is a promise, which is rejected as Comet's is. changed(item)
  // is called when an item's state does: "waiting", "sending", "sent", or "refused"
  // with item.why.
  constructor(publish, changed) {
    this.publish = publish;
    this.changed = changed;
    this.items = recall(tab, "outbox", []);
    this.online = false;
    this.busy = false;
    for (const item of this.items) item.state = "waiting";
  }

  // of returns a room's items.
  of(room) {
    return this.items.filter((item) => item.room === room);
  }

  add(room, entry) {
    const item = { room, entry, state: "waiting" };
    this.items.push(item);
    this.save();
    this.changed(item);
    this.flush();
  }

  // confirm: a message has come back from the server.
  confirm(id) {
    this.items = this.items.filter((item) => item.entry.id !== id);
    this.save();
  }

  setOnline(online) {
    this.online = online;
    if (online) this.flush();
  }

  // flush sends what waits, one after the other, in the order of writing.
  async flush() {
    if (this.busy) return;
    this.busy = true;
    while (this.online && this.items.length > 0) {
      const item = this.items[0];
      this.set(item, "sending");
      const state = await this.post(item);
      if (state === "waiting") {
        this.set(item, state);
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.flush(), 1000 + Math.random() * 2000);
        break;
      }
      this.confirm(item.entry.id);
      this.set(item, state);
    }
    this.busy = false;
  }

  async post(item) {
    try {
      await this.publish(item.room, JSON.stringify(item.entry));
      return "sent";
    } catch (error) {
      item.why = error.message;
      return /^(offline|unknown|429|5..)$/.test(error.type) ? "waiting" : "refused";
    }
  }

  set(item, state) {
    item.state = state;
    this.changed(item);
  }

  save() {
    remember(tab, "outbox", this.items);
  }
}
