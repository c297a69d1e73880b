// comet.js is the browser client of a comet server. A page needs three lines:
//
//   <script src="comet.js"></script>
//   <script>
//   new Comet({ channels: ["news"], onmessage: function (m) { console.log(m.channel, m.content); } });
//   </script>
//
// Options. All of them are optional:
//
//   url        the URL of the server's front side, such as "//push.example.com/" or "/comet/". Default: "/".
//   channels   ["a", "b"]: messages that are published from now on. { a: 7 }: messages from number 7 on; 1 means all
//              messages that the server keeps, and 0 means messages from now on. All channels share one connection,
//              which has 64 channels at most; each further channel stays "busy".
//   token      the token that the server requires: a string for all channels; { a: "…" } for each channel; or a
//              function (channel, give), which returns the token, returns a promise of it, or calls give(token). The
//              function is called again when a token was refused.
//   transport  "auto": the first that works of "ws" (WebSocket), "sse" (event stream), "poll" (long poll) and "jsonp"
//              (for other origins without CORS). Or one of these names. If WebSockets to a server are blocked, this is
//              remembered in localStorage. A WebSocket is then tried beside the transport in use, which it replaces
//              when it works.
//   share      true: all tabs of an origin share one connection if the browser has Web Locks and BroadcastChannel.
//              false: each tab has its own connection. Default: true.
//   resume     true: after a reload, the tab resumes from its cursor, which overrides a number in channels. "browser":
//              a later visit resumes, too. false: neither. Default: true.
//   credentials  true: requests to another origin send cookies. The server there must name the origin of this page
//              (--cors-origin; * is not sufficient). A WebSocket sends cookies in any case.
//   publishURL the URL to which publish() sends a request if the transport in use is not a WebSocket, or if the server
//              does not permit publishing on it: a POST with the fields cname and content (and ack=1). A 2xx status
//              means that the message is published; the response may be JSON with its number, as seq. Default: none.
//   firstDelay, longestDelay  the first and the longest back-off of a reconnect, in milliseconds. Default: 500, 30000.
//   clock      replaces Comet.clock, for tests.
//
// The constructor throws an error if an option has a wrong value. It reports an unknown option to onerror.
//
// Call-backs. None of them is called after close():
//
//   onmessage(m)              m: { channel, seq, content, type }; type is "data" or "broadcast".
//   onlost(channel, from, to) The messages with these numbers are lost; reading continues after them. to is null if the
//                             channel was created anew and counts from 1 again: then it is not known how many are lost.
//   onstate(state, reason)    The state of the whole client has changed:
//     connecting   it is connecting
//     open         it receives messages
//     offline      there is no network, or the server does not answer; it reconnects with a growing back-off
//     busy         the server accepts no more subscribers (429, 503); it tries again, slowly
//     denied       every channel that is not closed was refused (401, or 400, 403, 404)
//     closed       the server has closed the channels, or there are no channels
//   onchannel(channel, state, reason)  The state of one channel has changed: open, lost (then open again), denied, busy
//                             or closed.
//   onerror(error)            A call-back or the token function threw this error (or the promise of the token function
//                             was rejected with it). Default: the error is written to the console.
//
// Methods: subscribe(channel, seq), unsubscribe(channel), close(), and next(channel), which returns the number of the
// next message. Properties: state, reason, and transport (the one in use).
//
// publish(channel, content) sends a string to all subscribers of a channel: on the WebSocket, if the server lets
// clients publish (--ws-publish, or a token of /sign?publish=1 for a channel that is subscribed to), or to publishURL.
// It returns a promise of the message's number (null if publishURL does not return it). If it fails, the promise is
// rejected with an Error, which has a type:
//
//   "403", "429", "400", …  the status of the server or of publishURL; the error's message has the reason
//   offline      the message was not sent: there was no connection, or no token of the channel for 90 seconds
//   unable       the transport in use cannot publish (it is an event stream, for example), and no publishURL can
//   unknown      the message was sent, but it is not known whether it is published: for example, no answer came for 90
//                seconds
//
// A publish waits while the client connects, and while it has no token yet for a channel that is subscribed to. If the
// connection ends before the answer, the message is sent again on the next connection. It has a key, by which the
// server publishes it only once and answers with the number that it already has. If there is no channel, publish opens
// a connection, which then stays open.
//
// Each message is delivered once and in order, whatever happens to networks, tabs and servers. These parts do it:
//
//   Comet  is what this tab reads. It has a cursor for each channel and keeps it over reloads. It drops messages that
//          it already has, detects lost messages, and calls the call-backs.
//   Line   is one connection for many channels. It has the transports, reconnects, watches for silence, and publishes.
//   Tabs   is between the two if tabs share a connection: one tab, the leader, has the Line and informs the others.
//
// A cursor is the number of the next message and the epoch of the channel, which the server sends. If the channel has
// another epoch when a Line connects, it was created anew: it counts from 1 again, and all its messages are new. A
// server without epochs (iComet) is asked for the last message again. If that number now belongs to another message or
// to none, the channel was created anew as well.
//
// It runs in browsers that have ECMAScript 5.
(function (root) {
  "use strict";

  var gatherTime = 20; // milliseconds: changes of the channels within this time are made with one connection
  var longestURL = 7000; // bytes: servers accept request lines of about 8000
  var leaderSilence = 25000; // milliseconds since the leader's last sign of the server: then a follower asks the leader
  var mostChannels = 64; // the limit of the server for one connection
  var mostChanges = 40; // operations sent at once on a WebSocket: the server accepts 100 messages in a second
  var keyTime = 90000; // milliseconds for which an unanswered publish is sent again: the server knows a key for 120 s
  var unanswered = "the connection ended before the answer";
  var hiddenTimerDelay = 60000; // milliseconds by which browsers may delay timers in tabs that are not visible

  // diff compares two numbers. They have 32 bits and wrap around, so the sign of their difference gives their order.
  function diff(a, b) { return (a - b) | 0; }

  // randomText returns a random text that no other tab has.
  function randomText() {
    var words = root.crypto && root.crypto.getRandomValues ? root.crypto.getRandomValues(new root.Uint32Array(4)) : [], text = "";
    for (var i = 0; i < 4; i++) text += (i < words.length ? words[i] : Math.floor(Math.random() * 4294967296)).toString(36);
    return text;
  }

  // hash returns a hash of a content, by which two contents can be told apart.
  function hash(content) {
    var h = content.length;
    for (var i = 0; i < content.length; i++) h = (h * 31 + content.charCodeAt(i)) | 0;
    return h;
  }

  // openEnded reports whether a "lost" message has an open end: the lost messages are of another epoch, and it is not
  // known how many they are.
  function openEnded(m) { return m.type === "lost" && /-$/.test(m.content); }

  // parse parses JSON, or JSONP: a call that has JSON as its argument. It returns undefined if the text is neither.
  function parse(text) {
    var call = /^[\w$.]+\(([\s\S]*)\);?\s*$/.exec(text);
    try {
      return JSON.parse(call ? call[1] : text);
    } catch (e) {
      return undefined;
    }
  }

  // delay returns the back-off after a number of tries. It doubles with each try up to longest; the result is a random
  // time between half of it and all of it.
  function delay(clock, first, longest, tries) {
    return Math.min(first * Math.pow(2, tries), longest) * (0.5 + clock.random() / 2);
  }

  // otherOrigin reports whether a URL has another origin than the page.
  function otherOrigin(url) {
    var origin = /^(https?:)?\/\/[^\/]+/.exec(url), here = root.location;
    if (!origin || !here || !root.document) return false;
    return (origin[1] ? "" : here.protocol) + origin[0] !== here.protocol + "//" + here.host;
  }

  // Transports. Each starts a request and returns a function that ends it. After that, done is not called any more.

  // get sends a GET by XMLHttpRequest and calls done(status, value, wait). Status 0 means that there was no response;
  // wait has the seconds of Retry-After.
  function get(url, options, done) {
    var xhr = new root.XMLHttpRequest(), ended = false;
    xhr.onreadystatechange = function () {
      if (xhr.readyState !== 4 || ended) return;
      ended = true;
      var wait = xhr.status === 429 || xhr.status === 503 ? Number(xhr.getResponseHeader("Retry-After")) : 0;
      done(xhr.status, parse(xhr.responseText), wait || 0);
    };
    xhr.open("GET", url, true);
    xhr.withCredentials = options.credentials === true;
    xhr.send();
    return function () {
      ended = true;
      xhr.abort();
    };
  }

  // append adds a script element, but not before the page has loaded: until then, a script that waits for its response
  // would keep the page loading.
  function append(element) {
    if (root.document.readyState === "loading" || root.document.readyState === "interactive") {
      root.addEventListener("load", function () { root.setTimeout(function () { append(element); }, 0); }, false);
    } else {
      (root.document.head || root.document.documentElement).appendChild(element);
    }
  }

  var scripts = 0;

  // script sends a request by a script element, which is allowed for any origin, but does not show the response's
  // status. It calls done(200, value) or done(0).
  function script(url, options, done) {
    var name = "comet_cb_" + root.Math.random().toString(36).slice(2) + scripts++;
    var element = root.document.createElement("script"), ended = false;
    function end(status, value) {
      if (ended) return;
      ended = true;
      done(status, value);
    }
    function gone() {
      delete root[name];
      if (element.parentNode) element.parentNode.removeChild(element);
      end(0);
    }
    root[name] = function (value) { end(200, value); };
    element.onload = element.onerror = gone;
    element.async = true;
    element.src = url + (url.indexOf("?") < 0 ? "?" : "&") + "cb=" + name;
    append(element);
    // The script may run even after its element was removed, so the function stays until the element has loaded or
    // failed.
    return function () { ended = true; };
  }

  // A Socket is a WebSocket with operations, each of which the server answers. An operation and its answer have the
  // same number. The Socket is ready after the first answer. If nothing is received for readyTimeout milliseconds
  // before that, a proxy may block it, and it ends. It calls on.ready(), on.received(message), on.answered(), and at
  // last on.end(code, heard); heard reports whether anything was received. The constructor throws an error if the
  // browser refuses to create a WebSocket.
  function Socket(url, readyTimeout, clock, on) {
    var self = this, ws = this.ws = new root.WebSocket(url);
    this.clock = clock;
    this.readyTimeout = readyTimeout;
    this.on = on;
    this.waiting = Object.create(null); // operations without an answer, by number: { done, size }
    this.last = 0;
    this.ready = this.heard = false;
    this.timer = null;
    this.startTimer();
    ws.onopen = function () {
      self.startTimer();
      self.ask({ op: "ping" }, function (answer) {
        if (!answer) return;
        self.ready = true;
        self.clock.clearTimeout(self.timer);
        self.on.ready();
      });
    };
    ws.onmessage = function (event) {
      var m = parse(event.data), answered;
      if (!m || typeof m !== "object") return;
      self.heard = true;
      if (!self.ready) self.startTimer();
      answered = self.waiting[m.id];
      if (!answered) return self.on.received(m);
      delete self.waiting[m.id];
      self.on.answered();
      answered.done(m);
    };
    ws.onclose = function (event) { self.end(event.code); };
  }

  Socket.prototype.startTimer = function () {
    var self = this;
    this.clock.clearTimeout(this.timer);
    this.timer = this.clock.setTimeout(function () { self.end(0); }, this.readyTimeout);
  };

  // ask sends an operation and returns its number. It calls done with the answer, or with null if there will be no
  // answer.
  Socket.prototype.ask = function (what, done) {
    what.id = ++this.last;
    var text = JSON.stringify(what);
    this.waiting[what.id] = { done: done, size: text.length };
    this.ws.send(text);
    return what.id;
  };

  Socket.prototype.end = function (code) {
    var on = this.on, waiting = this.waiting, largest = null;
    if (code === 1009) { // a message is too large; the server does not say which one, so take the largest
      for (var id in waiting) if (largest === null || waiting[id].size > waiting[largest].size) largest = id;
    }
    if (largest !== null) waiting[largest].done({ type: "413", content: "the message is larger than the server accepts" });
    if (largest !== null) delete waiting[largest];
    this.close();
    on.end(code, this.heard);
  };

  Socket.prototype.close = function () {
    var waiting = this.waiting;
    this.clock.clearTimeout(this.timer);
    this.ws.onopen = this.ws.onmessage = this.ws.onclose = null;
    this.waiting = Object.create(null);
    this.on = { ready: function () {}, received: function () {}, answered: function () {}, end: function () {} };
    this.ws.close();
    for (var id in waiting) waiting[id].done(null);
  };

  // A Line keeps one connection for the wanted channels:
  //
  //  1. It requests /ping. The answer shows that the server is reachable and how long it may be silent. The way in
  //     which it could be requested shows which transports are possible. Later connections skip this step until one
  //     fails.
  //  2. It opens /ws or /sse, or requests /poll again and again. The request has the channels that are wanted at that
  //     time. On a WebSocket, channels are joined and left while it is open; other transports connect again for that.
  //  3. After an error, and if the server was silent for longer than it promised, it returns to step 2 or 1 after a
  //     back-off, which grows and is random, so that it differs between browsers.
  //  4. If the server is reachable but a WebSocket fails, this is remembered, also for later pages. They start with the
  //     next best transport, and try a WebSocket beside it from time to time.
  //
  // It calls on.received(messages) with messages of the server, on.heard() if the server has sent nothing new, and
  // on.state(state, reason) when its state or transport changes.
  function Line(options, clock, on) {
    this.options = options;
    this.clock = clock;
    this.on = on;
    // By channel: { next, epoch, again, asked, token, last, joined, busy, unchecked, claim, joinId, rewound }.
    this.wanted = Object.create(null);
    this.requested = Object.create(null); // the channels of wanted that the WebSocket was asked for
    this.state = this.reason = "";
    this.kind = this.toldKind = ""; // the transport in use, and the one when the state was last reported
    this.verified = false; // the server answers, and the transport in kind works
    this.xhrWorks = false; // the server has answered a request by XMLHttpRequest
    this.sseFailures = 0; // event streams that failed although the server is reachable
    this.tries = this.busyTries = 0;
    this.silence = 60000 * 1.3; // until /ping gives another value
    this.shortSockets = 0; // consecutive WebSockets that ended too soon
    this.readyTimeout = 3000; // milliseconds for a WebSocket to become ready
    this.keptToPublish = false; // the connection is kept for publishing, even if no channel is wanted
    this.socketOpening = false; // a WebSocket is being opened
    this.block = this.loadBlock(); // null, or until when no WebSocket is tried: { until, times }
    this.pending = []; // pending publishes: { what, done, sent, until, timer }
    this.socket = null; // the WebSocket, while it is ready
    this.pinged = null; // when the WebSocket was pinged, if nothing was received since then
    this.probing = null; // a WebSocket that is tried beside another transport
    this.timer = this.busyTimer = this.watchdog = this.joinTimer = this.adjustTimer = this.probeTimer = null;
    this.due = 0; // when timer expires
    this.end = null; // ends the current connection or request
  }

  // want subscribes to the messages of a channel from number next of an epoch on (null: only new messages). If again is
  // set and the epoch is not known, it asks for the message before next, too. It returns the messages that bring the
  // new reader in step with the present readers of the channel.
  Line.prototype.want = function (name, next, epoch, again, token) {
    var w = this.wanted[name], open = this.state === "open" && this.end !== null, same;
    if (!w && Object.keys(this.wanted).length === mostChannels) {
      return [{ type: "429", cname: name, seq: 0, content: "at most " + mostChannels + " channels on a connection" }];
    }
    if (!w) {
      this.wanted[name] = { next: next, epoch: epoch, again: again, asked: false, token: token, last: null, joined: false, busy: false, unchecked: false, claim: null, joinId: 0, rewound: false };
      this.change();
      return [];
    }
    if (epoch && w.epoch && epoch !== w.epoch) {
      // One of the two epochs is out of date. The server tells which one when the channel is joined.
      return open && w.joined ? [{ type: "joined", cname: name, epoch: w.epoch }] : [];
    }
    if (next === null && w.next !== null && w.claim === null && open) return [{ type: "newest", cname: name, seq: w.next, epoch: w.epoch }];
    if (next === w.next) return w.last ? [w.last] : [];
    var order = next === null || w.next === null ? 0 : diff(next, w.next);
    same = epoch !== "" && epoch === w.epoch; // only then is it certain which number is ahead
    if (!same) w.unchecked = true;
    if (order !== 0 && !same) this.claim(w, order > 0 ? next : w.next);
    if (next !== null && (w.next === null || order < 0)) {
      w.next = next;
      w.epoch = w.epoch || epoch;
      w.again = again;
      w.last = null;
      w.rewound = true;
      w.joinId = -1; // ignore what the WebSocket still sends for the old cursor
      this.change();
    } else if (open && w.unchecked) {
      this.checkCount(name);
    }
    return [];
  };

  // claim notes the number up to which the server has counted, as a reader knows it. If the server has not, the readers
  // are told.
  Line.prototype.claim = function (w, next) {
    if (w.claim === null || diff(next, w.claim) > 0) w.claim = next;
  };

  Line.prototype.drop = function (name) {
    if (!this.wanted[name]) return;
    delete this.wanted[name];
    this.change();
  };

  // change reconnects soon, with the channels that are wanted then. A WebSocket stays open and gets the changes.
  Line.prototype.change = function () {
    var self = this;
    if (this.closed || this.adjustTimer || this.socketOpening) return; // socketReady checks the wanted channels
    if (!this.socket) {
      this.stop();
      this.attemptAfter(gatherTime);
      return;
    }
    this.adjustTimer = this.clock.setTimeout(function () {
      self.adjustTimer = null;
      self.adjust();
    }, gatherTime);
  };

  Line.prototype.attemptAfter = function (delay) {
    var self = this;
    this.due = this.clock.now() + delay;
    this.timer = this.clock.setTimeout(function () { self.attempt(); }, delay);
  };

  // stop ends the current connection or request, a back-off, and a WebSocket that is being tried.
  Line.prototype.stop = function () {
    this.clock.clearTimeout(this.timer);
    this.clock.clearTimeout(this.watchdog);
    this.clock.clearTimeout(this.joinTimer);
    this.clock.clearTimeout(this.adjustTimer);
    this.clock.clearTimeout(this.probeTimer);
    this.timer = this.watchdog = this.joinTimer = this.adjustTimer = this.probeTimer = this.pinged = null;
    if (this.probing) this.probing.close();
    this.probing = null;
    var end = this.end;
    this.end = null;
    if (end) end();
  };

  Line.prototype.close = function () {
    this.closed = true;
    this.stop();
    this.clock.clearTimeout(this.busyTimer);
    this.on = { received: function () {}, heard: function () {}, state: function () {} };
    this.wanted = Object.create(null);
    this.failPending("offline", "the page has closed the connection");
  };

  // hurry reconnects at once, or checks the connection: the network has returned and may be another one, or the user
  // looks at the page again.
  Line.prototype.hurry = function (network) {
    var silent = this.clock.now() - this.heardAt;
    if (network && this.block) this.block.until = 0;
    if (this.timer || this.end && this.state === "offline") this.attempt();
    else if (this.end && silent > this.limit + (this.socket ? hiddenTimerDelay : 0)) this.reconnect("nothing was heard", true);
    else if (this.probeTimer && network) this.probeLater();
    else this.pingSocket();
  };

  // pingSocket pings the WebSocket to see whether it still works. The server's own pings are answered by the browser,
  // which does not report them.
  Line.prototype.pingSocket = function () {
    if (!this.socket || this.pinged !== null || this.clock.now() - this.heardAt < 5000) return;
    this.pinged = this.clock.now();
    this.checkAfter(this.limit * 3 / 13);
    this.socket.ask({ op: "ping" }, function () {});
  };

  // activity returns age, the time since the last sign of the server, and limit, the time after which this Line
  // reconnects by itself: if age is larger, the tab has been stopped. During a back-off, age is how late the next
  // attempt is, and limit is the minute by which browsers may delay timers in tabs that are not visible.
  Line.prototype.activity = function () {
    var now = this.clock.now();
    if (this.end) return { age: now - this.heardAt, limit: this.limit };
    return { age: this.timer ? Math.max(now - this.due, 0) : 0, limit: hiddenTimerDelay };
  };

  // offline reports that the browser has no network. The browser may be wrong, so the connection is kept, and the next
  // message sets the state to open again.
  Line.prototype.offline = function () {
    if (this.end) this.tell("offline", "the browser reports that there is no network");
  };

  Line.prototype.tell = function (state, reason) {
    if (this.state === state && this.reason === (reason || "") && this.toldKind === this.kind) return;
    this.state = state;
    this.reason = reason || "";
    this.toldKind = this.kind;
    this.on.state(state, this.reason);
    if (state === "offline" || state === "busy") this.failPending("offline", this.reason);
  };

  Line.prototype.active = function () {
    var wanted = this.wanted;
    return Object.keys(wanted).filter(function (name) { return !wanted[name].busy; });
  };

  // idle reports whether no connection is needed.
  Line.prototype.idle = function () { return !this.keptToPublish && this.active().length === 0; };

  // requestSeq returns the number from which a channel is requested.
  function requestSeq(w, first) {
    var seq = w.next;
    if (first) w.asked = w.again && !w.epoch;
    // Number 0 comes after -1, but in a request it means "only new messages".
    if (seq !== null && (first && w.asked || seq === 0) && seq !== 1) seq--;
    return (seq || 0) | 0;
  }

  // url returns the URL for all channels that are wanted and not busy. With requested, it has as many of them as fit
  // into the longest URL, and adds these to requested.
  Line.prototype.url = function (path, first, requested) {
    var url = this.options.url + path + "?lost=1", wanted = this.wanted;
    this.active().forEach(function (name) {
      var w = wanted[name];
      var more = "&cname=" + encodeURIComponent(name) + "&seq=" + requestSeq(w, first) + "&epoch=" + encodeURIComponent(w.epoch);
      if (w.token) more += "&token=" + encodeURIComponent(w.token);
      if (requested && url.length + more.length > longestURL) return;
      url += more;
      w.rewound = false;
      if (requested) requested[name] = w;
    });
    return url;
  };

  Line.prototype.attempt = function () {
    this.stop();
    if (this.idle()) return this.disconnect();
    if (!(this.verified ? this.kind === "ws" : this.best() === "ws") && this.url("poll", true).length > longestURL) {
      this.tell("offline", "too many channels for one connection: their names and tokens may have at most " + longestURL + " bytes");
      return;
    }
    if (this.state !== "open") this.tell("connecting");
    for (var name in this.wanted) {
      this.wanted[name].joined = false;
      this.wanted[name].joinId = 0;
    }
    if (this.verified) this.connectBy(this.kind);
    else this.ping();
  };

  // best returns the best transport that is likely to work.
  Line.prototype.best = function () {
    if (this.options.transport !== "auto") return this.options.transport;
    if (this.mayHaveSocket() && !this.block) return "ws";
    return root.EventSource && this.sseFailures < 2 ? "sse" : "poll";
  };

  Line.prototype.mayHaveSocket = function () { return Boolean(root.WebSocket) && /^https?:/.test(this.options.url); };

  // connectBy starts a connection with a transport, if one is needed.
  Line.prototype.connectBy = function (kind) {
    this.kind = kind;
    if (kind !== "ws") this.failPending("unable", "the transport is " + kind + ", which cannot publish");
    if (this.idle()) this.disconnect();
    else this[kind]();
  };

  Line.prototype.ping = function () {
    var self = this, how = this.options.transport, url = this.options.url + "ping", asked = this.clock.now();
    function reached(kind, value) {
      var seconds = value && Number(value.sub_timeout);
      if (seconds > 0) self.silence = seconds * 1300;
      // A WebSocket needs about as many round trips, on a connection of its own.
      self.readyTimeout = Math.min(Math.max(3000, 4 * (self.clock.now() - asked)), 10000);
      self.verified = self.pingAnswered = true;
      self.connectBy(kind);
    }
    function byScript() {
      self.end = script(url, self.options, function (status, value) {
        if (status === 200) reached("jsonp", value);
        else self.reconnect("the server does not answer");
      });
    }
    this.watch(10000);
    if (how === "jsonp") return byScript();
    this.end = get(url, this.options, function (status, value, wait) {
      if (status !== 0) self.xhrWorks = true;
      if (status === 0 && how === "auto" && !self.xhrWorks && otherOrigin(url)) byScript();
      else if (status === 0) self.reconnect("the server does not answer");
      else if (status !== 200 && self.refused(status, wait)) return;
      else if (status >= 500) self.reconnect("status " + status); // a proxy answers, but no server behind it
      else reached(self.best(), value);
    });
  };

  // refused handles a status that means refusal and comes from a proxy, or from a server that does not read the
  // request. It returns false for any other status.
  Line.prototype.refused = function (status, wait) {
    if (status === 401 || status === 403) {
      this.hear(this.active().map(function (name) { return { type: "401", cname: name, seq: 0, content: "status " + status }; }));
    } else if (status === 429 || status === 503) {
      this.stop();
      this.verified = false;
      this.attemptAfter(Math.max(wait * 1000, delay(this.clock, 5000, 60000, this.tries++)));
      this.tell("busy", "status " + status);
    } else {
      return false;
    }
    return true;
  };

  Line.prototype.ws = function () {
    var self = this, wait = 0, socket;
    this.requested = Object.create(null);
    try {
      socket = new Socket(this.url("ws", true, this.requested).replace(/^http/, "ws"), this.readyTimeout, this.clock, {
        ready: function () {
          self.socket = socket;
          self.socketReady();
        },
        received: function (m) {
          if (m.type === "retry") wait = Number(m.content) || 0;
          else self.hear([m]);
        },
        answered: function () {
          self.heard();
          self.on.heard();
        },
        end: function (code, heard) { self.socketEnded(code, heard, wait); }
      });
    } catch (e) {
      return this.fallBack(e.message);
    }
    this.socketOpening = true;
    this.watch(this.silence);
    this.end = function () {
      self.socket = null;
      self.socketOpening = false;
      socket.close();
    };
  };

  // socketReady is called when the server has answered: all channels of the request are joined or refused.
  Line.prototype.socketReady = function () {
    var self = this, pending = this.pending;
    this.socketOpening = false;
    this.readyAt = this.clock.now();
    this.check();
    this.opened();
    this.assumeJoined();
    this.adjust(true);
    this.pending = [];
    this.keptToPublish = this.keptToPublish && this.active().length === 0;
    pending.forEach(function (p) { self.send(p); });
  };

  // socketEnded is called when the WebSocket has ended or could not be opened. If anything was received on it,
  // WebSockets are not blocked, unless several in succession end too soon or before they are ready.
  Line.prototype.socketEnded = function (code, heard, wait) {
    if (!heard) return this.fallBack("the WebSocket could not be opened");
    if (this.socket && this.clock.now() - this.readyAt >= 10000 || wait > 0) this.shortSockets = 0;
    else if (code === 0 || code === 1005 || code === 1006) this.shortSockets++; // other codes are the server's reason
    if (code === 1013) {
      this.refused(503, 0);
    } else if (this.shortSockets >= 3) {
      this.shortSockets = 0;
      this.blockSockets();
      this.reconnect("WebSockets end too soon", true);
    } else {
      this.reconnect("the connection ended");
      if (wait > 0) { // the server restarts, and gives each client another time to reconnect
        this.clock.clearTimeout(this.timer);
        this.attemptAfter(wait);
      }
    }
  };

  // fallBack is called if no WebSocket can be opened. If the server has just answered /ping, then a proxy blocks
  // WebSockets, or the server does not have them, and the next best transport is tried at once.
  Line.prototype.fallBack = function (reason) {
    if (this.options.transport === "ws" || !this.pingAnswered) return this.reconnect(reason, true);
    this.stop();
    this.blockSockets();
    if (this.url("poll", true).length > longestURL) this.reconnect(reason, true);
    else this.connectBy(this.best());
  };

  // blockSockets notes that WebSockets are blocked, for a minute at first, and then for longer each time.
  Line.prototype.blockSockets = function () {
    var times = this.block ? this.block.times + 1 : 0;
    this.block = { times: times, until: this.clock.now() + Math.min(60000 * Math.pow(4, times), 86400000) };
    this.saveBlock();
  };

  // saveBlock stores in the browser whether WebSockets to this server are blocked, for all pages of the origin.
  Line.prototype.saveBlock = function () {
    try {
      if (this.block) root.localStorage.setItem("comet ws " + this.options.url, JSON.stringify(this.block));
      else root.localStorage.removeItem("comet ws " + this.options.url);
    } catch (e) {
      // storage is forbidden or full: each page detects it by itself
    }
  };

  Line.prototype.loadBlock = function () {
    try {
      var was = JSON.parse(root.localStorage.getItem("comet ws " + this.options.url));
      return was && was.until >= 0 && was.times >= 0 ? { until: was.until, times: was.times } : null;
    } catch (e) {
      return null;
    }
  };

  // probeLater sets a timer, after which a WebSocket is tried beside the transport in use.
  Line.prototype.probeLater = function () {
    var self = this;
    this.clock.clearTimeout(this.probeTimer);
    this.probeTimer = null;
    if (this.options.transport !== "auto" || !this.block || this.kind === "jsonp" || !this.mayHaveSocket() || this.probing) return;
    this.probeTimer = this.clock.setTimeout(function () {
      self.probeTimer = null;
      self.probe();
    }, Math.max(this.block.until - this.clock.now(), 1000));
  };

  // probe opens a WebSocket without channels. If it becomes ready, the Line reconnects with a WebSocket.
  Line.prototype.probe = function () {
    var self = this;
    function failed() {
      self.probing = null;
      self.blockSockets();
      self.probeLater();
    }
    try {
      this.probing = new Socket(this.options.url.replace(/^http/, "ws") + "ws", 10000, this.clock, {
        ready: function () {
          self.block = null;
          self.saveBlock();
          self.stop();
          self.kind = "ws";
          self.pingAnswered = false;
          self.attempt();
        },
        received: function () {},
        answered: function () {},
        end: failed
      });
    } catch (e) {
      failed();
    }
  };

  // adjust joins and leaves channels on the WebSocket, so that it has those that are wanted. If there are too many
  // changes, or if the server must be asked for a message again, another WebSocket is opened instead, unless this one
  // is fresh.
  Line.prototype.adjust = function (fresh) {
    var self = this, wanted = this.wanted, requested = this.requested, left, joined;
    if (this.idle()) return this.disconnect();
    left = Object.keys(requested).filter(function (name) { return wanted[name] !== requested[name] || requested[name].rewound; });
    joined = this.active().filter(function (name) { return wanted[name] !== requested[name] || wanted[name].rewound; });
    var again = joined.some(function (name) { return wanted[name].again && !wanted[name].epoch; });
    if (!fresh && (again || left.length + joined.length > mostChanges)) return this.attempt();
    left.forEach(function (name) { self.leaveChannel(name); });
    joined.forEach(function (name) { self.joinChannel(name); });
  };

  Line.prototype.leaveChannel = function (name) {
    var self = this;
    delete this.requested[name];
    this.socket.ask({ op: "unsub", cname: name }, function (m) {
      if (m && m.type === "429" && self.socket) self.reconnect(m.content); // too many messages; it is still joined
    });
  };

  // joinChannel subscribes to a channel on the WebSocket. Until the server has answered, messages of the channel belong
  // to the old cursor.
  Line.prototype.joinChannel = function (name) {
    var self = this, w = this.requested[name] = this.wanted[name], joinId;
    w.rewound = w.joined = false;
    joinId = w.joinId = this.socket.ask({ op: "sub", cname: name, seq: requestSeq(w, false), epoch: w.epoch, token: w.token || "", lost: true }, function (m) {
      if (!m || self.wanted[name] !== w || w.joinId !== joinId) return;
      w.joinId = 0;
      if (m.type !== "ok") return self.hear([{ type: m.type, cname: name, seq: 0, content: m.content }]);
      w.joined = true;
      if (w.next === null || diff(m.seq, w.next) < 0) {
        self.hear([{ type: "next_seq", cname: name, seq: m.seq, content: "", epoch: m.epoch }]);
      } else {
        // If the epoch is another one, the server's next message says so, together with the loss.
        if (!w.epoch) w.epoch = m.epoch || "";
        self.hear([{ type: "joined", cname: name, seq: m.seq, content: "", epoch: m.epoch === w.epoch ? w.epoch : "" }]);
      }
    });
  };

  // publish publishes a message. It calls done(null, number), or done({ type, content }) if it fails. type is that of
  // the server, or "offline" (the message was not sent), "unable" (it cannot be sent), or "unknown" (it was sent, with
  // an unknown result). what has the channel's name, the content and a key; and, if the message may have been sent
  // before, the time until which the server knows the key.
  Line.prototype.publish = function (what, done) {
    this.send({ what: what, done: done, sent: Boolean(what.until), until: what.until || 0, timer: null });
  };

  Line.prototype.send = function (p) {
    var self = this, w = this.wanted[p.what.name];
    if (this.socket && this.adjustTimer && w && this.requested[p.what.name] !== w) { // its token may permit publishing
      this.clock.clearTimeout(this.adjustTimer);
      this.adjustTimer = null;
      this.adjust();
    }
    if (this.socket) {
      if (!p.until) p.until = this.clock.now() + keyTime;
      this.socket.ask({ op: "pub", cname: p.what.name, content: p.what.content, key: p.what.key }, function (m) {
        if (!m) self.sendAgain(p);
        else if (m.type === "ok") self.finishPublish(p, null, m.seq);
        else self.finishPublish(p, { type: m.type, content: m.content });
      });
      return;
    }
    this.pending.push(p);
    var kind = this.verified ? this.kind : this.best();
    if (this.closed || this.state === "offline" || this.state === "busy") this.failPending("offline", this.reason);
    else if (kind !== "ws") this.failPending("unable", "the transport is " + kind + ", which cannot publish");
    else if (!this.end && !this.timer) this.change();
    this.keptToPublish = this.pending.length > 0;
  };

  // sendAgain keeps a message that was sent but not answered for the next connection, as long as the server knows its
  // key.
  Line.prototype.sendAgain = function (p) {
    var self = this, left = p.until - this.clock.now();
    p.sent = true;
    if (this.closed || left <= 0) return this.finishPublish(p, { type: "unknown", content: unanswered });
    this.pending.push(p);
    this.keptToPublish = true;
    if (!p.timer) {
      p.timer = this.clock.setTimeout(function () {
        self.pending = self.pending.filter(function (other) { return other !== p; });
        self.finishPublish(p, { type: "unknown", content: unanswered });
      }, left);
    }
  };

  // finishPublish reports the result of a publish. If the message may have been sent before, it may be published
  // although the server refuses it now, unless the reason must have been the same before.
  Line.prototype.finishPublish = function (p, problem, seq) {
    this.clock.clearTimeout(p.timer);
    if (problem && p.sent && !/^(unknown|400|413)$/.test(problem.type)) problem = { type: "unknown", content: unanswered + "; now: " + problem.content };
    p.done(problem, seq);
  };

  // failPending rejects the pending publishes. If the Line is only offline, those that may have been sent wait for the
  // next connection.
  Line.prototype.failPending = function (type, content) {
    var self = this, pending = this.pending, waits = type === "offline" && !this.closed;
    this.pending = pending.filter(function (p) { return waits && p.sent; });
    this.keptToPublish = this.pending.length > 0;
    pending.forEach(function (p) { if (!waits || !p.sent) self.finishPublish(p, { type: type, content: content }); });
  };

  Line.prototype.sse = function () {
    var self = this, opened = false, heard = false, source;
    try {
      source = new root.EventSource(this.url("sse", true), { withCredentials: this.options.credentials === true });
    } catch (e) {
      return this.reconnect(e.message);
    }
    this.watch(this.silence);
    this.end = function () {
      source.onopen = source.onmessage = source.onerror = null;
      source.close();
      // The stream was silent for longer than the server ever is: a proxy holds it back.
      if (opened && !heard && self.clock.now() - self.heardAt >= self.silence) self.sseFailures = 2;
    };
    source.onopen = function () {
      opened = true;
      self.opened();
    };
    source.onmessage = function (event) {
      heard = true;
      self.sseFailures = 0;
      var message = parse(event.data);
      if (message && typeof message === "object") self.hear([message]);
    };
    source.onerror = function () {
      // Otherwise the browser would reconnect by itself to this URL, whose numbers are old by then.
      if (!opened && self.pingAnswered) self.sseFailures++;
      self.reconnect(opened ? "the connection ended" : "the event stream could not be opened", !opened);
    };
  };

  Line.prototype.poll = function () { this.ask(get, true); };
  Line.prototype.jsonp = function () { this.ask(script, true); };

  Line.prototype.ask = function (transport, first) {
    var self = this;
    this.watch(this.silence);
    if (first) this.opened();
    var end = this.end = transport(this.url("poll", first), this.options, function (status, value, wait) {
      if (status !== 200) {
        if (!self.refused(status, wait)) self.reconnect(status ? "status " + status : "the connection ended", true);
        return;
      }
      if (!value || typeof value !== "object") return self.reconnect("the answer is not JSON", true);
      var news = self.hear(Array.isArray(value) ? value : [value]);
      if (self.end !== end) return; // hear has ended this connection
      self.end = null;
      if (news || first) self.ask(transport, false);
      else self.reconnect("the answers have nothing new");
    });
  };

  // opened is called when the connection is open, or when the first poll starts. If the server refuses, it does so at
  // once.
  Line.prototype.opened = function () {
    var self = this;
    this.pingAnswered = false;
    for (var name in this.wanted) if (this.wanted[name].unchecked) this.checkCount(name);
    this.probeLater();
    if (!this.joinTimer && !this.socket) this.joinTimer = this.clock.setTimeout(function () { self.assumeJoined(); }, 100);
  };

  Line.prototype.assumeJoined = function () {
    var wanted = this.wanted, requested = this.socket ? this.requested : wanted;
    for (var name in requested) {
      // The message that was requested again has not come: the server may not have counted that far.
      if (requested[name] !== wanted[name] || !wanted[name].asked) continue;
      this.claim(wanted[name], wanted[name].next);
      this.checkCount(name);
    }
    var joined = this.active().filter(function (name) { return requested[name] === wanted[name] && !wanted[name].joined; });
    if (this.state !== "offline") this.tell("open"); // otherwise the browser has reported no network
    joined.forEach(function (name) { wanted[name].joined = true; });
    if (joined.length > 0) this.on.received(joined.map(function (name) { return { type: "joined", cname: name, epoch: wanted[name].epoch }; }));
  };

  // checkCount asks the server for the next number of a channel, for readers that know of a higher number, or of none.
  Line.prototype.checkCount = function (name) {
    var self = this, w = this.wanted[name], claim = w.claim;
    var url = this.options.url + "poll?lost=1&cname=" + encodeURIComponent(name) + "&seq=0";
    if (w.token) url += "&token=" + encodeURIComponent(w.token);
    w.unchecked = false;
    (this.kind === "jsonp" ? script : get)(url, this.options, function (status, answer) {
      if (self.wanted[name] !== w) return;
      if (!answer || answer.type !== "next_seq") {
        w.unchecked = true; // ask again after the next connection
        return;
      }
      if (w.claim === claim) w.claim = null;
      self.on.received([{ type: "newest", cname: name, seq: answer.seq, epoch: w.epoch }]);
      // Compare only a claim that was made before the request: newer messages may have overtaken the answer.
      if (claim !== null && diff(answer.seq, claim) < 0) self.on.received([answer]);
    });
  };

  // watch starts to wait for a sign of the server, for limit milliseconds.
  Line.prototype.watch = function (limit) {
    this.limit = limit;
    this.heardAt = this.clock.now();
    this.pinged = null;
    this.checkAfter(limit);
  };

  Line.prototype.checkAfter = function (wait) {
    var self = this;
    this.clock.clearTimeout(this.watchdog);
    this.watchdog = this.clock.setTimeout(function () { self.check(); }, wait);
  };

  // check reconnects if the server was silent for too long. A WebSocket is pinged before that and gets time to answer:
  // a browser may run this timer much too late, and a WebSocket is silent while nothing is published.
  Line.prototype.check = function () {
    var now = this.clock.now(), silent = now - this.heardAt, answer = this.limit * 3 / 13, left = this.limit - silent;
    if (this.socket && this.pinged === null) left = this.limit - answer - silent;
    else if (this.socket) left = this.pinged + answer - now;
    if (left > 0) this.checkAfter(left);
    else if (this.socket && this.pinged === null) this.pingSocket();
    else this.reconnect("nothing was heard for " + Math.round(silent / 1000) + " seconds", true);
  };

  // reconnect ends the connection and reconnects after a back-off. If verify is set, or if the state was not open, the
  // next attempt starts with /ping.
  Line.prototype.reconnect = function (reason, verify) {
    var was = this.state;
    this.stop();
    if (verify || was !== "open") this.verified = false;
    this.attemptAfter(delay(this.clock, this.options.firstDelay, this.options.longestDelay, this.tries++));
    this.tell(was === "open" ? "connecting" : "offline", reason);
  };

  // hear handles messages of the server and returns whether any of them is new.
  Line.prototype.hear = function (list) {
    var out = [], news = false;
    this.heard();
    for (var i = 0; i < list.length; i++) {
      news = this.track(list[i], out) || news;
      if (!/^(40.|429|503)$/.test(list[i].type)) this.tell("open");
    }
    if (out.length > 0) this.on.received(out);
    else this.on.heard();
    if (this.idle()) this.disconnect();
    return news;
  };

  Line.prototype.heard = function () {
    this.heardAt = this.clock.now();
    this.pinged = null;
    this.tries = 0;
  };

  // disconnect ends the connection: no channel is wanted, or all of them are busy.
  Line.prototype.disconnect = function () {
    this.stop();
    if (!this.idle()) return this.change(); // a pending publish has no answer yet
    if (Object.keys(this.wanted).length > 0) this.tell("busy", this.busyReason);
    else this.tell("idle");
  };

  // track updates the cursor with which the next connection starts, after one message, and adds what readers must know
  // to out. It returns whether the message is new.
  Line.prototype.track = function (m, out) {
    var w = this.wanted[m.cname], live = this.socket || this.socketOpening, news = true;
    if (m.type === "noop" || m.type === "503") return true; // a 503 is handled when the connection ends
    if (!w || live && (w.joinId || this.requested[m.cname] !== w)) return false; // not wanted, or of an old cursor
    w.asked = false;
    w.epoch = m.epoch || w.epoch;
    m.epoch = w.epoch;
    var order = w.next === null ? 0 : diff(m.seq, w.next);
    switch (m.type) {
      case "data":
      case "broadcast":
        if (order > 0) this.addLost(m, w.next, out);
        news = order >= 0;
        if (news) w.next = (m.seq + 1) | 0;
        w.last = m;
        w.again = true;
        this.busyTries = 0;
        break;
      case "next_seq":
        // The next_seq that follows a broadcast has nothing new.
        if (w.last && w.last.type === "broadcast" && diff(m.seq, w.last.seq) === 1) return false;
        if (order > 0) this.addLost(m, w.next, out);
        if (order !== 0) w.last = null;
        w.next = m.seq;
        w.again = w.last !== null;
        break;
      case "lost":
        news = w.next === null || order > 0 || openEnded(m);
        if (!news) break;
        w.next = m.seq;
        w.last = null;
        w.again = false;
        break;
      case "400":
      case "401":
      case "403":
      case "404":
      case "close":
        delete this.wanted[m.cname];
        delete this.requested[m.cname];
        break;
      case "429":
        delete this.requested[m.cname];
        w.busy = true;
        w.joined = false;
        this.retryBusy(m.content);
    }
    out.push(m);
    return news;
  };

  // addLost adds a "lost" message, for a server that does not send one.
  Line.prototype.addLost = function (m, from, out) {
    out.push({ type: "lost", cname: m.cname, seq: m.seq, content: from + "-" + ((m.seq - 1) | 0), epoch: m.epoch });
  };

  // retryBusy is called when a channel was refused for now. The other channels go on without it; after a back-off, it
  // is tried again.
  Line.prototype.retryBusy = function (reason) {
    var self = this;
    this.busyReason = reason;
    if (this.busyTimer) return;
    this.busyTimer = this.clock.setTimeout(function () {
      self.busyTimer = null;
      for (var name in self.wanted) self.wanted[name].busy = false;
      if (self.socket) self.change();
      else self.attempt();
    }, delay(this.clock, 10000, 120000, this.busyTries++));
  };

  // Tabs shares a Line between tabs. The tab that holds the lock is the leader and has the Line. The followers tell it
  // what they want, and it sends the messages of the server to all tabs; each tab drops those that it already has. If a
  // new tab has an older cursor, the leader requests the messages from there again: missed and new messages come the
  // same way, so none is lost between them.
  //
  // When the leader ends, its lock is free. The next leader announces itself, and all tabs tell it what they want, from
  // their own cursors on.
  function Tabs(options, clock, comet) {
    var self = this;
    this.options = options;
    this.clock = clock;
    this.comet = comet;
    this.id = Math.random().toString(36).slice(2);
    this.key = "comet " + options.url + " " + options.transport;
    this.line = null;
    this.members = Object.create(null); // in the leader: the wanted channels, by tab
    this.unpublished = Object.create(null); // by number: { request, done }; request.until is set when a leader takes it
    this.last = 0;
    this.ready = this.closed = this.queued = this.asked = false;
    this.bus = new root.BroadcastChannel(this.key);
    this.bus.onmessage = function (event) { self.heard(event.data); };
    // Each tab holds a lock of its own until it ends, in whatever way: so the leader notices that end.
    this.holdLock(this.key + " " + this.id, {}, function (end) {
      self.leave = end;
      self.ready = true;
      self.apply(false);
      comet.wantAll();
      self.publishAll();
      self.watchLeader();
    }).then(null, function () { comet.useOwnLine(); }); // locks are not available, as in a sandbox
  }

  // holdLock requests a lock and calls got(release) when it has the lock.
  Tabs.prototype.holdLock = function (name, how, got) {
    var self = this;
    return root.navigator.locks.request(name, how, function () {
      if (self.closed) return undefined;
      return new root.Promise(function (release) { got(release); });
    });
  };

  // apply waits for the leader's lock, or steals it from a leader that does not run.
  Tabs.prototype.apply = function (steal) {
    var self = this;
    if (!steal) this.queued = true;
    this.holdLock(this.key, { steal: steal }, function (release) {
      if (!steal) self.queued = false;
      self.release = release;
      self.lead();
    }).then(null, function () { // another tab has stolen the lock
      if (self.closed) return;
      self.follow();
      if (!self.queued) self.apply(false);
    });
  };

  Tabs.prototype.lead = function () {
    var self = this;
    this.line = new Line(this.options, this.clock, {
      received: function (list) { self.tell("", { kind: "said", list: list }); },
      heard: function () { self.tellActivity(""); },
      state: function () { self.tellState(""); }
    });
    this.bus.postMessage({ kind: "lead" });
    this.comet.wantAll();
    this.publishAll();
  };

  Tabs.prototype.follow = function () {
    var line = this.line;
    this.line = null;
    if (line) line.close();
    this.members = Object.create(null);
    this.watchLeader();
  };

  Tabs.prototype.close = function () {
    this.closed = true;
    if (this.line) this.line.close();
    this.line = null;
    this.clock.clearTimeout(this.timer);
    this.bus.close();
    if (this.release) this.release();
    if (this.leave) this.leave();
    for (var n in this.unpublished) this.published(n, { type: this.unpublished[n].request.until ? "unknown" : "offline", content: "the page has closed the connection" });
  };

  // tell sends a message to one tab, or to all tabs with this one. This tab handles it at once.
  Tabs.prototype.tell = function (to, what) {
    if (this.closed) return;
    if (to !== this.id) {
      what.to = to;
      this.bus.postMessage(what);
    }
    if (to === "" || to === this.id) this.heard(what);
  };

  Tabs.prototype.tellState = function (to) {
    if (this.line && this.line.state) this.tell(to, { kind: "state", state: this.line.state, reason: this.line.reason, transport: this.line.kind });
  };

  // request asks the leader, which may be this tab.
  Tabs.prototype.request = function (what) {
    what.tab = this.id;
    if (this.line) this.serve(what);
    else if (this.ready && !this.closed) this.bus.postMessage(what);
  };

  Tabs.prototype.want = function (name, next, epoch, again, token) {
    this.request({ kind: "want", name: name, next: next, epoch: epoch, again: again, token: token });
  };

  Tabs.prototype.drop = function (name) { this.request({ kind: "drop", name: name }); };

  // publish asks the leader to publish. If that leader ends before it is done, the next leader is asked.
  Tabs.prototype.publish = function (what, done) {
    if (this.closed) return done({ type: "offline", content: "the page has been left" });
    var request = { kind: "publish", n: ++this.last, name: what.name, content: what.content, key: what.key, until: 0 };
    this.unpublished[request.n] = { request: request, done: done };
    this.request(request);
  };

  // publishAll sends the pending publishes to a new leader. The previous leader may have published those that it has
  // taken, so they are sent again only while the server knows their keys.
  Tabs.prototype.publishAll = function () {
    for (var n in this.unpublished) {
      var until = this.unpublished[n].request.until;
      if (!until || until > this.clock.now()) this.request(this.unpublished[n].request);
      else this.published(n, { type: "unknown", content: "the tab that had the connection has ended" });
    }
  };

  Tabs.prototype.published = function (n, problem, seq) {
    var it = this.unpublished[n];
    delete this.unpublished[n];
    if (it) it.done(problem, seq);
  };

  // hurry makes the leader reconnect at once or check its connection, and checks that there is a leader.
  Tabs.prototype.hurry = function (network) {
    this.request({ kind: "hurry", network: network });
    if (!this.line && this.ready && !this.closed) this.askLeader();
  };

  Tabs.prototype.offline = function () {
    if (this.line) this.line.offline();
  };

  // serve handles a request of a tab, in the leader.
  Tabs.prototype.serve = function (q) {
    var self = this, channels = this.members[q.tab];
    if (q.kind === "hurry") this.line.hurry(q.network);
    if (q.kind === "hello") this.line.pingSocket();
    if (q.kind === "hurry" || q.kind === "hello") this.tellActivity(q.tab);
    if (q.kind === "publish") {
      var what = { name: q.name, content: q.content, key: q.key, until: q.until }; // before "taken" sets until
      var line = this.line;
      this.tell(q.tab, { kind: "taken", n: q.n });
      line.publish(what, function (problem, seq) {
        // If another tab is the leader by now, the request is sent to it again, and it reports the result.
        if (self.line === line) self.tell(q.tab, { kind: "published", n: q.n, problem: problem, seq: seq });
      });
    }
    if (q.kind === "want") {
      if (!channels) {
        channels = this.members[q.tab] = Object.create(null);
        if (q.tab !== this.id) this.dropWhenEnded(q.tab);
      }
      channels[q.name] = true;
      var messages = this.line.want(q.name, q.next, q.epoch || "", q.again, q.token);
      this.tellState(q.tab);
      if (messages.length > 0 && this.line) this.tell(q.tab, { kind: "said", list: messages });
    } else if (q.kind === "drop" && channels) {
      delete channels[q.name];
      for (var tab in this.members) if (this.members[tab][q.name]) return;
      this.line.drop(q.name);
    }
  };

  // dropWhenEnded drops the channels of a tab when that tab has ended.
  Tabs.prototype.dropWhenEnded = function (tab) {
    var self = this;
    root.navigator.locks.request(this.key + " " + tab, function () {
      for (var name in self.members[tab]) if (self.line) self.serve({ kind: "drop", tab: tab, name: name });
      delete self.members[tab];
    }).then(null, function () {}); // this page itself ends
  };

  Tabs.prototype.heard = function (d) {
    if (this.closed || d.to && d.to !== this.id) return;
    if (d.tab) {
      if (this.line) this.serve(d);
      return;
    }
    // A message to all tabs shows that the leader runs, because something has happened to it. An answer to one tab does
    // not: a tab that was stopped by the browser or a debugger may still be able to answer.
    if (d.kind === "here") this.noteActivity(d.age || 0, d.limit || 0);
    else if (!d.to) this.noteActivity(0, 0);
    if (d.kind === "taken" && this.unpublished[d.n] && !this.unpublished[d.n].request.until) {
      this.unpublished[d.n].request.until = this.clock.now() + keyTime;
    }
    if (d.kind === "published") this.published(d.n, d.problem, d.seq);
    if (d.kind === "lead") this.comet.wantAll();
    if (d.kind === "lead") this.publishAll();
    if (d.kind === "state") this.comet.setLineState(d.state, d.reason, d.transport);
    if (d.kind === "said") this.comet.receive(d.list);
  };

  // tellActivity tells one tab, or all tabs, how long ago the leader had a sign of the server.
  Tabs.prototype.tellActivity = function (to) {
    var activity = this.line.activity();
    this.tell(to, { kind: "here", age: activity.age, limit: activity.limit });
  };

  // watchLeader makes a follower check from time to time that the leader runs: a browser may stop a tab for good
  // without ending it.
  Tabs.prototype.watchLeader = function () {
    this.noteActivity(0, 0);
    this.checkAfter(leaderSilence);
  };

  // noteActivity notes how long ago the leader had a sign of the server. After limit the leader would have reconnected
  // by itself, so a longer age shows that it does not run. The time is random, so that not all tabs react at once.
  Tabs.prototype.noteActivity = function (age, limit) {
    this.asked = false;
    this.heardAt = this.clock.now() - age;
    this.limit = limit + 100 + 400 * this.clock.random();
    if (age > 0 && !this.line) this.checkAfter(Math.max(this.heardAt + (limit ? this.limit : leaderSilence) - this.clock.now(), 1000));
  };

  Tabs.prototype.checkAfter = function (wait) {
    var self = this;
    this.clock.clearTimeout(this.timer);
    this.timer = this.clock.setTimeout(function () { self.check(); }, wait);
  };

  Tabs.prototype.check = function () {
    var silent = this.clock.now() - this.heardAt;
    if (this.line) return;
    if (this.asked || this.limit > 1000 && silent >= this.limit) {
      this.watchLeader();
      this.apply(true);
    } else if (silent < leaderSilence) {
      this.checkAfter(leaderSilence - silent);
    } else {
      this.askLeader();
    }
  };

  // askLeader asks the leader for a sign and gives it some seconds to answer. The time is random, so that not all tabs
  // react at once.
  Tabs.prototype.askLeader = function () {
    this.asked = true;
    this.request({ kind: "hello" });
    this.checkAfter(5000 + 5000 * this.clock.random());
  };

  function Comet(options) {
    var given = options || {}, self = this, name;
    if (!(this instanceof Comet)) throw new TypeError("Comet: call it with new");
    this.options = { url: "/", channels: [], transport: "auto", share: true, resume: true, firstDelay: 500, longestDelay: 30000 };
    for (name in given) if (given[name] !== undefined) this.options[name] = given[name];
    options = this.options;
    check(options);
    if (options.url.slice(-1) !== "/") options.url += "/";
    this.clock = options.clock || Comet.clock;
    this.readers = Object.create(null); // by channel
    this.state = "connecting";
    this.reason = this.transport = this.toldState = this.lineState = "";
    this.closed = false;
    this.keyPrefix = randomText();
    this.keyCount = 0;
    this.listeners = [];
    this.start();
    this.listen("online", function () { self.hub.hurry(true); });
    this.listen("offline", function () { self.hub.offline(); });
    this.listen("visibilitychange", function () { if (!root.document.hidden) self.hub.hurry(false); }, root.document);
    // A page that has been left but may be shown again must not hold a connection in the meantime.
    this.listen("pagehide", function () { self.hub.close(); });
    this.listen("pageshow", function (event) {
      if (event.persisted) self.start();
    });
    for (name in given) if (!knownOptions.test(name)) this.report(new TypeError("Comet: unknown option " + name));
    if (Array.isArray(options.channels)) options.channels.forEach(function (c) { self.subscribe(c, 0); });
    else for (name in options.channels) this.subscribe(name, options.channels[name]);
  }

  var knownOptions = /^(url|channels|token|transport|share|resume|credentials|publishURL|firstDelay|longestDelay|clock|on(message|lost|state|channel|error))$/;

  // check throws an error if an option is wrong, before anything starts. It makes the URLs absolute.
  function check(options) {
    function want(name, right, what) {
      if (!right) throw new TypeError("Comet: " + name + " is " + options[name] + ": want " + what);
    }
    function absolute(name) {
      want(name, typeof options[name] === "string", "a URL");
      if (!root.URL || !root.location) return;
      try {
        options[name] = new root.URL(options[name], root.location.href).href;
      } catch (e) {
        want(name, false, "a URL");
      }
    }
    want("transport", /^(auto|ws|sse|poll|jsonp)$/.test(options.transport), "auto, ws, sse, poll or jsonp");
    want("resume", /^(true|false|browser)$/.test(options.resume), "true, false or \"browser\"");
    want("token", /^(undefined|string|object|function)$/.test(typeof options.token), "a string, an object or a function");
    ["firstDelay", "longestDelay"].forEach(function (name) { want(name, options[name] > 0 && options[name] < 2147483648, "milliseconds, more than 0"); });
    ["onmessage", "onlost", "onstate", "onchannel", "onerror"].forEach(function (name) {
      want(name, !options[name] || typeof options[name] === "function", "a function");
    });
    absolute("url");
    if (options.publishURL) absolute("publishURL");
    if (typeof options.channels === "string") options.channels = [options.channels];
    want("channels", !options.channels || typeof options.channels === "object", "names, or names with numbers");
    if (Array.isArray(options.channels)) options.channels.forEach(checkName);
    else for (var name in options.channels) checkName(name), checkSeq(options.channels[name]);
  }

  // Comet.clock gives the time, in milliseconds, timers, and random numbers.
  Comet.clock = {
    now: function () { return new Date().getTime(); },
    setTimeout: function (f, delay) { return root.setTimeout(f, delay); },
    clearTimeout: function (timer) { root.clearTimeout(timer); },
    random: Math.random
  };

  // start creates the hub, from which this tab reads: a Line, or Tabs if it shares one.
  Comet.prototype.start = function () {
    var nav = root.navigator;
    if (!this.options.share || !nav || !nav.locks || !root.BroadcastChannel || !root.Promise) return this.useOwnLine();
    try {
      this.hub = new Tabs(this.options, this.clock, this);
    } catch (e) {
      this.useOwnLine();
    }
  };

  Comet.prototype.useOwnLine = function () {
    var self = this, line, unpublished = this.hub ? this.hub.unpublished : {};
    if (this.closed) return;
    if (this.hub) {
      this.hub.unpublished = {};
      this.hub.close();
    }
    line = this.hub = new Line(this.options, this.clock, {
      received: function (list) { self.receive(list); },
      heard: function () {},
      state: function (state, reason) { self.setLineState(state, reason, line.kind); }
    });
    this.wantAll();
    for (var n in unpublished) line.publish(unpublished[n].request, unpublished[n].done);
  };

  Comet.prototype.listen = function (type, f, target) {
    target = target || root;
    if (!target.addEventListener) return;
    target.addEventListener(type, f, false);
    this.listeners.push(function () { target.removeEventListener(type, f, false); });
  };

  // call calls a call-back. An error that it throws is reported and goes no further.
  Comet.prototype.call = function (name, a, b, c) {
    if (this.closed || !this.options[name]) return;
    try {
      this.options[name](a, b, c);
    } catch (e) {
      this.report(e);
    }
  };

  Comet.prototype.report = function (e) {
    if (this.closed) return;
    try {
      if (this.options.onerror) this.options.onerror(e);
      else if (root.console) root.console.error(e);
    } catch (again) {
      // onerror itself has failed: ignore it
    }
  };

  // checkName throws an error if a name is wrong: the server would refuse it together with all other channels of the
  // request.
  function checkName(name) {
    if (typeof name !== "string" && typeof name !== "number") throw new TypeError("Comet: a channel's name is of type " + typeof name + ": want a string");
    var bytes;
    try {
      bytes = encodeURIComponent(name).replace(/%../g, "x").length;
    } catch (e) { // half of a surrogate pair is not a character
      throw new RangeError("Comet: a channel's name is not text: " + e.message);
    }
    if (bytes < 1 || bytes > 255) throw new RangeError("Comet: a channel's name has " + bytes + " bytes: want 1 to 255");
    if (/[\x00-\x1f\x7f]/.test(name)) throw new RangeError("Comet: a channel's name has control characters");
  }

  function checkSeq(seq) {
    if (seq === undefined || seq === null || (Number(seq) | 0) === Number(seq)) return;
    throw new RangeError("Comet: the number to begin with is " + seq + ": want a whole number of 32 bits");
  }

  // subscribe adds a channel, or starts again with one that was denied or closed.
  Comet.prototype.subscribe = function (name, seq) {
    var r = this.readers[name];
    checkName(name);
    checkSeq(seq);
    if (this.closed || r && r.state !== "denied" && r.state !== "closed") return;
    if (r) this.clock.clearTimeout(r.timer);
    r = this.readers[name] = {
      name: String(name), state: "",
      next: (Number(seq) | 0) || null, // the number of the next message; null: only new messages
      epoch: "", // the epoch to which next belongs, if known
      hash: null, // the hash of the message before next
      asked: null, // the next with which this channel was last requested
      token: "", refused: "", ready: false, tries: 0, timer: null,
      waiting: [] // publishes to send when there is a token, or when there will be none
    };
    this.loadCursor(r);
    this.authorize(r);
    this.tell();
  };

  // unsubscribe removes a channel, and the cursor of this tab in it.
  Comet.prototype.unsubscribe = function (name) {
    var r = this.readers[name];
    if (!r || this.closed) return;
    this.clock.clearTimeout(r.timer);
    r.next = null;
    this.saveCursor(r);
    delete this.readers[name];
    this.hub.drop(name);
    this.sendWaiting(r);
    this.tell();
  };

  // publish returns a promise of the message's number. The message is sent on the WebSocket, or to publishURL if there
  // is no WebSocket or it must not be used for that.
  Comet.prototype.publish = function (name, content) {
    var self = this;
    checkName(name);
    if (typeof content !== "string") throw new TypeError("Comet: content is of type " + typeof content + ": want a string");
    return new root.Promise(function (resolve, reject) {
      function end(problem, seq) {
        if (!problem) return resolve(seq);
        var error = new Error("Comet: not published: " + (problem.content || problem.type));
        error.type = problem.type;
        reject(error);
      }
      function done(problem, seq) {
        var another = problem && /^(unable|403)$/.test(problem.type) && self.options.publishURL && !self.closed;
        if (another) post(self.options, name, content, end);
        else end(problem, seq);
      }
      function send() {
        self.clock.clearTimeout(timer);
        if (self.closed) done({ type: "offline", content: "the page has closed the connection" });
        else self.hub.publish({ name: String(name), content: content, key: self.keyPrefix + "-" + ++self.keyCount }, done);
      }
      var r = self.readers[name], timer = null;
      if (!r || r.ready || self.closed || r.state === "denied" || r.state === "closed") return send();
      r.waiting.push(send); // the token may be the one that permits publishing
      timer = self.clock.setTimeout(function () {
        r.waiting.splice(r.waiting.indexOf(send), 1);
        done({ type: "offline", content: "no token of the channel was received" });
      }, keyTime);
    });
  };

  // sendWaiting sends the publishes that have waited for a channel's token.
  Comet.prototype.sendWaiting = function (r) {
    r.waiting.splice(0).forEach(function (send) { send(); });
  };

  // post publishes by a POST to publishURL, with the fields of the server's /push.
  function post(options, name, content, done) {
    var xhr = new root.XMLHttpRequest(), form;
    try {
      form = "cname=" + encodeURIComponent(name) + "&content=" + encodeURIComponent(content) + "&ack=1";
    } catch (e) { // half of a surrogate pair is not a character
      return done({ type: "400", content: e.message });
    }
    xhr.onreadystatechange = function () {
      if (xhr.readyState !== 4) return;
      var answer = parse(xhr.responseText) || {}, ok = xhr.status >= 200 && xhr.status < 300;
      if (ok) done(null, typeof answer.seq === "number" ? answer.seq : null);
      else done({ type: xhr.status ? String(xhr.status) : "unknown", content: answer.content || "status " + xhr.status });
    };
    try {
      xhr.open("POST", options.publishURL, true);
      xhr.timeout = 30000;
      xhr.withCredentials = options.credentials === true;
      xhr.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
      xhr.send(form);
    } catch (e) { // publishURL is not a URL, or not one for requests
      xhr.onreadystatechange = null;
      done({ type: "unable", content: "publishURL is " + options.publishURL + ": " + e.message });
    }
  }

  Comet.prototype.next = function (name) {
    return this.readers[name] ? this.readers[name].next : null;
  };

  // close ends everything. No call-back is called after it.
  Comet.prototype.close = function () {
    if (this.closed) return;
    this.closed = true;
    this.state = "closed";
    this.listeners.forEach(function (remove) { remove(); });
    for (var name in this.readers) {
      this.clock.clearTimeout(this.readers[name].timer);
      this.sendWaiting(this.readers[name]);
      if (!(this.hub instanceof Line)) this.hub.drop(name);
    }
    this.hub.close();
  };

  // authorize gets the token of a channel and then subscribes to the channel.
  Comet.prototype.authorize = function (r) {
    var self = this, source = this.options.token, given = false;
    function give(token) {
      if (given || self.readers[r.name] !== r) return;
      given = true;
      token = token ? String(token) : "";
      if (r.refused && token === r.token) return self.setState(r, "denied", r.refused);
      r.token = token;
      r.ready = true;
      self.want(r);
      self.sendWaiting(r);
    }
    function failed(e) {
      if (given || self.readers[r.name] !== r) return;
      given = true;
      self.report(e);
      self.renewToken(r);
    }
    if (typeof source !== "function") return give(source && typeof source === "object" ? source[r.name] : source);
    try {
      var token = source(r.name, give);
      if (token && typeof token.then === "function") token.then(give, failed);
      else if (token !== undefined) give(token);
    } catch (e) {
      failed(e);
    }
  };

  // renewToken asks for a token again: at once for the first time, then after a back-off.
  Comet.prototype.renewToken = function (r) {
    var self = this, wait = r.tries === 0 ? 0 : delay(this.clock, 500, 60000, r.tries);
    r.tries++;
    r.timer = this.clock.setTimeout(function () { self.authorize(r); }, wait);
  };

  Comet.prototype.want = function (r) {
    if (this.readers[r.name] !== r) return; // a call-back has unsubscribed it
    r.asked = r.next;
    var messages = this.hub.want(r.name, r.next, r.epoch, r.hash !== null, r.token);
    if (messages && messages.length > 0) this.receive(messages);
  };

  // wantAll tells a new leader or a new Line which channels are wanted.
  Comet.prototype.wantAll = function () {
    for (var name in this.readers) if (this.readers[name].ready) this.want(this.readers[name]);
  };

  // receive handles messages of the server.
  Comet.prototype.receive = function (list) {
    var changed = Object.create(null), name;
    for (var i = 0; i < list.length && !this.closed; i++) {
      var r = this.readers[list[i].cname];
      if (!r || r.state === "closed") continue;
      var epoch = r.epoch;
      if (this.handle(r, list[i]) || r.epoch !== epoch) changed[r.name] = r;
    }
    for (name in changed) if (this.readers[name] === changed[name]) this.saveCursor(changed[name]);
  };

  // handle processes one message and returns whether the cursor has changed.
  Comet.prototype.handle = function (r, m) {
    switch (m.type) {
      case "400":
      case "401":
      case "403":
      case "404":
        return this.refuse(r, m);
      case "429":
        return this.setState(r, "busy", m.content);
      case "close":
        r.next = r.hash = null;
        r.epoch = "";
        r.ready = false;
        this.setState(r, "closed", "the server has closed the channel");
        return true;
    }
    r.tries = 0;
    r.refused = "";
    if (r.next !== null) {
      if (openEnded(m)) return m.epoch !== r.epoch && this.restart(r, m.seq, m.epoch);
      if (m.epoch && r.epoch && m.epoch !== r.epoch) return this.restart(r, 1, m.epoch);
      r.epoch = m.epoch || r.epoch;
    }
    switch (m.type) {
      case "joined":
        return this.setState(r, "open");
      case "lost":
        return this.skip(r, m);
      case "newest":
      case "next_seq":
        this.setState(r, "open");
        if (r.next !== null) return m.type === "next_seq" && diff(m.seq, r.next) < 0 && this.restart(r, 1, r.epoch);
        r.next = m.seq;
        r.epoch = m.epoch || "";
        return true;
      case "data":
      case "broadcast":
        return r.next !== null && this.deliver(r, m);
    }
    return false;
  };

  // deliver handles a message of the channel, and calls onmessage if it is the next one.
  Comet.prototype.deliver = function (r, m) {
    var order = diff(m.seq, r.next);
    this.setState(r, "open");
    if (this.readers[r.name] !== r) return false; // a call-back has unsubscribed it
    if (order > 0) return this.requestMissed(r);
    if (order === -1 && r.hash !== null && r.hash !== hash(m.content)) return this.restart(r, 1, r.epoch);
    if (order < 0) return false;
    r.next = (m.seq + 1) | 0;
    r.hash = hash(m.content);
    this.call("onmessage", { channel: r.name, seq: m.seq, content: m.content, type: m.type });
    return true;
  };

  // requestMissed is called for a message beyond the cursor: it is for other tabs, which are ahead. The missing
  // messages are requested once.
  Comet.prototype.requestMissed = function (r) {
    if (r.asked !== r.next) this.want(r);
    return false;
  };

  // restart sets the cursor to number next of an epoch: the channel was created anew, and all its messages are new.
  Comet.prototype.restart = function (r, next, epoch) {
    var from = r.next;
    r.next = next;
    r.epoch = epoch;
    r.hash = null;
    this.reportLost(r, from, null);
    this.want(r);
    return true;
  };

  // skip moves the cursor past lost messages.
  Comet.prototype.skip = function (r, m) {
    var from = r.next;
    if (from === null) return false; // there is no cursor yet, so nothing is lost for this tab
    if (diff(parseInt(m.content, 10), from) > 0) return this.requestMissed(r);
    if (diff(m.seq, from) <= 0) return false;
    r.next = m.seq;
    r.hash = null;
    this.reportLost(r, from, (m.seq - 1) | 0);
    return true;
  };

  Comet.prototype.reportLost = function (r, from, to) {
    this.setState(r, "lost");
    if (this.readers[r.name] === r) this.call("onlost", r.name, from, to);
    this.setState(r, "open");
  };

  // refuse handles a refusal of the channel. If the token comes from a function, another token is tried first.
  Comet.prototype.refuse = function (r, m) {
    var another = typeof this.options.token === "function";
    r.ready = false;
    r.refused = m.content || m.type;
    if (!another || r.tries > 0) this.setState(r, "denied", r.refused);
    if (another) this.renewToken(r);
    return false;
  };

  // setState sets the state of a channel.
  Comet.prototype.setState = function (r, state, reason) {
    if (r.state === state || this.readers[r.name] !== r) return false;
    r.state = state;
    if (state === "denied" || state === "closed") this.sendWaiting(r);
    this.call("onchannel", r.name, state, reason || "");
    this.tell(reason);
    return false;
  };

  Comet.prototype.setLineState = function (state, reason, transport) {
    this.lineState = state;
    this.lineReason = reason;
    this.transport = transport;
    this.tell();
  };

  // tell sets the state of the whole client: that of the Line, unless no channel is left on it.
  Comet.prototype.tell = function (reason) {
    var state = "closed", name;
    for (name in this.readers) {
      var s = this.readers[name].state;
      if (s === "denied" && state === "closed") state = "denied";
      if (s !== "denied" && s !== "closed") state = this.lineState === "" || this.lineState === "idle" ? "connecting" : this.lineState;
    }
    if (state === this.lineState) reason = this.lineReason;
    if (this.closed || state === this.toldState) return;
    this.state = this.toldState = state;
    this.reason = reason || "";
    if (state === "connecting" && !this.lineState) this.toldState = ""; // do not report it before the Line has a state
    else this.call("onstate", state, this.reason);
  };

  // Cursors are stored by server and channel: the number of the next message, the hash of the message before it, and
  // the epoch.

  Comet.prototype.storage = function () {
    try {
      if (!this.options.resume) return null;
      return this.options.resume === "browser" ? root.localStorage : root.sessionStorage;
    } catch (e) {
      return null; // the browser forbids it
    }
  };

  Comet.prototype.loadCursor = function (r) {
    try {
      var was = JSON.parse(this.storage().getItem("comet " + this.options.url + " " + r.name));
      if (typeof was[0] !== "number") return;
      r.next = was[0];
      r.hash = was[1];
      r.epoch = was[2] || "";
    } catch (e) {
      // nothing is stored
    }
  };

  Comet.prototype.saveCursor = function (r) {
    var storage = this.storage(), key = "comet " + this.options.url + " " + r.name;
    if (!storage) return;
    try {
      if (r.next === null) storage.removeItem(key);
      else storage.setItem(key, JSON.stringify([r.next, r.hash, r.epoch]));
    } catch (e) {
      // the storage is full
    }
  };

  root.Comet = Comet;
  if (typeof module === "object" && module.exports) module.exports = Comet;
})(typeof self !== "undefined" ? self : this);
