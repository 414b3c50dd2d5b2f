"""Texture as a process: how well neighbours predict a pixel (autoregression), and energy by scale (wavelets)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEIGHBOURS", "autoregressive_measures", "wavelet_measures"]

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
    count = mask.reshape(n, -1).sum(axis=1)
    mean = np.where(mask, image, 0.0).reshape(n, -1).sum(axis=1) / count
    x = np.where(mask, image - mean[:, None, None, None], 0.0)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 0), (1, 1)))
    inside = np.pad(mask, ((0, 0), (0, 0), (1, 0), (1, 1)))
    rows, columns = image.shape[2:]

    def shifted(field: NDArray[np.generic], step: tuple[int, int]) -> NDArray[np.generic]:
        return field[:, :, 1 + step[0] : 1 + step[0] + rows, 1 + step[1] : 1 + step[1] + columns]

    known = mask.copy()
    for step in NEIGHBOURS.values():
        known &= shifted(inside, step).astype(bool)
    weight = known.reshape(n, -1)
    predictors = (
        np.stack([shifted(padded, step).reshape(n, -1) for step in NEIGHBOURS.values()], axis=2) * weight[..., None]
    )
    target = x.reshape(n, -1) * weight
    gram = np.einsum("nki,nkj->nij", predictors, predictors)
    moment = np.einsum("nki,nk->ni", predictors, target)
    used = weight.sum(axis=1)
    scale = np.trace(gram, axis1=1, axis2=2)
    sound = (used >= 10) & (np.linalg.eigvalsh(gram)[:, 0] > 1e-9 * scale) & (scale > 0)
    gram = np.where(sound[:, None, None], gram, np.eye(len(NEIGHBOURS)))
    theta = np.linalg.solve(gram, moment[..., None])[..., 0]
    residual = (target**2).sum(axis=1) - (theta * moment).sum(axis=1)
    variance = (x.reshape(n, -1) ** 2).sum(axis=1) / count
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = np.sqrt(np.clip(residual, 0, None) / used / variance)
    found = {f"theta_{name}": theta[:, k] for k, name in enumerate(NEIGHBOURS)} | {"sigma": sigma}
    return {name: np.where(sound, value, np.nan) for name, value in found.items()}


def wavelet_measures(
    image: Float, mask: NDArray[np.bool_], *, wavelet: str = "db2", levels: int = 3
) -> dict[str, float]:
    """Mean energy inside a region of the undecimated wavelet details, by scale and direction.

    Parameters
    ----------
    image
        float64 of shape (..., rows, columns): the region with its surroundings, sides at least 2 ** `levels`.
    mask
        bool of the same shape.
    wavelet
        A discrete wavelet that PyWavelets knows.
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
        If `wavelet` is not known or `levels` is not 1 to 6.

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

    if wavelet not in pywt.wavelist(kind="discrete"):
        raise ValueError(f"wavelet={wavelet!r} is not known: give a discrete wavelet, for example 'haar' or 'db2'")
    if not 1 <= levels <= 6:
        raise ValueError(f"levels={levels}: give 1 to 6 scales")
    step = 2**levels
    pad = [(0, 0)] * (image.ndim - 2) + [(0, -side % step) for side in image.shape[-2:]]
    details = pywt.swt2(
        np.pad(image, pad, mode="symmetric"), wavelet, levels, norm=True, trim_approx=True, axes=(-2, -1)
    )
    inside = np.pad(mask, pad)
    found = {}
    for k, bands in enumerate(reversed(details[1:]), start=1):
        for name, band in zip(("horizontal", "vertical", "diagonal"), bands, strict=True):
            found[f"{name}_{k}"] = float((band[inside] ** 2).mean())
    return found
