// The header: which case, search, filter, sort, and what concerns the whole view.

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
