// The ranking panel: words by importance, or by how much they look at the selected region.

function rankingPanel(app) {
  const { get, put, on } = app;
  const heading = element("h3", {}), missing = element("p", { class: "reclf-missing", "data-testid": "no-importance" });
  const guide = element("div", { class: "reclf-note", "data-testid": "uniform" });
  const list = element("ol", { class: "reclf-ranking reclf-bars", "data-testid": "ranking" });
  const root = element("section", { class: "reclf-panel", "aria-label": "Importance" }, heading, missing, guide, list);

  function draw() {
    const data = app.data, model = get("model"), region = get("region"), palette = get("palette");
    const values = region >= 0 ? Float64Array.from(data.words, (_, w) => data.map(model, w)[region]) : data.importance(model);
    heading.textContent = region >= 0 ? `Words that look at row ${Math.floor(region / data.columns) + 1}, column ${(region % data.columns) + 1}` : "Importance of words";
    missing.textContent = values ? "" : `${get("models")[model]} weighs no words: it has no importance. Click a region to rank words by where they look.`;
    missing.hidden = Boolean(values);
    guide.hidden = !values?.length; // no weights, or no words to weigh
    if (guide.hidden) { list.replaceChildren(); return; }
    // Weights sum to one over the words, what a word looks at over the regions.
    const uniform = 1 / (region >= 0 ? data.regions : data.words.length), top = Math.max(largest(values), uniform);
    guide.textContent = `dotted: uniform, ${shown(uniform)}`;
    list.replaceChildren(...argsort(values).slice(0, 12).map((w) => {
      const button = element("button", { type: "button", "data-word": w, "aria-pressed": String(w === get("word")) },
        element("span", { class: "reclf-bar-name" }, data.words[w]),
        element("span", { class: "reclf-track", style: `--share:${(values[w] / top).toFixed(3)};--uniform:${(uniform / top).toFixed(3)};--type:${palette[data.type(w)][0]}` }, element("span", { class: "reclf-bar" })),
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
