"""Drawing brains one patient at a time, and what the tables say of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medcourse.data.phantoms._brain_patient import Head, Settings, draw_head, draw_levels
from medcourse.data.phantoms._brain_render import (
    Axes,
    Scene,
    blur,
    expose,
    label_tissues,
    label_tumour,
    paint,
    shade,
)
from medcourse.data.phantoms._brain_signal import MrSequence, signal_table
from medcourse.data.phantoms._brain_template import template
from medcourse.data.phantoms._cohort import Phantoms, Scanner, draw_all, patient_rng, record_labels

PLANES = 12  # painted at a time: what a processor's cache holds


class Scan(NamedTuple):
    """How patients are imaged; `slices` is 0 for a volume."""

    size: int
    spacing_mm: float
    sequences: tuple[MrSequence, ...]
    mass_effect: float
    bias: float
    snr: float
    skull: bool
    slices: int
    step_mm: float
    slice_mm: float


class Drawn(NamedTuple):
    """A patient's images, and her rows of the two tables."""

    images: NDArray[np.float32]
    masks: NDArray[np.uint8]
    anatomy: NDArray[np.uint8]
    rows: list[dict[str, Any]]
    lesions: list[dict[str, Any]]


def collect(
    patients: pd.DataFrame, scanners: list[Scanner], settings: Settings, scan: Scan,
    label_noise: float | tuple[float, float], jobs: int, progress: bool | None,
) -> Phantoms:  # fmt: skip
    """Draw all patients and put their tables together."""
    calls = [
        (int(k), bool(ill), float(amplitude), scanner, settings, scan)
        for k, ill, amplitude, scanner in zip(
            patients["patient"], patients["diseased"], patients["amplitude"], scanners, strict=True
        )
    ]
    drawn = draw_all(_draw, calls, jobs=jobs, progress=progress)
    table = patients.drop(columns="diseased")
    table = table.loc[table.index.repeat(max(scan.slices, 1))].reset_index(drop=True)
    own = pd.DataFrame([row for each in drawn for row in each.rows])
    table.insert(list(table.columns).index("amplitude"), "truth", own.pop("truth"))
    table = pd.concat([table, own], axis=1)
    lesions: list[dict[str, Any]] = []
    start = 0
    for each in drawn:
        lesions += [{**lesion, "image": lesion["image"] + start} for lesion in each.lesions]
        start += len(each.rows)
    return Phantoms(
        np.concatenate([each.images for each in drawn]),
        np.concatenate([each.masks for each in drawn]),
        record_labels(table, label_noise=label_noise, seed=settings.seed),
        (scan.spacing_mm,) * (2 if scan.slices else 3),
        pd.DataFrame(lesions, columns=_lesion_columns(scan)).astype({"image": np.int64, "patient": np.int64}),
        np.concatenate([each.anatomy for each in drawn]),
    )


def _lesion_columns(scan: Scan) -> list[str]:
    place = ["row", "column"] if scan.slices else ["plane", "row", "column"]
    size = "area_mm2" if scan.slices else "volume_ml"
    contrasts = [f"contrast_{item.name}" for item in scan.sequences]
    return ["image", "patient", "kind", *place, "diameter_mm", size, "share", *contrasts]


def _draw(patient: int, ill: bool, amplitude: float, scanner: Scanner, settings: Settings, scan: Scan) -> Drawn:
    rng = patient_rng(settings.seed, patient)
    head = draw_head(rng, settings)
    grid = (np.arange(scan.size) - (scan.size - 1) / 2) * scan.spacing_mm
    levels = head.view[0] + grid
    if scan.slices:
        levels = draw_levels(rng, head, slices=scan.slices, step_mm=scan.step_mm)
    axes = Axes(levels, head.view[1] + grid, head.view[2] + grid)
    share = -float(np.expm1(-amplitude))
    table = signal_table(scan.sequences)
    scene = _paint(head, axes, table, scan, (share, 0.0) if ill else (0.0, share))
    mask = label_tumour(scene.tumour) * np.uint8(ill)
    signal = blur(scene.signal, 0.55 * scanner.blur, across=not scan.slices)
    sigma = np.abs(table["white"]) * np.float32(scanner.noise / scan.snr)
    seen = expose(rng, signal, shade(head, axes, scan.bias), sigma, gain=scanner.gain, offset=scanner.offset)
    masks, images = (mask, seen) if scan.slices else (mask[None], seen[None])
    tissue = label_tissues(scene.shares, scene.outside)
    rows = [_row(head, masks[k], ill, scan, k, levels) for k in range(len(masks))]
    lesions = []
    if ill and share > 0:
        lesions = [_lesion(head, patient, masks[k], k, axes, table, scan, share) for k in range(len(masks))]
    shown = [lesion for lesion, part in zip(lesions, masks, strict=False) if part.any()]
    if amplitude == 0:
        masks = np.zeros_like(masks)
    return Drawn(images, masks, tissue if scan.slices else tissue[None], rows, shown)


