// The arrays of one case, as Python sends them. Words are counted from 0; -1 is the image-report pair,
// the global node 0 of the relation graph. So word w is node w + 1.

const PAIR = -1;
const GLOBAL_NODE = "global node";

class Case {
  constructor(get) {
    const info = get("case");
    this.info = info;
    [this.height, this.width] = info.shape; // of the plane, on which films and models' images lie
    this.words = info.pieces.map(([, word]) => word);
    this.count = this.words.length;
    // Per model: its regions, the center of a region in its block, and where its image lies in the plane.
    let attention = 0, coverage = 0;
    this.grids = info.grids.map(({ shape: [rows, columns], center, place }) => {
      const regions = rows * columns, grid = { rows, columns, center, place, regions, attention, coverage };
      attention += regions * this.count;
      coverage += regions * (1 + 2 * info.masks.length);
      return grid;
    });
    // The model with most regions, the first of several: regions are selected in its grid.
    this.finest = argsort(this.grids.map(({ regions }) => regions))[0];
    this.regions = this.grids[this.finest].regions;
    let pixel = 0;
    // The pixels of each film, of which an edit may have another one; see also film.js.
    this.pictures = info.images.map(({ shape: [height, width], place }) => {
      const pixels = bytes(get("image")).subarray(pixel, (pixel += height * width));
      return { source: "model", pixels, height, width, place };
    });
    this.attention = floats(get("attention"));
    this.weights = floats(get("importance"));
    this.coverage = floats(get("coverage"));
    const graphs = floats(get("graph"));
    const size = (this.count + 1) ** 2;
    let start = 0;
    this.graphs = info.graph_steps.map((steps) => {
      const all = Array.from({ length: steps }, (_, k) => graphs.subarray(start + k * size, start + (k + 1) * size));
      start += steps * size;
      return all;
    });
    // The global node and the words, each from the last SRM step that the score uses.
    this.counting = this.graphs.map((all, model) => {
      if (!all.length) return null;
      const [pair, words] = info.counting[model];
      if (pair === words) return all[words];
      const joined = Float32Array.from(all[words]);
      joined.set(all[pair].subarray(0, this.count + 1));
      return joined;
    });
    this.means = new Map();
    this.tops = new Map();
    this.beyond = new Map();
    this.painted = new Map();
  }

  // The nodes of the matrix in their order, the global node first.
  nodes(order, fillers, types) {
    const words = this.words.map((_, w) => w + 1).filter((n) => fillers || this.type(n - 1) !== "filler");
    if (order === "type") words.sort((a, b) => types.indexOf(this.type(a - 1)) - types.indexOf(this.type(b - 1)) || a - b);
    return [0, ...words];
  }

  // The selected word with further ones, as one; `null` for a word alone.
  selectPhrase(word, further) {
    const words = [...new Set([word, ...further])].filter((w) => w < this.count).sort((a, b) => a - b);
    this.phrase = word !== PAIR && words.length > 1 ? { head: word, words } : null;
  }
  spoken(word) { return this.phrase?.head === word ? this.phrase.words : [word]; }
  name(word) { return word === PAIR ? "image-report pair" : this.spoken(word).map((w) => this.words[w]).join(" "); }
  nodeName(node) { return node ? this.words[node - 1] : GLOBAL_NODE; }
  place(region, model = this.finest) {
    const { columns } = this.grids[model];
    return `row ${Math.floor(region / columns) + 1} column ${(region % columns) + 1}`;
  }
  type(word) { return (word !== PAIR && this.info.types?.[word]) || "filler"; }

  wordMap(model, word) {
    const { regions, attention } = this.grids[model], start = attention + word * regions;
    return this.attention.subarray(start, start + regions);
  }

  // Attention map of a word: regions row by row, sums to 1. Of a phrase the mean over its words, of
  // PAIR the mean over all by importance.
  map(model, word) {
    const { regions, attention } = this.grids[model], spoken = this.spoken(word);
    if (spoken.length > 1) {
      const maps = spoken.map((w) => this.wordMap(model, w));
      return Float64Array.from(maps[0], (_, r) => maps.reduce((sum, map) => sum + map[r], 0) / maps.length);
    }
    if (word !== PAIR) return this.wordMap(model, word);
    if (!this.means.has(model)) {
      const mean = new Float64Array(regions);
      const weights = this.importance(model) ?? Float32Array.from(this.words, (_, w) => (this.lacks(model, w) ? 0 : 1));
      const total = weights.reduce((a, b) => a + b, 0) || 1;
      for (let w = 0; w < this.count; w++) {
        const share = weights[w] / total, start = attention + w * regions;
        for (let r = 0; r < regions; r++) mean[r] += share * this.attention[start + r];
      }
      this.means.set(model, mean);
    }
    return this.means.get(model);
  }

