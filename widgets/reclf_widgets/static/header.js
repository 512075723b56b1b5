// The header: case navigation, search, filter, sorting, theme and export.

// The scores of a pair in words.
const SCORES = { global: "cosine of image and report", logit_global: "score of the cosine", logit_local: "score of words and regions", logit: "combined score" };

function header(app) {
  const { get, put, on } = app;
  const button = (name, text, title) => element("button", { type: "button", "data-act": name, title, "aria-label": title.split(" (")[0] }, text);
  const table = button("table", "table", "Table of cases (c)");
  const position = element("span", { class: "reclf-case", "data-testid": "case" });
  const search = element("input", { type: "search", placeholder: "search cases and words", "aria-label": "Search cases and words; Enter goes to the next match", "data-testid": "search" });
  const label = app.select("label", [], "Label");
  const sort = app.select("sort", Object.entries(SORTS).map(([name, [title]]) => [name, title]), "Sort");
  const theme = app.select("theme", [["auto", "auto"], ["light", "light"], ["dark", "dark"]], "Theme");
  const message = element("span", { class: "reclf-note", role: "status", "data-testid": "message" });
  const scores = element("div", { class: "reclf-scores", "data-testid": "scores" });
  const keys = keyTable(app);
  const bar = element("div", { class: "reclf-controls", role: "toolbar", "aria-label": "Cases" },
    button("previous", "◀", "Previous case ([)"), position, button("next", "▶", "Next case (])"), table, search, label, sort, message,
    get("panels").includes("matching") ? "" : app.modelSelect("model", "Model"), // else beside the image
    element("span", { class: "reclf-spring" }), theme, button("state", "state", "Copy the state as a Python dict"), keys.root);
  const root = element("header", {}, bar, scores);
  const labels = [...new Set(get("index").flatMap((entry) => entry.labels))].sort();
  label.control.replaceChildren(element("option", { value: "" }, "all"), ...labels.map((name) => element("option", { value: name }, spaced(name))));
  label.hidden = labels.length === 0;
  const several = get("models").length > 1;
  for (const part of [table, search, label, sort, theme]) part.hidden ||= !get("panels").includes("cases"); // the explorer has them
  let last = null; // the case that the message was about
  sort.control.querySelector("[value=disagreement]").disabled = !several;

  function draw() {
    if (last !== get("case_index")) message.textContent = "";
    last = get("case_index");
    const all = app.order.all(), info = app.data.info, place = all.indexOf(info.index);
    position.textContent = `${info.study_id}  ${place < 0 ? "–" : place + 1}/${all.length}${info.edited ? "  (edited)" : ""}`;
    scores.replaceChildren(...get("models").map((name, m) => {
      const now = info.scores[m], before = info.original_scores[m];
      const parts = Object.entries(now).map(([key, value]) => `${SCORES[key] ?? spaced(key)} ${fixed(value, 2)}${info.version && before[key] !== undefined ? ` (was ${fixed(before[key], 2)})` : ""}`);
      return element("span", {}, several ? element("b", {}, name) : "", ` ${[...parts, info.gaps[m]].filter(Boolean).join(" · ")}`);
    }));
    table.setAttribute("aria-pressed", String(get("table")));
    if (document.activeElement !== search) search.value = get("query");
  }

  function move(by) {
    const all = app.order.all();
    if (!all.length) { message.textContent = "no case is left: change the label or what the table shows"; return; }
    const place = all.indexOf(get("case_index"));
    app.go(all[(Math.max(place, by > 0 ? -1 : 0) + by + all.length) % all.length]);
  }

  async function write(items, done) {
    try { await items(); message.textContent = done; } catch { message.textContent = "the browser does not allow copying"; }
  }

  async function act(name, panel) {
    if (name === "previous") move(-1);
    if (name === "next") move(1);
    if (name === "table") put({ table: !get("table") });
    if (name === "copy") await write(async () => navigator.clipboard.write([new ClipboardItem({ "image/png": pictureOf(app, app.panels[panel]) })]), "copied");
    if (name === "state") {
      const spell = (value) => (typeof value === "boolean" ? (value ? "True" : "False") : JSON.stringify(value));
      const text = app.stateNames.map((key) => `"${key}": ${spell(get(key))}`).join(", ");
      await write(() => navigator.clipboard.writeText(`{${text}}`), "state copied");
    }
    if (name === "png") download(await pictureOf(app, app.panels[panel]), pictureName(app, panel, name));
    if (name === "svg" || name === "pdf") app.take.ask({ panel, ending: name }, pictureName(app, panel, name));
  }
  on(search, "input", () => { message.textContent = ""; put({ query: search.value }); });
  on(label.control, "change", () => { const all = app.order.all(); if (all.length && !all.includes(get("case_index"))) app.go(all[0]); });
  on(sort.control, "change", () => { const all = app.order.all(); if (all.length) app.go(all[0]); });
  on(search, "keydown", (event) => {
    if (event.key !== "Enter") return;
    const query = search.value.trim().toLowerCase(), all = app.order.all(), place = all.indexOf(get("case_index"));
    const rest = [...all.slice(place + 1), ...all.slice(0, place)];
    const hit = rest.find((i) => query && get("index")[i].text.includes(query));
    message.textContent = hit === undefined ? "no match in other cases" : "";
    if (hit !== undefined) app.go(hit);
  });
  app.take = taker(app, (text) => { message.textContent = text; });
  return { root, draw, act, search, keys };
}
