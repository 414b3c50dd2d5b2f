"""From a patient to pictures: tissues, vessels, airways, parenchyma and findings, then blur and noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from medcourse.data.phantoms._chest_anatomy import Array, Chest, draw_chest, points_in_lung
from medcourse.data.phantoms._chest_draw import AIR_HU, ANATOMY, CODE, TISSUES, Grid, Outlines, backdrop
from medcourse.data.phantoms._chest_marks import CORE, Mark, cover
from medcourse.data.phantoms._chest_organs import body_box, hila
from medcourse.data.phantoms._chest_tree import Tubes, airways, fill, grow, join, splat, take

Float = NDArray[np.float32]
Mask = NDArray[np.uint8]

TEXTURE_MM, TEXTURE_HU = 1.6, 34.0  # width and standard deviation of the parenchyma's texture
_FIELD_MM = 2.8  # sampling of the texture in the plane
_KNOT_MM = 4.0  # and along z


@dataclass(frozen=True)
class Anatomy:
    """A patient: the chest and the trees of both lungs."""

    chest: Chest
    arteries: tuple[Tubes, Tubes]
    blood: Tubes
    bronchi: Tubes


class Scene:
    """Slices (n, rows, columns) without noise: `hu`, `masks`, `anatomy`; `lung` is the share of lung.

    `shown` (n, marks) says which slice shows which of the marks that have a mask.
    """

    def __init__(self, hu: Float, lung: Float, anatomy: Mask, masks: Mask, shown: NDArray[np.bool_]) -> None:
        self.hu, self.lung, self.anatomy, self.masks, self.shown = hu, lung, anatomy, masks, shown


def draw_anatomy(rng: np.random.Generator, *, emphysema: float) -> Anatomy:
    """Draw chest and trees."""
    chest = draw_chest(rng, emphysema=emphysema)
    right, left = hila(chest)
    leaves = np.stack([points_in_lung(rng, chest, side, 1024, inside_mm=3.5) for side in (-1, 1)])
    trees = grow(
        rng,
        chest,
        roots=np.stack([right["artery"], right["vein"], left["artery"], left["vein"]]),
        headings=np.array([[-0.9, 0.2, -0.35]] * 2 + [[0.9, 0.2, -0.35]] * 2),
        radii=chest.scale * np.array([6.4, 5.8, 6.4, 5.8]),
        leaves=leaves.reshape(4, 512, 3),
    )
    arteries = (take(trees, 0, 4), take(trees, 2, 4))
    bronchi = [
        airways(tree, root=hilum["airway"], radius=0.54 * chest.trachea, offset=np.array([x, 0.75, 0.6]), generations=4)
        for tree, hilum, x in zip(arteries, (right, left), (-0.25, 0.25), strict=True)
    ]
    return Anatomy(chest, arteries, trees, join(*bronchi))


@lru_cache(maxsize=8)
def _blur_gain(sigma: float) -> float:
    """Standard deviation that white noise keeps under OpenCV's Gaussian blur of this width."""
    size = 2 * round(4 * sigma) + 1
    kernel = cv2.getGaussianKernel(size, sigma).ravel()
    return float((kernel**2).sum())


def _smooth_noise(white: Float, sigma: float) -> Float:
    """White fields (n, rows, columns) made smooth, of standard deviation 1."""
    size = 2 * round(4 * sigma) + 1
    out: Float = np.stack([cv2.GaussianBlur(field, (size, size), sigma) for field in white])
    scaled: Float = out / np.float32(_blur_gain(sigma))
    return scaled


