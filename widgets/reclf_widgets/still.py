"""A widget that is interactive in a live notebook and an image with an alt text elsewhere."""

import base64
import html
import io
import uuid
from typing import Any

import anywidget
import matplotlib.pyplot as plt
import traitlets
from IPython.display import publish_display_data
from matplotlib.figure import Figure

from reclf.runs.notebook import is_live

from . import figure


def data_trait(kind: type[traitlets.TraitType], *default: Any) -> Any:
    """A trait that the browser sees, and that is no part of the state of a view."""
    return kind(*default).tag(sync=True)


def view_trait(trait: traitlets.TraitType) -> Any:
    """A trait of the state of a view, written by Python and by the browser."""
    return trait.tag(sync=True, state=True)


def described(drawn: Figure, alt: str, name: str) -> tuple[dict[str, str], dict[str, Any]]:
    """A figure, which is closed, as data and metadata of an output; `name` is its class in HTML."""
    buffer = io.BytesIO()
    with plt.rc_context(figure.STYLE):
        drawn.savefig(buffer, format="png", dpi=110)
    plt.close(drawn)
    content = base64.b64encode(buffer.getvalue()).decode()
    # JupyterLab shows a PNG with alt=""; as HTML, which it prefers, the image has its text. LaTeX
    # and PDF are made of the PNG.
    picture = f'<img class="{name}" alt="{html.escape(alt)}" src="data:image/png;base64,{content}">'
    data = {"text/plain": alt, "text/html": picture, "image/png": content}
    return data, {"image/png": {"alt": alt}}  # nbconvert's <img alt>


def publish_still(drawn: Figure, alt: str, name: str, update: bool = False) -> None:
    """Show an image, or replace it wherever one of this name is shown."""
    data, metadata = described(drawn, alt, name)
    publish_display_data(data, metadata, transient={"display_id": name}, update=update)


class StillWidget(anywidget.AnyWidget):
    """Base of all widgets: adds a static image for stored notebooks, GitHub and papermill.

    Image and live view are two outputs: JupyterLab opens a stored notebook with an error where a
    view was, whatever else that output holds, and draws a view anew, without the focus, when its
    output is updated. While a live view is there it hides the image, see `hides`.
    """

    hides = data_trait(traitlets.Unicode)  # class of the image, which the browser hides
    left = data_trait(traitlets.Int, 0)  # the browser counts how often a changed view was left

    def alt_text(self) -> str:
        """Text description of the view."""
        raise NotImplementedError

    def _still(self) -> Figure:
        """The figure that a stored notebook shows."""
        raise NotImplementedError

    def open(self) -> None:
        """Connect to the front end only if live: a stored notebook must not contain the arrays."""
        if is_live():
            super().open()

    def close(self) -> None:
        """Let go of the widget, and of its layout, which ipywidgets keeps when a widget closes."""
        super().close()
        self.layout.close()

    def still(self) -> tuple[dict[str, str], dict[str, Any]]:
        """The image with its description, as data and metadata of an output."""
        return described(self._still(), self.alt_text(), self.hides)

    def store(self) -> None:
        """Replace the images in the notebook by one of what is shown now."""
        if self.hides:
            self._publish(update=True)

    def _ipython_display_(self) -> None:
        if not self.hides:
            self.hides = f"reclf-still-{uuid.uuid4().hex}"
            self.observe(lambda change: self.store(), names=["left"])
        self._publish()
        if self.comm is not None:
            bundle: Any = self._repr_mimebundle_()
            data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
            note = f"{type(self).__name__}: live where a kernel runs; else the picture above."
            publish_display_data({**data, "text/plain": note}, metadata)

    def _publish(self, update: bool = False) -> None:
        publish_still(self._still(), self.alt_text(), self.hides, update)
