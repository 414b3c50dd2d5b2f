"""The shape of a region in millimetres: of its outline in two dimensions, of its surface in three."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["shape_measures"]

Float = NDArray[np.float64]


def shape_measures(
    mask: NDArray[np.bool_], spacing_mm: tuple[float, ...], *, image: Float | None = None
) -> dict[str, float]:
    """Measure a region's outline (two dimensions) or surface (three).

    Parameters
    ----------
    mask
        bool, (rows, columns) or (z, y, x), with at least one voxel.
    spacing_mm
        Voxel size of each axis, in millimetres.
    image
        The values, of the mask's shape; adds in three dimensions what IBSI counts as morphology but depends on values.

    Returns
    -------
    dict of str to float
        In three dimensions by IBSI's names: `volume` of the mesh (mm³), `volume_approximate` of the voxels, `area`
        (mm²), `surface_to_volume` (1/mm), `compactness_1`, `compactness_2`, `spherical_disproportion`, `sphericity`,
        `asphericity`, `maximum_diameter`, `major_axis_length`, `minor_axis_length`, `least_axis_length` (mm),
        `elongation`, `flatness`, and the volume and area densities of bounding box (aabb), ellipsoid (aee) and
        convex hull; with `image` also `centre_of_mass_shift` (mm), `integrated_intensity` (its unit times mm³),
        `morans_i` and `gearys_c`. In two dimensions: `area` of the polygon (mm²), `area_approximate` of the
        pixels, `perimeter` (mm), `circularity` 4πA/P², `maximum_diameter`, `major_axis_length`, `minor_axis_length`
        (mm), `elongation`, `eccentricity`, `solidity`, and the box's `extent`.

    Raises
    ------
    ValueError
        If the mask is empty or `spacing_mm` does not fit it.

    Notes
    -----
    The outline and the surface run half way between inside and outside (marching squares and cubes at 0.5), as in
    Zwanenburg et al. 2020, doi:10.1148/radiol.2020191145. That cuts corners: a single pixel has half its area. And
    the outline runs in eight directions only, so that the perimeter of a disc is some 5 % too long at *any* resolution
    and its circularity 0.90; in space the area is too large in the same way. Axes are 4 standard deviations long, by
    IBSI's definition: right for an ellipse, 0.894 of the axes of an ellipsoid.
    The enclosing ellipsoid's area follows IBSI's series, which exceeds the true area where the axes differ (by 2 % for
    12 : 8 : 5). IBSI gives no references in two dimensions.
    Taught in: 3.2.3 Morphological features.

    Examples
    --------
    >>> round(shape_measures(np.ones((4, 5), bool), (1.0, 2.0))["area_approximate"], 3)
    40.0
    """
    mask = np.asarray(mask) > 0
    if mask.ndim not in (2, 3) or len(spacing_mm) != mask.ndim or not all(0 < size < np.inf for size in spacing_mm):
        raise ValueError(
            f"spacing_mm={spacing_mm} for a mask of shape {mask.shape}: give one positive length for each axis"
        )
    if not mask.any():
        raise ValueError("mask is empty: mark at least one voxel")
    if mask.ndim == 2:
        return _outline(mask, spacing_mm)
    found = _surface(mask, spacing_mm)
    return found if image is None else found | _mass(np.asarray(image, np.float64), mask, spacing_mm, found["volume"])


def _axes(mask: NDArray[np.bool_], spacing: Float) -> Float:
    """Lengths of the principal axes, longest first: 4 standard deviations of the voxels' centres."""
    places = np.nonzero(mask)
    n = len(places[0])
    if n == 1:
        return np.zeros(mask.ndim)
    # Whole numbers: the sums are exact.
    moments = np.array([[int((a * b).sum()) for b in places] for a in places], float)
    sums = np.array([int(a.sum()) for a in places], float)
    covariance = (moments - np.outer(sums, sums) / n) / (n - 1) * np.outer(spacing, spacing)
    lengths: Float = 4 * np.sqrt(np.clip(np.linalg.eigvalsh(covariance)[::-1], 0, None))
    return lengths


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else float("nan")