def parenchyma(rng: np.random.Generator, chest: Chest, z: Array, grid: Grid, thickness_mm: float) -> Float:
    """CT numbers of the lung's tissue between its vessels: mean, gradient towards the back, texture, emphysema."""
    step = max(_FIELD_MM, grid.spacing)
    rows, columns = (int(np.ceil(s * grid.spacing / step)) + 2 for s in grid.shape)
    place = (z - z.min()) / _KNOT_MM
    knots = int(np.floor(place.max())) + 2
    white = rng.standard_normal((knots, rows, columns), dtype=np.float32)
    fine = _smooth_noise(white, TEXTURE_MM / step)
    low = place.astype(np.int64)
    part = place - low
    fine *= np.float32(TEXTURE_HU * min(1.0, _FIELD_MM / step) / np.sqrt(1 + thickness_mm / 8))
    patches = _smooth_noise(white[:, ::-1], 4.2 / step) if chest.emphysema else fine  # holes of 5 to 10 mm
    upper = np.clip((z + 100) / 200, 0.15, 1)  # more of them in the upper lungs
    y = grid.centre[1] + (np.arange(grid.shape[0]) - (grid.shape[0] - 1) / 2) * grid.spacing
    ramp = (chest.lung_hu + chest.gravity_hu * y).astype(np.float32)[:, None]
    size = (round(columns * step / grid.spacing), round(rows * step / grid.spacing))
    out = np.empty((len(z), *grid.shape), np.float32)
    for k, (knot, rest) in enumerate(zip(low.tolist(), part.tolist(), strict=True)):
        p, q = np.array([rest, 1 - rest], np.float32) / np.float32(np.hypot(rest, 1 - rest))
        field = q * fine[knot] + p * fine[knot + 1]
        if chest.emphysema:
            patch = q * patches[knot] + p * patches[knot + 1]
            field -= 75 / (1 + np.exp((1.6 - 1.3 * chest.emphysema * float(upper[k]) - patch) / np.float32(0.25)))
        large = cv2.resize(field, size, interpolation=cv2.INTER_LINEAR) if step > grid.spacing else field
        np.add(large[: grid.shape[0], : grid.shape[1]], ramp, out=out[k])
    return out


def _layers(
    chest: Chest, z: Array, thickness_mm: float, grid: Grid, iodine: float, *, contiguous: bool
) -> tuple[Float, Float, Mask]:
    """Tissues averaged over each slice's profile: HU with empty lungs, share of lung, tissue map of the middle.

    The profile is a triangle as wide at half height as the slice is thick. It is sampled at three levels; slices
    that touch share levels with their neighbours: their own, with weights that give the same variance.
    """
    step, side = (thickness_mm, 1 / 12) if contiguous else (thickness_mm / 2, 1 / 4)
    weights = (side, 1 - 2 * side, side)
    wanted = np.rint((z[:, None] + np.array([-step, 0.0, step])) * 1024) / 1024
    levels, index = np.unique(wanted, return_inverse=True)
    index = index.reshape(wanted.shape)
    users: list[list[tuple[int, int]]] = [[] for _ in levels]
    for (k, place), level in np.ndenumerate(index):
        users[int(level)].append((k, place))
    hu = {**dict(chest.hu), **AIR_HU, "lung": 0.0}
    hu["blood"] += iodine
    hu["myocardium"] += 0.35 * iodine
    is_lung = np.zeros(256, np.uint8)
    is_lung[CODE["lung"]] = 255
    full = np.zeros(256, np.int16)  # sixteenths of a HU: half the memory of floats, and OpenCV is faster
    full[: len(TISSUES)] = np.rint([16 * hu[name] for name in TISSUES])
    outlines = Outlines(chest, levels, grid)
    out = np.zeros((len(z), *grid.shape), np.float32)
    lung = np.zeros((len(z), *grid.shape), np.float32)
    maps = np.empty((len(z), *grid.shape), np.uint8)
    for row in range(len(levels)):
        canvas = outlines.paint(row)
        shade = cv2.pyrDown(cv2.LUT(canvas, full))
        share = cv2.pyrDown(cv2.LUT(canvas, is_lung))
        for k, place in users[row]:
            out[k] += shade * np.float32(weights[place] / 16)
            lung[k] += share * np.float32(weights[place] / 255)
            if place == 1:
                maps[k] = canvas[::2, ::2]
    return out, lung, maps