  // Whether a model has explained a text without this word, as given: see as_given.py.
  lacks(model, word) { return word !== PAIR && this.spoken(word).every((w) => this.info.absent[model].includes(w)); }

  // The mask of the finding that a word, or the first such word of a phrase, states; -1 for none.
  ownMask(word) {
    return word === PAIR ? -1 : this.spoken(word).map((w) => this.info.own_mask[w]).find((mask) => mask >= 0) ?? -1;
  }

  highest(model) {
    const { regions, attention } = this.grids[model];
    return largest(this.attention.subarray(attention, attention + this.count * regions), 0);
  }

  importance(model) {
    return this.info.weighs[model] ? this.weights.subarray(model * this.count, (model + 1) * this.count) : null;
  }

  // One value for each word: attention to a region, or importance (null for a model without) if none.
  wordValues(model, region) {
    const own = this.own(model, region);
    return region < 0 ? this.importance(model) : Float64Array.from(this.words, (_, w) => this.wordMap(model, w)[own]);
  }

  // With `beyond`, minus what the distance of the words alone gives; null where that is not known.
  graph(model, step, beyond = false) {
    const all = this.graphs[model];
    const graph = all.length && step >= 0 ? all[Math.min(step, all.length - 1)] : this.counting[model];
    if (!beyond || !graph) return graph;
    const key = `${model}/${step}`;
    if (!this.beyond.has(key)) {
      const prior = this.prior(model, step);
      this.beyond.set(key, prior && Float32Array.from(graph, (weight, k) => weight - prior[k]));
    }
    return this.beyond.get(key);
  }

  // As `Explanation.prior`: softmax of minus the weighted distances, row by row.
  prior(model, step) {
    const known = this.info.distance_weights[model], sentences = this.info.sentences;
    if (!known || !sentences) return null;
    const nodes = this.count + 1, [pair, words] = this.info.counting[model], prior = new Float64Array(nodes * nodes);
    for (let i = 0; i < nodes; i++) {
      const [near, inside] = known[step >= 0 ? Math.min(step, known.length - 1) : i ? words : pair];
      let total = 0;
      for (let j = 0; j < nodes; j++) {
        const far = i && j ? near * Math.abs(i - j) + inside * Math.abs(sentences[i - 1] - sentences[j - 1]) : 0;
        total += prior[i * nodes + j] = Math.exp(-far);
      }
      for (let j = 0; j < nodes; j++) prior[i * nodes + j] /= total;
    }
    return prior;
  }

  // What limits the reading of the graph of a step, as text.
  caveat(model, step) {
    const caveats = this.info.caveats[model];
    const found = caveats[clamp(step + 1, 0, caveats.length - 1)];
    return found ? `; ${found}` : "";
  }

  // Edges between different nodes, strongest first: [attending node, attended node, weight].
  edges(graph, least, own = null) {
    const nodes = this.count + 1;
    const found = [];
    const take = (i, j) => {
      const weight = graph[i * nodes + j];
      if (weight > 0 && weight >= least && i !== j) found.push([i, j, weight]);
    };
    for (let i = 0; i < nodes; i++) {
      if (own === null || i === own) for (let j = 0; j < nodes; j++) take(i, j);
      else take(i, own);
    }
    return found.sort((a, b) => b[2] - a[2]);
  }

  strongest(graph) {
    if (!this.tops.has(graph)) {
      const nodes = this.count + 1;
      let top = 1e-12;
      for (let k = 0; k < graph.length; k++) if (k % (nodes + 1) && graph[k] > top) top = graph[k];
      this.tops.set(graph, top);
    }
    return this.tops.get(graph);
  }

  // The largest difference from 0, of either sign.
  farthest(graph) {
    const nodes = this.count + 1;
    let most = 0;
    for (let k = 0; k < graph.length; k++) if (k % (nodes + 1)) most = Math.max(most, Math.abs(graph[k]));
    return most;
  }

  // The region of a model whose center is nearest to a point of the plane.
  nearest(model, x, y) {
    const { rows, columns, center, place: [left, top, width, height] } = this.grids[model];
    const along = (share, count) => clamp(Math.ceil(share * count - center - 0.5), 0, count - 1);
    return along((y - top) / height, rows) * columns + along((x - left) / width, columns);
  }

