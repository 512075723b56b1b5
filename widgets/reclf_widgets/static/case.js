// The numbers of one case, as Python sends them. Words count from 0, and -1 is the whole pair, which
// is node 0 of the relation graph; so word w is node w + 1.

const WHOLE = -1;

class Case {
  constructor(get) {
    const info = get("case");
    this.info = info;
    [this.height, this.width] = info.shape;
    [this.rows, this.columns] = info.grid;
    this.center = info.center; // where in its block a region looks: 0.5 is the middle
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
    // What counts: the whole pair and the words, each as in the last step that reaches the score.
    this.counting = this.graphs.map((all, model) => {
      if (!all.length) return null;
      const [whole, words] = info.counting[model];
      if (whole === words) return all[words];
      const joined = Float32Array.from(all[words]);
      joined.set(all[whole].subarray(0, this.count + 1));
      return joined;
    });
    this.means = new Map();
    this.tops = new Map();
    this.greys = null;
  }

  name(word) { return word === WHOLE ? "whole pair" : this.words[word]; }
  type(word) { return (word !== WHOLE && this.info.types?.[word]) || "filler"; }

  // Where a word looks: regions row by row, sums to 1.
  map(model, word) {
    if (word !== WHOLE) {
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
    return largest(this.attention.subarray(model * size, (model + 1) * size));
  }

  importance(model) {
    return this.info.weighs[model] ? this.weights.subarray(model * this.count, (model + 1) * this.count) : null;
  }

  graph(model, step) {
    const all = this.graphs[model];
    return all.length && step >= 0 ? all[Math.min(step, all.length - 1)] : this.counting[model];
  }

  // What a reader of the graph of a step must know, in words.
  caveat(model, step) {
    const caveats = this.info.caveats[model];
    const found = caveats[clamp(step + 1, 0, caveats.length - 1)];
    return found ? `; ${found}` : "";
  }

  // Edges between different nodes, strongest first: [drawing node, node drawn on, weight].
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

  // The region whose center is nearest to a point, given in shares of width and height.
  nearest(x, y) {
    const along = (share, count) => clamp(Math.ceil(share * count - this.center - 0.5), 0, count - 1);
    return along(y, this.rows) * this.columns + along(x, this.columns);
  }

  // Where the block of a region begins and ends, in shares of width and height.
  block(region) {
    const along = (place, count) => [
      place > 0 ? (place - 0.5 + this.center) / count : 0,
      place < count - 1 ? (place + 0.5 + this.center) / count : 1];
    const [left, right] = along(region % this.columns, this.columns);
    const [top, bottom] = along(Math.floor(region / this.columns), this.rows);
    return { left, right, top, bottom };
  }

  // How much of a map lies inside a mask, and whether its strongest region points into it.
  inside(cells, mask) {
    const start = (1 + mask * 2) * this.regions;
    let mass = 0, total = 0;
    for (let r = 0; r < this.regions; r++) {
      mass += cells[r] * this.coverage[start + r];
      total += cells[r] * this.coverage[r];
    }
    return { mass: mass / (total || 1), hit: this.coverage[start + this.regions + argsort(cells)[0]] > 0 };
  }

  // The radiograph with window and level, painted once for each setting.
  grey(window_, level) {
    const key = `${window_}/${level}`;
    if (this.greys?.key !== key) {
      const table = new Uint32Array(256);
      for (let i = 0; i < 256; i++) {
        const value = Math.round(255 * clamp((i / 255 - level) / window_ + 0.5, 0, 1));
        table[i] = packed(value, value, value);
      }
      const canvas = painting(this.width, this.height, (target) => {
        for (let i = 0; i < target.length; i++) target[i] = table[this.pixels[i]];
      });
      this.greys = { key, canvas };
    }
    return this.greys.canvas;
  }
}
