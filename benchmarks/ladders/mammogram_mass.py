"""Masses: whether what is marked in a mammogram is a mass, or tissue or a node that looks like one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, ndimage, special

from benchmarks.ladders import Observed
from benchmarks.ladders._mammogram import HALF, MM, Regions, disc, inner, regions, signals, tissue_covariance

Float = NDArray[np.float64]
NAMES = [
    "core_minus_ring", "wide_core_minus_ring", "log_2mm", "log_4mm", "log_6mm", "convergence", "edge", "edge_radius",
    "spicules", "elongation", "core_texture", "ring_texture", "brightness", "skewness",
]  # fmt: skip
DIAMETERS = np.array([8.0, 10.0, 12.0, 14.0, 17.0, 20.5])  # mm; a mass is judged by the nearest
STRENGTHS = np.geomspace(0.01, 0.25, 6)  # of the tissue, standard deviation in grey
BANK = 300  # signals for each diameter
_OTHERS = 4_000_000_000  # seed of the banks, which no cohort uses


def observe(*, n: int, first: int, seed: int, difficulty: str | float, ceiling: bool = True) -> Observed:
    """Score marked regions of left CC views, one per patient (see `_mammogram`)."""
    drawn = regions(n=n, first=first, seed=seed, difficulty=difficulty, kind="mass")
    features = np.array([_features(picture) for picture in drawn.raw])
    told = reference(drawn) if ceiling else np.zeros(len(features))
    return Observed(drawn.label, drawn.patient, features[:, 0].copy(), features, told, NAMES)


def reference(drawn: Regions) -> Float:
    """Log-likelihood ratio of an observer who is told what may be there, but not how it looks today.

    Told: the place; the diameter, the peak and whether spiculated of the mass that may be there; which mimic may be
    there instead; the thickness of the breast; the quantum noise and the power law of the tissue. Not told: the
    tissue, its strength (over which it averages), lobes, spicules, angles and bends. Those it knows as laws: the mean
    and the covariance of signals drawn for other patients, after which all is Gaussian. Judges 34 × 34 pixels.
    """
    tissue, free = tissue_covariance()
    unit = float(np.median(drawn.noise))
    scaled = inner(drawn.picture) * (unit / drawn.noise)[:, None] / unit  # in deviations of its own noise
    peaks = np.array([fact["peak"] for fact in drawn.facts])
    near = np.abs(np.array([fact["diameter"] for fact in drawn.facts])[:, None] - DIAMETERS).argmin(axis=1)
    spiculated = np.array([fact["spiculation"] > 0.4 for fact in drawn.facts])
    mimic = np.array([fact["mimic"] for fact in drawn.facts])
    banks = [signals("mass", BANK, float(diameter), seed=_OTHERS) for diameter in DIAMETERS]
    logs = np.full((2, len(STRENGTHS), len(scaled)), -np.inf)
    for j, strength in enumerate(STRENGTHS):
        matrix = (strength / unit) ** 2 * (tissue + free) + np.eye(len(tissue))
        factor = linalg.cholesky(matrix, lower=True, overwrite_a=True, check_finite=False)
        volume = np.log(np.diag(factor)).sum()
        white = linalg.solve_triangular(factor, scaled.T, lower=True, check_finite=False)
        for k, (bank, spiky) in enumerate(banks):
            cells = [(0, near == k, bank[name], mimic == name) for name in bank if name != "lesion"]
            cells += [(1, near == k, bank["lesion"][(spiky > 0.4) == sort], spiculated == sort) for sort in (0, 1)]
            for lesion, same_size, known, same_sort in cells:
                mine = np.flatnonzero(same_size & same_sort)
                if len(mine):
                    heights = drawn.amplitude * peaks[mine]
                    logs[lesion, j, mine] = _evidence(factor, white[:, mine], known / unit, heights) - volume
    scores: Float = special.logsumexp(logs[1], axis=0) - special.logsumexp(logs[0], axis=0)
    return scores


def _evidence(factor: Float, white: Float, known: Float, heights: Float) -> Float:
    """Log-likelihood of whitened regions if they hold a signal of the Gaussian law of `known`, times `heights`."""
    signal = linalg.solve_triangular(factor, known.T, lower=True, check_finite=False)
    mean = signal.mean(axis=1, keepdims=True)
    vectors, values, _ = linalg.svd((signal - mean) / np.sqrt(len(known) - 1), full_matrices=False, check_finite=False)
    spread = values[:, None] ** 2 * heights**2
    residual = white - heights * mean
    inside = (vectors.T @ residual) ** 2
    distance = (residual**2).sum(axis=0) - (spread / (1 + spread) * inside).sum(axis=0)
    log: Float = -0.5 * distance - 0.5 * np.log1p(spread).sum(axis=0)
    return log


def _features(picture: Float) -> list[float]:
    axis = (np.arange(2 * HALF) - HALF).astype(np.float64)
    away = np.hypot(axis[:, None], axis[None, :]) * MM
    down, right = axis[:, None] * MM / np.maximum(away, 0.5), axis[None, :] * MM / np.maximum(away, 0.5)
    core, ring = disc(0, 4), disc(8, 12)
    smooth = ndimage.gaussian_filter(picture, 1.2 / MM)
    slope_down, slope_right = np.gradient(smooth, MM)
    inward = -(slope_down * down + slope_right * right)
    steep = np.hypot(slope_down, slope_right) + 1e-3
    profile = np.array([smooth[disc(k, k + 1)].mean() for k in range(14)])
    fall = -np.diff(profile)
    middle = disc(0, 3)
    blobs = [float((-(s**2) * ndimage.gaussian_laplace(picture, s / MM))[middle].max()) for s in (2, 4, 6)]
    fine = ndimage.gaussian_filter(picture, 0.5 / MM)
    curve_down, curve_both = np.gradient(np.gradient(fine, MM, axis=0), MM)
    curve_right = np.gradient(np.gradient(fine, MM, axis=1), MM, axis=1)
    across = curve_down * right**2 - 2 * curve_both * down * right + curve_right * down**2  # across the radius
    along = curve_down * down**2 + 2 * curve_both * down * right + curve_right * right**2
    spicules = np.maximum(-across, 0) - np.maximum(-along, 0)
    wide = ndimage.gaussian_filter(picture, 3 / MM)
    a, b, c = (ndimage.gaussian_filter(picture, 3 / MM, order=order)[HALF, HALF] for order in ((2, 0), (1, 1), (0, 2)))
    spread = np.hypot(a - c, 2 * b)
    rough = picture - smooth
    centred = picture - picture.mean()
    return [
        float(picture[core].mean() - picture[ring].mean()),
        float(picture[disc(0, 7)].mean() - picture[disc(10, 14)].mean()),
        *blobs,
        float((inward / steep)[disc(2, 9)].mean()),
        float(fall[2:12].max()),
        float(np.argmax(fall[2:12])),
        float(spicules[disc(5, 13)].mean()),
        float(spread / (abs(a + c) + 0.1 * spread + 1e-9)),
        float(np.log(rough[core].std())),
        float(np.log(rough[ring].std())),
        float(wide[HALF, HALF]),
        float((centred**3).mean() / picture.std() ** 3),
    ]
