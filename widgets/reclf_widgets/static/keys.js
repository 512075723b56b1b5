// The table of keys, which ? opens and closes. They work wherever the focus is in the explorer, but in
// a field that takes text.

const KEYS_BY_PLACE = {
  "Report, graph": [["← → Home End", "select a word"], ["Shift and an arrow or a click", "add a word to a phrase"], ["e", "edit the report"]],
  "Image": [["arrows", "select a region"], ["drag, Shift and an arrow", "move what is zoomed"], ["Ctrl and the wheel", "zoom"], ["Shift or right button and drag", "gray window; a double click resets it"]],
  "Table of cases": [["↑ ↓ Page Up, Page Down, Home, End", "open a case"], ["Space, Shift and ↑ ↓, Ctrl or Shift and a click", "choose cases"], ["s", "star"], ["n", "note"]],
  "Anywhere": [["[ ]", "previous and next case"], ["c", "table of cases"], ["v", "one model, two, tiles of words"], ["t", "outlines of known findings"], ["+ − 0", "zoom, whole film"], ["f", "full screen"], ["/", "search"], ["Escape", "clear the selection"], ["?", "these keys"]],
};

function keyTable(app) {
  const rows = Object.entries(KEYS_BY_PLACE).map(([place, keys]) => element("tbody", {},
    element("tr", {}, element("th", { colspan: 2, scope: "rowgroup" }, place)),
    ...keys.map(([key, does]) => element("tr", {}, element("td", {}, element("kbd", {}, key)), element("td", {}, does)))));
  const summary = element("summary", {}, "keys");
  const root = element("details", { class: "reclf-keys", "data-testid": "keys" }, summary, element("div", { tabindex: "0", role: "region", "aria-label": "Keys" }, element("table", {}, ...rows)));
  const close = () => { root.open = false; };
  app.on(document, "pointerdown", (event) => { if (!event.composedPath().includes(root)) close(); });
  app.on(root, "keydown", (event) => {
    if (event.key !== "Escape" || !root.open) return;
    close();
    summary.focus();
    event.stopPropagation();
  });
  function toggle() {
    root.open = !root.open;
    if (root.open) summary.focus();
  }
  return { root, toggle };
}
