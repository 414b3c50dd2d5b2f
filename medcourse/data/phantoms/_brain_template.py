"""The average brain that every brain phantom starts from: tissue maps and distances, packed for fast sampling."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medcourse.data.samples import brain_template

Float = NDArray[np.float32]

# Voxel (0, 0, 0) of the template, in mm to superior, posterior and left of the anterior commissure.
ORIGIN = np.array([-72.0, -98.0, -98.0])
BELOW = 60  # mm of neck that is put below the template
CORNER = ORIGIN - np.array([BELOW, 0, 0])


class Template(NamedTuple):
    """Maps on a grid of `step` mm: `tiles` holds grey and white matter as uint16, the planes side by side.

    `shape` is (z, y, x), `columns` the number of planes in a row of tiles. `hull` is the signed distance in mm from the
    inner surface of the skull, negative inside, on a grid of 2 mm.
    """

    tiles: NDArray[np.uint16]
    shape: tuple[int, int, int]
    columns: int
    step: int
    hull: Float


@lru_cache(maxsize=2)
def template(step: int) -> Template:
    """The maps on a grid of 1 or 2 mm; means over 2 mm are what coarse voxels should sample."""
    t1, grey, white = brain_template()
    # Averaging 152 brains blurred their sulci: sharpening the shares (CSF favoured) gives back part of the contrast.
    g, w = (_padded(volume) for volume in (grey, white))
    c: Float = np.float32(1.4) * np.maximum(1 - g - w, np.float32(0))
    g, w, c = (np.sqrt(share * share * share) for share in (g, w, c))
    total = np.maximum(g + w + c, 1e-6)
    g, w = g / total, w / total
    if step == 2:
        g, w = _halve(g), _halve(w)
    planes, rows, columns = g.shape
    across = math.isqrt(planes - 1) + 1
    down = -(-planes // across)
    tiles = np.zeros((down, rows, across, columns, 2), np.uint16)
    for plane in range(planes):
        for k, share in enumerate((g, w)):
            tiles[plane // across, :, plane % across, :, k] = np.rint(share[plane] * 65535)
    image = tiles.reshape(down * rows, across * columns, 2)
    return Template(image, (planes, rows, columns), across, step, _hull(t1 > 0))


def sample_tissue(maps: Template, place: list[Float]) -> tuple[Float, Float]:
    """Shares of grey and of white matter at places (z, y, x) in template mm, by linear interpolation."""
    k, j, i = (
        np.clip((axis - np.float32(low + (maps.step - 1) / 2)) / np.float32(maps.step), 0, side - 1.001)
        for axis, low, side in zip(place, CORNER, maps.shape, strict=True)
    )
    _, rows, columns = maps.shape
    lower = k.astype(np.int32)
    k -= lower
    found = []
    for plane in (lower, lower + 1):
        tile, column = np.divmod(plane, maps.columns)
        across = (i + (column * columns).astype(np.float32)).reshape(-1, i.shape[-1])
        down = (j + (tile * rows).astype(np.float32)).reshape(-1, i.shape[-1])
        pair = cv2.remap(maps.tiles, across, down, cv2.INTER_LINEAR).reshape(*i.shape, 2)
        found.append(pair.astype(np.float32) * np.float32(1 / 65535))
    both = found[0] + k[..., None] * (found[1] - found[0])
    return both[..., 0], both[..., 1]


def sample_hull(maps: Template, place: list[Float]) -> Float:
    """Signed distance in mm from the skull's inner surface at places (z, y, x) in template mm."""
    at = [(axis - np.float32(low + 0.5)) * np.float32(0.5) for axis, low in zip(place, CORNER, strict=True)]
    hull: Float = ndimage.map_coordinates(maps.hull, at, order=1, mode="nearest", output=np.float32)
    return hull


@lru_cache(maxsize=1)
def places() -> dict[str, NDArray[np.float64]]:
    """Points of the supratentorial brain every 3 mm: `mm` (points, 3) in template mm, `grey`, `white`, `hull`."""
    place = [axis.astype(np.float32) for axis in np.mgrid[-12:64:3, -75:109:3, -72:73:3]]
    z, y, x = place
    grey, white = sample_tissue(template(1), place)
    hull = sample_hull(template(1), place)
    chosen = (hull < 2) & ((y < 30) | (z > 4))
    return {
        "mm": np.stack([z[chosen], y[chosen], x[chosen]], axis=1).astype(np.float64),
        "grey": grey[chosen].astype(np.float64),
        "white": white[chosen].astype(np.float64),
        "hull": hull[chosen].astype(np.float64),
    }


def _hull(brain: NDArray[np.bool_]) -> Float:
    """Signed distance from the skull's inner surface, which bridges the brain's furrows, on the 2 mm grid."""
    inside = _halve(np.pad(brain, ((BELOW, 0), (0, 0), (0, 0))).astype(np.float32)) > 0.4
    rod = np.hypot(*np.mgrid[-4:5, -4:5])[None] <= 4.3
    inside = ndimage.binary_closing(np.pad(inside, 6), np.repeat(rod, 3, axis=0))[6:-6, 6:-6, 6:-6]
    inside = ndimage.gaussian_filter(inside.astype(np.float32), 1.2) > 0.45
    away = ndimage.distance_transform_edt(~inside) - ndimage.distance_transform_edt(inside)
    smooth: Float = ndimage.gaussian_filter((2 * away).astype(np.float32), 0.7)
    return smooth


def _padded(volume: NDArray[np.uint8]) -> Float:
    """Shares from 0 to 1, with room for the neck."""
    shares: Float = np.pad(volume, ((BELOW, 0), (0, 0), (0, 0))).astype(np.float32) / np.float32(255)
    return shares


def _halve(map_: Float) -> Float:
    even = map_[: map_.shape[0] // 2 * 2, : map_.shape[1] // 2 * 2, : map_.shape[2] // 2 * 2]
    blocks = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2, even.shape[2] // 2, 2)
    mean: Float = blocks.mean(axis=(1, 3, 5), dtype=np.float32)
    return mean
