"""Figures that say what is seen: every figure is shown through `show` with its alternative text.

The alternative text travels in the output's own metadata, so one stored output serves the site's
``<img alt>``, JupyterLab and Colab, and the text may hold numbers that the page computed.
"""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

__all__ = ["image_row", "show"]

_DPI = 110


def show(figure: Any, *, alt: str) -> None:
    """Display a Matplotlib or Plotly figure once, with alternative text, and close it.

    Parameters
    ----------
    figure
        A `matplotlib.figure.Figure` or a `plotly.graph_objects.Figure`.
    alt
        What is seen and what it shows, for readers who do not see it: one or two sentences,
        at least 30 characters.

    Raises
    ------
    ValueError
        If `alt` is too short to describe anything.
    TypeError
        If `figure` is of neither kind.

    Notes
    -----
    Taught in: How to use this book. In Colab a Plotly figure goes through Colab's own renderer.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> figure, axes = plt.subplots()
    >>> show(figure, alt="too short")
    Traceback (most recent call last):
    ...
    ValueError: alt='too short' is too short: say in a sentence what is seen and what it shows
    """
    if len(alt.strip()) < 30:
        raise ValueError(f"alt={alt!r} is too short: say in a sentence what is seen and what it shows")
    from IPython.display import display

    alt = " ".join(alt.split())
    if hasattr(figure, "savefig"):
        import matplotlib.pyplot as plt

        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=_DPI, bbox_inches="tight", metadata={"Software": None})
        width = int(np.frombuffer(buffer.getvalue()[16:20], dtype=">u4")[0])
        plt.close(figure)
        bundle = {"image/png": buffer.getvalue(), "text/plain": f"[figure] {alt}"}
        display(bundle, raw=True, metadata={"image/png": {"alt": alt, "width": width}})
    elif hasattr(figure, "to_plotly_json"):
        if "google.colab" in sys.modules:
            figure.show()
            return
        display(_plotly_bundle(figure, alt), raw=True)
    else:
        raise TypeError(f"figure is a {type(figure).__name__}: pass a Matplotlib or a Plotly figure")


def _plotly_bundle(figure: Any, alt: str) -> dict[str, Any]:
    """The two forms that JupyterLab and the static site need; the page itself brings plotly.js once."""
    import html
    import json

    name = "plotly-" + hashlib.sha256(alt.encode()).hexdigest()[:12]
    body = figure.to_html(full_html=False, include_plotlyjs=False, div_id=name, config={"displaylogo": False})
    label = html.escape(alt, quote=True)
    return {
        "application/vnd.plotly.v1+json": json.loads(figure.to_json()),
        "text/html": f'<div role="group" aria-label="{label}" class="course-plotly">{body}</div>',
        "text/plain": f"[interactive figure] {alt}",
    }


def image_row(
    images: Sequence[ArrayLike],
    titles: Sequence[str],
    *,
    spacing_mm: tuple[float, float] = (1.0, 1.0),
    limits: tuple[float, float] | None = None,
    height_in: float = 2.8,
) -> Figure:
    """Draw grey-level or colour images side by side, with the true aspect.

    Parameters
    ----------
    images
        Arrays of shape (rows, columns) or (rows, columns, 3).
    titles
        One short title per image.
    spacing_mm
        Distance between pixel centres (row direction, column direction), in millimetres.
    limits
        Grey values drawn black and white, for all images; None takes each image's own range.
    height_in
        Height of the row, in inches.

    Returns
    -------
    matplotlib.figure.Figure
        Not yet shown: pass it to `show` with its alternative text.

    Raises
    ------
    ValueError
        If the numbers of images and titles differ, or an image has the wrong shape.

    Notes
    -----
    Taught in: 1.4.1 X-ray and CT.

    Examples
    --------
    >>> figure = image_row([np.zeros((4, 6))], ["air"])
    >>> len(figure.axes)
    1
    """
    import matplotlib.pyplot as plt

    if len(images) != len(titles) or not len(images):
        raise ValueError(f"{len(images)} images and {len(titles)} titles: give one title to each image")
    arrays = [np.asarray(image) for image in images]
    for array in arrays:
        if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in (3, 4)):
            raise ValueError(f"an image has shape {array.shape}: expected (rows, columns) or (rows, columns, 3)")
    aspect = spacing_mm[0] / spacing_mm[1]
    widths = [array.shape[1] / (array.shape[0] * aspect) for array in arrays]
    figure, axes = plt.subplots(
        1,
        len(arrays),
        figsize=(height_in * sum(widths) + 0.1 * len(arrays), height_in + 0.35),
        squeeze=False,
        gridspec_kw={"width_ratios": widths},
        layout="constrained",
    )
    low, high = limits if limits is not None else (None, None)
    for axis, array, title in zip(axes[0], arrays, titles, strict=True):
        axis.imshow(array, cmap="gray", vmin=low, vmax=high, aspect=aspect, interpolation="nearest")
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    return figure
