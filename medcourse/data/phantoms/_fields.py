"""Random fields: power-law textures and the blur of a scanner, on batches of pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

Float = NDArray[np.float32]


def frequency(size: int, spacing_mm: float) -> NDArray[np.float64]:
    axis = fft.fftfreq(size, spacing_mm)
    radial: NDArray[np.float64] = np.hypot(axis[:, None], axis[None, :])  # cycles per mm
    return radial


def power_law(size: int, spacing_mm: float, exponent: float) -> NDArray[np.float64]:
    """Square root of the power spectrum 1/f^exponent, scaled to a field of standard deviation 1, mean 0."""
    radial = frequency(size, spacing_mm)
    radial[0, 0] = np.inf
    power = radial**-exponent if exponent > 0 else np.isfinite(radial).astype(np.float64)
    amplitude: NDArray[np.float64] = np.sqrt(power / power.mean())
    return amplitude


def colour(fields: Float, amplitude: NDArray[np.float64]) -> Float:
    half = amplitude[:, : amplitude.shape[1] // 2 + 1].astype(np.float32)
    filtered: Float = fft.irfft2(fft.rfft2(fields) * half, s=fields.shape[1:])
    return filtered


def blur(fields: Float, sigma: float) -> Float:
    blurred: Float = ndimage.gaussian_filter(fields, (0, sigma, sigma), mode="nearest") if sigma > 0 else fields
    return blurred
