"""Who is imaged: her age, the shape of her head and brain, what lies in it, and how the scanner shades it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from medcourse.data.phantoms._brain_lesions import Blobs, Growth, draw_blobs, draw_decoy, draw_mimic, draw_tumour
from medcourse.data.phantoms._brain_warp import Double, Warp, draw_warp, to_patient

LOWEST_MM, HIGHEST_MM = -45.0, 80.0  # of slices, from the anterior commissure's level
VIEW = np.array([-5.0, 15.0, 0.0])  # where the middle of the field of view is, in mm to superior, posterior and left


class Settings(NamedTuple):
    """What a caller may choose about patients."""

    seed: int
    variation: float
    kinds: tuple[str, ...]
    diameter_mm: tuple[float, float]
    mimics: float
    hyperintensities: float


class Head(NamedTuple):
    """A patient: `tumour` is where one would be in the healthy, too, who may have `decoy` there; places in her mm."""

    age: float
    warp: Warp
    ventricles: float
    sulci: float
    csf_mm: float
    bone_mm: float
    scalp_mm: float
    tumour: Growth
    mimic: Growth | None
    decoy: Growth | None
    blobs: Blobs
    bias: Double
    view: Double


def draw_head(rng: np.random.Generator, settings: Settings) -> Head:
    """Draw a patient; neither her disease nor its strength enters."""
    age = 20 + 65 * float(rng.random())
    old = (age - 20) / 65
    u = np.clip(rng.standard_normal(6), -2, 2)
    ventricles = -0.8 + 4.2 * old**1.5 + settings.variation * 0.8 * float(u[0])
    sulci = -0.35 + 1.0 * old + settings.variation * 0.15 * float(u[1])
    warp = draw_warp(rng, variation=settings.variation, ventricles=ventricles)
    tumour = draw_tumour(rng, kinds=settings.kinds, diameter_mm=settings.diameter_mm)
    mimic = draw_mimic(rng, tumour=tumour, share=settings.mimics)
    decoy = draw_decoy(rng, tumour=tumour, share=settings.mimics)
    blobs = draw_blobs(rng, age=age, hyperintensities=settings.hyperintensities)
    points = np.concatenate([[tumour.centre], [tumour.centre if mimic is None else mimic.centre], blobs.centre])
    points = to_patient(warp, points)
    return Head(
        age, warp, ventricles, sulci,
        csf_mm=max(1.4 + 1.2 * old + 0.4 * float(u[2]), 0.8),
        bone_mm=6.5 + 0.8 * float(u[3]),
        scalp_mm=6.0 + 1.2 * float(u[4]),
        tumour=tumour._replace(centre=points[0]),
        mimic=None if mimic is None else mimic._replace(centre=points[1]),
        decoy=None if decoy is None else decoy._replace(centre=points[0]),
        blobs=blobs._replace(centre=points[2:]),
        bias=rng.standard_normal((4, 4, 4)),
        view=VIEW + np.array([0.0, 4.0, 4.0]) * np.clip(rng.standard_normal(3), -1.5, 1.5),
    )  # fmt: skip


def draw_levels(rng: np.random.Generator, head: Head, *, slices: int, step_mm: float) -> Double:
    """Heights of a patient's slices, ascending: one of them, nobody knows which, cuts the (would-be) tumour."""
    u = rng.random(2)
    cut = float(head.tumour.centre[0]) + 0.5 * head.tumour.radius * (u[0] - 0.5)
    cut = min(max(cut, LOWEST_MM), HIGHEST_MM)
    first = max(0, math.ceil(slices - 1 - (HIGHEST_MM - cut) / step_mm))
    last = min(slices - 1, math.floor((cut - LOWEST_MM) / step_mm))
    which = first + int(u[1] * (last - first + 1))
    levels: Double = cut + step_mm * (np.arange(slices, dtype=np.float64) - which)
    return levels
