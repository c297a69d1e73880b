// Tests icomet.js with the real server, used as pages use it.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { browser } = require("./browser.js");
const { serve, gate } = require("./server.js");

// open creates an iComet as a page does, and records its callbacks. Its delays are a thousandth of those in a page,
// because the tests check that it reconnects, not when.
function open(b, net, config) {
  const alerts = [], console = { log() {} };
  const tab = b.tab(["icomet.js"], { globals: { alert: (text) => alerts.push(text), console }, delay: (ms) => ms / 1000 });
  const seen = { tab, alerts, got: [], types: [], refused: [], waiting: [] };
  const told = () => (seen.waiting = seen.waiting.filter((w) => !w()));
  seen.comet = new tab.iComet({
    channel: "abc",
    subUrl: net.origin + "sub",
    callback(content, type) {
      seen.got.push(content);
      seen.types.push(type);
      told();
    },
    onerror(type) {
      seen.refused.push(type);
      told();
    },
    ...config,
  });
  seen.until = (holds) => new Promise((resolve) => {
    const settled = () => holds() && (resolve(), true);
    if (!settled()) seen.waiting.push(settled);
  });
  seen.has = (n) => seen.until(() => seen.got.length >= n);
  return seen;
}

for (const [name, without] of [["EventSource", []], ["JSONP", ["EventSource"]]]) {
  const visit = async (t, ...args) => {
    const server = await serve(t, ...args), net = await gate(t, server), b = browser(net.origin, { without });
    t.after(b.end);
    return { server, net, b };
  };

  test(name + ": data and broadcasts, several at once, over cuts", async (t) => {
    const { server, net, b } = await visit(t);
    const seen = open(b, net, { seq: 1 });
    await server.push("abc", "1", "2", "3");
    await seen.has(3);
    await server.broadcast("4");
    await server.push("abc", "5");
    await seen.has(5);
    net.cut();
    await server.push("abc", "6", "7", "8");
    await seen.has(8);
    assert.deepEqual(seen.got, ["1", "2", "3", "4", "5", "6", "7", "8"]);
    assert.equal(seen.types[3], "broadcast");
    assert.equal(seen.comet.data_seq, 9);
    seen.comet.stop();
    await server.push("abc", "9");
    await server.subscribers(0);
    seen.comet.start();
    await seen.has(9);
    seen.comet.stop();
  });

  test(name + ": a token is fetched, and fetched again when it is refused; nobody is alerted", async (t) => {
    const { server, net, b } = await visit(t, "--auth", "token");
    const seen = open(b, net, { seq: 1, signUrl: "http://" + server.admin + "/sign", token: "x" });
    await server.subscribers(1, "abc");
    await server.push("abc", "1");
    await seen.has(1);
    assert.equal(seen.comet.sub_timeout, 30 * 1.3 * 1000);
    // The channel is closed, and its token is invalid until a new one is requested.
    await server.admits("/close?cname=abc");
    await server.subscribers(1, "abc");
    await server.push("abc", "2");
    await seen.has(2);
    seen.comet.stop();
    const stranger = open(b, net, { seq: 1, token: "wrong" });
    await stranger.until(() => stranger.refused.length >= 2);
    stranger.comet.stop();
    assert.deepEqual(stranger.refused.slice(0, 2), ["401", "401"]);
    assert.deepEqual([seen.alerts, stranger.alerts], [[], []]);
  });
}

test("pub publishes, by JSONP where the URL has cb=?", async (t) => {
  const server = await serve(t), net = await gate(t, server), b = browser("http://" + server.admin + "/");
  t.after(b.end);
  const admin = "http://" + server.admin;
  for (const [n, pubUrl] of [admin + "/push?cb=?", admin + "/push"].entries()) {
    const seen = open(b, net, { channel: "c" + n, seq: 1, pubUrl });
    const answer = await new Promise((resolve) => seen.comet.pub("a&b=ü+'\"\\", resolve));
    assert.equal(answer.type, "ok");
    await seen.has(1);
    assert.deepEqual(seen.got, ["a&b=ü+'\"\\"]);
    assert.equal(seen.comet.pub({ no: "string" }), false);
    seen.comet.stop();
  }
});

test("each has a number and a global function of its own", async (t) => {
  const server = await serve(t), net = await gate(t, server), b = browser(net.origin);
  t.after(b.end);
  const tab = b.tab(["icomet.js"]), config = () => ({ channel: "a", subUrl: net.origin + "sub" });
  const two = [new tab.iComet(config()), new tab.iComet(config())];
  assert.deepEqual(two.map((c) => c.cb), ["icomet_cb_0", "icomet_cb_1"]);
  two.forEach((c) => {
    assert.equal(tab[c.cb], c.onmessage);
    c.stop();
  });
});
