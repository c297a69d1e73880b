// From the oldest that is kept on.
const source = new EventSource("/sse?cname=transports&seq=1");

source.onmessage = (event) => {
  const message = JSON.parse(event.data);
  if (message.type === "data" || message.type === "broadcast") {
    document.getElementById("messages").append(message.content, "\n");
  } else if (message.type === "close" || Number(message.type) > 0) {
    source.close(); // closed, or refused: do not ask again
  }
};
