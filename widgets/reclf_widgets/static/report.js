// The report panel: selectable words, shaded by importance or by attention to the selected region,
// and the edges of the selected word as arcs.

function reportPanel(app) {
  const { get, put, on } = app;
  const arcs = shape("svg", { class: "reclf-arcs", "aria-hidden": "true" });
  const text = element("div", { class: "reclf-report", role: "listbox", "aria-label": "Words of the report. Arrow keys move and select, Escape selects the image-report pair.", "data-testid": "report" });
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
      const button = element("span", { class: "reclf-word", role: "option", tabindex: "-1", "data-word": word, style: `--type:${color}`, "aria-label": word === PAIR || type === "filler" ? content : `${content}, ${type}` }, content);
      if (word === PAIR) button.classList.add("reclf-pair");
      else if (letter) button.append(element("sub", { "aria-hidden": "true" }, letter));
      text.append(button);
      buttons.set(word, button);
    };
    add(PAIR, `${data.name(PAIR)} (${GLOBAL_NODE})`);
    text.append(" ");
    data.info.pieces.forEach(([gap, word], w) => { text.append(gap); add(w, word); });
    if (data.info.rest) text.append(element("span", { class: "reclf-rest", title: "truncated: the model does not read this part" }, data.info.rest));
    const types = new Set(data.info.types ?? []);
    legend.replaceChildren(ground, ...Object.entries(palette).filter(([type, [, letter]]) => letter && types.has(type)).map(([type, [color, letter]]) =>
      element("span", {}, element("i", { style: `background:${color}`, class: type === "anatomy" ? "reclf-on-dark" : "" }, letter), ` ${type}`)));
    const source = data.info.types_by;
    if (types.size && source) legend.append(element("span", { "data-testid": "types-by" }, `word types assigned by ${source}, not annotated`));
  }

  function draw() {
    const data = app.data, word = get("word"), region = get("region"), query = get("query").trim().toLowerCase();
    const values = data.wordValues(get("model"), region), top = values ? shadeEnd(data, get("model"), region) : 1;
    ground.textContent = region >= 0 ? "attention to the selected region" : values ? "importance weight" : "this model has no importance weights";
    ground.classList.toggle("reclf-none", !values);
    for (const [w, button] of buttons) {
      const share = values && w !== PAIR ? values[w] / top : 0;
      button.style.setProperty("--share", share.toFixed(3));
      button.setAttribute("aria-selected", String(w === word));
      button.tabIndex = w === word ? 0 : -1;
      button.classList.toggle("reclf-found", query.length > 1 && data.name(w).toLowerCase().includes(query));
      if (w !== PAIR && values) button.title = `${region >= 0 ? "attention to the selected region" : "importance weight"} ${shown(values[w])}`;
    }
  }

  function drawArcs() {
    const data = app.data, graph = data.graph(get("model"), get("step")), node = get("word") + 1;
    arcs.replaceChildren();
    note.textContent = "";
    if (!graph) return;
    const top = data.strongest(graph), threshold = get("threshold");
    const own = data.edges(graph, threshold * top, node), drawn = own.slice(0, 24);
    const who = `“${data.nodeName(node)}”`;
    note.textContent = own.length ? `${who}: ${own.length} edge${own.length > 1 ? "s" : ""}${drawn.length < own.length ? `, ${drawn.length} shown` : ""}; solid: attends to, dashed: attended by`
      : `${who} has no edge of at least ${percent(threshold)} of the maximum edge weight; lower the threshold`;
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
    put({ word: word === get("word") ? PAIR : word });
  });
  on(text, "dblclick", (event) => {
    const button = event.target.closest(".reclf-word");
    if (button) app.editWord(Number(button.dataset.word));
  });
  on(text, "keydown", (event) => {
    const word = get("word"), last = app.data.count - 1;
    let next = { ArrowRight: word + 1, ArrowLeft: word - 1, Home: PAIR, End: last }[event.key];
    if (event.key === "ArrowDown" || event.key === "ArrowUp") next = wordBeside(word, event.key === "ArrowDown" ? 1 : -1);
    const under = event.target.closest(".reclf-word");
    if ((event.key === "Enter" || event.key === " ") && under) next = Number(under.dataset.word);
    if (event.key === "e") { app.editWord(word); event.preventDefault(); return; }
    if (next === undefined) return;
    next = clamp(next, PAIR, last);
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
