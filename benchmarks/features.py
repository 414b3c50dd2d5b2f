"""Features of 1,000 lesions: `medcourse.features.extract` against a plain loop with scikit-image, the same numbers.

The plain loop is what one writes first: lesion after lesion, scikit-image where it has the feature (co-occurrence,
outline), NumPy, SciPy and PyWavelets for the rest, in the obvious way. Both give the same table, column by column, to
1e-9. All times are taken in one run, so that a busy machine slows both.

Usage::

    make bench MEASURE=features                        # writes benchmarks/results/features.json
    PYRADIOMICS=PYTHON make bench MEASURE=features     # and compares with pyradiomics, which PYTHON has

pyradiomics is no dependency: the last version that pip installs, 3.0.1, needs Python 3.11 or older and NumPy 1. With
NumPy 1, setuptools, wheel, versioneer and cython in a Python of its own, ``pip install --no-build-isolation
pyradiomics==3.0.1`` works. In two dimensions, with the same bins, it agrees with `extract` to 1e-9 in all measures that
both have, but for kurtosis (of a Gaussian it gives 3, IBSI 0), the lengths of the axes (it divides by the number of
pixels, `extract` by one less; below 1 % here) and what it calls sphericity (the root of circularity).
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pywt
from numpy.typing import NDArray
from scipy import stats
from scipy.ndimage import gaussian_filter
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from skimage.feature import graycomatrix, graycoprops
from skimage.measure import find_contours

from medcourse.features import extract

BINS, SIDE, SPACING = 32, 64, (0.7, 0.9)
FAMILIES = ("stat", "ih", "cm", "rlm", "ar", "wt", "morph")
STEPS = ((0, 1), (1, 1), (1, 0), (1, -1))

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]


def lesions(n: int, *, seed: int = 0) -> tuple[NDArray[np.float32], Mask]:
    """Smooth noise, 64 pixels square, each image with an elliptical lesion, half axes 8 to 28 pixels."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    images, masks = np.empty((n, SIDE, SIDE), np.float32), np.empty((n, SIDE, SIDE), bool)
    for k in range(n):
        images[k] = 100 * gaussian_filter(rng.standard_normal((SIDE, SIDE)), rng.uniform(0.5, 2.0))
        a, b, turn = *rng.uniform(8, 28, 2), rng.uniform(0, np.pi)
        along, across = np.cos(turn) * rows + np.sin(turn) * columns, np.cos(turn) * columns - np.sin(turn) * rows
        masks[k] = (along / a) ** 2 + (across / b) ** 2 <= 1
    return images, masks


def plain_statistics(x: Float) -> dict[str, float]:
    """Intensity statistics of the values inside."""
    p10, q1, median, q3, p90 = np.percentile(x, (10, 25, 50, 75, 90))
    middle = x[(x >= p10) & (x <= p90)]
    return {
        "stat_mean": x.mean(),
        "stat_variance": x.var(),
        "stat_skewness": stats.skew(x),
        "stat_kurtosis": stats.kurtosis(x),
        "stat_median": median,
        "stat_minimum": x.min(),
        "stat_p10": p10,
        "stat_p90": p90,
        "stat_maximum": x.max(),
        "stat_interquartile_range": q3 - q1,
        "stat_range": np.ptp(x),
        "stat_mean_absolute_deviation": abs(x - x.mean()).mean(),
        "stat_robust_mean_absolute_deviation": abs(middle - middle.mean()).mean(),
        "stat_median_absolute_deviation": abs(x - median).mean(),
        "stat_coefficient_of_variation": x.std() / x.mean(),
        "stat_quartile_coefficient_of_dispersion": (q3 - q1) / (q3 + q1),
        "stat_energy": (x**2).sum(),
        "stat_root_mean_square": np.sqrt((x**2).mean()),
    }


def entropy(p: Float) -> float:
    """Entropy to base 2."""
    p = p[p > 0]
    bits: float = -(p * np.log2(p)).sum()
    return bits


def plain_histogram(level: NDArray[np.int64]) -> dict[str, float]:
    """Histogram of the grey levels inside."""
    p = np.bincount(level, minlength=BINS + 1)[1:] / level.size
    most = np.flatnonzero(p == p.max()) + 1
    return {
        f"ih_entropy_fbn{BINS}": entropy(p),
        f"ih_uniformity_fbn{BINS}": (p**2).sum(),
        f"ih_mode_fbn{BINS}": most[abs(most - level.mean()).argmin()],
    }


