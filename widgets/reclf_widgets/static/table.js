// The table of cases: a line for each that the filters leave, of which only those in view are
// elements. Thumbnails come from Python, or in a page from the page, for the lines that are shown.

const ROW = 44, HEAD = 26, SIDE = 40, ROWS = 5; // pixels of a line, of the head and of a thumbnail; lines at first
const BEYOND = 4; // lines drawn above and below what is seen
const COLUMNS = [["", "picture", ""], ["study", "study", "study"], ["labels, or report", "labels", ""], ["rank", "rank", "rank"], ["score", "score", "score"], ["pointing", "hits", "misses"], ["disagreement", "disagreement", "disagreement"], ["note", "note", ""]];
const ONLY = [["all", "all cases"], ["misses", "misses"], ["starred", "starred"], ["chosen", "chosen"]];

function casesPanel(app) {
  const { get, put, on, model } = app;
  const heads = COLUMNS.map(([title, name, sort]) => {
    const content = sort ? element("button", { type: "button", "data-sort": sort, title: `Sort by ${title}; again: the other way round` }, title) : title;
    return element("div", { role: "columnheader", class: `reclf-cell-${name}`, "aria-label": title || "radiograph" }, content);
  });
  const star = element("div", { role: "columnheader", class: "reclf-cell-star", "aria-label": "star" }, "★");
  const head = element("div", { role: "row", class: "reclf-case-head", "aria-rowindex": 1 }, star, ...heads);
  const space = element("div", { class: "reclf-case-space", role: "rowgroup" });
  const grid = element("div", { class: "reclf-case-rows", role: "grid", tabindex: "0", "aria-multiselectable": "true", "aria-label": "Cases. Arrow keys open the next or previous one, with Shift they choose several, Space chooses, s stars, n writes a note.", "data-testid": "cases" },
    element("div", { class: "reclf-case-top", role: "rowgroup" }, head), space);
  const only = app.select("only", ONLY, "Show");
  const every = element("button", { type: "button", "data-choose": "all" }, "choose all shown");
  const none = element("button", { type: "button", "data-choose": "none" }, "choose none");
  const folder = element("input", { type: "text", value: "exported_cases", size: 16, "aria-label": "Folder of the export, beside the notebook", "data-testid": "export-folder" });
  const format = element("select", { "aria-label": "Format of the figures" }, ...["pdf", "svg", "png"].map((ending) => element("option", {}, ending)));
  const exporting = element("button", { type: "button", title: "Figures, LaTeX, one page and the session of the chosen cases, in a folder", "data-testid": "export" }, "export chosen");
  const count = element("span", { class: "reclf-note", role: "status", "data-testid": "case-count" });
  const own = element("button", { type: "button", "data-testid": "star" });
  const note = element("input", { type: "text", maxlength: 2000, placeholder: "note on this case", "data-testid": "note" });
  const said = element("span", { class: "reclf-note", role: "status", "data-testid": "marks-said" });
  const root = element("section", { class: "reclf-panel reclf-cases", "aria-label": "Table of cases" },
    element("div", { class: "reclf-controls" }, only, every, none, element("span", { class: "reclf-take-cases", role: "group", "aria-label": "Export" }, exporting, " as ", format, " into ", folder), count), grid, element("div", { class: "reclf-controls reclf-marking" }, own, note, said));
  const thumbnails = new Map();
  const asked = new Set();
  let drawn = [], typed = false, top = 0, height = ROW * ROWS, seen = null, listed = null, anchor = null, frame = 0;

  const markOf = (study) => get("marks")[study] ?? { star: false, note: "" };
  function mark(study, change) { put({ marks: { ...get("marks"), [study]: { ...markOf(study), ...change } } }); }
  const studyOf = (i) => get("index")[i].study_id;

  // Text of the cells of a case by column.
  function texts(entry) {
    const m = app.modelOfRows(), rank = entry.rank[m], hits = entry.hits[m];
    return {
      study: entry.study_id, labels: entry.labels.map(spaced).join(", ") || entry.text.slice(entry.study_id.length + 1),
      rank: rank ? `${Math.round(10 * rank[0]) / 10} of ${rank[1]}` : "",
      score: entry.score[m] == null ? "" : fixed(entry.score[m], 2),
      hits: hits.length ? `${hits.length - missesOf(entry, m).length} of ${hits.length}` : "",
      disagreement: entry.disagreement == null ? "" : entry.disagreement.toFixed(2), note: markOf(entry.study_id).note,
    };
  }

  function picture(i) {
    const pixels = thumbnails.get(i);
    return painting(SIDE, SIDE, (target) => { if (pixels) for (let k = 0; k < target.length; k++) target[k] = packed(pixels[k], pixels[k], pixels[k]); });
  }

  function line(i, place) {
    const entry = get("index")[i], words = texts(entry), marked = markOf(entry.study_id), missed = missesOf(entry, app.modelOfRows());
    const cells = COLUMNS.map(([, name]) => {
      const made = element("div", { role: "gridcell", class: `reclf-cell-${name}`, title: words[name] || false }, name === "picture" ? picture(i) : words[name]);
      if (name === "hits" && missed.length) made.title = `misses ${missed.map(spaced).join(", ")}`;
      return made;
    });
    const button = element("button", { type: "button", tabindex: "-1", "data-star": i, "aria-pressed": String(marked.star), "aria-label": `Star ${entry.study_id}` }, marked.star ? "★" : "☆");
    return element("div", { role: "row", id: `${app.id}-case-${i}`, class: "reclf-case-row", "data-case": i, "aria-rowindex": place + 2, "aria-selected": String(get("chosen").includes(i)), "aria-current": i === get("case_index") ? "true" : false, style: `top:${place * ROW}px` },
      element("div", { role: "gridcell", class: "reclf-cell-star" }, button), ...cells);
  }

  // The lines in view, and a request for the thumbnails that they lack.
  function lines() {
    const rows = app.order.rows(), first = Math.max(0, Math.floor(top / ROW) - BEYOND), end = Math.min(rows.length, Math.ceil((top + height) / ROW) + BEYOND);
    const now = [rows, first, end, get("case_index"), get("marks"), get("chosen"), get("model"), get("index"), app.data.info.row, thumbnails.size];
    if (now.every((value, k) => value === drawn[k])) return;
    drawn = now;
    const shown = rows.slice(first, end);
    space.style.height = `${rows.length * ROW}px`;
    space.replaceChildren(...shown.map((i, k) => line(i, first + k)));
    const active = shown.includes(get("case_index"));
    if (active) grid.setAttribute("aria-activedescendant", `${app.id}-case-${get("case_index")}`);
    else grid.removeAttribute("aria-activedescendant");
    const missing = shown.filter((i) => !thumbnails.has(i) && !asked.has(i));
    if (!missing.length) return;
    missing.forEach((i) => asked.add(i));
    model.set("pictures_asked", { cases: missing, at: performance.now() }); // two views may ask for the same
    model.save_changes();
  }

  function draw() {
    root.hidden = !get("table");
    if (root.hidden) return;
    const index = get("index"), rows = app.order.rows(), now = get("case_index"), study = studyOf(now), marked = markOf(study);
    grid.setAttribute("aria-rowcount", rows.length + 1);
    for (const button of head.querySelectorAll("button")) {
      const by = get("sort") === button.dataset.sort;
      button.parentNode.setAttribute("aria-sort", !by ? "none" : get("reverse") !== (button.dataset.sort === "study") ? "ascending" : "descending");
      button.dataset.arrow = !by ? "" : get("reverse") ? "▲" : "▼";
    }
    head.querySelector("[data-sort=disagreement]").disabled = get("models").length < 2;
    every.disabled = !rows.length;
    none.disabled = exporting.disabled = !get("chosen").length;
    count.textContent = rows.length ? `${rows.length} of ${index.length} ${index.length === 1 ? "case" : "cases"}${get("chosen").length ? `, ${get("chosen").length} chosen` : ""}` : "no case is left: change the search, the label or what is shown";
    own.textContent = marked.star ? "★" : "☆";
    own.setAttribute("aria-pressed", String(marked.star));
    own.setAttribute("aria-label", `Star ${study}`);
    if (typed && note.dataset.study !== study) write(); // the case was changed elsewhere, while typing
    if (note.dataset.study !== study || note.getRootNode().activeElement !== note) note.value = marked.note;
    note.dataset.study = study;
    note.setAttribute("aria-label", `Note on ${study}`);
    said.textContent = get("marks_said");
    if (seen !== now) reveal(rows.indexOf(now));
    else if (listed !== rows && !rows.includes(now)) grid.scrollTop = top = 0; // others are searched for
    [seen, listed] = [now, rows];
    lines();
  }

  // Scrolls so that a line is in view below the head, which stays at the top.
  function reveal(place) {
    if (place < 0) return;
    const start = place * ROW, room = height - ROW;
    if (start >= top && start <= top + room) return;
    top = start < top ? start : start - room;
    space.style.height = `${app.order.rows().length * ROW}px`; // there is room to scroll to it
    grid.scrollTop = top;
  }

  // Keeps what was typed into the note.
  function write() {
    typed = false;
    mark(note.dataset.study, { note: note.value.trim() });
  }

  function choose(indices) { put({ chosen: [...new Set(indices)].sort((a, b) => a - b) }); }
  function toggle(i) { choose(get("chosen").includes(i) ? get("chosen").filter((other) => other !== i) : [...get("chosen"), i]); }

  // All lines between two cases, both included.
  function between(a, b) {
    const rows = app.order.rows(), places = [a, b].map((i) => Math.max(0, rows.indexOf(i))).sort((i, j) => i - j);
    return rows.slice(places[0], places[1] + 1);
  }

  on(grid, "scroll", () => {
    frame ||= requestAnimationFrame(() => { frame = 0; top = grid.scrollTop; lines(); });
  });
  on(grid, "click", (event) => {
    const sort = event.target.closest("[data-sort]"), starred = event.target.closest("[data-star]"), row = event.target.closest("[data-case]");
    if (sort) put({ sort: sort.dataset.sort, reverse: get("sort") === sort.dataset.sort && !get("reverse") });
    else if (starred) mark(studyOf(starred.dataset.star), { star: !markOf(studyOf(starred.dataset.star)).star });
    else if (row) {
      const i = Number(row.dataset.case);
      if (event.shiftKey) choose([...get("chosen"), ...between(anchor ?? get("case_index"), i)]);
      else if (event.ctrlKey || event.metaKey) toggle(i);
      else app.go(i);
      anchor = i;
    }
    if (!starred && !sort) grid.focus({ preventScroll: true });
  });
  on(grid, "mousedown", (event) => { if (event.shiftKey) event.preventDefault(); }); // it would select text

  on(grid, "keydown", (event) => {
    if (event.target !== grid || event.ctrlKey || event.metaKey || event.altKey) return;
    const rows = app.order.rows(), now = get("case_index"), at = rows.indexOf(now), page = Math.max(1, Math.floor(height / ROW) - 1);
    const steps = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: rows.length - 1 };
    if (event.key in steps && rows.length) {
      const next = rows[clamp(steps[event.key], 0, rows.length - 1)];
      if (event.shiftKey) choose([...get("chosen"), now, next]);
      if (next !== now) app.go(next);
      anchor = next;
    } else if (event.key === " ") toggle(now);
    else if (event.key === "s") mark(studyOf(now), { star: !markOf(studyOf(now)).star });
    else if (event.key === "n") note.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  on(every, "click", () => choose([...get("chosen"), ...app.order.rows()]));
  on(none, "click", () => choose([]));
  on(exporting, "click", () => app.take.ask({ folder: folder.value, ending: format.value }));
  on(own, "click", () => mark(studyOf(get("case_index")), { star: !markOf(studyOf(get("case_index"))).star }));
  on(note, "input", () => { typed = true; });
  on(note, "change", write);
  on(note, "keydown", (event) => { if (event.key === "Enter") grid.focus({ preventScroll: true }); });

  function arrived() {
    const all = bytes(get("pictures"));
    get("pictures_of").forEach((i, k) => { if (all.length >= (k + 1) * SIDE * SIDE) thumbnails.set(i, all.slice(k * SIDE * SIDE, (k + 1) * SIDE * SIDE)); });
    if (!root.hidden) lines();
  }
  model.on("change:pictures_of", arrived);
  arrived(); // another view of the same explorer may have asked
  const sizes = new ResizeObserver(([entry]) => { height = Math.max(ROW, entry.contentRect.height - HEAD); if (!root.hidden) lines(); });
  sizes.observe(grid);
  function close() {
    sizes.disconnect();
    cancelAnimationFrame(frame);
    model.off("change:pictures_of", arrived);
  }
  return { root, draw, close };
}
