"""The patches of page 5.1.2: whether what a candidate detector marked is a mass, or tissue that mimics one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.ladders import Observed
from medcourse.data.phantoms._cohort import amplitude_of
from medcourse.data.phantoms.patches import assemble, ideal_scores, mammogram_parts

Float = NDArray[np.float64]
CONTRAST = 1.5  # medium: the default of `mammogram_patches`, at which page 5.1.2 was frozen
CHUNK = 500  # patients drawn at a time
NAMES = [
    "core_minus_ring", "core_minus_near_ring", "log_2mm", "log_4mm", "log_6mm", "inward", "edge", "elongation",
    "core_texture", "ring_texture", "brightness", "spread",
]  # fmt: skip


def observe(*, n: int, first: int, seed: int, difficulty: str | float) -> Observed:
    """Score one patch of each of n patients; five hundred are drawn with one seed."""
    contrast = CONTRAST * amplitude_of(difficulty)
    labels, features, ceiling = [], [], []
    for part in range(first // CHUNK, -(-(first + n) // CHUNK)):
        parts = mammogram_parts(n_patients=CHUNK, patches_per_patient=1, contrast=contrast, seed=seed + 7919 * part)
        mine = slice(max(first - part * CHUNK, 0), min(first + n - part * CHUNK, CHUNK))
        images = assemble(parts).images[mine, ..., 0].astype(np.float64)
        labels.append(parts.table["label"].to_numpy()[mine])
        features.append(_features(images))
        ceiling.append(ideal_scores(parts)[mine])
    found = np.concatenate(features)
    patient = np.arange(first, first + n)
    return Observed(np.concatenate(labels), patient, found[:, 0].copy(), found, np.concatenate(ceiling), NAMES)


def _features(images: Float) -> Float:
    size, mm = images.shape[1], 0.8
    axis = (np.arange(size) - (size - 1) / 2) * mm
    away = np.hypot(axis[:, None], axis[None, :])
    core, near, ring = away < 4, (away > 5) & (away < 8), (away > 7.2) & (away < 11.2)
    smooth = ndimage.gaussian_filter(images, (0, 1.2 / mm, 1.2 / mm))
    down, right = np.gradient(smooth, mm, axis=(1, 2))
    inward = -(down * axis[:, None] + right * axis[None, :]) / np.maximum(away, 0.5)
    steep = np.hypot(down, right) + 1e-6
    rim = (away > 2) & (away < 8)
    profile = np.stack([smooth[:, (away >= k) & (away < k + 1.2)].mean(axis=1) for k in np.arange(0, 10, 1.2)], axis=1)
    blobs = []
    for scale in (2, 4, 6):
        sigma = (0, scale / mm, scale / mm)
        curve = [ndimage.gaussian_filter(images, sigma, order=order) for order in ((0, 2, 0), (0, 0, 2))]
        blobs.append((-(scale**2) * (curve[0] + curve[1]))[:, away < 3].max(axis=1))
    orders = ((0, 2, 0), (0, 1, 1), (0, 0, 2))
    middle = size // 2
    a, b, c = (ndimage.gaussian_filter(images, (0, 3 / mm, 3 / mm), order=o)[:, middle, middle] for o in orders)
    unlike = np.hypot(a - c, 2 * b)
    rough = images - smooth
    columns = [
        images[:, core].mean(axis=1) - images[:, ring].mean(axis=1),
        images[:, core].mean(axis=1) - images[:, near].mean(axis=1),
        *blobs,
        (inward / steep)[:, rim].mean(axis=1),
        -np.diff(profile, axis=1).min(axis=1),
        unlike / (abs(a + c) + 0.1 * unlike + 1e-9),
        rough[:, core].std(axis=1),
        rough[:, ring].std(axis=1),
        images.mean(axis=(1, 2)),
        images.std(axis=(1, 2)),
    ]
    return np.stack(columns, axis=1)
