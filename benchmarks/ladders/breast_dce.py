"""Observers of `breast_dce`: is the lesion malignant? One slice for each patient."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.ladders import Observed
from medcourse.data.phantoms import breast_dce
from medcourse.data.phantoms._breast_mr_lesions import RATES, SHARES
from medcourse.data.phantoms._breast_mr_scene import BASE
from medcourse.data.phantoms._cohort import amplitude_of

BLOCK = 250  # patients drawn at a time
NAMES = [
    "early rise", "late rise", "wash-out", "signal enhancement ratio", "share of wash-out voxels", "area",
    "compactness", "elongation", "rim against core", "heterogeneity", "second candidate's wash-out",
    "second candidate's early rise",
]  # fmt: skip


def observe(*, n: int, first: int, seed: int, difficulty: str | float) -> Observed:
    """Draw patients and let the observers judge each series.

    `contrast` is the strongest early enhancement in the breast, smoothed over 3 mm; `features` take the two most
    blob-like enhancing places and measure their curves and outlines; `ceiling` is told the index lesion's kep, and
    whether it has spicules and a rim and how irregular it is: the logarithm of the odds under the law of the draw.
    """
    parts = []
    for start in range(first, first + n, BLOCK):
        count = min(BLOCK, first + n - start)
        breasts = breast_dce(count, first=start, seed=seed, difficulty=difficulty, progress=False)
        spacing = breasts.spacing_mm[0]
        bottom = int((BASE - 6) / spacing + breasts.images.shape[1] / 2)  # above the chest wall
        views = [np.ascontiguousarray(image[:bottom].transpose(2, 0, 1)) for image in breasts.images]
        contrast = np.array([cv2.GaussianBlur(view[1] - view[0], (0, 0), 3 / spacing).max() for view in views])
        measured = np.stack([_features(view, spacing) for view in views])
        index = breasts.lesions[breasts.lesions["index"]].sort_values("image")
        parts.append((breasts.table, contrast, measured, _ceiling(index, amplitude_of(difficulty))))
    tables, contrasts, features, ceilings = zip(*parts, strict=True)
    return Observed(
        np.concatenate([table["truth"].to_numpy() for table in tables]),
        np.concatenate([table["patient"].to_numpy() for table in tables]),
        np.concatenate(contrasts).astype(np.float64),
        np.concatenate(features),
        np.concatenate(ceilings),
        NAMES,
    )


def _features(view: NDArray[np.float32], spacing: float) -> NDArray[np.float64]:
    smooth = np.stack([cv2.GaussianBlur(phase, (0, 0), 0.8) for phase in view])
    rise = smooth[1:].max(axis=0) - smooth[0]
    blobs = cv2.GaussianBlur(rise, (0, 0), 3.5 / spacing) - cv2.GaussianBlur(rise, (0, 0), 8 / spacing)
    rows, columns = np.indices(rise.shape)
    candidates = []
    for _ in range(2):
        row, column = np.unravel_index(int(blobs.argmax()), blobs.shape)
        near = np.hypot(rows - row, columns - column) * spacing
        blobs[near < 14] = -np.inf
        core = float(rise[near < 2.5].mean())
        window = ((rise > 0.5 * core) & (near < 16)).astype(np.uint8)
        _, labels = cv2.connectedComponents(window)
        seed = labels[row, column]
        body = labels == seed if seed else near < 4
        candidates.append(_measure(smooth, body, spacing))
    return np.concatenate([candidates[0], candidates[1][[2, 0]]])


def _measure(smooth: NDArray[np.float32], body: NDArray[np.bool_], spacing: float) -> NDArray[np.float64]:
    curve = smooth[:, body].mean(axis=1)
    voxels = smooth[:, body]
    washed = voxels[-1] < 0.9 * voxels[1:3].max(axis=0)
    contours, _ = cv2.findContours(body.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(contours, key=len)
    area, perimeter = float(body.sum()), cv2.arcLength(outline, closed=True)
    spread = np.linalg.eigvalsh(np.cov(np.argwhere(body).T) + np.eye(2) * 0.1)
    depth = cv2.distanceTransform(np.pad(body, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1][body]
    early = voxels[1] - voxels[0]
    outer = depth <= np.median(depth)
    inner = early[~outer].mean() if (~outer).any() else early.mean()
    return np.array(
        [
            curve[1] / curve[0] - 1, curve[-1] / curve[0] - 1, curve[-1] / curve[1:3].max() - 1,
            (curve[1] - curve[0]) / max(curve[-1] - curve[0], 0.01), washed.mean(), area * spacing**2,
            4 * np.pi * area / max(perimeter, 1.0) ** 2, np.sqrt(spread[1] / spread[0]),
            early[outer].mean() / max(inner, 0.01), early.std() / max(early.mean(), 0.01),
        ],
        np.float64,
    )  # fmt: skip


def _ceiling(index: pd.DataFrame, amplitude: float) -> NDArray[np.float64]:
    """Log likelihood ratio of what was drawn; shape by the shares of `draw_lesion` at medium, faded with amplitude."""
    kep = np.log(index["kep"].to_numpy())
    u = np.unique(np.concatenate([SHARES["benign"], SHARES["malignant"]]))
    benign, other = (np.interp(u, SHARES[kind], np.log(RATES[kind])) for kind in ("benign", "malignant"))
    ill = benign + amplitude * (other - benign)
    score = np.log(_density(kep, u, ill)) - np.log(_density(kep, u, benign))
    strength = min(amplitude, 1.0)
    for seen, often, base in ((index["spicules"] > 0, 0.55, 0.08), (index["rim"] > 0, 0.55, 0.15)):
        share = often if amplitude > 0 else base
        score += np.where(seen, np.log(share / base), np.log((1 - share) / (1 - base)))
    wavy = np.log(index["irregularity"].to_numpy())
    means = (-2.33, -2.33 + 0.85 * strength)  # of the logarithm of the irregularity, spread 0.5
    return np.asarray(score + ((wavy - means[0]) ** 2 - (wavy - means[1]) ** 2) / (2 * 0.5**2))


def _density(value: NDArray[np.float64], u: NDArray[np.float64], quantile: NDArray[np.float64]) -> NDArray[np.float64]:
    """Density of a law given by a piecewise straight quantile function; a floor stands for what the law excludes."""
    slope = np.diff(u) / np.diff(quantile)
    at = np.searchsorted(quantile, value, side="right") - 1
    inside = (at >= 0) & (at < len(slope))
    return np.asarray(np.maximum(np.where(inside, slope[np.clip(at, 0, len(slope) - 1)], 0), 1e-4))
