let seq = 1; // from the oldest that is kept on

// The scripts in the frame call this.
function icomet_cb(message) {
  if (message.type === "data" || message.type === "broadcast") {
    document.getElementById("messages").append(message.content, "\n");
    seq = message.seq + 1;
  } else if (message.type === "next_seq") {
    seq = message.seq;
  }
}

function wait() {
  const frame = document.createElement("iframe");
  frame.hidden = true;
  frame.src = "/iframe?cname=transports&seq=" + seq;
  frame.onload = () => { // its document has ended
    frame.remove();
    setTimeout(wait, 3000);
  };
  document.body.append(frame);
}

window.onload = wait;
