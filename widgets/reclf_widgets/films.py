"""The film behind a case: its preview, its file's own pixels, and what is said of them.

    explanations of one pair -> Film -> JPEG of the preview, pixels of the file, a sentence

A preview travels with the explanation. The file's pixels are read when they are asked for, and only
by a live notebook: a page keeps neither them nor the path.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import cv2
import numpy as np

from reclf.data.radiographs import Frame, ImageError, read_film
from reclf.explain import Explanation

LONGEST = 2048  # pixels of the longer side that are sent
KEPT = 4  # films whose pixels a reader keeps
QUALITY = 90  # of the preview's JPEG


@dataclass(frozen=True)
class Film:
    """The film of an explanation that knows one."""

    frame: Frame
    one: Explanation

    def describe(self, live: bool) -> dict[str, Any]:
        """For the browser: sizes as [height, width], whether the file's pixels can be asked for,
        and a sentence.

        Args:
            live: whether there is a kernel to ask.
        """
        preview = self.one.preview
        return {
            "preview": None if preview is None else list(preview.shape),
            "original": live and self._larger() and Path(self.frame.path).is_file(),
            "said": self._sentence(live),
        }

    def jpeg(self) -> bytes:
        """The preview as a JPEG file; empty where there is none."""
        if self.one.preview is None:
            return b""
        options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
        return cv2.imencode(".jpg", self.one.preview, options)[1].tobytes()

    def original(self) -> tuple[np.ndarray | None, str]:
        """The file's pixels, uint8 (h, w) of at most LONGEST a side, and what is said of them; None
        and the reason where they cannot be read."""
        try:
            pixels = read_film(self.frame, self.one.image, LONGEST)
        except ImageError as error:
            return None, f"{error}. {self._shown()}"
        whole = self.frame.height, self.frame.width
        if pixels.shape == whole:
            return pixels, f"Film: all {size(whole)} pixels of the file."
        return pixels, f"Film: {size(pixels.shape)} of the file's {size(whole)} pixels."

    def _larger(self) -> bool:
        preview = self.one.preview
        return preview is not None and preview.shape != (self.frame.height, self.frame.width)

    def _shown(self) -> str:
        if self.one.preview is None:
            return f"Shown are the {size(self.one.image.shape)} pixels that the model saw."
        whole = size((self.frame.height, self.frame.width))
        return f"Shown is the preview, {size(self.one.preview.shape)} of {whole} pixels."

    def _sentence(self, live: bool) -> str:
        path = self.frame.path if live else Path(self.frame.path).name
        if self.one.preview is None:
            return f"The film {path} could not be read when this was explained. {self._shown()}"
        if not self._larger():
            return f"Film: all {size(self.one.preview.shape)} pixels of the file."
        if not live:
            return f"{self._shown()} A notebook that reaches {path} shows the file's own."
        if Path(path).is_file():
            return self._shown()
        return f"The film {path} is missing on this machine. {self._shown()}"


Original = tuple[np.ndarray | None, str]


class FilmReader:
    """Reads the own pixels of films, and one of them before it is asked for, in a thread.

    The last KEPT films stay in memory, up to 4 MB each. A key is whatever tells one film from
    another.
    """

    def __init__(self) -> None:
        self._reading: dict[Any, Thread] = {}  # in the order in which they were begun
        self._read: dict[Any, Original] = {}

    def read(self, key: Any, film: Film) -> Original:
        """See `Film.original`; at once where it was begun."""
        self.begin(key, film)
        self._reading[key].join()
        if key not in self._read:  # the thread has failed: let the error be seen here
            self._read[key] = film.original()
        found = self._read[key]
        if found[0] is None:  # it may be there the next time
            del self._reading[key], self._read[key]
        return found

    def begin(self, key: Any, film: Film) -> None:
        """Read a film that may be asked for next."""
        if key in self._reading:
            return
        while len(self._reading) >= KEPT:
            oldest = next(iter(self._reading))
            self._reading.pop(oldest).join()
            self._read.pop(oldest, None)
        self._reading[key] = Thread(target=self._fill, args=(key, film), daemon=True)
        self._reading[key].start()

    def _fill(self, key: Any, film: Film) -> None:
        self._read[key] = film.original()


def film_of(models: Sequence[Explanation]) -> Film | None:
    """The film of the first explanation that has a preview, else of the first that names a file."""
    named = [one for one in models if one.frame is not None and one.frame.path]
    for one in sorted(named, key=lambda one: one.preview is None):
        assert one.frame is not None
        return Film(one.frame, one)
    return None


def size(shape: Sequence[int]) -> str:
    """ "2,500 x 2,048": height by width."""
    return " x ".join(f"{length:,}" for length in shape)
