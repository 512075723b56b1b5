// The explorer in the browser: one plain ES module for anywidget, without build step or network.
//
//   traits -> Case (arrays) -> panels (image, report, relations, ranking, editor) -> traits
//
// All state is in traits; the module keeps only values that a redraw can recompute. `browser.py`
// lists the files of the module in order; this is the last one.

const STATE = ["case_index", "word", "phrase", "region", "model", "other", "view", "scale", "colors", "opacity", "window", "level", "zoom", "across", "down", "smooth", "contours", "masks", "threshold", "step", "relations", "beyond_prior", "order", "fillers", "edges", "table", "query", "label", "only", "sort", "reverse", "chosen", "theme"];
let instances = 0;

function render({ model, el }) {
  const started = performance.now();
  const abort = new AbortController();
  const panels = model.get("panels"), has = (name) => panels.includes(name);
  const root = element("div", { class: "reclf", "data-testid": "explorer", "data-lm-suppress-shortcuts": "true", tabindex: "-1" });
  const bound = [], choices = []; // controls bound to a trait, and those of models
  const app = {
    id: `reclf-${instances++}`, model, data: null, tables: bytes(model.get("lookup_tables")), stateNames: STATE,
    get: (name) => model.get(name),
    put(values) {
      if ("word" in values && !values.phrase) values = { ...values, phrase: [] };
      const possible = Object.entries(kernel.possible(values));
      for (const [name, value] of possible) model.set(name, value);
      if (possible.length) model.set("asked", model.get("asked") + 1);
      model.save_changes();
      kernel.check();
    },
    on: (target, type, listen) => target.addEventListener(type, listen, { signal: abort.signal }),
    lost: () => root.dataset.kernel === "lost",
    dark: () => root.dataset.theme === "dark",
    ink: () => (root.dataset.theme === "dark" ? "#e8eaed" : "#1f2328"),
    paper: () => (root.dataset.theme === "dark" ? "#15181c" : "#ffffff"),
    labeled(text, control, name) {
      const made = element("label", { class: "reclf-control" }, text, " ", control);
      control.dataset.trait = name;
      bound.push([name, control]);
      return made;
    },
    select(name, options, text) {
      const control = element("select", { "aria-label": text }, ...options.map(([value, option]) => element("option", { value }, option)));
      app.on(control, "change", () => app.put({ [name]: typeof app.get(name) === "number" ? Number(control.value) : control.value }));
      return app.labeled(text, control, name);
    },
    modelSelect(name, text) {
      const made = app.select(name, [], text);
      choices.push(made);
      return made;
    },
    slider(name, min, max, step, text, written = String) {
      const control = element("input", { type: "range", min, max, step, "aria-label": text });
      app.on(control, "input", () => app.put({ [name]: Number(control.value) }));
      const made = app.labeled(text, control, name);
      control.written = written;
      control.readout = element("span", { class: "reclf-value", "aria-hidden": "true" }); // a reader hears the slider's own
      made.append(control.readout);
      return made;
    },
    check(name, text) {
      const control = element("input", { type: "checkbox", "aria-label": text });
      app.on(control, "change", () => app.put({ [name]: control.checked }));
      return app.labeled(text, control, name);
    },
    names: () => app.data.info.models, // of an edited case each model on the study as given, too
    modelOfRows: () => app.get("model") % app.get("models").length, // whose numbers the table shows
    compared: () => app.get("view") === "compare" && app.names().length > 1, // A with B
    shownModels: () => (app.compared() ? ["model", "other"] : ["model"]).map((name) => app.get(name)),
    edgeColors: () => RULES.edges[root.dataset.theme === "dark" ? "dark" : "light"],
    // The end of the scale of edges, which compared models share.
    graph: (model) => app.data.graph(model, app.get("step"), app.get("beyond_prior")),
    farthestEdge: () => Math.max(FLOOR, ...app.shownModels().map(app.graph).filter(Boolean).map((graph) => app.data.farthest(graph))),
    topEdge: () => Math.max(FLOOR, ...app.shownModels().map(app.graph).filter(Boolean).map((graph) => app.data.strongest(graph))),
    editWord: (word) => editor?.editWord(word),
    go(index) { app.put({ case_index: index, word: PAIR, region: -1, zoom: 1, across: 0.5, down: 0.5 }); },
  };

  app.data = new Case(app.get);
  app.film = filmKeeper(app, () => onState());
  const kernel = kernelWatch(app, root);
  app.order = caseOrder(app);
  const top = header(app);
  const table = has("cases") ? casesPanel(app) : null;
  const image = has("matching") ? imagePanel(app) : null;
  const report = reportPanel(app);
  const relations = has("relations") ? relationPanel(app) : null;
  const ranking = has("importance") ? rankingPanel(app) : null;
  root.dataset.live = model.get("can_take");
  app.panels = { matching: image, relations, importance: ranking };
  const editor = has("edit") ? editorPanel(app) : null;
  const reading = element("div", { class: "reclf-reading" }, report.root, ...[editor].filter(Boolean).map((part) => part.root));
  const lists = element("div", { class: "reclf-lists" }, ...[relations, ranking].filter(Boolean).map((part) => part.root));
  reading.append(lists);
  const main = element("div", { class: "reclf-main" }, ...[image].filter(Boolean).map((part) => part.root), reading);
  root.append(top.root, kernel.root, ...[table].filter(Boolean).map((part) => part.root), main);
  const visible = el.clientWidth > 0; // read while it is empty, which needs no layout
  el.append(root);

  function follow() {
    for (const [name, control] of bound) {
      const value = app.get(name);
      if (control.type === "checkbox") control.checked = value;
      else control.value = value;
      if (!control.written) continue;
      control.readout.textContent = control.written(value);
      control.setAttribute("aria-valuetext", control.readout.textContent);
    }
    root.dataset.theme = themeOf(app.get("theme"));
    root.dataset.view = app.names().length > 1 || app.get("view") === "multiples" ? app.get("view") : "single";
  }

  function build() {
    app.data = new Case(app.get);
    const names = app.names(), { index, row } = app.data.info;
    if (row) app.get("index")[index] = row; // explained only now, see OnDemand
    if (Math.max(app.get("model"), app.get("other")) >= names.length) { model.set("model", 0); model.set("other", 1); } // of an edited case
    for (const choice of choices) {
      choice.hidden = names.length < 2;
      choice.control.replaceChildren(...names.map((title, i) => element("option", { value: i }, title)));
    }
    root.dataset.words = app.data.count > 50 ? "many" : "few"; // the matrix of many needs the width
    report.build();
    editor?.build();
    kernel.check();
    if (image) app.film.follow();
  }

  function draw() {
    const start = performance.now();
    follow();
    if (app.get("word") >= app.data.count) return; // the arrays of the new case have not arrived
    app.data.selectPhrase(app.get("word"), app.get("phrase"));
    // First update text, then measure the page, then draw by these measures: every measurement
    // after a change makes the browser compute the layout again.
    for (const part of [top, table, report, relations, ranking, editor]) part?.draw();
    if (has("relations")) report.drawEdges();
    image?.arrange();
    relations?.arrange();
    if (has("relations")) report.drawArcs();
    image?.draw();
    relations?.paint();
    Object.assign(root.dataset, { case: app.data.info.study_id, word: app.get("word"), phrase: app.data.spoken(app.get("word")).join(" "), region: app.get("region"), draws: Number(root.dataset.draws ?? 0) + 1, drawMs: (performance.now() - start).toFixed(2) });
  }

  // Traits that change together are drawn once. A hidden widget has no size: JupyterLab hides
  // everything for some frames while it changes the theme, and a notebook in a background tab for
  // long. So wait some frames; after that the ResizeObserver redraws.
  const PATIENCE = 60;
  let pending = 0, stale = false;
  function attempt(left) {
    pending = 0;
    if (!root.clientWidth) {
      if (left) pending = requestAnimationFrame(() => attempt(left - 1));
      return;
    }
    const refocus = remember();
    if (stale) build();
    stale = false;
    draw();
    refocus();
  }
  const later = (rebuild) => () => {
    stale ||= rebuild;
    pending ||= requestAnimationFrame(() => attempt(PATIENCE));
  };
  const onData = later(true), onState = later(false);
  const heard = [...["case", "image", "preview", "attention", "graph", "importance", "coverage"].map((name) => [name, onData]), ...[...STATE, "status", "can_edit", "marks", "marks_said"].map((name) => [name, onState])];
  for (const [name, listen] of heard) model.on(`change:${name}`, listen);

  // The focus stays in the widget: a click on what takes none would give it to the notebook, whose
  // next key would be a command. So would a redraw that replaces the element with the focus.
  const focused = () => { const at = root.getRootNode().activeElement; return root.contains(at) ? at : null; };
  const hold = () => { if (!focused()) root.focus({ preventScroll: true }); };
  // Notebook 7 looks at keys before they come here, and lets alone those of an element with this mark.
  app.on(root, "focusin", (event) => event.target.setAttribute("data-lm-suppress-shortcuts", "true"));
  const still = stillKeeper(model, root, () => JSON.stringify([app.data.info.version, ...STATE.map(app.get)]), app.on);
  app.on(root, "pointerdown", hold);
  app.on(root, "click", hold);

  // What finds the element with the focus again after a redraw.
  function remember() {
    const at = focused(), list = at?.closest("[data-testid]"), { word, node } = at?.dataset ?? {};
    const item = word !== undefined ? `[data-word="${word}"]` : node !== undefined ? `[data-node="${node}"]` : "";
    return () => {
      if (!at || focused()) return;
      if (list && item) root.querySelector(`[data-testid="${list.dataset.testid}"] ${item}`)?.focus({ preventScroll: true });
      hold();
    };
  }

  app.on(root, "click", (event) => {
    const pressed = event.target.closest("[data-act]");
    if (pressed) top.act(pressed.dataset.act, pressed.dataset.panel);
  });

  app.on(root, "keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.shiftKey && event.key === "Enter")) return;
    event.stopPropagation(); // otherwise JupyterLab runs its cell commands on a, b, x, ...
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && !/^(range|checkbox)$/.test(event.target.type);
    if (event.key === "Escape") app.put({ word: PAIR, region: -1 });
    else if (typing) return;
    else if (event.key === " " && !event.target.closest("button, summary, input")) event.preventDefault(); // it would scroll the page
    else if (event.key === "[") top.act("previous");
    else if (event.key === "]") top.act("next");
    else if (event.key === "c") top.act("table");
    else if (event.key === "?") top.keys.toggle();
    else if (event.key === "t") app.put({ masks: !app.get("masks") });
    else if (event.key === "v") app.put({ view: { single: app.names().length > 1 ? "compare" : "multiples", compare: "multiples", multiples: "single" }[app.get("view")] });
    else if (image?.key(event)) return;
    else if (event.key === "/") { top.search.focus(); event.preventDefault(); }
  });

  const unfollow = followTheme(onState, app.on);
  build();
  if (visible) draw(); // otherwise the ResizeObserver draws when the widget is attached
  const since = () => (performance.now() - started).toFixed(2);
  root.dataset.firstMs = since();
  // A timer set in a frame runs after that frame is painted.
  requestAnimationFrame(() => setTimeout(() => { root.dataset.paintedMs = since(); }));
  let width = visible ? null : 0; // of the last draw; set by the observer's first call
  const sizes = new ResizeObserver(([entry]) => {
    const now = Math.round(entry.contentRect.width);
    if (width !== null && now !== width) onState();
    width = now;
  });
  sizes.observe(root);
  app.on(window, "resize", onState); // the image grows with the height, too
  app.on(document, "fullscreenchange", onState);
  return () => {
    abort.abort();
    sizes.disconnect();
    unfollow();
    kernel.close();
    app.film.close();
    table?.close();
    app.take.close();
    still.close();
    cancelAnimationFrame(pending);
    for (const [name, listen] of heard) model.off(`change:${name}`, listen);
  };
}

export default { render };
