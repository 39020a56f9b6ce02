// DataScript in node; its result is an array of arrays. Attributes and keywords are strings to it.
// The requests are those of wire.py.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const { crc32 } = require("node:zlib");
const d = require("datascript");

const MOST_RUNS = 500;
const WORDS = new Set([":find", ":in", ":where", ":with", ":keys", ":else"]);
let db;

// Keywords of a query, but for its own words, as strings.
function plain(text) {
  const parts = text.split(/("(?:[^"\\]|\\.)*")/);
  const turned = (part) => part.replace(/:[a-z][\w\-/]*/g, (word) => (WORDS.has(word) ? word : `"${word.slice(1)}"`));
  return parts.map((part, at) => (at % 2 ? part : turned(part))).join("");
}

function load(folder) {
  const { tables } = JSON.parse(fs.readFileSync(path.join(folder, "suite.json")));
  const schema = {};
  for (const { attribute, type, many, index, unique } of tables.flatMap((table) => table.columns)) {
    if (!attribute) continue;
    const options = {};
    if (type === "ref") options[":db/valueType"] = ":db.type/ref";
    if (many) options[":db/cardinality"] = ":db.cardinality/many";
    if (index) options[":db/index"] = true;
    if (unique) options[":db/unique"] = ":db.unique/identity";
    schema[attribute] = options;
  }
  db = d.empty_db(schema);
  for (const table of tables.filter((table) => !table.only)) {
    const lines = fs.readFileSync(path.join(folder, `${table.name}.tsv`), "utf8").split("\n");
    lines.pop();
    for (let at = 0; at < lines.length; at += 50000) {
      db = d.db_with(db, lines.slice(at, at + 50000).flatMap((line) => datoms(table, line.split("\t"))));
    }
  }
}

function datoms(table, fields) {
  const added = [];
  table.columns.forEach(({ attribute, type }, at) => {
    const text = fields[at];
    if (!attribute || text === "\\N") return;
    added.push([":db/add", Number(fields[0]), attribute, type === "str" || type === "key" ? text : Number(text)]);
  });
  return added;
}

const plains = new Map();

function ask(query) {
  const key = JSON.stringify([query.text, query.in]);
  if (!plains.has(key)) {
    // Rules are text as the query is; everything else is data.
    const inputs = query.in.map((input) => (input.startsWith("[[") ? plain(input) : JSON.parse(input)));
    plains.set(key, [plain(query.text), inputs]);
  }
  const [text, inputs] = plains.get(key);
  return d.q(text, db, ...inputs);
}

function textOf(kind, value) {
  if (kind === "real") return String(Math.floor(value * 1e4 + 0.5));
  if (kind === "whole") return String(Math.floor(value + 0.5));
  return String(value);
}

function digest(rows, columns) {
  const kinds = columns.split(" ");
  let total = 0;
  for (const row of rows) {
    total = (total + crc32(row.map((value, at) => textOf(kinds[at], value)).join("\t"))) % 2 ** 48;
  }
  return { rows: rows.length, digest: total };
}

function timed(query) {
  const said = { cpu_ms: [], wall_ms: [] };
  const until = performance.now() + query.ms;
  while (said.cpu_ms.length === 0 || (performance.now() < until && said.cpu_ms.length < MOST_RUNS)) {
    const cpu = process.cpuUsage();
    const wall = performance.now();
    ask(query);
    const { user, system } = process.cpuUsage(cpu);
    said.wall_ms.push(performance.now() - wall);
    said.cpu_ms.push((user + system) / 1000);
  }
  return said;
}

function answer(request) {
  if (request.do === "load") {
    load(request.folder);
    return {};
  }
  return request.do === "check" ? digest(ask(request), request.columns) : timed(request);
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  let said;
  try {
    said = answer(JSON.parse(line));
  } catch (error) {
    said = { error: String(error.message ?? error).slice(0, 500) };
  }
  process.stdout.write(`${JSON.stringify(said)}\n`);
});
