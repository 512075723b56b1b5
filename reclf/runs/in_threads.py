"""A function of many items, in threads where a disk is waited for, with progress."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from .progress import track

S = TypeVar("S")
T = TypeVar("T")

MANY = 20_000  # items from which on progress is shown
_CHUNK = 256


def each(
    function: Callable[[S], T],
    items: Sequence[S],
    title: str,
    threads: int = 1,
    chunk_size: int = _CHUNK,
) -> Iterator[T]:
    """`function` of every item, in order, with progress where it takes long.

    Threads would only take turns on a local disk, and are three times slower than none: they are
    used where the first items wait for their files longer than they compute.

    Args:
        threads: where nothing is waited for; more than one for functions of milliseconds that let
            others compute, as decoders do.
        chunk_size: items that a thread takes at a time.
    """
    chunks = [items[first : first + chunk_size] for first in range(0, len(items), chunk_size)]

    def work(chunk: Sequence[S]) -> list[T]:
        return [function(item) for item in chunk]

    wall, computed = time.perf_counter(), time.thread_time()
    first = work(chunks[0]) if chunks else []
    wall, computed = time.perf_counter() - wall, time.thread_time() - computed
    yield from first
    pool = ThreadPoolExecutor(16 if wall > 3 * computed else threads)
    try:
        shown = title if len(items) >= MANY else ""
        rest = pool.map(work, chunks[1:])
        for part in track(rest, shown, f"times {chunk_size}", len(chunks) - 1):
            yield from part
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C does not wait for the rest
