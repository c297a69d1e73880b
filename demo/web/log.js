// A Log shows a room's messages, and below them the user's own messages that the
// server has not delivered yet. Text is inserted as text, never as markup.

const groupTime = 5 * 60 * 1000; // messages of one user that are closer than this are shown under one name

export class Log {
  constructor({ list, scroll, empty, newest }, me) {
    this.list = list;
    this.scroll = scroll;
    this.empty = empty;
    this.newest = newest;
    this.me = me;
    this.pending = new Map(); // rows of messages that have not been delivered yet, by id
    newest.addEventListener("click", () => this.toEnd());
    scroll.addEventListener("scroll", () => {
      if (this.atEnd()) newest.hidden = true;
    });
    new ResizeObserver(() => this.keepAtEnd && this.toEnd()).observe(scroll);
    scroll.addEventListener("scroll", () => (this.keepAtEnd = this.atEnd()), { passive: true });
    this.keepAtEnd = true; // the user has not scrolled up
  }

  // clear removes all rows.
  clear() {
    this.list.replaceChildren();
    this.pending.clear();
    this.empty.hidden = false;
    this.newest.hidden = true;
    this.keepAtEnd = true;
  }

  // show appends an entry, which is a message or a note, above the pending messages.
  // If the message was pending, its row is used again.
  show(entry) {
    const pending = this.pending.get(entry.id);
    const row = pending || (entry.note ? note(entry.note) : this.message(entry));
    this.pending.delete(entry.id);
    if (pending) {
      row.classList.remove("pending");
      setTime(row, entry.at);
    }
    this.place(row, this.firstPending());
  }

  // showPending shows a message of the outbox, with its state.
  showPending(item) {
    let row = this.pending.get(item.entry.id);
    if (!row && item.state === "sent") return; // the server has delivered it already
    if (!row) {
      row = this.message(item.entry);
      row.classList.add("pending");
      this.pending.set(item.entry.id, row);
      this.place(row, null);
    }
    if (item.state === "sent") {
      setTime(row, item.entry.at);
      return;
    }
    row.classList.toggle("refused", item.state === "refused");
    const words = { waiting: "waiting", sending: "sending", refused: "not sent" };
    const mark = row.querySelector("time");
    mark.textContent = words[item.state];
    mark.title = item.why || "";
  }

  // note appends a line of information above the pending messages, and returns its
  // row.
  note(text) {
    const row = note(text);
    this.place(row, this.firstPending());
    return row;
  }

  // firstPending returns the first row of a pending message, or null.
  firstPending() {
    for (const row of this.pending.values()) return row;
    return null;
  }

  // place inserts a row before another one, or at the end. If the end of the list
  // was visible, it stays visible. Otherwise a button leads there.
  place(row, before) {
    const wasAtEnd = this.keepAtEnd;
    this.list.insertBefore(row, before);
    this.empty.hidden = true;
    for (let r = row; r; r = r.nextElementSibling) groupWithPrevious(r);
    if (wasAtEnd) this.toEnd();
    else this.newest.hidden = false;
  }

  // atEnd reports whether the end of the list is visible, or nearly so.
  atEnd() {
    return this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < 48;
  }

  // toEnd scrolls to the end of the list.
  toEnd() {
    this.scroll.scrollTop = this.scroll.scrollHeight;
    this.newest.hidden = true;
    this.keepAtEnd = true;
  }

  // message creates the row of a message.
  message(entry) {
    const row = document.createElement("li");
    row.className = "message";
    row.dataset.id = entry.id;
    row.dataset.by = entry.by || "";
    row.dataset.at = entry.at;
    const who = element("span", "who", entry.name || "somebody");
    if (entry.by === this.me) {
      row.classList.add("mine");
      who.append(element("span", "you", " (you)"));
    }
    row.append(who, element("span", "text", entry.text), document.createElement("time"));
    setTime(row, entry.at);
    return row;
  }
}

// groupWithPrevious hides the name of a row's user if the row before has the same
// user and name, and is not much older.
function groupWithPrevious(row) {
  const before = row.previousElementSibling;
  const same = before && before.className.includes("message") && row.dataset.by !== "" &&
    before.dataset.by === row.dataset.by &&
    before.querySelector(".who").textContent === row.querySelector(".who")?.textContent &&
    row.dataset.at - before.dataset.at < groupTime;
  row.classList.toggle("more", Boolean(same));
}

function note(text) {
  return element("li", "note", text);
}

function element(kind, name, text) {
  const made = document.createElement(kind);
  made.className = name;
  made.textContent = text;
  return made;
}

// setTime shows the time of a message. Any client can publish a message, so the
// time may be invalid. Then none is shown.
function setTime(row, at) {
  const time = row.querySelector("time");
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return;
  time.textContent = clock(at);
  time.dateTime = date.toISOString();
  time.title = date.toLocaleString();
}

// clock returns the time of day as text, with the day if it is not today.
export function clock(at) {
  const date = new Date(at);
  const hours = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
  if (date.toDateString() === new Date().toDateString()) return hours;
  return date.toLocaleDateString([], { day: "numeric", month: "short" }) + " " + hours;
}
