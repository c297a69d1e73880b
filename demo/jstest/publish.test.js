// Tests publish of comet.js: over the existing WebSocket, from any tab, and without a WebSocket.
"use strict";

const assert = require("node:assert/strict");
const http = require("node:http");
const { test } = require("node:test");
const { browser } = require("./browser.js");
const { ask, serve, gate } = require("./server.js");
const { watch, Clock } = require("./watch.js");

async function visit(t, args = ["--ws-publish"], without = []) {
  const server = await serve(t, ...args), net = await gate(t, server), b = browser(net.origin, { without });
  t.after(b.end);
  const open = (options, more) => {
    const tab = b.tab(["comet.js"], more), w = watch(tab, options);
    w.tab = tab;
    return w;
  };
  return { server, net, open };
}

const leads = (w) => Boolean(w.comet.hub.line);
const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

test("what is published at once comes back in order, to every tab, and its number is told", async (t) => {
  const { net, open } = await visit(t);
  const tabs = [0, 1, 2].map(() => open({ channels: { a: 1 } }));
  const text = "'\"\\ \u2028 ü \ud83d\ude00 \u0000";
  const [first] = tabs;
  assert.deepEqual(await Promise.all([text, "2", "3"].map((content) => first.comet.publish("a", content))), [1, 2, 3]);
  for (const [i, w] of tabs.entries()) assert.equal(await w.comet.publish("a", "of " + i), 4 + i);
  for (const w of tabs) {
    await w.has(6);
    assert.deepEqual(w.texts, [text, "2", "3", "of 0", "of 1", "of 2"]);
  }
  assert.equal(net.asked("/ws"), 1);
  assert.equal(await first.comet.publish("other", "nobody reads it here"), 1);
});

test("a page that only publishes has a connection for it", async (t) => {
  const { server, net, open } = await visit(t);
  const w = open({});
  assert.deepEqual(await Promise.all(numbers(1, 20).map((content) => w.comet.publish("a", content))), numbers(1, 20).map(Number));
  assert.equal(await w.comet.publish("a", "21"), 21);
  assert.equal(net.asked("/ws"), 1);
  assert.equal(JSON.parse(await server.admits("/stats")).connections, 2, "this one, and that");
});

// refused checks that a promise is rejected with an error of this type.
async function refused(promise, type, message) {
  const error = await promise.then((seq) => assert.fail("published as " + seq), (e) => e);
  assert.equal(error.type, type);
  assert.match(error.message, message);
}

test("a refusal is the server's, and names the reason; the connection goes on", async (t) => {
  const { server, open } = await visit(t, ["--ws-publish", "--auth", "token", "--max-message", "100"]);
  const token = { a: JSON.parse(await server.admits("/sign?cname=a")).token };
  const w = open({ channels: { a: 1 }, token }), other = open({ channels: { a: 1 }, token });
  for (const x of [w, other]) {
    await x.is("open");
    await refused(x.comet.publish("b", "x"), "403", /^Comet: not published: publishing needs the token of the channel/);
    await refused(x.comet.publish("a", "x".repeat(101)), "400", /max-message is 100/);
    await refused(x.comet.publish("a", "\ud800"), "400", /surrogate/);
  }
  assert.equal(await w.comet.publish("a", "x"), 1);
  assert.throws(() => w.comet.publish("", "x"), /a channel's name has 0 bytes/);
  assert.throws(() => w.comet.publish("a", { x: 1 }), /content is of type object: want a string/);
  const closed = open({ channels: { a: 1 }, token });
  closed.comet.close();
  await refused(closed.comet.publish("a", "x"), "offline", /closed/);
});

test("a token lets publish, and is waited for; without it the channel is only read", async (t) => {
  const { server, net, open } = await visit(t, ["--auth", "token"]);
  const sign = (may) => async (name) => {
    await new Promise(setImmediate);
    return JSON.parse(await server.admits("/sign?cname=" + name + (may ? "&publish=1" : ""))).token;
  };
  const w = open({ channels: { a: 1 }, token: sign(true), share: false }), reads = open({ channels: { a: 1 }, token: sign(false), share: false });
  assert.equal(await w.comet.publish("a", "1"), 1, "before there is a connection");
  w.comet.subscribe("b", 1);
  assert.equal(await w.comet.publish("b", "2"), 1, "before the channel is joined on it");
  await w.has(2);
  assert.deepEqual(w.texts, ["1", "2"]);
  await reads.has(1);
  await refused(reads.comet.publish("a", "x"), "403", /not subscribed with a token that permits it/);
  await refused(w.comet.publish("c", "x"), "403", /not subscribed with a token that permits it/);
  w.comet.subscribe("d", 1);
  reads.comet.subscribe("e");
  const gone = refused(w.comet.publish("d", "x"), "403", /./), closed = refused(reads.comet.publish("e", "x"), "offline", /closed/);
  w.comet.unsubscribe("d");
  reads.comet.close();
  await Promise.all([gone, closed]);
  assert.equal(net.asked("/ws"), 2);
});

// backend starts a site's own server, which receives what pages publish. answer returns the status and the body of
// its response.
async function backend(t, answer) {
  const requests = [];
  const site = http.createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    requests.push(text);
    const { status, body } = await answer(new URLSearchParams(text));
    response.writeHead(status, { "Access-Control-Allow-Origin": "*" }).end(body);
  });
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  t.after(() => site.close() && site.closeAllConnections());
  return { url: "http://127.0.0.1:" + site.address().port + "/", requests };
}

