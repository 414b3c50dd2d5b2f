"""Brain tumours in one MR slice (T1, T2, FLAIR), or only what mimics them.

`ceiling` is told where and how large the tumour is, or in the healthy would be, and what belongs to its core, rim and
oedema; it knows the means and covariance of the three contrasts there over other patients (a Hotelling observer of
region means), and not the anatomy underneath.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.ladders import Observed
from medcourse.data.phantoms import Phantoms, brain_mr

SIZE = 96
MM = 240 / SIZE
SETTINGS = {"slices_per_patient": 1, "size": SIZE, "progress": False}
TRAIN, TRAIN_SEED = 600, 4000
NAMES = [
    "FLAIR blob", "FLAIR 99th percentile", "FLAIR bright area", "largest bright region", "T2 of it", "T1 of it",
    "compactness of it", "fluid next to it", "FLAIR asymmetry", "T2 asymmetry", "T1 asymmetry", "T1 hole",
    "blob of 5 mm", "blob of 10 mm", "FLAIR roughness",
]  # fmt: skip


def observe(*, n: int, first: int, seed: int, difficulty: str | float) -> Observed:
    drawn = brain_mr(n, first=first, seed=seed, difficulty=difficulty, **SETTINGS)
    truth = drawn.table["truth"].to_numpy(np.int64)
    images = np.stack([stripped(image, tissue) for image, tissue in zip(drawn.images, drawn.anatomy, strict=True)])
    features = np.array([describe(image, tissue) for image, tissue in zip(images, drawn.anatomy, strict=True)])
    return Observed(
        truth,
        drawn.table["patient"].to_numpy(np.int64),
        features[:, 0],
        features,
        oracle(drawn, n=n, first=first, seed=seed, difficulty=difficulty),
        NAMES,
    )


def stripped(image: NDArray[np.float32], tissue: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Brain and CSF, every contrast divided by its median in brain tissue; elsewhere 1."""
    brain = (tissue >= 1) & (tissue <= 3)
    scaled = image / np.median(image[(tissue == 2) | (tissue == 3)], axis=0)
    return np.where(brain[..., None], scaled, 1.0).astype(np.float64)


def describe(image: NDArray[np.float64], tissue: NDArray[np.uint8]) -> list[float]:
    """What a good engineer would measure."""
    t1, t2, flair = np.moveaxis(image, -1, 0)
    brain = (tissue >= 1) & (tissue <= 3)
    soft = [ndimage.gaussian_filter(part, 2.5 / MM) for part in (t1, t2, flair)]
    bright = ndimage.binary_opening(brain & (ndimage.gaussian_filter(flair, 1.5 / MM) > 1.3))
    region, count = ndimage.label(bright)
    area = ndimage.sum_labels(bright, region, np.arange(1, count + 1)) if count else np.zeros(0)
    its = region == 1 + int(np.argmax(area)) if count else np.zeros_like(bright)
    near = ndimage.binary_dilation(its, iterations=2) & ~its & brain
    rim = its & ~ndimage.binary_erosion(its)
    wide = [ndimage.gaussian_filter(part, 5 / MM) for part in (t1, t2, flair)]
    mirrored = [np.abs(part - part[:, ::-1])[brain] for part in wide]
    laplace = [float((-((s / MM) ** 2) * ndimage.gaussian_laplace(flair, s / MM))[brain].max()) for s in (5.0, 10.0)]
    return [
        float(soft[2][brain].max()),
        float(np.quantile(flair[brain], 0.99)),
        float(np.log(bright.sum() + 1)),
        float(np.log(area.max() + 1)) if count else 0.0,
        float(t2[its].mean()) if count else 1.0,
        float(t1[its].mean()) if count else 1.0,
        float(its.sum() / (rim.sum() ** 2)) if count else 0.0,
        float((t2[near] > 2).mean()) if near.any() else 0.0,
        *(float(np.quantile(part, 0.97)) for part in (mirrored[2], mirrored[1], mirrored[0])),
        float(soft[0][(tissue == 3)].min()),
        *laplace,
        float(np.log((flair - soft[2])[tissue == 3].std())),
    ]


def oracle(drawn: Phantoms, *, n: int, first: int, seed: int, difficulty: str | float) -> NDArray[np.float64]:
    """Hotelling observer of the region means, with the means and covariance of other patients."""
    other = brain_mr(TRAIN, seed=TRAIN_SEED, difficulty=difficulty, **SETTINGS)
    known = regions(other, n=TRAIN, first=0, seed=TRAIN_SEED)
    ill = other.table["truth"].to_numpy() == 1
    mean = known[ill].mean(axis=0) - known[~ill].mean(axis=0)
    spread = np.cov(np.concatenate([known[ill] - known[ill].mean(axis=0), known[~ill] - known[~ill].mean(axis=0)]).T)
    weights = np.linalg.solve(spread + 1e-6 * np.eye(len(spread)), mean)
    score: NDArray[np.float64] = regions(drawn, n=n, first=first, seed=seed) @ weights
    return score


def regions(drawn: Phantoms, *, n: int, first: int, seed: int) -> NDArray[np.float64]:
    """Mean contrasts in core, oedema and rim of where the tumour is or would be, against the brain around."""
    everywhere = brain_mr(n, first=first, seed=seed, prevalence=1.0, **SETTINGS).masks
    rows = []
    for image, mask, tissue in zip(drawn.images, everywhere, drawn.anatomy, strict=True):
        scaled = stripped(image, tissue)
        body = (mask == 1) | (mask == 3)
        around = ndimage.binary_dilation(mask > 0, iterations=3) & (mask == 0) & (tissue >= 1) & (tissue <= 3)
        level = scaled[around].mean(axis=0) if around.any() else np.ones(3)
        means = [scaled[part].mean(axis=0) - level if part.any() else np.zeros(3) for part in (mask == 2, body)]
        rows.append(np.concatenate([*means, np.log([1 + (mask == 2).sum(), 1 + body.sum()])]))
    return np.array(rows)
