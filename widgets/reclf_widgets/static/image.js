// The image panel: the film with the attention map of a word, of two models, or of several words.
//
// Films, maps and outlines lie on one plane, see `plane.py`; a tile shows the part that `zoom.js` says.

const COLORS = RULES.colormaps;
const BAR_HEIGHT = 34, BAR_WIDEST = 826; // of the color bars below the tiles
const GAP = 6, NARROWEST = 110; // pixels between tiles, and of a tile beside others
// Widths that tiles have wherever there is room, and the share of the window's height up to which they grow.
const TILE = { single: { least: 460, tall: 0.75 }, compare: { least: 410, tall: 0.75 }, multiples: { least: 330, tall: 0.45 } };
const WHOLE = 0.98; // of the plane, which an image has to cover so that its edge is not drawn
const density = () => window.devicePixelRatio || 1;
const DRAG = 3; // pixels from which on a press is no click

function imagePanel(app) {
  const { get, put, on } = app;
  const canvas = element("canvas", { class: "reclf-image", tabindex: "0", role: "img", "data-testid": "image" });
  const readout = element("div", { class: "reclf-readout", role: "status", "data-testid": "readout" });
  const note = element("div", { class: "reclf-note", role: "status", "data-testid": "film" });
  const zoom = zoomControls(app, () => root), preset = presetSelect(app);
  const controls = element("div", { class: "reclf-controls", role: "group", "aria-label": "Image display" },
    app.select("view", [["single", "one model"], ["compare", "A | B | A−B"], ["multiples", "words × models"]], "View"),
    app.modelSelect("model", "A"), app.modelSelect("other", "B"),
    app.select("scale", [["word", "maximum of the word"], ["case", "maximum of the case"], ["rank", "rank"]], "Color scale"),
    app.select("colors", COLORS.map((name) => [name, name]), "Colormap"),
    app.slider("opacity", 0, 1, 0.05, "Opacity", percent),
    preset.root,
    app.slider("window", 0.05, 2, 0.05, "Window", (value) => value.toFixed(2)),
    app.slider("level", 0, 1, 0.01, "Level", (value) => value.toFixed(2)),
    zoom.controls,
    app.check("smooth", "Smooth"), app.check("contours", "Contours"), app.check("masks", "Masks"), pictureButtons("matching", "attention maps"));
  const root = element("section", { class: "reclf-panel reclf-image-panel", "aria-label": "Attention maps" }, canvas, readout, note, controls);
  const comparison = root.querySelector("[data-trait=view] [value=compare]"), masksControl = controls.querySelector("[data-trait=masks]");
  let pointer = null, hover = null; // where the pointer is; the tile, the point of the plane and the region there

  // The colors of a colormap as 256 opaque pixels.
  const tables = Array.from({ length: COLORS.length + 1 }, (_, t) =>
    Uint32Array.from({ length: 256 }, (_, i) => {
      const start = 3 * (256 * t + i);
      return packed(app.tables[start], app.tables[start + 1], app.tables[start + 2]);
    }));
  const reading = readings(app, () => models(), () => hover);
  const models = () => ({ a: get("model"), b: clamp(get("other"), 0, app.names().length - 1) });

  const lacking = (model, word) => (app.data.lacks(model, word) ? `: ${RULES.absent}` : "");
  function tiles() {
    const data = app.data, word = get("word"), { a, b } = models(), names = app.names();
    const view = names.length > 1 || get("view") === "multiples" ? get("view") : "single";
    if (view === "compare") {
      return { view, columns: 3, list: [
        { model: a, word, title: `A  ${names[a]}${lacking(a, word)}` }, { model: b, word, title: `B  ${names[b]}${lacking(b, word)}` },
        { difference: true, model: finer(data, [a, b]), word, title: `A − B${resampledOn(data, [a, b])}` }] };
    }
    if (view === "multiples") {
      const best = data.info.ranked.slice(0, RULES.multiples);
      const words = (word === PAIR || best.includes(word) ? best : [word, ...best.slice(0, RULES.multiples - 1)]).sort((i, j) => i - j);
      const list = names.flatMap((name, model) => words.map((w) => ({ model, word: w, title: `${data.name(w)}${names.length > 1 ? " · " + name : ""}${lacking(model, w)}` })));
      return { view, columns: Math.max(1, words.length), list };
    }
    return { view: "single", columns: 1, list: [{ model: a, word, title: data.lacks(a, word) ? `${names[a]}${lacking(a, word)}` : "" }] };
  }

  // Positions of the tiles. Reads the width of the page, which needs a layout; `draw` reuses the plan.
  let plan = null;
  function arrange() {
    const { view, columns, list } = tiles(), gap = GAP, data = app.data;
    const { least, tall: share } = TILE[view], most = Math.max(least, (share * innerHeight * data.width) / data.height);
    root.style.setProperty("--most", `${Math.floor(most)}px`);
    const available = Math.max(200, root.clientWidth);
    // Columns that have no room continue below, in bands with color bars of their own.
    const bands = view === "multiples" ? Math.ceil(columns / Math.max(1, Math.floor((available + gap) / (NARROWEST + gap)))) : 1, across = Math.ceil(columns / bands);
    const width = Math.floor(Math.min(most, (available - gap * (across - 1)) / across));
    const height = Math.round((width * data.height) / data.width), rows = Math.ceil(list.length / columns);
    const tall = rows * (height + gap) - gap + BAR_HEIGHT;
    list.forEach((tile, i) => {
      tile.band = Math.floor((i % columns) / across);
      tile.x = ((i % columns) % across) * (width + gap);
      tile.y = tile.band * (tall + gap) + Math.floor(i / columns) * (height + gap);
    });
    plan = { view, list, width, height, right: across * (width + gap) - gap, bottom: bands * (tall + gap) - gap, tall };
  }

  // The map of a tile, and the value at the end of its color scale.
  function cellsOf(tile) {
    const data = app.data, { a, b } = models();
    if (tile.difference) return { cells: difference(data, [a, b], tile.word), end: differenceEnd(data, [a, b], tile.word) };
    const cells = data.map(tile.model, tile.word);
    const together = [...new Set(plan.list.filter((one) => !one.difference).map((one) => one.model))], others = unlike(data, together);
    const end = colorEnd(data, together, get("scale"), tile.word);
    if (get("scale") === "rank") return { cells: upperRanks(cells), end };
    return { cells: others ? cells.map((value) => value * cells.length) : cells, end, others };
  }

  // What of the plane is seen, and where a tile has a point of the plane.
  let part = null;
  const placing = (tile, width, height) => [(x) => tile.x + ((x - part.left) / part.side) * width, (y) => tile.y + ((y - part.top) / part.side) * height];

  // The films as the tiles show them; kept, for most redraws change only what lies on them.
  let behind = new Map();
  function background(picture, width, height, scale) {
    const data = app.data, [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
    const key = [wide, high, get("window"), get("level"), part.left, part.top, part.side].join(" ");
    if (behind.get(picture)?.key === key) return behind.get(picture).made;
    const made = element("canvas", { width: wide, height: high }), context = made.getContext("2d"), black = data.gray(0, get("window"), get("level"));
    const [x, y] = placing({ x: 0, y: 0 }, wide, high), [left, top, across, down] = picture.place;
    context.fillStyle = `rgb(${black},${black},${black})`; context.fillRect(0, 0, wide, high);
    context.imageSmoothingEnabled = true; context.imageSmoothingQuality = "high";
    context.drawImage(data.radiograph(picture, get("window"), get("level")), x(left), y(top), x(left + across) - x(left), y(top + down) - y(top));
    if (scale === density()) behind = new Map([...behind].filter(([old]) => data.pictures.includes(old))).set(picture, { key, made });
    return made;
  }

  function paintTile(context, tile, width, height, scale) {
    const data = app.data, { cells, end } = cellsOf(tile), grid = data.grids[tile.model], [x, y] = placing(tile, width, height);
    context.imageSmoothingEnabled = true;
    context.drawImage(background(data.picture(tile.difference ? models().a : tile.model), width, height, scale), tile.x, tile.y, width, height);
    const colors = tables[tile.difference ? COLORS.length : COLORS.indexOf(get("colors"))], opacity = get("opacity");
    // The outermost regions are repeated, so that the map shifted to its centers still fills the tile.
    const columns = grid.columns + 2, rows = grid.rows + 2;
    const heat = painting(columns, rows, (target) => {
      for (let t = 0; t < target.length; t++) {
        const row = clamp(Math.floor(t / columns) - 1, 0, grid.rows - 1), column = clamp((t % columns) - 1, 0, grid.columns - 1);
        const share = shareOf(cells[row * grid.columns + column], end);
        const entry = Math.round(255 * (tile.difference ? (share + 1) / 2 : Math.max(0, share)));
        target[t] = (colors[entry] & 0xffffff) | (Math.round(255 * opacity * Math.abs(share)) << 24);
      }
    });
    const [left, top, across, down] = grid.place, right = x(left + across), bottom = y(top + down);
    const w = (right - x(left)) / grid.columns, h = (bottom - y(top)) / grid.rows, shift = grid.center - 1.5;
    context.save();
    context.beginPath(); context.rect(tile.x, tile.y, width, height); context.clip();
    context.beginPath(); context.rect(x(left), y(top), right - x(left), bottom - y(top)); context.clip();
    context.imageSmoothingEnabled = get("smooth");
    context.drawImage(heat, x(left) + shift * w, y(top) + shift * h, columns * w, rows * h);
    if (get("contours")) strokeIsolines(context, grid, cells.map((value) => shareOf(value, end)), x, y);
    if (across * down < WHOLE) strokeOutline(context, "other");
    context.restore();
    context.save();
    context.beginPath(); context.rect(tile.x, tile.y, width, height); context.clip();
    if (get("masks")) paintMasks(context, tile, width, height);
    const region = hover ? data.nearest(tile.model, hover.x, hover.y) : data.own(tile.model, get("region"));
    if (region >= 0) paintCell(context, tile, region, width, height);
    context.restore();
    if (tile.title) label(context, tile.title, tile.x + 3, tile.y + 3, width - 6);
    if (plan.view === "multiples" && tile.word === get("word") && tile.model === get("model")) {
      context.lineWidth = 3; context.strokeStyle = app.ink(); context.strokeRect(tile.x + 1.5, tile.y + 1.5, width - 3, height - 3);
    }
  }

  function paintMasks(context, tile, width, height) {
    const data = app.data, own = data.ownMask(tile.word), names = [], [x, y] = placing(tile, width, height);
    data.info.masks.forEach((mask, m) => {
      let left = Infinity, top = Infinity, right = -Infinity, bottom = -Infinity; // in pixels of the tile
      context.beginPath();
      for (const line of mask.outlines) {
        for (let k = 0; k < line.length; k += 2) {
          const across = x(line[k]), down = y(line[k + 1]);
          context[k ? "lineTo" : "moveTo"](across, down);
          left = Math.min(left, across - tile.x); right = Math.max(right, across - tile.x); top = Math.min(top, down - tile.y); bottom = Math.max(bottom, down - tile.y);
        }
        context.closePath();
      }
      strokeOutline(context, m === own ? "own" : "other");
      const seen = mask.outlines.length && left < width && right > 0 && top < height && bottom > 0;
      if (seen) names.push({ text: spaced(mask.name), x: left, y: top - 21, tall: bottom - top });
    });
    if (width < 250) return;
    const lowest = tile.title ? 22 : 2, points = (data.outlinePoints ??= data.info.masks.flatMap((mask) => mask.outlines.flatMap(along)))
      .map(([px, py]) => [x(px) - tile.x, y(py) - tile.y]);
    const taken = [];
    for (const name of names.sort((p, q) => p.y - q.y)) {
      const free = freePlace(name, taken, points, width, height, lowest);
      taken.push(free);
      label(context, name.text, tile.x + free.x, tile.y + free.y, LABEL.wide);
    }
  }

  function paintCell(context, tile, region, width, height) {
    const { left, right, top, bottom } = app.data.block(tile.model, region), [x, y] = placing(tile, width, height);
    context.beginPath();
    context.rect(x(left), y(top), x(right) - x(left), y(bottom) - y(top));
    strokeOutline(context, "region");
  }

  function paintBar(context, x, y, width, colors, labels) {
    context.imageSmoothingEnabled = true;
    context.drawImage(painting(256, 1, (target) => target.set(colors)), x, y + 7, width, 9);
    context.font = "11px system-ui, sans-serif"; context.fillStyle = app.ink();
    labels.forEach((text, i) => {
      if (i === 1 && width < 120) return; // no room for the middle
      context.textAlign = i === 0 ? "left" : i === labels.length - 1 ? "right" : "center";
      context.fillText(text, x + (width * i) / (labels.length - 1), y + 29);
    });
    context.textAlign = "left";
  }

  // A color bar below each column of a band; neighbors with the same scale share it.
  function bars() {
    const found = [], width = Math.floor(plan.width), tops = plan.list.filter(({ y, band }) => y === band * (plan.tall + GAP));
    for (const tile of tops) {
      const colors = tables[tile.difference ? COLORS.length : COLORS.indexOf(get("colors"))], { end, others } = cellsOf(tile);
      const labels = tile.difference ? differenceLabels(end, inBoth(app.data, Object.values(models()), tile.word)) : barLabels(get("scale"), end, others), last = found.at(-1), x = Math.floor(tile.x);
      if (last?.colors === colors && last.band === tile.band && String(last.labels) === String(labels)) last.width = Math.min(x + width - last.x, BAR_WIDEST);
      else found.push({ x, width, colors, labels, band: tile.band });
    }
    return found;
  }

  function paintBars(context) {
    for (const { x, width, colors, labels, band } of bars()) paintBar(context, x, (band + 1) * (plan.tall + GAP) - GAP - BAR_HEIGHT, width, colors, labels);
  }

  function paint(context, scale, background) {
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, plan.right, plan.bottom);
    if (background) { context.fillStyle = background; context.fillRect(0, 0, plan.right, plan.bottom); }
    part = zoom.part();
    for (const tile of plan.list) paintTile(context, tile, plan.width, plan.height, scale);
    paintBars(context);
  }

  function draw() {
    part = zoom.part();
    hover = pointer && at(pointer); // in the tiles of the new plan
    canvas.width = Math.round(plan.right * density()); canvas.height = Math.round(plan.bottom * density());
    canvas.style.width = `${plan.right}px`; canvas.style.height = `${plan.bottom}px`;
    canvas.dataset.tile = `${plan.width} ${plan.height}`;
    canvas.dataset.bars = JSON.stringify(bars().map(({ labels }) => labels));
    canvas.dataset.tiles = JSON.stringify(plan.list.map(({ word, model, x, y }) => ({ word, model, x, y })));
    canvas.dataset.film = [app.data.picture(get("model"))].map(({ source, height, width }) => `${source} ${height} ${width}`)[0];
    canvas.classList.toggle("reclf-zoomed", get("zoom") > 1);
    canvas.style.touchAction = zoom.full() && get("zoom") > 1 ? "none" : ""; // else touch scrolls the page
    note.textContent = app.film.said();
    note.hidden = !note.textContent;
    comparison.disabled = app.names().length < 2;
    comparison.textContent = `A | B | A−B${comparison.disabled ? " (needs two models)" : ""}`;
    masksControl.disabled = !app.data.info.masks.length;
    masksControl.parentNode.title = masksControl.disabled ? "This case has no masks." : "";
    zoom.draw(); preset.draw();
    repaint();
  }

  function repaint() {
    paint(canvas.getContext("2d"), density());
    readout.textContent = reading.describe();
    canvas.setAttribute("aria-label", reading.alternative(plan));
  }

  const placeOf = (event) => { const box = canvas.getBoundingClientRect(); return { x: event.clientX - box.x, y: event.clientY - box.y }; };

  // The tile at a place of the canvas, and where in it, in fractions.
  function tileAt({ x, y }) {
    for (const tile of plan.list) {
      const across = (x - tile.x) / plan.width, down = (y - tile.y) / plan.height;
      if (across >= 0 && across < 1 && down >= 0 && down < 1) return { tile, across, down };
    }
    return null;
  }

  // The tile at a place of the canvas, the point of the plane, and the region of its model; null beside
  // the tiles and beside the image that the model saw.
  function at(place) {
    const found = tileAt(place);
    if (!found) return null;
    const { tile } = found, x = part.left + found.across * part.side, y = part.top + found.down * part.side;
    return app.data.holds(tile.model, x, y) ? { tile, x, y, region: app.data.nearest(tile.model, x, y) } : null;
  }

  const same = (one, other) => one?.tile === other?.tile && one?.region === other?.region &&
    (!one || app.data.grids.every((_, model) => app.data.nearest(model, one.x, one.y) === app.data.nearest(model, other.x, other.y)));

  // Window and level by dragging with shift or the right button, as in radiology viewers; what is zoomed
  // is moved by dragging. A finger moves it in full screen alone: elsewhere it scrolls the page.
  let drag = null, moved = false;
  on(canvas, "pointermove", (event) => {
    if (drag?.part) {
      const x = event.clientX - drag.x, y = event.clientY - drag.y;
      moved ||= Math.hypot(x, y) > DRAG;
      if (moved) zoom.pan(-x / plan.width, -y / plan.height, drag.part);
      return;
    }
    if (drag) {
      put({ window: clamp(drag.window + (event.clientX - drag.x) / 200, 0.05, 2), level: clamp(drag.level + (event.clientY - drag.y) / 300, 0, 1) });
      return;
    }
    pointer = placeOf(event);
    const found = at(pointer);
    if (same(found, hover)) return;
    const start = performance.now();
    hover = found;
    repaint();
    canvas.dataset.hoverMs = (performance.now() - start).toFixed(2);
  });
  on(canvas, "pointerleave", () => { pointer = hover = null; repaint(); });
  on(canvas, "pointerdown", (event) => {
    moved = false;
    if (!event.shiftKey && event.button !== 2) {
      const pans = get("zoom") > 1 && event.button === 0 && (event.pointerType !== "touch" || zoom.full());
      if (pans) drag = { x: event.clientX, y: event.clientY, part: zoom.part() };
      if (pans) canvas.setPointerCapture(event.pointerId);
      return;
    }
    drag = { x: event.clientX, y: event.clientY, window: get("window"), level: get("level") };
    canvas.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  on(canvas, "pointerup", () => { drag = null; });
  on(canvas, "pointercancel", () => { drag = null; });
  on(canvas, "wheel", (event) => {
    const found = (event.ctrlKey || event.metaKey) && tileAt(placeOf(event));
    if (!found) return;
    event.preventDefault();
    zoom.by(ZOOM.wheel ** -Math.sign(event.deltaY), found.across, found.down);
  });
  on(canvas, "contextmenu", (event) => event.preventDefault());
  on(canvas, "dblclick", () => put({ window: 1, level: 0.5 }));
  on(canvas, "click", (event) => {
    const found = at(placeOf(event));
    if (event.shiftKey || moved || !found) return;
    const { tile: { word, model } } = found, region = app.data.nearest(app.data.finest, found.x, found.y), again = word === get("word") && region === get("region");
    // In words × models a tile stands for its word and model; compared models stay A and B.
    if (plan.view !== "multiples") put({ region: again ? -1 : region });
    else put({ word, model, region: again && model === get("model") ? -1 : region });
  });
  on(canvas, "keydown", (event) => {
    const data = app.data, region = get("region"), { columns } = data.grids[data.finest];
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    if (!step || event.shiftKey) return;
    const next = region < 0 ? data.own(data.finest, argsort(data.map(get("model"), get("word")))[0], get("model")) : region + step;
    if (next >= 0 && next < data.regions) put({ region: next });
    event.preventDefault();
  });

  function picture(scale) {
    const made = element("canvas", { width: Math.round(scale * plan.right), height: Math.round(scale * plan.bottom) });
    paint(made.getContext("2d"), scale, app.paper());
    return made;
  }
  const title = () => (plan.view === "multiples" ? "attention maps of words" : "attention map");
  return { root, arrange, draw, picture, title, key: zoom.key };
}
