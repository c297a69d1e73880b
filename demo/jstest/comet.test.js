// Tests comet.js with the real server, one tab at a time.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const http = require("node:http");
const os = require("node:os");
const path = require("node:path");
const { test } = require("node:test");
const { browser } = require("./browser.js");
const { serve, gate } = require("./server.js");
const { watch, Clock } = require("./watch.js");

// visit starts a server, a gate in front of it, and a browser at the gate's address.
async function visit(t, args = [], without = ["locks"]) {
  const server = await serve(t, ...args), net = await gate(t, server), b = browser(net.origin, { without });
  t.after(b.end);
  return { server, net, b };
}

const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

for (const transport of ["ws", "sse", "poll", "jsonp"]) {
  test(transport + ": messages come in order, over cuts and a closed network", async (t) => {
    const { server, net, b } = await visit(t);
    const w = watch(b.tab(["comet.js"]), { channels: { a: 1 }, transport });
    await server.push("a", ...numbers(1, 5));
    await w.has(5);
    assert.equal(w.comet.transport, transport);
    net.cut();
    await server.push("a", ...numbers(6, 10));
    await w.has(10);
    net.close();
    await w.is("offline");
    await server.push("a", ...numbers(11, 20));
    net.open();
    await w.has(20);
    await server.broadcast("21");
    await server.push("a", "22");
    await w.has(22);
    assert.deepEqual(w.texts, numbers(1, 22));
    assert.deepEqual(w.messages.map((m) => m.seq), numbers(1, 22).map(Number));
    assert.equal(w.messages[20].type, "broadcast");
    assert.deepEqual(w.lost, []);
    assert.deepEqual(w.errors, []);
    assert.equal(w.states[0], "connecting");
    assert.equal(w.comet.state, "open");
    w.comet.close();
    await server.subscribers(0);
  });
}

test("the newest by default; what was before is not sent", async (t) => {
  const { server, b } = await visit(t);
  await server.push("a", "old");
  const w = watch(b.tab(["comet.js"]), { channels: ["a"] });
  await w.until(() => w.channels.includes("a open"));
  await server.push("a", "new");
  await w.has(1);
  assert.deepEqual(w.texts, ["new"]);
  assert.equal(w.comet.next("a"), 3);
});

test("several channels on one connection, each from its own place", async (t) => {
  const { server, net, b } = await visit(t);
  await server.push("a", "a1", "a2", "a3");
  await server.push("b&c", "b1", "b2");
  const w = watch(b.tab(["comet.js"]), { channels: { a: 2, "b&c": 1, "ünï/?%": 0 } });
  await w.has(4);
  await w.until((w) => w.channels.includes("ünï/?% open"));
  assert.equal(JSON.parse(await server.admits("/stats")).connections, 1 + 1, "the tab's and this one");
  net.cut();
  await server.push("a", "a4");
  await server.push("b&c", "b3");
  await server.push("ünï/?%", "u1");
  await w.has(7);
  w.comet.subscribe("late", 1);
  await w.until((w) => w.channels.includes("late open") || w.comet.state === "open");
  await server.push("late", "l1");
  await w.has(8);
  w.comet.unsubscribe("a");
  await server.push("a", "a5");
  await server.push("late", "l2");
  await w.has(9);
  const of = (name) => w.messages.filter((m) => m.channel === name).map((m) => m.content);
  assert.deepEqual(of("a"), ["a2", "a3", "a4"]);
  assert.deepEqual(of("b&c"), ["b1", "b2", "b3"]);
  assert.deepEqual(of("ünï/?%"), ["u1"]);
  assert.deepEqual(of("late"), ["l1", "l2"]);
});

