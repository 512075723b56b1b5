// Zoom and pan of the film, and full screen. All tiles show the same part of the plane.
//
//   zoom, across, down -> part {left, top, side} in fractions of the plane

const ZOOM = { most: 16, step: 1.5, wheel: 1.2, pan: 0.2 };

// What is seen: never what is beside the plane. As `Place.part` in Python.
function partOf(zoom, across, down) {
  const side = 1 / zoom, start = (middle) => clamp(middle - side / 2, 0, 1 - side);
  return { left: start(across), top: start(down), side };
}

function zoomControls(app, root) {
  const { get, put, on } = app;
  const button = (act, text, title) => element("button", { type: "button", "data-zoom": act, title, "aria-label": title }, text);
  const value = element("span", { class: "reclf-value", "data-testid": "zoom" });
  const screen = button("screen", "full screen", "Full screen (f)");
  const controls = element("span", { class: "reclf-zoom", role: "group", "aria-label": "Zoom" },
    button("out", "−", "Zoom out (-)"), value, button("in", "+", "Zoom in (+)"), button("all", "whole film", "Show the whole film (0)"), screen);
  screen.hidden = !document.fullscreenEnabled;
  const whole = () => root().closest(".reclf");

  const part = () => partOf(get("zoom"), get("across"), get("down"));

  // Show another part: side and left top corner, in fractions of the plane.
  function show(zoom, left, top) {
    const side = 1 / zoom;
    const kept = partOf(zoom, left + side / 2, top + side / 2);
    put({ zoom, across: kept.left + side / 2, down: kept.top + side / 2 });
  }

  // Zoom by a factor; a point of the part, in fractions of it, stays where it is.
  function by(factor, x = 0.5, y = 0.5) {
    const now = part(), zoom = clamp(get("zoom") * factor, 1, ZOOM.most), side = 1 / zoom;
    show(zoom, now.left + x * (now.side - side), now.top + y * (now.side - side));
  }

  // Move by fractions of what is seen.
  function pan(x, y, from = part()) {
    show(get("zoom"), from.left + x * from.side, from.top + y * from.side);
  }

  async function act(name) {
    if (name === "in") by(ZOOM.step);
    if (name === "out") by(1 / ZOOM.step);
    if (name === "all") put({ zoom: 1, across: 0.5, down: 0.5 });
    if (name === "screen" && document.fullscreenElement) await document.exitFullscreen();
    else if (name === "screen") await whole().requestFullscreen().catch(() => { screen.hidden = true; });
  }

  const KEYS = { "+": "in", "=": "in", "-": "out", 0: "all", f: "screen" };
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  // Whether a key was one of these.
  function key(event) {
    if (event.shiftKey && ARROWS[event.key]) pan(...ARROWS[event.key].map((way) => way * ZOOM.pan));
    else if (KEYS[event.key]) act(KEYS[event.key]);
    else return false;
    event.preventDefault();
    return true;
  }

  function draw() {
    value.textContent = `${get("zoom").toFixed(1)}×`;
    controls.querySelector("[data-zoom=out]").disabled = controls.querySelector("[data-zoom=all]").disabled = get("zoom") <= 1;
    controls.querySelector("[data-zoom=in]").disabled = get("zoom") >= ZOOM.most;
    screen.setAttribute("aria-pressed", String(Boolean(document.fullscreenElement)));
  }

  on(controls, "click", (event) => { const pressed = event.target.closest("[data-zoom]"); if (pressed) act(pressed.dataset.zoom); });
  return { controls, part, by, pan, key, draw, full: () => Boolean(document.fullscreenElement) };
}

// Gray windows by name. What has been set by hand is "as set".
function presetSelect(app) {
  const { get, put, on } = app, AS_SET = "as set";
  const control = element("select", { "aria-label": "Gray window", "data-testid": "preset" },
    ...[...Object.keys(RULES.presets), AS_SET].map((name) => element("option", { value: name, hidden: name === AS_SET }, name)));
  on(control, "change", () => {
    const [window, level] = RULES.presets[control.value] ?? [get("window"), get("level")];
    put({ window, level });
  });
  function draw() {
    const near = (a, b) => Math.abs(a - b) < 0.005;
    control.value = Object.keys(RULES.presets).find((name) => near(RULES.presets[name][0], get("window")) && near(RULES.presets[name][1], get("level"))) ?? AS_SET;
  }
  return { root: element("label", { class: "reclf-control" }, "Gray window ", control), draw };
}