def render(
    rng: np.random.Generator,
    patient: Anatomy,
    marks: list[Mark],
    z: Array,
    grid: Grid,
    *,
    thickness_mm: float,
    blur_mm: float,
    iodine: float = 0.0,
) -> Scene:
    """Draw slices at levels z: the body in the rectangle that it needs, before air and the table."""
    rows, columns, part = _body_part(patient.chest, z, grid)
    body = _render_body(rng, patient, marks, z, part, thickness_mm=thickness_mm, iodine=iodine)
    scene = body if part.shape == grid.shape else _into_air(body, patient.chest, rows, columns, grid)
    sigma = np.sqrt(max(blur_mm**2 - (0.5 * grid.spacing) ** 2, 0.0)) / grid.spacing
    if sigma > 0.15:
        for k in range(len(z)):
            scene.hu[k] = cv2.GaussianBlur(scene.hu[k], (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return scene


def _into_air(body: Scene, chest: Chest, rows: slice, columns: slice, grid: Grid) -> Scene:
    """Put the body into whole slices of air, with the table; its outermost two pixels saw no neighbours."""
    table = np.zeros(256, np.float32)
    table[: len(TISSUES)] = [AIR_HU.get(name, 0.0) for name in TISSUES]
    shape = (len(body.hu), *grid.shape)
    air = cast("Float", cv2.pyrDown(cv2.LUT(backdrop(chest, grid), table)))
    hu = np.broadcast_to(air, shape).copy()
    lung, anatomy, masks = np.zeros(shape, np.float32), np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    cut = [
        slice(2 if at.start > 0 else 0, -2 if at.stop < count else None)
        for at, count in zip((rows, columns), grid.shape, strict=True)
    ]
    for whole, piece in ((hu, body.hu), (lung, body.lung), (anatomy, body.anatomy), (masks, body.masks)):
        whole[:, rows, columns][:, cut[0], cut[1]] = piece[:, cut[0], cut[1]]
    return Scene(hu, lung, anatomy, masks, body.shown)


def _body_part(chest: Chest, z: Array, grid: Grid) -> tuple[slice, slice, Grid]:
    """Rows and columns that hold the body with a margin, and the grid they make."""
    low, high = body_box(chest, z)
    ranges = []
    for axis, count in ((1, grid.shape[0]), (0, grid.shape[1])):
        first, last = ((edge[axis] - grid.centre[axis]) / grid.spacing + (count - 1) / 2 for edge in (low, high))
        ranges.append((int(np.clip(np.floor(first) - 4, 0, count - 8)), int(np.clip(np.ceil(last) + 5, 8, count))))
    (r0, r1), (c0, c1) = ranges
    centre = (
        grid.centre[0] + ((c0 + c1 - 1) - (grid.shape[1] - 1)) / 2 * grid.spacing,
        grid.centre[1] + ((r0 + r1 - 1) - (grid.shape[0] - 1)) / 2 * grid.spacing,
    )
    return slice(r0, r1), slice(c0, c1), Grid(centre, (r1 - r0, c1 - c0), grid.spacing)


def _render_body(
    rng: np.random.Generator,
    patient: Anatomy,
    marks: list[Mark],
    z: Array,
    grid: Grid,
    *,
    thickness_mm: float,
    iodine: float,
) -> Scene:
    """Draw slices without the scanner's blur."""
    chest = patient.chest
    contiguous = len(z) > 1 and abs(abs(z[1] - z[0]) - thickness_mm) < 1e-6 * thickness_mm and len(z) > 8
    hu, lung, maps = _layers(chest, z, thickness_mm, grid, iodine, contiguous=contiguous)
    base = parenchyma(rng, chest, z, grid, thickness_mm)
    for k in range(len(z)):
        hu[k] += lung[k] * base[k]
    span = (float(z.min() - thickness_mm), float(z.max() + thickness_mm))
    size = np.array([thickness_mm, grid.spacing, grid.spacing])
    step = max(0.85 * grid.spacing, 0.35)

    def share(tubes: Tubes) -> Float:
        cloud = fill(tubes, step_mm=step, z_range=span)
        return splat(cloud, z=z, centre=grid.centre, shape=grid.shape, size_mm=size)

    blood = share(patient.blood)
    lumen = patient.bronchi
    thick = lumen._replace(radius=lumen.radius + np.maximum(0.17 * lumen.radius, 0.45))
    wall, hollow = share(thick), share(lumen)
    tissue = dict(chest.hu)
    for k in range(len(z)):
        hu[k] += blood[k] * (np.float32(tissue["blood"] + iodine) - hu[k])
        hu[k] += wall[k] * (np.float32(tissue["wall"]) - hu[k])
        hu[k] += hollow[k] * (np.float32(AIR_HU["airway"]) - hu[k])
    anatomy = np.take(ANATOMY, maps)
    inside = maps == CODE["lung"]
    anatomy[(blood > 0.5) & inside] = 3
    anatomy[(wall > 0.5) & inside] = 1
    anatomy[(hollow > 0.5) & (anatomy != 3)] = 5
    masks = np.zeros(anatomy.shape, np.uint8)
    shown = np.zeros((len(z), len(marks)), bool)
    for number, mark in enumerate(marks):
        _put(mark, hu, base, lung, masks, shown[:, number], z, grid, thickness_mm, step, span)
    return Scene(hu, lung, anatomy, masks, shown)


def _put(
    mark: Mark, hu: Float, base: Float, lung: Float, masks: Mask, shown: NDArray[np.bool_],
    z: Array, grid: Grid, thickness_mm: float, step: float, span: tuple[float, float],
) -> None:  # fmt: skip
    """Put a finding into the slices: within the lung, it makes tissue as bright as it is, and nothing darker."""
    rows, columns = grid.shape
    best: tuple[float, tuple[int, int, int]] = (0.0, (0, 0, 0))
    for blob in mark.blobs:
        reach = blob.reach()
        column, row = (
            (blob.centre[k] - grid.centre[k]) / grid.spacing + (n - 1) / 2 for k, n in ((0, columns), (1, rows))
        )
        pixels = int(np.ceil(reach / grid.spacing)) + 2
        r0, r1 = max(int(row) - pixels, 0), min(int(row) + pixels + 2, rows)
        c0, c1 = max(int(column) - pixels, 0), min(int(column) + pixels + 2, columns)
        if r0 >= r1 or c0 >= c1:
            continue
        x = grid.centre[0] + (np.arange(c0, c1) - (columns - 1) / 2) * grid.spacing
        y = grid.centre[1] + (np.arange(r0, r1) - (rows - 1) / 2) * grid.spacing
        for k in np.flatnonzero(np.abs(z - blob.centre[2]) < reach + thickness_mm).tolist():
            levels = z[k] + thickness_mm * np.array([-2, -1, 0, 1, 2]) / 3
            points = np.stack(np.meshgrid(levels, y, x, indexing="ij")[::-1], axis=-1)
            part = cover(blob, points, pixel_mm=grid.spacing)
            share = (np.tensordot(np.array([1, 2, 3, 2, 1]) / 9, part, 1)).astype(np.float32)
            box = (k, slice(r0, r1), slice(c0, c1))
            excess = np.maximum(hu[box] - base[box], 0) * (lung[box] > 0)
            hu[box] += lung[box] * share * np.maximum(np.float32(blob.contrast) - excess, 0)
            if blob.mask:
                filled = share * lung[box]
                inside = filled > 0.5
                if blob.mask == CORE:
                    inside &= masks[box] > 0
                else:
                    shown[k] |= bool(inside.any())
                    r, c = np.unravel_index(int(filled.argmax()), filled.shape)
                    if filled[r, c] > best[0]:
                        best = (float(filled[r, c]), (k, r0 + int(r), c0 + int(c)))
                masks[box][inside] = blob.mask
        if blob.mask and blob.mask != CORE and best[0] > 0.02 and not shown.any():
            masks[best[1]] = blob.mask  # smaller than half a voxel everywhere: the voxel it fills most
            shown[best[1][0]] = True
    if mark.tubes is not None:
        low, high = mark.tubes.start[:, 2].min(), mark.tubes.start[:, 2].max()
        if min(low, mark.tubes.end[:, 2].min()) - 6 > span[1] or max(high, mark.tubes.end[:, 2].max()) + 6 < span[0]:
            return
        size = np.array([thickness_mm, grid.spacing, grid.spacing])
        share = splat(
            fill(mark.tubes, step_mm=step, z_range=span), z=z, centre=grid.centre, shape=grid.shape, size_mm=size
        )
        for k in np.flatnonzero(share.any(axis=(1, 2))).tolist():
            excess = np.maximum(hu[k] - base[k], 0) * (lung[k] > 0)
            hu[k] += lung[k] * share[k] * np.maximum(np.float32(mark.tube_contrast) - excess, 0)
