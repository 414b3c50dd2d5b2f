"""Synthetic images with known truth: mammogram patches marked by a candidate detector."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import fft, linalg

from medcourse.data.phantoms._cohort import check_range
from medcourse.data.phantoms._fields import Float, blur, colour, frequency, power_law
from medcourse.data.phantoms._patch_parts import draw_mass, draw_mimic, draw_strands, draw_table

__all__ = ["Parts", "Patches", "assemble", "ideal_scores", "mammogram_parts", "mammogram_patches"]

_CHUNK = 128  # patches drawn at a time: bounds the memory of the Fourier transforms


class Patches(NamedTuple):
    """Patches and their truth: `images`, `masks`, `table`, `spacing_mm`.

    `images` is float32 (n, rows, columns, 1), in grey; `masks` is bool (n, rows, columns), the mass's body,
    empty where the label is 0; `table` has one row per patch; `spacing_mm` is (row, column).
    """

    images: Float
    masks: NDArray[np.bool_]
    table: pd.DataFrame
    spacing_mm: tuple[float, float]


class Parts(NamedTuple):
    """What a patch is the sum of, each float32 (n, rows, columns) in units of the tissue's standard deviation.

    ``image = brightness + gain * (tissue + noise + (mass if label else mimic))``. `tissue` is the strands,
    `noise` the random field (power-law background and detector noise), `mass` and `mimic` the two candidates
    for what the mark points at: both are drawn for every patch, one is put in.
    `covariance` is the random field's, float64 (rows, columns), as a function of the pixel offset.
    """

    tissue: Float
    noise: Float
    mass: Float
    mimic: Float
    masks: NDArray[np.bool_]
    covariance: NDArray[np.float64]
    table: pd.DataFrame
    spacing_mm: tuple[float, float]


def mammogram_patches(
    *,
    n_patients: int,
    patches_per_patient: int,
    size: int = 32,
    spacing_mm: float = 0.8,
    contrast: float = 1.5,
    prevalence: float = 0.5,
    label_correlation: float = 0.6,
    shared_tissue: float = 0.7,
    exponent: float = 3.0,
    strands: float = 1.0,
    blur_mm: float = 0.6,
    noise: float = 0.6,
    seed: int = 0,
) -> Patches:
    """Draw mammogram patches, several per patient, half of them with a mass at the marked place.

    A patch shows what a candidate detector has marked near its centre: a mass (label 1), or ordinary tissue
    that mimics one (label 0): strands that cross, or a diffuse lump, fainter at its peak but wider.

    Parameters
    ----------
    n_patients, patches_per_patient
        How many patients, and how many patches each of them has.
    size
        Rows and columns of a patch, in pixels, at least 16.
    spacing_mm
        Pixel spacing, the same in both directions.
    contrast
        Mean peak of a mass before the blur, in standard deviations of the power-law background (taken over a
        square of twice the patch's side); 0 puts neither mass nor mimic in, so that the classes do not differ.
    prevalence
        Share of patches with a mass, over all patients.
    label_correlation
        Correlation of the labels of two patches of one patient, 0 ≤ value < 1.
    shared_tissue
        Correlation of the power-law background between patches of one patient, 0 to 1: her marks lie close
        together, or show one place in several exposures.
    exponent
        β of the background's power spectrum, proportional to 1/f^β.
    strands
        Peak brightness of the fibrous strands, in standard deviations of the background.
    blur_mm
        Standard deviation of the scanner's Gaussian point spread.
    noise
        Standard deviation of a pixel's white detector noise, in standard deviations of the background.
    seed
        Same seed and sizes, same patches. The draws do not depend on `contrast`, `strands`, `blur_mm`
        or `noise`: two calls that differ only in these show the same anatomy.

    Returns
    -------
    Patches
        The columns of its table: `patient`, `label`, `kind` (mass, crossing or lump), `row` and `column` (centre
        of the mass or mimic, in pixels), and for masses `radius_mm`, `contrast` (in grey, before the blur)
        and `spicules` (their number); of the patient `density`, `gain`, `brightness` and `angle`.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    Notes
    -----
    Power-law background: Burgess, Jacobson and Judy 2001, Med. Phys. 28:419-437; on mammograms the exponent was
    measured as 3.2 (CC) and 3.3 (MLO): Chen et al. 2012, doi:10.1118/1.3685462.
    Density, brightness, gain and the strands' direction are the patient's, shared by all her patches.
    Taught in: 5.1.2 Classification.

    Examples
    --------
    >>> patches = mammogram_patches(n_patients=3, patches_per_patient=2)
    >>> patches.images.shape
    (6, 32, 32, 1)
    >>> bool((patches.masks.any(axis=(1, 2)) == (patches.table["label"] == 1)).all())
    True
    """
    parts = mammogram_parts(
        n_patients=n_patients,
        patches_per_patient=patches_per_patient,
        size=size,
        spacing_mm=spacing_mm,
        contrast=contrast,
        prevalence=prevalence,
        label_correlation=label_correlation,
        shared_tissue=shared_tissue,
        exponent=exponent,
        strands=strands,
        blur_mm=blur_mm,
        noise=noise,
        seed=seed,
    )
    return assemble(parts)


def mammogram_parts(
    *,
    n_patients: int,
    patches_per_patient: int,
    size: int = 32,
    spacing_mm: float = 0.8,
    contrast: float = 1.5,
    prevalence: float = 0.5,
    label_correlation: float = 0.6,
    shared_tissue: float = 0.7,
    exponent: float = 3.0,
    strands: float = 1.0,
    blur_mm: float = 0.6,
    noise: float = 0.6,
    seed: int = 0,
) -> Parts:
    """Draw the parts of which `mammogram_patches`, with the same arguments, is the sum.

    Parameters
    ----------
    n_patients, patches_per_patient, size, spacing_mm, contrast, prevalence, label_correlation
        As for `mammogram_patches`.
    shared_tissue, exponent, strands, blur_mm, noise, seed
        As for `mammogram_patches`.

    Returns
    -------
    Parts
        Tissue, random field, mass and mimic of every patch, and the random field's covariance.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    Notes
    -----
    Taught in: 5.1.2 Classification.

    Examples
    --------
    >>> parts = mammogram_parts(n_patients=2, patches_per_patient=2, contrast=0.0)
    >>> float(abs(parts.mass).max())
    0.0
    """
    check_range(
        n_patients=(n_patients, 1, np.inf),
        patches_per_patient=(patches_per_patient, 1, np.inf),
        size=(size, 16, 1024),
        spacing_mm=(spacing_mm, 1e-3, np.inf),
        contrast=(contrast, 0, np.inf),
        prevalence=(prevalence, 0, 1),
        label_correlation=(label_correlation, 0, 0.999),
        shared_tissue=(shared_tissue, 0, 1),
        exponent=(exponent, 0, 6),
        strands=(strands, 0, np.inf),
        blur_mm=(blur_mm, 0, np.inf),
        noise=(noise, 0, np.inf),
    )
    share = (prevalence, label_correlation)
    table = draw_table(np.random.default_rng([seed, 0]), n_patients, patches_per_patient, size, spacing_mm, share)
    n = len(table)
    rng = np.random.default_rng([seed, 1])
    tissue, field, mass, mimic = (np.empty((n, size, size), np.float32) for _ in range(4))
    masks = np.empty((n, size, size), bool)
    hers = rng.standard_normal((n_patients, 2 * size, 2 * size), dtype=np.float32)
    transfer = np.exp(-2 * (np.pi * blur_mm * frequency(2 * size, spacing_mm)) ** 2)
    amplitude = transfer * power_law(2 * size, spacing_mm, exponent)
    for start in range(0, n, _CHUNK):
        part = slice(start, min(start + _CHUNK, n))
        rows = table.iloc[part]
        strand = draw_strands(rng, rows, size, spacing_mm)
        body, masks[part] = draw_mass(rng, rows, size, spacing_mm)
        false = draw_mimic(rng, rows, size, spacing_mm)
        white = np.sqrt(1 - shared_tissue) * rng.standard_normal((len(rows), 2 * size, 2 * size), dtype=np.float32)
        white += np.sqrt(shared_tissue) * hers[rows["patient"]]
        detector = rng.standard_normal((len(rows), size, size), dtype=np.float32)
        tissue[part] = strands * blur(strand, blur_mm / spacing_mm)
        field[part] = colour(white, amplitude)[:, :size, :size] + noise * detector
        mass[part] = contrast * blur(body, blur_mm / spacing_mm)
        mimic[part] = contrast * blur(false, blur_mm / spacing_mm)
    masks &= (table["label"].to_numpy() == 1)[:, None, None] & (contrast > 0)
    table["contrast"] *= contrast * table["gain"]
    table.loc[table["label"] == 0, ["radius_mm", "contrast", "spicules"]] = np.nan
    if contrast == 0:
        table["radius_mm"] = table["contrast"] = table["spicules"] = np.nan
    covariance = fft.ifft2(amplitude**2).real
    covariance[0, 0] += noise**2
    names = ["patient", "label", "kind", "row", "column", "radius_mm", "contrast", "spicules"]
    table = table[[*names, "density", "gain", "brightness", "angle"]]
    return Parts(tissue, field, mass, mimic, masks, covariance[:size, :size], table, (spacing_mm, spacing_mm))


def assemble(parts: Parts) -> Patches:
    """Add up parts to the patches that `mammogram_patches` with the same arguments gives.

    Parameters
    ----------
    parts
        From `mammogram_parts`.

    Returns
    -------
    Patches
        Images in grey, masks, table and spacing.

    Notes
    -----
    Taught in: 5.1.2 Classification.

    Examples
    --------
    >>> settings = {"n_patients": 2, "patches_per_patient": 1}
    >>> images = assemble(mammogram_parts(**settings)).images
    >>> bool((images == mammogram_patches(**settings).images).all())
    True
    """
    table = parts.table
    label, gain, brightness = (table[name].to_numpy()[:, None, None] for name in ("label", "gain", "brightness"))
    scene = parts.tissue + parts.noise + np.where(label == 1, parts.mass, parts.mimic)
    images = (brightness + gain * scene).astype(np.float32)[..., None]
    return Patches(images, parts.masks, table, parts.spacing_mm)


def ideal_scores(parts: Parts) -> NDArray[np.float64]:
    """Score every patch as the observer that is told all but the random field and the label.

    It is told the place, size, shape and contrast of the mass and of the mimic that might be there, the
    strands, and the patient's brightness and gain. What remains is Gaussian, so the log likelihood ratio
    is the prewhitened matched filter for the difference. Nobody who judges one patch at a time and is told
    less has a higher expected AUC.

    Parameters
    ----------
    parts
        From `mammogram_parts`.

    Returns
    -------
    ndarray of float64, shape (n,)
        log p(patch | mass) - log p(patch | mimic); 0 everywhere if the two do not differ.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the covariance is singular: draw the parts with ``noise`` above 0.

    Notes
    -----
    Costs one Cholesky factorisation of (rows·columns)² numbers: 8 MB at 32 × 32, 134 MB at 64 × 64.
    Taught in: 5.1.2 Classification.

    Examples
    --------
    >>> parts = mammogram_parts(n_patients=4, patches_per_patient=4, contrast=5.0)
    >>> bool(((ideal_scores(parts) > 0) == (parts.table["label"] == 1)).mean() > 0.9)
    True
    """
    n, rows, columns = parts.mass.shape
    r, c = (index.ravel() for index in np.indices((rows, columns)))
    matrix = parts.covariance[abs(r[:, None] - r), abs(c[:, None] - c)]
    factor = linalg.cholesky(matrix, lower=True, overwrite_a=True, check_finite=False)
    difference = (parts.mass - parts.mimic).reshape(n, -1).astype(np.float64)
    present = np.where(parts.table["label"].to_numpy()[:, None, None] == 1, parts.mass, parts.mimic)
    residual = parts.noise + present - (parts.mass + parts.mimic) / 2
    pair = np.concatenate([difference, residual.reshape(n, -1)]).T
    white = linalg.solve_triangular(factor, pair, lower=True, check_finite=False)
    scores: NDArray[np.float64] = np.einsum("ij,ij->j", white[:, :n], white[:, n:])
    return scores
