let seq = 1; // from the oldest that is kept on
let tag = ""; // of what was answered last

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
      tag = seq === next ? response.headers.get("ETag") : ""; // else there are more
    }
  } catch {
    // It asks again.
  }
  setTimeout(ask, 3000);
}

ask();
