// The relation panel: the relation graph as a matrix or a node-link diagram, and its strongest edges
// as a list.

function relationPanel(app) {
  const { get, put, on } = app;
  const SIZE = 244;
  const missing = element("p", { class: "reclf-missing", "data-testid": "no-graph" });
  const step = app.select("step", [], "SRM step");
  const amount = element("span", { class: "reclf-note", "data-testid": "edge-count" });
  const threshold = app.slider("threshold", 0, 1, 0.01, "Threshold");
  const edgeSlider = app.slider("edges", 1, 100, 1, "Edges shown");
  const controls = element("div", { class: "reclf-controls" }, app.select("relations", [["matrix", "matrix"], ["graph", "graph"]], "Relation graph as"), step, threshold, edgeSlider, amount);
  const matrix = element("canvas", { class: "reclf-matrix", tabindex: "0", role: "img", "data-testid": "matrix" });
  const graph = shape("svg", { class: "reclf-graph", role: "listbox", "data-testid": "graph" });
  const list = element("ol", { class: "reclf-ranking", "aria-label": "Strongest edges", "data-testid": "relation-list" });
  const readout = element("div", { class: "reclf-note", "data-testid": "relation-readout" });
  const figures = element("div", { class: "reclf-relation-row" }, element("div", {}, matrix, graph, readout), list);
  const root = element("section", { class: "reclf-panel", "aria-label": "Relation graph" }, missing, controls, figures);
  let laid = { key: "" };

  const sentence = ([i, j, weight]) => `${app.data.nodeName(i)} attends to ${app.data.nodeName(j)} (edge weight ${shown(weight)})`;

  function build() {
    const steps = app.data.info.graph_steps[get("model")];
    step.control.replaceChildren(element("option", { value: "-1" }, "last used in the score"), ...Array.from({ length: steps }, (_, k) => element("option", { value: k }, `${k + 1} of ${steps}`)));
    step.hidden = steps < 2;
  }

  function draw() {
    const data = app.data, numbers = data.graph(get("model"), get("step")), asMatrix = get("relations") === "matrix";
    missing.textContent = numbers ? "" : `${get("models")[get("model")]} has no relation graph.`;
    missing.hidden = Boolean(numbers); controls.hidden = figures.hidden = !numbers;
    if (!numbers) return;
    build();
    step.control.value = get("step");
    threshold.hidden = false; edgeSlider.hidden = asMatrix;
    matrix.style.display = asMatrix ? "" : "none"; graph.style.display = asMatrix ? "none" : "";
    const top = data.strongest(numbers), least = get("threshold") * top, node = get("word") + 1;
    const all = data.edges(numbers, least), own = all.filter(([i, j]) => i === node || j === node);
    amount.textContent = `${percent(get("threshold"))} of the maximum edge weight = ${shown(least)}: ${all.length} edges`;
    amount.dataset.count = all.length;
    list.replaceChildren(...(own.length ? own : all).slice(0, 10).map((edge) => element("li", {}, sentence(edge))));
    if (asMatrix) drawMatrix(numbers, top, least, node);
    else drawGraph(all, top, node);
  }

  function drawMatrix(numbers, top, least, node) {
    const data = app.data, nodes = data.count + 1, density = window.devicePixelRatio || 1;
    const hue = packed(...(app.dark() ? [86, 180, 233] : [0, 114, 178]), 0);
    const cells = painting(nodes, nodes, (target) => {
      for (let k = 0; k < nodes * nodes; k++) target[k] = hue | (((numbers[k] >= least ? 255 : 70) * Math.min(1, numbers[k] / top)) << 24);
    });
    matrix.width = matrix.height = SIZE * density;
    const context = matrix.getContext("2d"), size = SIZE / nodes;
    context.scale(density, density);
    context.imageSmoothingEnabled = false;
    context.drawImage(cells, 0, 0, SIZE, SIZE);
    context.strokeStyle = app.dark() ? "#ff9c5b" : "#D55E00";
    const thick = Math.max(size, 4), start = clamp(node * size - (thick - size) / 2, 0.5, SIZE - thick - 0.5);
    context.strokeRect(0.5, start, SIZE - 1, thick);
    context.strokeRect(start, 0.5, thick, SIZE - 1);
    matrix.setAttribute("aria-label", `Relation graph of ${nodes} nodes, ${GLOBAL_NODE} first; a row attends to a column. Strongest edge: ${data.edges(numbers, top).slice(0, 1).map(sentence)}`);
    readout.textContent = `a row attends to a column; the first node is the ${GLOBAL_NODE}${data.caveat(get("model"), get("step"))}`;
  }

  function drawGraph(all, top, node) {
    const data = app.data, width = 430, height = 330, edges = all.slice(0, get("edges"));
    const used = [...new Set(edges.flatMap(([i, j]) => [i, j]))].sort((a, b) => a - b), place = new Map(used.map((n, k) => [n, k]));
    const key = JSON.stringify(edges.map(([i, j]) => [i, j]));
    if (laid.key !== key) laid = { key, ...springLayout(used.length, edges.map(([i, j, w]) => [place.get(i), place.get(j), w]), width, height) };
    graph.setAttribute("viewBox", `0 0 ${width} ${height}`);
    graph.setAttribute("aria-label", `Relation graph, ${edges.length} strongest edges: ${edges.slice(0, 3).map(sentence).join("; ")}`);
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
    const palette = get("palette"), entry = used.includes(node) ? node : used[0]; // where Tab arrives
    for (const n of used) {
      const k = place.get(n), weight = n > 0 ? data.importance(get("model"))?.[n - 1] ?? 0 : 0;
      const group = shape("g", { class: n === node ? "reclf-node reclf-own" : "reclf-node", "data-node": n, role: "option", "aria-selected": String(n === node), "aria-label": data.nodeName(n), tabindex: n === entry ? 0 : -1, transform: `translate(${laid.x[k]} ${laid.y[k]})` });
      group.append(shape(n ? "circle" : "rect", n ? { r: 4 + 14 * Math.sqrt(weight) * 0.6, fill: palette[data.type(n - 1)][0] } : { x: -5, y: -5, width: 10, height: 10, fill: app.ink() }));
      const name = data.nodeName(n), half = 3.4 * name.length; // 11 px letters, some of them wider
      group.append(shape("text", { x: clamp(laid.x[k], half, width - half) - laid.x[k], y: -8, "text-anchor": "middle" }, name));
      graph.append(group);
    }
    readout.textContent = `an arrow points from a node to the node that it attends to${data.caveat(get("model"), get("step"))}`;
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
    put({ word: clamp(get("word") + move, PAIR, app.data.count - 1) });
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
  return { root, draw };
}
