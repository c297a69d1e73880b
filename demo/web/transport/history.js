let seq = 1; // number of the next message; 1: the oldest that the server has
let tag = ""; // the ETag of the last answer

async function ask() {
  try {
    const response = await fetch("/history?cname=transports&seq=" + seq, { headers: { "If-None-Match": tag }, cache: "no-store" });
    if (response.status === 200) {
      const { messages, next } = await response.json();
      for (const message of messages) {
        document.getElementById("messages").append(message.content, "\n");
        seq = message.seq + 1;
      }
      if (messages.length === 0) seq = next;
      tag = seq === next ? response.headers.get("ETag") : ""; // without a tag, the server sends the further messages
    }
  } catch {
    // The request has failed, and is repeated.
  }
  setTimeout(ask, 3000);
}

ask();