# Marching squares at 0.5, cell by cell: for the 16 ways in which the 4 corners of a cell (top left 1, top right 2,
# bottom left 4, bottom right 8) lie inside, the area inside as a share of the cell, and how many segments of the
# outline cross it: along the rows, along the columns, aslant. Two inside corners that face each other are connected.
_AREA = np.array([0, 1, 1, 4, 1, 4, 6, 7, 1, 6, 4, 7, 4, 7, 7, 8]) / 8
_LEVEL = np.array([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0])
_UPRIGHT = np.array([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0])
_ASLANT = np.array([0, 1, 1, 0, 1, 0, 2, 1, 1, 2, 0, 1, 0, 1, 1, 0])


def _outline(mask: NDArray[np.bool_], spacing_mm: tuple[float, ...]) -> dict[str, float]:
    from scipy.spatial import ConvexHull

    rows, columns = mask.shape
    dy, dx = spacing_mm
    wide = np.zeros((rows + 2, columns + 2), np.uint8)
    wide[1:-1, 1:-1] = mask
    cells = np.bincount(
        (wide[:-1, :-1] + 2 * wide[:-1, 1:] + 4 * wide[1:, :-1] + 8 * wide[1:, 1:]).ravel(), minlength=16
    )
    pixel = dy * dx
    area = int((8 * _AREA * cells).sum()) / 8 * pixel
    perimeter = float(
        (_LEVEL * cells).sum() * dx + (_UPRIGHT * cells).sum() * dy + (_ASLANT * cells).sum() * np.hypot(dy, dx) / 2
    )
    points = _ends(mask, dy, dx)
    hull = ConvexHull(points)
    corners = points[hull.vertices]
    major, minor = _axes(mask, np.array(spacing_mm))
    return {
        "area": area,
        "area_approximate": float(mask.sum() * pixel),
        "perimeter": perimeter,
        "circularity": float(4 * np.pi * area / perimeter**2),
        "maximum_diameter": float(np.sqrt(((corners[:, None] - corners) ** 2).sum(axis=-1).max())),
        "major_axis_length": float(major),
        "minor_axis_length": float(minor),
        "elongation": _ratio(minor, major),
        "eccentricity": float(np.sqrt(max(0.0, 1 - _ratio(minor, major) ** 2))) if major > 0 else float("nan"),
        "solidity": _ratio(area, hull.volume),
        "extent": _ratio(area, float(np.ptp(points, axis=0).prod())),
    }


def _ends(mask: NDArray[np.bool_], dy: float, dx: float) -> Float:
    """Where the outline crosses each row and each column for the first and the last time, in millimetres."""
    points = []
    for lines, swap in ((mask, False), (mask.T, True)):
        line = np.flatnonzero(lines.any(axis=1))
        first = lines[line].argmax(axis=1) - 0.5
        last = lines.shape[1] - lines[line][:, ::-1].argmax(axis=1) - 0.5
        pairs = np.concatenate([np.stack([line, first], 1), np.stack([line, last], 1)])
        points.append(pairs[:, ::-1] if swap else pairs)
    return np.concatenate(points) * (dy, dx)


