"""From a patient to pictures: sample the warped tissues, lay lesions over them, weight, shade, blur, add noise."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from medcourse.data.phantoms._brain_face import TOP_MM, draw_face
from medcourse.data.phantoms._brain_lesions import Growth, ramp, reach, shells
from medcourse.data.phantoms._brain_patient import Head
from medcourse.data.phantoms._brain_signal import add_rician_noise
from medcourse.data.phantoms._brain_template import Template, sample_hull, sample_tissue
from medcourse.data.phantoms._brain_warp import Double, Float, displaced, posed, pushed, upsample

Levels = dict[str, Float]


class Axes(NamedTuple):
    """Places of planes, rows and columns in a patient's mm, each ascending."""

    z: Double
    y: Double
    x: Double

    def box(self, centre: Double, radius: float) -> tuple[slice, slice, slice] | None:
        """Index ranges within `radius` mm of a centre along each axis; None where there are none."""
        found = []
        for axis, middle in zip(self, centre, strict=True):
            low, high = np.searchsorted(axis, [middle - radius, middle + radius])
            if low == high:
                return None
            found.append(slice(int(low), int(high)))
        return found[0], found[1], found[2]

    def away(self, box: tuple[slice, slice, slice], centre: Double) -> list[Float]:
        """Distances from a centre along each axis within a box, as open arrays."""
        parts = [(axis[part] - middle).astype(np.float32) for axis, part, middle in zip(self, box, centre, strict=True)]
        return [parts[0][:, None, None], parts[1][None, :, None], parts[2][None, None, :]]


class Scene(NamedTuple):
    """All that a set of planes holds, before the scanner: (planes, rows, columns[, contrasts]).

    `signal` has signs; `shares` are those of CSF, grey and white matter; `outside` is 0, or the label of what lies
    outside the brain; `tumour` the shares of core, surroundings and rim.
    """

    signal: Float
    shares: Float
    outside: NDArray[np.uint8]
    tumour: Float


def paint(
    head: Head, axes: Axes, maps: Template, levels: Levels, *, push: float, amount: float, decoy: float, skull: bool
) -> Scene:
    """Sample a patient at the planes' places.

    `amount` of the tumour is put in, and `decoy` of what may be there instead; `push` is the mass's, in radii.
    """
    moved = upsample(head.warp.fields, *axes)
    open_axes = [axis.astype(np.float32).reshape(shape) for axis, shape in zip(
        axes, ((-1, 1, 1), (1, -1, 1), (1, 1, -1)), strict=True)]  # fmt: skip
    middle = [axis + part for axis, part in zip(open_axes, moved[:3], strict=True)]
    place = posed(head.warp, middle)
    hull = _smooth_hull(maps, place, float(axes.x[1] - axes.x[0]))
    push_centre, radius = displaced(head.warp, head.tumour.centre), head.tumour.radius
    box = axes.box(head.tumour.centre, 2.5 * radius + 12)
    if push > 0 and box is not None:
        away = [part[box] - np.float32(c) for part, c in zip(middle, push_centre, strict=True)]
        shift = posed(head.warp, pushed(away, radius, push), shift=False)
        brain_place = [part.copy() for part in place]
        for part, more in zip(brain_place, shift, strict=True):
            part[box] += more
    else:
        brain_place = place
    grey, white = sample_tissue(maps, brain_place)
    # Sulci and ventricles widen with age, more here than there: the share of CSF grows by a factor.
    fluid = np.maximum(1 - grey - white, 0)
    wider = np.exp(np.float32(0.35) * moved[3] + np.float32(head.sulci))
    scale = 1 / (1 + fluid * (wider - 1))
    shares = np.stack([fluid * wider * scale, grey * scale, white * scale], axis=-1)
    signal = shares @ np.stack([levels["csf"], levels["grey"], levels["white"]])
    _lay_blobs(signal, head, axes, shares, hull, levels)
    if head.mimic is not None:
        _lay(signal, head.mimic, axes, shares, hull, levels, 0.8)
    if head.decoy is not None and decoy > 0:
        _lay(signal, head.decoy, axes, shares, hull, levels, decoy)
    tumour = _lay(signal, head.tumour, axes, shares, hull, levels, amount)
    outside = _cover(signal, head, place, hull, moved[4], levels, skull=skull)
    return Scene(signal, shares, outside, tumour)


def _smooth_hull(maps: Template, place: list[Float], spacing_mm: float) -> Float:
    """The hull, which is smooth, every 5 mm, and in between by linear interpolation."""
    every = max(int(5.2 / spacing_mm), 1)
    coarse = sample_hull(maps, [part[:, ::every, ::every] for part in place])
    if every == 1:
        return coarse
    weights = [_linear(side, every) for side in place[0].shape[1:]]
    full: Float = np.matmul(np.matmul(weights[0], coarse), weights[1].T)
    return full


