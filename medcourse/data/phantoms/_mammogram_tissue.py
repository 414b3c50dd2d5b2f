"""Tissue of a mammogram: a power-law field, strands, ligaments and ducts, and what share of it is glandular."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from medcourse.data.phantoms._fields import frequency, power_law
from medcourse.data.phantoms._mammogram_shape import FIELD_MM, Float, Shape, grids

CLASSES = ("a", "b", "c", "d")
SHARES = (0.113, 0.454, 0.346, 0.087)  # of women; dense: 43.3 % (Sprague 2014), 1:4 and 4:1 within the halves
GLANDULAR = {"a": (0.03, 0.10), "b": (0.14, 0.28), "c": (0.34, 0.54), "d": (0.62, 0.80)}  # share of the breast's area
_SPREAD = {1: 0.2, 2: 1.04, 3: 2.48}  # variance across cv2's smooth lines of these thicknesses, in square pixels
_SHIFT = 4  # cv2 draws in 1/16 of a pixel


@lru_cache(maxsize=8)
def filters(size: int, exponent: float) -> tuple[Float, Float]:
    """Half-plane amplitude filters: one colours white noise, one a picture of thin lines, to 1/f^exponent.

    The spectrum of thin lines in the plane falls as 1/f by itself, so theirs is 1/f^(exponent - 1), after the width
    with which they are drawn is divided out.
    """
    spacing = FIELD_MM / size
    half = size // 2 + 1
    noise = power_law(size, spacing, exponent)[:, :half]
    radial = frequency(size, spacing)[:, :half]
    radial[0, 0] = np.inf
    lines = radial ** (-(exponent - 1) / 2) if exponent > 1 else np.isfinite(radial).astype(np.float64)
    width = _SPREAD[line_width(size)] * spacing**2
    sharpen = np.minimum(np.exp(2 * np.pi**2 * width * np.where(np.isfinite(radial), radial, 0) ** 2), 5)
    return noise.astype(np.float32), (sharpen * lines / lines.max()).astype(np.float32)


def line_width(size: int) -> int:
    """cv2's thickness for strands: they are 0.2 mm to 0.4 mm (standard deviation) wide."""
    return 1 if size <= 512 else 2 if size <= 1024 else 3


def fields(white: Float, canvas: Float, exponent: float) -> tuple[Float, Float]:
    """The Gaussian field and the field of lines, both 1/f^exponent, mean 0; the first of standard deviation 1."""
    size = len(white)
    noise, lines = filters(size, exponent)
    gauss: Float = fft.irfft2(fft.rfft2(white) * noise, s=white.shape)
    drawn: Float = fft.irfft2(fft.rfft2(canvas) * lines, s=white.shape)
    return gauss, drawn


def curves(rng: np.random.Generator, shape: Shape) -> list[tuple[int, Float]]:
    """Strands, Cooper's ligaments and a duct tree: (weight 1 to 255, points (curves, points, 2) as x, y in mm)."""
    found: list[tuple[int, Float]] = []
    for weight, count in ((60, 14), (120, 9), (230, 4)):
        found.append((weight, _bundle(rng, shape, count, spread=0.35, bend=0.10, length=(18, 70))))
    for weight, count in ((60, 16), (150, 7)):  # ligaments: shorter arcs that run in all directions
        found.append((weight, _bundle(rng, shape, count, spread=1.1, bend=0.18, length=(12, 38))))
    return found + _ducts(rng, shape)


def _bundle(
    rng: np.random.Generator, shape: Shape, count: int, *, spread: float, bend: float, length: tuple[float, float]
) -> Float:
    """Quadratic curves through random points, their direction towards the nipple up to `spread` (radians)."""
    x = shape.depth * rng.random(count)
    y = -0.75 * shape.up + 0.75 * (shape.up + shape.down) * rng.random(count)
    angle = np.arctan2(-y, shape.depth - x + 5) + spread * rng.standard_normal(count)
    long = length[0] + (length[1] - length[0]) * rng.random(count) ** 2
    return _bezier(x, y, angle, long, bend * long * np.clip(rng.standard_normal(count), -1.5, 1.5))