for (const transport of ["ws", "sse", "poll", "jsonp"]) {
  test(transport + ": a channel that is denied or closed does not stop the others", async (t) => {
    const { server, b } = await visit(t, ["--auth", "token"]);
    const token = {};
    for (const name of ["a", "b", "c"]) token[name] = JSON.parse(await server.admits("/sign?cname=" + name)).token;
    const w = watch(b.tab(["comet.js"]), { channels: { a: 1, b: 1, c: 1 }, token: { ...token, b: "wrong" }, transport });
    await w.until((w) => w.channels.includes("b denied"));
    await server.push("a", "1");
    await server.push("b", "not for us");
    await server.push("c", "2");
    await w.has(2);
    assert.equal(w.comet.state, "open");
    await server.subscribers(1, "a"); // between two polls, no subscriber would learn that the channel was closed
    await server.admits("/close?cname=a");
    await w.until((w) => w.channels.includes("a closed"));
    await server.push("c", "3");
    await w.has(3);
    assert.equal(w.comet.state, "open");
    await server.subscribers(1, "c");
    await server.admits("/close?cname=c");
    await w.is("denied");
    assert.deepEqual([...w.texts].sort(), ["1", "2", "3"]); // the order of different channels' messages is not defined
    await server.subscribers(0);
    assert.ok(!w.states.includes("offline"));
  });
}

test("a token function is asked again when its token is refused, and no more when it has no other", async (t) => {
  const { server, b } = await visit(t, ["--auth", "token"]);
  const sign = async (name) => JSON.parse(await server.admits("/sign?cname=" + name)).token;
  const good = { a: await sign("a"), b: await sign("b"), c: await sign("c") };
  const asked = { a: 0, b: 0, c: 0, d: 0 };
  const token = (name, give) => {
    asked[name]++;
    if (name === "a") return asked.a === 1 ? "expired" : good.a; // a string, not a promise
    if (name === "b") return Promise.resolve(asked.b < 3 ? "expired" + asked.b : good.b);
    if (name === "c" && asked.c === 1) throw new Error("the token server is down");
    if (name === "c") return void give(good.c);
    return "always the same";
  };
  const w = watch(b.tab(["comet.js"]), { channels: { a: 1, b: 1, c: 1, d: 1 }, token });
  for (const name of ["a", "b", "c"]) await server.push(name, name);
  await w.has(3);
  await w.until((w) => w.channels.includes("d denied"));
  assert.deepEqual([...w.texts].sort(), ["a", "b", "c"]);
  assert.deepEqual(asked, { a: 2, b: 3, c: 2, d: 2 });
  assert.ok(!w.channels.includes("a denied"), "renewed without a word");
  assert.ok(w.channels.includes("b denied"));
  assert.equal(w.errors.length, 1);
  assert.equal(w.comet.state, "open");
});

test("all denied is denied; subscribing again tries again", async (t) => {
  const { server, b } = await visit(t, ["--auth", "token"]);
  const options = { channels: { a: 1 }, token: "wrong" };
  const w = watch(b.tab(["comet.js"]), options);
  await w.is("denied");
  assert.equal(w.reason, "Token error");
  w.comet.options.token = JSON.parse(await server.admits("/sign?cname=a")).token;
  await server.push("a", "1");
  w.comet.subscribe("a", 1);
  await w.has(1);
  assert.deepEqual(w.states, ["connecting", "denied", "connecting", "open"]);
});

test("what the server no longer has is told; a server that counts anew is noticed", async (t) => {
  const { server, net, b } = await visit(t, ["--channel-buffer-size", "3"]);
  const w = watch(b.tab(["comet.js"]), { channels: { a: 1 } });
  await server.push("a", "1", "2");
  await w.has(2);
  net.close();
  await w.is("offline");
  await server.push("a", ...numbers(3, 9));
  net.open();
  await w.has(5);
  assert.deepEqual(w.lost, [["a", 3, 6]]);
  assert.ok(w.channels.includes("a lost"));
  assert.deepEqual(w.texts, ["1", "2", "7", "8", "9"]);

  // Each new server has fewer messages than the one before, or more, or one less.
  for (const words of [["eins"], numbers(1, 9).map((n) => "zwei" + n), numbers(1, 12).map((n) => "drei" + n), numbers(1, 11).map((n) => "vier" + n)]) {
    const was = w.comet.next("a"), had = w.texts.length;
    net.close();
    await net.server.kill();
    net.server = await serve(t);
    await net.server.push("a", ...words);
    net.open();
    await w.until((w) => w.texts.length === had + words.length);
    assert.deepEqual(w.texts.slice(had), words);
    assert.deepEqual(w.lost.at(-1), ["a", was, null]);
  }
});

