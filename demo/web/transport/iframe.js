let seq = 1; // number of the next message; 1: the oldest that the server has

// The scripts in the iframe call this function.
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
  frame.onload = () => { // the document has ended
    frame.remove();
    setTimeout(wait, 3000);
  };
  document.body.append(frame);
}

window.onload = wait;
