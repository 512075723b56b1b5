// The report panel: selectable words, shaded by importance or by attention to the selected region,
// and the edges of the selected word as arcs.

const ARCS = 10; // strongest edges of a word that are drawn; the list beside the matrix has more

function reportPanel(app) {
  const { get, put, on } = app;
  const arcs = shape("svg", { class: "reclf-arcs", "aria-hidden": "true" });
  const text = element("div", { class: "reclf-report", role: "listbox", "aria-multiselectable": "true", "aria-label": "Words of the report. Arrow keys move and select, with Shift they add a word to a phrase, Escape selects the image-report pair.", "data-testid": "report" });
  const ground = element("span", { class: "reclf-ground", "data-testid": "ground" });
  const rest = element("p", { class: "reclf-missing", "data-testid": "rest", hidden: true });
  const legend = element("div", { class: "reclf-legend" });
  const note = element("div", { class: "reclf-note", "data-testid": "arcs-note" });
  const root = element("section", { class: "reclf-panel", "aria-label": "Report" },
    element("div", { class: "reclf-report-box" }, arcs, text), rest, note, legend);
  let buttons = new Map(), drawn = [];

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
    if (data.info.rest) text.append(element("span", { class: "reclf-rest", title: "the model does not read this part" }, data.info.rest));
    rest.hidden = !data.info.rest.trim().replace(/^[.,;:!?)\s]+$/, "");
    rest.textContent = rest.hidden ? "" : `The model reads the first ${data.count} words. It does not read the rest, in italics (${data.info.rest.trim().split(/\s+/).length} words).`;
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
      button.setAttribute("aria-selected", String(data.spoken(word).includes(w)));
      button.tabIndex = w === word ? 0 : -1;
      button.classList.toggle("reclf-found", query.length > 1 && (data.words[w] ?? data.name(w)).toLowerCase().includes(query));
      if (w !== PAIR && values) button.title = `${region >= 0 ? "attention to the selected region" : "importance weight"} ${shown(values[w])}`;
    }
  }

  // The edges of the selected word, and what is said of them; `drawArcs` measures the page.
  function drawEdges() {
    const data = app.data, graph = app.graph(get("model")), node = get("word") + 1;
    const top = app.topEdge(), threshold = get("threshold");
    const own = graph ? data.edges(graph, threshold * top, node) : [];
    drawn = own.slice(0, ARCS);
    if (!graph) { note.textContent = ""; return; }
    const who = `${app.names().length > 1 ? `${app.names()[get("model")]}: ` : ""}“${data.nodeName(node)}”`;
    note.textContent = own.length ? `${who}: ${edgesOf(own.length)}${drawn.length < own.length ? `, ${drawn.length} shown` : ""}; solid: attends to, dashed: attended by`
      : `${who} has no edge of at least ${percent(threshold)} of the maximum edge weight; lower the threshold`;
  }

  function drawArcs() {
    const box = text.getBoundingClientRect(), { places, gaps } = lines(box), node = get("word") + 1, top = app.topEdge();
    arcs.replaceChildren();
    arcs.setAttribute("width", box.width); arcs.setAttribute("height", box.height);
    const routes = drawn.map(([i, j]) => route(places.get(i - 1), places.get(j - 1), box.width));
    // Edges in one gap run beside each other.
    const uses = new Map(), lane = (key) => { const k = uses.get(key) ?? 0; uses.set(key, k + 1); return k; };
    for (const each of routes) each.lanes = each.gaps.map(lane).concat(each.side ? [lane(each.side)] : []);
    const height = (gap, k) => gaps[gap].top + ((gaps[gap].bottom - gaps[gap].top) * (k + 1)) / (uses.get(gap) + 1);
    drawn.forEach(([i, j, weight], k) => {
      const { from, to, gaps: through, side, lanes } = routes[k], points = [from, { x: from.x, y: height(through[0], lanes[0]) }];
      if (side) {
        const inset = 2 + (10 * (lanes[2] + 1)) / (uses.get(side) + 1), x = side === "left" ? inset : box.width - inset;
        points.push({ x, y: points[1].y }, { x, y: height(through[1], lanes[1]) });
      }
      points.push({ x: to.x, y: points.at(-1).y }, to);
      arcs.prepend(shape("path", {
        d: rounded(points), "stroke-width": 0.8 + (2.4 * weight) / top, opacity: 0.35 + (0.6 * weight) / top,
        "stroke-dasharray": i === node ? "none" : "5 3", "data-edge": `${i}-${j}`,
      }));
    });
  }

  // Where words are, and the gaps between their lines: gap k is above line k.
  function lines(box) {
    const places = new Map(), rows = [];
    for (const [word, button] of buttons) {
      const { x, y, width, height } = button.getBoundingClientRect(), top = y - box.y, row = rows.at(-1);
      if (!row || top + height / 2 > row.bottom) rows.push({ top, bottom: top + height });
      else { row.top = Math.min(row.top, top); row.bottom = Math.max(row.bottom, top + height); }
      places.set(word, { x: x + width / 2 - box.x, line: rows.length - 1 });
    }
    for (const place of places.values()) Object.assign(place, { top: rows[place.line].top, bottom: rows[place.line].bottom });
    const gaps = rows.map((row, k) => ({ top: k ? rows[k - 1].bottom : row.top - 18, bottom: row.top }));
    return { places, gaps: [...gaps, { top: rows.at(-1).bottom, bottom: rows.at(-1).bottom + 8 }] };
  }

  // The way of an edge through the gaps, so that it crosses no word; from gap to gap beside the text.
  function route(a, b, width) {
    const up = { x: a.x, y: a.top }, down = { x: a.x, y: a.bottom }, above = { x: b.x, y: b.top }, below = { x: b.x, y: b.bottom };
    if (a.line === b.line) return { from: up, to: above, gaps: [a.line] };
    const [from, to, gaps] = b.line > a.line ? [down, above, [a.line + 1, b.line]] : [up, below, [a.line, b.line + 1]];
    if (gaps[0] === gaps[1]) return { from, to, gaps: [gaps[0]] };
    return { from, to, gaps, side: a.x + b.x < width ? "left" : "right" };
  }

  // A path along the points, with round corners.
  function rounded(points) {
    let path = `M${points[0].x} ${points[0].y}`;
    for (let k = 1; k < points.length - 1; k++) {
      const [before, at, after] = points.slice(k - 1, k + 2);
      const toward = (other) => { const long = Math.hypot(other.x - at.x, other.y - at.y) || 1, part = Math.min(5, long / 2) / long; return `${at.x + (other.x - at.x) * part} ${at.y + (other.y - at.y) * part}`; };
      path += `L${toward(before)}Q${at.x} ${at.y} ${toward(after)}`;
    }
    return `${path}L${points.at(-1).x} ${points.at(-1).y}`;
  }

  function focus(word) { buttons.get(word)?.focus(); }

  on(text, "click", (event) => {
    const button = event.target.closest(".reclf-word");
    if (!button) return;
    const word = Number(button.dataset.word);
    if (event.shiftKey) return speak(word);
    put({ word: word === get("word") && !get("phrase").length ? PAIR : word });
  });
  on(text, "mousedown", (event) => { if (event.shiftKey) event.preventDefault(); }); // no selection of text

  // Adds a word to the phrase, or takes it out.
  function speak(word) {
    const head = get("word"), spoken = app.data.spoken(head);
    if (word === PAIR || head === PAIR) return put({ word });
    const words = spoken.includes(word) ? spoken.filter((w) => w !== word) : [...spoken, word];
    const first = words.includes(head) ? head : words[0] ?? PAIR;
    put({ word: first, phrase: words.filter((w) => w !== first) });
  }
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
    if (event.shiftKey && event.key.startsWith("Arrow")) {
      next = clamp(Number(under.dataset.word) + { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key], 0, last);
      if (!app.data.spoken(word).includes(next)) speak(next);
    } else put({ word: next });
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
  return { root, build, draw, drawEdges, drawArcs, focus };
}
