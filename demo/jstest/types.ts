// Uses of Comet that must compile. The line after each @ts-expect-error must not compile.
import Comet = require("../web/js/comet");

const comet: Comet = new Comet({
  url: "/comet/",
  channels: { a: 1, b: 0 },
  token: (channel, give) => give(channel + "'s"),
  transport: "sse",
  resume: "browser",
  onmessage: (m) => document.title = m.channel + m.seq + m.content,
  onstate(state, reason) {
    if (state === "denied") comet.close();
    // @ts-expect-error: there is no such state
    if (state === "down") comet.close();
    reason.trim();
  },
  onlost: (channel, from, to) => `${channel} ${from} ${to === null ? "" : to.toFixed()}`,
  onchannel: (channel, state) => state === "lost" && comet.unsubscribe(channel),
  onerror: (error) => console.error(error),
});

new Comet();
new Comet({ channels: "a", token: "t" });
new Comet({ channels: ["a", "b"], token: { a: "t" } });
new Comet({ token: () => Promise.resolve("t"), clock: { ...Comet.clock, random: () => 0 } });
comet.subscribe("c");
comet.subscribe("c", 7);
new Comet({ transport: "ws", publishURL: "/demo/push" });
comet.publish("c", "hello").then((seq: number | null) => seq, (error: Comet.PublishError) => error.type + error.message);
const next: number | null = comet.next("c");

// @ts-expect-error: a transport that does not exist
new Comet({ transport: "websocket" });
// @ts-expect-error: a message is a string
comet.publish("c", { text: "hello" });
// @ts-expect-error: a channel's name is a string
comet.subscribe(7);
// @ts-expect-error: the number may be null
next.toFixed();
// @ts-expect-error: state is read-only
comet.state = "open";
