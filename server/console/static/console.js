"use strict";
// Everything that comes from the cluster is put into the page as text, never as
// markup: names and statements are their writers' own.

const el = id => document.getElementById(id);

function make(tag, text, cls) {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (cls) e.className = cls;
  return e;
}

const number = n => Math.abs(n) >= 100 || Number.isInteger(n) ? Math.round(n).toLocaleString("en") : n.toPrecision(2).replace(/\.?0+$/, "");

function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let u = 0;
  while (n >= 1000 && u < units.length - 1) { n /= 1000; u++; }
  return number(n) + " " + units[u];
}

function span(ms) {
  if (ms < 1000) return number(ms) + " ms";
  const s = ms / 1000;
  if (s < 60) return number(s) + " s";
  if (s < 3600) return Math.floor(s / 60) + " min " + Math.floor(s % 60) + " s";
  if (s < 86400) return Math.floor(s / 3600) + " h " + Math.floor(s / 60 % 60) + " min";
  return Math.floor(s / 86400) + " d " + Math.floor(s / 3600 % 24) + " h";
}

// rows fills a table: each row is a list of cells, a text or [text, class] or an element.
function rows(id, list, nothing) {
  const body = el(id).tBodies[0];
  const cols = el(id).tHead.rows[0].cells;
  const out = list.map(cells => {
    const tr = make("tr");
    cells.forEach((c, i) => {
      const td = make("td", undefined, cols[i].className);
      if (c instanceof Node) td.append(c);
      else if (Array.isArray(c)) { td.textContent = c[0]; td.className += " " + c[1]; }
      else td.textContent = c;
      tr.append(td);
    });
    return tr;
  });
  if (out.length === 0) {
    const td = make("td", nothing, "empty");
    td.colSpan = cols.length;
    const tr = make("tr");
    tr.append(td);
    out.push(tr);
  }
  body.replaceChildren(...out);
}

function health(h) {
  const v = el("verdict");
  v.textContent = h.healthy ? (h.notes.length ? "healthy, with notes" : "healthy") : h.problems.length + (h.problems.length === 1 ? " problem" : " problems");
  v.className = "verdict " + (h.healthy ? "good" : "bad");
  const line = (p, cls) => {
    const li = make("li", undefined, cls);
    li.append(make("strong", p.what), document.createTextNode(p.why ? ": " + p.why + ". " : ". "));
    if (p.try) li.append(make("code", p.try));
    return li;
  };
  el("problems").replaceChildren(...h.problems.map(p => line(p, "")), ...h.notes.map(p => line(p, "note")));
  const facts = [
    ["nodes live", h.nodes_live + " of " + h.nodes_total],
    ["may lose", h.survives_nodes === 0 ? "none" : "any " + h.survives_nodes + (h.survives_nodes === 1 ? " node" : " nodes")],
    ["regions", number(h.regions)], ["without leader", number(h.regions_without_leader)], ["short of a replica", number(h.regions_under_replicated)],
    ["data, one copy", bytes(h.size_bytes)], ["balanced", h.balanced ? "yes" : "not yet"],
  ];
  el("facts").replaceChildren(...facts.map(([k, x]) => { const d = make("div"); d.append(make("dt", k), make("dd", x)); return d; }));
}

function nodes(list, now) {
  rows("node-table", list.map(n => {
    const disk = make("span");
    if (n.capacity_bytes > 0) {
      const bar = make("span", undefined, "bar"), fill = make("i");
      fill.style.width = Math.round(100 * (1 - n.available_bytes / n.capacity_bytes)) + "%";
      bar.append(fill);
      disk.append(bar, document.createTextNode(bytes(n.available_bytes) + " free"));
    }
    return [String(n.id), [n.state, n.live ? "good" : "bad"], n.sql, n.locality, n.version, n.started_ms && n.live ? span(now - n.started_ms) : "",
      number(n.leaders), number(n.replicas), bytes(n.used_bytes), disk];
  }), "no node is known");
}

