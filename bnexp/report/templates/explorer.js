/* The explorer: choices of axis, value, metric and series, and the curves of those. */

const FIRST_SHOWN = 8;

function explore(data) {
  const get = (id) => document.getElementById(id);
  const [axis, metric, slider, series, each, plot] = ["axis", "metric", "slider", "series", "each", "plot"].map(get);
  const every = [...new Set(data.points.flatMap((point) => point.x))].sort((a, b) => a - b);
  let cursor = every.length - 1;

  const view = () => data.views[Number(axis.value) || 0];
  const chosen = () => data.metrics.find((one) => one.key === metric.value);

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
    get("slide").hidden = view().values.length < 2;
    get("slider-name").textContent = view().name;
  }

  function swatch(line) {
    const svg = make("svg", { class: "swatch", viewBox: "0 0 34 10", "aria-hidden": "true" });
    make("path", { class: "curve k" + line.color, "stroke-dasharray": line.dash || "none", d: "M2 5L32 5" }, svg);
    return svg;
  }

  /* The lines that are asked for and have a network at the slider's value. */
  function shown() {
    const at = Number(slider.value);
    const wanted = new Set([...series.querySelectorAll("input:checked")].map((box) => Number(box.value)));
    return view().lines
      .map((line, i) => ({ line, point: wanted.has(i) ? data.points[line.points[at]] : undefined }))
      .filter((one) => one.point)
      .map((one) => ({ ...one, numbers: one.point.values[metric.value] }));
  }

  function say() {
    const value = view().values[Number(slider.value)];
    const text = [value.label, value.note].filter(Boolean).join(", ");
    const exactly = value.label.endsWith(value.exact) ? "" : " (exactly " + value.exact + ")";
    get("value").textContent = value.exact ? text + exactly : "";
    slider.setAttribute("aria-valuetext", text + exactly);
  }

  function draw() {
    const width = Math.max(280, plot.clientWidth);
    const size = { width, height: Math.round(Math.min(420, Math.max(260, width * 0.55))) };
    const svg = make("svg", { viewBox: "0 0 " + size.width + " " + size.height, height: size.height, "aria-hidden": "true" });
    const [low, high] = [every[0], every[every.length - 1]];
    const room = (high - low) * 0.02 || 0.5;
    const x = scale(low - room, high + room, EDGE.left, size.width - EDGE.right, false);
    const y = scale(chosen().low, chosen().high, size.height - EDGE.bottom, EDGE.top, chosen().log);
    drawAxes(svg, size, chosen(), every, x, y, data.time);
    for (const one of shown()) {
      drawCurve(svg, one, x, y, each.checked);
      for (const [at] of one.point.diverged) cross(svg, x(at), size.height - EDGE.bottom, one.line);
    }
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
    const caption = `${chosen().label} at ${data.time} ${every[cursor]}`;
    row(table.createTHead(), "th", [caption, each.checked ? "seeds" : "mean", "95 % interval", "n", "diverged"]);
    const body = table.createTBody();
    for (const { line, point, numbers } of shown()) {
      const i = point.x.indexOf(every[cursor]);
      const values = numbers.seeds.map((one) => one[i]);
      const mean = numbers.mean ? numbers.mean[i] : values[0];
      const several = each.checked ? point.seeds.map((seed, s) => `${seed}: ${text(values[s])}`).join(", ") : numbers.mean ? rounded(mean) : text(mean);
      const main = numbers.seeds.length ? several : "no result";
      const interval = numbers.low && numbers.low[i] !== null ? `${rounded(numbers.low[i])} to ${rounded(numbers.high[i])}` : "";
      const lost = point.diverged.length ? `${point.diverged.length} (step ${point.diverged.map((one) => one[1]).join(", ")})` : "0";
      const made = row(body, "td", [line.label || "all networks", main, interval, String(values.filter((one) => typeof one === "number").length), lost]);
      made.cells[0].prepend(swatch(line), " ");
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

  data.metrics.forEach((one) => option(metric, one.key, one.label));
  if (data.metrics.some((one) => one.key === "train_accuracy")) metric.value = "train_accuracy";
  data.views.forEach((one, i) => option(axis, String(i), one.name));
  get("axis-choice").hidden = data.views.length < 2;
  get("each-choice").hidden = data.points.every((point) => point.seeds.length < 2);
  axis.addEventListener("change", () => { listSeries(); draw(); });
  for (const control of [metric, series, each]) control.addEventListener("change", draw);
  slider.addEventListener("input", draw);
  plot.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: cursor - 1, ArrowRight: cursor + 1, Home: 0, End: every.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    move(to);
  });
  get("controls").hidden = false;
  listSeries();
  let width = 0;
  new ResizeObserver(() => {
    if (plot.clientWidth !== width) { width = plot.clientWidth; draw(); }
  }).observe(plot);
  draw();
}

const found = document.getElementById("data");
if (found) explore(JSON.parse(found.textContent));