def plain_cooccurrence(levels: NDArray[np.int64]) -> dict[str, float]:
    """25 measures: scikit-image's where it has them, the mean over four directions."""
    angles = [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]
    # Level 0 is outside: counted, then dropped.
    counts = graycomatrix(levels.astype(np.uint8), [1], angles, levels=BINS + 1, symmetric=True)[1:, 1:].astype(float)
    p = counts / counts.sum(axis=(0, 1))
    found: dict[str, Any] = {
        ours: graycoprops(p, theirs).mean()
        for ours, theirs in {
            "contrast": "contrast",
            "dissimilarity": "dissimilarity",
            "inverse_difference_moment": "homogeneity",
            "angular_second_moment": "ASM",
            "correlation": "correlation",
        }.items()
    }
    i, j = np.indices((BINS, BINS)) + 1
    each: dict[str, list[float]] = {}
    for k in range(4):
        q = p[:, :, 0, k]
        # With weights the counts are real numbers, which NumPy's stubs do not say.
        minus = cast("Float", np.bincount(abs(i - j).ravel(), q.ravel()))
        plus = cast("Float", np.bincount((i + j).ravel(), q.ravel())[2:])
        d, s = np.arange(BINS), np.arange(2, 2 * BINS + 1)
        x = q.sum(axis=1)
        mu = (i * q).sum()
        outer = np.outer(x, x)
        hxy, hx = entropy(q.ravel()), entropy(x)
        hxy1 = -(q[outer > 0] * np.log2(outer[outer > 0])).sum()
        values = {
            "joint_maximum": q.max(),
            "joint_average": mu,
            "joint_variance": ((i - mu) ** 2 * q).sum(),
            "joint_entropy": hxy,
            "difference_average": (d * minus).sum(),
            "difference_variance": ((d - (d * minus).sum()) ** 2 * minus).sum(),
            "difference_entropy": entropy(minus),
            "sum_average": (s * plus).sum(),
            "sum_variance": ((s - (s * plus).sum()) ** 2 * plus).sum(),
            "sum_entropy": entropy(plus),
            "inverse_difference": (q / (1 + abs(i - j))).sum(),
            "normalised_inverse_difference": (q / (1 + abs(i - j) / BINS)).sum(),
            "normalised_inverse_difference_moment": (q / (1 + ((i - j) / BINS) ** 2)).sum(),
            "inverse_variance": (q[i != j] / (i - j)[i != j] ** 2).sum(),
            "autocorrelation": (i * j * q).sum(),
            "cluster_tendency": ((i + j - 2 * mu) ** 2 * q).sum(),
            "cluster_shade": ((i + j - 2 * mu) ** 3 * q).sum(),
            "cluster_prominence": ((i + j - 2 * mu) ** 4 * q).sum(),
            "information_correlation_1": (hxy - hxy1) / hx,
            "information_correlation_2": np.sqrt(max(0.0, 1 - np.exp(-2 * (2 * hx - hxy)))),
        }
        for name, value in values.items():
            each.setdefault(name, []).append(value)
    found |= {name: np.mean(value) for name, value in each.items()}
    return {f"cm_{name}_d1_2d_avg_fbn{BINS}": value for name, value in found.items()}


def lines(levels: NDArray[np.int64], step: tuple[int, int]) -> list[list[int]]:
    """The picture's lines in one direction, as lists."""
    if step in ((0, 1), (1, 0)):
        straight: list[list[int]] = (levels if step == (0, 1) else levels.T).tolist()
        return straight
    turned = levels if step == (1, 1) else levels[:, ::-1]
    return [np.diagonal(turned, k).tolist() for k in range(1 - levels.shape[0], levels.shape[1])]


