let seq = 1; // number of the next message; 1: the oldest that the server has

function connect() {
  const socket = new WebSocket(location.origin.replace("http", "ws") + "/ws");
  socket.onopen = () => socket.send(JSON.stringify({ op: "sub", cname: "transports", seq }));
  socket.onmessage = (event) => take(JSON.parse(event.data));
  socket.onclose = () => setTimeout(connect, 3000); // the next connection continues with message seq
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
