// The editor: Python runs the model on the user's own report or image.

function editorPanel(app) {
  const { get, put, on, model } = app;
  const text = element("textarea", { rows: "3", "aria-label": "Report text", "data-testid": "edit-text" });
  const explain = element("button", { type: "button", "data-testid": "edit-explain" }, "Explain this text");
  const restore = element("button", { type: "button", "data-testid": "edit-restore" }, "Restore");
  const file = element("input", { type: "file", accept: ".png,.jpg,.jpeg,.dcm", "aria-label": "Your own image" });
  const status = element("p", { class: "reclf-note", role: "status", "data-testid": "status" });
  const root = element("details", { class: "reclf-panel reclf-editor" }, element("summary", {}, "Your own text or image"), text,
    element("div", { class: "reclf-controls" }, explain, restore, element("label", {}, "Image ", file)), status);
  const ask = (request) => {
    status.textContent = "Running the model …";
    put({ edit: { serial: (get("edit")?.serial ?? 0) + 1, ...request } });
  };

  function build() { text.value = app.data.info.report; }

  function draw() {
    const possible = get("can_edit");
    for (const control of [text, explain, file]) control.disabled = !possible;
    restore.disabled = !possible || !app.data.info.edited;
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
  on(restore, "click", () => ask({ restore: true }));
  on(file, "change", async () => {
    if (!file.files.length) return;
    const content = await file.files[0].arrayBuffer();
    model.set("edit_image", new DataView(content));
    ask({ image: file.files[0].name });
    file.value = ""; // otherwise the same file could not be chosen again
  });
  return { root, build, draw, editWord };
}
