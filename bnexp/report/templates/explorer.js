/* The explorer: choices of axis, value, metric and series, and the curves of those. */

const FIRST_SHOWN = 8;
const WIDE = 20; /* numbers of an axis that are so many times apart get a logarithmic one */

const last = (list) => list[list.length - 1];
const finite = (value) => typeof value === "number";

function explore(data) {
  const get = (id) => document.getElementById(id);
  const [against, axis, metric, slider, series, each, plot] = ["against", "axis", "metric", "slider", "series", "each", "plot"].map(get);
  let every = [];
  let cursor = 0;

  /* Against the epoch or step, or the final values against the axis of a view. */
  const isFinal = () => against.value !== "";
  const view = () => isFinal() ? data.views[Number(against.value)] : axis.value === "all" ? data.all : data.views[Number(axis.value) || 0];
  const chosen = () => data.metrics.find((one) => one.key === metric.value);
  const numbersOf = (point) => point.values[metric.value] || point.probes[metric.value];
  const placeOf = (value, i) => view().numeric ? Number(value.exact) : i;

  /* All x values that any line may have, and the cursor at the last of them. */
  function span() {
    const xs = isFinal() ? view().values.map(placeOf) : data.points.flatMap((point) => (numbersOf(point) || {}).x || point.x);
    every = [...new Set(xs)].sort((a, b) => a - b);
    cursor = every.length - 1;
  }

  /* The x axis: its name, and the labels of values that are no numbers. */
  function across() {
    if (!isFinal()) return { name: chosen().time, whole: true, log: false };
    const log = view().numeric && every[0] > 0 && last(every) >= WIDE * every[0];
    const labels = view().numeric ? undefined : view().values.map((value) => value.label);
    return { name: view().name, whole: false, log, labels };
  }

  function option(select, value, text) {
    const made = document.createElement("option");
    made.value = value;
    made.textContent = text;
    select.append(made);
  }

  function listSeries() {
    series.replaceChildren(...view().lines.map((line, i) => {
      const label = document.createElement("label");
      const box = document.createElement("input");
      Object.assign(box, { type: "checkbox", value: String(i), checked: i < FIRST_SHOWN });
      label.append(box, swatch(line), line.label || "all networks");
      return label;
    }));
    get("series-choice").hidden = view().lines.length < 2;
    slider.max = String(view().values.length - 1);
    slider.value = String(Math.floor((view().values.length - 1) / 2));
    get("slide").hidden = isFinal() || view().values.length < 2;
    get("axis-choice").hidden = isFinal() || !data.all;
    get("slider-name").textContent = view().name;
  }

  function swatch(line) {
    const svg = make("svg", { class: "swatch", viewBox: "0 0 34 10", "aria-hidden": "true" });
    make("path", { class: "curve k" + line.color, "stroke-dasharray": line.dash || "none", d: "M2 5L32 5" }, svg);
    if (needsMarkers() || isFinal()) drawMarker(svg, line, 17, 5);
    return svg;
  }

  /* As in figures: two lines are told apart by their dashes, also in gray print. */
  function needsMarkers() {
    return view().lines.length > 2;
  }

  /* The lines that are asked for and have a network, with the numbers that are drawn. */
  function shown() {
    const wanted = new Set([...series.querySelectorAll("input:checked")].map((box) => Number(box.value)));
    const lines = view().lines.filter((line, i) => wanted.has(i));
    return lines.map(isFinal() ? finals : course).filter(Boolean);
  }

  /* One point of the sweep over training. */
  function course(line) {
    const point = data.points[line.points[Number(slider.value)]];
    const numbers = point && numbersOf(point);
    if (!numbers) return undefined;
    const crosses = point.diverged.map(([at, step]) => chosen().time === data.time ? at : step);
    return { ...numbers, line, x: numbers.x || point.x, crosses, pointAt: () => point };
  }

  /* The last number of each point along the axis of the view. */
  function finals(line) {
    const found = line.points
      .map((number, i) => ({ x: placeOf(view().values[i], i), point: data.points[number] }))
      .filter(({ point }) => point && numbersOf(point) && numbersOf(point).seeds.length);
    if (!found.length) return undefined;
    const numbers = found.map(({ point }) => numbersOf(point));
    const seeds = Math.max(...numbers.map((one) => one.seeds.length));
    const of = (name) => numbers.map((one) => one[name] ? last(one[name]) : name === "mean" ? last(one.seeds[0]) : null);
    const bands = seeds > 1 ? { mean: of("mean"), low: of("low"), high: of("high") } : {};
    if (data.seeds) bands.n = numbers.map((one) => one.n ? last(one.n) : one.seeds.map(last).filter(finite).length);
    return {
      ...bands,
      line,
      marked: true,
      x: found.map((one) => one.x),
      seeds: Array.from({ length: seeds }, (_, s) => numbers.map((one) => one.seeds[s] ? last(one.seeds[s]) : null)),
      crosses: found.filter(({ point }) => point.diverged.length).map((one) => one.x),
      pointAt: (i) => found[i] && found[i].point,
    };
  }

  function say() {
    const value = view().values[isFinal() ? 0 : Number(slider.value)];
    const text = [value.label, value.note].filter(Boolean).join(", ");
    const exactly = value.label.endsWith(value.exact) ? "" : " (exactly " + value.exact + ")";
    get("value").textContent = value.exact ? text + exactly : "";
    slider.setAttribute("aria-valuetext", text + exactly);
  }

  function draw() {
    const width = Math.max(280, plot.clientWidth);
    const size = { width, height: Math.round(Math.min(420, Math.max(260, width * 0.55))) };
    const svg = make("svg", { viewBox: "0 0 " + size.width + " " + size.height, height: size.height, "aria-hidden": "true" });
    const [low, high, name] = [every[0], last(every), across()];
    const room = (high - low) * 0.02 || 0.5;
    const ends = name.log ? [low / 1.2, high * 1.2] : [low - room, high + room];
    const x = scale(...ends, EDGE.left, size.width - EDGE.right, name.log);
    const y = scale(chosen().low, chosen().high, size.height - EDGE.bottom, EDGE.top, chosen().log);
    drawAxes(svg, size, chosen(), every, x, y, name);
    shown().forEach((one, i, lines) => {
      drawCurve(svg, one, x, y, each.checked, i, needsMarkers() ? lines.length : undefined);
      for (const at of one.crosses) cross(svg, x(at), size.height - EDGE.bottom, one.line);
    });
    const at = x(every[cursor]);
    make("line", { class: "cursor", x1: at, x2: at, y1: EDGE.top, y2: size.height - EDGE.bottom }, svg);
    plot.replaceChildren(svg);
    plot.onpointermove = (event) => {
      const place = ((event.clientX - svg.getBoundingClientRect().left) / svg.clientWidth) * size.width;
      const near = every.map((value) => Math.abs(x(value) - place));
      move(near.indexOf(Math.min(...near)));
    };
    say();
    read();
  }

  function cross(svg, x, y, line) {
    make("path", { class: "cross k" + line.color, d: `M${x - 4} ${y - 4}l8 8m0 -8l-8 8` }, svg);
  }

  function move(to) {
    const next = Math.min(Math.max(to, 0), every.length - 1);
    if (next === cursor) return;
    cursor = next;
    draw();
  }

  /* The values at the cursor as a table: each seed's exactly, means and intervals to six digits. */
  function read() {
    const table = document.createElement("table");
    const label = isFinal() && view().values.find((value, i) => placeOf(value, i) === every[cursor]);
    const caption = isFinal() ? `final ${chosen().label}${label.label.startsWith("with") ? ", " : " at "}${label.label}` : `${chosen().label} at ${chosen().time} ${every[cursor]}`;
    row(table.createTHead(), "th", [caption, each.checked ? "seeds" : "mean", "95 % interval", "n", "diverged"]);
    const body = table.createTBody();
    for (const one of shown()) {
      const i = one.x.indexOf(every[cursor]);
      const point = one.pointAt(i);
      if (!point) continue;
      const values = one.seeds.map((seed) => seed[i]);
      const mean = one.mean ? one.mean[i] : values[0];
      const several = each.checked ? point.seeds.map((seed, s) => `${seed}: ${text(values[s])}`).join(", ") : one.mean ? rounded(mean) : text(mean);
      const main = one.seeds.length ? several : "no result";
      const interval = one.low && finite(one.low[i]) ? `${rounded(one.low[i])} to ${rounded(one.high[i])}` : "";
      const steps = point.diverged.slice(0, 20).map((pair) => pair[1]).join(", ");
      const lost = point.diverged.length ? `${point.diverged.length} (step ${steps}${point.diverged.length > 20 ? ", ..." : ""})` : "0";
      const made = row(body, "td", [one.line.label || "all networks", main, interval, String(one.n ? one.n[i] : values.filter(finite).length), lost]);
      made.cells[0].prepend(swatch(one.line), " ");
    }
    get("reading").replaceChildren(table);
  }

  function rounded(value) {
    return typeof value === "number" ? String(Number(value.toPrecision(6))) : text(value);
  }

  function text(value) {
    return value === null || value === undefined ? "not a number" : String(value);
  }

  function row(parent, kind, texts) {
    const made = parent.insertRow();
    for (const one of texts) {
      const cell = document.createElement(kind);
      cell.textContent = one;
      made.append(cell);
    }
    return made;
  }

  /* Every seed's numbers of the metric that is shown, of all points of the sweep. */
  function saveCurves() {
    const rows = [[...data.keys, "seed", chosen().time, metric.value]];
    for (const point of data.points) {
      const numbers = numbersOf(point);
      if (!numbers) continue;
      const xs = numbers.x || point.x;
      numbers.seeds.forEach((values, s) => values.forEach((value, i) => rows.push([...point.at, point.seeds[s], xs[i], value])));
    }
    save(document.body.dataset.name + "-" + metric.value + ".csv", csv(rows), "text/csv");
  }

  data.metrics.forEach((one) => option(metric, one.key, one.label));
  if (data.metrics.some((one) => one.key === "train_accuracy")) metric.value = "train_accuracy";
  data.views.forEach((one, i) => option(axis, String(i), one.name));
  if (data.all) option(axis, "all", "nothing: all lines at once");
  option(against, "", data.metrics[0].time);
  data.views.forEach((one, i) => { if (one.axis) option(against, String(i), "final value against " + one.name); });
  get("against-choice").hidden = !data.all;
  get("each-choice").hidden = data.points.every((point) => point.seeds.length < 2);
  for (const control of [axis, against]) control.addEventListener("change", () => { listSeries(); span(); draw(); });
  metric.addEventListener("change", () => { span(); draw(); });
  get("curves-csv").addEventListener("click", saveCurves);
  for (const control of [series, each]) control.addEventListener("change", draw);
  slider.addEventListener("input", draw);
  plot.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: cursor - 1, ArrowRight: cursor + 1, Home: 0, End: every.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(to);
  });
  get("controls").hidden = false;
  listSeries();
  span();
  let width = 0;
  new ResizeObserver(() => {
    if (plot.clientWidth !== width) { width = plot.clientWidth; draw(); }
  }).observe(plot);
  draw();
}

const found = document.getElementById("data");
if (found) explore(JSON.parse(found.textContent));
