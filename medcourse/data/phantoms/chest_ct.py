"""Synthetic chest CT in Hounsfield units with known truth: slices and volumes, nodules and what mimics them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from medcourse.data.phantoms._chest_patient import Drawn, Settings, draw_patient
from medcourse.data.phantoms._cohort import (
    ONE_GROUP,
    ONE_SITE,
    Phantoms,
    Site,
    Subgroup,
    check_range,
    draw_all,
    draw_patients,
    record_labels,
)

__all__ = ["chest_ct_slices", "chest_ct_volumes"]

_LESION_COLUMNS = (
    "image", "patient", "nodule", "kind", "place", "row", "column", "z_mm", "diameter_mm", "contrast_hu", "core",
    "lobulation", "spicules",
)  # fmt: skip


def chest_ct_slices(
    n: int,
    *,
    seed: int = 0,
    first: int = 0,
    slices_per_patient: int = 3,
    size: int = 256,
    spacing_mm: float | None = None,
    slice_gap_mm: float = 2.5,
    thickness_mm: float = 2.5,
    around: str = "chest",
    difficulty: str | float = "medium",
    prevalence: float = 0.5,
    sites: Sequence[Site] = ONE_SITE,
    subgroups: Sequence[Subgroup] = ONE_GROUP,
    label_noise: float | tuple[float, float] = 0.0,
    kinds: tuple[float, float, float] = (0.45, 0.25, 0.3),
    diameter_mm: tuple[float, float] = (4.0, 20.0),
    emphysema: float = 0.2,
    iodine_hu: float = 0.0,
    blur_mm: float = 0.8,
    noise_hu: float = 30.0,
    low_dose: float | None = None,
    jobs: int = 1,
    progress: bool | None = None,
) -> Phantoms:
    """Draw axial CT slices of the chest, several of each patient around one marked place.

    In a diseased patient the mark is a nodule; in a healthy one it is what mimics a nodule: a vessel or its fork, a
    calcified granuloma, thickened pleura, a line of collapsed lung. All patients have other such findings elsewhere.

    Parameters
    ----------
    n
        Number of patients.
    seed
        Same seed, same patients.
    first
        Index of the first patient; patient k is the same in every call.
    slices_per_patient
        Slices of each patient, from head to feet; the middle one passes within 0.6 mm of the mark's centre.
    size
        Rows and columns, at least 16.
    spacing_mm
        Pixel spacing; None: a field of 360 mm, or 1.4 mm where ``around="mark"``.
    slice_gap_mm
        Distance between the slices.
    thickness_mm
        Full width at half maximum of the triangular slice profile.
    around
        ``"chest"`` for whole slices, ``"mark"`` for a field that is centred on the mark.
    difficulty
        ``"easy"``, ``"medium"``, ``"hard"``, or a factor on the contrast of nodules and mimics at the mark (at most
        to 60 HU: what is brighter would be calcified); 0 leaves nothing to see.
    prevalence
        Share of patients with a nodule.
    sites, subgroups
        Hospitals with their scanners, and groups of patients. A scanner's gain is not applied.
    label_noise
        Share of labels recorded wrongly, or the shares missed and called.
    kinds
        Relative frequency of solid, part-solid and ground-glass nodules.
    diameter_mm
        Smallest and largest diameter, 2 to 30 mm; small ones are more frequent.
    emphysema
        Share of patients with emphysema (holes of lower density, more of them in the upper lungs).
    iodine_hu
        What a contrast agent adds to blood; it shows the chambers of the heart.
    blur_mm
        Standard deviation of the point spread in the plane; it is at least half a pixel.
    noise_hu
        Standard deviation of the noise at the reference dose.
    low_dose
        None adds noise with the spectrum of filtered back-projection, the same everywhere. A share of the reference
        dose (0.001 to 100) adds it in the projections of every slice instead, from the photons that come through;
        at 1, the centre of 300 mm of water has `noise_hu`. About six times slower.
    jobs
        Processes; -1 for all cores.
    progress
        Whether a bar is shown; None decides by where it runs.

    Returns
    -------
    Phantoms
        `images` (n · slices_per_patient, rows, columns, 1) in HU; columns run to the patient's left, rows to the
        back. `masks`: 0 none, 1 solid nodule, 2 ground glass of a part-solid one, 3 ground-glass nodule, 4 solid core
        of a part-solid one; where the nodule fills more than half of a voxel.
        `anatomy` (of the slice's middle, without nodules): 0 air outside and table, 1 soft tissue, 2 lung, 3 heart
        and blood, 4 bone, 5 airway, 6 fat.
        `table`, one row per slice: `patient`, `slice`, `site`, `scanner`, `subgroup`, `truth` (this slice shows a
        nodule), `label`, `amplitude`, `diseased` (the patient has one), `finding` (kind of the mark), `place`
        (isolated, pleural, vascular), `mark_row`, `mark_column` (pixels), `mark_z_mm`, `z_mm` (from the carina, up),
        `offset_mm` (from the mark), `sex`, `age`, `emphysema` (severity, 0 to 1), `lung_hu`, `noise_hu`.
        `lesions`, one row per nodule and slice that shows it: `image`, `patient`, `nodule`, `kind`, `place`, `row`,
        `column`, `z_mm`, `diameter_mm` (of the ball of its volume, before the pleura cuts it), `contrast_hu` (to the
        lung's mean; of the ground glass where there is a core), `core` (the core's share of the diameter),
        `lobulation`, `spicules`, `offset_mm`.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    Notes
    -----
    CT numbers: Schneider, Bortfeld and Schlegel 2000, doi:10.1088/0031-9155/45/2/314; fat: Pop and Mărușteri 2023,
    doi:10.3390/diagnostics13111913; solid parts from -160 or -400 HU: Lee et al. 2018,
    doi:10.1371/journal.pone.0205490. Lung volume: Cheng et al. 2019, doi:10.2147/COPD.S187596. Vessels: Kitaoka,
    Takaki and Suki 1999, J. Appl. Physiol. 87:2207-2217; Murray 1926, doi:10.1073/pnas.12.3.207. Spectrum of the
    noise: Kijewski and Judy 1987, doi:10.1088/0031-9155/32/5/003; its size at routine dose without iterative
    reconstruction: den Harder et al. 2018, doi:10.1186/s41747-018-0064-3.
    Where it differs from a real chest: data/chest_ct_slices.md.
    Taught in: 1.4.1 X-ray and CT, 3.1.1 Histogram equalisation.

    Examples
    --------
    >>> chests = chest_ct_slices(2, slices_per_patient=2, size=64)
    >>> chests.images.shape
    (4, 64, 64, 1)
    >>> bool((chests.masks.any(axis=(1, 2)) == (chests.table["truth"] == 1)).all())
    True
    """
    check_range(
        slices_per_patient=(slices_per_patient, 1, 1000),
        size=(size, 16, 2048),
        slice_gap_mm=(slice_gap_mm, 0.1, 50),
    )
    if spacing_mm is None:
        spacing_mm = 360 / size if around == "chest" else 1.4
    settings = _settings(
        seed=seed, shape=(slices_per_patient, size, size), spacing_mm=spacing_mm, gap_mm=slice_gap_mm,
        thickness_mm=thickness_mm, around=around, volume=False, kinds=kinds, diameter_mm=diameter_mm, nodules=(1, 1),
        emphysema=emphysema, iodine_hu=iodine_hu, blur_mm=blur_mm, noise_hu=noise_hu, low_dose=low_dose,
    )  # fmt: skip
    table, drawn = _draw(
        n, settings, first=first, difficulty=difficulty, prevalence=prevalence, sites=sites, subgroups=subgroups,
        label_noise=label_noise, jobs=jobs, progress=progress,
    )  # fmt: skip
    return Phantoms(
        np.concatenate([item.images for item in drawn])[..., None],
        np.concatenate([item.masks for item in drawn]),
        table,
        (spacing_mm, spacing_mm),
        _lesions(drawn, table, slices_per_patient, "offset_mm"),
        np.concatenate([item.anatomy for item in drawn]),
    )


def chest_ct_volumes(
    n: int,
    *,
    seed: int = 0,
    first: int = 0,
    size: int | tuple[int, int, int] = 96,
    spacing_mm: float | None = None,
    around: str = "chest",
    difficulty: str | float = "medium",
    prevalence: float = 0.5,
    sites: Sequence[Site] = ONE_SITE,
    subgroups: Sequence[Subgroup] = ONE_GROUP,
    label_noise: float | tuple[float, float] = 0.0,
    kinds: tuple[float, float, float] = (0.45, 0.25, 0.3),
    diameter_mm: tuple[float, float] = (4.0, 20.0),
    nodules: tuple[int, int] = (1, 1),
    emphysema: float = 0.2,
    iodine_hu: float = 0.0,
    blur_mm: float = 0.8,
    noise_hu: float = 25.0,
    low_dose: float | None = None,
    jobs: int = 1,
    progress: bool | None = None,
) -> Phantoms:
    """Draw CT volumes of the chest, one of each patient, or blocks around one marked place.

    The patients are those of `chest_ct_slices` with the same seed. Blocks of 32 voxels of 1.4 mm around the mark
    (``size=32, around="mark"``) are what a false-positive reducer sees.

    Parameters
    ----------
    n
        Number of patients.
    seed
        Same seed, same patients.
    first
        Index of the first patient; patient k is the same in every call.
    size
        Voxels along each axis, or (z, rows, columns); each at least 8.
    spacing_mm
        The voxel's side; None: 3.6 mm at 96 voxels (a field of 345.6 mm along the columns), or 1.4 mm where
        ``around="mark"``.
    around
        ``"chest"`` for both lungs, ``"mark"`` for a block that is centred on the mark.
    difficulty
        ``"easy"``, ``"medium"``, ``"hard"``, or a factor on the contrast of nodules and mimics at the mark (at most
        to 60 HU: what is brighter would be calcified); 0 leaves nothing to see.
    prevalence
        Share of patients with a nodule.
    sites, subgroups
        Hospitals with their scanners, and groups of patients. A scanner's gain is not applied.
    label_noise
        Share of labels recorded wrongly, or the shares missed and called.
    kinds
        Relative frequency of solid, part-solid and ground-glass nodules.
    diameter_mm
        Smallest and largest diameter, 2 to 30 mm; small ones are more frequent.
    nodules
        Smallest and largest number of nodules in a diseased patient, 1 to 8. They keep 30 mm of distance; one
        that finds no room is left out.
    emphysema
        Share of patients with emphysema.
    iodine_hu
        What a contrast agent adds to blood.
    blur_mm
        Standard deviation of the point spread in the plane; it is at least half a voxel.
    noise_hu
        Standard deviation of the noise at the reference dose.
    low_dose
        None, or a share of the reference dose: see `chest_ct_slices`.
    jobs
        Processes; -1 for all cores.
    progress
        Whether a bar is shown; None decides by where it runs.

    Returns
    -------
    Phantoms
        `images` (n, z, rows, columns, 1) in HU: z runs to the head, rows to the back, columns to the patient's left.
        `masks` and `anatomy` as for `chest_ct_slices`. `table`, one row per patient, without the columns of slices;
        `truth` says whether the patient has a nodule. `lesions`, one row per nodule, with `plane` (z in voxels)
        instead of `offset_mm`; nodules outside the field are left out. `spacing_mm` is (z, row, column).

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    Notes
    -----
    Sources: see `chest_ct_slices`. Where it differs from a real chest: data/chest_ct_volumes.md.
    Taught in: 7.2 Lung nodules in CT, 7.5 Lung disease over a slice series.

    Examples
    --------
    >>> blocks = chest_ct_volumes(2, size=16, around="mark")
    >>> blocks.images.shape, blocks.spacing_mm
    ((2, 16, 16, 16, 1), (1.4, 1.4, 1.4))
    """
    shape = (size, size, size) if isinstance(size, int) else tuple(size)
    if len(shape) != 3 or not all(8 <= side <= 1024 for side in shape):
        raise ValueError(f"size={size!r}: give the voxels along each axis, or (z, rows, columns), each 8 to 1024")
    if spacing_mm is None:
        spacing_mm = 345.6 / shape[2] if around == "chest" else 1.4
    settings = _settings(
        seed=seed, shape=(shape[0], shape[1], shape[2]), spacing_mm=spacing_mm, gap_mm=spacing_mm,
        thickness_mm=spacing_mm, around=around, volume=True, kinds=kinds, diameter_mm=diameter_mm, nodules=nodules,
        emphysema=emphysema, iodine_hu=iodine_hu, blur_mm=blur_mm, noise_hu=noise_hu, low_dose=low_dose,
    )  # fmt: skip
    table, drawn = _draw(
        n, settings, first=first, difficulty=difficulty, prevalence=prevalence, sites=sites, subgroups=subgroups,
        label_noise=label_noise, jobs=jobs, progress=progress,
    )  # fmt: skip
    return Phantoms(
        np.stack([item.images for item in drawn])[..., None],
        np.stack([item.masks for item in drawn]),
        table,
        (spacing_mm, spacing_mm, spacing_mm),
        _lesions(drawn, table, 1, "plane"),
        np.stack([item.anatomy for item in drawn]),
    )


def _settings(**given: object) -> Settings:
    """Check what slices and volumes share."""
    s = Settings(**given)  # type: ignore[arg-type]
    check_range(
        spacing_mm=(s.spacing_mm, 0.2, 50),
        thickness_mm=(s.thickness_mm, 0.2, 50),
        emphysema=(s.emphysema, 0, 1),
        iodine_hu=(s.iodine_hu, 0, 600),
        blur_mm=(s.blur_mm, 0, 20),
        noise_hu=(s.noise_hu, 0, 1000),
    )
    if s.around not in {"chest", "mark"}:
        raise ValueError(f'around={s.around!r}: give "chest" or "mark"')
    if min(s.kinds) < 0 or not sum(s.kinds) > 0:
        raise ValueError(f"kinds={s.kinds!r}: give the frequency of solid, part-solid and ground-glass nodules")
    if not 2 <= s.diameter_mm[0] <= s.diameter_mm[1] <= 30:
        raise ValueError(f"diameter_mm={s.diameter_mm!r}: give the smallest and the largest, from 2 to 30 mm")
    if not 1 <= s.nodules[0] <= s.nodules[1] <= 8:
        raise ValueError(f"nodules={s.nodules!r}: give the smallest and the largest number, from 1 to 8")
    if s.low_dose is not None:
        check_range(low_dose=(s.low_dose, 0.001, 100))
        if s.around == "mark" or s.shape[1] != s.shape[2] or s.shape[1] * s.spacing_mm < 330:
            raise ValueError(
                f"low_dose={s.low_dose!r} needs whole slices: take around='chest', and squares of 330 mm or more"
            )
    return s


def _draw(
    n: int,
    settings: Settings,
    *,
    first: int,
    difficulty: str | float,
    prevalence: float,
    sites: Sequence[Site],
    subgroups: Sequence[Subgroup],
    label_noise: float | tuple[float, float],
    jobs: int,
    progress: bool | None,
) -> tuple[pd.DataFrame, list[Drawn]]:
    """Draw the patients and the table of their pictures."""
    patients, scanners = draw_patients(
        n, first=first, seed=settings.seed, difficulty=difficulty, prevalence=prevalence, sites=sites,
        subgroups=subgroups,
    )  # fmt: skip
    record_labels(pd.DataFrame({"patient": [0], "truth": [0]}), label_noise=label_noise, seed=0)  # refuse early
    columns = (patients[name].tolist() for name in ("patient", "diseased", "amplitude"))
    calls = [(settings, *row) for row in zip(*columns, scanners, strict=True)]
    drawn = draw_all(draw_patient, calls, jobs=jobs, progress=progress)
    rows = pd.DataFrame([row for item in drawn for row in item.rows])
    table = rows.merge(patients, on="patient", how="left", validate="many_to_one")
    slices = [] if settings.volume else ["slice"]
    more = [] if settings.volume else ["z_mm", "offset_mm"]
    named = ["finding", "place", "mark_row", "mark_column", "mark_z_mm"]
    hers = ["sex", "age", "emphysema", "lung_hu", "noise_hu"]
    order = ["patient", *slices, "site", "scanner", "subgroup", "truth", "amplitude", "diseased", *named, *more, *hers]
    return record_labels(table[order], label_noise=label_noise, seed=settings.seed), drawn


def _lesions(drawn: Sequence[Drawn], table: pd.DataFrame, images: int, last: str) -> pd.DataFrame:
    """All nodules in one table, `image` counted over all patients."""
    rows = [
        {**lesion, "image": lesion["image"] + images * number}
        for number, item in enumerate(drawn)
        for lesion in sorted(item.lesions, key=lambda row: (row["image"], row["nodule"]))
    ]
    columns = [*_LESION_COLUMNS, last]
    if not rows:
        empty = pd.DataFrame(columns=columns)
        return empty.astype({"image": np.int64, "patient": np.int64})
    lesions = pd.DataFrame(rows)
    lesions["patient"] = table["patient"].to_numpy()[lesions["image"]]
    return lesions[columns]
