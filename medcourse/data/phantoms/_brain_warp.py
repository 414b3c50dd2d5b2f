"""How a brain differs from the average: size, pose, a smooth invertible warp, ventricles, and the push of a mass."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from medcourse.data.phantoms._brain_template import sample_hull, template

Float = NDArray[np.float32]
Double = NDArray[np.float64]

# The grid on which the warp is kept, in mm to superior, posterior and left: lowest place, nodes, spacing.
LOWEST = np.array([-136.0, -120.0, -120.0])
NODES = (33, 34, 31)
CELL = 8.0
STEPS = 4  # doublings of the exponential
# Correlation length and standard deviation of the velocity, in mm: of the whole head, and within the brain alone.
HEAD, BRAIN, SULCI, COVER = ((50.0, 3.0),), ((22.0, 3.0), (11.0, 1.9)), ((18.0, 1.0),), ((60.0, 1.0),)
# Where the lateral and third ventricles are, as blobs (centre, radius in mm); age pushes their walls outwards.
VENTRICLES = (
    ((8, -22, 9), 13), ((8, -22, -9), 13), ((20, -2, 12), 14), ((20, -2, -12), 14), ((20, 22, 17), 14),
    ((20, 22, -17), 14), ((8, 42, 26), 13), ((8, 42, -26), 13), ((-2, 10, 0), 9),
)  # fmt: skip


class Warp(NamedTuple):
    """From a patient's place p to the template's: ``matrix @ (p + u(p)) + shift``, u given at the grid's nodes.

    `fields` is (z, y, x, 5): the displacement u (z, y, x) in mm, the local widening of the sulci (a log factor), and
    a local factor on the thickness of bone and scalp (log).
    """

    fields: Float
    matrix: Double
    shift: Double


def draw_warp(rng: np.random.Generator, *, variation: float, ventricles: float) -> Warp:
    """A patient's own warp; `variation` scales how much she differs, `ventricles` (mm) pushes their walls."""
    noise = fft.rfftn(rng.standard_normal((8, *NODES), np.float32), axes=(1, 2, 3))
    for part, scales in ((slice(0, 3), HEAD), (slice(3, 6), BRAIN), (slice(6, 7), SULCI), (slice(7, 8), COVER)):
        noise[part] *= _transfer(scales)
    smooth = fft.irfftn(noise, s=NODES, axes=(1, 2, 3))
    angle = [math.radians(limit * float(np.clip(rng.standard_normal(), -2, 2))) for limit in (3.0, 4.0, 3.0)]
    size = [1 + variation * spread * float(np.clip(rng.standard_normal(), -2, 2)) for spread in (0.03, 0.035, 0.035)]
    shift = 3.0 * np.clip(rng.standard_normal(3), -2, 2)
    velocity = variation * (smooth[:3] + _freedom() * smooth[3:6]) + np.float32(ventricles) * _swelling()
    fields = np.empty((*NODES, 5), np.float32)
    fields[..., :3] = np.moveaxis(exponential(velocity), 0, -1)
    fields[..., 3], fields[..., 4] = smooth[6:]
    return Warp(fields, _rotation(*angle) / np.array(size), shift)


def exponential(velocity: Float, *, steps: int = STEPS) -> Float:
    """Displacement of exp(velocity), (3, z, y, x) in mm on the grid, by scaling and squaring.

    A stationary velocity field's exponential is invertible, its inverse being the exponential of the negative field
    (Arsigny et al. 2006, doi:10.1007/11866565_113).
    """
    moved = velocity / np.float32(2**steps)
    for _ in range(steps):
        at = _nodes() + moved / np.float32(CELL)
        there = [ndimage.map_coordinates(part, at, order=1, mode="nearest", output=np.float32) for part in moved]
        moved = moved + np.stack(there)
    return moved


def upsample(fields: Float, z: Double, y: Double, x: Double) -> Float:
    """Fields of the grid at all crossings of the given axes (mm), (fields, z, y, x), by cubic interpolation."""
    weights = [_cubic(axis, k) for k, axis in enumerate((z, y, x))]
    parts = np.ascontiguousarray(np.moveaxis(fields, -1, 0))
    count, planes, rows, columns = parts.shape
    out = np.matmul(weights[0], parts.reshape(count, planes, rows * columns)).reshape(count, -1, rows, columns)
    full: Float = np.matmul(np.matmul(weights[1], out), weights[2].T)
    return full


def displaced(warp: Warp, point: Double) -> Double:
    """Where the warp takes a place of the patient (3,), before size and pose."""
    at = ((point - LOWEST) / CELL)[:, None]
    moved = [ndimage.map_coordinates(warp.fields[..., k], at, order=1, mode="nearest")[0] for k in range(3)]
    return point + np.array(moved, np.float64)


def posed(warp: Warp, place: list[Float], *, shift: bool = True) -> list[Float]:
    """Size and pose: from displaced places (z, y, x) to the template's."""
    matrix, offset = warp.matrix.astype(np.float32), warp.shift.astype(np.float32) * np.float32(shift)
    return [matrix[k, 0] * place[0] + matrix[k, 1] * place[1] + matrix[k, 2] * place[2] + offset[k] for k in range(3)]


