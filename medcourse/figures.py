"""Figures that say what is seen: every figure is shown through `show` with its alternative text.

The alternative text travels in the output's own metadata, so one stored output serves the site's
``<img alt>``, JupyterLab and Colab, and the text may hold numbers that the page computed.
"""

from __future__ import annotations

import hashlib
import html
import io
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

__all__ = ["COLOURS", "image_row", "overlay", "scale_bar", "show"]

COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "blue": "#0072B2",
        "orange": "#E69F00",
        "green": "#009E73",
        "red": "#D55E00",
        "sky": "#56B4E9",
        "pink": "#CC79A7",
        "yellow": "#F0E442",
        "black": "#000000",
    }
)
"""Okabe and Ito's colours, told apart by colour-blind readers; here in the order to use them in.

Source: Wong B, Points of view: Color blindness, Nature Methods 2011;8:441, doi 10.1038/nmeth.1618.
"""

_DPI = 112  # stored a little finer than shown; a notebook of pictures stays below its limit of size
_CSS_DPI = 96  # pixels of the browser per inch
_shown: Counter[str] = Counter()  # Plotly names given in this process, so that none is given twice


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
    Taught in: How to use this book. A Matplotlib figure is stored at 112 dots per inch on white and shown at
    its size in inches. A Plotly figure does not start to play by itself, and in Colab goes through Colab's
    own renderer.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> figure, axes = plt.subplots()
    >>> show(figure, alt="too short")
    Traceback (most recent call last):
    ...
    ValueError: alt='too short' is too short: say in a sentence what is seen and what it shows
    """
    alt = " ".join(alt.split())
    if len(alt) < 30:
        raise ValueError(f"alt={alt!r} is too short: say in a sentence what is seen and what it shows")
    from IPython.display import display

    if hasattr(figure, "savefig"):
        png = _png(figure)
        width = round(int.from_bytes(png[16:20]) * _CSS_DPI / _DPI)
        bundle = {"image/png": png, "text/plain": f"[figure] {alt}"}
        display(bundle, raw=True, metadata={"image/png": {"alt": alt, "width": width}})
    elif hasattr(figure, "to_plotly_json"):
        if "google.colab" in sys.modules:
            figure.show()
            return
        display(_plotly_bundle(figure, alt), raw=True)
    else:
        raise TypeError(f"figure is a {type(figure).__name__}: pass a Matplotlib or a Plotly figure")


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
        Arrays of shape (rows, columns), or (rows, columns, 3 or 4) in colour: integers 0–255 or floats 0–1.
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
        Not yet shown: pass it to `show` with its alternative text. Its axes have pixel coordinates.

    Raises
    ------
    ValueError
        If the numbers of images and titles differ, an image is empty or has the wrong shape, a colour is out
        of range, or `spacing_mm` or `limits` cannot be drawn.

    Notes
    -----
    Taught in: 1.4.1 X-ray and CT. Pixels are drawn as squares where they are enlarged and averaged where
    there are more of them than dots.

    Examples
    --------
    >>> figure = image_row([np.zeros((4, 6))], ["air"])
    >>> len(figure.axes)
    1
    """
    import matplotlib.pyplot as plt

    if len(images) != len(titles) or not len(images):
        raise ValueError(f"{len(images)} images and {len(titles)} titles: give one title to each image")
    if limits is not None and not (np.isfinite(limits).all() and limits[0] < limits[1]):
        raise ValueError(f"limits={limits}: give two finite numbers, the lower one first")
    arrays = [_drawable(image) for image in images]
    aspect = _aspect(spacing_mm)
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
        enlarged = array.shape[0] <= height_in * _DPI
        method = "nearest" if enlarged else "antialiased"
        axis.imshow(array, cmap="gray", vmin=low, vmax=high, aspect=aspect, interpolation=method)
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    return figure


def overlay(axis: Axes, mask: ArrayLike, *, colour: str = COLOURS["orange"], label: str | None = None) -> None:
    """Mark a mask on an image that is drawn already: its outline, and a translucent fill.

    Parameters
    ----------
    axis
        Where the image was drawn, in pixel coordinates (an axis of `image_row`, or of ``imshow``).
    mask
        Booleans, or 0 and 1, of shape (rows, columns). An empty mask marks nothing.
    colour
        Any Matplotlib colour; take it from `COLOURS`.
    label
        Name in a legend, if the figure gets one.

    Raises
    ------
    ValueError
        If `mask` is not two-dimensional or holds other values than 0 and 1.

    Notes
    -----
    Taught in: 5.1.2 Classification. The outline runs half-way between the pixels inside and outside.

    Examples
    --------
    >>> figure = image_row([np.zeros((8, 8))], ["lesion"])
    >>> overlay(figure.axes[0], np.eye(8))
    """
    from matplotlib.colors import to_rgba

    values = np.asarray(mask)
    if values.ndim != 2 or not np.isin(values, (0, 1)).all():
        raise ValueError(f"mask has shape {values.shape}, dtype {values.dtype}: give booleans, shape (rows, columns)")
    inside = values.astype(bool)
    fill = np.zeros((*inside.shape, 4))
    fill[inside] = to_rgba(colour, alpha=0.25)
    aspect, limits = axis.get_aspect(), (axis.get_xlim(), axis.get_ylim())
    axis.imshow(fill, aspect=aspect, interpolation="nearest")
    if inside.any():
        framed = np.pad(inside, 1).astype(float)  # closes the outline of a mask that meets the border
        x, y = np.arange(-1, inside.shape[1] + 1), np.arange(-1, inside.shape[0] + 1)
        axis.contour(x, y, framed, levels=[0.5], colors=[colour], linewidths=1.5)
    if label is not None:
        axis.plot([], [], color=colour, linewidth=1.5, label=label)
    axis.set(xlim=limits[0], ylim=limits[1])


