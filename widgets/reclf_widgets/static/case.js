// The arrays of one case, as Python sends them. Words are counted from 0; -1 is the image-report pair,
// the global node 0 of the relation graph. So word w is node w + 1.

const PAIR = -1;
const GLOBAL_NODE = "global node";

class Case {
  constructor(get) {
    const info = get("case");
    this.info = info;
    [this.height, this.width] = info.shape;
    [this.rows, this.columns] = info.grid;
    this.center = info.center; // receptive-field center of a region in its block; 0.5 is the middle
    this.words = info.pieces.map(([, word]) => word);
    this.count = this.words.length;
    this.regions = this.rows * this.columns;
    this.pixels = bytes(get("image"));
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
    this.painted = null;
  }

  // The nodes of the matrix in their order, the global node first.
  nodes(order, fillers, types) {
    const words = this.words.map((_, w) => w + 1).filter((n) => fillers || this.type(n - 1) !== "filler");
    if (order === "type") words.sort((a, b) => types.indexOf(this.type(a - 1)) - types.indexOf(this.type(b - 1)) || a - b);
    return [0, ...words];
  }

  name(word) { return word === PAIR ? "image-report pair" : this.words[word]; }
  nodeName(node) { return node ? this.words[node - 1] : GLOBAL_NODE; }
  place(region) { return `row ${Math.floor(region / this.columns) + 1} column ${(region % this.columns) + 1}`; }
  type(word) { return (word !== PAIR && this.info.types?.[word]) || "filler"; }

  // Attention map of a word: regions row by row, sums to 1. For PAIR: the mean by importance.
  map(model, word) {
    if (word !== PAIR) {
      const start = (model * this.count + word) * this.regions;
      return this.attention.subarray(start, start + this.regions);
    }
    if (!this.means.has(model)) {
      const mean = new Float64Array(this.regions);
      const weights = this.importance(model) ?? new Float32Array(this.count).fill(1);
      const total = weights.reduce((a, b) => a + b, 0) || 1;
      for (let w = 0; w < this.count; w++) {
        const share = weights[w] / total, start = (model * this.count + w) * this.regions;
        for (let r = 0; r < this.regions; r++) mean[r] += share * this.attention[start + r];
      }
      this.means.set(model, mean);
    }
    return this.means.get(model);
  }

  highest(model) {
    const size = this.count * this.regions;
    return largest(this.attention.subarray(model * size, (model + 1) * size), 0);
  }

  importance(model) {
    return this.info.weighs[model] ? this.weights.subarray(model * this.count, (model + 1) * this.count) : null;
  }

  // One value for each word: attention to a region, or importance (null for a model without) if none.
  wordValues(model, region) {
    return region < 0 ? this.importance(model) : Float64Array.from(this.words, (_, w) => this.map(model, w)[region]);
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

  // The region whose center is nearest to a point, in fractions of width and height.
  nearest(x, y) {
    const along = (share, count) => clamp(Math.ceil(share * count - this.center - 0.5), 0, count - 1);
    return along(y, this.rows) * this.columns + along(x, this.columns);
  }

  // Bounds of the block of a region, in fractions of width and height.
  block(region) {
    const along = (place, count) => [
      place > 0 ? (place - 0.5 + this.center) / count : 0,
      place < count - 1 ? (place + 0.5 + this.center) / count : 1];
    const [left, right] = along(region % this.columns, this.columns);
    const [top, bottom] = along(Math.floor(region / this.columns), this.rows);
    return { left, right, top, bottom };
  }

  // Share of a map inside a mask, and the pointing game: whether the maximum lies inside.
  inside(cells, mask) {
    const start = (1 + mask * 2) * this.regions;
    let mass = 0, total = 0;
    for (let r = 0; r < this.regions; r++) {
      mass += cells[r] * this.coverage[start + r];
      total += cells[r] * this.coverage[r];
    }
    return { mass: mass / (total || 1), hit: this.coverage[start + this.regions + argsort(cells)[0]] > 0 };
  }

  // The radiograph with window and level, cached for one setting.
  radiograph(window_, level) {
    const key = `${window_}/${level}`;
    if (this.painted?.key !== key) {
      const table = new Uint32Array(256);
      for (let i = 0; i < 256; i++) {
        const value = Math.round(255 * clamp((i / 255 - level) / window_ + 0.5, 0, 1));
        table[i] = packed(value, value, value);
      }
      const canvas = painting(this.width, this.height, (target) => {
        for (let i = 0; i < target.length; i++) target[i] = table[this.pixels[i]];
      });
      this.painted = { key, canvas };
    }
    return this.painted.canvas;
  }
}
