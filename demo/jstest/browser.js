// Implements the parts of a browser that the clients use and Node does not have,
// over Node's own http. Each tab() is a separate script context. The tabs of one
// browser() share locks, storage and broadcast channels.
"use strict";

const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const vm = require("node:vm");
const { WebSocket } = require("./websocket.js");

const folder = path.join(__dirname, "..", "web", "js");

// Each request has its own connection, so that a test can count and cut them.
const agent = new http.Agent({ keepAlive: false });

class EventSource {
  constructor(url) {
    this.readyState = 0;
    this.request = http.get(url, { agent, headers: { Accept: "text/event-stream" } }, (response) => {
      if (response.statusCode !== 200 || !/^text\/event-stream/.test(response.headers["content-type"])) return this.fail();
      this.readyState = 1;
      if (this.onopen) this.onopen({});
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => {
        const events = (text + chunk).split("\n\n");
        text = events.pop();
        for (const event of events) this.dispatch(event);
      });
      response.on("close", () => this.fail());
      response.on("error", () => {});
    });
    this.request.on("error", () => this.fail());
  }

  dispatch(event) {
    const data = event.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).replace(/^ /, ""));
    if (this.readyState === 1 && data.length > 0 && this.onmessage) this.onmessage({ data: data.join("\n") });
  }

  fail() {
    if (this.readyState === 2) return;
    this.readyState = 0;
    this.request.destroy();
    if (this.onerror) this.onerror({});
  }

  close() {
    this.readyState = 2;
    this.request.destroy();
  }

  // kill is called when the tab ends.
  kill() {
    this.close();
  }
}

// makeXMLHttpRequest returns the class XMLHttpRequest of a tab. As in a browser, the
// answer of another origin is hidden unless CORS permits it.
function makeXMLHttpRequest(origin, tab) {
  return class {
    constructor() {
      this.readyState = 0;
      this.status = 0;
      this.responseText = "";
    }

    open(method, url) {
      this.url = url;
      this.method = method;
    }

    setRequestHeader() {}

    getResponseHeader(name) {
      return this.response.headers[name.toLowerCase()] || null;
    }

    send(body) {
      const same = new URL(this.url).origin === origin;
      this.request = http.request(this.url, { agent, method: this.method, headers: same ? {} : { Origin: origin } }, (response) => {
        let text = "";
        this.response = response;
        response.setEncoding("utf8");
        response.on("data", (chunk) => (text += chunk));
        response.on("error", () => {});
        response.on("close", () => {
          const shown = same || ["*", origin].includes(response.headers["access-control-allow-origin"]);
          if (response.complete && shown) this.finish(response.statusCode, text);
          else this.finish(0, "");
        });
      });
      this.request.on("error", () => this.finish(0, ""));
      this.request.end(body);
    }

    finish(status, text) {
      if (this.readyState === 4 || tab().gone) return;
      this.readyState = 4;
      this.status = status;
      this.responseText = text;
      if (this.onreadystatechange) this.onreadystatechange();
    }

    abort() {
      this.readyState = 4;
      if (this.request) this.request.destroy();
    }
  };
}

// makeDocument returns a document. Script elements that are added to it are fetched
// and run in the tab.
function makeDocument(context) {
  const run = (element) => {
    const request = http.get(element.src, { agent }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => (text += chunk));
      response.on("error", () => {});
      response.on("close", () => {
        if (context.gone) return;
        if (!response.complete || response.statusCode !== 200) return element.onerror && element.onerror({});
        vm.runInContext(text, context);
        if (element.onload) element.onload({});
      });
    });
    request.on("error", () => !context.gone && element.onerror && element.onerror({}));
    context.ends.push(() => request.destroy());
  };
  const head = {
    appendChild(element) {
      element.parentNode = head;
      run(element);
    },
    removeChild(element) {
      element.parentNode = null;
    },
  };
  return { head, documentElement: head, hidden: false, createElement: () => ({ parentNode: null }), ...makeEvents() };
}

function makeEvents() {
  const listeners = [];
  return {
    addEventListener: (type, f) => listeners.push([type, f]),
    removeEventListener: (type, f) => listeners.splice(listeners.findIndex((l) => l[0] === type && l[1] === f), 1),
    dispatch: (type, event) => listeners.filter((l) => l[0] === type).forEach((l) => l[1](event || { type })),
  };
}

