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

function drawAxes(svg, size, metric, xs, x, y, time) {
  const right = size.width - EDGE.right;
  const bottom = size.height - EDGE.bottom;
  for (const value of metric.log ? decades(metric.low, metric.high) : ticks(metric.low, metric.high, 6, false)) {
    make("line", { class: "grid", x1: EDGE.left, x2: right, y1: y(value), y2: y(value) }, svg);
    write(svg, String(Number(value.toPrecision(12))), EDGE.left - 6, y(value) + 4, "end");
  }
  const wanted = Math.max(2, Math.floor((right - EDGE.left) / 80));
  for (const value of xs.length > 1 ? ticks(xs[0], xs[xs.length - 1], wanted, true) : xs) {
    make("line", { class: "grid", x1: x(value), x2: x(value), y1: EDGE.top, y2: bottom }, svg);
    write(svg, String(value), x(value), bottom + 16, "middle");
  }
  make("rect", { class: "frame", x: EDGE.left, y: EDGE.top, width: right - EDGE.left, height: bottom - EDGE.top }, svg);
  write(svg, time, (EDGE.left + right) / 2, size.height - 4, "middle");
}

/* A single point has no width to shade and gets a bar. */
function drawBar(svg, look, at, numbers, y) {
  if (typeof numbers.low[0] !== "number") return;
  make("line", { class: "bar " + look, x1: at, x2: at, y1: y(numbers.low[0]), y2: y(numbers.high[0]) }, svg);
}

function drawCurve(svg, shown, x, y, each) {
  const { line, point, numbers } = shown;
  const look = "k" + line.color;
  const alone = point.x.length === 1;
  if (!each && numbers.low && alone) drawBar(svg, look, x(point.x[0]), numbers, y);
  else if (!each && numbers.low) make("path", { class: "band " + look, d: area(point.x, numbers.low, numbers.high, x, y) }, svg);
  const rows = each || !numbers.mean ? numbers.seeds : [numbers.mean];
  for (const row of rows) {
    const kind = rows.length > 1 ? "curve seed " : "curve ";
    make("path", { class: kind + look, "stroke-dasharray": line.dash || "none", d: path(point.x, row, x, y), "data-line": line.label }, svg);
    if (alone && typeof row[0] === "number") make("circle", { class: look, cx: x(point.x[0]), cy: y(row[0]), r: 3 }, svg);
  }
}