for (const transport of ["ws", "sse", "poll", "jsonp"]) {
  test(transport + ": a channel that begins anew is told from the one before, though it says the same", async (t) => {
    const { server, net, b } = await visit(t);
    const w = watch(b.tab(["comet.js"]), { channels: { a: 1, b: 1 }, transport });
    await server.push("a", ...numbers(1, 3));
    await server.push("b", "other");
    await w.has(4);
    // The new channel has as many messages as the old one, more, fewer, or none yet.
    for (const count of [3, 5, 2, 0]) {
      const was = w.comet.next("a"), had = w.texts.length, losses = w.lost.length;
      net.close();
      await w.is("offline");
      await server.admits("/close?cname=a");
      await server.push("a", ...numbers(1, count));
      net.open();
      await w.until((w) => w.lost.length > losses);
      assert.deepEqual(w.lost.slice(losses), [["a", was, null]]);
      await server.push("a", "more");
      await w.has(had + count + 1);
      assert.deepEqual(w.texts.slice(had), [...numbers(1, count), "more"]);
    }
    net.cut();
    await server.push("a", "after");
    await server.push("b", "after");
    await w.has(20);
    assert.deepEqual(w.messages.filter((m) => m.channel === "b").map((m) => m.content), ["other", "after"]);
    assert.equal(w.lost.length, 4);
    assert.deepEqual(w.errors, []);
  });
}

test("a server that keeps its state is the same after a restart; a reload knows one that did not", async (t) => {
  const state = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "comet-")), "state");
  t.after(() => fs.rmSync(path.dirname(state), { recursive: true }));
  const args = ["--state", state], { server, net, b } = await visit(t, args);
  const tab = b.tab(["comet.js"]), w = watch(tab, { channels: { a: 1 } });
  await server.push("a", "1", "2");
  await w.has(2);
  net.close();
  await server.stop();
  net.server = await serve(t, ...args);
  await net.server.push("a", "3");
  net.open();
  await w.has(3);
  assert.deepEqual(w.texts, ["1", "2", "3"]);
  assert.deepEqual(w.lost, []);
  tab.end();
  await net.server.kill();
  net.server = await serve(t);
  await net.server.push("a", "1", "2", "3", "4");
  const back = watch(b.tab(["comet.js"], { sessionStorage: tab.sessionStorage }), { channels: { a: 1 } });
  await back.has(4);
  assert.deepEqual(back.lost, [["a", 4, null]]);
});

test("a server that tells no epochs is asked for the last message once more", async (t) => {
  const { server, net, b } = await visit(t, [], ["locks", "WebSocket"]); // such a server has no WebSockets
  net.rewrite = (request) => request.replace(/&epoch=\w*/g, "");
  const w = watch(b.tab(["comet.js"]), { channels: { a: 1 } });
  await server.push("a", "1", "2");
  await w.has(2);
  net.cut();
  await server.push("a", "3");
  await w.has(3);
  assert.deepEqual(w.lost, []);
  for (const words of [["eins"], numbers(1, 9).map((n) => "zwei" + n), numbers(1, 12).map((n) => "drei" + n)]) {
    const was = w.comet.next("a"), had = w.texts.length;
    net.close();
    await net.server.kill();
    net.server = await serve(t);
    await net.server.push("a", ...words);
    net.open();
    await w.until((w) => w.texts.length === had + words.length);
    assert.deepEqual(w.texts.slice(had), words);
    assert.deepEqual(w.lost.at(-1), ["a", was, null]);
  }
});

test("a reload goes on where the tab was; without resume it begins where it is told", async (t) => {
  const { server, b } = await visit(t);
  const open = async (count, options, more) => {
    const tab = b.tab(["comet.js"], more), w = watch(tab, { channels: { a: 1 }, ...options });
    await w.has(count);
    const texts = [...w.texts];
    tab.end();
    return { texts, sessionStorage: tab.sessionStorage };
  };
  await server.push("a", "1", "2");
  const was = await open(2, {});
  await server.push("a", "3");
  assert.deepEqual((await open(1, {}, was)).texts, ["3"]);
  assert.deepEqual((await open(3, {})).texts, ["1", "2", "3"]);
  assert.deepEqual((await open(3, { resume: false }, was)).texts, ["1", "2", "3"]);
  assert.deepEqual((await open(3, { resume: "browser" })).texts, ["1", "2", "3"]);
  await server.push("a", "4");
  assert.deepEqual((await open(1, { resume: "browser" })).texts, ["4"]);
});