test("what is larger than the server takes is refused, whatever it takes of the connection", async (t) => {
  const { net, open } = await visit(t);
  const w = open({ channels: { a: 1 } });
  for (let i = 1; i <= 4; i++) {
    await refused(w.comet.publish("a", "x".repeat(70000)), "413", /larger than the server accepts/);
    assert.equal(await w.comet.publish("a", String(i)), i);
  }
  await w.has(4);
  assert.deepEqual(w.texts, numbers(1, 4));
  assert.equal(net.asked("/ws"), 5);
});

test("a connection on which was published ends with the last channel", async (t) => {
  const { server, open } = await visit(t);
  const w = open({ channels: { a: 1 } });
  assert.equal(await w.comet.publish("a", "1"), 1);
  w.comet.unsubscribe("a");
  while (JSON.parse(await server.admits("/stats")).connections > 1) await new Promise(setImmediate);
});

test("where clients may not publish: a refusal, or by a request to publishURL", async (t) => {
  const { server, net, open } = await visit(t, ["--max-message", "100"]);
  const site = await backend(t, async (form) => {
    const { status, text } = await ask(server.admin, "/push", Object.fromEntries(form));
    return { status, body: text };
  });
  const w = open({ channels: { a: 1 } }), posts = open({ channels: { a: 1 }, publishURL: site.url });
  await refused(w.comet.publish("a", "x"), "403", /ws-publish is off/);
  assert.equal(await posts.comet.publish("a", "a&b=ü+%41"), 1);
  await w.has(1);
  assert.deepEqual(w.texts, ["a&b=ü+%41"]);
  await refused(posts.comet.publish("a", "x".repeat(101)), "413", /./);
  net.close();
  await posts.is("offline");
  await refused(posts.comet.publish("a", "x"), "offline", /not published/);
  assert.equal(site.requests.length, 2);
  await server.subscribers(0);
});

for (const transport of ["sse", "poll", "jsonp"]) {
  test(transport + " cannot publish: it is said, or done by a request to publishURL", async (t) => {
    const { net, open } = await visit(t, ["--ws-publish", "--demo"]);
    const w = open({ channels: { a: 1 }, transport });
    await refused(w.comet.publish("a", "x"), "unable", new RegExp("the transport is " + transport));
    const posts = open({ channels: { a: 1 }, transport, publishURL: net.origin + "demo/push" });
    assert.equal(await posts.comet.publish("a", "x"), 1);
    for (const x of [w, posts]) await x.has(1);
  });
}

test("a page of another origin: by its server's leave, else a refusal", async (t) => {
  for (const [args, type, message] of [[[], "unable", /jsonp/], [["--cors-origin", "*"], "403", /another site/], [["--cors-origin", "http://page.example"], null]]) {
    const server = await serve(t, "--ws-publish", ...args), b = browser("http://page.example/");
    t.after(b.end);
    const w = watch(b.tab(["comet.js"]), { url: "http://" + server.front + "/", channels: { a: 1 } });
    await w.is("open");
    if (type) await refused(w.comet.publish("a", "x"), type, message);
    else assert.equal(await w.comet.publish("a", "x"), 1);
  }
});

