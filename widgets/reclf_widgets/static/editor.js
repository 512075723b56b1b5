// The editor: Python runs the model on the user's own report or image.

function editorPanel(app) {
  const { get, put, on, model } = app;
  const text = element("textarea", { rows: "3", "aria-label": "Report text", "data-testid": "edit-text" });
  const explain = element("button", { type: "button", "data-testid": "edit-explain" }, "Explain this text");
  const both = element("button", { type: "button", "data-testid": "edit-compare", title: "The maps of this text beside those of the study as given" }, "before | after");
  const restore = element("button", { type: "button", "data-testid": "edit-restore" }, "Restore");
  const swaps = element("div", { class: "reclf-controls", role: "group", "aria-label": "The report with one fact changed", "data-testid": "swaps" });
  const versions = element("table", { class: "reclf-versions", "data-testid": "versions" });
  const file = element("input", { type: "file", accept: ".png,.jpg,.jpeg,.dcm", "aria-label": "Your own image" });
  const status = element("p", { class: "reclf-note", role: "status", "data-testid": "status" });
  const root = element("details", { class: "reclf-panel reclf-editor" }, element("summary", {}, "Your own text or image"), text, swaps,
    element("div", { class: "reclf-controls" }, explain, restore, both, element("label", {}, "Image ", file)), status, versions);
  const ask = (request) => {
    status.textContent = "Running the model …";
    put({ edit: { serial: (get("edit")?.serial ?? 0) + 1, ...request } });
  };

  function build() {
    text.value = app.data.info.report;
    swaps.replaceChildren(...(app.data.info.swaps ?? []).map(({ title, text: changed, refused }) =>
      element("button", { type: "button", disabled: !changed, title: changed || refused, "data-swap": title }, title)));
    buildVersions();
  }

  // What was asked so far, with the combined score of each model and how far it is from that as given.
  function buildVersions() {
    const { versions: made, version } = app.data.info, models = get("models");
    versions.hidden = made.length < 2;
    if (versions.hidden) return;
    const head = ["version", ...models.map((name) => (models.length > 1 ? `score, ${name}` : "combined score")), "report"];
    const rows = made.map(({ title, report, score }, k) => {
      const button = element("button", { type: "button", "data-version": k, "aria-pressed": String(k === version) }, title);
      const scores = score.map((value, m) => {
        const gain = value - made[0].score[m];
        return element("td", {}, `${fixed(value, 2)}${k && Number.isFinite(gain) ? ` (${gain < 0 ? "−" : "+"}${Math.abs(gain).toFixed(2)})` : ""}`);
      });
      return element("tr", {}, element("td", {}, button), ...scores, element("td", {}, report));
    });
    versions.replaceChildren(element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))), element("tbody", {}, ...rows));
  }

  function draw() {
    const possible = get("can_edit");
    for (const control of [text, explain, file]) control.disabled = !possible;
    restore.disabled = !possible || !app.data.info.version;
    both.hidden = !app.data.info.version;
    for (const button of versions.querySelectorAll("button")) button.disabled = !possible;
    status.textContent = get("status");
  }

  // Open the editor and select a word in the text field.
  function editWord(word) {
    root.open = true;
    const gaps = app.data.info.pieces.slice(0, word + 1);
    const end = gaps.reduce((total, [gap, piece]) => total + gap.length + piece.length, 0);
    text.focus();
    if (word !== PAIR) text.setSelectionRange(end - app.data.words[word].length, end);
  }
  on(explain, "click", () => ask({ text: text.value }));
  on(text, "keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { ask({ text: text.value }); event.stopPropagation(); } });
  on(restore, "click", () => ask({ version: 0 }));
  on(both, "click", () => put({ view: "compare", model: app.modelOfRows() + get("models").length, other: app.modelOfRows() }));
  on(root, "click", (event) => {
    const { swap, version } = event.target.closest("button")?.dataset ?? {};
    if (swap) ask({ text: app.data.info.swaps.find(({ title }) => title === swap).text, title: swap });
    if (version !== undefined) ask({ version: Number(version) });
  });
  on(file, "change", async () => {
    if (!file.files.length) return;
    const content = await file.files[0].arrayBuffer();
    model.set("edit_image", new DataView(content));
    ask({ image: file.files[0].name });
    file.value = ""; // otherwise the same file could not be chosen again
  });
  return { root, build, draw, editWord };
}
