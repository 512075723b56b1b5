// The explorer in the browser: one plain ES module for anywidget, without build step or network.
//
//   traits -> Case (numbers) -> panels (image, report, relations, ranking, editor) -> traits
//
// All state lives in traits; this file keeps only what a redraw can make again. Report text is data:
// it reaches the page through textContent alone. Words count from 0, and -1 is the whole pair, which
// is node 0 of the relation graph; so word w is node w + 1.

const SVG = "http://www.w3.org/2000/svg";
const COLORS = ["viridis", "inferno", "oranges"];
const WHOLE = -1;
const BAR_HEIGHT = 34; // of the colour bar under the tiles

// ---------------------------------------------------------------- elements and numbers

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function shape(tag, attributes = {}, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

const bytes = (view) =>
  view ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength) : new Uint8Array();
const floats = (view) => new Float32Array(bytes(view).slice().buffer);
const largest = (values, floor = 1e-12) => values.reduce((a, b) => Math.max(a, b), floor);
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const percent = (value) => `${(100 * value).toFixed(0)} %`;
const spaced = (name) => name.replaceAll("_", " ");

export function shown(value) {
  if (value === 0) return "0";
  return Math.abs(value) < 1e-3 ? value.toExponential(1) : value.toFixed(3);
}

function argsort(values) {
  return Array.from(values.keys()).sort((i, j) => values[j] - values[i] || i - j);
}

// Ranks as [0, 1]: the weaker half is 0, so that a map with one tall peak shows its slopes.
export function upperRanks(values) {
  const ranks = new Float32Array(values.length);
  const last = Math.max(1, values.length - 1);
  argsort(values).forEach((cell, place) => { ranks[cell] = Math.max(0, 1 - (2 * place) / last); });
  return ranks;
}

// ---------------------------------------------------------------- the numbers of one case

class Case {
  constructor(get) {
    const info = get("case");
    this.info = info;
    [this.height, this.width] = info.shape;
    [this.rows, this.columns] = info.grid;
    this.words = info.pieces.map(([, word]) => word);
    this.count = this.words.length;
    this.regions = this.rows * this.columns;
    this.pixels = bytes(get("image"));
    this.attention = floats(get("attention"));
    this.weights = floats(get("importance"));
    this.coverage = floats(get("coverage"));
    const graphs = floats(get("graph"));
    const size = (this.count + 1) ** 2;
    let start = 0;
    this.graphs = info.graph_steps.map((steps) => {
      const all = Array.from({ length: steps }, (_, k) => graphs.subarray(start + k * size, start + (k + 1) * size));
      start += steps * size;
      return all;
    });
    this.means = new Map();
    this.greys = null;
  }

  name(word) { return word === WHOLE ? "whole pair" : this.words[word]; }
  type(word) { return (word !== WHOLE && this.info.types?.[word]) || "filler"; }

  // Where a word looks: regions row by row, sums to 1.
  map(model, word) {
    if (word !== WHOLE) {
      const start = (model * this.count + word) * this.regions;
      return this.attention.subarray(start, start + this.regions);
    }
    if (!this.means.has(model)) {
      const mean = new Float64Array(this.regions);
      const weights = this.importance(model) ?? new Float32Array(this.count).fill(1);
      const total = weights.reduce((a, b) => a + b, 0) || 1;
      for (let w = 0; w < this.count; w++) {
        const cells = this.map(model, w);
        for (let r = 0; r < this.regions; r++) mean[r] += (weights[w] / total) * cells[r];
      }
      this.means.set(model, mean);
    }
    return this.means.get(model);
  }

  highest(model) {
    const size = this.count * this.regions;
    return largest(this.attention.subarray(model * size, (model + 1) * size));
  }

  importance(model) {
    return this.info.weighs[model] ? this.weights.subarray(model * this.count, (model + 1) * this.count) : null;
  }

  graph(model, step) {
    const all = this.graphs[model];
    return all.length ? all[clamp(step < 0 ? all.length + step : step, 0, all.length - 1)] : null;
  }

  // Edges between different nodes, strongest first: [drawing node, node drawn on, weight].
  edges(graph, least, own = null) {
    const nodes = this.count + 1;
    const found = [];
    for (let i = 0; i < nodes; i++) {
      for (let j = 0; j < nodes; j++) {
        const weight = graph[i * nodes + j];
        if (i !== j && weight > 0 && weight >= least && (own === null || i === own || j === own)) found.push([i, j, weight]);
      }
    }
    return found.sort((a, b) => b[2] - a[2]);
  }

  strongest(graph) {
    const nodes = this.count + 1;
    let top = 1e-12;
    for (let k = 0; k < graph.length; k++) if (k % (nodes + 1)) top = Math.max(top, graph[k]);
    return top;
  }

  // How much of a map lies inside a mask, and whether its strongest region points into it.
  inside(cells, mask) {
    const start = mask * 2 * this.regions;
    let mass = 0, total = 0;
    for (let r = 0; r < this.regions; r++) {
      mass += cells[r] * this.coverage[start + r];
      total += cells[r];
    }
    return { mass: mass / (total || 1), hit: this.coverage[start + this.regions + argsort(cells)[0]] > 0 };
  }

  // The radiograph with window and level, painted once for each setting.
  grey(window_, level) {
    const key = `${window_}/${level}`;
    if (this.greys?.key !== key) {
      const table = new Uint32Array(256);
      for (let i = 0; i < 256; i++) {
        const value = Math.round(255 * clamp((i / 255 - level) / window_ + 0.5, 0, 1));
        table[i] = 0xff000000 | (value << 16) | (value << 8) | value;
      }
      const canvas = element("canvas", { width: this.width, height: this.height });
      const context = canvas.getContext("2d");
      const painted = context.createImageData(this.width, this.height);
      const target = new Uint32Array(painted.data.buffer);
      for (let i = 0; i < target.length; i++) target[i] = table[this.pixels[i]];
      context.putImageData(painted, 0, 0);
      this.greys = { key, canvas };
    }
    return this.greys.canvas;
  }
}

// ---------------------------------------------------------------- where the nodes of a graph lie

