// The client that pages written for CComet's own protocol include: the same constructor, options and members.
// It needs no jQuery.
//
//   var who = "channel=lobby&sname=ada";
//   var comet = new CComet({
//     sign_url: "http://127.0.0.1:8081/sign?" + who,
//     sub_url: "http://127.0.0.1:8081/subscribe?" + who + "&seqid=",
//     pub_url: "http://127.0.0.1:8081/publish?" + who + "&msg=",
//     callback: function (item) {}   // { type: "SIGN" or "MSG", msg, sname, seqid, channel }
//   });
//   comet.pub("hello");
//
// It signs in, and then waits for messages from number seqid (0: the oldest kept) on. stop() is ours: it ends
// that; sign() begins again.
//
// What pages had to live with, and do not any more: an error, a timeout or a server that was started anew
// ended it for good; a message with "&", "#", "%" or "+" came out as another.
//
// It runs in engines of ECMAScript 5.
(function (root) {
  "use strict";

  var timeout = 30000; // milliseconds that a request may take
  var shortest = 500, longest = 30000; // between tries
  var count = 0;

  function CComet(config) {
    var self = this;
    var turn = 0; // what has begun in an earlier one counts no more
    var tries = 0;
    var timer = null;

    self.seqid = 0;
    self.sign_sta = false;
    self.sub_url = config.sub_url;
    self.pub_url = config.pub_url;
    self.sign_url = config.sign_url;
    self.callback = config.callback;

    self.sign = function () {
      request(self.sign_url, function (list) {
        if (!list || refused(list)) return again(self.sign, list);
        self.sign_sta = true;
        tries = 0;
        self.sub();
      });
    };

    self.sub = function () {
      var mine = request(self.sub_url + self.seqid, function (list) {
        if (list && refused(list) === "403") self.seqid = 0; // the server has begun anew, and never counted so far
        if (!list || refused(list)) return again(self.sub, list);
        tries = 0;
        for (var i = 0; i < list.length && mine === turn; i++) take(list[i]);
        if (mine === turn) self.sub(); // the call-back may have said otherwise
      });
    };

    self.pub = function (content) {
      ask(self.pub_url + encodeURIComponent(content), function (list) {
        if (!list || refused(list)) self.log("not published", list);
      });
    };

    self.stop = function () {
      turn++;
      root.clearTimeout(timer);
    };

    self.log = function () {
      if (!root.console) return;
      root.console.log.apply(root.console, [new Date().toTimeString().substr(0, 8), "ccomet"].concat([].slice.call(arguments)));
    };

    // request asks in a new turn, which it returns.
    function request(url, done) {
      self.stop();
      var mine = turn;
      ask(url, function (list) {
        if (mine === turn) done(list);
      });
      return mine;
    }

    function take(item) {
      // Who signs in is told, but takes no number.
      if (item.type !== "SIGN") self.seqid = parseInt(item.seqid, 10) + 1;
      try {
        if (self.callback) self.callback(item);
      } catch (e) {
        self.log(e);
      }
    }

    // again tries again after a while, unless that can be of no use.
    function again(what, list) {
      if (list && list[0].type === "400") return self.log("refused", list[0].reason);
      timer = root.setTimeout(what, Math.min(shortest * Math.pow(2, tries++), longest) * (0.5 + Math.random() / 2));
    }

    self.sign();
  }

  // refused returns the number that an answer has for its type when the server does not do what it was asked.
  function refused(list) {
    return /^4\d\d$/.test(list[0].type) ? list[0].type : "";
  }

  // append adds a script element once the page has loaded: before, one that waits would keep the page loading.
  function append(element) {
    if (root.document.readyState === "loading" || root.document.readyState === "interactive") {
      root.addEventListener("load", function () { root.setTimeout(function () { append(element); }, 0); }, false);
    } else {
      (root.document.head || root.document.documentElement).appendChild(element);
    }
  }

  // ask asks by a script, and calls done with the list in the answer, or null when there is none.
  function ask(url, done) {
    var name = "ccomet_cb_" + now() + "_" + count++;
    var element = root.document.createElement("script");
    var timer = root.setTimeout(function () { end(null); }, timeout);
    function end(list) {
      root.clearTimeout(timer);
      if (done) done(list);
      done = null;
    }
    root[name] = function (text) {
      var list = null;
      try {
        list = JSON.parse(text);
      } catch (e) {
        // no answer, then
      }
      end(list && list.length > 0 ? list : null);
    };
    element.async = true;
    // An answer may come after the timeout: the function stays until it has.
    element.onload = element.onerror = function () {
      delete root[name];
      element.parentNode.removeChild(element);
      end(null);
    };
    element.src = url + "&time=" + now() + "&callback=" + name;
    append(element);
  }

  function now() { return new Date().getTime(); }

  root.CComet = CComet;
})(typeof self !== "undefined" ? self : this);