test("too many subscribers: busy, and tried again, more slowly", async (t) => {
  const { server, b } = await visit(t, ["--max-subscribers-per-channel", "1"]);
  const clock = new Clock();
  const first = watch(b.tab(["comet.js"]), { channels: { a: 1 } });
  await first.is("open");
  await server.subscribers(1);
  const second = watch(b.tab(["comet.js"]), { channels: { a: 1 }, clock });
  for (const wait of [20, 7500, 15000]) {
    clock.advance(wait);
    const busy = second.states.length;
    await second.until((w) => w.states.indexOf("busy", busy) > 0);
  }
  assert.equal(second.reason, "Too many subscribers");
  assert.equal(clock.next(), 30000, "half to all of 40 seconds");
  first.comet.close();
  await server.subscribers(0);
  clock.advance(30000);
  await server.push("a", "1");
  await second.has(1);
  assert.deepEqual(second.states, ["connecting", "busy", "connecting", "busy", "connecting", "busy", "connecting", "open"]);
  assert.deepEqual(second.channels, ["a busy", "a open"]);
});

for (const transport of ["ws", "sse"]) {
  test(transport + ": silence beyond what the server promised is death", (t) => silence(t, transport));
}

async function silence(t, transport) {
  const { server, net, b } = await visit(t, ["--polling-timeout", "7"]);
  const clock = new Clock();
  const w = watch(b.tab(["comet.js"]), { channels: { a: 1 }, clock, transport });
  clock.advance(20);
  await server.subscribers(1);
  await server.push("a", "1");
  await w.has(1);
  net.stall(); // nothing arrives, and the connection stays open
  clock.advance(9099);
  assert.equal(w.comet.state, "open");
  clock.advance(1); // 1.3 times 7 seconds
  assert.equal(w.comet.state, "connecting");
  assert.match(w.reason, /nothing was heard for 9 seconds/);
  net.go();
  await server.push("a", "2");
  clock.advance(1);
  await w.has(2);
  assert.deepEqual(w.texts, ["1", "2"]);
}

test("it tries less and less often, up to a bound, and at once when there is reason to hope", async (t) => {
  const { server, net, b } = await visit(t);
  const clock = new Clock(), tab = b.tab(["comet.js"]);
  const w = watch(tab, { channels: { a: 1 }, clock, firstDelay: 500, longestDelay: 30000, transport: "poll" });
  net.close();
  const delays = [];
  clock.advance(20);
  while (delays.length < 10) {
    const told = w.states.length;
    await w.until((w) => w.states.indexOf("offline", told) >= 0);
    delays.push(clock.next());
    clock.advance(clock.next());
  }
  assert.deepEqual(delays, [375, 750, 1500, 3000, 6000, 12000, 22500, 22500, 22500, 22500], "three quarters: chance is a half");
  let told = w.states.length;
  await w.until((w) => w.states.indexOf("offline", told) >= 0);
  net.open();
  tab.dispatch("online"); // the clock does not advance
  await server.push("a", "1");
  await w.has(1);
  tab.dispatch("offline");
  assert.equal(w.comet.state, "offline");
  net.close();
  tab.dispatch("online");
  told = w.states.length;
  await w.until((w) => w.states.indexOf("offline", told) >= 0);
  assert.equal(clock.next(), 375, "success forgets the failures before it");
  net.open();
  tab.document.dispatch("visibilitychange");
  await server.push("a", "2");
  await w.has(2);
});

test("somebody who keeps event streams back is noticed: long polls instead", async (t) => {
  const { server, net, b } = await visit(t, [], ["locks", "WebSocket"]);
  net.keepBack = /^GET \/sse/;
  const clock = new Clock();
  const w = watch(b.tab(["comet.js"]), { channels: { a: 1 }, clock });
  clock.advance(20);
  await server.subscribers(1);
  await server.push("a", "1");
  clock.advance(39000);
  clock.advance(1000);
  await w.has(1);
  assert.equal(w.comet.transport, "poll");
});

test("a page of another origin: by script where the server does not let it in, else as always", async (t) => {
  for (const [args, transport] of [[[], "jsonp"], [["--cors-origin", "http://page.example"], "ws"]]) {
    const server = await serve(t, ...args), net = await gate(t, server), b = browser("http://page.example/", { without: ["locks"] });
    t.after(b.end);
    const w = watch(b.tab(["comet.js"]), { url: net.origin, channels: { a: 1 } });
    await server.push("a", "1", "2", "3");
    await w.has(3);
    assert.deepEqual(w.texts, ["1", "2", "3"]);
    assert.equal(w.comet.transport, transport);
  }
});

