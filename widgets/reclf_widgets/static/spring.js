// Graph layout.

// Fruchterman and Reingold's spring layout, started from a circle in reading order; deterministic.
export function springLayout(count, edges, width, height) {
  const x = new Float64Array(count), y = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const angle = (2 * Math.PI * i) / count - Math.PI / 2;
    x[i] = width / 2 + width * 0.38 * Math.cos(angle);
    y[i] = height / 2 + height * 0.38 * Math.sin(angle);
  }
  const ideal = 0.8 * Math.sqrt((width * height) / Math.max(1, count));
  const top = edges.reduce((a, edge) => Math.max(a, edge[2]), 1e-12);
  for (let round = 0; round < 160; round++) {
    const heat = width * 0.06 * (1 - round / 160);
    const dx = new Float64Array(count), dy = new Float64Array(count);
    const push = (i, j, force) => {
      const a = x[i] - x[j] || 0.01 * (i - j), b = y[i] - y[j] || 0.01;
      const length = Math.hypot(a, b), amount = force(length) / length;
      dx[i] += a * amount; dy[i] += b * amount;
      dx[j] -= a * amount; dy[j] -= b * amount;
    };
    for (let i = 0; i < count; i++) for (let j = 0; j < i; j++) push(i, j, (length) => (ideal * ideal) / length);
    for (const [i, j, weight] of edges) push(i, j, (length) => (-length * length / ideal) * (0.4 + (0.6 * weight) / top));
    for (let i = 0; i < count; i++) {
      // Gravity balances the repulsion a little inside the frame.
      dx[i] += ((width / 2 - x[i]) * count * ideal * ideal) / (0.5 * width) ** 2;
      dy[i] += ((height / 2 - y[i]) * count * ideal * ideal) / (0.5 * height) ** 2;
      const length = Math.hypot(dx[i], dy[i]) || 1, move = Math.min(length, heat) / length;
      x[i] += dx[i] * move;
      y[i] += dy[i] * move;
    }
  }
  // Labels are above their nodes: separate nodes whose labels would overlap.
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < i; j++) {
        const away = y[i] - y[j];
        if (Math.abs(x[i] - x[j]) > 62 || Math.abs(away) > 21) continue;
        const move = (away < 0 ? -1 : 1) * (21 - Math.abs(away)) * 0.5;
        y[i] += move; y[j] -= move;
      }
    }
    for (let i = 0; i < count; i++) { x[i] = clamp(x[i], 34, width - 34); y[i] = clamp(y[i], 20, height - 12); }
  }
  return { x, y };
}
