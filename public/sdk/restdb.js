// RestDB's calls for pages that were written for it:
//
//   <script src="https://host/rest/_jsapi.js"></script>
//   var db = new restdb("KEY", { realtime: true });
//   db.on("PUT", function (err, data) { … });
//   db.publish("boing", { name: "value" }, function (err, answer) { … });
//
// It stands on sluice.js. Where that cannot be imported (Node's vm, an old browser, a strict policy) a
// plain EventSource and XMLHttpRequest do: they lose nothing either, but put the key into the address.
(function (global) {
  "use strict";

  var KINDS = ["POST", "PUT", "DELETE"], NOTICES = ["CONNECT", "DISCONNECT", "RECONNECT"];
  var LOOK = 20000, SILENCE = 40000; // the gateway pings every 15 s
  var home = whence();

  // whence is the address of the gateway that served this script, with its path prefix.
  function whence() {
    var script = global.document && global.document.currentScript;
    if (script && script.src) return script.src.replace(/\/(rest\/_jsapi|sdk\/restdb)\.js([?#].*)?$/, "");
    return global.location ? global.location.origin : "";
  }

  function restdb(key, options) {
    if (!(this instanceof restdb)) return new restdb(key, options);
    options = options || {};
    var listeners = [], settle;
    var settled = options.realtime ? new Promise(function (done) { settle = done; }) : Promise.resolve();
    var base = String(options.url || home).replace(/\/+$/, "");
    var log = options.logging && global.console ? function () { console.log.apply(console, ["restdb:"].concat([].slice.call(arguments))); } : function () {};

    // Notices and kinds are apart from names, so that nobody can publish a CONNECT.
    function tell(type, name, err, data) {
      log(name, err || data || "");
      listeners.forEach(function (l) {
        if (l.type !== type || l.name !== name) return;
        try {
          l.callback(err, data);
        } catch (fault) {
          setTimeout(function () { throw fault; });
        }
      });
    }

    var side = {
      base: base, jwt: options.jwt, log: log, realtime: !!options.realtime,
      key: options["realtime-api-key"] || key || "",
      reconnectdelay: options.reconnectdelay || 5000,
      notice: function (name, err) {
        tell("notice", name, err || null, null);
        settle();
      },
      event: function (data) {
        var kind = String(data.event).toUpperCase();
        if (KINDS.indexOf(kind) >= 0) tell("kind", kind, null, data);
        else tell("name", data.event, null, data);
      },
    };
    var ready = load((home || base) + "/sdk/sluice.js").then(
      function (sdk) { return modern(sdk, side); },
      function (why) {
        log("without sluice.js:", why);
        return plain(side);
      });

    this.on = function (name, callback) {
      if (!options.realtime) return;
      var type = KINDS.indexOf(name) >= 0 ? "kind" : NOTICES.indexOf(name) >= 0 ? "notice" : "name";
      listeners.push({ type: type, name: name, callback: callback });
    };

    // Published before all is loaded and the stream is open (or refused), it waits: so a page hears what it says.
    this.publish = function (name, data, callback) {
      callback = callback || function (err) { if (err) log("not published:", err); };
      Promise.all([ready, settled]).then(function (all) {
        all[0].publish({ event: name, data: data }, function (err, answer) {
          setTimeout(function () { callback(err, answer); }); // what it throws is not ours
        });
      });
    };

    this.close = function () {
      listeners = [];
      ready.then(function (way) { way.close(); });
    };
  }

  function load(address) {
    try {
      return import(address);
    } catch (e) {
      return Promise.reject(e);
    }
  }

  // modern stands on the SDK: one connection for all tabs, credentials in headers, repeats with one key.
  function modern(sdk, side) {
    var rt = sdk.connect(side.base, { apikey: side.key || undefined, token: side.jwt });
    if (side.realtime) {
      rt.on("*", function (e) {
        var data = Object.assign({}, e);
        delete data.id; // RestDB has it in the frame alone
        side.event(data);
      });
      rt.on("connect", function () { side.notice("CONNECT"); });
      rt.on("disconnect", function (why) {
        side.log("cut:", why.reason);
        side.notice("DISCONNECT");
      });
      rt.on("reconnect", function () { side.notice("RECONNECT"); });
      rt.on("gap", function (gap) { side.log("events were missed:", gap); });
      rt.on("error", function (err) {
        if (global.console) console.error("restdb: " + err.message);
        side.notice("DISCONNECT", err);
      });
    }
    return {
      publish: function (event, done) {
        rt.publish(event.event, event.data).then(function (id) { done(null, { message: "OK", id: id }); }, function (err) { done(err, null); });
      },
      close: function () { rt.close(); },
    };
  }

  // plain stands on what RestDB's own client does.
  function plain(side) {
    var stream, again, watch, heard, last = "", closed = false;
    if (side.realtime) {
      open();
      watch = setInterval(function () {
        if (Date.now() - heard < SILENCE || stream.readyState === 2) return;
        stream.close();
        side.notice("RECONNECT");
        open();
      }, LOOK);
    }

    function open() {
      var query = side.jwt ? "jwt=" + encodeURIComponent(side.jwt) + "&rt-apikey=" + encodeURIComponent(side.key || side.jwt) : "apikey=" + encodeURIComponent(side.key);
      // Under one name, since a listener has to be there for each.
      stream = new global.EventSource(side.base + "/realtime?" + query + "&frames=publish" + (last && "&lastEventId=" + encodeURIComponent(last)));
      heard = Date.now();
      stream.onopen = function () { side.notice("CONNECT"); };
      stream.onerror = function () {
        if (closed) return;
        side.notice("DISCONNECT");
        if (stream.readyState === 2) again = setTimeout(open, side.reconnectdelay); // it has given up for good
      };
      ["message", "ping", "gap", "post", "put", "delete", "publish"].forEach(function (type, i) {
        stream.addEventListener(type, function (e) {
          heard = Date.now();
          last = e.lastEventId || last;
          if (type === "gap") side.log("events were missed:", e.data);
          if (i > 2) side.event(JSON.parse(e.data));
        });
      });
    }

    function publish(event, done) {
      var call = new global.XMLHttpRequest(), over = false;
      function end() {
        if (over) return;
        over = true;
        var body;
        try {
          body = JSON.parse(call.responseText);
        } catch (e) {
          body = { message: "the gateway could not be reached" };
        }
        if (call.status === 200) return done(null, body);
        var err = new Error(body.message);
        err.status = call.status;
        err.code = body.code;
        done(err, null);
      }
      call.onreadystatechange = function () { if (call.readyState === 4) end(); };
      call.onload = call.onerror = end;
      call.open("POST", side.base + "/realtime", true);
      call.setRequestHeader("content-type", "application/json");
      call.setRequestHeader("cache-control", "no-cache");
      if (side.key) call.setRequestHeader("x-apikey", side.key);
      if (side.jwt) call.setRequestHeader("authorization", "Bearer " + side.jwt);
      call.send(JSON.stringify(event));
    }

    return {
      publish: publish,
      close: function () {
        closed = true;
        clearInterval(watch);
        clearTimeout(again);
        if (stream) stream.close();
      },
    };
  }

  global.restdb = restdb;
  if (!("db" in global)) global.db = restdb;
})(typeof globalThis !== "undefined" ? globalThis : this);
