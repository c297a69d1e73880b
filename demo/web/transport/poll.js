async function poll(seq) {
  try {
    const response = await fetch("/poll?cname=transports&seq=" + seq);
    const answer = await response.json();
    // The answer is one message, or an array of messages.
    for (const message of [answer].flat()) {
      if (message.type === "data" || message.type === "broadcast") {
        document.getElementById("messages").append(message.content, "\n");
        seq = message.seq + 1;
      } else if (message.type === "next_seq") {
        seq = message.seq;
      } else if (message.type !== "noop") {
        throw new Error(message.content); // the request was refused, or the channel was closed
      }
    }
    poll(seq);
  } catch {
    setTimeout(poll, 3000, seq);
  }
}

poll(1); // start with the oldest message that the server has
