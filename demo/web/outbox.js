// An Outbox holds the user's messages until the server has accepted or refused
// them. It is stored in the window's session storage, so a reload does not lose
// them. If an answer is lost, the message is sent again. Its id lets the readers
// recognize the duplicate, so it is shown once.

import { tab, recall, remember } from "./store.js";

export class Outbox {
  // publish(room, text) returns a promise, which is rejected with the errors of
  // Comet's publish. changed(item) is called when an item is added and when its state
  // changes. The state is "waiting", "sending", "sent" or "refused". item.why is the
  // reason of the last failure.
  constructor(publish, changed) {
    this.publish = publish;
    this.changed = changed;
    this.items = recall(tab, "outbox", []);
    this.online = false;
    this.busy = false;
    for (const item of this.items) item.state = "waiting";
  }

  // of returns the items of a room.
  of(room) {
    return this.items.filter((item) => item.room === room);
  }

  // add adds a message, and sends it if the page is online.
  add(room, entry) {
    const item = { room, entry, state: "waiting" };
    this.items.push(item);
    this.save();
    this.changed(item);
    this.flush();
  }

  // confirm removes the message with this id, because the server has it or has
  // refused it.
  confirm(id) {
    this.items = this.items.filter((item) => item.entry.id !== id);
    this.save();
  }

  // setOnline tells the outbox whether the page is connected.
  setOnline(online) {
    this.online = online;
    if (online) this.flush();
  }

  // flush sends the waiting messages one after the other, in the order in which they
  // were written. After a failure that may be temporary it stops, and tries again a
  // little later.
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

  // post publishes an item and returns its new state.
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
