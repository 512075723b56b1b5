"""Progress that suits where it is shown: a bar in a live notebook, now and then a line elsewhere.

A bar under papermill would be stored with the notebook as a dead widget, once for each loop.
"""

import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm.auto import tqdm

from .notebook import is_live

T = TypeVar("T")
SECONDS_PER_LINE = 10.0


def track(items: Iterable[T], title: str = "", unit: str = "", total: int = 0) -> Iterator[T]:
    """Yield the items and show how far it is; an empty title shows nothing.

    Args:
        total: number of the items, where they have no length.
    """
    if not title:
        yield from items
        return
    if is_live():
        yield from tqdm(items, desc=title, unit=unit or "it", total=total or None)
        return
    total = len(items) if isinstance(items, Sized) else total
    start = shown = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - shown > SECONDS_PER_LINE and done != total:
            left = f" of {total}, {(total - done) / done * (now - start):.0f} s left"
            print(f"{title}: {done}{left if total else ''}", flush=True)
            shown = now
    print(f"{title}: {done} {unit}".rstrip(), f"in {time.monotonic() - start:.1f} s", flush=True)
