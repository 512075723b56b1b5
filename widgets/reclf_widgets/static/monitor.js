// The training monitor in the browser: charts of steps and values, and where the training stands.
//
//   traits (charts, progress) -> SVG; the pointer reads the nearest step off all lines

const CHART = { width: 460, height: 240, left: 46, right: 20, top: 14, bottom: 34 };

// Round numbers from 0 to at least `end`, about five of them.
export function ticks(end) {
  const rough = end / 5 || 0.2, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((k) => k * power).find((k) => k >= rough * 0.999);
  return Array.from({ length: Math.ceil(end / step - 1e-9) + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

function chartPanel(on) {
  const svg = shape("svg", { viewBox: `0 0 ${CHART.width} ${CHART.height}`, role: "img", "data-testid": "chart" });
  const heading = element("h3", {}), readout = element("div", { class: "reclf-monitor-readout", "data-testid": "chart-readout" });
  const root = element("section", { class: "reclf-monitor-chart" }, heading, svg, readout);
  let chart = null, last = 5, at = null, endX = 1, endY = 1;
  const x = (step) => CHART.left + (step / endX) * (CHART.width - CHART.left - CHART.right);
  const y = (value) => CHART.height - CHART.bottom - (value / endY) * (CHART.height - CHART.top - CHART.bottom);
  const nearest = (line) => line.x.reduce((best, step, i) => (Math.abs(step - at) < Math.abs(line.x[best] - at) ? i : best), 0);

  // `last` is the last step of all charts, which share their axis.
  function draw(next, step = last) {
    chart = next; last = step;
    const { lines, guide } = chart, values = [...lines.flatMap((line) => line.y), guide ? guide.y : 0];
    const stepsX = ticks(last), stepsY = ticks(chart.top ?? largest(values, 1e-6));
    endX = stepsX.at(-1); endY = stepsY.at(-1);
    heading.textContent = chart.title;
    svg.replaceChildren();
    for (const value of stepsY) {
      svg.append(shape("line", { x1: CHART.left, x2: CHART.width - CHART.right, y1: y(value), y2: y(value), class: "reclf-monitor-grid" }));
      svg.append(shape("text", { x: CHART.left - 6, y: y(value) + 4, "text-anchor": "end" }, String(value)));
    }
    for (const tick of stepsX) svg.append(shape("text", { x: x(tick), y: CHART.height - CHART.bottom + 16, "text-anchor": "middle" }, String(tick)));
    svg.append(shape("text", { x: (CHART.left + CHART.width) / 2, y: CHART.height - 3, "text-anchor": "middle" }, "step"));
    if (guide) {
      svg.append(shape("line", { x1: CHART.left, x2: CHART.width - CHART.right, y1: y(guide.y), y2: y(guide.y), class: "reclf-monitor-guide" }));
      svg.append(shape("text", { x: CHART.width - CHART.right - 3, y: y(guide.y) - 4, "text-anchor": "end" }, guide.name));
    }
    lines.forEach((line) => {
      const points = line.x.map((step, i) => `${x(step).toFixed(1)},${y(clamp(line.y[i], 0, endY)).toFixed(1)}`).join(" ");
      svg.append(shape("polyline", { points, stroke: line.color, "stroke-dasharray": line.name === "global" ? "6 2" : "none", "data-line": line.name, class: "reclf-monitor-line" }));
      if (line.x.length < 30) line.x.forEach((step, i) => svg.append(shape("circle", { cx: x(step), cy: y(clamp(line.y[i], 0, endY)), r: 2.5, fill: line.color })));
    });
    if (at !== null && lines.length) svg.append(shape("line", { x1: x(at), x2: x(at), y1: CHART.top, y2: CHART.height - CHART.bottom, class: "reclf-monitor-at" }));
    svg.setAttribute("aria-label", `${chart.title}: ${lines.map((line) => `${line.name} ${shown(line.y.at(-1))} at step ${line.x.at(-1)}`).join(", ") || "nothing yet"}`);
    read();
  }

  function read() {
    readout.replaceChildren(...chart.lines.map((line) => {
      const i = at === null ? line.x.length - 1 : nearest(line);
      return element("span", {}, element("i", { style: `--stroke:${line.color}`, class: line.name === "global" ? "reclf-monitor-dashed" : "" }), `${line.name} ${shown(line.y[i])}`, element("small", {}, ` step ${line.x[i]}`));
    }));
    if (!chart.lines.length) readout.textContent = "nothing yet";
  }

  on(svg, "pointermove", (event) => {
    const box = svg.getBoundingClientRect(), place = ((event.clientX - box.x) / box.width) * CHART.width;
    at = clamp(((place - CHART.left) / (CHART.width - CHART.left - CHART.right)) * endX, 0, endX);
    draw(chart);
  });
  on(svg, "pointerleave", () => { at = null; draw(chart); });
  return { root, draw };
}

function render({ model, el }) {
  const abort = new AbortController();
  const on = (target, type, listen) => target.addEventListener(type, listen, { signal: abort.signal });
  const bar = element("progress", { max: 1, "aria-label": "Share of the steps" }), words = element("span", { role: "status", "data-testid": "progress" });
  const row = element("div", { class: "reclf-monitor-charts" });
  const root = element("div", { class: "reclf-monitor", "data-testid": "monitor" }, element("header", {}, bar, words), row);
  const panels = [];

  function draw() {
    const { step, total, loss, parts, left, studies_per_second: rate } = model.get("progress");
    const known = left != null;
    const sum = Object.entries(parts ?? {}).map(([name, value]) => `${name} ${fixed(value, 3)}`).join(" + ");
    bar.hidden = !known;
    bar.value = known ? step / total : 0;
    words.textContent = step === undefined ? "waiting for the first steps …"
      : `step ${step}${known ? ` of ${total}` : ""} · loss ${fixed(loss, 3)} = ${sum} · ${fixed(rate, 0)} studies/s${left ? ` · ${(left / 60).toFixed(1)} min left` : ""}`;
    const charts = model.get("charts");
    while (panels.length < charts.length) { panels.push(chartPanel(on)); row.append(panels.at(-1).root); }
    const last = largest(charts.flatMap((chart) => chart.lines.flatMap((line) => line.x)), 5);
    charts.forEach((chart, i) => panels[i].draw(chart, last));
    root.dataset.theme = themeOf(model.get("theme"));
    root.dataset.step = step ?? 0;
  }

  const unfollow = followTheme(draw, on);
  for (const name of ["charts", "progress", "theme"]) model.on(`change:${name}`, draw);
  el.append(root);
  draw();
  const still = stillKeeper(model, root, () => "", on); // Python draws the image when the training ends
  return () => {
    still.close();
    abort.abort();
    unfollow();
    for (const name of ["charts", "progress", "theme"]) model.off(`change:${name}`, draw);
  };
}

export default { render };