def _paint(
    head: Head, axes: Axes, table: dict[str, NDArray[np.float32]], scan: Scan, amounts: tuple[float, float]
) -> Scene:
    """All planes, a few at a time; a thick slice is the mean of planes some 2 mm apart."""
    maps = template(2 if scan.spacing_mm >= 1.8 else 1)
    apart = max(round(scan.slice_mm / 2), 1)
    offsets = scan.slice_mm * ((np.arange(apart) + 0.5) / apart - 0.5)
    fine = (axes.z[:, None] + offsets).ravel()
    together = max(PLANES // apart, 1) * apart
    parts = []
    for start in range(0, len(fine), together):
        z = fine[start : start + together]
        order = np.argsort(z, kind="stable")  # thick slices may overlap
        scene = paint(
            head,
            Axes(z[order], axes.y, axes.x),
            maps,
            table,
            push=scan.mass_effect,
            amount=amounts[0],
            decoy=amounts[1],
            skull=scan.skull,
        )
        back = np.argsort(order, kind="stable")
        signal, shares, tumour = (_mean(part[back], apart) for part in (scene.signal, scene.shares, scene.tumour))
        parts.append(Scene(signal, shares, scene.outside[back][apart // 2 :: apart], tumour))
    return Scene(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _mean(planes: NDArray[np.float32], apart: int) -> NDArray[np.float32]:
    if apart == 1:
        return planes
    mean: NDArray[np.float32] = planes.reshape(-1, apart, *planes.shape[1:]).mean(axis=1)
    return mean


def _row(
    head: Head, mask: NDArray[np.uint8], ill: bool, scan: Scan, k: int, levels: NDArray[np.float64]
) -> dict[str, Any]:
    row: dict[str, Any] = {"truth": int(mask.any()) if scan.slices else int(ill), "ill": int(ill)}
    if scan.slices:
        row |= {"slice": k, "level_mm": float(levels[k])}
    row |= {
        "age": head.age,
        "kind": head.tumour.kind if ill else "none",
        "diameter_mm": 2 * head.tumour.radius if ill else float("nan"),
    }
    if scan.slices:
        row["tumour_mm2"] = float(np.count_nonzero(mask)) * scan.spacing_mm**2
    return row | {
        "mimic": "none" if head.mimic is None else head.mimic.kind,
        "decoy": "none" if ill or head.decoy is None else head.decoy.kind,
        "ventricles_mm": head.ventricles,
        "sulci": head.sulci,
    }


def _lesion(
    head: Head, patient: int, mask: NDArray[np.uint8], k: int, axes: Axes, table: dict[str, NDArray[np.float32]],
    scan: Scan, share: float,
) -> dict[str, Any]:  # fmt: skip
    place = [(c - axis[0]) / scan.spacing_mm for c, axis in zip(head.tumour.centre, axes, strict=True)]
    size = float(np.count_nonzero(mask)) * scan.spacing_mm**mask.ndim
    differ = share * (np.abs(table[head.tumour.rim]) - np.abs(table["white"]))
    return {
        "image": k, "patient": patient, "kind": head.tumour.kind, "plane": place[0], "row": place[1],
        "column": place[2], "diameter_mm": 2 * head.tumour.radius, "area_mm2": size, "volume_ml": size / 1000,
        "share": share, **{f"contrast_{s.name}": float(d) for s, d in zip(scan.sequences, differ, strict=True)},
    }  # fmt: skip
