"""Draws one level of a chest as a map of tissues: filled outlines, at twice the picture's resolution."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from medcourse.data.phantoms._chest_anatomy import (
    DISC_MM,
    RIBS,
    VERTEBRA_MM,
    Array,
    Chest,
    cage_centre,
    cage_radius,
    mediastinum,
    muscle_radius,
    skin_radius,
    spine_centre,
)
from medcourse.data.phantoms._chest_organs import great_tubes, heart_parts, table_shells

TISSUES = (
    "air", "skin", "fat", "muscle", "lung", "medfat", "myocardium", "blood", "cortex", "marrow", "cartilage", "disc",
    "cord", "airway", "wall", "liver", "spleen", "abdomen", "gland", "couch",
)  # fmt: skip
CODE = {name: k for k, name in enumerate(TISSUES)}
AIR_HU = {"air": -1000.0, "airway": -996.0, "couch": -420.0}
# 0 outside, 1 soft tissue, 2 lung, 3 heart and blood, 4 bone, 5 airway, 6 fat
ANATOMY = np.array([0, 1, 6, 1, 2, 6, 3, 3, 4, 4, 1, 1, 1, 5, 1, 1, 1, 1, 1, 0], np.uint8)

_SHIFT = 4  # OpenCV's fixed point: sixteenths of a sub-pixel
_THETA = np.linspace(0, 2 * np.pi, 97)[:-1]
_CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 33)[:-1]), np.sin(np.linspace(0, 2 * np.pi, 33)[:-1])], axis=1)
_ARC = np.linspace(0, 1, 72)  # along a rib, from the spine to its end
_BONE = 0.80  # where its bone ends and its cartilage begins


@dataclass(frozen=True)
class Grid:
    """Where the picture lies: its centre (x, y) in mm, its size in pixels, the pixel's side in mm."""

    centre: tuple[float, float]
    shape: tuple[int, int]
    spacing: float


def backdrop(chest: Chest, grid: Grid) -> NDArray[np.uint8]:
    """The map of tissues where there is only air and the table, as `Outlines.paint` gives it."""
    canvas = np.zeros((2 * grid.shape[0], 2 * grid.shape[1]), np.uint8)
    for shell in _fixed(table_shells(chest), grid):
        cv2.fillPoly(canvas, [shell], CODE["couch"], cv2.LINE_8, _SHIFT)
    return canvas


def _fixed(points: Array, grid: Grid) -> NDArray[np.int32]:
    """Millimetres to OpenCV's fixed-point sub-pixels, two to a pixel."""
    origin = ((grid.shape[1] - 1) << _SHIFT, (grid.shape[0] - 1) << _SHIFT)
    fixed = (points - np.array(grid.centre)) * (2 / grid.spacing * (1 << _SHIFT)) + origin
    whole: NDArray[np.int32] = np.rint(fixed).astype(np.int32, order="C")
    return whole


