// Shows the server's counters live. It reads /demo/stats once a second while the
// page is visible.

import { Sparkline } from "./sparkline.js";

const $ = (id) => document.getElementById(id);
const span = 5 * 60 * 1000; // milliseconds of readings that are kept and shown
const enough = 1000; // connections; with fewer, the memory per connection means little

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

// The counters. Each has a name, an explanation, and a function that computes its
// value from the server's current figures and those of the previous reading. The
// value null means that there is none now. While a counter has no readings, its
// text "nothing" is shown instead of their range.
const counters = [
  { name: "Connections", about: "open now, on the front and the admin side; one is this page’s", read: (now) => now.connections },
  { name: "Subscribers", about: "of channels; one connection may have several", read: (now) => now.subscribers },
  { name: "Channels", about: "that exist now", read: (now) => now.channels },
  { name: "Delivered per second", about: "messages written to waiting subscribers", read: rate, nothing: "not known yet" },
  { name: "Delivered in total", about: "since the server started", read: (now) => now.delivered },
  { name: "Bytes per connection", about: "of resident memory, beyond that of the server without connections", read: share, nothing: "too few connections" },
].map((counter) => ({ ...counter, ...show(counter), readings: [] }));

// rate returns the messages delivered per second since the previous reading. It
// returns null at the first reading, and after the server was restarted.
function rate(now, before) {
  const seconds = before ? now.uptime_seconds - before.uptime_seconds : 0;
  return seconds > 0 ? Math.max(0, now.delivered - before.delivered) / seconds : null;
}

// share returns the memory per connection, or null if it is unknown or means
// little.
function share(now) {
  if (now.connections < enough || !now.base_bytes) return null;
  return Math.max(0, now.resident_bytes - now.base_bytes) / now.connections;
}

// show creates a counter's card and its row of the table.
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

// words formats a value.
const words = (value) => (value === null ? "–" : whole.format(value));

// update adds a reading of a counter, and shows the counter.
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

// verdict returns the sentence about the memory per connection.
function verdict(now) {
  const bytes = share(now);
  const n = whole.format(now.connections);
  if (!now.base_bytes) return "The kernel does not tell this server how much memory it uses.";
  if (bytes !== null) return `With ${n} connections, one takes ${words(bytes)} bytes of resident memory, beyond that of the server without connections.`;
  return `With ${n} ${now.connections === 1 ? "connection" : "connections"}, the memory per connection means little yet: ` +
    `the buffers of a few busy connections take more memory than thousands of idle ones. It is shown from ${whole.format(enough)} connections on.`;
}

let before = null;
let began = Infinity; // time of the oldest reading that is shown, where the lines begin
let timer = 0;

// read reads the figures, shows them, and schedules the next reading.
async function read() {
  clearTimeout(timer);
  if (document.hidden) return; // visibilitychange continues
  let said = "Updated once a second.";
  try {
    const response = await fetch("/demo/stats", { cache: "no-store", signal: AbortSignal.timeout(5000) });
    if (!response.ok) throw new Error(response.statusText);
    const now = { ...(await response.json()), at: Date.now() };
    if (before && now.uptime_seconds === before.uptime_seconds) return; // too early: the server computes its figures once a second
    began = Math.max(Math.min(began, now.at), now.at - span);
    counters.forEach((counter) => update(counter, now, before));
    $("verdict").textContent = verdict(now);
    before = now;
  } catch {
    said = "The server does not answer. Trying again.";
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
