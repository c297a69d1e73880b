// The live counters: /demo/stats once a second, while somebody looks.

import { Sparkline } from "./sparkline.js";

const $ = (id) => document.getElementById(id);
const span = 5 * 60 * 1000; // milliseconds that are shown
const enough = 1000; // connections from which their share of the memory says something

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

// Each counter: its name, what it means, and how it is read of the server's
// figures now and at the reading before. null: it says nothing now, and the
// reason is shown if it never has.
const counters = [
  { name: "Connections", about: "open now, on both sides; this page’s own is one of them", read: (now) => now.connections },
  { name: "Subscribers", about: "of channels; a connection may have several", read: (now) => now.subscribers },
  { name: "Channels", about: "that live now", read: (now) => now.channels },
  { name: "Delivered a second", about: "messages written to waiting subscribers", read: rate, nothing: "not known yet" },
  { name: "Delivered in all", about: "since the server started", read: (now) => now.delivered },
  { name: "Bytes a connection", about: "of resident memory, above the empty server", read: share, nothing: "too few connections to say" },
].map((counter) => ({ ...counter, ...show(counter), readings: [] }));

function rate(now, before) {
  const seconds = before ? now.uptime_seconds - before.uptime_seconds : 0;
  return seconds > 0 ? Math.max(0, now.delivered - before.delivered) / seconds : null; // not for the first, nor for another server
}

function share(now) {
  if (now.connections < enough || !now.base_bytes) return null;
  return Math.max(0, now.resident_bytes - now.base_bytes) / now.connections;
}

// show makes a counter's card and its row of the table.
function show({ name, about }) {
  const card = document.createElement("li");
  const value = element("output", "value", "–");
  const range = element("p", "range", "");
  const spark = new Sparkline();
  card.append(element("h2", "", name), value, spark.svg, range, element("p", "soft", about));
  $("cards").append(card);
  const row = document.createElement("tr");
  const cells = [0, 1, 2].map(() => element("td", "", "–"));
  const head = element("th", "", name);
  head.scope = "row";
  row.append(head, ...cells);
  $("table").append(row);
  return { value, range, spark, cells };
}

function element(kind, name, text) {
  const made = document.createElement(kind);
  if (name) made.className = name;
  made.textContent = text;
  return made;
}

const words = (value) => (value === null ? "–" : whole.format(value));

function update(counter, now, before) {
  const value = counter.read(now, before);
  if (value !== null) counter.readings.push({ at: now.at, value });
  while (counter.readings.length > 0 && now.at - counter.readings[0].at > span) counter.readings.shift();
  const values = counter.readings.map((reading) => reading.value);
  const least = values.length > 0 ? Math.min(...values) : null;
  const most = values.length > 0 ? Math.max(...values) : null;
  counter.value.textContent = words(value);
  counter.range.textContent = most === null ? counter.nothing : words(least) + " to " + words(most);
  [value, least, most].forEach((v, i) => (counter.cells[i].textContent = words(v)));
  counter.spark.draw(counter.readings, now.at - Math.max(60000, now.at - began), now.at);
}

function verdict(now) {
  const bytes = share(now);
  const n = whole.format(now.connections);
  if (!now.base_bytes) return "The kernel does not tell this server how much memory it has.";
  if (bytes !== null) return `With ${n} connections, one takes ${words(bytes)} bytes of resident memory above the empty server.`;
  return `With ${n} ${now.connections === 1 ? "connection" : "connections"} a share of the memory means little yet: ` +
    `the buffers of a few busy ones weigh more than thousands that wait. From ${whole.format(enough)} on it is shown.`;
}

let before = null;
let began = Infinity; // when the line begins
let timer = 0;

async function read() {
  clearTimeout(timer);
  if (document.hidden) return; // it goes on when somebody looks
  let said = "Reading once a second.";
  try {
    const response = await fetch("/demo/stats", { cache: "no-store", signal: AbortSignal.timeout(5000) });
    if (!response.ok) throw new Error(response.statusText);
    const now = { ...(await response.json()), at: Date.now() };
    if (before && now.uptime_seconds === before.uptime_seconds) return; // too early: they are made once a second
    began = Math.max(Math.min(began, now.at), now.at - span);
    counters.forEach((counter) => update(counter, now, before));
    $("verdict").textContent = verdict(now);
    before = now;
  } catch {
    said = "The server does not answer; trying again.";
  } finally {
    if ($("reading").textContent !== said) $("reading").textContent = said;
    clearTimeout(timer);
    timer = setTimeout(read, 1000);
  }
}

const front = location.host === "127.0.0.1:8100" ? "" : " --front " + location.host;
$("command").textContent = "bin/ccomet-bench hold --running" + front + " --conns 10000 --idle 10s";
document.addEventListener("visibilitychange", read);
read();
