"""Branching trees that fill a lung, arteries, veins and airways, and their drawing as clouds of weighted points.

A tree divides the lung: the points that a branch supplies are cut in two, and each half gets a daughter branch
towards its centre (Kitaoka, Takaki and Suki 1999, J. Appl. Physiol. 87:2207-2217). Radii obey Murray's law,
r0³ = r1³ + r2³ (doi:10.1073/pnas.12.3.207).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medcourse.data.phantoms._chest_anatomy import Array, Chest, dome, heart_frame

Float = NDArray[np.float32]


class Tubes(NamedTuple):
    """Curved tubes: `start`, `control`, `end` (n, 3) in mm of a quadratic curve, radii at both ends, generation."""

    start: Array
    control: Array
    end: Array
    radius: Array  # (n, 2)
    generation: NDArray[np.int64]
    parent: NDArray[np.int64]  # row of the tube it grows from; -1 for a root


class Cloud(NamedTuple):
    """Points that fill tubes: where (n, 3) in mm, and the volume in mm³ each stands for."""

    points: Array
    volume: Array


def join(*parts: Tubes) -> Tubes:
    """Put tubes together; the parents stay those of each part."""
    offsets = np.cumsum([0, *(len(part.start) for part in parts)])
    parents = [
        np.where(part.parent < 0, -1, part.parent + offset)
        for part, offset in zip(parts, offsets[:-1].tolist(), strict=True)
    ]
    return _stack(parts, parents)


def _stack(parts: Sequence[Tubes], parents: Sequence[NDArray[np.int64]]) -> Tubes:
    """Put tubes together, with these parents."""
    return Tubes(
        start=np.concatenate([part.start for part in parts]),
        control=np.concatenate([part.control for part in parts]),
        end=np.concatenate([part.end for part in parts]),
        radius=np.concatenate([part.radius for part in parts]),
        generation=np.concatenate([part.generation for part in parts]),
        parent=np.concatenate(parents),
    )


def straight(start: Array, end: Array, radius: Array) -> Tubes:
    """Straight tubes, each (n, 3) to (n, 3) with radii (n, 2)."""
    n = len(start)
    return Tubes(start, (start + end) / 2, end, radius, np.zeros(n, np.int64), np.full(n, -1))


def grow(
    rng: np.random.Generator, chest: Chest, *, roots: Array, headings: Array, radii: Array, leaves: Array
) -> Tubes:
    """Grow trees side by side: roots and first headings (trees, 3), radii (trees,), leaves (trees, 2^k, 3).

    A branch's row number is that of its tree among those of its generation, tree by tree.
    """
    groups, start, direction, radius = leaves.swapaxes(1, 2), roots, headings, radii
    generations = int(np.log2(leaves.shape[1]))
    row = np.full(len(roots), -1)
    out: list[Tubes] = []
    made = 0
    for generation in range(generations + 1):
        branches, _, count = groups.shape
        last = generation == generations
        centre = groups.mean(axis=2)
        reach = 0.9 if last else (0.5 + 0.1 * min(generation, 2)) * (0.85 + 0.3 * rng.random((branches, 1)))
        end = _outside_heart(chest, start + reach * (centre - start))
        length = np.linalg.norm(end - start, axis=1, keepdims=True)
        control = _outside_heart(chest, start + 0.24 * length * direction + 0.24 * (end - start))
        rows = np.full(branches, generation)
        out.append(Tubes(start, control, end, np.stack([radius, radius * (0.5 if last else 1)], axis=1), rows, row))
        if last:
            break
        spread = groups.max(axis=2) - groups.min(axis=2)
        cut = np.eye(3)[spread.argmax(axis=1)] + rng.standard_normal((branches, 3)) * 0.35
        order = np.einsum("bi,bip->bp", cut, groups).argsort(axis=1)
        halves = groups[np.arange(branches)[:, None, None], np.arange(3)[:, None], order[:, None]]
        groups = halves.reshape(branches, 3, 2, count // 2).swapaxes(1, 2).reshape(2 * branches, 3, count // 2)
        share = 0.5 + 0.16 * (2 * rng.random(branches) - 1)
        radius = (np.stack([share, 1 - share], axis=1) ** (1 / 3) * radius[:, None]).ravel()
        direction = np.repeat(_unit(end - control), 2, axis=0)
        start = np.repeat(end, 2, axis=0)
        row = np.repeat(np.arange(made, made + branches), 2)
        made += branches
    return _stack(out, [tubes.parent for tubes in out])


def take(tubes: Tubes, tree: int, trees: int) -> Tubes:
    """One of the trees that were grown side by side."""
    count = np.bincount(tubes.generation)
    first = np.cumsum(count) - count
    place = (np.arange(len(tubes.start)) - first[tubes.generation]) * trees // count[tubes.generation]
    rows = np.flatnonzero(place == tree)
    number = np.full(len(tubes.start) + 1, -1)
    number[rows] = np.arange(len(rows))
    return Tubes(
        start=tubes.start[rows],
        control=tubes.control[rows],
        end=tubes.end[rows],
        radius=tubes.radius[rows],
        generation=tubes.generation[rows],
        parent=number[tubes.parent[rows]],
    )


def _outside_heart(chest: Chest, points: Array) -> Array:
    """Points pushed out of the heart, and above the diaphragm."""
    centre, frame = heart_frame(chest)
    axes = np.array(chest.heart_axes) + 7
    local = (points - centre) @ frame.T / axes
    rho = np.sqrt(np.einsum("ij,ij->i", local, local))[:, None]
    moved: Array = np.where(rho < 1, centre + (local / np.maximum(rho, 0.2) * axes) @ frame, points)
    moved[:, 2] = np.maximum(moved[:, 2], dome(chest, moved[:, 0], moved[:, 1]) + 2)
    return moved


def airways(arteries: Tubes, *, root: Array, radius: float, offset: Array, generations: int) -> Tubes:
    """Bronchi along the first generations of an artery's tree, beside it; `radius` is the lumen's."""
    kept = arteries.generation <= generations
    ratio = radius / arteries.radius[0, 0]
    lumen = arteries.radius[kept] * ratio
    gap = arteries.radius[kept].mean(axis=1) * (1.15 + ratio)
    shift = offset[None] * gap[:, None]
    parent = arteries.parent[kept]
    end = arteries.end[kept] + shift
    start = np.where(parent[:, None] < 0, root[None], end[parent])
    control = arteries.control[kept] + shift
    tip = arteries.generation[kept] == generations
    lumen[tip, 1] *= 0.7
    return Tubes(start, control, end, lumen, arteries.generation[kept], parent)


_RINGS = (1, 6, 12, 18)


def _disc(rings: int) -> Array:
    """Points (n, 2) that fill a unit disc evenly: 1, 7, 19 or 37 of them, each for the same area."""
    points = []
    outer = np.sqrt(np.cumsum(_RINGS[:rings]) / sum(_RINGS[:rings])).tolist()
    inner = [0.0, *outer[:-1]]
    for k, count in enumerate(_RINGS[:rings]):
        middle = 0.0 if k == 0 else np.sqrt((outer[k] ** 2 + inner[k] ** 2) / 2)
        angle = 2 * np.pi * (np.arange(count) + 0.5 * (k % 2)) / count
        points.append(np.stack([middle * np.cos(angle), middle * np.sin(angle)], axis=1))
    return np.concatenate(points)


_DISCS = {rings: _disc(rings) for rings in (1, 2, 3, 4)}


def fill(tubes: Tubes, *, step_mm: float, z_range: tuple[float, float]) -> Cloud:
    """Fill the tubes that reach into a range of z with points, some `step_mm` apart."""
    if not len(tubes.start):
        return Cloud(np.empty((0, 3)), np.empty(0))
    heights = np.stack([tubes.start[:, 2], tubes.control[:, 2], tubes.end[:, 2]])
    widest = tubes.radius.max(axis=1)
    near = (heights.max(axis=0) + widest > z_range[0]) & (heights.min(axis=0) - widest < z_range[1])
    length = np.linalg.norm(tubes.control - tubes.start, axis=1) + np.linalg.norm(tubes.end - tubes.control, axis=1)
    count = np.maximum(np.ceil(length / step_mm), 2).astype(np.int64)
    rings = 1 + np.searchsorted(np.array([0.9, 1.9, 3.6]), widest / step_mm)
    rows = np.flatnonzero(near)
    row = np.repeat(rows, count[rows])  # a sample is one place along one tube
    first = np.repeat(np.cumsum(count[rows]) - count[rows], count[rows])
    t = ((np.arange(len(row)) - first + 0.5) / count[row])[:, None]
    a, b, c = tubes.start[row], tubes.control[row], tubes.end[row]
    middle = (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c
    radius = (1 - t[:, 0]) * tubes.radius[row, 0] + t[:, 0] * tubes.radius[row, 1]
    in_range = (middle[:, 2] + radius > z_range[0]) & (middle[:, 2] - radius < z_range[1])
    row, t, a, b, c, middle, radius = (x[in_range] for x in (row, t, a, b, c, middle, radius))
    velocity = 2 * (1 - t) * (b - a) + 2 * t * (c - b)
    volume = np.pi * radius**2 * np.linalg.norm(velocity, axis=1) / count[row]
    along = _unit(velocity)
    helper = np.where(np.abs(along[:, 2:]) < 0.8, np.array([[0.0, 0.0, 1.0]]), np.array([[1.0, 0.0, 0.0]]))
    one = _unit(_cross(along, helper))
    two = _cross(along, one)
    points, volumes = [], []
    for k, disc in _DISCS.items():
        chosen = rings[row] == k
        if not chosen.any():
            continue
        spread = radius[chosen, None, None]
        cloud = middle[chosen, None] + spread * (
            disc[None, :, :1] * one[chosen, None] + disc[None, :, 1:] * two[chosen, None]
        )
        points.append(cloud.reshape(-1, 3))
        volumes.append(np.repeat(volume[chosen] / len(disc), len(disc)))
    return Cloud(np.concatenate(points), np.concatenate(volumes)) if points else Cloud(np.empty((0, 3)), np.empty(0))


def splat(cloud: Cloud, *, z: Array, centre: tuple[float, float], shape: tuple[int, int], size_mm: Array) -> Float:
    """Share of each voxel that the points fill, (n_z, rows, columns), at most 1.

    A point is shared among the eight voxels around it, so the total volume is kept; `size_mm` is the voxel's
    thickness, height and width. Slices further apart than their thickness miss what lies between them.
    """
    rows, columns = shape
    cover = np.zeros((len(z), rows, columns), np.float32)
    if len(cloud.volume):
        column = (cloud.points[:, 0] - centre[0]) / size_mm[2] + (columns - 1) / 2
        row = (cloud.points[:, 1] - centre[1]) / size_mm[1] + (rows - 1) / 2
        c0, r0 = np.floor(column), np.floor(row)
        fc, fr = column - c0, row - r0
        ok = (c0 >= 0) & (c0 < columns - 1) & (r0 >= 0) & (r0 < rows - 1)
        base = (r0 * columns + c0).astype(np.int64)
        share = cloud.volume / size_mm.prod()
        order = np.flatnonzero(ok)
        order = order[cloud.points[order, 2].argsort(kind="stable")]
        height = cloud.points[order, 2]
        base, share, fc, fr = (x[order] for x in (base, share, fc, fr))
        first, last = (np.searchsorted(height, z + s * size_mm[0]) for s in (-1, 1))
        for k, level in enumerate(z.tolist()):
            here = slice(int(first[k]), int(last[k]))
            weight, at = (1 - np.abs(height[here] - level) / size_mm[0]) * share[here], base[here]
            x, y = fc[here], fr[here]
            index = np.concatenate([at, at + 1, at + columns, at + columns + 1])
            parts = np.concatenate([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y]) * np.tile(weight, 4)
            filled = np.bincount(index, parts, minlength=rows * columns).reshape(rows, columns)
            np.minimum(filled, 1, out=cover[k], casting="same_kind")
    return cover


def _unit(vectors: Array) -> Array:
    unit: Array = vectors / np.maximum(np.sqrt(np.einsum("ij,ij->i", vectors, vectors)), 1e-9)[:, None]
    return unit


def _cross(a: Array, b: Array) -> Array:
    (ax, ay, az), (bx, by, bz) = a.T, b.T
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=1)