// Fruchterman and Reingold's spring layout from a circle in reading order: no chance in it.
export function springLayout(count, edges, width, height) {
  const x = new Float64Array(count), y = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const angle = (2 * Math.PI * i) / count - Math.PI / 2;
    x[i] = width / 2 + width * 0.38 * Math.cos(angle);
    y[i] = height / 2 + height * 0.38 * Math.sin(angle);
  }
  const ideal = 0.8 * Math.sqrt((width * height) / Math.max(1, count));
  const top = edges.reduce((a, edge) => Math.max(a, edge[2]), 1e-12);
  for (let round = 0; round < 160; round++) {
    const heat = width * 0.06 * (1 - round / 160);
    const dx = new Float64Array(count), dy = new Float64Array(count);
    const push = (i, j, force) => {
      const a = x[i] - x[j] || 0.01 * (i - j), b = y[i] - y[j] || 0.01;
      const length = Math.hypot(a, b), amount = force(length) / length;
      dx[i] += a * amount; dy[i] += b * amount;
      dx[j] -= a * amount; dy[j] -= b * amount;
    };
    for (let i = 0; i < count; i++) for (let j = 0; j < i; j++) push(i, j, (length) => (ideal * ideal) / length);
    for (const [i, j, weight] of edges) push(i, j, (length) => (-length * length / ideal) * (0.4 + (0.6 * weight) / top));
    for (let i = 0; i < count; i++) {
      // As strong as what pushes outwards, a little inside of the frame.
      dx[i] += ((width / 2 - x[i]) * count * ideal * ideal) / (0.5 * width) ** 2;
      dy[i] += ((height / 2 - y[i]) * count * ideal * ideal) / (0.5 * height) ** 2;
      const length = Math.hypot(dx[i], dy[i]) || 1, move = Math.min(length, heat) / length;
      x[i] += dx[i] * move;
      y[i] += dy[i] * move;
    }
  }
  // Names stand above their nodes: push apart those that would lie over each other.
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < i; j++) {
        const away = y[i] - y[j];
        if (Math.abs(x[i] - x[j]) > 62 || Math.abs(away) > 21) continue;
        const move = (away < 0 ? -1 : 1) * (21 - Math.abs(away)) * 0.5;
        y[i] += move; y[j] -= move;
      }
    }
    for (let i = 0; i < count; i++) { x[i] = clamp(x[i], 34, width - 34); y[i] = clamp(y[i], 20, height - 12); }
  }
  return { x, y };
}

// ---------------------------------------------------------------- image panel

