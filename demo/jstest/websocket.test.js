// Tests comet.js over WebSockets: where they work, and where something blocks them.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { browser } = require("./browser.js");
const { serve, gate } = require("./server.js");
const { watch, Clock } = require("./watch.js");

async function visit(t, ...args) {
  const server = await serve(t, ...args), net = await gate(t, server), b = browser(net.origin, { without: ["locks"] });
  t.after(b.end);
  const open = (options, more) => watch(b.tab(["comet.js"], more), options);
  return { server, net, open };
}

const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

// plain rewrites a request as a proxy does that does not support WebSockets: the server gets an ordinary request.
// nginx does so unless it is configured otherwise.
const plain = (request) => request.replace("Upgrade: websocket\r\n", "").replace("Connection: Upgrade", "Connection: close");

// pass lets time pass. Nothing is published, but every 20 seconds the client is told that the server is alive.
function pass(w, clock, time) {
  for (; time > 0; time -= 20000) {
    w.comet.hub.heard();
    clock.advance(Math.min(time, 20000));
  }
}

test("channels come and go on one connection, which stays", async (t) => {
  const { server, net, open } = await visit(t);
  await server.push("a", "a1", "a2");
  const w = open({ channels: { a: 2 } });
  await w.has(1);
  w.comet.subscribe("b", 1);
  await server.subscribers(1, "b");
  await server.push("b", "b1");
  await w.has(2);
  w.comet.unsubscribe("a");
  w.comet.subscribe("c");
  await w.until((w) => w.channels.includes("c open"));
  await server.subscribers(0, "a");
  await server.push("a", "a3");
  await server.push("c", "c1");
  await w.has(3);
  w.comet.subscribe("a", 1);
  await w.has(6);
  assert.deepEqual(w.texts, ["a2", "b1", "c1", "a1", "a2", "a3"]);
  assert.deepEqual(w.messages.map((m) => m.seq), [2, 1, 1, 1, 2, 3]);
  assert.deepEqual(w.lost, []);
  assert.equal(net.asked("/ws"), 1);
  assert.deepEqual(w.states, ["connecting", "open"]);
  for (const name of ["a", "b", "c"]) w.comet.unsubscribe(name);
  await server.subscribers(0);
});

test("a channel that is left and joined again at once, while messages are on their way", async (t) => {
  const { server, net, open } = await visit(t);
  const w = open({ channels: { a: 1, b: 1 } });
  await w.is("open");
  let pushed = 0;
  for (let round = 0; round < 20; round++) {
    const pushing = server.push("a", ...numbers(pushed + 1, pushed + 5));
    w.comet.unsubscribe("a");
    w.comet.subscribe("a", Math.max(pushed - 2, 1));
    pushed += 5;
    await pushing;
    await w.until((w) => w.texts.at(-1) === String(pushed));
  }
  assert.deepEqual(w.lost, []);
  // Each subscription starts at its number, and its messages are in order.
  for (let i = 1; i < w.texts.length; i++) {
    const [was, is] = [Number(w.texts[i - 1]), Number(w.texts[i])];
    assert.ok(is === was + 1 || is <= was && (is % 5 === 3 || is === 1), was + ", " + is);
  }
  assert.equal(net.asked("/ws"), 1);
});

test("more than an address takes: names of 200 bytes on 64 channels", async (t) => {
  const { server, net, open } = await visit(t);
  const channels = {}, long = "x".repeat(200);
  for (let i = 0; i < 64; i++) channels[long + i] = 1;
  const w = open({ channels });
  await server.push(long + 0, "first");
  await server.push(long + 63, "last");
  await w.has(2);
  await server.subscribers(64);
  net.cut();
  await server.push(long + 63, "again");
  await w.has(3);
});

