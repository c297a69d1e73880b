let seq = 1; // from the oldest that is kept on
let pause = 0; // milliseconds before the next request

function ask() {
  const script = document.createElement("script");
  script.src = "/poll?cname=transports&cb=answer&seq=" + seq;
  script.onload = () => next(script, pause);
  script.onerror = () => next(script, 3000);
  document.head.append(script);
}

function next(script, delay) {
  script.remove();
  setTimeout(ask, delay);
}

// The server's answer calls this: with a message, or an array of several.
function answer(said) {
  pause = 0;
  for (const message of [said].flat()) {
    if (message.type === "data" || message.type === "broadcast") {
      document.getElementById("messages").append(message.content, "\n");
      seq = message.seq + 1;
    } else if (message.type === "next_seq") {
      seq = message.seq;
    } else if (message.type !== "noop") {
      pause = 3000; // closed, or refused
    }
  }
}

window.onload = ask;