function imagePanel(app) {
  const { get, put, on } = app;
  const canvas = element("canvas", { class: "reclf-image", tabindex: "0", role: "img", "data-testid": "image" });
  const readout = element("div", { class: "reclf-readout", role: "status", "data-testid": "readout" });
  const controls = element("div", { class: "reclf-controls", role: "group", "aria-label": "How the image is shown" },
    app.select("view", [["single", "one model"], ["compare", "A | B | A−B"], ["multiples", "words × models"]], "View"),
    app.modelSelect("model", "A"), app.modelSelect("other", "B"),
    app.select("scale", [["word", "of the word"], ["case", "of the case"], ["rank", "by rank"]], "Scale"),
    app.select("colors", COLORS.map((name) => [name, name]), "Colours"),
    app.slider("opacity", 0, 1, 0.05, "Overlay"),
    app.slider("window", 0.05, 2, 0.05, "Window"),
    app.slider("level", 0, 1, 0.02, "Level"),
    app.check("smooth", "Smooth"), app.check("masks", "Truth"));
  const root = element("section", { class: "reclf-panel reclf-image-panel", "aria-label": "Matchings" }, canvas, readout, controls);
  let hover = -1;

  const table = (name) => app.tables.subarray(768 * name, 768 * (name + 1));
  const models = () => ({ a: get("model"), b: clamp(get("other"), 0, get("models").length - 1) });

  function tiles() {
    const data = app.data, word = get("word"), { a, b } = models(), names = get("models");
    const view = names.length > 1 || get("view") === "multiples" ? get("view") : "single";
    if (view === "compare") {
      return { columns: 3, list: [
        { model: a, word, title: `A  ${names[a]}` }, { model: b, word, title: `B  ${names[b]}` },
        { difference: true, word, title: "A − B" }] };
    }
    if (view === "multiples") {
      const weights = data.importance(a) ?? Float32Array.from(data.words, (_, w) => largest(data.map(a, w)));
      const best = argsort(weights).filter((w) => data.words[w].length > 3).slice(0, 6);
      const words = (word === WHOLE || best.includes(word) ? best : [word, ...best.slice(0, 5)]).sort((i, j) => i - j);
      const list = names.flatMap((name, model) => words.map((w) => ({ model, word: w, title: `${data.name(w)}${names.length > 1 ? " · " + name : ""}` })));
      return { columns: Math.max(1, words.length), list };
    }
    return { columns: 1, list: [{ model: a, word, title: "" }] };
  }

  function layout() {
    const { columns, list } = tiles(), gap = 6, data = app.data;
    const available = Math.max(200, root.clientWidth);
    const width = Math.min(columns === 3 ? 410 : list.length === 1 ? 460 : 330, (available - gap * (columns - 1)) / columns);
    const height = (width * data.height) / data.width;
    const rows = Math.ceil(list.length / columns);
    list.forEach((tile, i) => {
      tile.x = (i % columns) * (width + gap);
      tile.y = Math.floor(i / columns) * (height + gap);
    });
    return { list, width, height, right: columns * (width + gap) - gap, bottom: rows * (height + gap) - gap + BAR_HEIGHT };
  }

  // Cells of a tile, and the value where its colours end.
  function cellsOf(tile) {
    const data = app.data, { a, b } = models();
    if (tile.difference) {
      const left = data.map(a, tile.word), right = data.map(b, tile.word);
      const cells = Float64Array.from(left, (value, r) => value - right[r]);
      return { cells, end: largest(cells.map(Math.abs)) };
    }
    const cells = data.map(tile.model, tile.word), compared = get("view") === "compare" && get("models").length > 1;
    if (get("scale") === "rank") return { cells: upperRanks(cells), end: 1 };
    if (get("scale") === "case" && tile.word !== WHOLE) return { cells, end: compared ? Math.max(data.highest(a), data.highest(b)) : data.highest(tile.model) };
    // Two models side by side share their end, or the eye would compare unlike colours.
    return { cells, end: compared ? Math.max(largest(data.map(a, tile.word)), largest(data.map(b, tile.word))) : largest(cells) };
  }

  function paintTile(context, tile, width, height) {
    const data = app.data, { cells, end } = cellsOf(tile);
    context.imageSmoothingEnabled = true;
    context.drawImage(data.grey(get("window"), get("level")), tile.x, tile.y, width, height);
    const colors = table(tile.difference ? COLORS.length : COLORS.indexOf(get("colors"))), opacity = get("opacity");
    const heat = element("canvas", { width: data.columns, height: data.rows });
    const heatContext = heat.getContext("2d"), painted = heatContext.createImageData(data.columns, data.rows);
    for (let r = 0; r < data.regions; r++) {
      const share = clamp(cells[r] / end, -1, 1);
      const entry = Math.round(255 * (tile.difference ? (share + 1) / 2 : Math.max(0, share)));
      painted.data.set(colors.subarray(3 * entry, 3 * entry + 3), 4 * r);
      painted.data[4 * r + 3] = 255 * opacity * Math.abs(share);
    }
    heatContext.putImageData(painted, 0, 0);
    context.imageSmoothingEnabled = get("smooth");
    context.drawImage(heat, tile.x, tile.y, width, height);
    if (get("masks")) paintMasks(context, tile, width, height);
    const region = hover >= 0 ? hover : get("region");
    if (region >= 0) paintCell(context, tile, region, width, height);
    if (tile.title) label(context, tile.title, tile.x + 3, tile.y + 3, width - 6);
  }

  function paintMasks(context, tile, width, height) {
    const data = app.data, own = tile.word === WHOLE ? -1 : data.info.own_mask[tile.word], names = [];
    data.info.masks.forEach((mask, m) => {
      const solid = m === own;
      let left = 1, top = 1;
      context.beginPath();
      for (const line of mask.outlines) {
        for (let k = 0; k < line.length; k += 2) {
          context[k ? "lineTo" : "moveTo"](tile.x + line[k] * width, tile.y + line[k + 1] * height);
          left = Math.min(left, line[k]); top = Math.min(top, line[k + 1]);
        }
        context.closePath();
      }
      context.lineWidth = solid ? 4 : 2.5; context.strokeStyle = "rgba(0,0,0,.55)"; context.setLineDash([]); context.stroke();
      context.lineWidth = solid ? 2 : 1.2; context.strokeStyle = "#fff"; context.setLineDash(solid ? [] : [5, 4]); context.stroke();
      context.setLineDash([]);
      if (mask.outlines.length) names.push({ text: spaced(mask.name), x: left * width, y: top * height - 19 });
    });
    if (width < 250) return;
    let lowest = tile.title ? 22 : 2;
    for (const name of names.sort((p, q) => p.y - q.y)) {
      lowest = Math.max(lowest, name.y);
      label(context, name.text, tile.x + Math.min(name.x, width - 110), tile.y + lowest, 110);
      lowest += 19;
    }
  }

  function paintCell(context, tile, region, width, height) {
    const data = app.data, w = width / data.columns, h = height / data.rows;
    const box = [tile.x + (region % data.columns) * w, tile.y + Math.floor(region / data.columns) * h, w, h];
    context.lineWidth = 3; context.strokeStyle = "#000"; context.strokeRect(...box);
    context.lineWidth = 1.5; context.strokeStyle = "#fff"; context.strokeRect(...box);
  }

  function label(context, text, x, y, room) {
    context.font = "12px system-ui, sans-serif";
    const width = Math.min(room, context.measureText(text).width + 8);
    context.fillStyle = "rgba(0,0,0,.7)"; context.fillRect(x, y, width, 17);
    context.fillStyle = "#fff"; context.fillText(text, x + 4, y + 12.5, width - 8);
  }

  function paintBar(context, x, y, width, colors, labels) {
    for (let i = 0; i < width; i++) {
      const entry = Math.round((255 * i) / (width - 1));
      context.fillStyle = `rgb(${colors[3 * entry]},${colors[3 * entry + 1]},${colors[3 * entry + 2]})`;
      context.fillRect(x + i, y + 7, 1.5, 9);
    }
    context.font = "11px system-ui, sans-serif"; context.fillStyle = app.ink();
    labels.forEach((text, i) => {
      context.textAlign = i === 0 ? "left" : i === labels.length - 1 ? "right" : "center";
      context.fillText(text, x + (width * i) / (labels.length - 1), y + 29);
    });
    context.textAlign = "left";
  }

  function paintBars(context, plan) {
    const y = plan.bottom - BAR_HEIGHT, first = plan.list[0];
    if (!first) return;
    const multiples = plan.list.length > 3, width = Math.floor(plan.width);
    const end = multiples && get("scale") === "word" ? "maximum of each map" : get("scale") === "rank" ? "strongest" : shown(cellsOf(first).end);
    const from = get("scale") === "rank" ? "median" : "0", what = get("scale") === "rank" ? "rank" : "attention";
    const sequential = table(COLORS.indexOf(get("colors")));
    const difference = plan.list.find((tile) => tile.difference);
    paintBar(context, 0, y, difference ? 2 * width + 6 : Math.min(Math.floor(plan.right), 460), sequential, [from, what, end]);
    if (difference) {
      const limit = shown(cellsOf(difference).end);
      paintBar(context, Math.floor(difference.x), y, width, table(COLORS.length), [`−${limit}`, "0", `+${limit}`]);
    }
  }

  function paint(context, scale, background) {
    const plan = layout();
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, plan.right, plan.bottom);
    if (background) { context.fillStyle = background; context.fillRect(0, 0, plan.right, plan.bottom); }
    for (const tile of plan.list) paintTile(context, tile, plan.width, plan.height);
    paintBars(context, plan);
  }

  function describe() {
    const data = app.data, word = get("word"), { a, b } = models(), cells = data.map(a, word);
    const region = hover >= 0 ? hover : get("region"), who = `“${data.name(word)}”`;
    const own = word === WHOLE ? -1 : data.info.own_mask[word];
    const truth = own < 0 ? "" : (({ mass, hit }) => ` · ${percent(mass)} inside ${spaced(data.info.masks[own].name)}, pointing ${hit ? "hit" : "miss"}`)(data.inside(cells, own));
    const place = (r) => `row ${Math.floor(r / data.columns) + 1} column ${(r % data.columns) + 1}`;
    const order = argsort(cells);
    const best = order.slice(0, 3).map((r) => `${place(r)} (${shown(cells[r])})`);
    canvas.setAttribute("aria-label", `Radiograph with where ${who} looks, of ${data.rows} by ${data.columns} regions; strongest: ${best.join(", ")}${truth}`);
    if (region < 0) return `${who}${word === WHOLE ? "" : weight(data, a, word)} · strongest ${best[0] ?? "none"}${truth}`;
    const versus = get("models").length > 1 ? ` · B ${shown(data.map(b, word)[region])}` : "";
    return `${who} at ${place(region)}: ${shown(cells[region])} · rank ${order.findIndex((r) => cells[r] === cells[region]) + 1} of ${data.regions} · ${(cells[region] * data.regions).toFixed(1)}× uniform${versus}${truth}`;
  }

  function weight(data, model, word) {
    const weights = data.importance(model);
    return weights ? ` · importance ${shown(weights[word])}` : "";
  }

  function draw() {
    const plan = layout(), density = window.devicePixelRatio || 1;
    canvas.width = Math.round(plan.right * density); canvas.height = Math.round(plan.bottom * density);
    canvas.style.width = `${plan.right}px`; canvas.style.height = `${plan.bottom}px`;
    canvas.dataset.tile = `${plan.width} ${plan.height}`;
    repaint();
  }

  function repaint() {
    paint(canvas.getContext("2d"), window.devicePixelRatio || 1);
    readout.textContent = describe();
  }

  function regionAt(event) {
    const box = canvas.getBoundingClientRect(), x = event.clientX - box.x, y = event.clientY - box.y, plan = layout(), data = app.data;
    for (const tile of plan.list) {
      const column = Math.floor(((x - tile.x) / plan.width) * data.columns), row = Math.floor(((y - tile.y) / plan.height) * data.rows);
      if (column >= 0 && column < data.columns && row >= 0 && row < data.rows) return row * data.columns + column;
    }
    return -1;
  }

  // Window and level by dragging with shift or the right button, as viewers of radiographs do.
  let drag = null;
  on(canvas, "pointermove", (event) => {
    if (drag) {
      put({ window: clamp(drag.window + (event.clientX - drag.x) / 200, 0.05, 2), level: clamp(drag.level + (event.clientY - drag.y) / 300, 0, 1) });
      return;
    }
    const region = regionAt(event);
    if (region === hover) return;
    const start = performance.now();
    hover = region;
    repaint();
    canvas.dataset.hoverMs = (performance.now() - start).toFixed(2);
  });
  on(canvas, "pointerleave", () => { hover = -1; repaint(); });
  on(canvas, "pointerdown", (event) => {
    if (!event.shiftKey && event.button !== 2) return;
    drag = { x: event.clientX, y: event.clientY, window: get("window"), level: get("level") };
    canvas.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  on(canvas, "pointerup", () => { drag = null; });
  on(canvas, "contextmenu", (event) => event.preventDefault());
  on(canvas, "dblclick", () => put({ window: 1, level: 0.5 }));
  on(canvas, "click", (event) => {
    const region = regionAt(event);
    if (!event.shiftKey && region >= 0) put({ region: region === get("region") ? -1 : region });
  });
  on(canvas, "keydown", (event) => {
    const data = app.data, region = get("region");
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: data.columns, ArrowUp: -data.columns }[event.key];
    if (!step) return;
    const next = region < 0 ? argsort(data.map(get("model"), get("word")))[0] : region + step;
    if (next >= 0 && next < data.regions) put({ region: next });
    event.preventDefault();
  });

  function picture() {
    const plan = layout(), made = element("canvas", { width: Math.round(3 * plan.right), height: Math.round(3 * plan.bottom) });
    paint(made.getContext("2d"), 3, app.paper());
    return new Promise((done) => made.toBlob(done, "image/png"));
  }
  return { root, draw, picture };
}

