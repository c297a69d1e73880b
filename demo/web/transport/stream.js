let seq = 1; // from the oldest that is kept on

async function stream() {
  try {
    const response = await fetch("/stream?cname=transports&seq=" + seq);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = (text + value).split("\n");
      text = lines.pop(); // what is not whole yet
      lines.map(JSON.parse).forEach(take);
    }
  } catch {
    // Cut off: it goes on from its place.
  }
  setTimeout(stream, 3000);
}

function take(message) {
  if (message.type === "data" || message.type === "broadcast") {
    document.getElementById("messages").append(message.content, "\n");
    seq = message.seq + 1;
  } else if (message.type === "next_seq") {
    seq = message.seq;
  }
}

stream();
