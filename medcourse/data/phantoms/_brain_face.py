"""What is below the skull: face with eyes, nose and airway, jaw, neck with spine. Drawn, not measured from anybody."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from medcourse.data.phantoms._brain_lesions import ramp
from medcourse.data.phantoms._brain_warp import Float

Shape = tuple[tuple[int, int, int], tuple[int, int, int]]

# Ellipsoids in template mm (z, y, x): centre; half-axes.
SOFT: tuple[Shape, ...] = (
    ((-46, -38, 0), (52, 54, 64)),  # cheeks and orbits
    ((-62, -92, 0), (14, 22, 13)),  # nose
    ((-96, -50, 0), (36, 44, 46)),  # jaw
    ((-140, 14, 0), (110, 52, 52)),  # neck
)
EYES: tuple[Shape, ...] = (((-35, -64, 31), (12, 12, 12)), ((-35, -64, -31), (12, 12, 12)))
AIR: tuple[Shape, ...] = (
    ((-58, -64, 0), (9, 24, 5)),  # nose
    ((-58, -58, 26), (12, 14, 10)),  # maxillary sinuses
    ((-58, -58, -26), (12, 14, 10)),
    ((-92, -26, 0), (34, 6, 10)),  # throat
)
SPINE: tuple[Shape, ...] = tuple(((-88 - 17 * k, 2 - 2 * k, 0), (8, 9, 12)) for k in range(4))
CANAL, CORD = (22.0, 9.0), (22.0, 5.0)  # of the spine: place behind the commissure, radius, in mm
TOP_MM = 10.0  # nothing of this is higher


def draw_face(
    flat: Float, index: NDArray[np.intp], place: list[Float], levels: Mapping[str, Float]
) -> NDArray[np.bool_]:
    """Paint soft tissue over pixels outside the bone (`index` into `flat`); True where there is tissue, not air."""
    soft = np.min([_ellipsoid(place, *shape) for shape in SOFT], axis=0)
    tissue = np.zeros(len(index), bool)
    near = np.flatnonzero(soft < 1)
    z, y, x = place = [part[near] for part in place]
    depth = -soft[near]
    fibres = np.sin(x / 6 + 2 * np.sin(z / 12)) * np.sin(y / 8 + 2 * np.sin(x / 14)) + np.sin(z / 9 + y / 15)
    orbit = np.min([_ellipsoid(place, *shape) for shape in EYES], axis=0)
    fat = np.maximum(ramp(np.float32(0.25) + fibres), ramp(1 - abs(depth - 4) / 3))  # under the skin, too
    fat = np.maximum(fat, ramp(1 - orbit / 12))
    level = fat[:, None] * levels["fat"] + (1 - fat[:, None]) * levels["muscle"]
    for shapes, name, margin in ((SPINE, "bone", 1.5), (SPINE, "marrow", 0.5), (EYES, "csf", 0.5)):
        inside = np.min([_ellipsoid(place, *shape) for shape in shapes], axis=0)
        level += ramp(np.float32(margin) - inside)[:, None] * (levels[name] - level)
    for (behind, radius), name in ((CANAL, "csf"), (CORD, "white")):
        away: Float = np.float32(radius + 0.5) - np.sqrt((y - np.float32(behind)) ** 2 + x * x)
        lower: Float = (np.float32(-66) - z) / np.float32(3)
        share = ramp(away) * ramp(lower)
        level += share[:, None] * (levels[name] - level)
    air = ramp(np.float32(0.5) - np.min([_ellipsoid(place, *shape) for shape in AIR], axis=0))
    level *= 1 - air[:, None]
    here = ramp(np.float32(0.5) + depth)
    flat[index[near]] += here[:, None] * (level - flat[index[near]])
    tissue[near] = (depth > 0) & (air < 0.5)
    return tissue


def _ellipsoid(place: list[Float], centre: tuple[int, int, int], half: tuple[int, int, int]) -> Float:
    """Signed distance (nearly) from an ellipsoid, in mm."""
    squares = [((part - np.float32(c)) / np.float32(h)) ** 2 for part, c, h in zip(place, centre, half, strict=True)]
    distance: Float = (np.sqrt(squares[0] + squares[1] + squares[2]) - 1) * np.float32(min(half))
    return distance
