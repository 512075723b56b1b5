// Where color scales end: as `scales.py` has it for print. Models that are shown together share a scale.

function colorEnd(data, models, scale, word) {
  if (scale === "rank") return 1;
  return Math.max(...models.map((m) => (scale === "case" && word !== PAIR ? data.highest(m) : largest(data.map(m, word), 0))));
}

function difference(data, [a, b], word) {
  const left = data.map(a, word), right = data.map(b, word);
  return Float64Array.from(left, (value, r) => value - right[r]);
}

const differenceEnd = (data, pair, word) => largest(difference(data, pair, word).map(Math.abs), 0);

// A value as a share of the end of its scale.
const shareOf = (value, end) => (end > 0 ? clamp(value / end, -1, 1) : 0);

// Labels of a color bar: its start, what it shows, its end.
function barLabels(scale, end) {
  const labels = RULES.bars[scale];
  return labels.length === 3 ? labels : [...labels, shown(end)];
}

const differenceLabels = (end) => (end > 0 ? [`−${shown(end)}`, "0", `+${shown(end)}`] : ["", "0: equal", ""]);

// Words are shaded up to the highest weight, or for a region up to the highest attention of the case:
// words that hardly look at it stay pale.
function shadeEnd(data, model, region) {
  return region < 0 ? largest(data.importance(model)) : data.highest(model) || 1;
}

// The two strokes of an outline, in the manner of a rule.
function strokeOutline(context, kind) {
  const rule = RULES.outlines[kind];
  context.lineWidth = rule.under; context.strokeStyle = RULES.outline_colors.under; context.setLineDash([]); context.stroke();
  context.lineWidth = rule.over; context.strokeStyle = RULES.outline_colors.over; context.setLineDash(rule.dash); context.stroke();
  context.setLineDash([]);
}
