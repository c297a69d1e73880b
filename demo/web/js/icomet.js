// The client for pages that were written for iComet. It has the same constructor, options, members and globals, and
// does not need jQuery.
//
//   var comet = new iComet({
//     channel: "abc",
//     subUrl: "http://127.0.0.1:8100/sub",       // this server's front side
//     signUrl: "http://app.example/sign",        // optional: gives a token for the channel
//     pubUrl: "http://app.example/push?cb=?",    // optional: for pub(); with cb=? by JSONP
//     callback: function (content, type) {}      // type: "data" or "broadcast"
//   });
//   comet.pub("hello", function (answer) {});
//   comet.stop(); comet.start();
//
// sub_url, pub_url, sign_url and sub_callback are other names of these options. sub_timeout is the time of silence, in
// milliseconds, after which it reconnects; the answer of signUrl sets it, too. Two options are not iComet's: seq, the
// number to begin with (0: only new messages), and onerror(type, content), which is called when the server refuses a
// request: "401", "404", "429".
//
// It does not have these faults of iComet's client: an error took a minute to be noticed; a refusal called alert();
// several old messages at once ended a long poll for good; an old message set the client back to its number.
//
// It runs in browsers that have ECMAScript 5.
(function (root) {
  "use strict";

  var shortest = 500, longest = 30000; // the first and the longest back-off, in milliseconds

  function now() { return new Date().getTime(); }

  // encoded encodes a text but keeps escapes in it: with iComet, pages had to encode the channel's name themselves.
  function encoded(text) {
    return encodeURIComponent(text).replace(/%25([0-9a-fA-F]{2})/g, "%$1");
  }

  function withQuery(url) { return url + (url.indexOf("?") < 0 ? "?" : "&"); }

  // after returns the next number. Numbers have 32 bits and wrap around.
  function after(seq) { return (seq + 1) | 0; }

  function iComet(config) {
    var self = this;
    if (iComet.id__ === undefined) iComet.id__ = 0;
    config.sub_url = config.sub_url || config.subUrl;
    config.pub_url = config.pub_url || config.pubUrl;
    config.sign_url = config.sign_url || config.signUrl;

    self.id = iComet.id__++;
    self.cb = "icomet_cb_" + self.id;
    self.cname = config.channel;
    self.token = config.token || "";
    self.sub_timeout = config.sub_timeout || 60 * 1000;
    self.timer = null;
    self.stopped = true;
    self.last_msg_time = 0;
    self.data_seq = config.seq | 0;
    self.noop_seq = 0;
    self.pub_url = config.pub_url;
    self.sub_url = withQuery(config.sub_url) + "cb=" + self.cb;
    if (config.sign_url) self.sign_url = withQuery(config.sign_url) + "cb=" + self.cb + "&cname=" + encoded(self.cname);

    var turn = 0; // answers to requests of an earlier turn are ignored
    var again = null; // the timer of the next attempt
    var tries = 0;
    var heard = 0; // the number of messages received, of any type

    self.sub_cb = function (msg) {
      var cb = config.callback || config.sub_callback;
      if (!cb) return;
      try {
        cb(msg.content, msg.type);
      } catch (e) {
        self.log(e);
      }
    };

    // onmessage handles one message of the server, or an array of messages.
    self.onmessage = function (msg) {
      var list = Array.isArray(msg) ? msg : [msg];
      for (var i = 0; i < list.length; i++) self.proc_message(list[i]);
    };

    self.proc_message = function (msg) {
      if (self.stopped || !msg) return;
      heard++;
      self.last_msg_time = now();
      switch (msg.type) {
        case "sign":
          self.sign_cb(msg);
          break;
        case "401":
        case "404":
        case "429":
          refused(msg);
          break;
        case "noop":
          self.onmessage_noop(msg);
          break;
        case "next_seq":
          self.onmessage_next_seq(msg);
          break;
        case "data":
        case "broadcast":
          self.onmessage_data(msg);
          break;
        case "close":
          retry(5000);
      }
    };

    self.onmessage_noop = function () {
      tries = 0;
      self.noop_seq = after(self.noop_seq);
    };

    self.onmessage_next_seq = function (msg) {
      tries = 0;
      self.data_seq = msg.seq;
    };

    self.onmessage_data = function (msg) {
      tries = 0;
      if (((msg.seq - self.data_seq) | 0) < 0) return; // a message that was received before
      self.data_seq = after(msg.seq);
      self.sub_cb(msg);
    };

    function refused(msg) {
      self.log("refused", msg.type, msg.content);
      try {
        if (config.onerror) config.onerror(msg.type, msg.content);
      } catch (e) {
        self.log(e);
      }
      if (!self.stopped) retry(5000);
    }

    // retry reconnects, beginning with the token, after a back-off, which grows and is random, so that it differs
    // between pages.
    function retry(least) {
      disconnect();
      var most = Math.max(least, Math.min(shortest * Math.pow(2, tries++), longest));
      again = root.setTimeout(connect, most * (0.5 + Math.random() / 2) + least / 2);
    }

    function disconnect() {
      turn++;
      root.clearTimeout(again);
      again = null;
      if (!self.EventSource) return;
      self.EventSource.onmessage = self.EventSource.onerror = null;
      self.EventSource.close();
      self.EventSource = null;
    }

    function connect() {
      disconnect();
      self.last_msg_time = now();
      if (self.sign_url) request(self.sign_url + "&_=" + now(), retry);
      else subscribe();
    }

    function subscribe() {
      var url = self.sub_url + "&cname=" + encoded(self.cname) + "&seq=" + self.data_seq + "&noop=" + self.noop_seq +
        "&token=" + encodeURIComponent(self.token) + "&_=" + now();
      disconnect();
      if (typeof root.EventSource === "undefined") {
        request(url, subscribe);
        return;
      }
      try {
        self.EventSource = new root.EventSource(url.replace("/sub?", "/sse?"));
      } catch (e) {
        self.log(e.message);
        return retry(0);
      }
      self.EventSource.onmessage = function (e) { self.onmessage(JSON.parse(e.data)); };
      // Otherwise the browser would reconnect by itself to this URL, whose number is old by then.
      self.EventSource.onerror = function () { retry(0); };
    }

    // request adds a script that calls self.cb with the answer of the server. If the answer has not begun another turn,
    // request then calls then(0), or retry if there was no answer.
    function request(url, then) {
      var mine = turn, before = heard;
      load(url, function (loaded) {
        if (mine !== turn) return;
        if (loaded && heard > before) then(0);
        else retry(0);
      });
    }

    self.sign_cb = function (msg) {
      if (self.stopped) return;
      self.cname = msg.cname;
      self.token = msg.token;
      if (msg.sub_timeout > 0) self.sub_timeout = msg.sub_timeout * 1.3 * 1000;
      subscribe();
    };

    self.start = function () {
      root[self.cb] = self.onmessage;
      self.stopped = false;
      tries = 0;
      if (!self.timer) {
        self.timer = root.setInterval(function () {
          if (!again && now() - self.last_msg_time > self.sub_timeout) retry(0);
        }, 1000);
      }
      connect();
    };

    self.stop = function () {
      self.stopped = true;
      self.last_msg_time = 0;
      root.clearInterval(self.timer);
      self.timer = null;
      disconnect();
    };

    // pub publishes a string by pubUrl. If there is no pubUrl, or content is not a string, it does nothing and returns
    // false.
    self.pub = function (content, callback) {
      if (typeof content !== "string" || !self.pub_url) {
        self.log("pub: " + (self.pub_url ? "want a string" : "there is no pubUrl"));
        return false;
      }
      ask(self.pub_url, "cname=" + encodeURIComponent(self.cname) + "&content=" + encodeURIComponent(content), callback);
    };

    self.log = function () {
      if (!root.console) return;
      root.console.log.apply(root.console, [new Date().toTimeString().substr(0, 8), "icomet[" + self.id + "]"].concat([].slice.call(arguments)));
    };

    self.start();
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

  // load adds a script and calls done(loaded); loaded reports whether the script was loaded.
  function load(url, done) {
    var element = root.document.createElement("script");
    function end(loaded) {
      if (element.parentNode) element.parentNode.removeChild(element);
      done(loaded);
    }
    element.async = true;
    element.onload = function () { end(true); };
    element.onerror = function () { end(false); };
    element.src = url;
    append(element);
  }

  var asked = 0;

  // ask requests JSON: by JSONP if the URL has a place for the call-back's name (cb=?), else by XMLHttpRequest.
  function ask(url, query, callback) {
    var place = /=\?(&|$)/;
    if (place.test(url)) {
      var name = "icomet_pub_" + now() + "_" + asked++;
      root[name] = function (answer) { if (callback) callback(answer, "success"); };
      load(withQuery(url.replace(place, "=" + name + "$1")) + query, function () { delete root[name]; });
      return;
    }
    var xhr = new root.XMLHttpRequest();
    xhr.onreadystatechange = function () {
      if (xhr.readyState === 4 && xhr.status === 200 && callback) callback(JSON.parse(xhr.responseText), "success");
    };
    xhr.open("GET", withQuery(url) + query, true);
    xhr.send();
  }

  root.iComet = iComet;
})(typeof self !== "undefined" ? self : this);