// ---------------------------------------------------------------- report panel

function reportPanel(app) {
  const { get, put, on } = app;
  const arcs = shape("svg", { class: "reclf-arcs", "aria-hidden": "true" });
  const text = element("div", { class: "reclf-report", role: "listbox", "aria-label": "Words of the report. Arrow keys move and select, Escape selects the whole pair.", "data-testid": "report" });
  const ground = element("span", { class: "reclf-ground", "data-testid": "ground" });
  const legend = element("div", { class: "reclf-legend" });
  const note = element("div", { class: "reclf-note", "data-testid": "arcs-note" });
  const root = element("section", { class: "reclf-panel", "aria-label": "Report" },
    element("div", { class: "reclf-report-box" }, arcs, text), note, legend);
  let buttons = new Map();

  function build() {
    const data = app.data, palette = get("palette");
    text.replaceChildren();
    text.classList.toggle("reclf-long", data.count > 70);
    buttons = new Map();
    const add = (word, content) => {
      const type = data.type(word), [color, letter] = palette[type];
      const button = element("span", { class: "reclf-word", role: "option", tabindex: "-1", "data-word": word, style: `--type:${color}`, "aria-label": word === WHOLE || type === "filler" ? content : `${content}, ${type}` }, content);
      if (word === WHOLE) button.classList.add("reclf-whole");
      else if (letter) button.append(element("sub", { "aria-hidden": "true" }, letter));
      text.append(button);
      buttons.set(word, button);
    };
    add(WHOLE, "whole pair");
    text.append(" ");
    data.info.pieces.forEach(([gap, word], w) => { text.append(gap); add(w, word); });
    if (data.info.rest) text.append(element("span", { class: "reclf-rest", title: "after the last word that the model reads" }, data.info.rest));
    const types = new Set(data.info.types ?? []);
    legend.replaceChildren(ground, ...Object.entries(palette).filter(([type, [, letter]]) => letter && types.has(type)).map(([type, [color, letter]]) =>
      element("span", {}, element("i", { style: `background:${color}`, class: type === "anatomy" ? "reclf-on-dark" : "" }, letter), ` ${type}`)));
  }

  function draw() {
    const data = app.data, word = get("word"), region = get("region"), query = get("query").trim().toLowerCase();
    const chosen = region >= 0 ? Float64Array.from(data.words, (_, w) => data.map(get("model"), w)[region]) : data.importance(get("model"));
    const top = chosen ? largest(chosen) : 1;
    ground.textContent = region >= 0 ? "looks at the selected region" : chosen ? "importance" : "this model weighs no words";
    ground.classList.toggle("reclf-none", !chosen);
    for (const [w, button] of buttons) {
      const share = chosen && w !== WHOLE ? chosen[w] / top : 0;
      button.style.setProperty("--share", share.toFixed(3));
      button.setAttribute("aria-selected", String(w === word));
      button.tabIndex = w === word ? 0 : -1;
      button.classList.toggle("reclf-found", query.length > 1 && data.name(w).toLowerCase().includes(query));
      if (w !== WHOLE && chosen) button.title = `${region >= 0 ? "looks there" : "importance"} ${shown(chosen[w])}`;
    }
  }

  function drawArcs() {
    const data = app.data, graph = data.graph(get("model"), get("step")), node = get("word") + 1;
    arcs.replaceChildren();
    note.textContent = "";
    if (!graph) return;
    const top = data.strongest(graph), threshold = get("threshold");
    const own = data.edges(graph, threshold * top, node), drawn = own.slice(0, 24);
    const who = `“${data.name(node - 1)}”`;
    note.textContent = own.length ? `${who}: ${own.length} relation${own.length > 1 ? "s" : ""}${drawn.length < own.length ? `, ${drawn.length} drawn` : ""}; solid: draws on, dashed: is drawn on by`
      : `${who} has no relation of ${percent(threshold)} of the strongest; lower the threshold`;
    const box = text.getBoundingClientRect();
    arcs.setAttribute("width", box.width); arcs.setAttribute("height", box.height);
    const places = new Map();
    const place = (n) => {
      if (!places.has(n)) { const b = buttons.get(n - 1).getBoundingClientRect(); places.set(n, { x: b.x + b.width / 2 - box.x, y: b.y - box.y + 1 }); }
      return places.get(n);
    };
    for (const [i, j, weight] of drawn.reverse()) {
      const from = place(i), to = place(j), lift = 8 + Math.min(30, Math.abs(to.x - from.x) / 6);
      arcs.append(shape("path", {
        d: `M${from.x} ${from.y}C${from.x} ${from.y - lift} ${to.x} ${to.y - lift} ${to.x} ${to.y}`,
        "stroke-width": 0.8 + (2.4 * weight) / top, opacity: 0.35 + (0.6 * weight) / top,
        "stroke-dasharray": i === node ? "none" : "5 3", "data-edge": `${i}-${j}`,
      }));
    }
  }

  function focus(word) { buttons.get(word)?.focus(); }

  on(text, "click", (event) => {
    const button = event.target.closest(".reclf-word");
    if (!button) return;
    const word = Number(button.dataset.word);
    put({ word: word === get("word") ? WHOLE : word });
  });
  on(text, "dblclick", (event) => {
    const button = event.target.closest(".reclf-word");
    if (button) app.editWord(Number(button.dataset.word));
  });
  on(text, "keydown", (event) => {
    const word = get("word"), last = app.data.count - 1;
    let next = { ArrowRight: word + 1, ArrowLeft: word - 1, Home: WHOLE, End: last }[event.key];
    if (event.key === "ArrowDown" || event.key === "ArrowUp") next = wordBeside(word, event.key === "ArrowDown" ? 1 : -1);
    if (event.key === "e") { app.editWord(word); event.preventDefault(); return; }
    if (next === undefined) return;
    next = clamp(next, WHOLE, last);
    put({ word: next });
    focus(next);
    event.preventDefault();
  });

  // The nearest word on the line above or below.
  function wordBeside(word, direction) {
    const boxes = [...buttons].map(([w, button]) => [w, button.getBoundingClientRect()]);
    const here = buttons.get(word).getBoundingClientRect();
    const away = boxes.filter(([, box]) => (box.y - here.y) * direction > 4);
    const line = Math.min(...away.map(([, box]) => Math.abs(box.y - here.y)));
    const near = away.filter(([, box]) => Math.abs(box.y - here.y) < line + 4);
    near.sort((a, b) => Math.abs(a[1].x - here.x) - Math.abs(b[1].x - here.x));
    return near.length ? near[0][0] : word;
  }
  return { root, build, draw, drawArcs, focus };
}

