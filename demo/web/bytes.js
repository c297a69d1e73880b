// What a transport's page shows beside its client: the bytes. The client runs
// untouched in the same page; what it asks for is noticed:
//
//  1. What it fetches is cloned: these are the bytes that it reads.
//  2. A WebSocket's frames are shown as they are: a text frame that is not
//     masked, not in pieces and not compressed has two bytes before it, or four
//     or ten if it is long.
//  3. An EventSource, a script and a frame show no bytes: their address is
//     fetched once more beside them, and what they do give is shown too.

const rows = document.getElementById("bytes");
const mostRows = 300;
const fetchBytes = window.fetch;
const escaped = { "\n": "↵\n", "\r": "␍", "\t": "␉" };

// row shows what has come, or what was asked for, and when. kind is "asked",
// "head", "bytes", "end", "cut", "event", "markup" or "sent".
function row(kind, text, label = kind) {
  const atEnd = rows.scrollHeight - rows.scrollTop - rows.clientHeight < 48;
  const item = document.createElement("li");
  item.className = kind;
  const time = document.createElement("time");
  time.textContent = new Date().toTimeString().slice(0, 8) + "." + String(Date.now() % 1000).padStart(3, "0");
  const what = document.createElement("span");
  what.textContent = label;
  const pre = document.createElement("pre");
  pre.textContent = text;
  item.append(time, what, pre);
  rows.append(item);
  while (rows.children.length > mostRows) rows.firstChild.remove();
  if (atEnd) rows.scrollTop = rows.scrollHeight;
}

const bytes = (count) => count + (count === 1 ? " byte" : " bytes");

// follow shows a response as it comes.
async function follow(response) {
  const head = [...response.headers].map(([name, value]) => name + ": " + value).join("\n");
  row("head", response.status + " " + response.statusText + "\n" + head);
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const text = decoder.decode(value, { stream: true });
      row("bytes", text.replace(/[\n\r\t]/g, (c) => escaped[c]), bytes(value.length));
    }
    row("end", "of the response");
  } catch {
    row("cut", "before the end of the response");
  }
}

// beside fetches what something else has asked for.
async function beside(address, headers = {}) {
  const { pathname, search } = new URL(address, location.href);
  row("asked", "GET " + pathname + search, "asked beside");
  try {
    await follow(await fetchBytes(address, { headers, cache: "no-store" }));
  } catch {
    row("cut", "no answer");
  }
}

window.fetch = async (address, options) => {
  row("asked", "GET " + address);
  try {
    const response = await fetchBytes(address, options);
    follow(response.clone());
    return response;
  } catch (error) {
    row("cut", "no answer");
    throw error;
  }
};

window.EventSource = class extends EventSource {
  constructor(address, options) {
    super(address, options);
    let last = "";
    this.addEventListener("open", () => beside(address, last === "" ? {} : { "Last-Event-ID": last }));
    this.addEventListener("error", () => row("event", "error: the browser tries again"));
    this.addEventListener("message", (event) => {
      last = event.lastEventId;
      row("event", "data: " + event.data + "\nlastEventId: " + last);
    });
  }
};

const sockets = new Set();

// frameHead is what stands before a text of so many bytes.
function frameHead(size) {
  if (size < 126) return [0x81, size];
  if (size < 65536) return [0x81, 126, size >> 8, size & 255];
  return [0x81, 127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((shift) => (size >> shift) & 255)];
}

window.WebSocket = class extends WebSocket {
  constructor(address) {
    super(address);
    const { pathname, search } = new URL(address);
    sockets.add(this);
    row("asked", "GET " + pathname + search + "\nUpgrade: websocket");
    this.addEventListener("open", () => row("head", "101 Switching Protocols" + (this.extensions && "\n" + this.extensions)));
    this.addEventListener("message", ({ data }) => this.show(data));
    this.addEventListener("close", ({ code, reason }) => {
      sockets.delete(this);
      row(code === 1006 ? "cut" : "end", code === 1006 ? "without a close frame" : "close frame: " + code + " " + reason);
    });
  }

  show(data) {
    const size = new TextEncoder().encode(data).length;
    const head = frameHead(size);
    if (this.extensions) return row("bytes", data, bytes(size) + ", inflated");
    const shown = head.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    row("bytes", shown + " " + data, bytes(head.length + size));
  }

  send(data) {
    row("sent", data, "sent");
    super.send(data);
  }
};

new MutationObserver((changes) => {
  for (const change of changes) {
    for (const node of change.addedNodes) if (node.src) beside(node.src);
  }
}).observe(document.documentElement, { childList: true, subtree: true });

// The scripts in a frame call the page: each then is the one that runs.
document.addEventListener("DOMContentLoaded", () => {
  const client = window.icomet_cb;
  if (!client) return;
  window.icomet_cb = (message) => {
    row("markup", document.querySelector("iframe").contentDocument.currentScript.outerHTML);
    client(message);
  };
});

for (const command of document.querySelectorAll(".curl")) {
  command.textContent = command.textContent.replace("http://127.0.0.1:8100", location.origin);
}

document.getElementById("publish").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = document.getElementById("text");
  const published = document.getElementById("published");
  try {
    const body = new URLSearchParams({ cname: "transports", content: text.value, ack: "1" });
    const response = await fetchBytes("/demo/push", { method: "POST", body });
    published.textContent = response.ok ? "published as number " + (await response.json()).seq : await response.text();
  } catch {
    published.textContent = "The server does not answer.";
  }
  text.select();
});

// A browser has six connections to a server at most, for all its tabs. A page
// that nobody looks at gives its own up, may have no others, and begins anew
// when it is looked at: the server has kept what it misses.
let paused = false;

function pause() {
  if (!document.hidden || paused) return;
  paused = true;
  window.stop();
  for (const socket of sockets) socket.close();
  const nothing = document.createElement("meta");
  nothing.httpEquiv = "Content-Security-Policy";
  nothing.content = "default-src 'none'";
  document.head.append(nothing);
}

document.addEventListener("visibilitychange", () => {
  pause();
  if (paused && !document.hidden) location.reload();
});
window.addEventListener("load", pause);
