// Tests ccomet.js with the real server, used as pages use it.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const { browser } = require("./browser.js");
const { serve, gate } = require("./server.js");

async function visit(t) {
  const server = await serve(t, "--ccomet", "127.0.0.1:0");
  const net = await gate(t, { front: server.serving.ccomet[0] }), b = browser("http://page.example/");
  t.after(b.end);
  return { server, net, b };
}

// open creates a CComet as a page does, and records its callbacks. Its delays are a hundredth of those in a page.
function open(b, net, sname) {
  const tab = b.tab(["ccomet.js"], {
    globals: { console: { log() {} } },
    delay: (ms) => (ms === 30000 ? ms : ms / 100), // the time limit of a request is not shortened
  });
  const seen = { tab, items: [], waiting: [] };
  const who = "channel=lobby&sname=" + sname;
  seen.comet = new tab.CComet({
    channel: "lobby",
    sname,
    sign_url: net.origin + "sign?" + who,
    sub_url: net.origin + "subscribe?" + who + "&seqid=",
    pub_url: net.origin + "publish?" + who + "&msg=",
    callback(item) {
      seen.items.push({ ...item });
      seen.waiting = seen.waiting.filter((w) => !w());
    },
  });
  seen.texts = () => seen.items.filter((i) => i.type === "MSG").map((i) => i.msg);
  seen.has = (n) => new Promise((resolve) => {
    const settled = () => seen.texts().length >= n && (resolve(), true);
    if (!settled()) seen.waiting.push(settled);
  });
  return seen;
}

test("what one publishes all get, whatever is in it", async (t) => {
  const { net, b } = await visit(t);
  const ada = open(b, net, "ada"), bob = open(b, net, "bob");
  const texts = ["hello", "a&b=c#d%41+e", "'\"\\ \u2028 ü", "&time=1"];
  for (const [n, text] of texts.entries()) {
    ada.comet.pub(text);
    await Promise.all([ada.has(n + 1), bob.has(n + 1)]);
  }
  for (const seen of [ada, bob]) {
    assert.deepEqual(seen.texts(), texts);
    const first = seen.items.find((i) => i.type === "MSG");
    assert.deepEqual(first, { type: "MSG", msg: "hello", sname: "ada", seqid: "0", channel: "lobby" });
    assert.equal(seen.comet.seqid, texts.length);
    assert.equal(seen.comet.sign_sta, true);
    seen.comet.stop();
  }
});

test("it goes on after cuts, and after a server that begins anew", async (t) => {
  const { net, b } = await visit(t);
  const ada = open(b, net, "ada"), bob = open(b, net, "bob");
  for (const text of ["1", "2", "3"]) ada.comet.pub(text);
  await Promise.all([ada.has(3), bob.has(3)]);
  net.cut();
  ada.comet.pub("4");
  await Promise.all([ada.has(4), bob.has(4)]); // the next server does not have it
  const again = await serve(t, "--ccomet", "127.0.0.1:0");
  net.server = { front: again.serving.ccomet[0] };
  net.cut();
  ada.comet.pub("5");
  await Promise.all([ada.has(5), bob.has(5)]);
  assert.deepEqual(bob.texts().slice(3), ["4", "5"]);
  ada.comet.stop();
  bob.comet.stop();
});

test("after stop() it calls back no more", async (t) => {
  const { net, b } = await visit(t);
  const ada = open(b, net, "ada"), bob = open(b, net, "bob");
  ada.comet.pub("1");
  await Promise.all([ada.has(1), bob.has(1)]);
  bob.comet.stop();
  const had = bob.items.length;
  ada.comet.pub("2");
  await ada.has(2);
  assert.equal(bob.items.length, had);
  bob.comet.sign();
  await bob.has(2);
  ada.comet.stop();
  bob.comet.stop();
});
