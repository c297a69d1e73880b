// Tests comet.js in several tabs that share a connection.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { browser } = require("./browser.js");
const { serve, gate } = require("./server.js");
const { watch, Clock } = require("./watch.js");

async function visit(t, ...args) {
  const server = await serve(t, ...args), net = await gate(t, server), b = browser(net.origin);
  t.after(b.end);
  const open = (options, more) => {
    const tab = b.tab(["comet.js"], more), w = watch(tab, options);
    w.tab = tab;
    return w;
  };
  return { server, net, open };
}

const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));
const leads = (w) => Boolean(w.comet.hub.line);

test("six tabs have one connection, and each all messages", async (t) => {
  const { server, open } = await visit(t);
  const tabs = Array.from({ length: 6 }, () => open({ channels: { a: 1 } }));
  await server.push("a", ...numbers(1, 50));
  for (const w of tabs) {
    await w.has(50);
    assert.deepEqual(w.texts, numbers(1, 50));
    assert.equal(w.comet.state, "open");
  }
  await server.subscribers(1);
  assert.equal(tabs.filter(leads).length, 1);
  tabs.forEach((w) => w.comet.close());
  await server.subscribers(0);
});

for (const how of ["ends by surprise", "closes"]) {
  test("the leading tab " + how + ": the others go on from their places", async (t) => {
    const { server, open } = await visit(t);
    const tabs = [];
    for (let i = 0; i < 4; i++) {
      tabs.push(open({ channels: { a: 1 } }));
      await tabs[i].is("open");
    }
    for (let round = 0; round < 3; round++) {
      const pushing = server.push("a", ...numbers(1 + round * 40, 40 + round * 40));
      const leader = tabs.find(leads);
      await leader.has(10 + round * 40);
      if (how === "closes") leader.comet.close();
      else leader.tab.end();
      tabs.splice(tabs.indexOf(leader), 1);
      await pushing;
      for (const w of tabs) {
        await w.has(40 + round * 40);
        assert.deepEqual(w.texts, numbers(1, 40 + round * 40));
        assert.deepEqual(w.lost, []);
      }
    }
    await server.subscribers(1);
  });
}

test("a tab that comes late with an older place gets what it lacks, and the others nothing twice", async (t) => {
  const { server, open } = await visit(t);
  const first = open({ channels: { a: 1 } });
  await server.push("a", ...numbers(1, 20));
  await first.has(20);
  const late = open({ channels: { a: 5 } }), fresh = open({ channels: ["a"] });
  await late.has(16);
  await fresh.until((w) => w.channels.includes("a open"));
  await server.push("a", ...numbers(21, 30));
  for (const w of [first, late]) await w.until((w) => w.texts.at(-1) === "30");
  await fresh.has(10);
  assert.deepEqual(first.texts, numbers(1, 30));
  assert.deepEqual(late.texts, numbers(5, 30));
  assert.deepEqual(fresh.texts, numbers(21, 30));
  await server.subscribers(1);
});

test("a reload goes on where the tab was", async (t) => {
  const { server, open } = await visit(t);
  const stays = open({ channels: { a: 1 } });
  await server.push("a", ...numbers(1, 3));
  await stays.has(3);
  const goes = open({ channels: { a: 1 } });
  await goes.has(3);
  goes.tab.end();
  await server.push("a", ...numbers(4, 6));
  const back = open({ channels: { a: 1 } }, { sessionStorage: goes.tab.sessionStorage });
  await back.has(3);
  await server.push("a", "7");
  await back.has(4);
  assert.deepEqual(back.texts, numbers(4, 7));
  await stays.has(7);
  assert.deepEqual(stays.texts, numbers(1, 7));
});

