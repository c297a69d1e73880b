// Tests the source of the clients: old engines can parse it, and its types are right.
"use strict";

const assert = require("node:assert/strict");
const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { test } = require("node:test");
const { browser, folder } = require("./browser.js");

const clients = fs.readdirSync(folder).filter((name) => name.endsWith(".js"));

// readAs parses a text as an edition of ECMAScript, with the parser acorn, which Node contains.
function readAs(edition, text) {
  const program = `
    const acorn = require("internal/deps/acorn/acorn/dist/acorn");
    try {
      acorn.parse(require("fs").readFileSync(0, "utf8"), { ecmaVersion: ${edition} });
    } catch (e) {
      console.log(e.message);
      process.exit(1);
    }`;
  return spawnSync(process.execPath, ["--expose-internals", "-e", program], { input: text, encoding: "utf8" });
}

test("the parser tells editions apart", () => {
  for (const text of ["var f = () => 1", "const a = 1", "let b", "var c = `x`", "var { d } = e", "class F {}", "f(...g)"]) {
    assert.equal(readAs(2015, text).status, 0, text);
    assert.equal(readAs(5, text).status, 1, text);
  }
  assert.equal(readAs(5, "var a = { get b() { return 1; } };").status, 0);
});

for (const name of clients) {
  test(name + " is ECMAScript 5, and needs nothing newer to load", () => {
    const { status, stdout, stderr } = readAs(5, fs.readFileSync(path.join(folder, name), "utf8"));
    assert.equal(status, 0, stdout + stderr);
    // It loads in a browser that has only the features of 2011.
    const b = browser("http://old.example/", { without: ["locks", "BroadcastChannel", "URL", "EventSource", "sessionStorage", "localStorage"] });
    const tab = b.tab(["comet.js", "icomet.js", "ccomet.js"], { globals: { Promise: undefined, Map: undefined, Symbol: undefined } });
    assert.deepEqual([typeof tab.Comet, typeof tab.iComet, typeof tab.CComet], ["function", "function", "function"]);
    b.end();
  });
}

test("comet.d.ts is right for what pages write", (t) => {
  const { status, stdout, error } = spawnSync("tsc", ["--strict", "--noEmit", "--target", "es2018", "--module", "commonjs", "--lib", "es2018,dom",
    path.join(__dirname, "types.ts")], { encoding: "utf8" });
  if (error && process.env.CCOMET_NO_SKIP !== "1") return t.skip("no tsc here: apt-get install node-typescript");
  assert.ifError(error);
  assert.equal(status, 0, stdout);
});

test("comet.d.ts has what comet.js has", () => {
  const types = fs.readFileSync(path.join(folder, "comet.d.ts"), "utf8"), text = fs.readFileSync(path.join(folder, "comet.js"), "utf8");
  const head = text.slice(0, text.indexOf("(function"));
  const options = new Set([...text.matchAll(/\.options\.(\w+)/g)].map((m) => m[1]));
  [...text.matchAll(/this\.call\("(\w+)"/g)].forEach((m) => options.add(m[1]));
  assert.ok(options.size > 10);
  for (const name of options) {
    assert.match(types, new RegExp("^    " + name + "\\?[:(]", "m"), name + " is not in comet.d.ts");
    assert.match(head, new RegExp("\\b" + name + "\\b"), name + " is not in comet.js's head");
  }
});