test("a call-back that throws is told, and breaks nothing", async (t) => {
  const { server, b } = await visit(t);
  const w = watch(b.tab(["comet.js"]), {
    channels: { a: 1 },
    onmessage(m) {
      throw new Error("over " + m.content);
    },
  });
  await server.push("a", "1", "2", "3");
  await w.until((w) => w.errors.length === 3);
  assert.deepEqual(w.texts, ["1", "2", "3"]);
  assert.deepEqual(w.errors.map((e) => e.message), ["over 1", "over 2", "over 3"]);
});

for (const transport of ["ws", "sse", "poll", "jsonp"]) {
  test(transport + ": after close() nothing is called, not even by what has come already", async (t) => {
    const { server, b } = await visit(t);
    await server.push("a", ...numbers(1, 10));
    let calls = 0;
    const w = watch(b.tab(["comet.js"]), {
      channels: { a: 1 },
      transport,
      onmessage(m) {
        if (m.content === "4") w.comet.close();
        calls++;
      },
    });
    await w.has(4);
    await server.subscribers(0);
    const told = w.states.length;
    await server.push("a", "11");
    w.comet.subscribe("b");
    w.comet.unsubscribe("a");
    w.comet.close();
    await server.subscribers(0);
    assert.equal(calls, 4);
    assert.equal(w.states.length, told);
    assert.equal(w.comet.state, "closed");
  });
}

test("a call-back gives its channel up: nothing more of it is told", async (t) => {
  const { server, b } = await visit(t, ["--channel-buffer-size", "2"]);
  await server.push("a", ...numbers(1, 5));
  await server.push("b", "1");
  for (const [from, given] of [[4, "a open"], [1, "a lost"]]) {
    const tab = b.tab(["comet.js"]), told = [];
    await new Promise((resolve) => {
      const comet = new tab.Comet({
        url: tab.location.href,
        transport: "sse",
        channels: { a: from, b: 1 },
        onchannel: (channel, state) => {
          if (channel === "a") told.push("a " + state);
          if (told.includes(given)) comet.unsubscribe("a");
        },
        onlost: (channel) => told.push(channel + " has lost some"),
        onmessage: (m) => (m.channel === "b" ? resolve() : told.push(m.channel + ": " + m.content)),
      });
      t.after(() => comet.close());
    });
    assert.deepEqual(told, [given]);
  }
});

