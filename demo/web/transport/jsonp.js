let seq = 1; // number of the next message; 1: the oldest that the server has
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

// The server's answer is a script that calls this function with a message, or with
// an array of messages.
function answer(said) {
  pause = 0;
  for (const message of [said].flat()) {
    if (message.type === "data" || message.type === "broadcast") {
      document.getElementById("messages").append(message.content, "\n");
      seq = message.seq + 1;
    } else if (message.type === "next_seq") {
      seq = message.seq;
    } else if (message.type !== "noop") {
      pause = 3000; // the channel was closed, or the request was refused
    }
  }
}

window.onload = ask;