def _bezier(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    angle: NDArray[np.float64],
    long: NDArray[np.float64],
    sag: NDArray[np.float64],
) -> Float:
    """Arcs of length `long` about (x, y), their middle moved sideways by `sag`."""
    t = np.linspace(-0.5, 0.5, 9)
    along, across = t * long[:, None], (1 - 4 * t * t) * sag[:, None]
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    points = np.stack([x[:, None] + along * c - across * s, y[:, None] + along * s + across * c], axis=-1)
    return points.astype(np.float32)


def _ducts(rng: np.random.Generator, shape: Shape) -> list[tuple[int, Float]]:
    """Main ducts fan out from the nipple and fork twice, each time thinner and shorter."""
    count = 6
    start = np.stack([np.full(count, shape.depth - 1), np.zeros(count)], axis=1)
    angle = np.pi + np.linspace(-0.85, 0.85, count) + 0.08 * rng.standard_normal(count)
    long = shape.depth * (0.24 + 0.1 * rng.random(count))
    found = []
    for weight in (190, 120, 70):
        t = np.linspace(0, 1, 7)[None, :, None]
        sag = 0.12 * long * rng.standard_normal(len(long))
        ahead = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        aside = np.stack([-np.sin(angle), np.cos(angle)], axis=1)
        points = (
            start[:, None]
            + t * long[:, None, None] * ahead[:, None]
            + t * (1 - t) * (4 * sag[:, None, None] * aside[:, None])
        )
        found.append((weight, points.astype(np.float32)))
        start = np.repeat(points[:, -1], 2, axis=0)
        fork = np.where(np.arange(2 * len(angle)) % 2, 0.32, -0.32) + 0.12 * rng.standard_normal(2 * len(angle))
        angle = np.repeat(angle, 2) + fork
        long = np.repeat(long, 2) * (0.6 + 0.2 * rng.random(2 * len(long)))
    return found


def draw_curves(found: list[tuple[int, Float]], shape: Shape, size: int) -> Float:
    """The curves as thin bright lines on a black picture, (size, size), 0 to 1."""
    scale = size / FIELD_MM
    canvas = np.zeros((size, size), np.uint8)
    for weight, points in sorted(found, key=lambda item: item[0]):
        pixels = (points + np.array([0, shape.nipple_y], np.float32)) * scale - 0.5
        fixed = np.rint(pixels * (1 << _SHIFT)).astype(np.int32)
        cv2.polylines(canvas, list(fixed), False, weight, line_width(size), cv2.LINE_AA, _SHIFT)
    return canvas.astype(np.float32) / np.float32(255)


def envelope(shape: Shape, size: int, distance: Float) -> Float:
    """Where glandular tissue lies: a cone behind the nipple, fat under the skin and before the chest wall."""
    y, x = grids(shape, size)
    upper = min(shape.up, 1.15 * shape.depth)
    centre = -0.10 * upper  # more of it above (MLO) and laterally (CC)
    half = np.where(y < centre, 0.72 * upper, 0.62 * shape.down).astype(np.float32)
    across = (y - np.float32(centre)) / half
    along = (x - np.float32(0.55 * shape.depth)) / np.float32(0.5 * shape.depth)
    cone: Float = 1 - across * across - along * along
    cone -= 1.6 * np.exp(-np.maximum(distance, 0) / np.float32(5))
    cone -= np.exp(-x / np.float32(9))
    return np.maximum(cone, np.float32(-3))


def threshold(values: Float, share: float) -> float:
    """The level above which `share` of the values lie."""
    at = min(len(values) - 1, max(0, round((1 - share) * len(values))))
    return float(np.partition(values, at)[at])


def softplus(values: Float, width: float) -> Float:
    """Zero far below 0, the value itself far above, smooth over `width` between."""
    scaled = values / np.float32(width)
    smooth: Float = np.float32(width) * (np.maximum(scaled, 0) + np.log1p(np.exp(-np.abs(scaled))))
    return smooth
