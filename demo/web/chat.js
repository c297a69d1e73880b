// The chat page: it joins what the user does (this file) with the messages'
// coming (link.js), going (outbox.js), keeping (transcript.js) and showing
// (log.js).

import { Link } from "./link.js";
import { Log, clock } from "./log.js";
import { Outbox } from "./outbox.js";
import { Transcript } from "./transcript.js";
import { browser, tab, recall, remember } from "./store.js";

const $ = (id) => document.getElementById(id);
const transports = { sse: "Event stream", poll: "Long poll" };

// Who this is: an id that stays with the window, so that two windows of one
// browser are two people, and a name. One that was chosen serves new windows too.
const me = recall(tab, "me", "") || makeId();
remember(tab, "me", me);
let name = recall(tab, "name", "") || recall(browser, "name", "") || "Guest " + Math.floor(100 + Math.random() * 900);

let room = "";
let transcript = null;
let link = null;
let away = null; // the note about an outage, while it lasts
let returning = 0; // when a visitor who was here before was connected again

const log = new Log({ list: $("log"), scroll: $("scroll"), empty: $("empty"), newest: $("newest") }, me);
const outbox = new Outbox((item) => {
  if (item.room === room) log.showPending(item);
  hint();
});

function makeId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

// Channel names have no control characters, and a bound in bytes.
function roomOf(text) {
  return text.replace(/[\u0000-\u001f\u007f]/g, "").trim().slice(0, 64);
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

// enter begins to read a room, from where it was left.
function enter() {
  if (link) link.stop();
  room = roomOfAddress();
  transcript = new Transcript(room);
  away = null;
  log.clear();
  transcript.entries.forEach((entry) => log.show(entry));
  outbox.of(room).forEach((item) => log.showPending(item));
  returning = transcript.entries.length > 0 ? Infinity : 0;
  link = new Link(transcript, new URLSearchParams(location.search).get("transport") || "", { changed, show });
  $("room").value = room;
  document.title = room + " · CComet chat";
  $("curl").textContent = "curl -N '" + location.origin + "/stream?cname=" + encodeURIComponent(room).replace(/'/g, "%27") + "'";
  link.start();
}

// show shows what has come. What was said before a visitor came back stands
// below a line that says so.
function show(entry) {
  outbox.confirm(entry.id);
  if (returning && !entry.note && entry.by !== me) {
    if (entry.at < returning) log.note("While you were away");
    returning = 0;
  }
  log.show(entry);
  $("seq").textContent = transcript.next;
}

const words = { connecting: "Connecting", open: "Connected", down: "Disconnected" };

// changed tells how the link is.
function changed(state, why) {
  const status = $("status");
  if (status.dataset.state !== state || why) {
    status.dataset.state = state;
    status.textContent = words[state];
    status.title = why || "";
    if (state === "open") opened();
    if (state === "down") closed(why);
  }
  outbox.setOnline(state === "open");
  $("seq").textContent = transcript.next;
  $("transport").textContent = transports[link.transport];
  $("switch").textContent = "use " + transports[other()].toLowerCase();
  hint();
}

function opened() {
  if (returning === Infinity) returning = Date.now();
  if (!away) return;
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
  const down = Boolean(link) && link.state === "down";
  if (down) {
    text = "What you write now is sent when the connection is back.";
    if (waiting > 0) text = waiting + (waiting === 1 ? " message waits" : " messages wait") + " until the connection is back.";
  }
  $("hint").className = down ? "down" : "";
  if ($("hint").textContent !== text) $("hint").textContent = text;
}

function other() {
  return link.transport === "sse" ? "poll" : "sse";
}

function say() {
  const text = $("text").value.trim();
  if (text === "") return;
  $("text").value = "";
  log.toEnd();
  outbox.add(room, { id: makeId(), by: me, name, text, at: Date.now() });
}

function rename() {
  const wanted = $("name").value.trim().slice(0, 32) || name;
  $("name").value = wanted;
  if (wanted === name) return;
  name = wanted;
  remember(tab, "name", name);
  remember(browser, "name", name);
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
$("switch").addEventListener("click", () => {
  history.replaceState(null, "", "?transport=" + other() + location.hash);
  enter();
});
window.addEventListener("hashchange", enter);
window.addEventListener("online", () => link.hurry());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") link.hurry();
});
// A page that is kept for the "back" button holds no connection meanwhile.
window.addEventListener("pagehide", () => link.stop());
window.addEventListener("pageshow", (event) => {
  if (event.persisted) enter();
});

enter();
$("text").focus();
