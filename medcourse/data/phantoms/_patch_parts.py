"""What a mammogram patch is drawn from: patients, strands, masses, what mimics them, power-law tissue."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medcourse.data.phantoms._fields import Float

_STRANDS = 14  # most strands in one patch; a patient's density decides how many are seen
_SPICULES = 11  # most spicules of one mass
_CROSSING = 0.3  # share of mimics that are crossing strands; the others are lumps
_PEAK = 0.65  # a mimic's peak, in parts of a mass's


def draw_table(
    rng: np.random.Generator,
    n_patients: int,
    each: int,
    size: int,
    spacing_mm: float,
    labels: tuple[float, float],
) -> pd.DataFrame:
    """Draw patients and their patches' candidates; `labels` is (prevalence, correlation within a patient)."""
    prevalence, rho = labels
    share = np.full(n_patients, prevalence)
    if rho > 0 and 0 < prevalence < 1:  # beta-binomial: labels of one patient correlate by rho
        share = rng.beta(prevalence * (1 - rho) / rho, (1 - prevalence) * (1 - rho) / rho, n_patients)
    patient = pd.DataFrame(
        {
            "density": rng.beta(2, 2, n_patients),
            "gain": 0.1 * np.exp(0.25 * rng.standard_normal(n_patients)),
            "brightness": 0.5 + 0.08 * rng.standard_normal(n_patients),
            "angle": rng.uniform(0, np.pi, n_patients),
        }
    )
    n = n_patients * each
    index = np.repeat(np.arange(n_patients), each)
    shift, direction = np.sqrt(rng.uniform(size=n)), rng.uniform(0, 2 * np.pi, n)  # within 1 mm of the mark
    label = (rng.uniform(size=n) < share[index]).astype(np.int64)
    drawn = pd.DataFrame(
        {
            "patient": index,
            "label": label,
            "row": (size - 1) / 2 + shift * np.sin(direction) / spacing_mm,
            "column": (size - 1) / 2 + shift * np.cos(direction) / spacing_mm,
            "radius_mm": rng.uniform(4.0, 6.0, n),
            "contrast": rng.uniform(0.7, 1.3, n),
            "spicules": np.where(rng.uniform(size=n) < 0.6, rng.integers(5, 12, n), 0).astype(float),
            "mimic": np.where(rng.uniform(size=n) < _CROSSING, "crossing", "lump"),
        }
    )
    drawn["kind"] = np.where(label == 1, "mass", drawn["mimic"])
    return drawn.join(patient, on="patient")


def _offsets(rows: pd.DataFrame, size: int, spacing_mm: float) -> tuple[Float, Float]:
    """Millimetres down and right of each patch's mass or mimic, each (n, size, size)."""
    axis = np.arange(size, dtype=np.float32)
    down = (axis[:, None] - _column(rows, "row")) * np.float32(spacing_mm)
    right = (axis[None, :] - _column(rows, "column")) * np.float32(spacing_mm)
    shape = (len(rows), size, size)
    return np.broadcast_to(down, shape), np.broadcast_to(right, shape)


def _column(rows: pd.DataFrame, name: str) -> Float:
    return rows[name].to_numpy(np.float32)[:, None, None]


def _ridge(down: Float, right: Float, angle: Float, width_mm: Float, bend: Float) -> Float:
    """A band with Gaussian profile through the origin, along `angle`, bent like a parabola."""
    along = right * np.cos(angle) + down * np.sin(angle)
    across = down * np.cos(angle) - right * np.sin(angle) + bend * along**2
    profile: Float = np.exp(-0.5 * (across / width_mm) ** 2)
    return profile


