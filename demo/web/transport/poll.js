async function poll(seq) {
  try {
    const response = await fetch("/poll?cname=transports&seq=" + seq);
    const answer = await response.json();
    // One message, or an array of those that came meanwhile.
    for (const message of [answer].flat()) {
      if (message.type === "data" || message.type === "broadcast") {
        document.getElementById("messages").append(message.content, "\n");
        seq = message.seq + 1;
      } else if (message.type === "next_seq") {
        seq = message.seq;
      } else if (message.type !== "noop") {
        throw new Error(message.content); // refused, or closed
      }
    }
    poll(seq);
  } catch {
    setTimeout(poll, 3000, seq);
  }
}

poll(1); // from the oldest that is kept on
