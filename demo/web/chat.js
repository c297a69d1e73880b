// The chat page: it joins what the user does (this file) with the messages'
// coming (link.js), going (outbox.js), keeping (transcript.js) and showing
// (log.js), and with who is here (presence.js).

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

// Who this is: an id that stays with the window, so that two windows of one
// browser are two people, and a name. One that was chosen serves new windows too.
const me = recall(tab, "me", "") || makeId();
remember(tab, "me", me);
let name = nameOf(recall(tab, "name", "") || recall(browser, "name", "")) || "Guest " + Math.floor(100 + Math.random() * 900);

let room = "";
let transcript = null;
let link = null;
let state = "connecting";
let away = null; // the note about an outage, while it lasts
let returning = 0; // when a visitor who was here before was connected again

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

// plain makes a text part of a channel's name, which has no control characters
// and a bound in bytes.
function plain(text, most) {
  return Array.from(text.replace(/[\u0000-\u001f\u007f]/g, "").trim()).slice(0, most).join("");
}

function roomOfAddress() {
  let text = location.hash.slice(1);
  try {
    text = decodeURIComponent(text);
  } catch {
    // not encoded: it is meant as it stands
  }
  return roomOf(text) || "lobby";
}

// chosen is the transport that the address names.
function chosen() {
  const name = new URLSearchParams(location.search).get("transport");
  return name in transports ? name : "auto";
}

const here = () => hereChannel(room, name, me.slice(0, 6));

// enter begins to read a room, from where it was left.
function enter() {
  if (link) link.end();
  link = null;
  room = roomOfAddress();
  transcript = new Transcript(room);
  away = null;
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

// take shows a message that has come. What was said before a visitor came back
// stands below a line that says so.
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

// changed tells how the link is.
function changed(now, why) {
  const status = $("status");
  state = now;
  status.dataset.state = state;
  status.textContent = words[state];
  status.title = why;
  if (state === "open") opened();
  if (state === "down") closed(why);
  outbox.setOnline(state === "open");
  if (link) $("seq").textContent = link.next;
  const used = link && chosen() === "auto" ? transports[link.transport] : "";
  $("auto").textContent = transports.auto + (used ? ": " + used.replace(/^[A-Z](?=[a-z ]+$)/, (c) => c.toLowerCase()) : "");
  hint();
}

// showPeople lists who is in the room, by name.
function showPeople() {
  const mine = me.slice(0, 6);
  const people = presence.people(room).sort((a, b) => a.name.localeCompare(b.name) || a.id.localeCompare(b.id));
  $("people").replaceChildren(...people.map((one) => {
    const item = document.createElement("li");
    item.textContent = one.name + (one.id === mine ? " (you)" : "");
    return item;
  }));
}

function opened() {
  if (returning === Infinity) returning = Date.now();
  if (!away) return;
  presence.refresh();
  away.textContent = "Disconnected at " + away.dataset.since + ", back at " + clock(Date.now());
  away = null;
  $("status").textContent = "Connected again";
}

function closed(why) {
  if (!away) {
    away = log.note("");
    away.dataset.since = clock(Date.now());
  }
  away.textContent = why ? why + ". Trying again." : "Disconnected at " + away.dataset.since + ". Trying to get back.";
}

function hint() {
  const waiting = outbox.of(room).filter((item) => item.state === "waiting").length;
  let text = "Enter sends, Shift and Enter begin a new line.";
  const down = state === "down";
  if (down) {
    text = "What you write now is sent when the connection is back.";
    if (waiting > 0) text = waiting + (waiting === 1 ? " message waits" : " messages wait") + " until the connection is back.";
  }
  $("hint").className = down ? "down" : "";
  if ($("hint").textContent !== text) $("hint").textContent = text;
}

function say() {
  const text = $("text").value.trim();
  if (text === "") return;
  $("text").value = "";
  log.toEnd();
  outbox.add(room, { id: makeId(), by: me, name, text, at: Date.now() });
}

function rename() {
  const wanted = nameOf($("name").value) || name;
  $("name").value = wanted;
  if (wanted === name) return;
  name = wanted;
  remember(tab, "name", name);
  remember(browser, "name", name);
  link.rename(here());
}

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
// A page that is kept for the "back" button holds no connection meanwhile.
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
