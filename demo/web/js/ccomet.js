// The client for pages that were written for CComet's own protocol. It has the same constructor, options and members,
// and does not need jQuery.
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
// It signs in and then waits for messages from number seqid on (0: the oldest message that is kept). stop() is not in
// the original client: it ends this. sign() begins again.
//
// It does not have these faults of the original client: an error, a timeout or a restart of the server ended it for
// good; a message with "&", "#", "%" or "+" was changed on its way.
//
// It runs in browsers that have ECMAScript 5.
(function (root) {
  "use strict";

  var timeout = 30000; // milliseconds for the answer to a request
  var shortest = 500, longest = 30000; // the first and the longest back-off, in milliseconds
  var count = 0;

  function CComet(config) {
    var self = this;
    var turn = 0; // answers to requests of an earlier turn are ignored
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
        if (list && refused(list) === "403") self.seqid = 0; // the server counts anew and has not counted this far
        if (!list || refused(list)) return again(self.sub, list);
        tries = 0;
        for (var i = 0; i < list.length && mine === turn; i++) take(list[i]);
        if (mine === turn) self.sub(); // unless the call-back has called stop or sign
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

    // request sends a request in a new turn, and returns the number of the turn.
    function request(url, done) {
      self.stop();
      var mine = turn;
      ask(url, function (list) {
        if (mine === turn) done(list);
      });
      return mine;
    }

    function take(item) {
      // A "SIGN" item announces a client that signs in, and has no number of its own.
      if (item.type !== "SIGN") self.seqid = parseInt(item.seqid, 10) + 1;
      try {
        if (self.callback) self.callback(item);
      } catch (e) {
        self.log(e);
      }
    }

    // again tries again after a back-off, unless the request was refused as malformed.
    function again(what, list) {
      if (list && list[0].type === "400") return self.log("refused", list[0].reason);
      timer = root.setTimeout(what, Math.min(shortest * Math.pow(2, tries++), longest) * (0.5 + Math.random() / 2));
    }

    self.sign();
  }

  // refused returns the type of an answer that is a refusal (400 to 499), else "".
  function refused(list) {
    return /^4\d\d$/.test(list[0].type) ? list[0].type : "";
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

  // ask sends a request by a script and calls done with the list in the answer, or with null if there is no answer.
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
        // the same as no answer
      }
      end(list && list.length > 0 ? list : null);
    };
    element.async = true;
    // The answer may come after the timeout, so the function stays until the script has loaded or failed.
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
