// The cluster page. It receives the messages of a channel and shows which node it is
// connected to. It also shows the state of all processes, with buttons to change it.

const channel = "cluster";
const maxLines = 300; // of the list

// If at least this many numbers are lost, the nodes have skipped them after a
// failover or restart of Redis (LogGap in comet/internal/record).
const leastSkipped = 65536;

const $ = (id) => document.getElementById(id);

// --- The subscriber ----------------------------------------------------------

let next = 0; // number of the next message; 0: not known yet
let epoch = "";
let node = "";
// wrong counts the messages that were duplicate or out of order.
const counts = { received: 0, lost: 0, wrong: 0 };

// say appends a line to the list. If isNote is true, the line is not a message.
function say(text, isNote) {
  const list = $("messages");
  const line = document.createElement("li");
  line.textContent = text;
  if (isNote) line.className = "note";
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(line);
  while (list.childElementCount > maxLines) list.firstElementChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function count(what, by) {
  counts[what] += by;
  $(what).textContent = counts[what];
}

// take handles an object of the response.
function take(m) {
  if (m.epoch) epoch = m.epoch;
  switch (m.type) {
    case "data":
      if (next && m.seq !== next) count("wrong", 1);
      next = m.seq + 1;
      count("received", 1);
      say(`${m.seq}  ${m.content}`);
      break;
    case "next_seq":
      next = m.seq;
      break;
    case "lost": {
      const [from, to] = m.content.split("-").map(Number);
      const n = to ? to - from + 1 : 0;
      count("lost", n);
      next = m.seq;
      say(`lost: ${m.content}${n >= leastSkipped ? " (most of these numbers had no message: the servers skipped them)" : ""}`, true);
      break;
    }
  }
}

// subscribe makes a request, and reads the response to its end.
async function subscribe() {
  const response = await fetch(`/stream?cname=${channel}&lost=1&seq=${next}&epoch=${epoch}`, { cache: "no-store" });
  if (!response.ok || !response.body) throw new Error(`status ${response.status}`);
  const at = response.headers.get("X-Node") || "?";
  if (at !== node) say(`connected to ${at}`, true);
  node = at;
  $("here").textContent = `You are connected to ${node}.`;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) take(JSON.parse(line));
  }
}

// stayConnected subscribes again whenever a response has ended.
async function stayConnected() {
  for (;;) {
    try {
      await subscribe();
    } catch (e) {
      console.info(String(e)); // the connection was lost, or no node can be reached
    }
    $("here").textContent = node ? `The connection to ${node} was lost. Connecting.` : "Connecting.";
    node = "";
    await new Promise((done) => setTimeout(done, 300 + 400 * Math.random()));
  }
}

// --- The processes -----------------------------------------------------------

// The buttons of a process in each state: the requested action, and the text.
const switches = {
  runs: [["stop", "Stop"], ["kill", "Kill"], ["freeze", "Freeze"]],
  frozen: [["thaw", "Continue"], ["kill", "Kill"]],
  stopped: [["start", "Start"]],
};
const words = { runs: "running", frozen: "frozen", stopped: "stopped" };

// post sends a request to the cluster program, and shows its refusal.
async function post(path, form) {
  const body = new URLSearchParams(form);
  const response = await fetch(path, { method: "POST", body, headers: { "X-Cluster-Demo": "1" } });
  if (!response.ok) say(`${path}: ${response.status} ${await response.text()}`, true);
}

const cards = new Map(); // by name of the process

// card returns the card of a process, and creates it if necessary.
function card(name) {
  let li = cards.get(name);
  if (!li) {
    li = document.createElement("li");
    li.id = name;
    li.innerHTML = `<h2></h2><dl></dl><p class="ready"></p><div class="switches"></div>`;
    $("members").append(li);
    cards.set(name, li);
  }
  return li;
}

// show updates the card of a process. values are the figures to show, trouble is the
// reason why a node is not ready, and link is the address of the node's chat.
function show(name, state, values, trouble, link) {
  const li = card(name);
  li.className = state + (name === node ? " here" : "");
  const heading = li.querySelector("h2");
  heading.textContent = name + " ";
  const word = document.createElement("span");
  word.className = "state";
  word.textContent = words[state];
  heading.append(word);
  li.querySelector("dl").replaceChildren(...Object.entries(values).map(([what, value]) => {
    const row = document.createElement("div");
    const dt = document.createElement("dt");
    const dd = document.createElement("dd");
    dt.textContent = what;
    dd.textContent = state === "runs" ? value : "–";
    row.append(dt, dd);
    return row;
  }));
  li.querySelector(".ready").textContent = trouble;
  const row = li.querySelector(".switches");
  if (row.dataset.state !== state) { // otherwise a button that has the focus would lose it
    row.dataset.state = state;
    row.replaceChildren(...switches[state].map(([to, text]) => {
      const button = document.createElement("button");
      button.textContent = text;
      button.setAttribute("aria-label", `${text} ${name}`);
      button.dataset.to = to;
      button.onclick = async () => {
        button.disabled = true;
        say(`${text}: ${name}`, true);
        await post("/cluster/switch", { name, to });
        button.disabled = false;
        await look();
      };
      return button;
    }));
    if (link) {
      const a = document.createElement("a");
      a.href = link;
      a.textContent = "Chat at this node";
      row.append(a);
    }
  }
}

const number = (n) => (n ?? 0).toLocaleString("en");

// look reads the state of all processes and shows it.
async function look() {
  const state = await (await fetch("/cluster/state", { cache: "no-store" })).json();
  for (const n of state.nodes) {
    const s = n.stats || {};
    show(n.name, n.state, {
      Connections: number(s.connections), Subscribers: number(s.subscribers), Channels: number(s.channels), "Resident memory": `${number(Math.round((s.resident_bytes ?? 0) / 1048576))} MiB`,
    }, n.state === "runs" && n.ready !== "ok" ? n.ready : "", `http://${n.front}/`);
  }
  show(state.redis.name, state.redis.state, { Keys: number(state.redis.keys), Memory: `${number(Math.round(state.redis.memory / 1024))} KiB` }, "");
  $("published").textContent = number(state.published);
  $("refused").textContent = number(state.refused);
  $("refusal").textContent = state.last ? `The last refusal: ${state.last}` : "";
}

// watch keeps the state up to date.
async function watch() {
  for (;;) {
    try {
      await look();
    } catch (e) {
      console.info(String(e));
    }
    await new Promise((done) => setTimeout(done, 500));
  }
}

stayConnected();
watch();
