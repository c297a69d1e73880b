// The client that pages written for iComet include: the same constructor, options, members and globals. It
// needs no jQuery.
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
// sub_url, pub_url, sign_url and sub_callback are other names of the same. sub_timeout: milliseconds of silence
// after which it connects again; the answer of signUrl tells it. And two that are ours: seq, the number to begin
// with (0: the newest), and onerror(type, content), called with what the server refuses: "401", "404", "429".
//
// What pages had to live with, and do not any more: an error took a minute to be noticed; a refusal called
// alert(); several old messages at once ended a long poll for good; an old message rewound it.
//
// It runs in engines of ECMAScript 5.
(function (root) {
  "use strict";

  var shortest = 500, longest = 30000; // milliseconds between tries

  function now() { return new Date().getTime(); }

  // encoded leaves escapes as they are: pages had to encode the channel's name themselves.
  function encoded(text) {
    return encodeURIComponent(text).replace(/%25([0-9a-fA-F]{2})/g, "%$1");
  }

  function withQuery(url) { return url + (url.indexOf("?") < 0 ? "?" : "&"); }

  // Numbers are of 32 bits and wrap.
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

    var turn = 0; // what has begun in an earlier one counts no more
    var again = null; // the timer of the next try
    var tries = 0;
    var heard = 0; // messages of any kind

    self.sub_cb = function (msg) {
      var cb = config.callback || config.sub_callback;
      if (!cb) return;
      try {
        cb(msg.content, msg.type);
      } catch (e) {
        self.log(e);
      }
    };

    // onmessage takes what the server says: a message, or several.
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
      if (((msg.seq - self.data_seq) | 0) < 0) return; // it has come before
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

    // retry begins anew, from the token on, after a while that grows and is never the same for two pages.
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
      // The browser would come back by itself, to where the URL says.
      self.EventSource.onerror = function () { retry(0); };
    }

    // request adds a script that calls self.cb with what the server says. If that has not led to something else
    // already, then(0) is next.
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

    // pub publishes a string by pubUrl. It returns false, and does nothing, without one.
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

  // append adds a script element once the page has loaded: before, one that waits would keep the page loading.
  function append(element) {
    if (root.document.readyState === "loading" || root.document.readyState === "interactive") {
      root.addEventListener("load", function () { root.setTimeout(function () { append(element); }, 0); }, false);
    } else {
      (root.document.head || root.document.documentElement).appendChild(element);
    }
  }

  // load adds a script, and calls done with whether it could be had.
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

  // ask gets JSON: by JSONP where the URL has a place for a name (cb=?), else by XMLHttpRequest.
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
