"""Magnetic resonance of the brain: slices and volumes of warped average brains, with tumours of known kind."""

from __future__ import annotations

from collections.abc import Sequence

from medcourse.data.phantoms._brain_draw import Scan, collect
from medcourse.data.phantoms._brain_lesions import KINDS
from medcourse.data.phantoms._brain_patient import HIGHEST_MM, LOWEST_MM, Settings
from medcourse.data.phantoms._brain_signal import (
    MR_SEQUENCES,
    MR_TISSUES,
    MrSequence,
    MrTissue,
    find_sequences,
    mr_signal,
)
from medcourse.data.phantoms._cohort import ONE_GROUP, ONE_SITE, Phantoms, Site, Subgroup, check_range, draw_patients

__all__ = ["MR_SEQUENCES", "MR_TISSUES", "MrSequence", "MrTissue", "brain_mr", "brain_mr_volumes", "mr_signal"]

VIEW_MM = 240.0  # default field of view


def brain_mr(
    n: int,
    *,
    seed: int = 0,
    first: int = 0,
    slices_per_patient: int = 3,
    step_mm: float = 12.0,
    slice_mm: float = 5.0,
    size: int = 192,
    spacing_mm: float | None = None,
    contrasts: Sequence[str | MrSequence] = ("T1", "T2", "FLAIR"),
    difficulty: str | float = "medium",
    prevalence: float = 0.5,
    sites: Sequence[Site] = ONE_SITE,
    subgroups: Sequence[Subgroup] = ONE_GROUP,
    label_noise: float | tuple[float, float] = 0.0,
    kinds: Sequence[str] = KINDS,
    diameter_mm: tuple[float, float] = (8.0, 45.0),
    mass_effect: float = 0.3,
    mimics: float = 0.5,
    hyperintensities: float = 1.0,
    variation: float = 1.0,
    bias: float = 0.1,
    snr: float = 25.0,
    skull: bool = True,
    jobs: int = 1,
    progress: bool | None = None,
) -> Phantoms:
    """Draw axial MR slices of heads, some of them with a brain tumour.

    Parameters
    ----------
    n, seed, first
        Number of patients, the seed, and the first patient's number; patient k is the same in every draw.
    slices_per_patient, step_mm, slice_mm
        Parallel slices of a patient, from below upwards; their distance; their thickness. One slice, at any place in
        the series, cuts through the tumour within an eighth of its diameter of its middle, or in the healthy through
        the place where one would be.
    size, spacing_mm
        Rows and columns, and the size of a pixel; by default the field of view is 240 mm.
    contrasts
        The channels: names in `MR_SEQUENCES` (T1, T1c after gadolinium, PD, T2, FLAIR), or an `MrSequence` with times
        of your own.
    difficulty
        "easy", "medium", "hard", or an amplitude relative to medium. Of a tumour's signal the share
        ``1 - exp(-amplitude)`` is put in, the rest is what was there before: 63 % at medium,
        95 % at 3.
    prevalence, sites, subgroups, label_noise
        Who is ill, seen where, and how often the record is wrong. `Subgroup.contrast` scales the amplitude.
    kinds
        Tumours that occur, equally often: "glioma" (lumpy, in white matter, with necrotic core, rim and oedema),
        "meningioma" (smooth, solid, on the meninges), "metastasis" (round, between grey and white matter, with much
        oedema for its size).
    diameter_mm
        Smallest and largest diameter of a tumour without its oedema. Gliomas lean to large, metastases to small. The
        smallest must be at least two pixels, and 4/3 of a slice's thickness.
    mass_effect
        How far a tumour pushes the tissue at its edge, in radii, below 0.7. Healthy brains are pushed likewise, about
        an empty place, as brains are not symmetrical: the displacement alone tells nothing.
    mimics
        Share of the patients, ill or not, with a scar, an old infarct or a cyst in the slices; and share of the healthy
        who have a plaque, an infarct or a cyst where a tumour would be, which fades with `difficulty` as that would.
    hyperintensities
        Factor on the white-matter hyperintensities that come with age.
    variation
        How much brains differ from the average; at 0 all have the template's shape, but for pose and age.
    bias
        Standard deviation of the logarithm of the receive sensitivity, which varies smoothly over the head.
    snr
        Signal of white matter over the noise's standard deviation in either channel, in every contrast.
    skull
        Whether bone, scalp, eyes, face and neck are there. Without them, what is left is brain and CSF.
    jobs, progress
        Processes, and whether a bar is drawn.

    Returns
    -------
    Phantoms
        `images` are (images, rows, columns, contrasts), 0 to about 1 in grey: of CSF, grey and white matter the
        brightest has 0.65 (0.45 in an inversion recovery). Rows run to the back, columns to the patient's left.
        `masks`: 1 core (necrosis), 2 oedema, 3 the rim or solid part that takes up gadolinium. `anatomy`: 0 air, 1 CSF,
        2 grey matter, 3 white matter, 4 bone, 5 scalp and other soft tissue; under a lesion, what was there before.
        `truth` is 1 where the slice shows the tumour. The table's columns besides the common ones: `ill` (the patient
        has a tumour, perhaps in another slice), `slice`, `level_mm` above the anterior commissure's level, `age`,
        `kind` and `diameter_mm` of the patient's tumour, `tumour_mm2` in this slice, `mimic`, `decoy` (where a tumour
        would be), `ventricles_mm` (how far their walls were pushed) and `sulci` (log factor on the share of CSF).
        `lesions`: `row`, `column`, `diameter_mm`, `area_mm2` (all three parts), `share` (put in), and for each contrast
        `contrast_NAME`, what the solid part differs from white matter by.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    Notes
    -----
    The template is nilearn's ICBM 2009a symmetric average of 152 brains and its tissue maps (Fonov et al. 2011,
    doi:10.1016/j.neuroimage.2010.07.033), read with nibabel. Copyright (C) 1993-2009 Louis Collins, McConnell Brain
    Imaging Centre, Montreal Neurological Institute, McGill University; free to use, copy, modify and distribute with
    this notice. The warp is the exponential of a stationary velocity field and thus invertible (Arsigny et al. 2006,
    doi:10.1007/11866565_113). Signals: `mr_signal`. Noise is Rician (Gudbjartsson and Patz 1995,
    doi:10.1002/mrm.1910340618).
    For the true bias field divide two draws without noise (``snr=1e6``), one of them with ``bias=0``.
    Taught in: 1.4.2 Magnetic resonance imaging.

    Examples
    --------
    >>> slices = brain_mr(2, slices_per_patient=1, size=64)
    >>> slices.images.shape
    (2, 64, 64, 3)
    >>> bool((slices.masks.any(axis=(1, 2)) == (slices.table["truth"] == 1)).all())
    True
    """
    check_range(
        slices_per_patient=(slices_per_patient, 1, 128),
        step_mm=(step_mm, 0.5, 60),
        slice_mm=(slice_mm, 0.5, 12),
    )
    if slices_per_patient * step_mm > HIGHEST_MM - LOWEST_MM:
        raise ValueError(
            f"step_mm={step_mm:g}: {slices_per_patient} slices would reach beyond the brain; "
            f"give at most {(HIGHEST_MM - LOWEST_MM) / slices_per_patient:.3g}"
        )
    scan = _scan(
        size, spacing_mm, contrasts, mass_effect=mass_effect, bias=bias, snr=snr, skull=skull,
        slices=slices_per_patient, step_mm=step_mm, slice_mm=slice_mm,
    )  # fmt: skip
    settings = _settings(scan, seed, variation, kinds, diameter_mm, mimics, hyperintensities)
    patients = draw_patients(
        n, first=first, seed=seed, difficulty=difficulty, prevalence=prevalence, sites=sites, subgroups=subgroups
    )
    return collect(patients.table, patients.scanners, settings, scan, label_noise, jobs, progress)


