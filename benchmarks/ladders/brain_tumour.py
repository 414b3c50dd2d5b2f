"""Brain tumours in one MR slice (T1, T2, FLAIR), or only what mimics them.

`ceiling` is told where and how large the tumour is, or in the healthy would be, and what belongs to its core, rim and
oedema; it knows the means and covariance of the three contrasts there over other patients (a Hotelling observer of
region means), and not the anatomy underneath.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.ladders import Observed
from medcourse.data.phantoms import Phantoms, brain_mr

SIZE = 96
MM = 240 / SIZE
SETTINGS: dict[str, Any] = {"slices_per_patient": 1, "size": SIZE, "progress": False}
TRAIN, TRAIN_SEED = 600, 4000
NAMES = [
    "FLAIR blob", "area over 1.15", "area over 1.3", "area over 1.5", "largest over 1.15", "largest over 1.3",
    "T2 of largest", "T1 of largest", "largest bright on both", "filled by closing it", "spread of T2 in it",
    "spread of FLAIR in it", "darkest on T1 in it", "blob of 8 mm", "blob of 12 mm",
]  # fmt: skip


def observe(*, n: int, first: int, seed: int, difficulty: str | float, ceiling: bool = True) -> Observed:
    """Draw n patients, one slice each, and score them; without `ceiling` its score is 0."""
    drawn = brain_mr(n, first=first, seed=seed, difficulty=difficulty, **SETTINGS)
    truth = drawn.table["truth"].to_numpy(np.int64)
    assert drawn.anatomy is not None
    images = np.stack([stripped(image, tissue) for image, tissue in zip(drawn.images, drawn.anatomy, strict=True)])
    features = np.array([describe(image, tissue) for image, tissue in zip(images, drawn.anatomy, strict=True)])
    told = oracle(drawn, n=n, first=first, seed=seed, difficulty=difficulty) if ceiling else np.zeros(len(truth))
    return Observed(
        truth,
        drawn.table["patient"].to_numpy(np.int64),
        features[:, 0],
        features,
        told,
        NAMES,
    )


def stripped(image: NDArray[np.float32], tissue: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Brain and CSF, every contrast divided by its median in brain tissue; elsewhere 1."""
    brain = (tissue >= 1) & (tissue <= 3)
    scaled = image / np.median(image[(tissue == 2) | (tissue == 3)], axis=0)
    return np.where(brain[..., None], scaled, 1.0).astype(np.float64)


def describe(image: NDArray[np.float64], tissue: NDArray[np.uint8]) -> list[float]:
    """What a good engineer would measure: bright areas, the largest of them, and what it looks like inside."""
    inner = ndimage.binary_erosion((tissue >= 1) & (tissue <= 3), iterations=2)
    t1, t2, flair = (ndimage.gaussian_filter(part, 2 / MM) for part in np.moveaxis(image, -1, 0))
    areas = [float(np.log1p((inner & (flair > level)).sum())) for level in (1.15, 1.3, 1.5)]
    sizes = [float(np.log1p(largest(inner & (flair > level)).sum())) for level in (1.15, 1.3)]
    its = largest(inner & (flair > 1.3))
    filled = ndimage.binary_fill_holes(ndimage.binary_closing(its, iterations=2))
    inside = [float(t2[filled].std()), float(flair[filled].std()), float(t1[filled].min())] if its.any() else [0, 0, 1]
    blobs = [-((s / MM) ** 2) * ndimage.gaussian_laplace(image[..., 2], s / MM)[inner] for s in (8, 12)]
    return [
        float(flair[inner].max()),
        *areas,
        *sizes,
        float(t2[its].mean()) if its.any() else 1.0,
        float(t1[its].mean()) if its.any() else 1.0,
        float(np.log1p(largest(inner & (t2 > 1.35) & (flair > 1.15)).sum())),
        float(np.log1p((filled & ~its).sum())),
        *inside,
        *(float(blob.max()) for blob in blobs),
    ]


def largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part."""
    region, count = ndimage.label(mask)
    if count == 0:
        return mask
    return np.asarray(region == 1 + int(np.argmax(ndimage.sum_labels(mask, region, np.arange(1, count + 1)))))


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
    assert drawn.anatomy is not None
    rows = []
    for image, mask, tissue in zip(drawn.images, everywhere, drawn.anatomy, strict=True):
        scaled = stripped(image, tissue)
        body = (mask == 1) | (mask == 3)
        around = ndimage.binary_dilation(mask > 0, iterations=3) & (mask == 0) & (tissue >= 1) & (tissue <= 3)
        level = scaled[around].mean(axis=0) if around.any() else np.ones(3)
        means = [scaled[part].mean(axis=0) - level if part.any() else np.zeros(3) for part in (mask == 2, body)]
        rows.append(np.concatenate([*means, np.log([1 + (mask == 2).sum(), 1 + body.sum()])]))
    return np.array(rows)
