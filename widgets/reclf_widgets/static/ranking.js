// The ranking panel: words by importance weight, or by attention to the selected region.

const RANKED = 12; // words that are listed

function rankingPanel(app) {
  const { get, put, on } = app;
  const heading = element("h3", {}), missing = element("p", { class: "reclf-missing", "data-testid": "no-importance" });
  const guide = element("div", { class: "reclf-note", "data-testid": "uniform" });
  const list = element("ol", { class: "reclf-ranking reclf-bars", "data-testid": "ranking" });
  const root = element("section", { class: "reclf-panel", "aria-label": "Importance" }, heading, pictureButtons("importance", "list of words"), missing, guide, list);

  function draw() {
    const data = app.data, region = get("region"), palette = get("palette"), names = app.names();
    const models = app.shownModels();
    const series = models.map((model) => data.wordValues(model, region)), values = series[0] ?? series[1];
    heading.textContent = region >= 0 ? `Attention of words to ${data.place(data.own(models[0], region), models[0])}` : "Importance weights of words";
    const without = models.filter((_, k) => !series[k]).map((model) => names[model]);
    missing.textContent = without.length ? `${without.join(" and ")} has no importance weights. Click a region to rank words by their attention to it.` : "";
    missing.hidden = !without.length;
    guide.hidden = !values?.length; // no weights, or no words
    if (guide.hidden) { list.replaceChildren(); return; }
    // Importance sums to one over words, the attention of a word over regions.
    const uniform = 1 / (region >= 0 ? data.grids[models[0]].regions : data.words.length), top = Math.max(uniform, ...series.filter(Boolean).map((each) => largest(each)));
    const bars = series.map((each, k) => [each, k]).filter(([each]) => each); // of A, and of B below it
    const who = models.length > 1 ? bars.map(([, k]) => `${"AB"[k]} ${names[models[k]]} ${k ? "striped" : "solid"}`).join(", ") + "; " : "";
    guide.textContent = `${who}dotted line: uniform ${region >= 0 ? "attention" : "weight"} ${shown(uniform)}${values.length > RANKED ? `; the first ${RANKED} of ${values.length} words` : ""}`;
    list.replaceChildren(...argsort(values).slice(0, RANKED).map((w) => {
      const style = (each) => `--share:${(each[w] / top).toFixed(3)};--uniform:${(uniform / top).toFixed(3)};--type:${palette[data.type(w)][0]}`;
      const button = element("button", { type: "button", "data-word": w, "aria-pressed": String(w === get("word")) },
        element("span", { class: "reclf-bar-name" }, data.words[w]),
        element("span", {}, ...bars.map(([each, k]) => element("span", { class: `reclf-track${k ? " reclf-striped" : ""}`, style: style(each) }, element("span", { class: "reclf-bar" })))),
        element("span", { class: "reclf-bar-value" }, bars.map(([each]) => shown(each[w])).join(" · ")));
      return element("li", {}, button);
    }));
    list.classList.toggle("reclf-two", bars.length > 1);
  }
  on(list, "click", (event) => {
    const button = event.target.closest("button");
    if (button) put({ word: Number(button.dataset.word) });
  });
  // The list as a canvas.
  function picture(scale) {
    const rows = [...list.querySelectorAll("button")], row = 22, width = 420, left = 120, room = 190, height = row * rows.length + 22;
    const made = element("canvas", { width: width * scale, height: height * scale }), context = made.getContext("2d");
    context.scale(scale, scale);
    context.font = "12px system-ui, sans-serif";
    rows.forEach((button, k) => {
      const tracks = [...button.querySelectorAll(".reclf-track")], y = k * row, tall = 14 / tracks.length;
      const value = (track, name) => track.style.getPropertyValue(name);
      tracks.forEach((track, m) => {
        context.fillStyle = value(track, "--type"); context.globalAlpha = m ? 0.5 : 1;
        context.fillRect(left, y + 3 + m * tall, Math.max(1, room * value(track, "--share")), tall - 1);
      });
      context.globalAlpha = 1; context.fillStyle = app.ink();
      const dotted = left + room * value(tracks[0], "--uniform");
      for (let dot = 0; dot < row; dot += 4) context.fillRect(dotted, y + dot, 1, 2);
      context.textAlign = "right"; context.fillText(button.querySelector(".reclf-bar-name").textContent, left - 6, y + 14, left - 8);
      context.textAlign = "left"; context.fillText(button.querySelector(".reclf-bar-value").textContent, left + room + 8, y + 14);
    });
    context.fillText(guide.textContent.replace("striped", "pale"), 6, height - 6, width - 12);
    return made;
  }
  const title = () => heading.textContent;
  return { root, draw, picture, title };
}