def to_patient(warp: Warp, points: Double) -> Double:
    """A patient's places for points (n, 3) of the template: the inverse, by fixed point."""
    target: Double = np.linalg.solve(warp.matrix, (points - warp.shift).T).T.astype(np.float64)
    found = target.copy()
    for _ in range(32):
        at = ((found - LOWEST) / CELL).T
        moved = [ndimage.map_coordinates(warp.fields[..., k], at, order=1, mode="nearest") for k in range(3)]
        found = target - np.stack(moved, axis=1, dtype=np.float64)
    return found


def pushed(away: list[Float], radius: float, push: float) -> list[Float]:
    """Shift (z, y, x) in mm to where the tissue now found at `away` mm from a mass's centre came from.

    Tissue moves radially away from the centre by ``push * radius`` at the mass's edge, and not at all beyond 2.5
    radii: ``r -> r - push radius h(r / radius)`` with ``h(s) = s (1 - (s / 2.5)^2)^2 / 0.7056``. h' is at most 1.417,
    so for push < 0.7 the map grows strictly with r: it can be inverted. h is a polynomial, the same on all processors.
    """
    square = (away[0] ** 2 + away[1] ** 2 + away[2] ** 2) / np.float32(radius * radius)
    inside = np.maximum(1 - square / np.float32(6.25), 0)
    factor = np.float32(-push / 0.7056) * inside * inside
    return [factor * part for part in away]


@lru_cache(maxsize=1)
def _nodes() -> Float:
    """Index of every node, (3, z, y, x)."""
    return np.indices(NODES).astype(np.float32)


@lru_cache(maxsize=1)
def _freedom() -> Float:
    """How freely the brain varies within the head, (3, z, y, x): 0 at the skull, 1 deep in the average brain.

    The skull is smoother than what it holds, and the falx keeps the midline straight.
    """
    place = _nodes() * np.float32(CELL) + LOWEST.astype(np.float32)[:, None, None, None]
    deep = np.clip((-4 - sample_hull(template(2), list(place))) / 14, 0, 1)
    aside = np.clip(np.abs(place[2]) / 24, 0.15, 1)
    freedom: Float = np.stack([deep, deep, deep * aside])
    return freedom


@lru_cache(maxsize=8)
def _transfer(scales: tuple[tuple[float, float], ...]) -> Float:
    """What turns white noise on the grid into a Gaussian-smooth field with the given lengths and strengths."""
    axes = [2 * np.pi * fft.fftfreq(side, CELL) for side in NODES[:2]] + [2 * np.pi * fft.rfftfreq(NODES[2], CELL)]
    square = axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2
    total = np.zeros_like(square)
    for length, strength in scales:
        total += _exp(-0.25 * square * length**2) * strength / math.sqrt(_exp(-0.5 * _full_square() * length**2).mean())
    transfer: Float = total.astype(np.float32)
    return transfer


def _full_square() -> Double:
    axes = [2 * np.pi * fft.fftfreq(side, CELL) for side in NODES]
    square: Double = axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2
    return square


@lru_cache(maxsize=1)
def _swelling() -> Float:
    """Velocity (3, z, y, x) that carries a place towards the ventricles: a picture of it shows them wider."""
    total = np.zeros((3, *NODES), np.float32)
    place = _nodes() * CELL + LOWEST.astype(np.float32)[:, None, None, None]
    for centre, radius in VENTRICLES:
        away = place - np.array(centre, np.float32)[:, None, None, None]
        total -= away / radius * _exp(-0.5 * (away**2).sum(axis=0) / radius**2).astype(np.float32)
    return total


def _exp(values: NDArray[np.floating]) -> Double:
    """Exponential that does not depend on NumPy's vector code, so that places are the same to the last bit."""
    found: Double = np.frompyfunc(math.exp, 1, 1)(values).astype(np.float64)
    return found


def _cubic(at: Double, axis: int) -> Float:
    """Matrix of cubic convolution from the grid's nodes along an axis to the places `at` (mm)."""
    place = np.clip((at - LOWEST[axis]) / CELL, 0, NODES[axis] - 1)
    apart = np.abs(place[:, None] - np.arange(NODES[axis]))
    near = 1.5 * apart**3 - 2.5 * apart**2 + 1
    far = -0.5 * apart**3 + 2.5 * apart**2 - 4 * apart + 2
    weights: Float = np.where(apart < 1, near, np.where(apart < 2, far, 0)).astype(np.float32)
    return weights


def _rotation(nod: float, turn: float, tilt: float) -> Double:
    """Rotation of (z, y, x) by a nod (about x), a turn (about z) and a tilt (about y), in radians."""
    c, s = math.cos(nod), math.sin(nod)
    about_x = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    c, s = math.cos(turn), math.sin(turn)
    about_z = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    c, s = math.cos(tilt), math.sin(tilt)
    about_y = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    rotation: Double = about_x @ about_z @ about_y
    return rotation