def brain_mr_volumes(
    n: int,
    *,
    seed: int = 0,
    first: int = 0,
    size: int = 96,
    spacing_mm: float | None = None,
    contrasts: Sequence[str | MrSequence] = ("T1", "T2", "FLAIR"),
    difficulty: str | float = "medium",
    prevalence: float = 0.5,
    sites: Sequence[Site] = ONE_SITE,
    subgroups: Sequence[Subgroup] = ONE_GROUP,
    label_noise: float | tuple[float, float] = 0.0,
    kinds: Sequence[str] = KINDS,
    diameter_mm: tuple[float, float] = (8.0, 45.0),
    mass_effect: float = 0.3,
    mimics: float = 0.5,
    hyperintensities: float = 1.0,
    variation: float = 1.0,
    bias: float = 0.1,
    snr: float = 25.0,
    skull: bool = True,
    jobs: int = 1,
    progress: bool | None = None,
) -> Phantoms:
    """Draw MR volumes of heads, some of them with a brain tumour; patients are those of `brain_mr`.

    Parameters
    ----------
    n, seed, first
        Number of patients (a volume each), the seed, and the first patient's number.
    size, spacing_mm
        Planes, rows and columns, and the side of a voxel; by default the field of view is 240 mm.
    contrasts, difficulty, prevalence, sites, subgroups, label_noise
        As for `brain_mr`.
    kinds, diameter_mm, mass_effect, mimics, hyperintensities, variation, bias, snr, skull
        As for `brain_mr`.
    jobs, progress
        Processes, and whether a bar is drawn.

    Returns
    -------
    Phantoms
        `images` are (volumes, z, y, x, contrasts), z upwards, y to the back, x to the patient's left; `masks`,
        `anatomy` and the table as for `brain_mr`, with one row for each volume; `truth` is the patient's. `lesions` has
        `plane`, `row`, `column` (in voxels) and `volume_ml` (all three parts).

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    Notes
    -----
    Template, licence, warp and physics: see `brain_mr`. Voxels of 1.8 mm and more sample its means over 2 mm.
    Taught in: 7.4 Brain MRI.

    Examples
    --------
    >>> volumes = brain_mr_volumes(1, size=24, contrasts=("T1",), diameter_mm=(20, 45))
    >>> volumes.images.shape
    (1, 24, 24, 24, 1)
    >>> volumes.spacing_mm
    (10.0, 10.0, 10.0)
    """
    scan = _scan(
        size, spacing_mm, contrasts, mass_effect=mass_effect, bias=bias, snr=snr, skull=skull,
        slices=0, step_mm=0.0, slice_mm=0.0,
    )  # fmt: skip
    settings = _settings(scan, seed, variation, kinds, diameter_mm, mimics, hyperintensities)
    patients = draw_patients(
        n, first=first, seed=seed, difficulty=difficulty, prevalence=prevalence, sites=sites, subgroups=subgroups
    )
    return collect(patients.table, patients.scanners, settings, scan, label_noise, jobs, progress)


