// The chat page. This file handles the user's actions and connects the other
// parts: link.js receives and publishes messages, outbox.js holds messages that are
// not published yet, transcript.js stores the last messages of a room, log.js shows
// them, and presence.js tells who is in the room.

import { Link } from "./link.js";
import { Log, clock } from "./log.js";
import { Outbox } from "./outbox.js";
import { Presence, hereChannel } from "./presence.js";
import { Transcript } from "./transcript.js";
import { browser, tab, recall, remember } from "./store.js";

const $ = (id) => document.getElementById(id);
const transports = { auto: "Automatic", ws: "WebSocket", sse: "Event stream", poll: "Long poll", jsonp: "JSONP" };

const roomOf = (text) => plain(text, 32);
const nameOf = (text) => plain(text, 24);

// The user has an id and a name. The id is stored with the window, so two windows
// of one browser are two users. A name that the user has chosen is stored in the
// browser, too, and new windows start with it.
const me = recall(tab, "me", "") || makeId();
remember(tab, "me", me);
let name = nameOf(recall(tab, "name", "") || recall(browser, "name", "")) || "Guest " + Math.floor(100 + Math.random() * 900);

let room = "";
let transcript = null;
let link = null;
let state = "connecting";
let outage = null; // the note about an outage, while there is one

// The time at which a user who has been in the room before was connected again. It is
// Infinity before that, and 0 for a new user and after the first message of another user.
let returning = 0;

const log = new Log({ list: $("log"), scroll: $("scroll"), empty: $("empty"), newest: $("newest") }, me);
const outbox = new Outbox((to, text) => link.publish(to, text), (item) => {
  if (item.room === room) log.showPending(item);
  hint();
});
const presence = new Presence(showPeople);

function makeId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

// plain returns a text that can be part of a channel's name: without control
// characters, and with a limited number of characters.
function plain(text, most) {
  return Array.from(text.replace(/[\u0000-\u001f\u007f]/g, "").trim()).slice(0, most).join("");
}

// roomOfAddress returns the room that the page's address names.
function roomOfAddress() {
  let text = location.hash.slice(1);
  try {
    text = decodeURIComponent(text);
  } catch {
    // The text is not encoded correctly, so it is used unchanged.
  }
  return roomOf(text) || "lobby";
}

// chosen returns the transport that the page's address names, or "auto".
function chosen() {
  const name = new URLSearchParams(location.search).get("transport");
  return name in transports ? name : "auto";
}

// here returns the name of this window's presence channel.
const here = () => hereChannel(room, name, me.slice(0, 6));

