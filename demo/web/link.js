// A Link keeps a room's messages coming, whatever happens to the network:
//
//  1. /ping tells that the server is there, and how long it may be silent; a
//     /poll for number 0, which is answered at once, how far it has counted.
//  2. /sse is opened at our place; where that does not work, /poll is asked
//     again and again.
//  3. On an error, or when nothing was heard for longer than promised, the
//     link is down. After a while, longer each time and never the same for two
//     browsers, it begins at 1.

const firstDelay = 500; // milliseconds
const longestDelay = 15000;

export class Link {
  // transcript takes what the server says. transport is "sse", "poll" or ""
  // for what works. changed(state, why) is called with "connecting", "open" or
  // "down"; show(entry) with what there is to show.
  constructor(transcript, transport, { changed, show }) {
    this.transcript = transcript;
    this.transport = transport || ("EventSource" in window ? "sse" : "poll");
    this.fixed = transport !== "";
    this.changed = changed;
    this.show = show;
    this.tries = 0;
    this.broken = 0; // event streams that came to nothing
    this.silence = 40000;
    this.state = "";
  }

  start() {
    this.stop();
    this.attempt();
  }

  // stop ends what is under way; answers that are still to come are ignored.
  stop() {
    clearTimeout(this.timer);
    clearTimeout(this.watchdog);
    if (this.source) this.source.close();
    if (this.abort) this.abort.abort();
    this.source = null;
    this.abort = new AbortController();
  }

  // hurry tries at once if the link is down.
  hurry() {
    if (this.state === "down") this.start();
  }

  tell(state, why = "") {
    this.state = state;
    this.changed(state, why);
  }

  async attempt() {
    if (this.state === "") this.tell("connecting");
    const { signal } = this.abort;
    this.listen();
    try {
      const [ping, now] = await Promise.all([this.get("/ping"), this.get(this.url("/poll", 0))]);
      if (signal.aborted) return;
      this.silence = Number(/"sub_timeout":(\d+)/.exec(ping)[1]) * 1300 + 3000;
      const said = JSON.parse(now);
      if (said.type !== "next_seq") return this.down(said.content);
      this.transcript.takeNext(said.seq);
    } catch {
      if (!signal.aborted) this.down();
      return;
    }
    this.first = true;
    if (this.transport === "sse") this.openStream();
    else this.poll(signal);
  }

  async get(url) {
    const answer = await fetch(url, { cache: "no-store", signal: this.abort.signal });
    if (!answer.ok) throw new Error(answer.statusText);
    return answer.text();
  }

  url(path, seq) {
    return path + "?cname=" + encodeURIComponent(this.transcript.room) + "&seq=" + seq + "&lost=1";
  }

  openStream() {
    const source = new EventSource(this.url("/sse", this.transcript.from()));
    let opened = false;
    this.source = source;
    this.listen();
    source.onopen = () => {
      opened = true;
      this.up();
    };
    source.onmessage = (event) => {
      this.broken = 0;
      this.listen();
      this.heard([JSON.parse(event.data)]);
    };
    source.onerror = () => {
      // Left alone, a browser would ask again from where the URL says.
      if (!opened) this.broken++;
      this.down();
    };
  }

  async poll(signal) {
    this.up();
    while (!signal.aborted) {
      // Only the first asks for the newest message once more (Transcript.from).
      const seq = this.first ? this.transcript.from() : this.transcript.next;
      this.first = false;
      try {
        this.listen();
        const said = JSON.parse(await this.get(this.url("/poll", seq)));
        if (signal.aborted) return;
        this.heard(Array.isArray(said) ? said : [said]);
      } catch {
        if (!signal.aborted) this.down();
        return;
      }
    }
  }

  // heard takes messages, up to one that says to begin again.
  heard(list) {
    for (const said of list) {
      if (said.type === "401" || said.type === "429") {
        this.down(said.content);
        return;
      }
      const { entry, again } = this.transcript.take(said);
      if (entry) this.show(entry);
      if (!again) continue;
      this.stop();
      if (said.type === "close") this.down("The room was closed");
      else this.attempt();
      return;
    }
    this.changed(this.state, "");
  }

  // listen begins to wait for a sign of life.
  listen() {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => {
      if (this.source) this.broken++;
      this.down();
    }, this.silence);
  }

  up() {
    this.tries = 0;
    this.listen();
    this.tell("open");
  }

  down(why) {
    this.stop();
    if (this.broken >= 2 && !this.fixed) this.transport = "poll";
    const most = Math.min(firstDelay * 2 ** this.tries++, longestDelay);
    const delay = (why ? 5000 : 0) + most * (0.5 + Math.random() / 2);
    this.timer = setTimeout(() => this.attempt(), delay);
    this.tell("down", why);
  }
}
