// The ranking panel: words by importance weight, or by attention to the selected region.

function rankingPanel(app) {
  const { get, put, on } = app;
  const heading = element("h3", {}), missing = element("p", { class: "reclf-missing", "data-testid": "no-importance" });
  const guide = element("div", { class: "reclf-note", "data-testid": "uniform" });
  const list = element("ol", { class: "reclf-ranking reclf-bars", "data-testid": "ranking" });
  const root = element("section", { class: "reclf-panel", "aria-label": "Importance" }, heading, missing, guide, list);

  function draw() {
    const data = app.data, model = get("model"), region = get("region"), palette = get("palette");
    const values = data.wordValues(model, region);
    heading.textContent = region >= 0 ? `Attention of words to ${data.place(region)}` : "Importance weights of words";
    missing.textContent = values ? "" : `${get("models")[model]} has no importance weights. Click a region to rank words by their attention to it.`;
    missing.hidden = Boolean(values);
    guide.hidden = !values?.length; // no weights, or no words
    if (guide.hidden) { list.replaceChildren(); return; }
    // Importance sums to one over words, the attention of a word over regions.
    const uniform = 1 / (region >= 0 ? data.regions : data.words.length), top = Math.max(largest(values), uniform);
    guide.textContent = `dotted line: uniform ${region >= 0 ? "attention" : "weight"} ${shown(uniform)}`;
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