test("many channels at once, and those of a tab that comes late with older places, are more than an open connection is told", async (t) => {
  const { server, net, open } = await visit(t);
  const channels = { first: 1 };
  const w = open({ channels });
  await w.is("open");
  for (let i = 0; i < 60; i++) w.comet.subscribe("c" + i, 1);
  await server.subscribers(61);
  await server.push("c0", "1");
  await server.push("c59", "2");
  await w.has(2);
  for (let i = 0; i < 60; i++) {
    w.comet.unsubscribe("c" + i);
    w.comet.subscribe("c" + i, 1);
  }
  await w.has(4);
  assert.ok(!w.channels.some((state) => state.endsWith(" busy")), w.channels.join());
  assert.deepEqual(w.states, ["connecting", "open"]);
  assert.deepEqual(w.lost, []);
  assert.equal(net.asked("/ws"), 3);
});

test("a channel that is refused, or too much, leaves the others alone", async (t) => {
  const { server, net, open } = await visit(t, "--auth", "token", "--max-subscribers-per-channel", "1");
  const token = {};
  for (const name of ["a", "b"]) token[name] = JSON.parse(await server.admits("/sign?cname=" + name)).token;
  const clock = new Clock(), other = open({ channels: { b: 1 }, token });
  await other.is("open");
  const w = open({ channels: { a: 1 }, token, clock });
  clock.advance(20);
  await w.is("open");
  for (const name of ["b", "c"]) w.comet.subscribe(name, 1);
  clock.advance(20);
  await w.until((w) => w.channels.includes("b busy") && w.channels.includes("c denied"));
  await server.push("a", "1");
  await w.has(1);
  other.comet.close();
  await server.subscribers(0, "b");
  clock.advance(10020);
  await server.push("b", "2");
  await w.has(2);
  await server.admits("/close?cname=a");
  await w.until((w) => w.channels.includes("a closed"));
  await server.push("b", "3");
  await w.has(3);
  assert.equal(net.asked("/ws"), 2);
});

test("more channels than the server takes on a WebSocket: the others go on there", async (t) => {
  const { server, net, open } = await visit(t, "--ws-max-channels", "2");
  const w = open({ channels: { a: 1, b: 1, c: 1 } });
  await w.until((w) => w.channels.includes("c busy"));
  await server.push("a", "1");
  await server.push("b", "2");
  await w.has(2);
  assert.equal(w.comet.transport, "ws");
  assert.equal(net.asked("/ws"), 1);
});

test("a leader's connection is asked for a sign of life when nothing comes, and stays if it gives one", async (t) => {
  const { server, open } = await visit(t, "--polling-timeout", "10");
  const clock = new Clock(), w = open({ channels: { a: 1 }, clock });
  clock.advance(20);
  await w.is("open");
  for (let i = 0; i < 5; i++) {
    clock.advance(10000);
    assert.notEqual(w.comet.hub.pinged, null);
    while (w.comet.hub.pinged !== null) await new Promise(setImmediate);
  }
  await server.push("a", "1");
  await w.has(1);
  assert.deepEqual(w.states, ["connecting", "open"]);
});

test("a server that ends says when to come back", async (t) => {
  const { server, net, open } = await visit(t, "--drain-time", "1", "--retry-time", "40");
  const clock = new Clock(), w = open({ channels: { a: 1 }, clock });
  clock.advance(20);
  await server.push("a", "1");
  await w.has(1);
  server.stop();
  await w.until((w) => w.states.length === 3);
  assert.equal(w.comet.state, "connecting");
  assert.ok(clock.next() >= 1000, "in " + clock.next() + " ms");
  net.server = await serve(t);
  await net.server.push("a", "2");
  clock.advance(clock.next());
  await w.has(2);
  assert.equal(w.comet.transport, "ws");
});

// What may block a WebSocket.
const ways = {
  "a proxy that knows none": (net) => (net.rewrite = plain),
  "a server that has none": (net) => (net.rewrite = (request) => request.replace("GET /ws?", "GET /no?").replace("GET /ws ", "GET /no ")),
  "somebody who keeps the answer": (net) => (net.swallow = /^GET \/ws/),
  "somebody who keeps what is said": (net) => (net.keepBack = /^GET \/ws/),
};