function statements(s) {
  rows("statement-table", s.statements.map(x => [[x.text, "mono"], x.user, number(x.calls), span(x.total_ms), span(x.mean_ms), span(x.p99_ms), span(x.max_ms),
    number(x.rows), x.errors ? [number(x.errors), "bad"] : "0", x.retries ? [number(x.retries), "warn"] : "0"]), "nothing was run yet");
  rows("active-table", s.active.map(a => [span(a.ms), String(a.pid), String(a.node_id), a.user, [a.text, "mono"]]), "nothing runs");
  rows("wait-table", s.waits.map(w => [span(w.ms), String(w.pid), w.blocked_by.join(", "), w.table, [w.text, "mono"]]), "nobody waits");
}

function regions(s) {
  const most = Math.max(1, ...s.tables.flatMap(t => t.cells.map(c => c.writes_per_second)));
  el("strips").replaceChildren(...s.tables.map(t => {
    const strip = make("div", undefined, "strip"), cells = make("div", undefined, "cells");
    for (const c of t.cells) {
      const x = make("span", undefined, c.bad ? "bad" : "");
      if (!c.bad) x.style.background = "rgba(var(--heat), " + (0.12 + 0.88 * Math.sqrt(c.writes_per_second / most)).toFixed(2) + ")";
      x.title = (c.regions === 1 ? "region " + c.region_id : c.regions + " regions from " + c.region_id) +
        (c.leader ? ", led by node " + c.leader : "") + ", " + number(c.writes_per_second) + " writes/s" + (c.bad ? "; look: quorate region why " + c.region_id : "");
      cells.append(x);
    }
    const name = make("div", t.name, "name");
    name.title = t.name;
    strip.append(name, cells, make("div", t.regions + (t.regions === 1 ? " region, " : " regions, ") + bytes(t.size_bytes) + ", " + number(t.writes_per_second) + " w/s", "sum"));
    return strip;
  }));
  rows("hot-table", s.hot.map(r => [String(r.id), r.table, [r.start + " … " + r.end, "mono"], r.leader ? String(r.leader) : ["none", "bad"],
    bytes(r.size_bytes), number(r.writes_per_second)]), "no region is written to");
}

function jobs(list, now) {
  const cls = { done: "good", failed: "bad", cancelled: "warn" };
  rows("job-table", list.map(j => [span(now - j.created_ms) + " ago", j.kind, String(j.region_id), j.detail, j.reason,
    [j.error ? j.state + ": " + j.error : j.state, cls[j.state] || ""], span((j.ended_ms || now) - j.created_ms)]), "placement has had nothing to do");
}

// The charts share the time axis and its zoom. points is by time.
const points = new Map();
const charts = [];
let zoomed = null;

// colour resolves a colour of the style sheet, which a canvas cannot.
function colour(name) {
  const probe = make("i");
  probe.style.color = "var(" + name + ")";
  document.body.append(probe);
  const c = getComputedStyle(probe).color;
  probe.remove();
  return c;
}

