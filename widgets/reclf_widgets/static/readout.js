// What the image says in words: of the word and region under the pointer, or of the selection; and the
// text alternative of what is drawn.

// Args: models gives the numbers of A and B; hovered what is under the pointer, or null.
function readings(app, models, hovered) {
  const { get } = app;

  // What the attention map of a word says of its finding's mask.
  function truth(model, cells, word) {
    const own = app.data.ownMask(word);
    if (own < 0) return "";
    const { mass, hit, cnr } = app.data.inside(model, cells, own);
    return ` · ${percent(mass)} of attention inside ${spaced(app.data.info.masks[own].name)}, pointing game: ${hit ? "hit" : "miss"}, CNR ${fixed(cnr, 2)}`;
  }

  const strongest = (model, cells) => argsort(cells).slice(0, 3).map((r) => `${app.data.place(r, model)} (${shown(cells[r])})`);

  // The text of a pointer on a tile: its word, its model, its numbers. Without a pointer, the
  // selected word in model A.
  function describe() {
    const data = app.data, { a, b } = models(), names = app.names(), several = names.length > 1, hover = hovered();
    const tile = hover ? hover.tile : { model: a, word: get("word") };
    const region = hover ? hover.region : data.own(tile.model, get("region")), who = `“${data.name(tile.word)}”`;
    if (tile.difference && !inBoth(data, [a, b], tile.word)) return `${who}: ${RULES.in_one}`;
    if (tile.difference) {
      const [left, right] = onOneGrid(data, [a, b], tile.word).map((cells) => cells[region]);
      return `${who} at ${data.place(region, tile.model)}: A ${shown(left)} − B ${shown(right)} = ${shown(left - right)}`;
    }
    const cells = data.map(tile.model, tile.word), whose = several ? ` in ${names[tile.model]}` : "";
    if (get("view") === "compare" && !several) return "A | B | A−B needs two models; this explorer has one.";
    if (region < 0) return `${who}${whose}${tile.word === PAIR ? "" : weight(data, tile.model, tile.word)} · highest attention: ${strongest(tile.model, cells)[0] ?? "none"}${truth(tile.model, cells, tile.word)}`;
    const [letter, compared] = tile.model === b ? ["A", a] : ["B", b];
    const versus = several ? ` · ${letter} ${alsoThere(data, tile, compared)}` : "";
    const rank = cells.reduce((higher, value) => higher + (value > cells[region]), 1);
    return `${who}${whose} at ${data.place(region, tile.model)}: attention ${shown(cells[region])} · rank ${rank} of ${cells.length} · ${uniforms(cells, region)}${versus}${truth(tile.model, cells, tile.word)}`;
  }

  const uniforms = (cells, region) => `${(cells[region] * cells.length).toFixed(1)}× uniform`;

  // What another model has there; of other regions also in units that can be compared.
  function alsoThere(data, tile, compared) {
    const cells = data.map(compared, tile.word), hover = hovered(), own = hover ? data.nearest(compared, hover.x, hover.y) : data.own(compared, get("region"));
    return shown(cells[own]) + (unlike(data, [tile.model, compared]) ? ` (${uniforms(cells, own)})` : "");
  }

  // The text alternative of the canvas: what is drawn, whatever the pointer is on.
  function alternative(plan) {
    const data = app.data, word = get("word"), { a } = models(), cells = data.map(a, word);
    if (plan.view === "multiples") return `${plan.list.length} radiographs with the attention map of a word each: ${plan.list.map((tile) => tile.title).join(", ")}`;
    return `Radiograph with the attention map of “${data.name(word)}”, ${data.grids[a].rows} by ${data.grids[a].columns} regions; highest attention: ${strongest(a, cells).join(", ")}${truth(a, cells, word)}`;
  }

  function weight(data, model, word) {
    const weights = data.importance(model);
    return weights ? ` · importance weight ${shown(data.spoken(word).reduce((sum, w) => sum + weights[w], 0))}` : "";
  }
  return { describe, alternative };
}
