// Shows the bytes that the client of a transport's page receives. The client
// itself is not changed: this module replaces the functions that it calls.
//
//  1. fetch: the response is cloned, so the bytes that are shown are those that
//     the client reads.
//  2. WebSocket: a browser does not show the frames, so their first bytes are
//     computed. An uncompressed, unfragmented text frame of a server starts with
//     two bytes, or four or ten if its text is long.
//  3. EventSource, script and iframe: a browser does not show their bytes. The
//     same address is requested a second time, and those bytes are shown. What
//     an EventSource or an iframe delivers is shown too.

const rows = document.getElementById("bytes");
const mostRows = 300;
const fetchBytes = window.fetch;
const escaped = { "\n": "↵\n", "\r": "␍", "\t": "␉" };

// row appends a row with the time, a label and a text. kind is the row's CSS
// class: "request", "head", "bytes", "end", "cut", "event", "markup" or "sent".
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

// showResponse shows a response while it arrives.
async function showResponse(response) {
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
    row("cut", "before the end of the response", "connection lost");
  }
}

// requestAgain requests an address that the client has also requested, to show
// the bytes of the response.
async function requestAgain(address, headers = {}) {
  const { pathname, search } = new URL(address, location.href);
  row("request", "GET " + pathname + search, "second request");
  try {
    await showResponse(await fetchBytes(address, { headers, cache: "no-store" }));
  } catch {
    row("cut", "no answer", "failed");
  }
}

window.fetch = async (address, options) => {
  row("request", "GET " + address);
  try {
    const response = await fetchBytes(address, options);
    showResponse(response.clone());
    return response;
  } catch (error) {
    row("cut", "no answer", "failed");
    throw error;
  }
};

window.EventSource = class extends EventSource {
  constructor(address, options) {
    super(address, options);
    let last = "";
    this.addEventListener("open", () => requestAgain(address, last === "" ? {} : { "Last-Event-ID": last }));
    this.addEventListener("error", () => row("event", "error: the browser reconnects"));
    this.addEventListener("message", (event) => {
      last = event.lastEventId;
      row("event", "data: " + event.data + "\nlastEventId: " + last);
    });
  }
};

const sockets = new Set();

// frameHead returns the first bytes of a text frame whose text has this many
// bytes.
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
    row("request", "GET " + pathname + search + "\nUpgrade: websocket");
    this.addEventListener("open", () => row("head", "101 Switching Protocols" + (this.extensions && "\n" + this.extensions)));
    this.addEventListener("message", ({ data }) => this.show(data));
    this.addEventListener("close", ({ code, reason }) => {
      sockets.delete(this);
      if (code === 1006) row("cut", "without a close frame", "connection lost");
      else row("end", "close frame: " + code + " " + reason);
    });
  }

  // show shows a frame. If the connection has compression, it shows only the
  // inflated text, because the frame's own bytes are not known.
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

// Request again what each new script or iframe of the page loads.
new MutationObserver((changes) => {
  for (const change of changes) {
    for (const node of change.addedNodes) if (node.src) requestAgain(node.src);
  }
}).observe(document.documentElement, { childList: true, subtree: true });

// The scripts in the iframe call icomet_cb. During the call, currentScript of the
// iframe's document is the script that calls, so its markup can be shown.
document.addEventListener("DOMContentLoaded", () => {
  const client = window.icomet_cb;
  if (!client) return;
  window.icomet_cb = (message) => {
    row("markup", document.querySelector("iframe").contentDocument.currentScript.outerHTML);
    client(message);
  };
});

// The commands for curl name this server's address.
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

// A browser opens at most six connections to a server, for all tabs together. So
// a hidden page closes its connections, and a Content-Security-Policy forbids it
// new ones. When it is visible again, it reloads, and gets the messages that the
// server has stored meanwhile.
let paused = false;

function pause() {
  if (!document.hidden || paused) return;
  paused = true;
  window.stop();
  for (const socket of sockets) socket.close();
  const policy = document.createElement("meta");
  policy.httpEquiv = "Content-Security-Policy";
  policy.content = "default-src 'none'";
  document.head.append(policy);
}

document.addEventListener("visibilitychange", () => {
  pause();
  if (paused && !document.hidden) location.reload();
});
window.addEventListener("load", pause);