def plain_run_lengths(levels: NDArray[np.int64]) -> dict[str, float]:
    """16 measures, the mean over four directions."""
    each: dict[str, list[float]] = {}
    for step in STEPS:
        runs = [(level, len(list(run))) for line in lines(levels, step) for level, run in groupby(line) if level]
        i, j = np.array(runs, float).T
        n = len(runs)
        matrix = np.zeros((BINS, SIDE))
        np.add.at(matrix, (i.astype(int) - 1, j.astype(int) - 1), 1)
        of_level, of_length = matrix.sum(axis=1), matrix.sum(axis=0)
        values = {
            "short_runs_emphasis": (1 / j**2).mean(),
            "long_runs_emphasis": (j**2).mean(),
            "low_grey_level_run_emphasis": (1 / i**2).mean(),
            "high_grey_level_run_emphasis": (i**2).mean(),
            "short_run_low_grey_level_emphasis": (1 / (i * j) ** 2).mean(),
            "short_run_high_grey_level_emphasis": (i**2 / j**2).mean(),
            "long_run_low_grey_level_emphasis": (j**2 / i**2).mean(),
            "long_run_high_grey_level_emphasis": ((i * j) ** 2).mean(),
            "grey_level_non_uniformity": (of_level**2).sum() / n,
            "normalised_grey_level_non_uniformity": (of_level**2).sum() / n**2,
            "run_length_non_uniformity": (of_length**2).sum() / n,
            "normalised_run_length_non_uniformity": (of_length**2).sum() / n**2,
            "run_percentage": n / np.count_nonzero(levels),
            "grey_level_variance": i.var(),
            "run_length_variance": j.var(),
            "run_entropy": entropy(matrix.ravel() / n),
        }
        for name, value in values.items():
            each.setdefault(name, []).append(value)
    return {f"rlm_{name}_2d_avg_fbn{BINS}": cast("float", np.mean(value)) for name, value in each.items()}


def plain_autoregression(image: Float, mask: Mask) -> dict[str, float]:
    """The causal model of four neighbours by least squares."""
    names = {"left": (0, -1), "up": (-1, 0), "up_left": (-1, -1), "up_right": (-1, 1)}
    x = image - image[mask].mean()
    target = mask.copy()
    for step in names.values():
        target &= np.roll(mask, (-step[0], -step[1]), (0, 1))
    y = x[target]
    predictors = np.stack([np.roll(x, (-dy, -dx), (0, 1))[target] for dy, dx in names.values()], axis=1)
    theta, *_ = np.linalg.lstsq(predictors, y, rcond=None)
    sigma = np.sqrt(((y - predictors @ theta) ** 2).mean() / image[mask].var())
    return {f"ar_theta_{name}": value for name, value in zip(names, theta, strict=True)} | {"ar_sigma": sigma}


def plain_wavelets(image: Float, mask: Mask) -> dict[str, float]:
    """Energies inside of the undecimated details; around the picture as many mirrored pixels as they see."""
    around = (7, 17)  # seen are 7 and 14; the transform wants a multiple of 8 pixels in all
    details = pywt.swt2(np.pad(image, around, mode="symmetric"), "db2", 3, norm=True, trim_approx=True)[1:]
    inside = np.pad(mask, around)
    return {
        f"wt_db2_{name}_{3 - k}": (band[inside] ** 2).mean()
        for k, bands in enumerate(details)
        for name, band in zip(("horizontal", "vertical", "diagonal"), bands, strict=True)
    }


def plain_shape(mask: Mask) -> dict[str, float]:
    """The outline by marching squares, the axes by the covariance of the pixels."""
    (outline,) = find_contours(np.pad(mask, 1).astype(float), 0.5)
    points = outline * SPACING
    area = 0.5 * abs(np.sum(points[:-1, 0] * points[1:, 1] - points[1:, 0] * points[:-1, 1]))
    perimeter = np.hypot(*np.diff(points, axis=0).T).sum()
    hull = ConvexHull(points)
    minor, major = 4 * np.sqrt(np.linalg.eigvalsh(np.cov((np.argwhere(mask) * SPACING).T)))
    return {
        "morph_area": area,
        "morph_area_approximate": mask.sum() * SPACING[0] * SPACING[1],
        "morph_perimeter": perimeter,
        "morph_circularity": 4 * np.pi * area / perimeter**2,
        "morph_maximum_diameter": pdist(points[hull.vertices]).max(),
        "morph_major_axis_length": major,
        "morph_minor_axis_length": minor,
        "morph_elongation": minor / major,
        "morph_eccentricity": np.sqrt(1 - (minor / major) ** 2),
        "morph_solidity": area / hull.volume,
        "morph_extent": area / np.ptp(points, axis=0).prod(),
    }