// ---------------------------------------------------------------- relation panel

function relationPanel(app) {
  const { get, put, on } = app;
  const SIZE = 244;
  const missing = element("p", { class: "reclf-missing", "data-testid": "no-graph" });
  const step = app.select("step", [], "Step");
  const amount = element("span", { class: "reclf-note", "data-testid": "edge-count" });
  const threshold = app.slider("threshold", 0, 1, 0.01, "At least");
  const edgeSlider = app.slider("edges", 1, 100, 1, "Strongest");
  const controls = element("div", { class: "reclf-controls" }, app.select("relations", [["matrix", "matrix"], ["graph", "graph"]], "Relations as"), step, threshold, edgeSlider, amount);
  const matrix = element("canvas", { class: "reclf-matrix", tabindex: "0", role: "img", "data-testid": "matrix" });
  const graph = shape("svg", { class: "reclf-graph", role: "img", "data-testid": "graph" });
  const list = element("ol", { class: "reclf-ranking", "aria-label": "Strongest relations", "data-testid": "relation-list" });
  const readout = element("div", { class: "reclf-note", "data-testid": "relation-readout" });
  const figures = element("div", { class: "reclf-relation-row" }, element("div", {}, matrix, graph, readout), list);
  const root = element("section", { class: "reclf-panel", "aria-label": "Relations" }, missing, controls, figures);
  let laid = { key: "" };

  const sentence = ([i, j, weight]) => `${app.data.name(i - 1)} draws on ${app.data.name(j - 1)}  ${shown(weight)}`;

  function build() {
    const steps = app.data.info.graph_steps[get("model")];
    step.control.replaceChildren(element("option", { value: "-1" }, "last"), ...Array.from({ length: steps }, (_, k) => element("option", { value: k }, `${k + 1} of ${steps}`)));
    step.hidden = steps < 2;
  }

  function draw() {
    const data = app.data, numbers = data.graph(get("model"), get("step")), asMatrix = get("relations") === "matrix";
    missing.textContent = numbers ? "" : `${get("models")[get("model")]} relates no words: it has no relation graph.`;
    missing.hidden = Boolean(numbers); controls.hidden = figures.hidden = !numbers;
    if (!numbers) return;
    build();
    step.control.value = get("step");
    threshold.hidden = false; edgeSlider.hidden = asMatrix;
    matrix.style.display = asMatrix ? "" : "none"; graph.style.display = asMatrix ? "none" : "";
    const top = data.strongest(numbers), least = get("threshold") * top, node = get("word") + 1;
    const all = data.edges(numbers, least), own = all.filter(([i, j]) => i === node || j === node);
    amount.textContent = `${percent(get("threshold"))} of the strongest = ${shown(least)}: ${all.length} relations`;
    amount.dataset.count = all.length;
    list.replaceChildren(...(own.length ? own : all).slice(0, 10).map((edge) => element("li", {}, sentence(edge))));
    if (asMatrix) drawMatrix(numbers, top, least, node);
    else drawGraph(all, top, node);
  }

  function drawMatrix(numbers, top, least, node) {
    const data = app.data, nodes = data.count + 1, density = window.devicePixelRatio || 1;
    const cells = element("canvas", { width: nodes, height: nodes });
    const painted = cells.getContext("2d").createImageData(nodes, nodes), hue = app.dark() ? [86, 180, 233] : [0, 114, 178];
    for (let k = 0; k < nodes * nodes; k++) {
      painted.data.set(hue, 4 * k);
      painted.data[4 * k + 3] = (numbers[k] >= least ? 255 : 70) * Math.min(1, numbers[k] / top);
    }
    cells.getContext("2d").putImageData(painted, 0, 0);
    matrix.width = matrix.height = SIZE * density;
    const context = matrix.getContext("2d"), size = SIZE / nodes;
    context.scale(density, density);
    context.imageSmoothingEnabled = false;
    context.drawImage(cells, 0, 0, SIZE, SIZE);
    context.strokeStyle = app.dark() ? "#ff9c5b" : "#D55E00";
    const thick = Math.max(size, 4), start = clamp(node * size - (thick - size) / 2, 0.5, SIZE - thick - 0.5);
    context.strokeRect(0.5, start, SIZE - 1, thick);
    context.strokeRect(start, 0.5, thick, SIZE - 1);
    matrix.setAttribute("aria-label", `Relations of ${nodes} nodes, the whole pair first; a row draws on a column. Strongest: ${data.edges(numbers, top).slice(0, 1).map(sentence)}`);
    readout.textContent = "row draws on column; first is the whole pair";
  }

  function drawGraph(all, top, node) {
    const data = app.data, width = 430, height = 330, edges = all.slice(0, get("edges"));
    const used = [...new Set(edges.flatMap(([i, j]) => [i, j]))].sort((a, b) => a - b), place = new Map(used.map((n, k) => [n, k]));
    const key = JSON.stringify(edges.map(([i, j]) => [i, j]));
    if (laid.key !== key) laid = { key, ...springLayout(used.length, edges.map(([i, j, w]) => [place.get(i), place.get(j), w]), width, height) };
    graph.setAttribute("viewBox", `0 0 ${width} ${height}`);
    graph.setAttribute("aria-label", `Graph of the ${edges.length} strongest relations: ${edges.slice(0, 3).map(sentence).join("; ")}`);
    const head = shape("marker", { id: `${app.id}-head`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto", markerUnits: "userSpaceOnUse" });
    head.append(shape("path", { d: "M0 0L8 4L0 8z", class: "reclf-head" }));
    graph.replaceChildren(head);
    for (const [i, j, weight] of [...edges].reverse()) {
      const a = place.get(i), b = place.get(j), dx = laid.x[b] - laid.x[a], dy = laid.y[b] - laid.y[a], length = Math.hypot(dx, dy) || 1;
      const bend = 0.12, x = (laid.x[a] + laid.x[b]) / 2 - dy * bend, y = (laid.y[a] + laid.y[b]) / 2 + dx * bend;
      const own = i === node || j === node;
      graph.append(shape("path", {
        d: `M${laid.x[a]} ${laid.y[a]}Q${x} ${y} ${laid.x[b] - (dx / length) * 8} ${laid.y[b] - (dy / length) * 8}`, class: own ? "reclf-edge reclf-own" : "reclf-edge",
        "stroke-width": 0.6 + (2.4 * weight) / top, opacity: 0.35 + (0.6 * weight) / top, "marker-end": `url(#${app.id}-head)`, "data-edge": `${i}-${j}`,
      }));
    }
    const palette = get("palette");
    for (const n of used) {
      const k = place.get(n), weight = n > 0 ? data.importance(get("model"))?.[n - 1] ?? 0 : 0;
      const group = shape("g", { class: n === node ? "reclf-node reclf-own" : "reclf-node", "data-node": n, transform: `translate(${laid.x[k]} ${laid.y[k]})` });
      group.append(shape(n ? "circle" : "rect", n ? { r: 4 + 14 * Math.sqrt(weight) * 0.6, fill: palette[data.type(n - 1)][0] } : { x: -5, y: -5, width: 10, height: 10, fill: app.ink() }));
      group.append(shape("text", { y: -8, "text-anchor": "middle" }, data.name(n - 1)));
      graph.append(group);
    }
    readout.textContent = "an arrow leads from the word that draws to the word drawn on";
  }

  const nodeAt = (position) => clamp(Math.floor((position / SIZE) * (app.data.count + 1)), 0, app.data.count);
  on(matrix, "click", (event) => put({ word: nodeAt(event.offsetY) - 1 }));
  on(matrix, "pointermove", (event) => {
    const i = nodeAt(event.offsetY), j = nodeAt(event.offsetX), numbers = app.data.graph(get("model"), get("step"));
    readout.textContent = sentence([i, j, numbers[i * (app.data.count + 1) + j]]);
  });
  on(matrix, "keydown", (event) => {
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!move) return;
    put({ word: clamp(get("word") + move, WHOLE, app.data.count - 1) });
    event.preventDefault();
  });
  on(graph, "click", (event) => {
    const node = event.target.closest("[data-node]");
    if (node) put({ word: Number(node.dataset.node) - 1 });
  });
  return { root, draw };
}

// ---------------------------------------------------------------- ranking panel

function rankingPanel(app) {
  const { get, put, on } = app;
  const heading = element("h3", {}), missing = element("p", { class: "reclf-missing", "data-testid": "no-importance" });
  const list = element("ol", { class: "reclf-ranking reclf-bars", "data-testid": "ranking" });
  const root = element("section", { class: "reclf-panel", "aria-label": "Importance" }, heading, missing, list);

  function draw() {
    const data = app.data, model = get("model"), region = get("region"), palette = get("palette");
    const values = region >= 0 ? Float64Array.from(data.words, (_, w) => data.map(model, w)[region]) : data.importance(model);
    heading.textContent = region >= 0 ? `Words that look at row ${Math.floor(region / data.columns) + 1}, column ${(region % data.columns) + 1}` : "Importance of words";
    missing.textContent = values ? "" : `${get("models")[model]} weighs no words: it has no importance. Click a region to rank words by where they look.`;
    missing.hidden = Boolean(values);
    if (!values) { list.replaceChildren(); return; }
    const top = largest(values);
    list.replaceChildren(...argsort(values).slice(0, 12).map((w) => {
      const button = element("button", { type: "button", "data-word": w, "aria-pressed": String(w === get("word")) },
        element("span", { class: "reclf-bar-name" }, data.words[w]),
        element("span", { class: "reclf-bar", style: `--share:${(values[w] / top).toFixed(3)};--type:${palette[data.type(w)][0]}` }),
        element("span", { class: "reclf-bar-value" }, shown(values[w])));
      return element("li", {}, button);
    }));
  }
  on(list, "click", (event) => {
    const button = event.target.closest("button");
    if (button) put({ word: Number(button.dataset.word) });
  });
  return { root, draw };
}

// ---------------------------------------------------------------- editor

function editorPanel(app) {
  const { get, put, on, model } = app;
  const text = element("textarea", { rows: "3", "aria-label": "Report text", "data-testid": "edit-text" });
  const explain = element("button", { type: "button", "data-testid": "edit-explain" }, "Explain this text");
  const restore = element("button", { type: "button", "data-testid": "edit-restore" }, "Restore");
  const file = element("input", { type: "file", accept: ".png,.jpg,.jpeg,.dcm", "aria-label": "Your own image" });
  const status = element("p", { class: "reclf-note", role: "status", "data-testid": "status" });
  const root = element("details", { class: "reclf-panel reclf-editor" }, element("summary", {}, "Your own text or image"), text,
    element("div", { class: "reclf-controls" }, explain, restore, element("label", {}, "Image ", file)), status);
  const ask = (request) => {
    status.textContent = "The model is reading …";
    put({ edit: { serial: (get("edit")?.serial ?? 0) + 1, ...request } });
  };

  function build() { text.value = app.data.info.report; }

  function draw() {
    const possible = get("can_edit");
    for (const control of [text, explain, file]) control.disabled = !possible;
    restore.disabled = !possible || !app.data.info.edited;
    status.textContent = get("status");
  }

  // Open the editor with a word selected, ready to be overwritten.
  function editWord(word) {
    root.open = true;
    const gaps = app.data.info.pieces.slice(0, word + 1);
    const end = gaps.reduce((total, [gap, piece]) => total + gap.length + piece.length, 0);
    text.focus();
    if (word !== WHOLE) text.setSelectionRange(end - app.data.words[word].length, end);
  }
  on(explain, "click", () => ask({ text: text.value }));
  on(text, "keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { ask({ text: text.value }); event.stopPropagation(); } });
  on(restore, "click", () => ask({ restore: true }));
  on(file, "change", async () => {
    if (!file.files.length) return;
    const content = await file.files[0].arrayBuffer();
    model.set("edit_image", new DataView(content));
    ask({ image: file.files[0].name });
  });
  return { root, build, draw, editWord };
}

// ---------------------------------------------------------------- header: cases and whole view

function header(app) {
  const { get, put, on } = app;
  const button = (name, text, title) => element("button", { type: "button", "data-act": name, title, "aria-label": title.split(" (")[0] }, text);
  const position = element("span", { class: "reclf-case", "data-testid": "case" });
  const search = element("input", { type: "search", placeholder: "find in cases and words", "aria-label": "Find in cases and words; Enter goes to the next case", "data-testid": "search" });
  const label = app.select("label", [], "Label");
  const sort = app.select("sort", [["given", "as given"], ["score", "by score"], ["disagreement", "by disagreement"]], "Sort");
  const theme = app.select("theme", [["auto", "auto"], ["light", "light"], ["dark", "dark"]], "Theme");
  const message = element("span", { class: "reclf-note", role: "status", "data-testid": "message" });
  const scores = element("div", { class: "reclf-scores", "data-testid": "scores" });
  const keys = element("details", { class: "reclf-keys" }, element("summary", {}, "keys"),
    element("p", {}, "In the report: arrows, Home, End select a word, e edits it. On the image: arrows move the region; shift-drag or right-drag sets window and level, double click resets. Anywhere: [ and ] change the case, v the view, t the truth, Escape clears, / searches."));
  const bar = element("div", { class: "reclf-controls", role: "toolbar", "aria-label": "Cases" },
    button("previous", "◀", "Previous case ([)"), position, button("next", "▶", "Next case (])"), search, label, sort, message,
    element("span", { class: "reclf-spring" }), theme, button("copy", "copy", "Copy the picture"), button("png", "PNG", "Download the picture, three times larger"),
    button("state", "state", "Copy the state, to paste into Python"), keys);
  const root = element("header", {}, bar, scores);
  const labels = [...new Set(get("index").flatMap((entry) => entry.labels))].sort();
  label.control.replaceChildren(element("option", { value: "" }, "all"), ...labels.map((name) => element("option", { value: name }, spaced(name))));
  label.hidden = labels.length === 0;
  const several = get("models").length > 1;
  sort.control.querySelector("[value=disagreement]").disabled = !several;

  // Case indices after filter and sort.
  function order() {
    const index = get("index"), wanted = get("label"), by = get("sort");
    const kept = [...index.keys()].filter((i) => !wanted || index[i].labels.includes(wanted));
    return by === "given" ? kept : kept.sort((i, j) => (index[j][by] ?? -Infinity) - (index[i][by] ?? -Infinity) || i - j);
  }

  function draw() {
    const all = order(), place = all.indexOf(get("case_index")), info = app.data.info;
    position.textContent = `${info.study_id}  ${place < 0 ? "–" : place + 1}/${all.length}${info.edited ? "  (edited)" : ""}`;
    scores.replaceChildren(...get("models").map((name, m) => {
      const now = info.scores[m], before = info.original_scores[m];
      const parts = Object.entries(now).map(([key, value]) => `${spaced(key)} ${value.toFixed(2)}${info.edited && before[key] !== undefined ? ` (was ${before[key].toFixed(2)})` : ""}`);
      return element("span", {}, several ? element("b", {}, name) : "", ` ${parts.join(" · ")}`);
    }));
    if (document.activeElement !== search) search.value = get("query");
  }

  function go(index) { put({ case_index: index, word: WHOLE, region: -1 }); }

  function move(by) {
    const all = order();
    if (!all.length) { message.textContent = "no case has this label"; return; }
    const place = all.indexOf(get("case_index"));
    go(all[(Math.max(place, by > 0 ? -1 : 0) + by + all.length) % all.length]);
  }

  async function write(items, done) {
    try { await items(); message.textContent = done; } catch { message.textContent = "the browser refuses to copy"; }
  }

  async function act(name) {
    if (name === "previous") move(-1);
    if (name === "next") move(1);
    if (name === "copy") await write(async () => navigator.clipboard.write([new ClipboardItem({ "image/png": app.picture() })]), "copied");
    if (name === "state") {
      const spell = (value) => (typeof value === "boolean" ? (value ? "True" : "False") : JSON.stringify(value));
      const text = app.stateNames.map((key) => `"${key}": ${spell(get(key))}`).join(", ");
      await write(() => navigator.clipboard.writeText(`{${text}}`), "state copied");
    }
    if (name === "png") {
      const address = URL.createObjectURL(await app.picture());
      element("a", { href: address, download: `${app.data.info.study_id}.png` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 1000);
    }
  }
  on(bar, "click", (event) => { const pressed = event.target.closest("[data-act]"); if (pressed) act(pressed.dataset.act); });
  on(search, "input", () => put({ query: search.value }));
  on(label.control, "change", () => { if (order().length && !order().includes(get("case_index"))) go(order()[0]); });
  on(sort.control, "change", () => { if (order().length) go(order()[0]); });
  on(search, "keydown", (event) => {
    if (event.key !== "Enter") return;
    const query = search.value.trim().toLowerCase(), all = order(), place = all.indexOf(get("case_index"));
    const rest = [...all.slice(place + 1), ...all.slice(0, place)];
    const hit = rest.find((i) => query && get("index")[i].text.includes(query));
    message.textContent = hit === undefined ? "in no other case" : "";
    if (hit !== undefined) go(hit);
  });
  return { root, draw, act, search };
}

// ---------------------------------------------------------------- all together

const STATE = ["case_index", "word", "region", "model", "other", "view", "scale", "colors", "opacity", "window", "level", "smooth", "masks", "threshold", "step", "relations", "edges", "query", "label", "sort", "theme"];
let instances = 0;

function render({ model, el }) {
  const started = performance.now();
  const abort = new AbortController();
  const panels = model.get("panels"), has = (name) => panels.includes(name);
  const root = element("div", { class: "reclf", "data-testid": "explorer", "data-lm-suppress-shortcuts": "true" });
  const bound = []; // controls that follow a trait
  const app = {
    id: `reclf-${instances++}`, model, data: null, tables: bytes(model.get("lookup_tables")), stateNames: STATE,
    get: (name) => model.get(name),
    put(values) { for (const [name, value] of Object.entries(values)) model.set(name, value); model.save_changes(); },
    on: (target, type, listen) => target.addEventListener(type, listen, { signal: abort.signal }),
    dark: () => root.dataset.theme === "dark",
    ink: () => (root.dataset.theme === "dark" ? "#e8eaed" : "#1f2328"),
    paper: () => (root.dataset.theme === "dark" ? "#15181c" : "#ffffff"),
    labelled(text, control, name) {
      const made = element("label", { class: "reclf-control" }, text, " ", control);
      control.dataset.trait = name;
      bound.push([name, control]);
      return made;
    },
    select(name, options, text) {
      const control = element("select", { "aria-label": text }, ...options.map(([value, option]) => element("option", { value }, option)));
      app.on(control, "change", () => app.put({ [name]: typeof app.get(name) === "number" ? Number(control.value) : control.value }));
      return app.labelled(text, control, name);
    },
    modelSelect(name, text) {
      const made = app.select(name, model.get("models").map((title, i) => [i, title]), text);
      made.hidden = model.get("models").length < 2;
      return made;
    },
    slider(name, min, max, step, text) {
      const control = element("input", { type: "range", min, max, step, "aria-label": text });
      app.on(control, "input", () => app.put({ [name]: Number(control.value) }));
      return app.labelled(text, control, name);
    },
    check(name, text) {
      const control = element("input", { type: "checkbox", "aria-label": text });
      app.on(control, "change", () => app.put({ [name]: control.checked }));
      return app.labelled(text, control, name);
    },
    editWord: (word) => editor?.editWord(word),
    picture: () => (image ?? imagePanel(app)).picture(),
  };

  app.data = new Case(app.get);
  const top = header(app);
  const image = has("matching") ? imagePanel(app) : null;
  const report = reportPanel(app);
  const relations = has("relations") ? relationPanel(app) : null;
  const ranking = has("importance") ? rankingPanel(app) : null;
  const editor = has("edit") ? editorPanel(app) : null;
  const reading = element("div", { class: "reclf-reading" }, report.root, ...[editor].filter(Boolean).map((part) => part.root));
  const lists = element("div", { class: "reclf-lists" }, ...[relations, ranking].filter(Boolean).map((part) => part.root));
  reading.append(lists);
  const main = element("div", { class: "reclf-main" }, ...[image].filter(Boolean).map((part) => part.root), reading);
  root.append(top.root, main);
  const visible = el.clientWidth > 0; // asked while it is empty, which costs no layout
  el.append(root);

  function follow() {
    for (const [name, control] of bound) {
      const value = app.get(name);
      if (control.type === "checkbox") control.checked = value;
      else control.value = value;
    }
    const explicit = app.get("theme"), lab = document.body.dataset.jpThemeLight;
    const dark = lab === undefined ? matchMedia("(prefers-color-scheme: dark)").matches : lab === "false";
    root.dataset.theme = explicit === "auto" ? (dark ? "dark" : "light") : explicit;
    root.dataset.view = app.get("models").length > 1 || app.get("view") === "multiples" ? app.get("view") : "single";
  }

  function build() {
    app.data = new Case(app.get);
    report.build();
    editor?.build();
  }

  function draw() {
    const start = performance.now();
    follow();
    if (app.get("word") >= app.data.count) return; // the numbers of the new case are on their way
    // First everything that writes, then what measures the page: each change between two
    // measurements costs the browser a layout.
    for (const part of [top, report, relations, ranking, editor, image]) part?.draw();
    if (has("relations")) report.drawArcs();
    Object.assign(root.dataset, { case: app.data.info.study_id, word: app.get("word"), region: app.get("region"), draws: Number(root.dataset.draws ?? 0) + 1, drawMs: (performance.now() - start).toFixed(2) });
  }

  // Traits that change together are drawn once. A hidden widget has no size to draw to: JupyterLab
  // hides everything for some frames while it changes the theme, and a notebook behind another one
  // for long. So wait some frames, and leave the rest to the observer of sizes.
  const PATIENCE = 60;
  let pending = 0, stale = false, width = 0;
  function attempt(left) {
    pending = 0;
    width = root.clientWidth;
    if (!width) {
      if (left) pending = requestAnimationFrame(() => attempt(left - 1));
      return;
    }
    if (stale) build();
    stale = false;
    draw();
  }
  const later = (rebuild) => () => {
    stale ||= rebuild;
    pending ||= requestAnimationFrame(() => attempt(PATIENCE));
  };
  const onData = later(true), onState = later(false);
  const heard = [...["case", "image", "attention", "graph", "importance", "coverage"].map((name) => [name, onData]), ...[...STATE, "status", "can_edit"].map((name) => [name, onState])];
  for (const [name, listen] of heard) model.on(`change:${name}`, listen);

  app.on(root, "keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.shiftKey && event.key === "Enter")) return;
    event.stopPropagation(); // else JupyterLab takes a, b, x, ... for commands on cells
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && !/^(range|checkbox)$/.test(event.target.type);
    if (event.key === "Escape") app.put({ word: WHOLE, region: -1 });
    else if (typing) return;
    else if (event.key === "[") top.act("previous");
    else if (event.key === "]") top.act("next");
    else if (event.key === "t") app.put({ masks: !app.get("masks") });
    else if (event.key === "v") app.put({ view: { single: "compare", compare: "multiples", multiples: "single" }[app.get("view")] });
    else if (event.key === "/") { top.search.focus(); event.preventDefault(); }
  });

  const scheme = matchMedia("(prefers-color-scheme: dark)");
  app.on(scheme, "change", onState);
  const themes = new MutationObserver(onState);
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  build();
  if (visible) draw(); // else the observer of sizes calls when the widget is in the page
  root.dataset.firstMs = (performance.now() - started).toFixed(2);
  width = root.clientWidth;
  const sizes = new ResizeObserver(() => { if (root.clientWidth !== width) onState(); });
  sizes.observe(root);
  return () => {
    abort.abort();
    sizes.disconnect();
    themes.disconnect();
    cancelAnimationFrame(pending);
    for (const [name, listen] of heard) model.off(`change:${name}`, listen);
  };
}

export default { render };
