"""Microcalcifications: whether the grains that are marked in a mammogram are a cluster, or benign."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, spatial, special

from benchmarks.ladders import Observed
from benchmarks.ladders._mammogram import BLUR_MM, HALF, MM, Regions, disc, regions, tissue_spectrum
from medcourse.data.phantoms import _mammogram_image as image
from medcourse.data.phantoms import _mammogram_lesions as things

Float = NDArray[np.float64]
_BLUR_PIXELS = BLUR_MM / MM
NAMES = [
    "energy", "energy_core", "energy_middle", "energy_outer", "brightest", "grains", "mean_height", "spread_of_heights",
    "mean_distance", "spread_of_distances", "nearest", "elongation", "kurtosis_core", "grain_width", "brightness",
]  # fmt: skip


def observe(*, n: int, first: int, seed: int, difficulty: str | float, ceiling: bool = True) -> Observed:
    """Score marked regions of left CC views, one per patient (see `_mammogram`)."""
    drawn = regions(n=n, first=first, seed=seed, difficulty=difficulty, kind="calcifications")
    features = np.array([_features(picture) for picture in drawn.raw])
    told = reference(drawn) if ceiling else np.zeros(len(features))
    return Observed(drawn.label, drawn.patient, features[:, 1].copy(), features, told, NAMES)


def reference(drawn: Regions) -> Float:
    """Log-likelihood ratio of an observer who knows the laws by which grains are laid out, but not where they are.

    Told: the place, which benign pattern may be there instead of a cluster, the difficulty, the quantum noise and the
    power law of the tissue, whose strength it fits to each region. A pattern is an average over layouts; in a layout
    grains fall independently, with a density and a law of heights that are known (a Poisson process), so that the
    likelihood is a product over pixels of what a prewhitened matched filter says. Grains that touch it takes for two.
    """
    statistic, gain = _matched(drawn)
    laws = {name: _layouts(name) for name in ("calcifications", "scattered", "vascular", "ring")}
    ratio = {}
    for name, (density, heights) in laws.items():
        factor = _per_grain(statistic, gain, drawn.amplitude * heights)
        ratio[name] = _pattern(factor, density)
    benign = np.array([ratio[fact["mimic"]][k] for k, fact in enumerate(drawn.facts)])
    scores: Float = ratio["calcifications"] - benign
    return scores


def _matched(drawn: Regions) -> tuple[Float, Float]:
    """Prewhitened matched filter for one grain of height 1 at each pixel, and its gain: (m, 48, 48), (m,)."""
    size = 2 * HALF
    window = np.outer(np.hanning(size), np.hanning(size))
    flat = drawn.picture - drawn.picture.mean(axis=(1, 2), keepdims=True)
    periodogram = np.abs(fft.fft2(flat * window)) ** 2 / (window**2).sum()
    tissue = tissue_spectrum(size)
    used = tissue < np.quantile(tissue, 0.95)  # not the lowest frequencies, where the mean and the envelope are
    noise = drawn.noise[:, None, None] ** 2
    strengths = np.geomspace(0.003, 0.3, 24)
    powers = [strength**2 * tissue + noise for strength in strengths.tolist()]
    fit = [-(np.log(power) + periodogram / power)[:, used].sum(axis=1) for power in powers]
    power = strengths[np.argmax(fit, axis=0)][:, None, None] ** 2 * tissue + noise
    grain = np.zeros((size, size))
    grain[0, 0] = 1  # spread by the blur and by where in its pixel it lies
    transfer = fft.fft2(ndimage.gaussian_filter(grain, np.hypot(_BLUR_PIXELS, 0.29), mode="wrap")).real
    statistic = fft.ifft2(fft.fft2(flat) * transfer / power).real
    return statistic, (transfer**2 / power).mean(axis=(1, 2))


def _per_grain(statistic: Float, gain: Float, heights: Float) -> Float:
    """Likelihood ratio, less 1, that a pixel holds one grain rather than none, over the law of heights."""
    logs = [h * statistic - 0.5 * h**2 * gain[:, None, None] for h in heights.tolist()]
    factor: Float = np.exp(np.minimum(special.logsumexp(logs, axis=0) - np.log(len(heights)), 60)) - 1
    return factor


def _pattern(factor: Float, density: Float) -> Float:
    """Log-likelihood of each region: the average over layouts of the product over pixels."""
    totals = []
    for expected in density:
        layout = -np.expm1(-expected)  # the chance of a grain in a pixel
        near = layout > 1e-4
        totals.append(np.log1p(layout[near] * factor[:, near]).sum(axis=1))
    log: Float = special.logsumexp(totals, axis=0) - np.log(len(density))
    return log


def _layouts(name: str) -> tuple[Float, Float]:
    """Expected grains per pixel for many layouts of a pattern, (layouts, 48, 48), and a sample of heights in grey."""
    rng = np.random.default_rng(0)
    axis = (np.arange(2 * HALF) - HALF) * MM
    away = np.hypot(axis[:, None], axis[None, :])
    beads: list[Float] = []
    density = []
    if name == "calcifications":
        beads = [things.project(things.draw_cluster(rng), "CC") for _ in range(40)]
        for spread in np.linspace(1.6, 3.2, 7).tolist():
            bump = np.exp(-0.5 * (away / spread) ** 2)
            density.append(14 * bump / bump.sum())
    elif name == "scattered":
        beads = [things.draw_scattered(rng) for _ in range(40)]
        density.append(11 * (away < 13) / (away < 13).sum())
    else:
        draw, count = (things.draw_vascular, 800) if name == "vascular" else (things.draw_ring, 300)
        for _ in range(count):
            beads.append(draw(rng))
            layout = np.zeros((2 * HALF, 2 * HALF))
            at = np.clip(np.rint(beads[-1][:, :2] / MM).astype(np.int64) + HALF, 0, 2 * HALF - 1)
            np.add.at(layout, (at[:, 0], at[:, 1]), 1.0)
            density.append(ndimage.gaussian_filter(layout, 0.6 if name == "vascular" else 0.8))
    diameters = np.concatenate([each[:, 2] for each in beads])
    volume = np.pi / 6 * np.quantile(diameters, np.linspace(0.02, 0.98, 25)) ** 3
    heights = things.CALCIUM * image.CALCIUM_AMPLITUDE / image.LATITUDE * volume / MM**2
    return np.array(density), heights


def _features(picture: Float) -> list[float]:
    detail = ndimage.gaussian_filter(picture, 0.5) - ndimage.gaussian_filter(picture, 2.0)
    inside = disc(0, 15)
    detail /= 1.4826 * np.median(np.abs(detail[inside] - np.median(detail[inside]))) + 1e-6
    peak = (detail == ndimage.maximum_filter(detail, 3)) & (detail > 3) & inside
    at = (np.argwhere(peak) - HALF) * MM
    heights = detail[peak]
    count = len(heights)
    if count < 3:  # too few to have a shape: neutral values
        shape = [8.0, 3.0, 4.0, 0.5, 0.5]
    else:
        away = np.hypot(*at.T)
        nearest = spatial.cKDTree(at).query(at, k=2)[0][:, 1]
        low, high = np.linalg.eigvalsh(np.cov(at.T))
        wide = ndimage.gaussian_filter(picture, 1.0)[peak] - ndimage.gaussian_filter(picture, 2.0)[peak]
        narrow = picture[peak] - ndimage.gaussian_filter(picture, 1.0)[peak]
        shape = [
            float(away.mean()), float(away.std()), float(nearest.mean()), float(1 - low / (high + 1e-9)),
            float(np.clip(wide.mean() / (narrow.mean() + 1e-3), 0, 3)),
        ]  # fmt: skip
    positive = np.maximum(detail - 1, 0)
    core = detail[disc(0, 6)]
    return [
        float(np.log1p((positive[disc(0, 14)] ** 2).mean())),
        float(np.log1p((positive[disc(0, 5)] ** 2).mean())),
        float(np.log1p((positive[disc(5, 9)] ** 2).mean())),
        float(np.log1p((positive[disc(9, 14)] ** 2).mean())),
        float(np.log1p(np.maximum(core, 0).max())),
        float(np.log1p(count)),
        float(np.log1p(heights.mean())) if count else 1.0,
        float(heights.std()) if count else 0.0,
        *shape[:4],
        float(np.log(((core - core.mean()) ** 4).mean() / core.var() ** 2)),
        shape[4],
        float(picture[disc(0, 12)].mean()),
    ]
