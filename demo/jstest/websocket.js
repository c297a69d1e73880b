// Implements a browser's WebSocket over Node's own http. It sends and receives text, answers pings, and can be closed
// by either end.
"use strict";

const crypto = require("node:crypto");
const http = require("node:http");

const text = 1, closing = 8, ping = 9, pong = 10;

// frame returns an unfragmented, masked frame of a client.
function frame(opcode, payload) {
  const mask = crypto.randomBytes(4), size = payload.length;
  const head = Buffer.alloc(size < 126 ? 2 : size < 65536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | (size < 126 ? size : size < 65536 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(size, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(size), 2);
  return Buffer.concat([head, mask, payload.map((byte, i) => byte ^ mask[i % 4])]);
}

class WebSocket {
  constructor(url, { origin, agent }) {
    const key = crypto.randomBytes(16).toString("base64");
    this.readyState = 0;
    this.bytes = Buffer.alloc(0);
    this.request = http.get(url.replace(/^ws/, "http"), { agent, headers: { Origin: origin, Connection: "Upgrade", Upgrade: "websocket",
      "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key } });
    this.request.on("response", () => this.fail(1006));
    this.request.on("error", () => this.fail(1006));
    this.request.on("upgrade", (response, socket, head) => {
      if (this.readyState === 3) return socket.destroy();
      const accept = crypto.createHash("sha1").update(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
      if (response.headers["sec-websocket-accept"] !== accept) return this.fail(1006);
      this.socket = socket;
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => this.fail(1006));
      socket.on("data", (data) => this.receive(data));
      this.readyState = 1;
      if (this.onopen) this.onopen({});
      this.receive(head);
    });
  }

  receive(data) {
    this.bytes = Buffer.concat([this.bytes, data]);
    for (;;) {
      let size = this.bytes.length < 2 ? 0 : this.bytes[1], head = 2;
      if (this.bytes.length < 2 || this.bytes.length < (head = size < 126 ? 2 : size === 126 ? 4 : 10)) return;
      if (head === 4) size = this.bytes.readUInt16BE(2);
      if (head === 10) size = Number(this.bytes.readBigUInt64BE(2));
      if (this.bytes.length < head + size) return;
      const opcode = this.bytes[0], payload = this.bytes.subarray(head, head + size);
      this.bytes = this.bytes.subarray(head + size);
      this.take(opcode, payload);
    }
  }

  // take handles a frame. The server sends no fragments.
  take(opcode, payload) {
    if (opcode === (0x80 | text)) {
      if (this.readyState === 1 && this.onmessage) this.onmessage({ data: payload.toString("utf8") });
    } else if (opcode === (0x80 | ping)) {
      this.write(pong, payload);
    } else if (opcode === (0x80 | closing)) {
      this.write(closing, payload);
      this.fail(payload.length < 2 ? 1005 : payload.readUInt16BE(0));
    } else if (opcode !== (0x80 | pong)) {
      this.fail(1006);
    }
  }

  write(opcode, payload) {
    if (this.socket && this.socket.writable) this.socket.write(frame(opcode, payload));
  }

  send(data) {
    if (this.readyState === 0) throw new Error("InvalidStateError: it is still connecting");
    if (this.readyState === 1) this.write(text, Buffer.from(data, "utf8"));
  }

  close() {
    if (this.readyState < 2 && this.socket) this.write(closing, Buffer.from([1000 >> 8, 1000 & 255]));
    this.fail(1006);
  }

  // kill is called when the tab ends.
  kill() {
    this.onopen = this.onmessage = this.onclose = null;
    this.readyState = 3;
    this.request.destroy();
    if (this.socket) this.socket.destroy();
  }

  // fail ends the connection and calls onclose. As in a browser, onclose is not called before the caller has returned.
  fail(code) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    if (this.socket) this.socket.end();
    else this.request.destroy();
    setImmediate(() => this.onclose && this.onclose({ code }));
  }
}

module.exports = { WebSocket };
