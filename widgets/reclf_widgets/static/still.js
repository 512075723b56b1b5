// The image that a stored notebook shows: hidden while a live view is there, and drawn anew by Python when
// a view that has changed is left or the notebook is saved.

// Args: state gives a text that differs when the view does.
function stillKeeper(model, root, state, on) {
  const style = element("style");
  function hide() {
    const image = `.${model.get("hides")}`;
    // JupyterLab's row of the image has a margin, too.
    style.textContent = model.get("hides") ? `${image}, .jp-OutputArea-child:has(> * ${image}) { display: none; }` : "";
  }
  let stored = state();
  function leave() {
    if (!model.get("hides") || stored === state()) return;
    stored = state();
    model.set("left", model.get("left") + 1);
    model.save_changes();
  }
  on(root, "focusout", ({ relatedTarget: to }) => { if (!root.contains(to)) leave(); });
  on(document, "visibilitychange", () => { if (document.hidden) leave(); });
  on(root, "keydown", (event) => { if ((event.ctrlKey || event.metaKey) && event.key === "s") leave(); });
  model.on("change:hides", hide);
  hide();
  root.append(style);
  return { close: () => model.off("change:hides", hide) };
}
