"""The compressed breast in one projection: outline, thickness, nipple and pectoral muscle, in millimetres.

Everything is drawn as the left breast, the chest wall at column 0 and the axilla (in CC: the lateral side) on top;
the right breast is its mirror image. `x` runs from the chest wall to the nipple, `y` downwards from the nipple's row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

FIELD_MM = 200.0  # side of the picture
_GAP_MM = 6.0  # air that is kept between the breast and the picture's edge


@dataclass(frozen=True)
class Shape:
    """One projection's outline; lengths in mm, rows counted from the picture's top."""

    depth: float  # chest wall to nipple
    nipple_y: float  # from the top of the picture
    up: float  # semi-axis along the chest wall, above the nipple
    down: float  # and below it
    power_up: float  # exponents of the two superellipses
    power_down: float
    nipple: float  # radius
    skin: float
    thickness: float  # of the compressed breast
    muscle: float  # width of the pectoral muscle at the top of the picture, 0 in CC
    muscle_end: float  # where it meets the chest wall, mm from the nipple's row (negative: above)
    bow: float  # bulge of its edge


def draw_shape(rng: np.random.Generator, *, depth: float, projection: str, thickness: float, skin: float) -> Shape:
    """Draw one projection of a breast whose chest-wall-to-nipple distance is about `depth`."""
    u = rng.random(9)
    if projection == "CC":
        nipple_y = FIELD_MM / 2 + 8 * (u[0] - 0.5)
        room = min(nipple_y, FIELD_MM - nipple_y) - _GAP_MM
        half = min(depth * (0.88 + 0.2 * u[1]), room)
        up, down = half, min(half * (0.94 + 0.12 * u[2]), room)
        power_up, power_down = 1.9 + 0.4 * u[3], 1.9 + 0.4 * u[4]
        muscle, muscle_end, bow = 0.0, -60.0, 0.0
    else:
        nipple_y = FIELD_MM * (0.56 + 0.06 * u[0])
        up = nipple_y * (1.25 + 0.3 * u[1])  # the outline leaves the picture at the axilla
        down = min(depth * (0.8 + 0.15 * u[2]), FIELD_MM - nipple_y - _GAP_MM)
        power_up, power_down = 1.55 + 0.3 * u[3], 2.0 + 0.4 * u[4]
        muscle, muscle_end, bow = 0.38 * depth + 18 * u[5], -(24 + 30 * u[6]), 7 * (u[7] - 0.35)
    return Shape(
        depth=min(depth * (0.97 + 0.06 * u[8]), FIELD_MM - 20),
        nipple_y=nipple_y,
        up=up,
        down=down,
        power_up=power_up,
        power_down=power_down,
        nipple=4.5,
        skin=skin,
        thickness=thickness,
        muscle=muscle,
        muscle_end=muscle_end,
        bow=bow,
    )


def grids(shape: Shape, size: int) -> tuple[Float, Float]:
    """Millimetres of each pixel's centre: `y` (size, 1) and `x` (1, size)."""
    axis = (np.arange(size) + 0.5) * (FIELD_MM / size)
    return (axis - shape.nipple_y).astype(np.float32)[:, None], axis.astype(np.float32)[None, :]


def skin_distance(shape: Shape, y: Float, x: Float) -> Float:
    """How deep under the skin a point lies, in mm; negative outside. Exact for a circle, first order elsewhere."""
    upper = y < 0
    power = np.where(upper, shape.power_up, shape.power_down).astype(np.float32)
    half = np.where(upper, shape.up, shape.down).astype(np.float32)
    log_x = np.log(np.maximum(x / np.float32(shape.depth), np.float32(1e-4)))
    log_y = np.log(np.maximum(np.abs(y) / half, np.float32(1e-4)))
    log_g = np.log(np.exp(power * log_x) + np.exp(power * log_y)) / power  # a function of degree 1
    slope_x = np.exp((power - 1) * (log_x - log_g)) / np.float32(shape.depth)
    slope_y = np.exp((power - 1) * (log_y - log_g)) / half
    distance: Float = ((1 - np.exp(log_g)) / np.sqrt(slope_x**2 + slope_y**2)).astype(np.float32)
    nipple = np.float32(shape.nipple) - np.hypot(x - np.float32(shape.depth + 0.5), y)
    deepest: Float = np.maximum(distance, nipple)
    return deepest


def muscle_depth(shape: Shape, y: Float, x: Float) -> Float:
    """How deep inside the pectoral muscle a point lies, in mm; negative outside, -999 where there is none."""
    if shape.muscle == 0:
        return np.full(np.broadcast_shapes(y.shape, x.shape), -999, np.float32)
    length = shape.muscle_end + shape.nipple_y
    along = (y + np.float32(shape.nipple_y)) / np.float32(length)  # 0 at the top, 1 where it meets the chest wall
    edge = shape.muscle * (1 - along) + shape.bow * 4 * along * (1 - along)
    inside: Float = ((edge - x) * np.float32(length / math.hypot(length, shape.muscle))).astype(np.float32)
    return inside


def roundness(shape: Shape, distance: Float) -> Float:
    """Thickness as a share of the compressed thickness: the free edge is round."""
    edge = np.float32(0.45 * shape.thickness)
    left = 1 - np.clip(distance / edge, 0, 1)
    share: Float = np.sqrt(np.maximum(1 - left * left, 0))
    return share


def place(shape: Shape, reach: float, angle: float, margin: float) -> tuple[float, float]:
    """A point `reach` mm from the nipple in which `margin` mm around it are breast: (y, x).

    The point is turned towards the nipple's axis until it fits, and only if the axis has no room it comes nearer.
    """
    reach = min(max(reach, margin + 5), shape.depth - margin - 4)
    for _ in range(40):
        for share in np.linspace(1, 0, 21).tolist():
            y, x = -reach * math.sin(angle * share), shape.depth - reach * math.cos(angle * share)
            if fits(shape, y, x, margin):
                return y, x
        reach = max(0.97 * reach, margin + 5)
    return 0.0, shape.depth - reach


def fits(shape: Shape, y: float, x: float, margin: float) -> bool:
    """Whether a disc of radius `margin` mm lies in the breast, clear of skin, chest wall and muscle."""
    at = np.array([[y]], np.float32), np.array([[x]], np.float32)
    return (
        x > margin + 2
        and y + shape.nipple_y > margin + 2
        and float(skin_distance(shape, *at)[0, 0]) > margin + shape.skin + 1
        and float(muscle_depth(shape, *at)[0, 0]) < -(margin + 1)
    )