  // Whether a point of the plane lies in the image of a model.
  holds(model, x, y) {
    const [left, top, width, height] = this.grids[model].place;
    return x >= left && x < left + width && y >= top && y < top + height;
  }

  // Bounds of the block of a region, in fractions of the plane.
  block(model, region) {
    const grid = this.grids[model], row = Math.floor(region / grid.columns), column = region % grid.columns;
    const [down, across] = [borders(grid, 0), borders(grid, 1)];
    return { left: across[column], right: across[column + 1], top: down[row], bottom: down[row + 1] };
  }

  // The region of a model at the middle of a region of another one; without a second, of the selected one.
  own(model, region, given = this.finest) {
    if (region < 0 || sameGrid(this.grids[model], this.grids[given])) return region;
    const { left, right, top, bottom } = this.block(given, region);
    return this.nearest(model, (left + right) / 2, (top + bottom) / 2);
  }

  // Share of a map inside a mask, the pointing game (whether the maximum lies inside), and the
  // contrast-to-noise ratio with its sign; over pixels, each with the value of its region.
  inside(model, cells, mask) {
    const { regions, coverage } = this.grids[model], start = coverage + (1 + mask * 2) * regions;
    const within = this.coverage.subarray(start, start + regions), all = this.coverage.subarray(coverage, coverage + regions);
    const moments = (pixels) => {
      let count = 0, sum = 0, squares = 0;
      for (let r = 0; r < regions; r++) { count += pixels(r); sum += pixels(r) * cells[r]; }
      const mean = sum / count;
      for (let r = 0; r < regions; r++) squares += pixels(r) * (cells[r] - mean) ** 2;
      return { sum, mean, variance: squares / count };
    };
    const own = moments((r) => within[r]), rest = moments((r) => all[r] - within[r]);
    const difference = own.mean - rest.mean;
    return {
      mass: own.sum / (own.sum + rest.sum || 1), hit: this.coverage[start + regions + argsort(cells)[0]] > 0,
      cnr: difference === 0 ? 0 : difference / Math.sqrt(own.variance + rest.variance),
    };
  }

  // The gray of a value in [0, 1] with window and level, 0 to 255.
  gray(value, window_, level) { return Math.round(255 * clamp((value - level) / window_ + 0.5, 0, 1)); }

  // The film that a model saw.
  picture(model) { return this.pictures[this.info.films[model]]; }

  // A film with window and level, cached for one setting.
  radiograph(picture, window_, level) {
    const key = `${window_}/${level}`, { pixels, width, height } = picture;
    if (this.painted.get(picture)?.key !== key) {
      const table = new Uint32Array(256);
      for (let i = 0; i < 256; i++) {
        const value = this.gray(i / 255, window_, level);
        table[i] = packed(value, value, value);
      }
      const canvas = painting(width, height, (target) => {
        for (let i = 0; i < target.length; i++) target[i] = table[pixels[i]];
      });
      if (!this.pictures.includes(picture)) return canvas;
      for (const old of this.painted.keys()) if (!this.pictures.includes(old)) this.painted.delete(old);
      this.painted.set(picture, { key, canvas });
    }
    return this.painted.get(picture).canvas;
  }
}

const sameGrid = (a, b) => a === b || (a.rows === b.rows && a.columns === b.columns && a.center === b.center && String(a.place) === String(b.place));

// Borders of the blocks of a grid along rows (0) or columns (1), in fractions of the plane.
function borders({ rows, columns, center, place }, axis) {
  const count = axis ? columns : rows, start = place[1 - axis], length = place[3 - axis];
  return Array.from({ length: count + 1 }, (_, k) => start + length * (k === 0 ? 0 : k === count ? 1 : (k - 0.5 + center) / count));
}

// A map on another grid: each region's value is spread evenly over its block. As in `grids.py`.
function resampled(cells, given, wanted) {
  if (sameGrid(given, wanted)) return cells;
  const shared = (axis) => {
    const from = borders(given, axis), to = borders(wanted, axis);
    return Array.from({ length: to.length - 1 }, (_, j) => Array.from({ length: from.length - 1 }, (_, i) =>
      Math.max(0, Math.min(to[j + 1], from[i + 1]) - Math.max(to[j], from[i])) / (from[i + 1] - from[i])));
  };
  const down = shared(0), across = shared(1), made = new Float64Array(wanted.regions);
  down.forEach((rowShares, row) => rowShares.forEach((share, i) => {
    if (!share) return;
    across.forEach((columnShares, column) => columnShares.forEach((part, j) => { made[row * wanted.columns + column] += share * part * cells[i * given.columns + j]; }));
  }));
  return made;
}
