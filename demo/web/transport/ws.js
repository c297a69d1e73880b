let seq = 1; // from the oldest that is kept on

function connect() {
  const socket = new WebSocket(location.origin.replace("http", "ws") + "/ws");
  socket.onopen = () => socket.send(JSON.stringify({ op: "sub", cname: "transports", seq }));
  socket.onmessage = (event) => take(JSON.parse(event.data));
  socket.onclose = () => setTimeout(connect, 3000); // it goes on from its place
}

function take(message) {
  if (message.type === "data" || message.type === "broadcast") {
    document.getElementById("messages").append(message.content, "\n");
    seq = message.seq + 1;
  } else if (message.type === "ok" || message.type === "next_seq") {
    seq = message.seq;
  }
}

connect();
