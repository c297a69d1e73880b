// Start with the oldest message that the server has.
const source = new EventSource("/sse?cname=transports&seq=1");

source.onmessage = (event) => {
  const message = JSON.parse(event.data);
  if (message.type === "data" || message.type === "broadcast") {
    document.getElementById("messages").append(message.content, "\n");
  } else if (message.type === "close" || Number(message.type) > 0) {
    source.close(); // the channel was closed, or the request was refused: do not reconnect
  }
};