def _surface(mask: NDArray[np.bool_], spacing_mm: tuple[float, ...]) -> dict[str, float]:
    from scipy.spatial import ConvexHull, QhullError
    from scipy.spatial.distance import pdist
    from skimage.measure import marching_cubes

    spacing = np.array(spacing_mm)
    points, faces, _, _ = marching_cubes(
        np.pad(mask, 1).astype(np.float32), 0.5, spacing=spacing_mm, method="lorensen", allow_degenerate=False
    )
    a, b, c = (points[faces[:, k]].astype(np.float64) for k in range(3))
    cross = np.cross(b - a, c - a)
    area = float(0.5 * np.linalg.norm(cross, axis=1).sum())
    volume = float(abs(np.einsum("ij,ij->", a, cross)) / 6)
    try:
        hull = ConvexHull(points)
        hull_volume, hull_area, corners = hull.volume, hull.area, points[hull.vertices]
    except QhullError:  # cannot happen with a closed mesh, but a flat one would have no hull
        hull_volume, hull_area, corners = float("nan"), float("nan"), points
    major, minor, least = _axes(mask, spacing)
    side = np.ptp(points, axis=0)
    box, box_area = float(side.prod()), float(2 * (side[0] * side[1] + side[0] * side[2] + side[1] * side[2]))
    spherical = (36 * np.pi * volume**2) ** (1 / 3)
    return {
        "volume": volume,
        "volume_approximate": float(mask.sum() * spacing.prod()),
        "area": area,
        "surface_to_volume": area / volume,
        "compactness_1": float(volume / (np.sqrt(np.pi) * area**1.5)),
        "compactness_2": 36 * np.pi * volume**2 / area**3,
        "spherical_disproportion": area / spherical,
        "sphericity": spherical / area,
        "asphericity": area / spherical - 1,
        "maximum_diameter": float(pdist(corners).max()),
        "major_axis_length": float(major),
        "minor_axis_length": float(minor),
        "least_axis_length": float(least),
        "elongation": _ratio(minor, major),
        "flatness": _ratio(least, major),
        "volume_density_aabb": volume / box,
        "area_density_aabb": area / box_area,
        "volume_density_aee": _ratio(volume, np.pi * major * minor * least / 6),
        "area_density_aee": _ratio(area, _ellipsoid_area(major / 2, minor / 2, least / 2)),
        "volume_density_convex_hull": volume / hull_volume,
        "area_density_convex_hull": area / hull_area,
    }


def _ellipsoid_area(a: float, b: float, c: float) -> float:
    """Area of an ellipsoid with half axes a ≥ b ≥ c, by IBSI's series in Legendre polynomials (20 terms)."""
    from scipy.special import eval_legendre

    if c <= 0:
        return float("nan")
    alpha, beta = np.sqrt(1 - (b / a) ** 2), np.sqrt(1 - (c / a) ** 2)
    if alpha * beta < 1e-12:  # a sphere or a spheroid along its short axis: the series' argument is infinite
        beta = max(beta, 1e-9)
        alpha = max(alpha, 1e-9)
    order = np.arange(21)
    series = (
        (alpha * beta) ** order / (1 - 4.0 * order**2) * eval_legendre(order, (alpha**2 + beta**2) / (2 * alpha * beta))
    )
    return float(4 * np.pi * a * b * series.sum())


def _mass(image: Float, mask: NDArray[np.bool_], spacing_mm: tuple[float, ...], volume: float) -> dict[str, float]:
    """Where the values lie in the region, and whether near voxels are alike (weights 1/distance, by convolution)."""
    from scipy.signal import fftconvolve

    spacing = np.array(spacing_mm)
    points, values = np.argwhere(mask) * spacing, image[mask]
    total = values.sum()
    shift = np.linalg.norm(points.mean(axis=0) - values @ points / total) if total != 0 else np.nan
    away = np.where(mask, image - values.mean(), 0.0)
    spread = float((away**2).sum())
    n = len(values)
    moran = geary = float("nan")
    if spread > 0 and values.min() < values.max():
        steps = [np.arange(1 - side, side) * size for side, size in zip(mask.shape, spacing_mm, strict=True)]
        apart = np.sqrt(sum(step**2 for step in np.meshgrid(*steps, indexing="ij")))
        weight = np.divide(1.0, apart, out=np.zeros_like(apart), where=apart > 0)
        near = fftconvolve(mask.astype(float), weight, mode="full")
        centre = tuple(slice(side - 1, 2 * side - 1) for side in mask.shape)
        of_mask, of_away = near[centre], fftconvolve(away, weight, mode="full")[centre]
        weights = float(of_mask[mask].sum())
        moran = n / weights * float((away * of_away).sum()) / spread
        squares = 2 * float((of_mask * away**2)[mask].sum()) - 2 * float((away * of_away).sum())
        geary = (n - 1) / (2 * weights) * squares / spread
    return {
        "centre_of_mass_shift": float(shift),
        "integrated_intensity": float(values.mean() * volume),
        "morans_i": moran,
        "gearys_c": geary,
    }
