// A widget that shows nothing: while it is there, a stored image is hidden.

function render({ model, el }) {
  const still = stillKeeper(model, el, () => "", (target, type, listen) => target.addEventListener(type, listen));
  return still.close;
}

export default { render };
