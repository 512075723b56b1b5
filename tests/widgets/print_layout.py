"""What must hold for the layout of every print figure, whatever its width and its names."""

import itertools

import numpy as np
from matplotlib.colors import to_hex, to_rgba
from matplotlib.text import Text

from reclf_widgets.lettering import SMALLEST
from reclf_widgets.palette import READABLE, contrast

TOUCH = 0.75  # points by which boxes of text may meet: they have room around their letters
SLACK = 0.25  # share of the height of a line that is empty above and below its letters


def faults_of(figure):
    """Sentences that name what overlaps, is cut, too small or too pale; [] for a good figure."""
    figure.set_dpi(200)
    figure.canvas.draw()
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    texts = [t for t in texts if t.axes is None or t.axes.get_visible()]
    boxes = [(t, _box(t)) for t in texts]
    faults = []
    width, height = figure.bbox.width, figure.bbox.height
    for text, (x0, y0, x1, y1) in boxes:
        name = repr(text.get_text())
        if min(x0, y0) < -0.5 or x1 > width + 0.5 or y1 > height + 0.5:
            faults.append(f"{name} is cut by the edge of the figure")
        if text.get_fontsize() < SMALLEST:
            faults.append(f"{name} has {text.get_fontsize():.1f} points")
        if _contrast(text) < READABLE:
            faults.append(f"{name} has a contrast of {_contrast(text):.1f}")
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        if _meet(a, b):
            faults.append(f"{one.get_text()!r} overlaps {other.get_text()!r}")
    filled = [axis for axis in figure.axes if axis.get_images()]
    for text, box in boxes:
        for axis in filled:
            # Names of masks stand on the image; all other text is beside the images.
            if text.get_bbox_patch() is None and _meet(box, axis.get_window_extent().extents):
                faults.append(f"{text.get_text()!r} lies on an image")
    return faults


def _box(text):
    """The box of a text in pixels, less what is empty above and below its letters."""
    x0, y0, x1, y1 = text.get_window_extent().extents
    line = SLACK / 2 * text.get_fontsize() * 200 / 72
    if text.get_rotation() % 180:
        return x0 + line, y0, x1 - line, y1
    return x0, y0 + line, x1, y1 - line


def _meet(a, b):
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    return min(across, down) > TOUCH * 200 / 72


def _contrast(text):
    """With white paper, or with the patch behind the text over the lightest image."""
    behind = np.ones(3)
    patch = text.get_bbox_patch()
    if patch is not None:
        *color, alpha = to_rgba(patch.get_facecolor())
        behind = alpha * np.array(color) + (1 - alpha) * behind
    return contrast(to_hex(text.get_color()), to_hex(behind))