function chart(id, series) {
  const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  const into = el(id);
  const opts = {
    width: into.clientWidth || 420, height: 150, cursor: { sync: { key: "load" }, drag: { x: true, y: false } }, legend: { show: series.length > 1, live: true },
    scales: { x: { time: true }, y: { range: (u, min, max) => [0, max > 0 ? max * 1.1 : 1] } },
    axes: [axis, { ...axis, size: 60, values: (u, vals) => vals.map(number) }],
    series: [{}, ...series.map(s => ({ label: s.label, stroke: colour(s.colour), width: 1.5, points: { show: false }, value: (u, v) => v == null ? "" : number(v) }))],
    hooks: {
      setSelect: [u => { if (u.select.width > 0) { zoomed = [u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")]; draw(); } }],
      ready: [u => u.over.addEventListener("dblclick", () => { zoomed = null; draw(); })],
    },
  };
  charts.push({ plot: new uPlot(opts, [[], ...series.map(() => [])], into), keys: series.map(s => s.key), into });
}

function draw() {
  const all = [...points.values()].sort((a, b) => a.at_ms - b.at_ms);
  const xs = all.map(p => p.at_ms / 1000);
  const last = xs.length ? xs[xs.length - 1] : Date.now() / 1000;
  const [min, max] = zoomed || [Math.min(xs[0] || last, last - 300), last];
  for (const c of charts) {
    c.plot.setData([xs, ...c.keys.map(k => all.map(p => p[k]))], false);
    c.plot.setScale("x", { min, max });
  }
}

function load(list) {
  for (const p of list) points.set(p.at_ms, p);
  const first = Date.now() - 3600 * 1000;
  for (const at of points.keys()) if (at < first) points.delete(at);
  draw();
}

let seen = 0;

function show(s) {
  seen = Date.now();
  health(s.health);
  nodes(s.nodes, s.at_ms);
  statements(s);
  regions(s);
  jobs(s.jobs, s.at_ms);
  load(s.load);
  document.title = (s.health.healthy ? "" : "! ") + "Quorate";
  el("seen").dataset.node = s.node_id;
  el("seen").dataset.stale = s.health.stale ? "yes" : "";
}

// What is old says so: a page that nobody answers looks healthy otherwise.
function age() {
  const e = el("seen");
  if (!seen) return;
  const ms = Date.now() - seen, node = "node " + e.dataset.node;
  e.className = ms > 6000 || e.dataset.stale ? "old" : "";
  e.textContent = ms > 6000 ? node + " has not answered for " + span(ms) : e.dataset.stale ? node + " shows what it remembers: the cluster has no quorum" : "live, from " + node;
}

function copy(text, button) {
  navigator.clipboard.writeText(text).then(() => {
    const was = button.textContent;
    button.textContent = "copied";
    setTimeout(() => { button.textContent = was; }, 1200);
  });
}

function start() {
  for (const s of document.querySelectorAll("section")) {
    const box = make("div", undefined, "copy");
    for (const [label, what] of [["copy as command", "command"], ["copy as SQL", "sql"]]) {
      const b = make("button", label);
      b.title = s.dataset[what];
      b.addEventListener("click", () => copy(s.dataset[what], b));
      box.append(b);
    }
    s.append(box);
  }
  const panels = [...document.querySelectorAll("section")];
  document.addEventListener("keydown", e => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const n = Number(e.key);
    if (n >= 1 && n <= panels.length) { panels[n - 1].scrollIntoView(); panels[n - 1].focus({ preventScroll: true }); }
    const now = panels.includes(document.activeElement) ? document.activeElement : panels[0];
    if (e.key === "c" || e.key === "s") copy(now.dataset[e.key === "c" ? "command" : "sql"], now.querySelectorAll("button")[e.key === "c" ? 0 : 1]);
  });
  chart("chart-rate", [{ key: "statements_per_second", label: "statements", colour: "--accent" }]);
  chart("chart-time", [{ key: "p50_ms", label: "p50", colour: "--good" }, { key: "p99_ms", label: "p99", colour: "--warn" }]);
  chart("chart-errors", [{ key: "errors_per_second", label: "errors", colour: "--bad" }, { key: "retries_per_second", label: "retries", colour: "--warn" }]);
  chart("chart-sessions", [{ key: "sessions", label: "sessions", colour: "--accent" }]);
  addEventListener("resize", () => charts.forEach(c => c.plot.setSize({ width: c.into.clientWidth, height: 150 })));
  fetch("load").then(r => r.json()).then(load).catch(() => {});
  const events = new EventSource("events");
  events.onmessage = e => show(JSON.parse(e.data));
  events.onerror = () => { if (events.readyState === EventSource.CLOSED) location.reload(); }; // the login has ended
  setInterval(age, 500);
}

start();