test("a tab that was away while the server began anew does not wait for its old numbers", async (t) => {
  const { server, net, open } = await visit(t);
  const stays = open({ channels: { a: 1 } }), goes = open({ channels: { a: 1 } });
  await server.push("a", ...numbers(1, 9));
  for (const w of [stays, goes]) await w.has(9);
  goes.tab.end();
  net.close();
  await server.kill();
  net.server = await serve(t);
  net.open();
  await net.server.push("a", "uno", "due");
  await stays.has(11);
  const back = open({ channels: { a: 1 } }, { sessionStorage: goes.tab.sessionStorage });
  await back.has(2);
  await net.server.push("a", "tre");
  for (const w of [stays, back]) await w.until((w) => w.texts.at(-1) === "tre");
  assert.deepEqual(stays.texts, [...numbers(1, 9), "uno", "due", "tre"]);
  assert.deepEqual(back.texts, ["uno", "due", "tre"]);
  assert.deepEqual(stays.lost, [["a", 10, null]]);
  assert.deepEqual(back.lost, [["a", 10, null]]);
});


test("tabs want different channels of the one connection; what nobody wants any more is left", async (t) => {
  const { server, open } = await visit(t);
  const one = open({ channels: { a: 1, b: 1 } });
  await one.is("open");
  const two = open({ channels: { b: 1, c: 1 } });
  await server.push("a", "a1");
  await server.push("b", "b1");
  await server.push("c", "c1");
  await one.has(2);
  await two.has(2);
  assert.deepEqual([...one.texts].sort(), ["a1", "b1"]);
  assert.deepEqual([...two.texts].sort(), ["b1", "c1"]);
  assert.ok(leads(one));
  two.comet.unsubscribe("c");
  await server.subscribers(0, "c");
  await server.subscribers(1, "b");
  two.comet.subscribe("d", 1);
  await server.subscribers(1, "d");
  two.tab.end(); // without unsubscribing
  await server.subscribers(0, "d");
  await server.subscribers(1, "a");
  await server.push("b", "b2");
  await one.has(3);
});

test("a leader that does not move is replaced when somebody looks at another tab", async (t) => {
  const { server, open } = await visit(t);
  const stuck = open({ channels: { a: 1 } });
  await stuck.is("open");
  const other = open({ channels: { a: 1 } }, { delay: (ms) => (ms < 5000 ? ms : ms / 1000) });
  await server.push("a", "1");
  for (const w of [stuck, other]) await w.has(1);
  // The tab is as one that its browser has stopped: it receives and sends nothing, and keeps its locks.
  const { bus } = stuck.comet.hub, { onmessage, postMessage } = bus;
  bus.onmessage = null;
  bus.postMessage = () => {};
  await server.push("a", "2");
  await stuck.has(2);
  other.tab.document.dispatch("visibilitychange");
  await other.has(2);
  await server.push("a", "3");
  await other.has(3);
  // It runs again, and follows the new leader.
  bus.onmessage = onmessage;
  bus.postMessage = postMessage;
  await server.push("a", "4");
  for (const w of [stuck, other]) {
    await w.until((w) => w.texts.at(-1) === "4");
    assert.deepEqual(w.texts, ["1", "2", "3", "4"]);
  }
  assert.ok(leads(other) && !leads(stuck));
  await server.subscribers(1);
});

// stopped opens a leader and a follower with clocks of their own, waits until both have the same message, and stops
// the leader with the function how. pass lets a second pass. In it the leader receives nothing from the network, and
// none of its timers runs.
async function stopped(t, how) {
  const { server, net, open } = await visit(t);
  const clocks = [new Clock(), new Clock()];
  const tabs = clocks.map((clock) => open({ channels: { a: 1 }, clock }));
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const until = async (holds) => {
    for (; !holds(); await turn()) clocks.forEach((clock) => clock.advance(1));
  };
  await until(() => tabs.every((w) => w.comet.state === "open"));
  await server.push("a", "1");
  await until(() => tabs.every((w) => w.texts.length === 1));
  const leader = tabs.findIndex(leads), [stuck, other] = [tabs[leader], tabs[1 - leader]];
  how(stuck);
  net.stall();
  await server.push("a", "2");
  let seconds = 0;
  const pass = async () => {
    seconds++;
    clocks[leader].time += 1000;
    clocks[1 - leader].advance(1000);
    if (how === frozen) while (other.comet.hub.asked) await turn();
    else for (let i = 0; i < 3; i++) await turn();
  };
  return { server, stuck, other, pass, until, seconds: () => seconds };
}