def scale_bar(axis: Axes, length_mm: float, *, spacing_mm: tuple[float, float]) -> None:
    """Draw a bar of known length into the lower left corner of an image.

    Parameters
    ----------
    axis
        Where the image was drawn, in pixel coordinates (an axis of `image_row`, or of ``imshow``).
    length_mm
        Length of the bar in millimetres; it fits into the image.
    spacing_mm
        Distance between pixel centres (row direction, column direction), in millimetres.

    Raises
    ------
    ValueError
        If the bar is longer than the image, or the spacing is not two positive lengths.

    Notes
    -----
    Taught in: 1.4.1 X-ray and CT.

    Examples
    --------
    >>> figure = image_row([np.zeros((100, 100))], ["phantom"])
    >>> scale_bar(figure.axes[0], 20, spacing_mm=(0.5, 0.5))  # 40 of the 100 columns
    >>> scale_bar(figure.axes[0], 90, spacing_mm=(0.5, 0.5))
    Traceback (most recent call last):
    ...
    ValueError: length_mm=90 does not fit into an image 50 mm wide: take a shorter bar
    """
    from matplotlib.patheffects import withStroke

    _aspect(spacing_mm)
    left, right = sorted(axis.get_xlim())
    bottom, top = axis.get_ylim()
    width_mm = (right - left) * spacing_mm[1]
    if not 0 < length_mm <= 0.9 * width_mm:
        raise ValueError(f"length_mm={length_mm:g} does not fit into an image {width_mm:g} mm wide: take a shorter bar")
    start, level = left + 0.05 * (right - left), bottom + 0.06 * (top - bottom)
    end = start + length_mm / spacing_mm[1]
    outline = [withStroke(linewidth=4.5, foreground="black")]
    axis.plot([start, end], [level, level], color="white", linewidth=2.5, solid_capstyle="butt", path_effects=outline)
    axis.annotate(
        f"{length_mm:g} mm",
        ((start + end) / 2, level),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=8,
        color="white",
        path_effects=[withStroke(linewidth=2, foreground="black")],
    )
    axis.set(xlim=(left, right), ylim=(bottom, top))


def _png(figure: Figure) -> bytes:
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    try:
        figure.savefig(
            buffer,
            format="png",
            dpi=_DPI,
            bbox_inches="tight",
            facecolor="white",
            transparent=False,
            metadata={"Software": None},  # no version in the file: the same figure gives the same bytes
        )
    finally:
        plt.close(figure)
    return _smaller(buffer.getvalue())


def _smaller(png: bytes) -> bytes:
    """The same picture, with a palette where 256 colours hold it exactly, which grey images allow."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    if image.getcolors(256) is not None:
        image = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _plotly_bundle(figure: Any, alt: str) -> dict[str, Any]:
    """The two forms that JupyterLab and the static site need; the page itself brings plotly.js once."""
    words = re.sub(r"[-+]?\d[\d.,]*", "#", alt)  # a number that differs by rounding must not change the name
    name = "plotly-" + hashlib.sha256(words.encode()).hexdigest()[:12]
    _shown[name] += 1
    if _shown[name] > 1:
        name = f"{name}-{_shown[name]}"
    body = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=name,
        default_height="450px",  # where the layout names none: a share of the page's height is no height
        auto_play=False,
        config={"displaylogo": False},
    )
    label = html.escape(alt, quote=True)
    return {
        "application/vnd.plotly.v1+json": json.loads(figure.to_json()),
        "text/html": f'<div role="group" aria-label="{label}" class="course-plotly">{body}</div>',
        "text/plain": f"[interactive figure] {alt}",
    }


def _drawable(image: ArrayLike) -> NDArray[Any]:
    array = np.asarray(image)
    array = array.astype(np.uint8) if array.dtype == bool else array
    colour = array.ndim == 3 and array.shape[2] in (3, 4)
    if not (array.ndim == 2 or colour) or array.size == 0 or array.dtype.kind not in "iuf":
        raise ValueError(
            f"an image has shape {array.shape}, dtype {array.dtype}: "
            "give numbers, shape (rows, columns) or (rows, columns, 3)"
        )
    top = 1 if array.dtype.kind == "f" else 255
    if colour and not (array.min() >= 0 and array.max() <= top):
        raise ValueError(f"a colour image holds {array.min()} … {array.max()}: give integers 0–255 or floats 0–1")
    return array


def _aspect(spacing_mm: tuple[float, float]) -> float:
    """Height of a pixel in widths."""
    rows, columns = (float(value) for value in spacing_mm)
    if not (math.isfinite(rows) and math.isfinite(columns) and rows > 0 and columns > 0):
        raise ValueError(f"spacing_mm={spacing_mm}: give two positive lengths in mm, (row direction, column direction)")
    return rows / columns
