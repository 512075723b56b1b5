// Pictures of panels to take away: what the panel shows, under a line that names study, word, model
// and what it is. A panel has `picture(scale)`, which returns a canvas, and `title()`.

const PICTURE_SCALE = 3;

// The buttons of a panel; `explorer.js` listens. SVG and PDF are print figures, which a kernel draws.
function pictureButtons(panel, what) {
  const button = (act, text, title) => element("button", { type: "button", "data-act": act, "data-panel": panel, title, "aria-label": title }, text);
  return element("span", { class: "reclf-take" }, button("copy", "copy", `Copy the ${what} as a picture`), button("png", "PNG", `Download the ${what} as PNG`),
    ...["svg", "pdf"].map((ending) => button(ending, ending.toUpperCase(), `Download the ${what} as a figure for print, ${ending.toUpperCase()}`)));
}

function captionOf(app, panel) {
  const { info } = app.data, word = app.data.name(app.get("word"));
  const names = app.shownModels().map((model, k) => (app.compared() ? `${"AB"[k]} ` : "") + app.names()[model]);
  return [`${info.study_id}${info.edited ? " (edited)" : ""}`, `“${word}”`, names.join(", "), panel.title()].join(" · ");
}

// Hands a blob to the user as a file.
function download(blob, name) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

// Asks Python for figures and exports, and hands over what comes; other views may ask the same model.
function taker(app, say) {
  const { get, put, model } = app, wanted = new Map();
  function ask(request, name = "") {
    if (app.lost()) { say("The kernel has stopped: PNG needs none, run the notebook's cells again for the rest."); return; }
    const serial = Math.random();
    wanted.set(serial, name);
    say("folder" in request ? "writing the export …" : "drawing the figure …");
    put({ take_asked: { serial, ...request } });
  }
  function arrived() {
    const { serial, said } = get("taken_info"), content = get("taken"), name = wanted.get(serial);
    if (name === undefined) return;
    wanted.delete(serial);
    say(said);
    if (content.byteLength) download(new Blob([content]), name);
  }
  model.on("change:taken_info", arrived);
  return { ask, close: () => model.off("change:taken_info", arrived) };
}

// The picture as a PNG blob.
async function pictureOf(app, panel) {
  const drawn = await panel.picture(PICTURE_SCALE), font = `${12 * PICTURE_SCALE}px system-ui, sans-serif`, line = 17 * PICTURE_SCALE, edge = 6 * PICTURE_SCALE;
  const made = element("canvas", {}), context = made.getContext("2d");
  context.font = font;
  const rows = [""], room = drawn.width - 2 * edge;
  for (const part of captionOf(app, panel).split(" ")) {
    const longer = `${rows.at(-1)} ${part}`.trim();
    if (rows.at(-1) && context.measureText(longer).width > room) rows.push(part);
    else rows[rows.length - 1] = longer;
  }
  made.width = drawn.width; made.height = drawn.height + rows.length * line + edge;
  context.fillStyle = app.paper(); context.fillRect(0, 0, made.width, made.height);
  context.font = font; context.fillStyle = app.ink();
  rows.forEach((text, k) => context.fillText(text, edge, (k + 1) * line - edge / 2, room));
  context.drawImage(drawn, 0, rows.length * line + edge);
  return new Promise((done) => made.toBlob(done, "image/png"));
}

function pictureName(app, name, ending) {
  const parts = [app.data.info.study_id, name, app.data.name(app.get("word")), ...app.shownModels().map((model) => app.names()[model])];
  return `${parts.map((part) => part.replace(/[^\p{L}\p{N}.-]+/gu, "_")).join("-")}.${ending}`;
}

// An SVG of the page as a canvas, with the styles that the page gives it.
async function rasterOf(svg, width, height, scale) {
  const copy = svg.cloneNode(true), from = svg.querySelectorAll("*"), to = copy.querySelectorAll("*");
  from.forEach((part, k) => {
    const style = getComputedStyle(part);
    to[k].setAttribute("style", ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "paint-order", "font-size", "font-weight", "font-family", "text-anchor"].map((name) => `${name}:${style.getPropertyValue(name)}`).join(";"));
  });
  copy.setAttribute("width", width * scale); copy.setAttribute("height", height * scale); copy.setAttribute("xmlns", SVG);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
  await image.decode();
  const canvas = element("canvas", { width: width * scale, height: height * scale });
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas;
}

// Canvases in a row.
function beside(canvases, gap) {
  const width = canvases.reduce((sum, canvas) => sum + canvas.width + gap, -gap), height = Math.max(...canvases.map((canvas) => canvas.height));
  const made = element("canvas", { width: Math.max(1, width), height }), context = made.getContext("2d");
  let x = 0;
  for (const canvas of canvases) { context.drawImage(canvas, x, 0); x += canvas.width + gap; }
  return made;
}
