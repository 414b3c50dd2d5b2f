"""Observers of `cine_hearts`: is the ejection fraction reduced? One film of one slice for each patient."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.ladders import Observed
from medcourse.data.phantoms import Phantoms, cine_hearts

BLOCK = 250  # patients drawn at a time
NAMES = [
    "area change 22 mm", "area change 30 mm", "area change 45 mm", "brightness change 22 mm", "brightness change 45 mm",
    "blood area at rest", "smallest blood area", "frame of the smallest", "fastest emptying", "fastest filling",
    "pulsation", "pulsation per edge", "radius of pulsation",
]  # fmt: skip


def observe(*, n: int, first: int, seed: int, difficulty: str | float) -> Observed:
    """Draw patients and let the observers judge each film.

    `contrast` is how much the picture's mean brightness changes over the heartbeat; `features`
    find the heart by its pulsation and measure the bright area around it, frame by frame; `ceiling` is told the exact
    contours in the slice, and knows that muscle is incompressible, so it reads the long axis off the wall's area and
    is left only with not knowing how the other levels contract.
    """
    parts = []
    for start in range(first, first + n, BLOCK):
        count = min(BLOCK, first + n - start)
        hearts = cine_hearts(count, first=start, seed=seed, difficulty=difficulty, progress=False)
        measured = np.stack([_features(film[..., 0], hearts.spacing_mm[0]) for film in hearts.images])
        parts.append((hearts.table, _contrast(hearts), measured, _ceiling(hearts)))
    tables, contrasts, features, ceilings = zip(*parts, strict=True)
    return Observed(
        np.concatenate([table["truth"].to_numpy() for table in tables]),
        np.concatenate([table["patient"].to_numpy() for table in tables]),
        np.concatenate(contrasts),
        np.concatenate(features),
        np.concatenate(ceilings),
        NAMES,
    )


def _disc(size: int, spacing: float, row: float, column: float, radius: float) -> NDArray[np.bool_]:
    r, c = np.ogrid[:size, :size]
    disc: NDArray[np.bool_] = np.hypot(r - row, c - column) * spacing < radius
    return disc


def _contrast(hearts: Phantoms) -> NDArray[np.float64]:
    curve = hearts.images[..., 0].mean(axis=(2, 3), dtype=np.float64)
    change: NDArray[np.float64] = -(curve.max(axis=1) - curve.min(axis=1)) / curve.mean(axis=1)
    return change


def _features(film: NDArray[np.float32], spacing: float) -> NDArray[np.float64]:
    size = film.shape[1]
    smooth = np.stack([cv2.GaussianBlur(frame, (0, 0), 1.2) for frame in film])
    motion = smooth.std(axis=0)
    weight = np.where(motion > np.quantile(motion, 0.93), motion, 0)
    rows, columns = np.indices(motion.shape)
    row, column = (float((weight * index).sum() / weight.sum()) for index in (rows, columns))
    spread = np.sqrt((weight * ((rows - row) ** 2 + (columns - column) ** 2)).sum() / weight.sum()) * spacing
    near = smooth[:, _disc(size, spacing, row, column, 45)]
    grey = np.clip(near.mean(axis=0) * 255, 0, 255).astype(np.uint8)
    threshold = cv2.threshold(grey[None], 0, 255, cv2.THRESH_OTSU)[0] / 255
    areas, means = [], []
    for radius in (22, 30, 45):
        values = smooth[:, _disc(size, spacing, row, column, radius)]
        areas.append((values > threshold).sum(axis=1) * spacing**2)
        means.append(values.mean(axis=1))
    areas = [np.convolve(np.concatenate([a[-1:], a, a[:1]]), [0.25, 0.5, 0.25], "valid") for a in areas]
    blood = areas[1]
    step = np.diff(np.append(blood, blood[0])) / blood.max()
    edges = np.abs(cv2.Laplacian(smooth.mean(axis=0), cv2.CV_32F))[_disc(size, spacing, row, column, 45)].mean()
    pulse = motion[_disc(size, spacing, row, column, 45)].mean()
    return np.array(
        [
            *((a.max() - a.min()) / a.max() for a in areas),
            *((m.max() - m.min()) / m.mean() for m in (means[0], means[2])),
            blood[0], blood.min(), blood.argmin() / len(blood), step.min(), step.max(), pulse, pulse / edges, spread,
        ],
        np.float64,
    )  # fmt: skip


def _ceiling(hearts: Phantoms) -> NDArray[np.float64]:
    cavity = (hearts.masks == 1).sum(axis=(2, 3))
    wall = (hearts.masks == 2).sum(axis=(2, 3))
    rows = np.arange(len(cavity))
    end = hearts.table["es_frame"].to_numpy()
    volume = cavity[rows, end] / cavity[:, 0] * wall[:, 0] / wall[rows, end]
    score: NDArray[np.float64] = volume.astype(np.float64)  # 1 minus the ejection fraction, were all levels alike
    return score
