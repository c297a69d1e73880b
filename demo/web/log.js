// The Log shows a room's messages, and below them what is still on its way.
// Text goes in as text only, never as markup.

const together = 5 * 60 * 1000; // messages closer than this share a heading

export class Log {
  constructor({ list, scroll, empty, newest }, me) {
    this.list = list;
    this.scroll = scroll;
    this.empty = empty;
    this.newest = newest;
    this.me = me;
    this.onItsWay = new Map(); // by id
    newest.addEventListener("click", () => this.toEnd());
    scroll.addEventListener("scroll", () => {
      if (this.atEnd()) newest.hidden = true;
    });
    new ResizeObserver(() => this.stuck && this.toEnd()).observe(scroll);
    scroll.addEventListener("scroll", () => (this.stuck = this.atEnd()), { passive: true });
    this.stuck = true;
  }

  clear() {
    this.list.replaceChildren();
    this.onItsWay.clear();
    this.empty.hidden = false;
    this.newest.hidden = true;
    this.stuck = true;
  }

  // show appends an entry: a message, or a note.
  show(entry) {
    const pending = this.onItsWay.get(entry.id);
    const row = pending || (entry.note ? note(entry.note) : this.message(entry));
    this.onItsWay.delete(entry.id);
    if (pending) {
      row.classList.remove("pending");
      setTime(row, entry.at);
    }
    this.place(row, this.firstPending());
  }

  // showPending shows what the outbox has.
  showPending(item) {
    let row = this.onItsWay.get(item.entry.id);
    if (!row && item.state === "sent") return; // it has come back already
    if (!row) {
      row = this.message(item.entry);
      row.classList.add("pending");
      this.onItsWay.set(item.entry.id, row);
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

  // note shows a line about the conversation, and returns its row.
  note(text) {
    const row = note(text);
    this.place(row, this.firstPending());
    return row;
  }

  firstPending() {
    for (const row of this.onItsWay.values()) return row;
    return null;
  }

  place(row, before) {
    const stuck = this.stuck;
    this.list.insertBefore(row, before);
    this.empty.hidden = true;
    for (let r = row; r; r = r.nextElementSibling) head(r);
    if (stuck) this.toEnd();
    else this.newest.hidden = false;
  }

  atEnd() {
    return this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < 48;
  }

  toEnd() {
    this.scroll.scrollTop = this.scroll.scrollHeight;
    this.newest.hidden = true;
    this.stuck = true;
  }

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

// head says whether a row repeats the name of the one before it.
function head(row) {
  const before = row.previousElementSibling;
  const same = before && before.className.includes("message") && row.dataset.by !== "" &&
    before.dataset.by === row.dataset.by &&
    before.querySelector(".who").textContent === row.querySelector(".who")?.textContent &&
    row.dataset.at - before.dataset.at < together;
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

function setTime(row, at) {
  const time = row.querySelector("time");
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return; // a stranger's idea of a time
  time.textContent = clock(at);
  time.dateTime = date.toISOString();
  time.title = date.toLocaleString();
}

// clock is the time of day, with the day if it is not today.
export function clock(at) {
  const date = new Date(at);
  const hours = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
  if (date.toDateString() === new Date().toDateString()) return hours;
  return date.toLocaleDateString([], { day: "numeric", month: "short" }) + " " + hours;
}