def plain(images: NDArray[np.float32], masks: Mask, families: tuple[str, ...]) -> pd.DataFrame:
    """The table that `extract` returns, lesion after lesion."""
    rows = []
    for image, mask in zip(images.astype(np.float64), masks, strict=True):
        low, high = image[mask].min(), image[mask].max()
        bins = np.minimum(np.floor(BINS * (image - low) / (high - low)) + 1, BINS)
        levels = np.where(mask, bins, 0).astype(np.int64)
        row: dict[str, float] = {}
        if "stat" in families:
            row |= plain_statistics(image[mask])
        if "ih" in families:
            row |= plain_histogram(levels[mask])
        if "cm" in families:
            row |= plain_cooccurrence(levels)
        if "rlm" in families:
            row |= plain_run_lengths(levels)
        if "ar" in families:
            row |= plain_autoregression(image, mask)
        if "wt" in families:
            row |= plain_wavelets(image, mask)
        if "morph" in families:
            row |= plain_shape(mask)
        rows.append(row)
    return pd.DataFrame(rows)


STATISTICS = {
    "10Percentile": "p10",
    "90Percentile": "p90",
    "Energy": "energy",
    "InterquartileRange": "interquartile_range",
    "Kurtosis": "kurtosis",
    "Maximum": "maximum",
    "Mean": "mean",
    "MeanAbsoluteDeviation": "mean_absolute_deviation",
    "Median": "median",
    "Minimum": "minimum",
    "Range": "range",
    "RobustMeanAbsoluteDeviation": "robust_mean_absolute_deviation",
    "RootMeanSquared": "root_mean_square",
    "Skewness": "skewness",
    "Variance": "variance",
}
COOCCURRENCE = {
    "Autocorrelation": "autocorrelation",
    "ClusterProminence": "cluster_prominence",
    "ClusterShade": "cluster_shade",
    "ClusterTendency": "cluster_tendency",
    "Contrast": "contrast",
    "Correlation": "correlation",
    "DifferenceAverage": "difference_average",
    "DifferenceEntropy": "difference_entropy",
    "DifferenceVariance": "difference_variance",
    "Id": "inverse_difference",
    "Idm": "inverse_difference_moment",
    "Idmn": "normalised_inverse_difference_moment",
    "Idn": "normalised_inverse_difference",
    "Imc1": "information_correlation_1",
    "Imc2": "information_correlation_2",
    "InverseVariance": "inverse_variance",
    "JointAverage": "joint_average",
    "JointEnergy": "angular_second_moment",
    "JointEntropy": "joint_entropy",
    "MaximumProbability": "joint_maximum",
    "SumAverage": "sum_average",
    "SumEntropy": "sum_entropy",
    "SumSquares": "joint_variance",
}
RUN_LENGTHS = {
    "GrayLevelNonUniformity": "grey_level_non_uniformity",
    "GrayLevelNonUniformityNormalized": "normalised_grey_level_non_uniformity",
    "GrayLevelVariance": "grey_level_variance",
    "HighGrayLevelRunEmphasis": "high_grey_level_run_emphasis",
    "LongRunEmphasis": "long_runs_emphasis",
    "LongRunHighGrayLevelEmphasis": "long_run_high_grey_level_emphasis",
    "LongRunLowGrayLevelEmphasis": "long_run_low_grey_level_emphasis",
    "LowGrayLevelRunEmphasis": "low_grey_level_run_emphasis",
    "RunEntropy": "run_entropy",
    "RunLengthNonUniformity": "run_length_non_uniformity",
    "RunLengthNonUniformityNormalized": "normalised_run_length_non_uniformity",
    "RunPercentage": "run_percentage",
    "RunVariance": "run_length_variance",
    "ShortRunEmphasis": "short_runs_emphasis",
    "ShortRunHighGrayLevelEmphasis": "short_run_high_grey_level_emphasis",
    "ShortRunLowGrayLevelEmphasis": "short_run_low_grey_level_emphasis",
}
SHAPE = {
    "Elongation": "elongation",
    "MajorAxisLength": "major_axis_length",
    "MaximumDiameter": "maximum_diameter",
    "MeshSurface": "area",
    "MinorAxisLength": "minor_axis_length",
    "Perimeter": "perimeter",
    "PixelSurface": "area_approximate",
    "Sphericity": "circularity",
}
PYRADIOMICS = (
    {f"firstorder_{theirs}": f"stat_{ours}" for theirs, ours in STATISTICS.items()}
    | {"firstorder_Entropy": f"ih_entropy_fbn{BINS}", "firstorder_Uniformity": f"ih_uniformity_fbn{BINS}"}
    | {f"glcm_{theirs}": f"cm_{ours}_d1_2d_avg_fbn{BINS}" for theirs, ours in COOCCURRENCE.items()}
    | {f"glrlm_{theirs}": f"rlm_{ours}_2d_avg_fbn{BINS}" for theirs, ours in RUN_LENGTHS.items()}
    | {f"shape2D_{theirs}": f"morph_{ours}" for theirs, ours in SHAPE.items()}
)


