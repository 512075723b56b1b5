"""A page that shows a training monitor without a kernel; `window.put(traits)` plays Python."""

import json

from reclf_widgets import browser

PAGE = """<!doctype html><meta charset="utf-8"><style>%s</style><body><div id="el"></div>
<script type="module">
const traits = %s, listeners = {};
const model = {
  get: (name) => traits[name],
  on: (event, listen) => (listeners[event] ??= []).push(listen),
  off() {},
};
window.put = (changes) => Object.entries(changes).forEach(([name, value]) => {
  traits[name] = value;
  (listeners["change:" + name] ?? []).forEach((listen) => listen());
});
const module = await import(URL.createObjectURL(new Blob([%s], { type: "text/javascript" })));
module.default.render({ model, el: document.getElementById("el") });
</script>"""


def monitor_page(traits):
    """The text of the page for "charts", "progress" and "theme"."""
    module = json.dumps(browser.module(browser.MONITOR)).replace("<", "\\u003c")
    return PAGE % (browser.style("monitor"), json.dumps(traits), module)