// Locks implements exclusive Web Locks. A lock has one holder, from which it can be
// stolen, and a queue.
class Locks {
  constructor() {
    this.names = new Map();
  }

  // of returns the locks as one tab sees them. end() releases all locks and requests
  // of the tab, as a browser does when a tab ends.
  of() {
    const mine = new Set();
    return {
      request: (name, how, f) => {
        if (typeof how === "function") [how, f] = [{}, how];
        return new Promise((resolve, reject) => {
          const request = { f, resolve, reject, mine };
          mine.add(request);
          request.drop = () => this.drop(name, request);
          const queue = this.names.get(name) || [];
          this.names.set(name, queue);
          if (how.steal && queue.length > 0 && queue[0].held) {
            const error = new Error("the lock was stolen");
            error.name = "AbortError";
            queue.shift().reject(error);
          }
          if (how.steal) queue.unshift(request);
          else queue.push(request);
          this.next(name);
        });
      },
      end: () => [...mine].forEach((request) => request.drop()),
    };
  }

  next(name) {
    const first = this.names.get(name)[0];
    if (!first || first.held) return;
    first.held = true;
    queueMicrotask(async () => {
      if (!this.names.get(name).includes(first)) return;
      await first.f({ name });
      first.drop();
      first.resolve();
    });
  }

  drop(name, request) {
    const queue = this.names.get(name), at = queue.indexOf(request);
    request.mine.delete(request);
    if (at < 0) return;
    queue.splice(at, 1);
    this.next(name);
  }
}

class Storage {
  constructor() {
    this.items = new Map();
  }
  getItem(key) {
    return this.items.has(key) ? this.items.get(key) : null;
  }
  setItem(key, value) {
    this.items.set(key, String(value));
  }
  removeItem(key) {
    this.items.delete(key);
  }
}

// browser returns a browser whose tabs are at origin. without is a list of features
// that it does not have.
function browser(origin, { without = [] } = {}) {
  const locks = new Locks(), localStorage = new Storage(), prefix = String(Math.random());
  const tabs = [];

  // tab opens a tab and runs these scripts in it. A tab that is opened again gets its previous sessionStorage. delay
  // is a function that shortens the delays of timers.
  function tab(scripts, { sessionStorage = new Storage(), globals = {}, delay: shorter = (ms) => ms } = {}) {
    const channels = [], timers = new Set(), own = locks.of(), opened = [];
    const start = (f, delay) => {
      if (context.gone) return 0;
      const timer = setTimeout(() => timers.delete(timer) && f(), shorter(delay));
      timers.add(timer);
      return timer;
    };
    const repeat = (f, delay) => {
      if (context.gone) return 0;
      const timer = setInterval(f, delay);
      timers.add(timer);
      return timer;
    };
    const stop = (timer) => timers.delete(timer) && clearTimeout(timer);
    class Channel extends BroadcastChannel {
      constructor(name) {
        super(prefix + name);
        channels.push(this);
      }
      postMessage(message) {
        if (!context.gone) super.postMessage(message); // a tab that has ended sends nothing
      }
    }
    class Source extends EventSource {
      constructor(url) {
        super(url);
        opened.push(this);
      }
    }
    class Socket extends WebSocket {
      constructor(url) {
        super(url, { origin: new URL(origin).origin, agent });
        opened.push(this);
      }
    }
    const context = vm.createContext({
      ...makeEvents(), location: new URL(origin), URL, console, setTimeout: start, clearTimeout: stop, setInterval: repeat, clearInterval: stop,
      EventSource: Source, WebSocket: Socket, XMLHttpRequest: makeXMLHttpRequest(new URL(origin).origin, () => context), BroadcastChannel: Channel,
      navigator: { onLine: true, locks: own }, sessionStorage, localStorage, ends: [], gone: false, ...globals,
    });
    context.self = context.window = context;
    context.document = makeDocument(context);
    for (const name of without) delete (name === "locks" ? context.navigator : context)[name];
    // end ends the tab without warning: nothing in it runs any more.
    context.end = () => {
      context.gone = true;
      timers.forEach(stop);
      for (const channel of channels) channel.close();
      for (const source of opened) source.kill();
      for (const end of context.ends) end();
      own.end();
    };
    for (const script of scripts) vm.runInContext(fs.readFileSync(path.join(folder, script), "utf8"), context, { filename: script });
    tabs.push(context);
    return context;
  }

  return { tab, end: () => tabs.forEach((t) => t.gone || t.end()) };
}

module.exports = { browser, folder };
