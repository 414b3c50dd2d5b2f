"""Nodule or not: what a candidate detector has marked in a chest CT slice, as a region of 45 mm around the mark."""

from __future__ import annotations

import copy
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.ladders import Observed
from medcourse.data.phantoms._chest_patient import Settings, draw_scene, prepare
from medcourse.data.phantoms._cohort import ONE_GROUP, ONE_SITE, draw_patients
from medcourse.data.phantoms._ct_noise import fbp_noise

Float = NDArray[np.float64]

SIZE, SPACING_MM = 32, 1.4
NAMES = [
    "centre", "disc", "ring", "log2", "log4", "blob2", "blob4", "ridge2", "ridge4", "area", "elongation", "solidity",
    "peak", "edge", "wall",
]  # fmt: skip
_TRAINING = 4000  # patients from whom the ceiling learns how often each shape is a nodule
_OTHERS = 4_000_000_000  # seed of the oracle's patients, whom no cohort holds


def observe(*, n: int, first: int, seed: int, difficulty: str | float, ceiling: bool = True) -> Observed:
    """Draw n patients, one region each, and score them.

    The ceiling is told what the finding at the mark looks like, alone and without noise, and how often such a look
    is a nodule (learned from 4,000 other patients). What surrounds a mark, and the noise, do not depend on the
    class, so nobody who sees the noisy region knows more than the look says; how close this observer comes to that
    bound depends on what it learned.
    """
    regions, candidates, label, patient = _draw(n, first, seed, difficulty)
    features = np.array([_features(region) for region in regions])
    told = np.zeros(n)  # without `ceiling`, and where there is nothing to see
    if ceiling and candidates.any():
        told = _oracle(difficulty).decision_function(_shape(candidates))
    return Observed(label, patient, features[:, 1].copy(), features, told, NAMES)


def _draw(
    n: int, first: int, seed: int, difficulty: str | float
) -> tuple[Float, Float, NDArray[np.int64], NDArray[np.int64]]:
    """Regions with noise, and what the finding at the mark adds to each of them without noise."""
    patients, scanners = draw_patients(
        n, first=first, seed=seed, difficulty=difficulty, prevalence=0.5, sites=ONE_SITE, subgroups=ONE_GROUP
    )
    settings = Settings(
        seed=seed, shape=(1, SIZE, SIZE), spacing_mm=SPACING_MM, gap_mm=2.5, thickness_mm=2.5, around="mark",
        volume=False, kinds=(0.45, 0.25, 0.3), diameter_mm=(4.0, 20.0), nodules=(1, 1), emphysema=0.2, iodine_hu=0.0,
        blur_mm=0.8, noise_hu=30.0, low_dose=None,
    )  # fmt: skip
    regions, candidates = np.empty((2, n, SIZE, SIZE))
    columns = (patients[name].tolist() for name in ("patient", "diseased", "amplitude"))
    for k, (patient, diseased, amplitude, scanner) in enumerate(zip(*columns, scanners, strict=True)):
        parts = prepare(settings, patient, amplitude)
        empty = copy.deepcopy(parts)._replace(nodules=[])  # drawn as ill: without the mimic
        with_it = draw_scene(settings, parts, diseased=diseased, scanner=scanner).hu[0]
        candidates[k] = with_it - draw_scene(settings, empty, diseased=True, scanner=scanner).hu[0]
        regions[k] = with_it + settings.noise_hu * fbp_noise(parts.rng[1], (1, SIZE, SIZE), SPACING_MM)[0]
    return regions, candidates, patients["diseased"].to_numpy(np.int64), patients["patient"].to_numpy(np.int64)


_Y, _X = (np.indices((SIZE, SIZE)) - (SIZE - 1) / 2) * SPACING_MM
_R = np.hypot(_Y, _X)