def draw_strands(rng: np.random.Generator, rows: pd.DataFrame, size: int, spacing_mm: float) -> Float:
    """Thin bent bands anywhere in the patch, roughly along the patient's direction, more in dense breasts."""
    n, half = len(rows), size * spacing_mm / 2
    axis = (np.arange(size, dtype=np.float32) - (size - 1) / 2) * np.float32(spacing_mm)
    down, right = axis[None, :, None], axis[None, None, :]
    total = np.zeros((n, size, size), np.float32)
    for _ in range(_STRANDS):
        place = rng.uniform(-half, half, (2, n, 1, 1)).astype(np.float32)
        angle = (_column(rows, "angle") + 0.35 * rng.standard_normal((n, 1, 1))).astype(np.float32)
        width = rng.uniform(0.4, 1.0, (n, 1, 1)).astype(np.float32)
        bend = (0.02 * rng.standard_normal((n, 1, 1))).astype(np.float32)
        bright = rng.uniform(0.3, 1.0, (n, 1, 1)) * (rng.uniform(size=(n, 1, 1)) < _column(rows, "density"))
        total += bright.astype(np.float32) * _ridge(down - place[0], right - place[1], angle, width, bend)
    return total


def draw_mass(
    rng: np.random.Generator, rows: pd.DataFrame, size: int, spacing_mm: float
) -> tuple[Float, NDArray[np.bool_]]:
    """A lobed body with profile (1 - (r/R)^2)^1.5, and for some masses spicules; and the body's mask."""
    down, right = _offsets(rows, size, spacing_mm)
    r, theta = np.hypot(down, right), np.arctan2(down, right)
    radius = _column(rows, "radius_mm")
    lobed: NDArray[np.floating] = np.ones_like(radius)
    for order in (2, 3, 5):
        phase = rng.uniform(0, 2 * np.pi, (len(rows), 1, 1)).astype(np.float32)
        lobed = lobed + np.float32(0.12 / order**0.5) * np.cos(order * theta + phase)
    inside = np.clip(1 - (r / (radius * lobed)) ** 2, 0, None)
    signal: NDArray[np.floating] = inside**1.5
    spread = rng.uniform(0, 2 * np.pi, (len(rows), 1, 1)).astype(np.float32)
    for k in range(_SPICULES):
        seen = k < _column(rows, "spicules")
        turn = 2 * np.pi * (k + rng.uniform(-0.3, 0.3, (len(rows), 1, 1))) / np.maximum(_column(rows, "spicules"), 1)
        length = radius * rng.uniform(0.9, 1.8, (len(rows), 1, 1)).astype(np.float32)
        angle = (spread + turn).astype(np.float32)
        along = right * np.cos(angle) + down * np.sin(angle)
        line = _ridge(down, right, angle, np.full_like(radius, 0.3), np.zeros_like(radius))
        fade = np.clip(1 - along / length, 0, 1) * np.clip(along / (0.5 * radius), 0, 1)
        signal = signal + np.float32(0.25) * seen * line * fade
    return _times(signal, rows), inside > 0


def draw_mimic(rng: np.random.Generator, rows: pd.DataFrame, size: int, spacing_mm: float) -> Float:
    """Ordinary tissue with a mass's peak: two strands that cross, or an elongated lump."""
    down, right = _offsets(rows, size, spacing_mm)
    radius = _column(rows, "radius_mm")
    first = (_column(rows, "angle") + 0.35 * rng.standard_normal((len(rows), 1, 1))).astype(np.float32)
    second = (first + rng.uniform(0.25, 0.75, (len(rows), 1, 1)) * np.pi).astype(np.float32)
    bend = (0.02 * rng.standard_normal((2, len(rows), 1, 1))).astype(np.float32)
    crossing = _ridge(down, right, first, 0.4 * radius, bend[0]) + _ridge(down, right, second, 0.4 * radius, bend[1])
    stretch = rng.uniform(1.0, 1.4, (len(rows), 1, 1)).astype(np.float32)
    along = right * np.cos(first) + down * np.sin(first)
    across = down * np.cos(first) - right * np.sin(first)
    crossing = crossing * np.exp(-0.5 * (along**2 + across**2) / radius**2)
    lump = np.exp(-0.5 * ((along / (radius * stretch)) ** 2 + (across * stretch / radius) ** 2))
    crosses = (rows["mimic"] == "crossing").to_numpy()[:, None, None]
    return _times(_PEAK * np.where(crosses, crossing / 2, lump), rows)


def _times(signal: NDArray[np.floating], rows: pd.DataFrame) -> Float:
    scaled: Float = (signal * _column(rows, "contrast")).astype(np.float32)
    return scaled