def _scan(
    size: int, spacing_mm: float | None, contrasts: Sequence[str | MrSequence], *, mass_effect: float, bias: float,
    snr: float, skull: bool, slices: int, step_mm: float, slice_mm: float,
) -> Scan:  # fmt: skip
    check_range(size=(size, 16, 1024), mass_effect=(mass_effect, 0, 0.65), bias=(bias, 0, 1), snr=(snr, 0.1, 1e9))
    spacing = VIEW_MM / size if spacing_mm is None else spacing_mm
    check_range(spacing_mm=(spacing, 0.3, 15))
    sequences = find_sequences(contrasts)
    return Scan(size, spacing, sequences, mass_effect, bias, snr, skull, slices, step_mm, slice_mm)


def _settings(
    scan: Scan, seed: int, variation: float, kinds: Sequence[str], diameter_mm: tuple[float, float], mimics: float,
    hyperintensities: float,
) -> Settings:  # fmt: skip
    check_range(variation=(variation, 0, 1.5), mimics=(mimics, 0, 1), hyperintensities=(hyperintensities, 0, 5))
    if not kinds or not set(kinds) <= set(KINDS):
        raise ValueError(f"kinds={tuple(kinds)!r}: give one or more of {', '.join(KINDS)}")
    low, high = diameter_mm
    if not 4 <= low <= high <= 60:
        raise ValueError(f"diameter_mm={diameter_mm!r}: give the smallest and the largest, from 4 to 60 mm")
    least = max(2 * scan.spacing_mm, scan.slice_mm / 0.75)
    if low < least:
        raise ValueError(
            f"diameter_mm={diameter_mm!r}: the smallest is lost between pixels; give {least:.3g} mm or more"
        )
    return Settings(seed, variation, tuple(kinds), (float(low), float(high)), mimics, hyperintensities)
