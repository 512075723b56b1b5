// The film under the maps: the pixels that the model saw at once, then the preview, then the file's
// own pixels, which a live notebook is asked for once the case is drawn.
//
//   preview (JPEG), film (uint8) -> Case.picture -> redraw

const ASK_MS = 60; // after the drawing of a case, so that paging through cases reads no files

function filmKeeper(app, redraw) {
  const { get, model } = app;
  let timer = 0;

  // The gray pixels of a JPEG.
  async function decoded(content) {
    const bitmap = await createImageBitmap(new Blob([content], { type: "image/jpeg" }));
    const { width, height } = bitmap, context = element("canvas", { width, height }).getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    return { pixels: Uint8Array.from({ length: width * height }, (_, i) => data[4 * i]), width, height };
  }

  // What has arrived of the film of this case, if it has.
  function arrived() {
    const info = get("film_info");
    return info?.index === app.data.info.index ? info : null;
  }

  function take() {
    const { film } = app.data.info, info = arrived();
    if (!film || !info?.shape.length) return false;
    const [height, width] = info.shape;
    app.data.pictures[0] = { source: "original", pixels: bytes(get("film")), height, width, place: film.place };
    return true;
  }

  // Called for each new case.
  async function follow() {
    clearTimeout(timer);
    const data = app.data, { film } = data.info;
    if (!film || take()) return;
    if (film.original && !arrived()) timer = setTimeout(() => {
      if (app.data !== data) return;
      const all = app.order.all(), place = all.indexOf(data.info.index);
      model.set("film_next", all.length > 1 ? all[(place + 1) % all.length] : -1);
      model.set("film_asked", get("film_asked") + 1);
      model.save_changes();
    }, ASK_MS);
    if (!film.preview) return;
    const preview = await decoded(bytes(get("preview")));
    if (app.data !== data || data.pictures[0].source !== "model") return; // another case, or better pixels
    data.pictures[0] = { source: "preview", ...preview, place: film.place };
    redraw();
  }

  const said = () => arrived()?.said ?? app.data.info.film?.said ?? "";
  const listen = () => { take(); redraw(); };
  model.on("change:film_info", listen);
  function close() { clearTimeout(timer); model.off("change:film_info", listen); }
  return { follow, said, close };
}
