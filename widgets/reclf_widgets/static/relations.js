// The relation panel: the relation graph as a matrix or a node-link diagram, and its strongest edges
// as a list; of model A, and of B beside it where two models are compared.

function relationPanel(app) {
  const { get } = app;
  const step = app.select("step", [], "SRM step");
  const amount = element("span", { class: "reclf-note", "data-testid": "edge-count" });
  const threshold = app.slider("threshold", 0, 1, 0.01, "Threshold", percent);
  const edgeSlider = app.slider("edges", 1, 100, 1, "Edges shown");
  const order = app.select("order", [["text", "of the report"], ["type", "of types"]], "Order");
  const fillers = app.check("fillers", "filler words");
  const controls = element("div", { class: "reclf-controls" }, app.select("relations", [["matrix", "matrix"], ["graph", "graph"]], "Relation graph as"), order, fillers, app.check("beyond_prior", "beyond the distance prior"), step, threshold, edgeSlider, amount, pictureButtons("relations", "relation graph"));
  const figures = [relationFigure(app, "model", ""), relationFigure(app, "other", "-b")];
  const root = element("section", { class: "reclf-panel", "aria-label": "Relation graph" }, controls,
    element("div", { class: "reclf-relation-row" }, ...figures.map((figure) => figure.root)));

  function draw() {
    const data = app.data, models = app.shownModels();
    const steps = Math.max(...models.map((model) => data.info.graph_steps[model]));
    step.control.replaceChildren(element("option", { value: "-1" }, "last used in the score"), ...Array.from({ length: steps }, (_, k) => element("option", { value: k }, `${k + 1} of ${steps}`)));
    step.control.value = get("step");
    step.hidden = steps < 2;
    controls.hidden = steps === 0;
    const asMatrix = get("relations") === "matrix";
    edgeSlider.hidden = asMatrix;
    order.hidden = fillers.hidden = !asMatrix;
    const graphs = models.map(app.graph).filter(Boolean);
    const top = app.topEdge(), least = get("threshold") * top;
    if (graphs.length) {
      const count = data.edges(graphs[0], least).length;
      amount.textContent = `${percent(get("threshold"))} of the maximum ${get("beyond_prior") ? "difference" : "edge weight"} = ${shown(least)}: ${edgesOf(count)}${models.length > 1 ? " of A" : ""}`;
      amount.dataset.count = count;
    }
    figures.forEach((figure, k) => { figure.root.hidden = k >= models.length; if (!figure.root.hidden) figure.draw(top, least); });
  }
  const each = (act) => () => figures.filter((figure) => !figure.root.hidden).forEach((figure) => figure[act]());
  async function picture(scale) {
    const shownFigures = figures.filter((figure) => !figure.root.hidden);
    return beside((await Promise.all(shownFigures.map((figure) => figure.picture(scale)))).filter(Boolean), 12 * scale);
  }
  const title = () => `relation graph, SRM step: ${step.control.selectedOptions[0].textContent}; ${get("relations") === "matrix" ? "a row attends to a column" : "an arrow points to the attended node"}`;
  return { root, draw, arrange: each("arrange"), paint: each("paint"), picture, title };
}

// "1 edge", "2 edges".
const edgesOf = (count) => `${count} edge${count === 1 ? "" : "s"}`;

