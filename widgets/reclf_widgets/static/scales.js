// Where color scales end: as `scales.py` has it for print. Models that are shown together share a scale.

function colorEnd(data, models, scale, word) {
  if (scale === "rank") return 1;
  const unit = (m) => (unlike(data, models) ? data.grids[m].regions : 1);
  return Math.max(...models.map((m) => unit(m) * (scale === "case" && word !== PAIR ? data.highest(m) : largest(data.map(m, word), 0))));
}

// Whether models have other numbers of regions: their scale is then that of a uniform map.
const unlike = (data, models) => new Set(models.map((m) => data.grids[m].regions)).size > 1;

// The model on whose grid two models are subtracted.
const finer = (data, [a, b]) => (data.grids[b].regions > data.grids[a].regions ? b : a);

// The maps of two models on the finer grid, the other one resampled by area.
const onOneGrid = (data, pair, word) => pair.map((model) => resampled(data.map(model, word), data.grids[model], data.grids[finer(data, pair)]));

// Nothing is subtracted from a map that there is not.
const inBoth = (data, pair, word) => !pair.some((model) => data.lacks(model, word));

function difference(data, pair, word) {
  if (!inBoth(data, pair, word)) return new Float64Array(data.grids[finer(data, pair)].regions);
  const [left, right] = onOneGrid(data, pair, word);
  return Float64Array.from(left, (value, r) => value - right[r]);
}

const differenceEnd = (data, pair, word) => largest(difference(data, pair, word).map(Math.abs), 0);

// A value as a share of the end of its scale.
const shareOf = (value, end) => (end > 0 ? clamp(value / end, -1, 1) : 0);

// Labels of a color bar: its start, what it shows, its end.
function barLabels(scale, end, others = false) {
  const labels = RULES.bars[scale];
  if (labels.length === 3) return labels;
  return others ? [labels[0], RULES.unlike, shown(end)] : [...labels, shown(end)];
}

const differenceLabels = (end, both = true) => (!both ? ["", RULES.in_one, ""] : end > 0 ? [`−${shown(end)}`, "0", `+${shown(end)}`] : ["", "0: equal", ""]);

// On which regions a difference is shown, where those of the two models are not the same.
function resampledOn(data, [a, b]) {
  const { rows, columns } = data.grids[finer(data, [a, b])];
  return sameGrid(data.grids[a], data.grids[b]) ? "" : ` ${RULES.resampled.replace("{0}", rows).replace("{1}", columns)}`;
}

// Words are shaded up to the highest weight, or for a region up to the highest attention of the case:
// words that hardly look at it stay pale.
function shadeEnd(data, model, region) {
  // Weights that hardly differ stay pale: the end is at least twice the uniform weight.
  return region < 0 ? Math.max(largest(data.importance(model)), 2 / data.count) : data.highest(model) || 1;
}

// The two strokes of an outline, in the manner of a rule.
function strokeOutline(context, kind) {
  const rule = RULES.outlines[kind];
  context.lineWidth = rule.under; context.strokeStyle = RULES.outline_colors.under; context.setLineDash([]); context.stroke();
  context.lineWidth = rule.over; context.strokeStyle = RULES.outline_colors.over; context.setLineDash(rule.dash); context.stroke();
  context.setLineDash([]);
}
