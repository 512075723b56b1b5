// Which cases are shown, and in which order: filters and sorting of the table, which "next" follows.

// Per way of sorting: its name, and the value of a case; those with the largest come first, cases
// without a value last.
const SORTS = {
  given: ["as given", null],
  study: ["by study", null],
  rank: ["by rank", (entry, model) => entry.rank[model]?.[0]],
  score: ["by score", (entry, model) => entry.score[model]],
  misses: ["by misses", (entry, model) => (entry.hits[model].length ? missesOf(entry, model).length : null)],
  disagreement: ["by disagreement", (entry) => entry.disagreement],
};

const missesOf = (entry, model) => entry.hits[model].filter(([, hit]) => !hit).map(([name]) => name);
const inTurn = new Intl.Collator("en", { numeric: true }); // study 9 before study 10

function caseOrder(app) {
  const { get } = app;
  const names = ["index", "label", "only", "sort", "reverse", "model", "marks", "chosen"];
  let last = [], kept = [], found = { all: null, query: null, rows: [] };

  function wanted(entry, i) {
    if (get("label") && !entry.labels.includes(get("label"))) return false;
    const only = get("only");
    if (only === "misses") return missesOf(entry, app.modelOfRows()).length > 0;
    if (only === "starred") return !!get("marks")[entry.study_id]?.star;
    return only !== "chosen" || get("chosen").includes(i);
  }

  // Case indices after filters and sorting; the same array as long as nothing of these has changed.
  function all() {
    const now = names.map(get);
    if (now.every((value, k) => value === last[k])) return kept;
    last = now;
    const index = get("index"), model = app.modelOfRows(), by = get("sort"), sign = get("reverse") ? -1 : 1;
    kept = [...index.keys()].filter((i) => wanted(index[i], i));
    const value = SORTS[by][1];
    if (by === "study") kept.sort((i, j) => sign * inTurn.compare(index[i].study_id, index[j].study_id) || i - j);
    else if (!value) kept = sign < 0 ? kept.reverse() : kept;
    else {
      const values = new Map(kept.map((i) => [i, value(index[i], model) ?? null]));
      kept.sort((i, j) => {
        const [a, b] = [values.get(i), values.get(j)];
        if (a === null || b === null) return (a === null) - (b === null) || i - j;
        return sign * (b - a) || i - j;
      });
    }
    return kept;
  }

  // Of these, the cases whose study or report has the searched text.
  function rows() {
    const query = get("query").trim().toLowerCase(), of = all();
    if (found.all !== of || found.query !== query) {
      const index = get("index");
      found = { all: of, query, rows: query ? of.filter((i) => index[i].text.includes(query)) : of };
    }
    return found.rows;
  }
  return { all, rows };
}
