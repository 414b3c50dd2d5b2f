"""Noise of a CT picture: coloured as filtered back-projection colours it, or reconstructed from noisy projections."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

Float = NDArray[np.float32]

MU_WATER = 0.02059  # per mm, at 60 keV (Hubbell and Seltzer, NISTIR 5632)
CUTOFF = 0.6  # cycles per mm, where the reconstruction's Hann window reaches zero
REFERENCE_MM = 300.0  # diameter of the water disc at whose centre the reference dose gives the stated noise


def _hann(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    window: NDArray[np.float64] = np.where(frequency < CUTOFF, np.cos(np.pi * frequency / (2 * CUTOFF)) ** 2, 0.0)
    return window


@lru_cache(maxsize=8)
def _amplitude(rows: int, columns: int, spacing_mm: float) -> Float:
    """Square root of the noise power spectrum |f| W(f)², for a field of standard deviation 1 (half spectrum)."""
    radial = np.hypot(fft.fftfreq(rows, spacing_mm)[:, None], fft.fftfreq(columns, spacing_mm)[None])
    root = np.sqrt(radial) * _hann(radial)
    root /= np.sqrt((root**2).mean())
    half: Float = root[:, : columns // 2 + 1].astype(np.float32)
    return half


def fbp_noise(rng: np.random.Generator, shape: tuple[int, ...], spacing_mm: float) -> Float:
    """Noise of standard deviation 1 with the spectrum of filtered back-projection; slices are independent.

    The ramp filter leaves a power proportional to |f|, and the kernel's window bends it down: little noise at low
    frequencies (Kijewski and Judy 1987, doi:10.1088/0031-9155/32/5/003).
    """
    white = rng.standard_normal(shape, dtype=np.float32)
    half = _amplitude(shape[-2], shape[-1], spacing_mm)
    coloured: Float = fft.irfft2(fft.rfft2(white) * half, s=shape[-2:])
    return coloured


def _frame(size: int) -> int:
    return int(np.ceil(size * np.sqrt(2))) + 2


def project(image: Float, *, views: int) -> Float:
    """Parallel projections of a square image over 180 degrees: line sums in pixels, (views, detectors)."""
    size = image.shape[0]
    wide = _frame(size)
    border = (wide - size) // 2
    padded = np.zeros((wide, wide), np.float32)
    padded[border : border + size, border : border + size] = image
    middle = border + (size - 1) / 2
    sums = np.empty((views, wide), np.float32)
    for k, angle in enumerate(np.arange(views) * np.pi / views):
        c, s = np.cos(angle), np.sin(angle)
        # Sample (x, y) = middle + along (c, s) + across (-s, c): `along` is the detector's axis.
        matrix = np.array([[c, -s, middle - (c - s) * (wide - 1) / 2], [s, c, middle - (s + c) * (wide - 1) / 2]])
        turned = cv2.warpAffine(padded, matrix, (wide, wide), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        sums[k] = turned.sum(axis=0)
    return sums


def back_project(sinogram: Float, *, size: int, spacing_mm: float) -> Float:
    """Filtered back-projection of projections (in mm times 1/mm) onto a square image (1/mm)."""
    views, wide = sinogram.shape
    padded = fft.next_fast_len(2 * wide, real=True)
    response = _ramp(padded, spacing_mm)
    filtered = fft.irfft(fft.rfft(sinogram, padded, axis=1) * response, padded, axis=1)[:, :wide]
    image = np.zeros((size, size), np.float32)
    rows = np.empty((3, wide), np.float32)
    centre = (size - 1) / 2
    for k, angle in enumerate(np.arange(views) * np.pi / views):
        c, s = np.cos(angle), np.sin(angle)
        rows[:] = filtered[k]
        matrix = np.array([[c, s, (wide - 1) / 2 - (c + s) * centre], [0.0, 0.0, 1.0]])
        image += cv2.warpAffine(rows, matrix, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    image *= np.pi / views
    return image


@lru_cache(maxsize=8)
def _ramp(padded: int, spacing_mm: float) -> Float:
    """Frequency response of the band-limited ramp (Ramachandran and Lakshminarayanan 1971), windowed."""
    n = np.arange(padded)
    n = np.where(n <= padded // 2, n, n - padded)
    kernel = np.zeros(padded)
    kernel[0] = 1 / (4 * spacing_mm**2)
    odd = n % 2 == 1
    kernel[odd] = -1 / (np.pi * n[odd] * spacing_mm) ** 2
    response: Float = (fft.rfft(kernel).real * spacing_mm * _hann(fft.rfftfreq(padded, spacing_mm))).astype(np.float32)
    return response


def photons(noise_hu: float, *, views: int, spacing_mm: float) -> float:
    """Photons per detector and view that give `noise_hu` at the centre of 300 mm of water."""
    kernel = fft.irfft(_ramp(4096, spacing_mm).astype(np.float64))
    between = 2 / 3 * (kernel**2).sum() + 1 / 3 * (kernel * np.roll(kernel, 1)).sum()  # linear interpolation
    per_count = (1000 / MU_WATER) ** 2 * np.pi**2 / views * between
    return float(per_count / noise_hu**2 * np.exp(MU_WATER * REFERENCE_MM))


def projection_noise(
    rng: np.random.Generator, hu: Float, *, spacing_mm: float, noise_hu: float, dose: float, views: int
) -> Float:
    """Noise in HU of a slice (size, size) scanned with a share of the reference dose.

    A line that lets N = N0 exp(-sum of mu) photons through has the variance 1/N in its line integral (Poisson,
    to first order); the noise is reconstructed alone, so the mean CT numbers stay.
    """
    mu = np.maximum(MU_WATER * (1 + hu / 1000), 0).astype(np.float32)
    lines = project(mu, views=views) * spacing_mm
    sigma = np.exp(lines / 2) / np.sqrt(dose * photons(noise_hu, views=views, spacing_mm=spacing_mm))
    noise = rng.standard_normal(lines.shape, dtype=np.float32) * sigma.astype(np.float32)
    image = back_project(noise, size=hu.shape[0], spacing_mm=spacing_mm)
    scaled: Float = image * np.float32(1000 / MU_WATER)
    return scaled