// A frozen tab may still receive messages of other tabs, and answer them. A blocked tab does not.
const frozen = () => {};
const blocked = (w) => {
  w.comet.hub.bus.onmessage = null;
  w.comet.hub.bus.postMessage = () => {};
};

for (const [name, how] of Object.entries({ frozen, blocked })) {
  test("a leader that is " + name + " is replaced within 40 seconds", async (t) => {
    const { server, stuck, other, pass, until, seconds } = await stopped(t, how);
    while (!leads(other) && seconds() < 60) await pass();
    assert.ok(leads(other) && seconds() >= 25 && seconds() <= 40, "after " + seconds() + " s");
    await until(() => other.texts.length === 2);
    await server.push("a", "3");
    await until(() => other.texts.length === 3);
    assert.deepEqual(other.texts, ["1", "2", "3"]);
    assert.deepEqual(other.lost, []);
    assert.ok(!leads(stuck));
  });
}

test("a leader whose server has nothing to say stays", async (t) => {
  const { stuck, other, pass, until, seconds } = await stopped(t, frozen);
  while (seconds() < 200) {
    await pass();
    if (seconds() % 29 > 0) continue;
    const heard = other.comet.hub.heardAt;
    stuck.comet.hub.line.hear([{ type: "noop", cname: "a", seq: 0, content: "" }]);
    await until(() => other.comet.hub.heardAt > heard);
  }
  assert.ok(leads(stuck) && !leads(other));
});

test("what happens to the network happens to all tabs", async (t) => {
  const { server, net, open } = await visit(t, "--auth", "token");
  const token = JSON.parse(await server.admits("/sign?cname=a&expires=600")).token;
  const options = { channels: { a: 1 }, token };
  const tabs = [open(options), open(options), open(options)];
  for (const w of tabs) await w.is("open");
  const denied = open({ channels: { other: 1 }, token: "wrong" });
  await denied.is("denied");
  net.close();
  for (const w of tabs) await w.is("offline");
  await server.push("a", ...numbers(1, 5));
  net.open();
  for (const w of tabs) {
    await w.has(5);
    await w.is("open");
    assert.deepEqual(w.texts, numbers(1, 5));
  }
  await server.subscribers(1, "a");
  await server.admits("/close?cname=a");
  for (const w of tabs) await w.is("closed");
  await server.subscribers(0);
});

test("a page that is put away lets go, and goes on when it is shown again", async (t) => {
  const { server, open } = await visit(t);
  const w = open({ channels: { a: 1 } }), other = open({ channels: { a: 1 } });
  await server.push("a", "1");
  for (const x of [w, other]) await x.has(1);
  for (const x of [w, other]) x.tab.dispatch("pagehide", { persisted: true });
  await server.subscribers(0);
  await server.push("a", "2", "3");
  for (const x of [w, other]) x.tab.dispatch("pageshow", { persisted: true });
  for (const x of [w, other]) {
    await x.has(3);
    assert.deepEqual(x.texts, ["1", "2", "3"]);
  }
  await server.subscribers(1);
});

test("without locks, and where they may not be used, each tab has its own connection", async (t) => {
  const server = await serve(t), net = await gate(t, server);
  const refuse = { onLine: true, locks: { request: () => Promise.reject(new Error("not in a sandbox")) } };
  for (const [without, globals] of [[["locks"], {}], [["BroadcastChannel"], {}], [[], { navigator: refuse }]]) {
    const b = browser(net.origin, { without });
    const tabs = [0, 1].map(() => watch(b.tab(["comet.js"], { globals }), { channels: ["a"] }));
    for (const w of tabs) await w.is("open");
    await server.subscribers(2);
    b.end();
    await server.subscribers(0);
  }
});
