"""Draws one patient of the chest phantoms: anatomy, mark, findings, pictures, noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medcourse.data.phantoms._chest_anatomy import Array
from medcourse.data.phantoms._chest_draw import Grid
from medcourse.data.phantoms._chest_marks import (
    PLACES,
    Mark,
    draw_mimic,
    draw_nodule,
    draw_others,
    draw_spot,
)
from medcourse.data.phantoms._chest_render import Anatomy, Scene, draw_anatomy, render
from medcourse.data.phantoms._cohort import Scanner, patient_rng
from medcourse.data.phantoms._ct_noise import fbp_noise, projection_noise

Float = NDArray[np.float32]

PLACE_SHARES = (0.5, 0.3, 0.2)  # isolated, on the pleura, on a vessel
VIEWS = 256
MIDDLE_MM = -36.0  # z of the middle of the lungs, where a volume is centred


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is the same for all patients of a call."""

    seed: int
    shape: tuple[int, int, int]  # slices, rows, columns
    spacing_mm: float
    gap_mm: float
    thickness_mm: float
    around: str
    volume: bool
    kinds: tuple[float, float, float]
    diameter_mm: tuple[float, float]
    nodules: tuple[int, int]
    emphysema: float
    iodine_hu: float
    blur_mm: float
    noise_hu: float
    low_dose: float | None


class Parts(NamedTuple):
    """What a patient's pictures are made of, before noise: for reference observers."""

    patient: Anatomy
    spot: Any
    nodules: list[Mark]
    mimic: Mark
    others: list[Mark]
    z: Array
    grid: Grid
    rng: tuple[np.random.Generator, np.random.Generator]  # of the parenchyma and of the noise


class Drawn(NamedTuple):
    """A patient's pictures and rows."""

    images: Float
    masks: NDArray[np.uint8]
    anatomy: NDArray[np.uint8]
    rows: list[dict[str, Any]]
    lesions: list[dict[str, Any]]