@lru_cache(maxsize=16)
def _linear(side: int, every: int) -> Float:
    """Matrix of linear interpolation from every k-th pixel to all."""
    known = -(-side // every)
    at = np.clip(np.arange(side) / every, 0, known - 1)
    weights: Float = np.maximum(1 - np.abs(at[:, None] - np.arange(known)), 0).astype(np.float32)
    return weights


def _lay(signal: Float, growth: Growth, axes: Axes, shares: Float, hull: Float, levels: Levels, amount: float) -> Float:
    """Put a lesion over the tissue; returns the shares of its core, surroundings and rim."""
    found = np.zeros((*hull.shape, 3), np.float32)
    box = axes.box(growth.centre, reach(growth))
    if box is None:
        return found
    core, rim, around = shells(growth, axes.away(box, growth.centre), shares[box][..., 2], hull[box])
    for share, tissue in ((around, growth.around), (rim, growth.rim), (core, growth.core)):
        if tissue != growth.rim or share is rim:
            _mix(signal[box], np.float32(amount) * share, levels[tissue])
    found[box] = np.stack([core, around, rim], axis=-1)
    return found


def _mix(signal: Float, share: Float, level: Float) -> None:
    """Replace a share of what is there, in place."""
    signal += share[..., None] * (level - signal)


def _lay_blobs(signal: Float, head: Head, axes: Axes, shares: Float, hull: Float, levels: Levels) -> None:
    blobs = head.blobs
    gates = {"csf": 0, "white": 2}
    for centre, radius, tissue, strength, gate in zip(*blobs, strict=True):
        box = axes.box(centre, float(radius.max()))
        if box is None or strength <= 0:
            continue
        squares = [(part / np.float32(r)) ** 2 for part, r in zip(axes.away(box, centre), radius, strict=True)]
        share = np.float32(strength) * ramp(np.float32(1.6) * (1 - squares[0] - squares[1] - squares[2]))
        share *= ramp(-hull[box])
        if gate in gates:
            share *= shares[box][..., gates[gate]]
        _mix(signal[box], share, levels[tissue])


def _cover(
    signal: Float, head: Head, place: list[Float], hull: Float, thicker: Float, levels: Levels, *, skull: bool
) -> NDArray[np.uint8]:
    """Meninges, bone, scalp, face and neck where the brain ends; returns 0 for brain, else a label (air: 255)."""
    layers, labels = _layers(head, levels, skull=skull)
    deepest = len(layers) / 4 - 3 - 0.5
    flat, depth = signal.reshape(-1, signal.shape[-1]), hull.ravel()
    outside = np.where(depth > deepest, np.uint8(255), np.uint8(0))
    flat[depth > deepest] = 0
    index = np.flatnonzero((depth > -3) & (depth <= deepest))
    near = depth[index]
    _sinus(flat, index, near, place, levels)
    near = np.where(near > 0, near * np.exp(np.float32(-0.1) * thicker.ravel()[index]), near)
    at = np.clip((near + 3) * 4, 0, len(layers) - 1.001)
    low = at.astype(np.int32)
    share = (at - low)[:, None]
    here = layers[low] * (1 - share) + layers[low + 1] * share  # last column: how much of it is not brain
    flat[index] = flat[index] * (1 - here[:, -1:]) + here[:, :-1]
    outside[index] = labels[np.rint(at).astype(np.int32)]
    if skull:
        shell = np.float32(head.csf_mm + head.bone_mm + 1)
        lower = np.flatnonzero((place[0].ravel() < TOP_MM) & (depth > shell))
        tissue = draw_face(flat, lower, [part.ravel()[lower] for part in place], levels)
        outside[lower[tissue]] = 5
    return outside.reshape(hull.shape)


def _layers(head: Head, levels: Levels, *, skull: bool) -> tuple[Float, NDArray[np.uint8]]:
    """Grey levels times share, and share, of what covers the brain, every 0.25 mm from 3 mm inside; and labels."""
    bone = head.bone_mm
    thick = [
        ("csf", head.csf_mm, 1), ("bone", 0.28 * bone, 4), ("marrow", 0.44 * bone, 4), ("bone", 0.28 * bone, 4),
        ("fat", 0.75 * head.scalp_mm, 5), ("muscle", 0.25 * head.scalp_mm, 5),
    ]  # fmt: skip
    if not skull:
        thick = thick[:1]
    depth = np.arange(-3, 1.2 * sum(mm for _, mm, _ in thick) + 2, 0.25)
    table = np.zeros((len(depth), len(levels["csf"]) + 1))
    labels = np.zeros(len(depth), np.uint8)
    table[:, -1] = np.clip((depth + 1.0) / 1.0, 0, 1)
    start = 0.0
    for k, (tissue, mm, label) in enumerate(thick):
        inner = np.clip((depth + 1.0) / 1.0, 0, 1) if k == 0 else np.clip((depth - start) / 0.8 + 0.5, 0, 1)
        outer = np.clip((depth - start - mm) / 0.8 + 0.5, 0, 1)
        table[:, :-1] += (inner - outer)[:, None] * levels[tissue]
        labels[(depth > start - (0.5 if k == 0 else 0)) & (depth <= start + mm)] = label
        start += mm
    labels[depth > start] = 255
    return table.astype(np.float32), labels


def _sinus(flat: Float, index: NDArray[np.intp], depth: Float, place: list[Float], levels: Levels) -> None:
    """The superior sagittal sinus: a vein along the midline under the vault."""
    x = place[2].ravel()[index]
    near = np.flatnonzero(abs(x) < 6)
    z, y = place[0].ravel()[index[near]], place[1].ravel()[index[near]]
    depth = np.maximum(-depth[near] - np.float32(0.5), np.float32(0))
    width = (np.float32(3.2) - np.abs(x[near]) - np.float32(0.5) * depth).astype(np.float32)
    above = ((z + np.float32(0.35) * (y + np.float32(60))) / np.float32(8)).astype(np.float32)
    share = ramp(width) * ramp(above)
    flat[index[near]] += share[:, None] * (levels["vein"] - flat[index[near]])


def shade(head: Head, axes: Axes, strength: float) -> Float:
    """Receive sensitivity (planes, rows, columns): exp of a smooth field, `strength` its standard deviation."""
    waves = []
    for axis, span in zip(axes, (150.0, 210.0, 170.0), strict=True):
        turns = np.pi * axis[:, None] / span * np.arange(4)  # no, one, two and three half waves over the head
        waves.append(np.cos(turns + np.pi * np.arange(4) / 2))
    order = np.sqrt((np.indices((4, 4, 4)) ** 2).sum(axis=0))
    weight = np.where((order > 0) & (order < 2.6), np.exp(-1.3 * order), 0)
    weight /= np.sqrt((weight**2 * 0.5 ** np.count_nonzero(np.indices((4, 4, 4)), axis=0)).sum())
    field = np.einsum("abc,za,yb,xc->zyx", strength * weight * head.bias, *waves, optimize=True)
    sensitivity: Float = np.exp(field).astype(np.float32)
    return sensitivity


def blur(signal: Float, sigma: float, *, across: bool = False) -> Float:
    """Gaussian blur in the planes, and on demand across them: (planes, rows, columns, contrasts)."""
    if sigma <= 0:
        return signal
    soft = np.stack([cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) for plane in signal])
    if across:
        kernel = cv2.getGaussianKernel(2 * int(np.ceil(4 * sigma)) + 1, sigma)
        flat = soft.reshape(len(soft), -1)
        soft = cv2.sepFilter2D(flat, -1, np.ones(1), kernel, borderType=cv2.BORDER_REPLICATE)
    blurred: Float = soft.reshape(signal.shape)
    return blurred


def expose(
    rng: np.random.Generator, signal: Float, sensitivity: Float, sigma: Float, *, gain: float, offset: float
) -> Float:
    """Magnitude of the shaded signal with noise, in grey."""
    seen = add_rician_noise(rng, np.abs(signal) * sensitivity[..., None], sigma)
    seen *= np.float32(gain)
    seen += np.float32(offset)
    return seen


def label_tissues(shares: Float, outside: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """0 air, 1 CSF, 2 grey matter, 3 white matter, 4 bone, 5 scalp and other soft tissue."""
    tissue = np.argmax(shares, axis=-1).astype(np.uint8) + np.uint8(1)
    covered: NDArray[np.uint8] = np.where(outside == 0, tissue, np.where(outside == 255, 0, outside)).astype(np.uint8)
    return covered


def label_tumour(shares: Float) -> NDArray[np.uint8]:
    """1 core, 2 oedema, 3 rim, where the tumour has more than half of a pixel; elsewhere 0."""
    core, around, rim = np.moveaxis(shares, -1, 0)
    body = core + rim
    mask: NDArray[np.uint8] = np.where(body > 0.5, np.where(core > rim, 1, 3), np.where(around + body > 0.5, 2, 0))
    return mask.astype(np.uint8)
