// Runs the real server as a separate process, and a gate in front of it. For the
// clients the gate is the network, which the tests can interrupt.
"use strict";

const { spawn } = require("node:child_process");
const http = require("node:http");
const net = require("node:net");
const readline = require("node:readline");

const program = process.env.CCOMET_PROGRAM;
if (!program) throw new Error("CCOMET_PROGRAM does not say where the server is: run these by 'go test ./demo'");

// ask sends a request and returns { status, text }.
function ask(address, target, form) {
  return new Promise((resolve, reject) => {
    const [host, port] = address.split(":");
    const request = http.request({ host, port, path: target, method: form ? "POST" : "GET", agent: false,
      headers: form ? { "Content-Type": "application/x-www-form-urlencoded" } : {} }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode, text }));
    });
    request.on("error", reject);
    request.end(form ? new URLSearchParams(form).toString() : undefined);
  });
}

// serve starts a server on free ports. It runs until the test ends.
async function serve(t, ...args) {
  const child = spawn(program, ["serve", "--front", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-format", "json", ...args],
    { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  const serving = await new Promise((resolve, reject) => {
    const log = [];
    readline.createInterface({ input: child.stderr }).on("line", (line) => {
      log.push(line);
      if (line.includes('"message":"serving"')) resolve(JSON.parse(line));
    });
    ended.then(() => reject(new Error("the server ended: " + log.join("\n"))));
  });
  const server = {
    serving,
    front: serving.front[0],
    admin: serving.admin[0],
    kill: () => {
      child.kill("SIGKILL");
      return ended;
    },
    stop: () => {
      child.kill("SIGTERM");
      return ended;
    },
    async push(cname, ...contents) {
      for (const content of contents) {
        const answer = await ask(server.admin, "/push", { cname, content });
        if (answer.status !== 200) throw new Error("push: " + answer.text);
      }
    },
    admits: async (target) => (await ask(server.admin, target)).text,
    async broadcast(content) {
      await ask(server.admin, "/broadcast", { content });
    },
    // published waits until a channel has given this many numbers.
    async published(count, cname) {
      for (;;) {
        const text = await server.admits("/explain?cname=" + cname);
        if (text.startsWith("{") && JSON.parse(text).next === count + 1) return;
      }
    },
    // subscribers waits until there are this many subscribers of a channel, or of all channels.
    async subscribers(count, cname) {
      for (;;) {
        const info = JSON.parse(await server.admits("/info" + (cname ? "?cname=" + cname : "")));
        if (info.subscribers === count) return;
      }
    },
  };
  t.after(server.kill);
  return server;
}

// gate forwards connections to a server. A test can replace the server (server), change the requests (rewrite), hold
// back the bodies of responses (keepBack), and discard responses (swallow).
async function gate(t, server) {
  const open = new Map(); // the connection of each client, and its connection to the server
  const it = { server, shut: false, connections: 0, requests: [] };
  const listener = net.createServer((client) => {
    it.connections++;
    if (it.shut) return client.destroy();
    const [host, port] = it.server.front.split(":");
    const upstream = net.connect({ host, port: Number(port), noDelay: true });
    open.set(client, upstream);
    client.setNoDelay(true);
    client.once("data", (data) => {
      const head = data.toString("latin1");
      it.requests.push(head.split(" ", 2)[1]);
      if (it.keepBack && it.keepBack.test(head)) keepBack();
      if (it.swallow && it.swallow.test(head)) upstream.unpipe(client).resume();
    });
    client.on("error", () => {});
    upstream.on("error", () => {});
    if (it.rewrite) client.on("data", (data) => upstream.write(it.rewrite(data.toString("latin1")), "latin1"));
    else client.pipe(upstream);
    upstream.pipe(client);
    // The head of a response that is kept back is forwarded, so that the response seems to start. Its body is not.
    const keepBack = () => {
      upstream.unpipe(client);
      upstream.once("data", (data) => client.write(data.subarray(0, data.indexOf("\r\n\r\n") + 4)));
      upstream.resume();
    };
    client.on("close", () => {
      open.delete(client);
      upstream.destroy();
    });
    upstream.on("close", () => client.destroy());
  });
  await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));
  it.origin = "http://127.0.0.1:" + listener.address().port + "/";
  // cut breaks all connections. close also refuses new ones, until open is called.
  it.cut = () => [...open.keys()].forEach((client) => client.destroy());
  it.close = () => {
    it.shut = true;
    it.cut();
  };
  it.open = () => (it.shut = false);
  // asked returns how many connections had this path in their first request.
  it.asked = (path) => it.requests.filter((target) => target.split("?", 1)[0] === path).length;
  // stall keeps the existing connections open, and forwards nothing in either direction. go continues.
  const ways = (f) => open.forEach((upstream, client) => [[client, upstream], [upstream, client]].forEach((way) => f(...way)));
  it.stall = () => ways((from, to) => from.unpipe(to).pause());
  it.go = () => ways((from, to) => from.pipe(to));
  // mute forwards nothing more to the clients on the existing connections.
  it.mute = () => open.forEach((upstream, client) => upstream.unpipe(client).resume());
  t.after(() => {
    it.cut();
    listener.close();
  });
  return it;
}

module.exports = { ask, serve, gate };