class Outlines:
    """All outlines of a chest at many levels at once; `paint` draws one level."""

    def __init__(self, chest: Chest, z: Array, grid: Grid) -> None:
        self.z, self.grid, self.chest = z, grid, chest
        self.shape = (2 * grid.shape[0], 2 * grid.shape[1])
        self.origin = ((grid.shape[1] - 1) << _SHIFT, (grid.shape[0] - 1) << _SHIFT)
        level, theta = z[:, None], _THETA[None]
        centre = cage_centre(chest, np.minimum(level, 20.0))
        ring = np.stack(np.broadcast_arrays(np.cos(theta), np.sin(theta)), axis=-1)

        def around(radius: Array, middle: Array) -> Array:
            points: Array = radius[..., None] * ring
            points[..., 1] += middle
            return points

        skin = skin_radius(chest, theta, level)
        self.cage = self._fix(around(cage_radius(chest, theta, level), cage_centre(chest, level)))
        self.muscle = self._fix(around(muscle_radius(chest, theta, level), centre))
        self.fat = self._fix(around(skin - 1.6, centre))
        self.skin = self._fix(around(skin, centre))
        y = np.linspace(-130, 130, 40)[None]
        right, left = (mediastinum(chest, y, level, side) for side in (-1, 1))
        flat = np.broadcast_to(y, right.shape)
        edge = np.concatenate([np.stack([-right, flat], -1), np.stack([left, flat], -1)[:, ::-1]], axis=1)
        self.middle = self._fix(edge)
        self.ribs = self._ribs()
        self.planes = self._planes(
            cage_radius(chest, theta, np.minimum(level, 20.0)), muscle_radius(chest, theta, level)
        )
        tubes = great_tubes(chest)
        self.beads = np.concatenate([path for _, path, _ in tubes])
        self.sizes = np.concatenate([np.broadcast_to(np.asarray(r, np.float64), len(path)) for _, path, r in tubes])
        self.tube = np.repeat(np.arange(len(tubes)), [len(path) for _, path, _ in tubes])
        self.codes = [CODE[tissue] for tissue, _, _ in tubes]
        self.places = self._fix(self.beads[:, :2])
        self.blades, self.collars = self._shoulders(cage_radius(chest, theta, np.minimum(level, 20.0)))
        self.table = self._fix(table_shells(chest))
        self.organs = heart_parts(chest)

    def _fix(self, points: Array) -> NDArray[np.int32]:
        return _fixed(points, self.grid)

    def _ribs(self) -> list[list[tuple[int, NDArray[np.int32]]]]:
        chest, out = self.chest, []
        theta = np.radians(74 - 150 * _ARC)
        k = np.arange(RIBS)[:, None]
        end = np.where(k < 7, 1.0, np.where(k < 10, 0.86, 0.5))  # floating ribs are short
        drop = chest.rib_drop * np.where(k == 0, 0.35, np.where(k < 3, 0.7, 1.0))
        path = chest.apex + 4 - VERTEBRA_MM * chest.scale * k - drop * _ARC**1.15
        path = np.where(_ARC > _BONE, path + 1.6 * drop * (_ARC - _BONE), path)  # the cartilage climbs to the sternum
        height = np.where(k == 0, 9.0, 12.5) * chest.scale
        thick = 3.7 * chest.scale
        shell = cage_radius(chest, theta[None], self.z[:, None]) + thick + 2.2
        shell -= 12 * np.maximum(0.06 - _ARC, 0) / 0.06  # towards the spine
        across = np.stack([np.cos(theta), np.sin(theta)], axis=1)
        centre = cage_centre(chest, self.z).tolist()
        for level, radius, middle in zip(self.z.tolist(), shell, centre, strict=True):
            u = 2 * (level - path) / height
            part = np.sqrt(np.maximum(1 - u**2, 0)) * (end >= _ARC)
            found: list[tuple[int, NDArray[np.int32]]] = []
            rows = np.flatnonzero(part.any(axis=1))
            for row in rows.tolist():
                at = np.flatnonzero(part[row])
                for piece in np.split(at, np.flatnonzero(np.diff(at) > 1) + 1):
                    if len(piece) > 1:
                        found += self._section(piece, radius, across, thick * part[row], middle)
            out.append(found)
        return out

    def _section(
        self, piece: NDArray[np.int64], radius: Array, across: Array, half: Array, middle: float
    ) -> list[tuple[int, NDArray[np.int32]]]:
        """One cut of a rib, left and right: its shell, its marrow; or its cartilage."""
        out: list[tuple[int, NDArray[np.int32]]] = []
        cartilage = bool(_ARC[piece].mean() > _BONE)
        layers = [("cartilage", 1.0, 0)] if cartilage else [("cortex", 1.0, 0), ("marrow", 0.58, 1)]
        for tissue, share, cut in layers:
            used = piece[cut : len(piece) - cut] if cut else piece
            if len(used) < 2:
                continue
            offsets = (half * share)[used]
            points = np.concatenate(
                [
                    across[used] * (radius[used] + offsets)[:, None],
                    (across[used] * (radius[used] - offsets)[:, None])[::-1],
                ]
            )
            points[:, 1] += middle
            out += [(CODE[tissue], self._fix(points * side)) for side in (np.array([1.0, 1.0]), np.array([-1.0, 1.0]))]
        return out

    def paint(self, k: int) -> NDArray[np.uint8]:
        """Map of tissues at level k, (2 rows, 2 columns), sub-pixel 2 i at the centre of pixel i."""
        chest, z = self.chest, float(self.z[k])
        canvas = np.full(self.shape, CODE["lung"], np.uint8)
        self._fill(canvas, "medfat", self.middle[k])
        self._abdomen(canvas, z)
        self._heart(canvas, z)
        rows, columns = (s << _SHIFT for s in self.shape)
        m = 1 << (_SHIFT + 3)
        frame = np.array([[-m, -m], [columns + m, -m], [columns + m, rows + m], [-m, rows + m]], np.int32)
        self._fill(canvas, "muscle", self.muscle[k], self.cage[k])
        for plane in self.planes[k]:
            self._fill(canvas, "fat", plane)
        self._fill(canvas, "fat", self.fat[k], self.muscle[k])
        if chest.female:
            self._glands(canvas, z)
        self._fill(canvas, "skin", self.skin[k], self.fat[k])
        self._fill(canvas, "air", frame, self.skin[k])
        for shell in self.table:
            self._fill(canvas, "couch", shell)
        for code, points in self.ribs[k]:
            cv2.fillPoly(canvas, [points], code, cv2.LINE_8, _SHIFT)
        self._shoulder(canvas, k)
        self._sternum(canvas, z)
        self._vessels(canvas, z)
        self._spine(canvas, z)
        return canvas

    def _fill(self, canvas: NDArray[np.uint8], tissue: str, *outlines: NDArray[np.int32]) -> None:
        cv2.fillPoly(canvas, list(outlines), CODE[tissue], cv2.LINE_8, _SHIFT)

    def _ellipse(
        self, canvas: NDArray[np.uint8], tissue: str, x: float, y: float, a: float, b: float, turn: float = 0.0
    ) -> None:
        if a > 0.05 and b > 0.05:
            scale = 2 / self.grid.spacing * (1 << _SHIFT)
            place = (round((x - self.grid.centre[0]) * scale + self.origin[0]),
                     round((y - self.grid.centre[1]) * scale + self.origin[1]))  # fmt: skip
            axes = (round(a * scale), round(b * scale))
            cv2.ellipse(canvas, place, axes, float(np.degrees(turn)), 0, 360, CODE[tissue], -1, cv2.LINE_8, _SHIFT)

    def _heart(self, canvas: NDArray[np.uint8], z: float) -> None:
        """The cuts of the heart's ellipsoids by the level."""
        for tissue, centre, factor, shift, up in self.organs:
            h = z - centre[2]
            rest = 1 - h**2 * up
            if rest > 0:
                points = (_CIRCLE * np.sqrt(rest)) @ factor + (centre[:2] + shift * h)
                self._fill(canvas, tissue, self._fix(points))

    def _vessels(self, canvas: NDArray[np.uint8], z: float) -> None:
        """Great vessels, gullet, windpipe and bronchi: tubes made of balls, cut by the level."""
        part = self.sizes**2 - (z - self.beads[:, 2]) ** 2
        cut = np.flatnonzero(part > 0.01)
        if not len(cut):
            return
        scale = 2 / self.grid.spacing * (1 << _SHIFT)
        size = np.rint(np.sqrt(part[cut]) * scale)
        tube, place = self.tube[cut], self.places[cut]
        starts = np.flatnonzero(np.diff(tube, prepend=-1))
        ends = [*starts[1:].tolist(), len(cut)]
        for first, last in zip(starts.tolist(), ends, strict=True):
            sizes, at = size[first:last], place[first:last]
            most = int(sizes.argmax())
            inside = np.hypot(at[:, 0] - at[most, 0], at[:, 1] - at[most, 1]) + sizes <= sizes[most] + 2
            inside[most] = False  # the others need no drawing: they lie within the largest
            code = self.codes[int(tube[first])]
            for (x, y), r in zip(at[~inside].tolist(), sizes[~inside].astype(int).tolist(), strict=True):
                cv2.circle(canvas, (x, y), r, code, -1, cv2.LINE_8, _SHIFT)

    def _abdomen(self, canvas: NDArray[np.uint8], z: float) -> None:
        chest = self.chest
        for side, (x, y, top) in enumerate(chest.domes):
            if z < top:
                share = float(np.sqrt((top - z) / chest.dome_height))
                a, b = 0.60 * chest.width * share, 0.97 * chest.depth * share
                self._ellipse(canvas, "abdomen" if side else "liver", x, y, a, b)
                if side:
                    self._ellipse(canvas, "spleen", x + 0.45 * a, y + 0.45 * b, 0.42 * a, 0.36 * b, -0.9)
                    self._ellipse(canvas, "medfat", x - 0.3 * a, y - 0.1 * b, 0.2 * a, 0.5 * b, 0.2)

    def _planes(self, inner: Array, outer: Array) -> NDArray[np.int32]:
        """Fat between the layers of the chest wall's muscles: (levels, planes, points, 2)."""
        middle = cage_centre(self.chest, np.minimum(self.z, 20.0))[:, None]
        place = inner + 9 + 0.38 * np.maximum(outer - inner - 9, 0)
        half = np.clip(0.09 * (outer - inner - 12), 0.0, 2.2)
        out = []
        for first in (286, 218, 350, 150):  # degrees: in front and at the sides
            at = (round(first * len(_THETA) / 360) + np.arange(10)) % len(_THETA)
            ends = np.sin(np.linspace(0.1, np.pi - 0.1, len(at)))
            ring = np.stack([np.cos(_THETA[at]), np.sin(_THETA[at])], axis=1)
            far, near = place[:, at] + half[:, at] * ends, place[:, at] - half[:, at] * ends
            points = np.concatenate([ring * far[..., None], (ring * near[..., None])[:, ::-1]], axis=1)
            points[..., 1] += middle
            out.append(points)
        return self._fix(np.stack(out, axis=1))

    def _glands(self, canvas: NDArray[np.uint8], z: float) -> None:
        chest = self.chest
        tall = 1 - ((z + 55) / 34) ** 2
        if tall <= 0:
            return
        for degrees in (-56.0, -124.0):
            theta = np.radians(np.array([degrees]))
            near = float(muscle_radius(chest, theta, np.array([z]))[0])
            far = float(skin_radius(chest, theta, np.array([z]))[0])
            r = near + 0.58 * (far - near)
            size = (far - near) * 0.27 * np.sqrt(tall)
            x, y = r * np.cos(theta[0]), r * np.sin(theta[0])
            self._ellipse(canvas, "gland", x, y, 1.0 * size, 1.5 * size, theta[0])
            self._ellipse(canvas, "fat", x * 0.98, y, 0.35 * size, 0.8 * size, theta[0] + 0.5)

    def _shoulders(self, cage: Array) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Shoulder blades (levels, right and left, shell and marrow, points, 2); collar bones as balls."""
        chest = self.chest
        low, high = -52 * chest.scale, 78 * chest.scale
        share = np.clip((self.z - low) / (high - low), 0, 1)[:, None]
        t = np.linspace(0, 1, 14)[None]
        degrees = 54 - 8 * share - t * (16 * np.sqrt(share) + 14 * share)
        theta = np.radians(degrees)
        step = 2 * np.pi / len(_THETA)
        at = (theta / step).astype(np.int64)
        part = theta / step - at
        row = np.arange(len(self.z))[:, None]
        r = (1 - part) * cage[row, at] + part * cage[row, at + 1] + 15 + 5 * share + 3 * (1 - t)
        half = (2.0 + 2.2 * t**3 * share) * np.sqrt(np.minimum(1, 5 * share))
        ring = np.stack([np.cos(theta), np.sin(theta)], axis=-1)
        layers = [
            np.concatenate([ring * (r + w * half)[..., None], (ring * (r - w * half)[..., None])[:, ::-1]], axis=1)
            for w in (1.0, 0.4)
        ]
        blades = np.stack(layers, axis=1)[:, None] * np.array([[-1.0, 1.0], [1.0, 1.0]])[None, :, None, None]
        t = np.linspace(0, 1, 30)
        bar = np.stack([20 + 105 * t, -0.62 * chest.depth + 46 * t, chest.apex - 42 + 34 * t], axis=1)
        self.bar = bar
        return self._fix(blades), self._fix(bar[None, :, :2] * np.array([[-1.0, 1.0], [1.0, 1.0]])[:, None])

    def _shoulder(self, canvas: NDArray[np.uint8], k: int) -> None:
        z = float(self.z[k])
        if -52 < z / self.chest.scale < 78:
            for blade in self.blades[k]:
                self._fill(canvas, "cortex", blade[0])
                self._fill(canvas, "marrow", blade[1])
        for tissue, radius in (("cortex", 6.0), ("marrow", 3.6)):
            part = radius**2 - (z - self.bar[:, 2]) ** 2
            for j in np.flatnonzero(part > 0.01).tolist():
                r = round(float(np.sqrt(part[j])) * 2 / self.grid.spacing * (1 << _SHIFT))
                for collar in self.collars:
                    cv2.circle(canvas, (int(collar[j, 0]), int(collar[j, 1])), r, CODE[tissue], -1, cv2.LINE_8, _SHIFT)

    def _sternum(self, canvas: NDArray[np.uint8], z: float) -> None:
        chest = self.chest
        top, bottom = chest.apex - 48, chest.apex - 215
        if bottom < z < top:
            front = np.array([-np.pi / 2])
            y = float(cage_centre(chest, np.array(z)) - cage_radius(chest, front, np.array([min(z, 25.0)]))[0]) - 7
            wide = (16 + 9 / (1 + np.exp(-(z - top + 45) / 5))) * min(1.0, (z - bottom) / 30)
            self._ellipse(canvas, "cortex", 0, y, wide, 5.4)
            self._ellipse(canvas, "marrow", 0, y, wide - 1.7, 3.9)

    def _spine(self, canvas: NDArray[np.uint8], z: float) -> None:
        chest = self.chest
        y = float(spine_centre(chest, np.array(z)))
        phase = (z + chest.vertebra) % VERTEBRA_MM
        a, b = 16.0 * chest.scale, 13.0 * chest.scale
        canal = y + b + 7.5
        self._ellipse(canvas, "muscle", 0, canal - 2, 20, 18)
        if phase < DISC_MM:
            self._ellipse(canvas, "disc", 0, y, a, b)
        else:
            end = min(phase - DISC_MM, VERTEBRA_MM - phase)  # near an end plate the shell is cut flat
            self._ellipse(canvas, "cortex", 0, y, a, b)
            if end > 1.0:
                self._ellipse(canvas, "marrow", 0, y, a - 1.3, b - 1.3)
        if phase > 0.45 * VERTEBRA_MM:  # pedicles, transverse and spinous processes
            for side in (-1.0, 1.0):
                self._ellipse(canvas, "cortex", side * 11, canal - 4, 3.6, 8)
                if phase > 0.6 * VERTEBRA_MM:
                    self._ellipse(canvas, "cortex", side * 22, canal + 4, 12, 4.2, side * 0.42)
                    self._ellipse(canvas, "marrow", side * 22, canal + 4, 10, 2.3, side * 0.42)
                self._ellipse(canvas, "marrow", side * 11, canal - 4, 1.9, 6)
        self._ellipse(canvas, "cortex", 0, canal + 6, 11, 6.5)
        self._ellipse(canvas, "cord", 0, canal, 7.6, 7.0)
        self._ellipse(canvas, "cortex", 0, canal + 19, 2.8, 11)
        self._ellipse(canvas, "marrow", 0, canal + 19, 1.2, 9)