// enter enters the room that the page's address names. It shows the stored messages,
// and receives those after the position that Comet has stored.
function enter() {
  if (link) link.end();
  link = null;
  room = roomOfAddress();
  transcript = new Transcript(room);
  outage = null;
  log.clear();
  transcript.entries.forEach((entry) => log.show(entry));
  outbox.of(room).forEach((item) => log.showPending(item));
  returning = transcript.entries.length > 0 ? Infinity : 0;
  $("room").value = room;
  $("transport").value = chosen();
  document.title = room + " · CComet chat";
  $("curl").textContent = "curl -N '" + location.origin + "/stream?cname=" + encodeURIComponent(room).replace(/'/g, "%27") + "'";
  changed("connecting", "");
  link = new Link(room, here(), chosen(), { changed, message: take, note: (text) => log.note(text) });
  showPeople();
}

// take shows a message that has arrived. If the first message of another user after
// the user's return was written earlier, it is the first missed one, and a line
// above it says so.
function take(message) {
  const entry = transcript.take(message);
  $("seq").textContent = message.seq + 1;
  if (!entry) return;
  outbox.confirm(entry.id);
  if (returning && entry.by !== me) {
    if (entry.at < returning) log.note("While you were away");
    returning = 0;
  }
  log.show(entry);
}

const words = { connecting: "Connecting", open: "Connected", down: "Disconnected" };

// changed shows the state of the connection. If transports are chosen automatically,
// it also shows the current one.
function changed(now, why) {
  const status = $("status");
  state = now;
  status.dataset.state = state;
  status.textContent = words[state];
  status.title = why;
  if (state === "open") opened();
  if (state === "down") closed(why);
  showPeople();
  outbox.setOnline(state === "open");
  if (link) $("seq").textContent = link.next;
  const used = link && chosen() === "auto" ? transports[link.transport] : "";
  $("auto").textContent = transports.auto + (used ? ": " + used.replace(/^[A-Z](?=[a-z ]+$)/, (c) => c.toLowerCase()) : "");
  hint();
}

// showPeople lists the people in the room, sorted by name.
function showPeople() {
  const mine = me.slice(0, 6);
  const own = state === "open" ? here() : "";
  const people = presence.people(room, own).sort((a, b) => a.name.localeCompare(b.name) || a.id.localeCompare(b.id));
  $("people").replaceChildren(...people.map((one) => {
    const item = document.createElement("li");
    item.textContent = one.name + (one.id === mine ? " (you)" : "");
    return item;
  }));
}

// opened ends the note about an outage. Lines of presence may have been lost during
// it, so they are requested again.
function opened() {
  if (returning === Infinity) returning = Date.now();
  if (!outage) return;
  presence.refresh();
  outage.textContent = "Disconnected at " + outage.dataset.since + ", connected again at " + clock(Date.now());
  outage = null;
  $("status").textContent = "Connected again";
}

// closed shows a note about an outage.
function closed(why) {
  if (!outage) {
    outage = log.note("");
    outage.dataset.since = clock(Date.now());
  }
  outage.textContent = why ? why + ". Trying again." : "Disconnected at " + outage.dataset.since + ". Trying to reconnect.";
}

// hint shows how to send, or during an outage, what happens to messages.
function hint() {
  const waiting = outbox.of(room).filter((item) => item.state === "waiting").length;
  let text = "Enter sends the message. Shift+Enter starts a new line.";
  const down = state === "down";
  if (down) {
    text = "Messages that you write now are sent when the connection is back.";
    if (waiting > 0) text = waiting + (waiting === 1 ? " message waits" : " messages wait") + " until the connection is back.";
  }
  $("hint").className = down ? "down" : "";
  if ($("hint").textContent !== text) $("hint").textContent = text;
}

// say sends the text that the user has written.
function say() {
  const text = $("text").value.trim();
  if (text === "") return;
  $("text").value = "";
  log.toEnd();
  outbox.add(room, { id: makeId(), by: me, name, text, at: Date.now() });
}

// rename changes the user's name to the text of the name field.
function rename() {
  const wanted = nameOf($("name").value) || name;
  $("name").value = wanted;
  if (wanted === name) return;
  name = wanted;
  remember(tab, "name", name);
  remember(browser, "name", name);
  link.rename(here());
  showPeople();
}

// move goes to the room of the room field. The change of the address calls enter.
function move() {
  const to = roomOf($("room").value) || room;
  if (to === room) $("room").value = room;
  else location.hash = encodeURIComponent(to);
}

$("name").value = name;
remember(tab, "name", name);
$("name").addEventListener("change", rename);
$("room").addEventListener("change", move);
$("place").addEventListener("submit", (event) => {
  event.preventDefault();
  rename();
  move();
  $("text").focus();
});
$("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  say();
  $("text").focus();
});
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    say();
  }
});
$("transport").addEventListener("change", () => {
  const wanted = $("transport").value;
  history.replaceState(null, "", location.pathname + (wanted === "auto" ? "" : "?transport=" + wanted) + location.hash);
  enter();
});
window.addEventListener("hashchange", enter);
// A page in the back/forward cache holds no connection.
window.addEventListener("pagehide", () => link.end());
window.addEventListener("pageshow", (event) => {
  if (event.persisted) enter();
});

for (const [value, text] of Object.entries(transports)) {
  const option = new Option(text, value);
  option.id = value;
  $("transport").add(option);
}
enter();
$("text").focus();
