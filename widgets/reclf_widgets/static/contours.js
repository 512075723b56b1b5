// Isolines of a map: where it reaches shares of the end of its color scale, of either sign. Between the
// centers of regions the map is linear; beyond the outermost it stays as it is, up to the image's edge.

function strokeIsolines(context, grid, shares, x, y) {
  const { levels, under, over } = RULES.isolines, colors = RULES.outline_colors;
  const lines = levels.flatMap((level) => [level, -level]).flatMap((level) => isolines(grid, shares, level));
  for (const [color, width] of [[colors.under, under], [colors.over, over]]) {
    context.strokeStyle = color; context.lineWidth = width; context.lineCap = "round"; context.setLineDash([]);
    context.beginPath();
    for (const [x0, y0, x1, y1] of lines) { context.moveTo(x(x0), y(y0)); context.lineTo(x(x1), y(y1)); }
    context.stroke();
  }
}

// The isoline of a level as segments x0, y0, x1, y1 in fractions of the plane (marching squares).
//   shares: the map, row by row
export function isolines({ rows, columns, center, place: [left, top, across, down] }, shares, level) {
  const along = (start, length, count) => [start, ...Array.from({ length: count }, (_, k) => start + (length * (k + center)) / count), start + length];
  const xs = along(left, across, columns), ys = along(top, down, rows), segments = [];
  const at = (i, j) => shares[clamp(i - 1, 0, rows - 1) * columns + clamp(j - 1, 0, columns - 1)];
  for (let i = 0; i <= rows; i++) for (let j = 0; j <= columns; j++) {
    const corners = [[xs[j], ys[i], at(i, j)], [xs[j + 1], ys[i], at(i, j + 1)], [xs[j + 1], ys[i + 1], at(i + 1, j + 1)], [xs[j], ys[i + 1], at(i + 1, j)]];
    const points = corners.map(([x0, y0, v0], k) => {
      const [x1, y1, v1] = corners[(k + 1) % 4];
      if (v0 < level === v1 < level) return null;
      const share = (level - v0) / (v1 - v0);
      return [x0 + share * (x1 - x0), y0 + share * (y1 - y0)];
    });
    const crossed = points.filter(Boolean);
    if (crossed.length === 2) segments.push(crossed.flat());
    if (crossed.length < 4) continue;
    // A saddle: its middle says which corners are connected.
    const middle = corners.reduce((sum, corner) => sum + corner[2], 0) / 4, turned = (middle < level) === (corners[0][2] < level);
    const pairs = turned ? [[0, 1], [2, 3]] : [[3, 0], [1, 2]];
    for (const [a, b] of pairs) segments.push([...points[a], ...points[b]]);
  }
  return segments;
}
