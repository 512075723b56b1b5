// What Python has not acknowledged. Every change by the browser has a number (`asked`), which Python
// repeats (`answered`) after the change; a new study is here when its arrays are.
//
//   put -> pending -> answered, or silent for SILENT_MS -> what to do; or the kernel is gone: lost

const PENDING_MS = 400;
const SILENT_MS = 8000;
const GONE = ["restarting", "autorestarting", "terminating", "dead"];

function kernelWatch(app, root) {
  const { model, get } = app;
  const note = element("p", { class: "reclf-waiting", role: "status", hidden: true, "data-testid": "waiting" });
  const kernel = model.widget_manager?.kernel; // JupyterLab's, elsewhere nothing
  let lost = false, since = 0, timers = [];

  const otherCase = () => app.data.info.index !== get("case_index");
  const open = () => otherCase() || get("asked") !== get("answered");
  const name = (index) => get("index")[index]?.study_id ?? `case ${index + 1}`;

  function sentence(silent) {
    if (get("failed")) return `${name(get("case_index"))} cannot be shown: ${get("failed")}. ${app.data.info.study_id} is still shown.`;
    const wanted = otherCase() ? `${name(get("case_index"))} has not arrived, ${app.data.info.study_id} is still shown` : "your last change has not reached Python";
    if (lost) return `The kernel has stopped or was restarted. ${app.data.info.study_id} can still be read, but other cases, edits and Python are out of reach: run the notebook's cells again.`;
    if (kernel?.status === "busy") return `The kernel is busy: ${wanted}. It follows when the running cell ends.`;
    if (!silent) return `Waiting for the kernel: ${wanted}.`;
    return `The kernel has not answered for ${Math.round((performance.now() - since) / 1000)} s: ${wanted}. If a cell is running, it follows when that ends; if the kernel has stopped, restart it and run the notebook's cells again.`;
  }

  function say() {
    const waited = performance.now() - since, silent = waited >= SILENT_MS - 50;
    root.dataset.kernel = lost ? "lost" : !open() ? "" : silent ? "silent" : "pending";
    note.hidden = !lost && !get("failed") && (!open() || waited < PENDING_MS - 50);
    note.textContent = note.hidden ? "" : sentence(silent);
  }

  function stop() { timers.forEach(clearTimeout); timers = []; }

  // Called after each change and each answer.
  function check() {
    if (open() && !timers.length) {
      since = performance.now();
      timers = [PENDING_MS, SILENT_MS].map((delay) => setTimeout(say, delay));
    }
    if (!open()) stop();
    say();
  }

  // Changes that can be carried out: a word of the study shown is none of the study to come, and
  // without a kernel no other study comes.
  function possible(values) {
    const kept = { ...values };
    if (lost) for (const needs of ["case_index", "edit", "take_asked"]) delete kept[needs];
    if (otherCase() && !("case_index" in kept)) for (const selected of ["word", "region"]) delete kept[selected];
    return kept;
  }

  function answered() { lost = false; check(); }
  const follow = (_, status) => { lost ||= GONE.includes(status); say(); };
  model.on("change:answered", answered);
  model.on("change:failed", say);
  kernel?.statusChanged?.connect(follow);
  function close() {
    stop();
    model.off("change:answered", answered);
    model.off("change:failed", say);
    kernel?.statusChanged?.disconnect(follow);
  }
  return { root: note, check, possible, close };
}