test("names that the server would refuse are refused here", async (t) => {
  const { b } = await visit(t);
  const comet = new (b.tab(["comet.js"]).Comet)({});
  for (const name of ["", "a\nb", "ü".repeat(128)]) assert.throws(() => comet.subscribe(name), /Comet: a channel's name has/);
  for (const name of [undefined, null, {}, ["a"], true]) {
    assert.throws(() => comet.subscribe(name), /Comet: a channel's name is of type \w+: want a string/);
    assert.throws(() => comet.publish(name, "x"), /Comet: a channel's name is of type \w+: want a string/);
  }
  assert.throws(() => new (b.tab(["comet.js"]).Comet)({ transport: "pigeon" }), /want auto, ws, sse, poll or jsonp/);
  comet.close();
});

test("an option that is wrong is thrown before anything is begun; one that does not exist is told", async (t) => {
  const { net, b } = await visit(t);
  const tab = b.tab(["comet.js"]), errors = [];
  for (const [options, message] of [
    [{ url: 7 }, /url is 7: want a URL/],
    [{ url: "http://a:b:c/" }, /url is http:..a:b:c.: want a URL/],
    [{ publishURL: "http://:80:" }, /publishURL is http:..:80:: want a URL/],
    [{ channels: 7 }, /channels is 7: want names/],
    [{ channels: ["a", ""] }, /a channel's name has 0 bytes/],
    [{ channels: ["a", "\ud800"] }, /a channel's name is not text/],
    [{ channels: { a: "newest" } }, /the number to begin with is newest: want a whole number/],
    [{ channels: { a: 1.5 } }, /the number to begin with is 1.5/],
    [{ channels: ["a"], token: 7 }, /token is 7: want a string, an object or a function/],
    [{ channels: ["a"], resume: "tab" }, /resume is tab: want true, false or "browser"/],
    [{ channels: ["a"], firstDelay: 0 }, /firstDelay is 0: want milliseconds/],
    [{ channels: ["a"], longestDelay: "soon" }, /longestDelay is soon: want milliseconds/],
    [{ channels: ["a"], onmessage: "console.log" }, /onmessage is console.log: want a function/],
  ]) {
    assert.throws(() => new tab.Comet({ share: false, ...options }), message);
  }
  const comet = new tab.Comet({ onMessage() {}, channel: "a", onerror: (e) => errors.push(e.message) });
  assert.deepEqual(errors, ["Comet: unknown option onMessage", "Comet: unknown option channel"]);
  assert.throws(() => comet.subscribe("a", "x"), /the number to begin with is x/);
  comet.subscribe("a", "1");
  comet.close();
  assert.deepEqual(net.requests, []);
});

test("more channels than a connection takes: the others go on", async (t) => {
  const { server, b } = await visit(t);
  const channels = {};
  for (let i = 0; i < 65; i++) channels["c" + i] = 1;
  const w = watch(b.tab(["comet.js"]), { channels });
  await w.until((w) => w.channels.includes("c64 busy"));
  await server.push("c0", "first");
  await server.push("c63", "last");
  await w.has(2);
});

test("a proxy's refusals: it waits as long as it is told, and takes no for an answer", async (t) => {
  let refusal = [503, { "Retry-After": "70" }];
  const server = await serve(t);
  const proxy = http.createServer((request, response) => {
    if (refusal) return response.writeHead(...refusal).end("no");
    const [host, port] = server.front.split(":");
    http.get({ host, port, path: request.url, agent: false }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const b = browser("http://127.0.0.1:" + proxy.address().port + "/", { without: ["locks"] });
  t.after(() => {
    b.end();
    proxy.closeAllConnections();
    proxy.close();
  });
  const clock = new Clock(), w = watch(b.tab(["comet.js"]), { channels: { a: 1 }, clock });
  clock.advance(20);
  await w.is("busy");
  assert.equal(clock.next(), 70000);
  refusal = [429, {}];
  clock.advance(70000);
  await w.until((w) => w.states.length === 4);
  assert.equal(w.comet.state, "busy");
  assert.equal(clock.next(), 7500, "three quarters of twice five seconds");
  refusal = [502, {}]; // the proxy does not reach the server; this is not the transport's fault
  clock.advance(7500);
  await w.is("offline");
  assert.equal(w.reason, "status 502");
  refusal = [403, {}];
  clock.advance(clock.next());
  await w.is("denied");
  assert.equal(w.reason, "status 403");
  refusal = null;
  await server.push("a", "1");
  w.comet.subscribe("a", 1);
  clock.advance(20);
  await w.has(1);
});

test("numbers wrap", async (t) => {
  // A real channel cannot get so many messages in a test. So old is a server that answers as a real one would.
  const asked = [];
  const most = 2147483647;
  const old = http.createServer((request, response) => {
    const url = new URL(request.url, "http://x/");
    response.setHeader("Content-Type", "application/json");
    if (url.pathname === "/ping") return response.end('{"type":"ping","sub_timeout":30}');
    let seq = Number(url.searchParams.get("seq"));
    asked.push(seq);
    if (asked.length > 4) return; // there are no more messages
    const list = [];
    for (let i = 0; i < 3; i++, seq = (seq + 1) | 0) list.push({ type: "data", cname: "a", seq, content: String(seq) });
    response.end(JSON.stringify(list));
  });
  await new Promise((resolve) => old.listen(0, "127.0.0.1", resolve));
  const b = browser("http://127.0.0.1:" + old.address().port + "/", { without: ["locks"] });
  t.after(() => {
    b.end();
    old.closeAllConnections();
    old.close();
  });
  const w = watch(b.tab(["comet.js"]), { channels: { a: most - 4 }, transport: "poll" });
  await w.has(12);
  const want = [-4, -3, -2, -1, 0].map((d) => most + d).concat([0, 1, 2, 3, 4, 5, 6].map((d) => -most - 1 + d));
  assert.deepEqual(w.messages.map((m) => m.seq), want);
  assert.deepEqual(w.lost, []);
});
