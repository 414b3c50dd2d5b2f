"""Texture as a process: how well neighbours predict a pixel (autoregression), and energy by scale (wavelets)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from medcourse.features._regions import mirrored
from medcourse.features._sums import Ragged

__all__ = ["NEIGHBOURS", "autoregressive_measures", "wavelet_margin", "wavelet_measures"]

Float = NDArray[np.float64]

NEIGHBOURS = {"left": (0, -1), "up": (-1, 0), "up_left": (-1, -1), "up_right": (-1, 1)}


def autoregressive_measures(image: Float, mask: NDArray[np.bool_]) -> dict[str, Float]:
    """Fit the causal two-dimensional autoregressive model to each region by least squares.

    Parameters
    ----------
    image
        float64 of shape (n, z, rows, columns); slices of one region share one model.
    mask
        bool of the same shape.

    Returns
    -------
    dict of str to numpy.ndarray
        `theta_left`, `theta_up`, `theta_up_left`, `theta_up_right`, and `sigma`, the residual's standard deviation
        relative to the region's, each of shape (n,). NaN where fewer than ten pixels have all four neighbours in the
        region, or where the neighbours do not determine the model (a constant region).

    Notes
    -----
    The region's mean is subtracted; only pixels whose four neighbours lie in the region enter. Not part of IBSI.
    Taught in: 3.2.2 Texture features.

    Examples
    --------
    >>> rows = np.add.outer(np.arange(8.0), np.zeros(8))  # every pixel equals its left neighbour
    >>> image = rows[None, None] + 0.1 * np.random.default_rng(0).standard_normal((1, 1, 8, 8))
    >>> sorted(autoregressive_measures(image, np.ones_like(image, bool)))
    ['sigma', 'theta_left', 'theta_up', 'theta_up_left', 'theta_up_right']
    """
    n = len(image)
    inside = Ragged(mask.reshape(n, -1).sum(axis=1))
    mean = inside.mean(image[mask])
    edges = ((0, 0), (0, 0), (1, 0), (1, 1))
    padded, wide = np.pad(image, edges), np.pad(mask, edges)
    known = np.zeros_like(wide)  # the pixel and its neighbours lie in the region
    known[:, :, 1:, 1:-1] = mask
    rows, columns = image.shape[2:]
    for down, right in NEIGHBOURS.values():
        known[:, :, 1:, 1:-1] &= wide[:, :, 1 + down : 1 + down + rows, 1 + right : 1 + right + columns]
    place = np.flatnonzero(known)
    steps = [down * padded.shape[3] + right for down, right in NEIGHBOURS.values()]
    used = Ragged(known.reshape(n, -1).sum(axis=1))
    middle = used.spread(mean)
    target, *predictors = (padded.ravel()[place + step] - middle for step in (0, *steps))
    size = len(predictors)
    gram, moment = np.empty((n, size, size)), np.empty((n, size))
    for i, first in enumerate(predictors):
        moment[:, i] = used.total(first * target)
        for j in range(i, size):
            gram[:, i, j] = gram[:, j, i] = used.total(first * predictors[j])
    scale = np.trace(gram, axis1=1, axis2=2)
    sound = (used.count >= 10) & (np.linalg.eigvalsh(gram)[:, 0] > 1e-9 * scale) & (scale > 0)
    gram = np.where(sound[:, None, None], gram, np.eye(size))
    theta: Float = np.linalg.solve(gram, moment[..., None])[..., 0].astype(np.float64)
    residual = target - sum(used.spread(theta[:, i]) * values for i, values in enumerate(predictors))
    variance = inside.mean((image[mask] - inside.spread(mean)) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = np.sqrt(used.total(residual**2) / used.count / variance)
    found = {f"theta_{name}": theta[:, k] for k, name in enumerate(NEIGHBOURS)} | {"sigma": sigma}
    return {name: np.where(sound, value, np.nan) for name, value in found.items()}


@lru_cache(maxsize=64)
def wavelet_margin(wavelet: str, levels: int) -> tuple[int, int]:
    """Tell how many pixels before and after a pixel its wavelet details depend on.

    Parameters
    ----------
    wavelet
        An orthogonal discrete wavelet that PyWavelets knows.
    levels
        Number of scales, 1 to 6.

    Returns
    -------
    tuple of int
        Pixels before (above, left of) and after (below, right of).

    Raises
    ------
    ValueError
        If `wavelet` is not known or not orthogonal, `levels` is not 1 to 6, or the margin is above 512 pixels.

    Notes
    -----
    At scale k a filter of n taps spans (n - 1) 2 ** (k - 1) pixels; the spans of all scales add up.
    Taught in: 3.2.2 Texture features.

    Examples
    --------
    >>> wavelet_margin("haar", 1), wavelet_margin("db2", 3)
    ((0, 1), (7, 14))
    """
    import pywt

    if wavelet not in pywt.wavelist(kind="discrete"):
        raise ValueError(f"wavelet={wavelet!r} is not known: give a discrete wavelet, for example 'haar' or 'db2'")
    if not pywt.Wavelet(wavelet).orthogonal:
        raise ValueError(f"wavelet={wavelet!r} is not orthogonal, so that energies do not add up: give 'haar' or 'db2'")
    if levels not in range(1, 7):
        raise ValueError(f"levels={levels}: give 1 to 6 scales")
    half = pywt.Wavelet(wavelet).dec_len // 2
    levels = int(levels)  # 2.0 is a whole number, too
    margin = half * (2**levels - 1)
    if margin > 512:
        raise ValueError(f"wavelet={wavelet!r} with levels={levels} looks at {margin} pixels around: give fewer scales")
    return (half - 1) * (2**levels - 1), margin


def wavelet_measures(
    image: Float, mask: NDArray[np.bool_], *, wavelet: str = "db2", levels: int = 3
) -> dict[str, float]:
    """Mean energy inside a region of the undecimated wavelet details, by scale and direction.

    Parameters
    ----------
    image
        float64 of shape (..., rows, columns): the region with its surroundings, of which `wavelet_margin` tells how
        many pixels matter. Beyond, the picture repeats itself (after it was mirrored up to a multiple of
        2 ** `levels` pixels).
    mask
        bool of the same shape.
    wavelet
        An orthogonal discrete wavelet that PyWavelets knows.
    levels
        Number of scales; scale k holds details of some 2 ** k pixels.

    Returns
    -------
    dict of str to float
        For each scale k the energies `horizontal_k` (details that vary down the rows), `vertical_k` and
        `diagonal_k`, in the squared units of `image`.

    Raises
    ------
    ValueError
        If the mask is empty, `wavelet` is not known or not orthogonal, or `levels` is not 1 to 6.

    Notes
    -----
    The stationary transform of PyWavelets, normalised so that the energies of all bands and of the approximation sum
    to the mean square of the whole picture. Shifting the picture shifts the details and leaves their energies.
    Not part of IBSI 1.
    Taught in: 3.2.2 Texture features.

    Examples
    --------
    >>> stripes = np.tile([[1.0, -1.0]], (16, 8))
    >>> energy = wavelet_measures(stripes, np.ones((16, 16), bool), wavelet="haar", levels=1)
    >>> {name: round(value, 6) for name, value in energy.items()}
    {'horizontal_1': 0.0, 'vertical_1': 1.0, 'diagonal_1': 0.0}
    """
    import pywt

    wavelet_margin(wavelet, levels)  # for its checks
    rows, columns = image.shape[-2:]
    wide = mirrored(image, (0, -rows % 2**levels), (0, -columns % 2**levels))
    found, size = {}, int(mask.sum())
    if size == 0:
        raise ValueError("mask is empty: mark at least one pixel")
    for k, bands in enumerate(pywt.swt2(wide, wavelet, levels, norm=True, trim_approx=True, axes=(-2, -1))[:0:-1], 1):
        for name, band in zip(("horizontal", "vertical", "diagonal"), bands, strict=True):
            found[f"{name}_{k}"] = float(np.square(band[..., :rows, :columns][mask]).sum()) / size
    return found
