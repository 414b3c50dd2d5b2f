"""From stored values to physical ones, and from those to grey levels on a screen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from medcourse.data.dicom._file import DicomError, guarded, quoted
from medcourse.data.dicom._header import GREY, looked_up, require_transform, transformed

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from pydicom.dataset import Dataset

__all__ = ["Window", "display", "rescale", "window", "windows"]

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


class Window(NamedTuple):
    """A window that a header recommends.

    Parameters
    ----------
    centre, width
        In the units of the pixels: Hounsfield units for CT.
    function
        LINEAR, LINEAR_EXACT or SIGMOID.
    explanation
        What the manufacturer calls it, such as LUNG; may be empty.

    Notes
    -----
    Taught in: 1.4.4 Image quality and DICOM geometry.

    Examples
    --------
    >>> Window(40.0, 400.0, "LINEAR", "soft tissue").width
    400.0
    """

    centre: float
    width: float
    function: str
    explanation: str


def rescale(stored: ArrayLike, dataset: Dataset) -> NDArray[np.float32]:
    """Turn stored numbers into physical values by the header's modality transform.

    `read` and its siblings have done so already; this is for stored values that come from elsewhere.

    Parameters
    ----------
    stored
        Whole numbers of any shape, as the file holds them.
    dataset
        Header with RescaleSlope and RescaleIntercept, a ModalityLUTSequence or (dose) DoseGridScaling. With
        none of them the values stay as they are.

    Returns
    -------
    numpy.ndarray
        float32, the shape of `stored`: Hounsfield units for CT, gray for a dose grid, the manufacturer's
        units otherwise.

    Raises
    ------
    DicomError
        If `dataset` is of CT and lacks the rescale to Hounsfield units, its table is damaged, or a result is
        not finite.

    Notes
    -----
    Taught in: 1.4.4 Image quality and DICOM geometry. The modality LUT of DICOM PS3.3 C.11.1; slope and
    intercept are applied in double precision. Below and above the ends of a table, its end entries hold.

    Examples
    --------
    >>> from medcourse.data import samples
    >>> rescale([0, 1024, 2048], samples.ct().dataset)
    array([-1024.,     0.,  1024.], dtype=float32)
    """
    with guarded("dataset"):
        require_transform(dataset, dataset.get("Modality"), "dataset")
        return transformed(np.asarray(stored), dataset, "dataset")


def window(hu: ArrayLike, *, centre: float, width: float, function: str = "LINEAR") -> NDArray[np.uint8]:
    """Map values to grey levels 0–255 with one of DICOM's three window functions.

    Parameters
    ----------
    hu
        Numbers of any shape, in Hounsfield units for CT (or the units of `centre` and `width`).
    centre
        Window centre *c*, in the units of `hu`.
    width
        Window width *w*, in the units of `hu`: at least 1 for LINEAR (where 1 is a threshold), above 0 for
        the others.
    function
        ``"LINEAR"`` (the default of the standard), ``"LINEAR_EXACT"`` or ``"SIGMOID"``.

    Returns
    -------
    numpy.ndarray
        uint8, the shape of `hu`: 0 up to the lower end of a linear window, 255 above its upper end.

    Raises
    ------
    ValueError
        If `centre` or `width` is not finite, `width` is too small, `function` is none of the three, or `hu`
        is empty, is not made of real numbers, holds NaN, or is a colour picture.

    Notes
    -----
    Taught in: 1.4.1 X-ray and CT. LINEAR is the function of DICOM PS3.3 C.11.2.1.2.1, with its half
    unit: 0 where ``x <= c - 0.5 - (w - 1) / 2``, 255 where ``x > c - 0.5 + (w - 1) / 2``, and in between
    ``((x - (c - 0.5)) / (w - 1) + 0.5) * 255``. LINEAR_EXACT (C.11.2.1.3.2) is the same with *c* for
    ``c - 0.5`` and *w* for ``w - 1``. SIGMOID (C.11.2.1.3.1) is ``255 / (1 + exp(-4 (x - c) / w))``. All
    are rounded to the nearest integer (ties to even).

    Examples
    --------
    Air, water and bone in a window of 400 HU about 40 HU:

    >>> window([-1000, 0, 40, 300], centre=40, width=400)
    array([  0, 102, 128, 255], dtype=uint8)
    >>> window([-1000, 0, 40, 300], centre=40, width=400, function="SIGMOID")
    array([  0, 102, 128, 237], dtype=uint8)
    """
    if function not in FUNCTIONS:
        raise ValueError(f"function={function!r}: give one of {', '.join(FUNCTIONS)}")
    if not math.isfinite(centre):
        raise ValueError(f"centre={centre}: give a finite number, for example centre=40 for soft tissue")
    linear = function == "LINEAR"
    if not (math.isfinite(width) and (width >= 1 if linear else width > 0)):
        least = "of at least 1" if linear else "above 0"
        raise ValueError(f"width={width}: give a finite number {least}, for example width=400 for soft tissue")
    x = _real(hu)
    middle, span = (centre - 0.5, width - 1) if linear else (centre, width)
    if span == 0:
        return np.where(x > middle, 255, 0).astype(np.uint8)
    if function == "SIGMOID":
        from scipy.special import expit  # 1 / (1 + exp(-t)), which does not overflow far from the centre

        share = expit(4 * (x - middle) / span)
    else:
        share = np.clip((x - middle) / span + 0.5, 0.0, 1.0)
    return np.asarray(np.rint(share * 255), dtype=np.uint8)


def windows(dataset: Dataset) -> list[Window]:
    """List the windows that a header recommends, in its order; the first is the one to show.

    Parameters
    ----------
    dataset
        Header of a slice, or of an enhanced multi-frame file (then the windows of its first frame).

    Returns
    -------
    list of Window
        Empty if the header recommends none.

    Raises
    ------
    DicomError
        If centres and widths differ in number, or one is no number.

    Notes
    -----
    Taught in: 1.4.4 Image quality and DICOM geometry. The VOI LUT module, DICOM PS3.3 C.11.2. Tables
    (VOILUTSequence) are not windows; `display` applies them.

    Examples
    --------
    >>> from pydicom.dataset import Dataset
    >>> header = Dataset()
    >>> header.WindowCenter, header.WindowWidth = [40, -600], [400, 1500]
    >>> for found in windows(header):
    ...     print(found.centre, found.width, found.function)
    40.0 400.0 LINEAR
    -600.0 1500.0 LINEAR
    """
    with guarded("dataset"):
        source = _voi_source(dataset)
        centres, widths = (
            [float(item) for item in np.atleast_1d(value)] if (value := source.get(name)) not in (None, "") else []
            for name in ("WindowCenter", "WindowWidth")
        )
        if len(centres) != len(widths):
            raise DicomError(f"dataset: {len(centres)} window centres, {len(widths)} widths; give centre and width")
        function = str(source.get("VOILUTFunction") or "LINEAR").upper()
        texts = [str(item) for item in np.atleast_1d(source.get("WindowCenterWidthExplanation") or [])]
        texts += [""] * (len(centres) - len(texts))
        pairs = zip(centres, widths, texts, strict=False)
        return [Window(centre, width, function, text) for centre, width, text in pairs]


def display(pixels: ArrayLike, dataset: Dataset, *, view: int = 0) -> NDArray[np.uint8]:
    """Show values as the header asks: through its table or window, and inverted where it is MONOCHROME1.

    Parameters
    ----------
    pixels
        Physical values, as `read` gives them; any shape.
    dataset
        The header they belong to.
    view
        Which of the header's recommendations: its tables (VOILUTSequence) come first, then its windows.

    Returns
    -------
    numpy.ndarray
        uint8 grey levels for a screen, the shape of `pixels`: 0 is black, 255 white. Without any
        recommendation the full range of `pixels` is shown, from its minimum to its maximum.

    Raises
    ------
    DicomError
        If `view` does not exist, or what the header recommends is not usable.
    ValueError
        If `pixels` is empty, is not made of real numbers, or holds NaN.

    Notes
    -----
    Taught in: 1.4.4 Image quality and DICOM geometry. In a MONOCHROME1 image the lowest value is meant
    to be shown white (DICOM PS3.3 C.7.6.3.1.2), as on a film, so the grey levels are inverted **after** the
    window. `read` and `window` never invert: values stay what they measure.

    Examples
    --------
    >>> from medcourse.data import samples
    >>> image = samples.ct()
    >>> image.dataset.PhotometricInterpretation, windows(image.dataset)
    ('MONOCHROME2', [])
    >>> int(display(image.pixels, image.dataset).max())
    255
    """
    x = _real(pixels)
    with guarded("dataset"):
        colour = str(dataset.get("PhotometricInterpretation"))
        if colour not in GREY:
            raise DicomError(f"dataset: PhotometricInterpretation is {quoted(colour)}; give a grey image")
        tables = list(_voi_source(dataset).get("VOILUTSequence") or [])
        found = windows(dataset)
        count = len(tables) + len(found)
        if not 0 <= view < max(count, 1):
            raise DicomError(f"dataset: view={view}, but it recommends {count} tables and windows; count from 0")
        if view < len(tables):
            top = 2 ** int(tables[view].LUTDescriptor[2]) - 1
            grey = np.rint(np.clip(looked_up(x, tables[view], "dataset") / top, 0, 1) * 255).astype(np.uint8)
        elif found:
            centre, width, function, _ = found[view - len(tables)]
            try:
                grey = window(x, centre=centre, width=width, function=function)
            except ValueError as error:
                raise DicomError(f"dataset: its window is not usable ({error})") from error
        else:
            low, high = float(x.min()), float(x.max())
            grey = window(x, centre=(low + high) / 2, width=max(high - low, 1e-6), function="LINEAR_EXACT")
    return np.asarray(255 - grey if colour == "MONOCHROME1" else grey, dtype=np.uint8)


def _voi_source(dataset: Dataset) -> Dataset:
    """Find where the windows stand: in the header itself, or in the functional groups of an enhanced file."""
    for name in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        groups: Any = dataset.get(name)
        if groups and (macro := groups[0].get("FrameVOILUTSequence")):
            return macro[0]  # type: ignore[no-any-return]
    return dataset


def _real(hu: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(hu)
    if values.dtype.kind not in "iuf" or values.size == 0:
        raise ValueError(f"hu has dtype {values.dtype}, shape {values.shape}: give a non-empty array of real numbers")
    if values.dtype == np.uint8 and values.ndim == 3 and values.shape[2] in (3, 4):
        raise ValueError(f"hu is a colour picture of shape {values.shape}: a window applies to one grey channel")
    x = values.astype(np.float64)
    if np.isnan(x).any():
        raise ValueError(f"hu holds {int(np.isnan(x).sum())} NaN: replace them first, for example with np.nan_to_num")
    return x