def apart(ours: pd.Series, theirs: Any) -> float:
    """Largest relative difference of two columns."""
    difference = np.asarray(abs(ours - theirs) / np.maximum(abs(theirs), 1e-9))
    return float(difference.max())  # of an array, not of a Series, which would skip NaN


def timed(function: Any, *arguments: Any, **options: Any) -> tuple[float, pd.DataFrame]:
    began = time.perf_counter()
    table = function(*arguments, **options)
    return time.perf_counter() - began, table


def measure(n: int = 1000) -> dict[str, Any]:
    """Seconds for n lesions, and the ratios that `make bench` states."""
    images, masks = lesions(n)
    few = slice(0, 8)
    extract(images[few], masks[few], SPACING)  # what is loaded at first use is loaded
    plain(images[few], masks[few], FAMILIES)
    first, table = timed(extract, images, masks, SPACING, jobs=2)
    warm, again = timed(extract, images, masks, SPACING, jobs=2)
    one, alone = timed(extract, images, masks, SPACING)
    loop, reference = timed(plain, images, masks, FAMILIES)
    if not (table.equals(again) and table.equals(alone)):
        raise SystemExit("bench: extract gives other numbers with other jobs")
    worst = {name: apart(table[name], reference[name]) for name in reference}
    if set(table) != set(reference) or not all(value <= 1e-9 for value in worst.values()):
        raise SystemExit(f"bench: extract and the plain loop differ: {max(worst, key=lambda name: worst[name])}")
    return {
        "features_lesions": n,
        "features_columns": table.shape[1],
        "features_two_cores_s": round(warm, 2),
        "features_two_cores_first_call_s": round(first, 2),
        "features_one_core_s": round(one, 2),
        "features_plain_loop_s": round(loop, 2),
        "features_speedup_two_cores": round(loop / warm, 1),
        "features_speedup_first_call": round(loop / first, 1),
        "features_speedup_one_core": round(loop / one, 1),
        "features_largest_relative_difference": float(f"{max(worst.values()):.1e}"),
    }


def against_pyradiomics(python: str, n: int = 200) -> dict[str, Any]:
    """Compare with pyradiomics: time for each lesion on one core, and what differs by more than 1e-9."""
    images, masks = lesions(n)
    with tempfile.TemporaryDirectory() as folder:
        there, back = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(there, images=images, masks=masks, spacing=SPACING, bins=BINS)
        worker = Path(__file__).with_name("pyradiomics_worker.py")
        subprocess.run([python, str(worker), str(there), str(back)], check=True)
        theirs = dict(np.load(back))
    began = time.perf_counter()
    table = extract(images, masks, SPACING, families=["stat", "ih", "cm", "rlm", "morph"])
    took = time.perf_counter() - began
    differ = {name: apart(table[ours], theirs[f"original_{name}"]) for name, ours in PYRADIOMICS.items()}
    return {
        "version": str(theirs["version"]),
        "lesions": n,
        "measures_compared": len(differ),
        "measures_equal_to_1e-9": sum(value < 1e-9 for value in differ.values()),
        "largest_relative_difference_of_the_others": {
            name: float(f"{value:.2g}") for name, value in differ.items() if value >= 1e-9
        },
        "ms_per_lesion": round(1000 * float(theirs["seconds"]) / n, 1),
        "extract_ms_per_lesion_one_core": round(1000 * took / n, 1),
    }
