"""One rule for progress bars: seen by people, never stored in a notebook's outputs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def is_shown(progress: bool | None) -> bool:
    """Whether a bar is drawn: as asked, or for None on a terminal and in a notebook that a person runs.

    The tools that execute notebooks set ``MEDCOURSE_PROGRESS=0``, so that no bar is ever stored.
    """
    if progress is not None:
        return progress
    if os.environ.get("MEDCOURSE_PROGRESS") == "0":
        return False
    return sys.stderr.isatty() or _in_kernel()


def _in_kernel() -> bool:
    """Whether this process is a notebook's kernel; that ipykernel is loaded is not enough, test tools load it too."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def bar(
    items: Iterable[Item], *, total: int, unit: str, progress: bool | None = None, scale: bool = False
) -> Iterator[Item]:
    """Go through `items` under a progress bar on stderr that appears after two seconds."""
    yield from tqdm(
        items,
        total=total,
        unit=unit,
        unit_scale=scale,
        delay=0 if progress else 2,
        disable=not is_shown(progress),
        leave=False,
        file=sys.stderr,
    )