// The relation graph of model A (`which` is "model") or B ("other").
function relationFigure(app, which, suffix) {
  const { get, put, on } = app;
  const WIDTH = 430, HEIGHT = 330; // of the node-link diagram, in units of its view box
  const WIDEST = 640, LARGEST = 40, BAR = 34, PITCH = 14; // pixels: of the matrix, a cell, the color bar, and from name to name
  const heading = element("h3", {}), missing = element("p", { class: "reclf-missing", "data-testid": `no-graph${suffix}` });
  const matrix = element("canvas", { class: "reclf-matrix", tabindex: "0", role: "img", "data-testid": `matrix${suffix}` });
  const graph = shape("svg", { class: "reclf-graph", role: "listbox", "data-testid": `graph${suffix}` });
  const list = element("ol", { class: "reclf-ranking", "aria-label": "Strongest edges", "data-testid": `relation-list${suffix}` });
  const readout = element("div", { class: "reclf-note", "data-testid": `relation-readout${suffix}` });
  const drawing = element("div", {}, matrix, graph, readout, list);
  const root = element("div", { class: "reclf-relation" }, heading, missing, drawing);
  let laid = { key: "" }, now = null, place = null;

  const sentence = ([i, j, weight]) => `${app.data.nodeName(i)} attends to ${app.data.nodeName(j)} (edge weight ${get("beyond_prior") ? "minus prior " : ""}${shown(weight)})`;
  const model = () => get(which), step = () => get("step");

  function draw(top, least) {
    const data = app.data, numbers = app.graph(model()), name = app.names()[model()];
    heading.textContent = app.compared() ? `${which === "model" ? "A" : "B"}  ${name}` : app.names().length > 1 ? name : "";
    heading.hidden = !heading.textContent;
    missing.textContent = numbers ? "" : data.graph(model(), step()) ? `The distance prior of ${name} is not known: explain the study again with its model, or uncheck it.` : `${name} has no relation graph.`;
    missing.hidden = Boolean(numbers); drawing.hidden = !numbers;
    now = numbers && { numbers, top, least, node: get("word") + 1, nodes: data.nodes(get("order"), get("fillers"), Object.keys(get("palette"))), end: get("beyond_prior") ? app.farthestEdge() : top };
    if (!numbers) return;
    const asMatrix = get("relations") === "matrix", { node } = now;
    matrix.style.display = asMatrix ? "" : "none"; graph.style.display = asMatrix ? "none" : "";
    const all = data.edges(numbers, least), own = all.filter(([i, j]) => i === node || j === node);
    list.replaceChildren(...(own.length ? own : all).slice(0, 10).map((edge) => element("li", {}, sentence(edge))));
    if (asMatrix) {
      matrix.setAttribute("aria-label", `Relation graph of ${data.count + 1} nodes, ${GLOBAL_NODE} first; a row attends to a column. Strongest edge: ${data.edges(numbers, data.strongest(numbers)).slice(0, 1).map(sentence)}`);
      const folded = data.count + 1 - now.nodes.length;
      readout.textContent = `gray: a node itself; a row attends to a column; the first node is the ${GLOBAL_NODE}${get("beyond_prior") ? "; orange: more than for its distance alone, purple: less" : ""}${folded ? `; ${folded} filler word${folded === 1 ? "" : "s"} folded away` : ""}${data.caveat(model(), step())}`;
    } else drawGraph(all, top, node);
  }

  // The matrix takes the width of its place; names take what they need of it.
  function arrange() {
    if (!now || get("relations") !== "matrix") return;
    const nodes = now.nodes.length, room = clamp(drawing.clientWidth, 200, Math.max(WIDEST, 0.5 * innerHeight)), context = matrix.getContext("2d");
    context.font = "bold 11px system-ui, sans-serif";
    const names = [GLOBAL_NODE, ...app.data.words], most = Math.max(...names.map((name) => name.length));
    // The widest is among the longest; a width costs a measurement of each.
    const widths = names.filter((name) => name.length >= most - 2).map((name) => context.measureText(name).width);
    const needed = Math.max(...widths) + 8, margin = Math.ceil(Math.min(needed, 0.26 * room)), size = Math.min(room - margin - 1, nodes * LARGEST);
    // A width to fit costs a measurement of each name.
    place = { width: margin + size + 1, margin, size, cell: size / nodes, height: margin + size + BAR, fit: needed > margin ? [margin - 5] : [] };
  }

  function paint() {
    if (!now || get("relations") !== "matrix") return;
    const density = window.devicePixelRatio || 1, { width, height } = place;
    matrix.width = Math.round(width * density); matrix.height = Math.round(height * density);
    matrix.style.width = `${width}px`; matrix.style.height = `${height}px`;
    Object.assign(matrix.dataset, { margin: place.margin, cell: place.cell });
    paintMatrix(matrix.getContext("2d"), density);
  }

  function paintMatrix(context, density) {
    const all = app.data.count + 1, { numbers, least, node, nodes, end: most } = now, { margin, size, cell } = place, count = nodes.length;
    const { weight, above, below } = app.edgeColors(), [more, less] = [get("beyond_prior") ? above : weight, below].map(channels);
    const color = (value) => packed(...(value < 0 ? less : more), Math.round((Math.abs(value) >= least ? 255 : 70) * Math.min(1, Math.abs(value) / most)));
    const edge = (k) => {
      const i = nodes[Math.floor(k / count)], j = nodes[k % count];
      return i === j ? packed(128, 128, 128, 90) : color(numbers[i * all + j]); // itself is no edge
    };
    context.setTransform(density, 0, 0, density, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(painting(count, count, (target) => { for (let k = 0; k < target.length; k++) target[k] = edge(k); }), margin, margin, size, size);
    context.strokeStyle = app.ink(); context.globalAlpha = 0.3; context.lineWidth = 1;
    context.strokeRect(margin - 0.5, margin - 0.5, size + 1, size + 1);
    context.globalAlpha = 1;
    context.strokeStyle = app.dark() ? "#ff9c5b" : "#D55E00";
    const thick = Math.max(cell, 4), start = margin + clamp(nodes.indexOf(node) * cell - (thick - cell) / 2, 0.5, size - thick - 0.5);
    if (nodes.includes(node)) {
      context.strokeRect(margin + 0.5, start, size - 1, thick);
      context.strokeRect(start, margin + 0.5, thick, size - 1);
    }
    // Many names take longer than all else: they follow the frame.
    const what = now;
    if (count > 50 && context === matrix.getContext("2d")) setTimeout(() => { if (what === now) paintNames(context, node); });
    else paintNames(context, node);
    const y = margin + size + 6, end = Math.min(size, 300), lowest = get("beyond_prior") ? -most : 0;
    context.drawImage(painting(256, 1, (target) => { for (let i = 0; i < 256; i++) target[i] = color(lowest + (i / 255) * (most - lowest)); }), margin, y, end, 9);
    context.fillStyle = app.ink(); context.font = "11px system-ui, sans-serif";
    const labels = lowest ? differenceLabels(limit(most) === "0" ? 0 : most) : ["0", "edge weight", limit(most)];
    for (const [align, x, text] of [["left", 0, labels[0]], ["center", end / 2, lowest ? labels[1] && "minus prior" : labels[1]], ["right", end, labels[2]]]) {
      context.textAlign = align;
      context.fillText(text, margin + x, y + 22);
    }
    context.textAlign = "left";
  }

  // As many names as there is room for: the selected node first, then words that have a type.
  function paintNames(context, node) {
    const data = app.data, { margin, cell, fit } = place, taken = [], { nodes } = now;
    const rank = (n) => (n === node ? 0 : n && data.type(n - 1) !== "filler" ? 1 : 2);
    for (const n of [...nodes].sort((a, b) => rank(a) - rank(b) || a - b)) {
      const middle = margin + (nodes.indexOf(n) + 0.5) * cell;
      if (taken.some((other) => Math.abs(other - middle) < PITCH)) continue;
      taken.push(middle);
      context.font = `${n === node ? "bold " : ""}11px system-ui, sans-serif`;
      context.fillStyle = app.ink(); context.textAlign = "right";
      context.fillText(data.nodeName(n), margin - 4, middle + 4, ...fit);
      context.save();
      context.translate(middle + 4, margin - 4); context.rotate(-Math.PI / 2); context.textAlign = "left";
      context.fillText(data.nodeName(n), 0, 0, ...fit);
      context.restore();
    }
    matrix.dataset.names = taken.length;
  }

  function drawGraph(all, top, node) {
    const data = app.data, [width, height] = [WIDTH, HEIGHT], edges = all.slice(0, get("edges"));
    const used = [...new Set(edges.flatMap(([i, j]) => [i, j]))].sort((a, b) => a - b), place = new Map(used.map((n, k) => [n, k]));
    const key = JSON.stringify(edges.map(([i, j]) => [i, j]));
    if (laid.key !== key) laid = { key, ...springLayout(used.length, edges.map(([i, j, w]) => [place.get(i), place.get(j), w]), width, height) };
    graph.setAttribute("viewBox", `0 0 ${width} ${height}`);
    graph.setAttribute("aria-label", `Relation graph, ${edges.length} strongest edges: ${edges.slice(0, 3).map(sentence).join("; ")}`);
    const head = shape("marker", { id: `${app.id}-head${suffix}`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto", markerUnits: "userSpaceOnUse" });
    head.append(shape("path", { d: "M0 0L8 4L0 8z", class: "reclf-head" }));
    graph.replaceChildren(head);
    for (const [i, j, weight] of [...edges].reverse()) {
      const a = place.get(i), b = place.get(j), dx = laid.x[b] - laid.x[a], dy = laid.y[b] - laid.y[a], length = Math.hypot(dx, dy) || 1;
      const bend = 0.12, x = (laid.x[a] + laid.x[b]) / 2 - dy * bend, y = (laid.y[a] + laid.y[b]) / 2 + dx * bend;
      const own = i === node || j === node;
      graph.append(shape("path", {
        d: `M${laid.x[a]} ${laid.y[a]}Q${x} ${y} ${laid.x[b] - (dx / length) * 8} ${laid.y[b] - (dy / length) * 8}`, class: own ? "reclf-edge reclf-own" : "reclf-edge",
        "stroke-width": 0.6 + (2.4 * weight) / top, opacity: 0.35 + (0.6 * weight) / top, "marker-end": `url(#${app.id}-head${suffix})`, "data-edge": `${i}-${j}`,
      }));
    }
    const palette = get("palette"), entry = used.includes(node) ? node : used[0]; // where Tab arrives
    for (const n of used) {
      const k = place.get(n), weight = n > 0 ? data.importance(model())?.[n - 1] ?? 0 : 0;
      const group = shape("g", { class: n === node ? "reclf-node reclf-own" : "reclf-node", "data-node": n, role: "option", "aria-selected": String(n === node), "aria-label": data.nodeName(n), tabindex: n === entry ? 0 : -1, transform: `translate(${laid.x[k]} ${laid.y[k]})` });
      group.append(shape(n ? "circle" : "rect", n ? { r: 4 + 14 * Math.sqrt(weight) * 0.6, fill: palette[data.type(n - 1)][0] } : { x: -5, y: -5, width: 10, height: 10, fill: app.ink() }));
      const name = data.nodeName(n), half = 3.4 * name.length; // 11 px letters, some of them wider
      group.append(shape("text", { x: clamp(laid.x[k], half, width - half) - laid.x[k], y: -8, "text-anchor": "middle" }, name));
      graph.append(group);
    }
    readout.textContent = `an arrow points from a node to the node that it attends to${data.caveat(model(), step())}`;
  }

  const nodeAt = (position) => now.nodes[clamp(Math.floor((position - place.margin) / place.cell), 0, now.nodes.length - 1)];
  on(matrix, "click", (event) => put({ word: nodeAt(event.offsetY) - 1 }));
  on(matrix, "pointermove", (event) => {
    const i = nodeAt(event.offsetY), j = nodeAt(event.offsetX);
    readout.textContent = sentence([i, j, now.numbers[i * (app.data.count + 1) + j]]);
  });
  on(matrix, "keydown", (event) => {
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!move) return;
    const { nodes } = now, at = nodes.indexOf(get("word") + 1); // -1, before the first, where it is folded away
    put({ word: nodes[clamp(at + move, 0, nodes.length - 1)] - 1 });
    event.preventDefault();
  });
  on(graph, "click", (event) => {
    const node = event.target.closest("[data-node]");
    if (node) put({ word: Number(node.dataset.node) - 1 });
  });
  // Arrows move among the nodes in the order of the report, and select.
  on(graph, "keydown", (event) => {
    const group = event.target.closest("[data-node]"), nodes = [...graph.querySelectorAll("[data-node]")];
    if (!group) return;
    const at = nodes.indexOf(group), last = nodes.length - 1;
    const next = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: last, Enter: at, " ": at }[event.key];
    if (next === undefined) return;
    const chosen = nodes[clamp(next, 0, last)];
    chosen.focus();
    put({ word: Number(chosen.dataset.node) - 1 });
    event.preventDefault();
  });
  // A canvas with what is shown; nothing for a model without a graph.
  function picture(scale) {
    if (!now) return null;
    if (get("relations") !== "matrix") return rasterOf(graph, WIDTH, HEIGHT, scale);
    const made = element("canvas", { width: Math.round(place.width * scale), height: Math.round(place.height * scale) }), context = made.getContext("2d");
    paintMatrix(context, scale);
    return made;
  }
  return { root, draw, arrange, paint, picture };
}