for (const [name, obstruct] of Object.entries(ways)) {
  test(name + ": an event stream at once, also for the next page; and a WebSocket when the way is free", async (t) => {
    const { server, net, open } = await visit(t);
    obstruct(net);
    const clock = new Clock(), w = open({ channels: { a: 1 }, clock });
    clock.advance(20);
    await server.push("a", "1");
    if (/somebody/.test(name)) {
      while (net.asked("/ws") === 0) await new Promise(setImmediate);
      clock.advance(3000);
    }
    await w.has(1);
    assert.equal(w.comet.transport, "sse");
    assert.equal(net.asked("/ws"), 1);
    const next = open({ channels: { a: 1 }, clock });
    clock.advance(20);
    await next.has(1);
    assert.equal(next.comet.transport, "sse");
    assert.equal(net.asked("/ws"), 1, "it was remembered");
    next.comet.close();
    net.rewrite = net.swallow = net.keepBack = null;
    await server.push("a", "2");
    await w.has(2);
    pass(w, clock, 60000);
    while (net.asked("/ws") < 3) await new Promise(setImmediate); // the attempt, and the connection that is used
    while (w.comet.transport !== "ws") await new Promise(setImmediate);
    await server.push("a", "3");
    await w.has(3);
    assert.deepEqual(w.texts, ["1", "2", "3"]);
    assert.deepEqual(w.states, ["connecting", "open"]);
    await server.subscribers(1);
    const last = open({ channels: { a: 1 }, clock });
    clock.advance(20);
    await last.has(3);
    assert.equal(last.comet.transport, "ws");
  });
}

test("while the way stays shut a WebSocket is tried less and less often; another network is reason to hope", async (t) => {
  const { server, net, open } = await visit(t);
  net.rewrite = plain;
  const clock = new Clock(), w = open({ channels: { a: 1 }, clock });
  clock.advance(20);
  await server.push("a", "1");
  await w.has(1);
  let tries = 1;
  for (const wait of [60000, 240000, 960000]) {
    const { until } = w.comet.hub.block;
    assert.equal(until - clock.now(), wait);
    pass(w, clock, wait - 1);
    assert.equal(net.asked("/ws"), tries);
    clock.advance(1);
    tries++;
    while (w.comet.hub.block.until === until) await new Promise(setImmediate);
    assert.equal(net.asked("/ws"), tries);
  }
  net.rewrite = null;
  w.comet.hub.hurry(true);
  clock.advance(1000);
  await server.push("a", "2");
  await w.has(2);
  while (w.comet.transport !== "ws") await new Promise(setImmediate);
  await server.push("a", "3");
  await w.has(3);
  assert.deepEqual(w.texts, ["1", "2", "3"]);
});

test("a cut in the very moment when it comes about says nothing against WebSockets", async (t) => {
  const { server, net, open } = await visit(t);
  const w = open({ channels: { a: 1 }, onmessage: (m) => m.content === "1" && net.cut() });
  await server.push("a", "1", "2");
  await w.has(2);
  assert.equal(w.comet.transport, "ws");
  assert.equal(net.asked("/sse"), 0);
});

test("WebSockets that end as soon as they are there: an event stream", async (t) => {
  const { server, net, open } = await visit(t);
  const w = open({ channels: { a: 1 } });
  for (let i = 1; i <= 3; i++) {
    await server.push("a", String(i));
    await w.has(i);
    while (!w.comet.hub.socket) await new Promise(setImmediate);
    net.cut();
  }
  await server.push("a", "4");
  await w.has(4);
  assert.equal(w.comet.transport, "sse");
  assert.deepEqual(w.texts, numbers(1, 4));
});