test("behind a proxy that knows no WebSockets: by publishURL", async (t) => {
  const { net, open } = await visit(t, ["--ws-publish", "--demo"]);
  net.rewrite = (request) => request.replace("Upgrade: websocket\r\n", "");
  const w = open({ channels: { a: 1 }, publishURL: net.origin + "demo/push" });
  assert.equal(await w.comet.publish("a", "early"), 1);
  await w.has(1);
  assert.equal(w.comet.transport, "sse");
  const none = open({});
  await refused(none.comet.publish("a", "x"), "unable", /the transport is sse/);
});

test("a publishURL that says no number", async (t) => {
  const { open } = await visit(t, []);
  const site = await backend(t, (form) => ({ status: form.get("content") === "x" ? 204 : 422 }));
  const w = open({ channels: { a: 1 }, publishURL: site.url });
  assert.equal(await w.comet.publish("a", "x"), null);
  await refused(w.comet.publish("a", "\ud800"), "400", /not published/);
  await refused(w.comet.publish("a", "y"), "422", /status 422/);
  assert.deepEqual(site.requests, ["cname=a&content=x&ack=1", "cname=a&content=y&ack=1"]);
});

test("a connection that breaks before the answer: what was published is not published again, what was not is", async (t) => {
  const { server, net, open } = await visit(t, ["--ws-publish"], ["locks"]);
  const clock = new Clock(), w = open({ channels: { a: 1 }, clock });
  clock.advance(20);
  await w.is("open");
  net.mute();
  const arrived = numbers(1, 3).map((content) => w.comet.publish("a", content));
  await server.published(3, "a");
  net.cut();
  await w.until((w) => w.states.at(-1) === "connecting");
  const later = w.comet.publish("a", "4"); // while it reconnects
  clock.advance(20);
  assert.deepEqual(await Promise.all([...arrived, later]), [1, 2, 3, 4]);
  net.stall();
  const lost = w.comet.publish("a", "5");
  net.cut();
  await w.until((w) => w.states.filter((state) => state === "connecting").length === 3);
  clock.advance(20);
  assert.equal(await lost, 5);
  await w.has(5);
  assert.deepEqual(w.texts, numbers(1, 5));
});

test("no answer while the server knows the key: nobody knows, and it is said; what was not sent is", async (t) => {
  const { server, net, open } = await visit(t, ["--ws-publish"], ["locks"]);
  const clock = new Clock(), w = open({ channels: { a: 1 }, clock });
  clock.advance(20);
  await w.is("open");
  net.mute();
  const lost = w.comet.publish("a", "1");
  await server.published(1, "a");
  net.close();
  await w.until((w) => w.states.at(-1) === "connecting");
  const never = w.comet.publish("a", "2");
  clock.advance(20);
  await refused(never, "offline", /not published/);
  clock.advance(89000);
  net.open();
  let settled = false;
  lost.catch(() => (settled = true));
  await new Promise(setImmediate);
  assert.equal(settled, false);
  clock.advance(2000);
  await refused(lost, "unknown", /ended before the answer/);
});

test("it is sent again, and refused for what may not have been so: nobody knows, and it is said", async (t) => {
  const server = await serve(t, "--ws-publish"), other = await serve(t), net = await gate(t, server), b = browser(net.origin, { without: ["locks"] });
  t.after(b.end);
  const clock = new Clock(), w = watch(b.tab(["comet.js"]), { channels: { a: 1 }, clock });
  clock.advance(20);
  await w.is("open");
  net.mute();
  const lost = w.comet.publish("a", "1");
  await server.published(1, "a");
  net.server = other;
  net.cut();
  await w.until((w) => w.states.at(-1) === "connecting");
  clock.advance(20);
  await refused(lost, "unknown", /ended before the answer; now: .*ws-publish is off/);
});

