// Shared helpers: page elements, numbers, themes. Report text is untrusted: it is written only through
// textContent and attributes, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function shape(tag, attributes = {}, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

const bytes = (view) =>
  view ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength) : new Uint8Array();
const floats = (view) => new Float32Array(bytes(view).slice().buffer);
const FLOOR = 1e-12; // a maximum that may be divided by
function largest(values, floor = FLOOR) {
  let top = floor;
  for (let i = 0; i < values.length; i++) if (values[i] > top) top = values[i];
  return top;
}
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const percent = (value) => `${(100 * value).toFixed(0)} %`;
const spaced = (name) => name.replaceAll("_", " ");

// A pixel of a canvas as one number: alpha, blue, green, red from the highest to the lowest byte.
const packed = (red, green, blue, alpha = 255) => ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;

// "#0072B2" -> [0, 114, 178].
const channels = (color) => [1, 3, 5].map((k) => parseInt(color.slice(k, k + 2), 16));

// A canvas; `fill` sets its pixels, row by row.
function painting(width, height, fill) {
  const canvas = element("canvas", { width, height }), context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  fill(new Uint32Array(pixels.data.buffer));
  context.putImageData(pixels, 0, 0);
  return canvas;
}

// A number with so many decimals; Python sends null for one that is not finite.
const fixed = (value, decimals) => (Number.isFinite(value) ? value.toFixed(decimals) : "n/a");

export function shown(value) {
  if (!Number.isFinite(value)) return "n/a";
  if (value === 0) return "0";
  return Math.abs(value) < 1e-3 ? value.toExponential(1) : value.toFixed(3);
}

// The end of a scale, which is a `largest`: nothing there is 0, not the floor.
const limit = (end) => (end > FLOOR ? shown(end) : "0");

function argsort(values) {
  return Array.from(values.keys()).sort((i, j) => values[j] - values[i] || i - j);
}

// Ranks in [0, 1]; the lower half is 0. Shows the surroundings of a maximum that dominates the map.
// Equal values have the mean of their ranks, so that a level map shows nothing.
export function upperRanks(values) {
  const ranks = new Float32Array(values.length), order = argsort(values), last = Math.max(1, values.length - 1);
  for (let start = 0, end = 0; start < order.length; start = end) {
    while (end < order.length && values[order[end]] === values[order[start]]) end++;
    for (let k = start; k < end; k++) ranks[order[k]] = Math.max(0, 1 - (start + end - 1) / last);
  }
  return ranks;
}

// "light" or "dark": the chosen theme, otherwise that of JupyterLab, otherwise that of the system.
function themeOf(chosen) {
  if (chosen !== "auto") return chosen;
  const lab = document.body.dataset.jpThemeLight;
  return (lab === undefined ? matchMedia("(prefers-color-scheme: dark)").matches : lab === "false") ? "dark" : "light";
}

// Calls `listen` when the theme may have changed; returns a function that stops it.
function followTheme(listen, on) {
  on(matchMedia("(prefers-color-scheme: dark)"), "change", listen);
  const themes = new MutationObserver(listen);
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  return () => themes.disconnect();
}
