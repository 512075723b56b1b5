"""A widget with two faces: live where someone can click, a picture with words everywhere else."""

import base64
import io
from typing import Any

import anywidget
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from reclf.runs.notebook import is_live

from . import figure


class StillWidget(anywidget.AnyWidget):
    """What a stored notebook, GitHub and papermill show of a widget; subclasses draw it."""

    def alt_text(self) -> str:
        """What is shown, in words."""
        raise NotImplementedError

    def _still(self) -> Figure:
        """The picture that a stored notebook shows."""
        raise NotImplementedError

    def open(self) -> None:
        """Tell the front end, where there is one: a stored notebook should not hold our arrays."""
        if is_live():
            super().open()

    def _repr_mimebundle_(self, **keywords: Any) -> Any:
        """The live view where there is one; a picture and its description for everyone else."""
        drawn = self._still()
        buffer = io.BytesIO()
        with plt.rc_context(figure.STYLE):
            drawn.savefig(buffer, format="png", dpi=110)
        plt.close(drawn)
        still = {
            "text/plain": self.alt_text(),
            "image/png": base64.b64encode(buffer.getvalue()).decode(),
        }
        if self.comm is None:
            return still, {}
        bundle: Any = super()._repr_mimebundle_(**keywords) or {}
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, **still}, metadata
