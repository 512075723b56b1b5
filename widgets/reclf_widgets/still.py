"""A widget that is interactive in a live notebook and an image with an alt text elsewhere."""

import base64
import io
from typing import Any

import anywidget
import matplotlib.pyplot as plt
import traitlets
from matplotlib.figure import Figure

from reclf.runs.notebook import is_live

from . import figure


def data_trait(kind: type[traitlets.TraitType], *default: Any) -> Any:
    """A trait that the browser sees, and that is no part of the state of a view."""
    return kind(*default).tag(sync=True)


def view_trait(trait: traitlets.TraitType) -> Any:
    """A trait of the state of a view, written by Python and by the browser."""
    return trait.tag(sync=True, state=True)


class StillWidget(anywidget.AnyWidget):
    """Base of all widgets: adds a static image for stored notebooks, GitHub and papermill."""

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

    def _repr_mimebundle_(self, **keywords: Any) -> Any:
        """The image and its description, with the live view where there is a front end."""
        drawn = self._still()
        buffer = io.BytesIO()
        with plt.rc_context(figure.STYLE):
            drawn.savefig(buffer, format="png", dpi=110)
        plt.close(drawn)
        still = {
            "text/plain": self.alt_text(),
            "image/png": base64.b64encode(buffer.getvalue()).decode(),
        }
        described = {"image/png": {"alt": still["text/plain"]}}  # nbconvert's <img alt>
        if self.comm is None:
            return still, described
        bundle: Any = super()._repr_mimebundle_(**keywords) or {}
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, **still}, {**metadata, **described}