def prepare(s: Settings, patient: int, amplitude: float) -> Parts:
    """Draw all of a patient but the pictures. Nothing here depends on whether she is ill."""
    body, place, nodule, mimic, other, tissue, noise = patient_rng(s.seed, patient).spawn(7)
    anatomy = draw_anatomy(body, emphysema=s.emphysema)
    spots: list[Any] = []
    low, high = s.diameter_mm
    for _ in range(s.nodules[1]):
        u = place.random(4)
        where = PLACES[int(np.searchsorted(np.cumsum(PLACE_SHARES[:2]), u[0], side="right"))]
        size = float(low * (high / low) ** (u[1] ** 1.2))  # small ones are more frequent
        spot = draw_spot(place, anatomy.chest, anatomy.arteries, diameter=size, place=where)
        shift = 1.2 * (u[2] - 0.5)
        if all(np.linalg.norm(spot.centre - old.centre) > 30 + size for old, _ in spots) or not spots:
            spots.append((spot, shift))
    wanted = s.nodules[0] + int(place.random() * (s.nodules[1] - s.nodules[0] + 1))
    marks = [
        draw_nodule(nodule, anatomy.chest, spot, shares=s.kinds, amplitude=amplitude) for spot, _ in spots[:wanted]
    ]
    spot, shift = spots[0]
    false = draw_mimic(mimic, anatomy.chest, spot, amplitude=amplitude)
    near = 0.5 * s.shape[0] * s.gap_mm + (60.0 if s.volume else 6.0)
    others = draw_others(other, anatomy.chest, spot, near_mm=min(near, 90.0))
    middle = np.array(spot.centre) if s.around == "mark" else np.array([0.0, 0.0, MIDDLE_MM])
    if not s.volume:
        middle[2] = spot.centre[2] + shift
    z = middle[2] + (np.arange(s.shape[0]) - (s.shape[0] - 1) / 2 if s.volume else np.arange(s.shape[0])
                     - (s.shape[0] - 1) // 2) * s.gap_mm  # fmt: skip
    if not s.volume:
        z = z[::-1].copy()  # from head to feet, as a reader goes through them
    grid = Grid((float(middle[0]), float(middle[1])), s.shape[1:], s.spacing_mm)
    return Parts(anatomy, spot, marks, false, others, z, grid, (tissue, noise))


def draw_scene(s: Settings, parts: Parts, *, diseased: bool, scanner: Scanner) -> Scene:
    """Draw the pictures without noise, with the nodules or with their mimic."""
    marks = [*parts.others, *(parts.nodules if diseased else [parts.mimic])]
    return render(
        parts.rng[0],
        parts.patient,
        marks,
        parts.z,
        parts.grid,
        thickness_mm=s.thickness_mm,
        blur_mm=max(s.blur_mm, 0.5 * s.spacing_mm) * scanner.blur,
        iodine=s.iodine_hu,
    )


def draw_patient(s: Settings, patient: int, diseased: bool, amplitude: float, scanner: Scanner) -> Drawn:
    """Draw one patient."""
    parts = prepare(s, patient, amplitude)
    scene = draw_scene(s, parts, diseased=diseased, scanner=scanner)
    sigma = s.noise_hu * scanner.noise
    if sigma > 0 and s.low_dose is None:
        scene.hu += np.float32(sigma) * fbp_noise(parts.rng[1], scene.hu.shape, s.spacing_mm)
    elif sigma > 0 and s.low_dose is not None:
        for k in range(len(scene.hu)):
            scene.hu[k] += projection_noise(
                parts.rng[1], scene.hu[k], spacing_mm=s.spacing_mm, noise_hu=sigma, dose=s.low_dose, views=VIEWS
            )
    scene.hu += np.float32(scanner.offset)
    shown = scene.shown
    if amplitude == 0:
        scene.masks[:] = 0
    chest = parts.patient.chest
    mark = parts.nodules[0] if diseased else parts.mimic
    common = {
        "patient": patient,
        "finding": mark.kind,
        "place": parts.spot.place,
        "mark_row": _pixel(parts, 1),
        "mark_column": _pixel(parts, 0),
        "mark_z_mm": float(parts.spot.centre[2]),
        "sex": "F" if chest.female else "M",
        "age": round(chest.age),
        "emphysema": chest.emphysema,
        "lung_hu": chest.lung_hu,
        "noise_hu": sigma,
    }
    if s.volume:
        rows = [{**common, "truth": int(diseased)}]
    else:
        rows = [
            {
                **common,
                "truth": int(shown[k].any()),
                "slice": k,
                "z_mm": float(z),
                "offset_mm": float(z - mark.centre[2]),
            }
            for k, z in enumerate(parts.z)
        ]
    lesions = [] if amplitude == 0 or not diseased else _lesions(s, parts, scene)
    return Drawn(scene.hu, scene.masks, scene.anatomy, rows, lesions)


def _pixel(parts: Parts, axis: int, centre: Array | None = None) -> float:
    """Column (axis 0) or row (axis 1) of a place, in pixels."""
    at = parts.spot.centre if centre is None else centre
    count = parts.grid.shape[1 - axis]
    return float((at[axis] - parts.grid.centre[axis]) / parts.grid.spacing + (count - 1) / 2)


def _lesions(s: Settings, parts: Parts, scene: Scene) -> list[dict[str, Any]]:
    """One row for each nodule in a volume, and for each nodule and slice that shows it."""
    out: list[dict[str, Any]] = []
    for number, mark in enumerate(parts.nodules):
        seen = scene.shown[:, len(parts.others) + number]
        facts = {
            "nodule": number,
            "kind": mark.kind,
            "place": mark.place,
            "row": _pixel(parts, 1, mark.centre),
            "column": _pixel(parts, 0, mark.centre),
            "z_mm": float(mark.centre[2]),
            "diameter_mm": mark.diameter,
            "contrast_hu": mark.contrast,
            "core": mark.core,
            "lobulation": mark.lobulation,
            "spicules": mark.spicules,
        }
        if s.volume:
            if seen.any():
                plane = float((mark.centre[2] - parts.z[0]) / s.gap_mm)
                out.append({"image": 0, **facts, "plane": plane})
        else:
            out += [
                {"image": k, **facts, "offset_mm": float(parts.z[k] - mark.centre[2])}
                for k in np.flatnonzero(seen).tolist()
            ]
    return out
