"use strict";

/* A plot of lines: what it shows comes as plain values, nothing is looked up here. */

const NS = "http://www.w3.org/2000/svg";
const EDGE = { left: 58, right: 14, top: 12, bottom: 40 };

function make(name, attributes, parent) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (parent) parent.append(element);
  return element;
}

function write(parent, text, x, y, anchor) {
  make("text", { x, y, "text-anchor": anchor }, parent).textContent = text;
}

/* Round steps of 1, 2 or 5, about `wanted` of them. */
function ticks(low, high, wanted, whole) {
  const rough = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough * 0.999);
  if (whole) step = Math.max(1, Math.round(step));
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) found.push(i * step);
  return found.map((value) => Number(value.toPrecision(12)));
}

function decades(low, high) {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const every = Math.max(1, Math.ceil((last - first + 1) / 7));
  const found = [];
  for (let power = first; power <= last; power += every) found.push(10 ** power);
  return found.length > 1 ? found : ticks(low, high, 5, false).filter((value) => value > 0);
}

/* From values to places; a value outside of the axis is drawn at its end. */
function scale(low, high, from, to, log) {
  const f = log ? Math.log10 : (value) => value;
  const [a, b] = [f(low), f(high)];
  return (value) => {
    const kept = Math.min(Math.max(value, low), high);
    return from + ((f(kept) - a) / (b - a)) * (to - from);
  };
}

/* A path through the points that are numbers, broken where one is not. */
function path(xs, ys, x, y) {
  let text = "";
  let pen = "M";
  xs.forEach((at, i) => {
    if (typeof ys[i] !== "number") { pen = "M"; return; }
    text += pen + x(at).toFixed(2) + " " + y(ys[i]).toFixed(2);
    pen = "L";
  });
  return text;
}

function area(xs, lows, highs, x, y) {
  const known = xs.map((at, i) => i).filter((i) => typeof lows[i] === "number" && typeof highs[i] === "number");
  if (!known.length) return "";
  const up = known.map((i) => x(xs[i]).toFixed(2) + " " + y(highs[i]).toFixed(2));
  const down = known.map((i) => x(xs[i]).toFixed(2) + " " + y(lows[i]).toFixed(2)).reverse();
  return "M" + up.concat(down).join("L") + "Z";
}

/* The values below the x axis, each with its text; `across` has the axis's name, and labels for what is no number. */
function xTicks(xs, across, wanted) {
  if (across.labels) {
    const every = Math.max(1, Math.ceil(xs.length / wanted));
    return xs.map((value, i) => [value, across.labels[i]]).filter((pair, i) => i % every === 0);
  }
  const values = xs.length < 2 ? xs : across.log ? decades(xs[0], xs[xs.length - 1]) : ticks(xs[0], xs[xs.length - 1], wanted, across.whole);
  return values.map((value) => [value, String(value)]);
}

function drawAxes(svg, size, metric, xs, x, y, across) {
  const right = size.width - EDGE.right;
  const bottom = size.height - EDGE.bottom;
  for (const value of metric.log ? decades(metric.low, metric.high) : ticks(metric.low, metric.high, 6, false)) {
    make("line", { class: "grid", x1: EDGE.left, x2: right, y1: y(value), y2: y(value) }, svg);
    write(svg, String(Number(value.toPrecision(12))), EDGE.left - 6, y(value) + 4, "end");
  }
  const wanted = Math.max(2, Math.floor((right - EDGE.left) / 80));
  for (const [value, label] of xTicks(xs, across, wanted)) {
    make("line", { class: "grid", x1: x(value), x2: x(value), y1: EDGE.top, y2: bottom }, svg);
    write(svg, label, x(value), bottom + 16, "middle");
  }
  make("rect", { class: "frame", x: EDGE.left, y: EDGE.top, width: right - EDGE.left, height: bottom - EDGE.top }, svg);
  write(svg, across.name, (EDGE.left + right) / 2, size.height - 4, "middle");
}

/* A single point has no width to shade and gets a bar. */
function drawBar(svg, look, at, shown, i, y) {
  if (typeof shown.low[i] !== "number") return;
  make("line", { class: "bar " + look, x1: at, x2: at, y1: y(shown.low[i]), y2: y(shown.high[i]) }, svg);
}

/* The markers of the figures, in their order: o s ^ D v P X. */
const PLUS = "M-1.4 -4.2h2.8v2.8h2.8v2.8h-2.8v2.8h-2.8v-2.8h-2.8v-2.8h2.8z";
const MARKERS = [
  "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0", "M-3.2 -3.2h6.4v6.4h-6.4z", "M0 -4.2L4.2 3.4H-4.2z",
  "M0 -4.6L4.6 0L0 4.6L-4.6 0z", "M0 4.2L4.2 -3.4H-4.2z", PLUS, PLUS,
];
const MOST_MARKERS = 8;

function drawMarker(svg, line, x, y) {
  const turn = line.marker === 6 ? " rotate(45)" : "";
  make("path", { class: "marker k" + line.color, d: MARKERS[line.marker], transform: `translate(${x} ${y})${turn}` }, svg);
}

/* Where many lines are told apart by markers, each has some of its points marked, others than the next line. */
function hasMarker(i, points, number, lines) {
  const every = Math.ceil(points / MOST_MARKERS);
  return i % every === Math.floor((number * every) / lines);
}

/* number, lines: which of how many lines it is; undefined where these need no markers. */
function drawCurve(svg, shown, x, y, each, number, lines) {
  const look = "k" + shown.line.color;
  const marked = shown.marked || shown.x.length === 1;
  if (!each && shown.low && marked) shown.x.forEach((at, i) => drawBar(svg, look, x(at), shown, i, y));
  else if (!each && shown.low) make("path", { class: "band " + look, d: area(shown.x, shown.low, shown.high, x, y) }, svg);
  const rows = each || !shown.mean ? shown.seeds : [shown.mean];
  for (const row of rows) {
    const kind = rows.length > 1 ? "curve seed " : "curve ";
    make("path", { class: kind + look, "stroke-dasharray": shown.line.dash || "none", d: path(shown.x, row, x, y), "data-line": shown.line.label }, svg);
    row.forEach((value, i) => {
      const here = marked || (rows.length === 1 && lines && hasMarker(i, row.length, number, lines));
      if (here && typeof value === "number") drawMarker(svg, shown.line, x(shown.x[i]), y(value));
    });
  }
}
