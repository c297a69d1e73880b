let seq = 1; // number of the next message; 1: the oldest that the server has

async function stream() {
  try {
    const response = await fetch("/stream?cname=transports&seq=" + seq);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = (text + value).split("\n");
      text = lines.pop(); // the last line is not complete yet
      lines.map(JSON.parse).forEach(take);
    }
  } catch {
    // The connection was lost. The next request continues with message seq.
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
