// watch creates a Comet in a tab and records its callbacks.
"use strict";

function watch(tab, options) {
  const seen = { messages: [], texts: [], states: [], channels: [], lost: [], errors: [], waiting: [] };
  const note = (list, value) => {
    list.push(value);
    seen.waiting = seen.waiting.filter((w) => !w.settled());
  };
  seen.comet = new tab.Comet({
    url: tab.location.href,
    firstDelay: 1,
    longestDelay: 20,
    ...options,
    onmessage(m) {
      seen.texts.push(m.content);
      note(seen.messages, { ...m });
      if (options.onmessage) options.onmessage(m);
    },
    onstate: (state, reason) => note(seen.states, state) || (seen.reason = reason),
    onchannel: (channel, state) => note(seen.channels, channel + " " + state),
    onlost: (channel, from, to) => note(seen.lost, [channel, from, to]),
    onerror: (error) => note(seen.errors, error),
  });
  // until waits until a condition holds. It is checked after each callback.
  seen.until = (holds) =>
    new Promise((resolve) => {
      const settled = () => holds(seen) && (resolve(), true);
      if (!settled()) seen.waiting.push({ settled });
    });
  seen.is = (state) => seen.until(() => seen.comet.state === state);
  seen.has = (count) => seen.until(() => seen.messages.length >= count);
  return seen;
}

// Clock is a clock for tests. Its time changes only by advance.
class Clock {
  constructor() {
    this.time = 0;
    this.timers = new Map();
    this.last = 0;
    this.now = () => this.time;
    this.setTimeout = (f, delay) => {
      this.timers.set(++this.last, { at: this.time + delay, f });
      return this.last;
    };
    this.clearTimeout = (timer) => this.timers.delete(timer);
    this.random = () => 0.5;
  }

  // advance advances the time, and calls the timers that become due, in order.
  advance(duration) {
    const end = this.time + duration;
    for (;;) {
      const due = [...this.timers].filter(([, t]) => t.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.timers.delete(due[0]);
      this.time = due[1].at;
      due[1].f();
    }
    this.time = end;
  }

  // next returns the time until the next timer is due.
  next() {
    return Math.min(...[...this.timers.values()].map((t) => t.at)) - this.time;
  }
}

module.exports = { watch, Clock };