def _features(hu: Float) -> Float:
    """Hand features of a region: brightness, blob and ridge strength at two widths, shape of the marked piece."""
    centre = (SIZE - 1) // 2
    middle = slice(centre, centre + 2)
    out = [hu[middle, middle].mean(), hu[_R < 5].mean(), hu[(_R > 8) & (_R < 14)].mean()]
    out += [-(s**2) * ndimage.gaussian_laplace(hu, s, mode="nearest")[middle, middle].mean() for s in (1.5, 3.0)]
    blobs, ridges = [], []
    for sigma in (1.5, 3.0):
        yy, xx, xy = (
            sigma**2 * ndimage.gaussian_filter(hu, sigma, order=order, mode="nearest")
            for order in ((2, 0), (0, 2), (1, 1))
        )
        root = np.sqrt((yy - xx) ** 2 / 4 + xy**2)
        mean = -(yy + xx) / 2
        near = _R < 4
        weak, strong = (mean - root)[near], (mean + root)[near]
        k = int(strong.argmax())
        blobs.append(weak[k])
        ridges.append(strong[k] - weak[k])
    smooth = ndimage.gaussian_filter(hu, 0.7)
    level = (np.median(smooth[_R < 15]) + smooth[_R < 3].max()) / 2
    pieces, _ = ndimage.label(smooth > level)
    inside = pieces[_R < 4]
    piece = pieces == (np.bincount(inside[inside > 0]).argmax() if (inside > 0).any() else -1)
    area = float(piece.sum())
    elongation, solid = 1.0, 1.0
    if area > 3:
        spread = np.cov(np.stack([_Y[piece], _X[piece]])) + 0.16 * np.eye(2)
        low, high = np.linalg.eigvalsh(spread)
        elongation = float(np.sqrt(high / low))
        solid = area * SPACING_MM**2 / (4 * np.pi * np.sqrt(high * low))
    gradient = ndimage.gaussian_gradient_magnitude(hu, 0.8)
    rim = piece & ~ndimage.binary_erosion(piece)
    edge = gradient[rim].mean() if rim.any() else 0.0
    wall = float((smooth[_R < 12] > -150).mean())
    return np.array(
        [*out, *blobs, *ridges, np.log1p(area), np.log(elongation), solid, smooth[_R < 3].max(), edge, wall]
    )


def _shape(candidates: Float) -> Float:
    """What the oracle reads off the finding itself, shown alone and without noise."""
    n = len(candidates)
    mass = candidates.sum(axis=(1, 2)) + 1e-9
    y, x = ((candidates * grid).sum(axis=(1, 2)) / mass for grid in (_Y, _X))
    dy, dx = _Y - y[:, None, None], _X - x[:, None, None]
    yy, xx, xy = ((candidates * p).sum(axis=(1, 2)) / mass for p in (dy * dy, dx * dx, dy * dx))
    root = np.sqrt((yy - xx) ** 2 / 4 + xy**2)
    low, high = np.maximum((yy + xx) / 2 - root, 1e-3), (yy + xx) / 2 + root
    peak = candidates.max(axis=(1, 2))
    area = [(candidates > share * peak[:, None, None]).sum(axis=(1, 2)) for share in (0.1, 0.25, 0.5, 0.75, 0.9)]
    radial = np.stack([candidates[:, (r <= _R) & (r + 2 > _R)].mean(axis=1) for r in (0, 2, 4, 6, 8, 10, 13, 16)])
    turned = [np.rot90(candidates, k, axes=(1, 2)) for k in (1, 2)]
    symmetry = [np.abs(candidates - other).sum(axis=(1, 2)) / mass for other in turned]
    steep = np.hypot(*np.gradient(candidates, axis=(1, 2))).max(axis=(1, 2))
    columns = [mass, peak, y, x, low, high, high / low, *area, *radial, *symmetry, steep, steep / (peak + 1e-9)]
    return np.stack(columns, axis=1).reshape(n, -1)


@lru_cache(maxsize=8)
def _oracle(difficulty: str | float) -> HistGradientBoostingClassifier:
    _, candidates, label, _ = _draw(_TRAINING, 0, _OTHERS, difficulty)
    model = HistGradientBoostingClassifier(max_iter=200, learning_rate=0.06, l2_regularization=1.0, random_state=0)
    return model.fit(_shape(candidates), label)
