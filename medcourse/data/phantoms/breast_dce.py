"""Dynamic contrast-enhanced magnetic resonance of the breast: lesions of known kinetics, benign or malignant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medcourse.data.phantoms._breast_mr_lesions import Lesion, draw_lesion
from medcourse.data.phantoms._breast_mr_scene import Breast, draw_breast, draw_scene, texture
from medcourse.data.phantoms._breast_mr_signal import FIELD_MM, RELAXIVITY, Curves, expose, image_signal, move
from medcourse.data.phantoms._cohort import (
    ONE_GROUP,
    ONE_SITE,
    Phantoms,
    Scanner,
    Site,
    Subgroup,
    check_range,
    draw_all,
    draw_patients,
    patient_rng,
    record_labels,
)
from medcourse.data.phantoms._tofts import plasma, washed
from medcourse.data.phantoms.kinetics import curve_type, spoiled_gradient_echo

__all__ = ["breast_dce", "phase_times"]

Float = NDArray[np.float32]

LESION_COLUMNS = [
    "image", "patient", "kind", "index", "row", "column", "diameter_mm", "ktrans", "kep", "ve", "vp", "t1_ms",
    "irregularity", "spicules", "rim", "contrast", "washout", "curve",
]  # fmt: skip
ARRIVAL_S = 20.0  # from the injection to the breast


def phase_times(phases: int, *, interval_s: float = 75.0) -> NDArray[np.float64]:
    """Times at which the middle of each phase of `breast_dce` is acquired.

    Parameters
    ----------
    phases
        Number of phases, the first of them before the injection.
    interval_s
        Duration of a phase in seconds; the first after the injection begins as the medium reaches the breast.

    Returns
    -------
    ndarray of float64, shape (phases,)
        Seconds after the injection.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    Notes
    -----
    Taught in: 7.3 Breast MRI, benign or malignant.

    Examples
    --------
    >>> phase_times(4, interval_s=60.0).tolist()
    [-30.0, 50.0, 110.0, 170.0]
    """
    check_range(phases=(phases, 3, 100), interval_s=(interval_s, 1, 300))
    after = ARRIVAL_S + interval_s * (np.arange(1, phases) - 0.5)
    return np.concatenate([[-interval_s / 2], after])


def breast_dce(
    n: int,
    *,
    seed: int = 0,
    first: int = 0,
    phases: int = 6,
    interval_s: float = 75.0,
    slices: int = 1,
    slice_mm: float = 3.0,
    size: int = 128,
    difficulty: str | float = "medium",
    prevalence: float = 0.5,
    sites: Sequence[Site] = ONE_SITE,
    subgroups: Sequence[Subgroup] = ONE_GROUP,
    label_noise: float | tuple[float, float] = 0.0,
    fat_suppression: float = 0.9,
    parenchyma: float = 1.0,
    motion_mm: float = 0.5,
    noise: float = 0.02,
    jobs: int = 1,
    progress: bool | None = None,
) -> Phantoms:
    """Draw dynamic series of a breast: one picture before the contrast medium, the others after it.

    Every patient has an enhancing lesion that brought her here, and some have another, benign one. The label says
    whether the first is malignant.

    Parameters
    ----------
    n, seed, first
        Number of patients, the seed, and the first patient's number; patient k is the same in every draw.
    phases, interval_s
        Number of phases, the first before the injection, and the seconds from one to the next; see `phase_times`.
    slices, slice_mm
        Slices of a patient, `slice_mm` apart, the middle one through the lesions' centres.
    size
        Rows and columns of a picture of 160 mm.
    difficulty
        "easy", "medium", "hard", or how far malignant lesions differ from benign ones in kinetics and shape,
        relative to medium; at 0 every lesion is benign.
    prevalence, sites, subgroups, label_noise
        Who is ill, seen where, and how often the record is wrong.
    fat_suppression
        Share of the fat's signal that is suppressed, 0 to 1.
    parenchyma
        Factor on the enhancement of the normal gland.
    motion_mm
        Standard deviation of the nipple's movement from phase to phase; the chest wall stays.
    noise
        Standard deviation of the noise in each of the two channels; an enhanced lesion is about 0.6.
    jobs, progress
        Processes, and whether a bar is drawn.

    Returns
    -------
    Phantoms
        `images` are (pictures, rows, columns, phases); for a sequence, move the last axis to the front. `masks`: 1
        benign, 2 malignant lesion, without its spicules. `anatomy`: 0 air and lung, 1 fat, 2 gland and skin, 3 muscle
        and chest wall, 4 vessel and heart. `spacing_mm` is (row, column).
        `lesions` has a row for each lesion in each picture: `image`, `patient`, `kind`, `index` (the lesion that the
        label speaks of), `row` and `column` (of its centre, in pixels), `diameter_mm` in this picture, `ktrans` (at
        the rim), `kep` per minute, `ve`, `vp`, `t1_ms`, `contrast` (relative rise of the signal in the first 150 s),
        `washout` (later change relative to that peak), `curve` (1 persistent, 2 plateau, 3 wash-out), `irregularity`,
        `spicules` (their number) and `rim`.
        The table's columns besides the common ones: `slice`, `offset_mm`, `density` (0 to 1), `parenchyma` (Ktrans of
        the gland), `mirrored`, `arrival_s` (from the injection to the breast), and of the index lesion `curve`,
        `radius_mm` and `benign_too` (another lesion).

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    Notes
    -----
    Uptake follows the extended Tofts model with Parker's arterial curve (`kinetics`), the signal a spoiled gradient
    echo at 3 T with relaxivity 4.97 l/mmol/s (gadobutrol in plasma, Szomolanyi et al. 2019,
    doi:10.1097/RLI.0000000000000577) and T1 of 423 ms in fat and 1680 ms in gland (Edden et al. 2010,
    doi:10.1002/jmri.22306). At "medium" the types of the curves are as frequent as Kuhl et al. 1999 found them
    (Radiology 211:101-110). Size and T1 of the lesions do not tell the class.
    Taught in: 7.3 Breast MRI, benign or malignant.

    Examples
    --------
    >>> breasts = breast_dce(2, size=64)
    >>> breasts.images.shape
    (2, 64, 64, 6)
    >>> bool((breasts.lesions.query("kind == 'malignant'")["image"] == breasts.table.query("truth == 1").index).all())
    True
    """
    times = phase_times(phases, interval_s=interval_s)
    check_range(
        slices=(slices, 1, 15),
        slice_mm=(slice_mm, 0.5, 20),
        size=(size, 48, 1024),
        fat_suppression=(fat_suppression, 0, 1),
        parenchyma=(parenchyma, 0, 5),
        motion_mm=(motion_mm, 0, 5),
        noise=(noise, 0, 2),
    )
    patients = draw_patients(
        n, first=first, seed=seed, difficulty=difficulty, prevalence=prevalence, sites=sites, subgroups=subgroups
    )
    settings = _Settings(seed, times, slices, slice_mm, size, fat_suppression, parenchyma, motion_mm, noise)
    columns = patients.table
    calls = [
        (int(k), bool(ill), float(amplitude), scanner, settings)
        for k, ill, amplitude, scanner in zip(
            columns["patient"], columns["diseased"], columns["amplitude"], patients.scanners, strict=True
        )
    ]
    series = draw_all(_draw, calls, jobs=jobs, progress=progress)
    hers = columns.rename(columns={"diseased": "truth"}).astype({"truth": np.int64})
    table = hers.loc[hers.index.repeat(slices)].reset_index(drop=True)
    table = pd.concat([table, pd.DataFrame([row for item in series for row in item.rows])], axis=1)
    found = [
        {"image": k * slices + number, "patient": calls[k][0]} | lesion
        for k, item in enumerate(series)
        for number, lesion in item.lesions
    ]
    lesions = pd.DataFrame(found, columns=LESION_COLUMNS).astype({"image": np.int64, "patient": np.int64})
    return Phantoms(
        np.concatenate([item.images for item in series]),
        np.concatenate([item.masks for item in series]),
        record_labels(table, label_noise=label_noise, seed=seed),
        (FIELD_MM / size, FIELD_MM / size),
        lesions,
        np.concatenate([item.tissues for item in series]),
    )


class _Settings(NamedTuple):
    seed: int
    times: NDArray[np.float64]
    slices: int
    slice_mm: float
    size: int
    fat_suppression: float
    parenchyma: float
    motion_mm: float
    noise: float


class _Series(NamedTuple):
    images: Float
    masks: NDArray[np.uint8]
    tissues: NDArray[np.uint8]
    rows: list[dict[str, Any]]
    lesions: list[tuple[int, dict[str, Any]]]  # the number of the slice, and what is in it


def _draw(patient: int, ill: bool, amplitude: float, scanner: Scanner, settings: _Settings) -> _Series:
    rng = patient_rng(settings.seed, patient)
    phases, size, spacing = len(settings.times), settings.size, FIELD_MM / settings.size
    breast = draw_breast(rng, phases)
    lesions = [draw_lesion(rng, breast, amplitude=amplitude, malignant=ill, others=[])]
    another = draw_lesion(rng, breast, amplitude=amplitude, malignant=False, others=lesions)
    if rng.random() < 0.4:
        lesions.append(another)
    late = rng.uniform(-3, 3)  # seconds by which the medium comes later
    moves = settings.motion_mm * np.clip(rng.standard_normal((phases, 2)), -2.5, 2.5)
    fields = texture(rng, size, spacing, 2.7, 3)
    minutes = (settings.times - ARRIVAL_S - late) / 60
    kep = np.array([0.06, 0.35, 0.5, *(lesion.kep for lesion in lesions)])
    out = washed(minutes, kep)
    curves = Curves(plasma(minutes), out[0], out[1], out[2], out[3:])
    shape = (settings.slices, size, size)
    images = np.empty((*shape, phases), np.float32)
    masks, tissues = np.zeros(shape, np.uint8), np.empty(shape, np.uint8)
    rows, found = [], []
    truths = [
        _kinetics(lesion, curve, curves.plasma, settings.times)
        for lesion, curve in zip(lesions, curves.lesions, strict=True)
    ]
    for k in range(settings.slices):
        offset = (k - (settings.slices - 1) / 2) * settings.slice_mm
        scene = draw_scene(breast, fields, offset, size, spacing)
        tissues[k] = scene.tissues
        signal, seen = image_signal(
            scene,
            breast,
            lesions,
            curves,
            masks[k],
            offset=offset,
            spacing=spacing,
            parenchyma=breast.parenchyma * settings.parenchyma,
            fat=1 - settings.fat_suppression,
        )
        signal = move(signal, breast, moves, spacing)
        images[k] = expose(
            rng, signal, breast, scene, blur_px=0.9 * scanner.blur / spacing, noise=settings.noise * scanner.noise
        )
        rows.append(
            {
                "slice": k,
                "offset_mm": offset,
                "density": breast.density,
                "parenchyma": breast.parenchyma * settings.parenchyma,
                "mirrored": breast.mirrored,
                "arrival_s": ARRIVAL_S + late,
                "curve": truths[0]["curve"],
                "radius_mm": lesions[0].radius,
                "benign_too": len(lesions) > 1,
            }
        )
        for number, radius in seen:
            found.append((k, _describe(lesions[number], number == 0, radius, breast, settings) | truths[number]))
    images *= np.float32(scanner.gain)
    images += np.float32(scanner.offset)
    return _Series(images, masks, tissues, rows, found)


def _kinetics(
    lesion: Lesion, curve: NDArray[np.float64], arterial: NDArray[np.float64], times: NDArray[np.float64]
) -> dict[str, Any]:
    """What a voxel at the lesion's rim shows without noise."""
    concentration = lesion.ktrans * curve + lesion.vp * arterial
    signal = spoiled_gradient_echo(1000 / (1000 / lesion.t1_ms + RELAXIVITY * concentration))
    early = signal[(times > 0) & (times <= max(150.0, times[1]))].max()
    return {
        "contrast": float(early / signal[0] - 1),
        "washout": float(signal[-1] / early - 1),
        "curve": int(curve_type(signal, times)),
    }


def _describe(lesion: Lesion, index: bool, radius: float, breast: Breast, settings: _Settings) -> dict[str, Any]:
    spacing = FIELD_MM / settings.size
    side = -1.0 if breast.mirrored else 1.0
    return {
        "kind": "malignant" if lesion.malignant else "benign",
        "index": index,
        "row": lesion.y / spacing + (settings.size - 1) / 2,
        "column": side * lesion.x / spacing + (settings.size - 1) / 2,
        "diameter_mm": 2 * radius,
        "ktrans": lesion.ktrans,
        "kep": lesion.kep,
        "ve": lesion.ktrans / lesion.kep,
        "vp": lesion.vp,
        "t1_ms": lesion.t1_ms,
        "irregularity": float(np.abs(lesion.lobes[:, 0]).sum()),
        "spicules": len(lesion.spicules),
        "rim": lesion.rim,
    }