for (const how of ["ends by surprise", "closes", "moves no more"]) {
  test("the leading tab " + how + ": what it has not taken is published by the next", async (t) => {
    const { open } = await visit(t);
    const tabs = [];
    for (let i = 0; i < 3; i++) {
      tabs.push(open({ channels: { a: 1 } }, { delay: (ms) => (ms < 5000 ? ms : ms / 1000) }));
      await tabs[i].is("open");
    }
    const leader = tabs.find(leads), others = tabs.filter((w) => w !== leader);
    const { bus } = leader.comet.hub;
    bus.onmessage = null; // it receives nothing more from the other tabs
    if (how === "moves no more") bus.postMessage = () => {};
    const publishing = others.map((w, i) => w.comet.publish("a", "of " + i));
    if (how === "closes") leader.comet.close();
    else if (how === "ends by surprise") leader.tab.end();
    else others[0].tab.document.dispatch("visibilitychange");
    assert.deepEqual((await Promise.all(publishing)).sort(), [1, 2]);
    for (const w of others) await w.has(2);
  });
}

test("the leading tab ends when it has taken what another publishes: the next one sends it again", async (t) => {
  const { server, net, open } = await visit(t);
  const leader = open({ channels: { a: 1 } });
  await leader.is("open");
  const other = open({ channels: { a: 1 } });
  await other.is("open");
  net.mute();
  const lost = other.comet.publish("a", "x");
  await server.published(1, "a");
  const { unpublished } = other.comet.hub;
  while (!Object.values(unpublished).every((it) => it.request.until)) await new Promise(setImmediate);
  leader.tab.end();
  assert.equal(await lost, 1);
  assert.equal(await other.comet.publish("a", "y"), 2);
  await other.has(2);
  assert.deepEqual(other.texts, ["x", "y"]);
});

test("the lead is taken from a tab that has taken what another publishes: the next one sends it again", async (t) => {
  const { server, net, open } = await visit(t);
  const leader = open({ channels: { a: 1 } });
  await leader.is("open");
  const other = open({ channels: { a: 1 } });
  await other.is("open");
  net.mute();
  const publishing = [leader, other].map((w, i) => w.comet.publish("a", "of " + i));
  await server.published(2, "a");
  while (!Object.values(other.comet.hub.unpublished).every((it) => it.request.until)) await new Promise(setImmediate);
  other.comet.hub.apply(true);
  assert.deepEqual((await Promise.all(publishing)).sort(), [1, 2]);
  for (const w of [leader, other]) {
    await w.has(2);
    assert.deepEqual(w.texts.toSorted(), ["of 0", "of 1"]);
  }
});

test("a page that closes: what is under way is settled", async (t) => {
  const { net, open } = await visit(t);
  const w = open({ channels: { a: 1 } });
  await w.is("open");
  net.stall();
  const sent = w.comet.publish("a", "x");
  const other = open({ channels: { a: 1 } });
  const waits = other.comet.publish("a", "y");
  other.comet.close();
  w.comet.close();
  await refused(sent, "unknown", /not published/);
  await refused(waits, "offline", /closed/);
});

test("a publishURL that takes no request, a token that does not come, a page that is put away: it is said", async (t) => {
  const { open } = await visit(t);
  const clock = new Clock(), options = { channels: { a: 1 }, transport: "sse" };
  const w = open({ ...options, publishURL: "mailto:me@example.com" });
  await refused(w.comet.publish("a", "x"), "unable", /publishURL is mailto:me@example.com/);
  await w.is("open");
  await refused(w.comet.publish("a", "x"), "unable", /publishURL is mailto:me@example.com/);
  const waits = open({ ...options, clock, token: () => new Promise(() => {}) });
  const sent = waits.comet.publish("a", "x");
  clock.advance(90000);
  await refused(sent, "offline", /no token of the channel was received/);
  const away = open({ channels: { b: 1 } });
  await away.is("open");
  away.tab.dispatch("pagehide");
  await refused(away.comet.publish("b", "x"), "offline", /has been left/);
});

test("a page that may have no locks publishes on a connection of its own", async (t) => {
  const { net, open } = await visit(t);
  const navigator = { onLine: true, locks: { request: () => Promise.reject(new Error("not in a sandbox")) } };
  const w = open({ channels: { a: 1 } }, { globals: { navigator } });
  assert.equal(await w.comet.publish("a", "at once"), 1);
  await w.has(1);
  assert.equal(net.asked("/ws"), 1);
});
