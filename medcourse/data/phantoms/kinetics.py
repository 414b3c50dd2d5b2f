"""Contrast medium on its way: from the artery into the tissue (extended Tofts model) and into the signal."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcourse.data.phantoms._cohort import check_range
from medcourse.data.phantoms._tofts import plasma, washed

__all__ = ["curve_type", "plasma_concentration", "spoiled_gradient_echo", "tissue_concentration"]

Array = NDArray[np.float64]

INITIAL_S = 150.0  # phases up to here belong to the first rise
CHANGE = 0.10  # of the initial signal, above which a late change counts


def plasma_concentration(minutes: NDArray[Any] | float) -> Array:
    """Population average of the contrast medium in arterial plasma after 0.1 mmol/kg.

    Parameters
    ----------
    minutes
        Time since the medium arrived, in minutes; before 0 there is none.

    Returns
    -------
    ndarray of float64, shape of `minutes`
        Concentration in mmol/l of plasma: two passes of the bolus, then the wash-out.

    Notes
    -----
    Parker et al. 2006, doi:10.1002/mrm.21066, give whole blood: it is divided by 1 minus a haematocrit of 0.42.
    Taught in: 7.3 Breast MRI, benign or malignant.

    Examples
    --------
    >>> plasma_concentration(np.array([-1.0, 0.17, 5.0])).round(2).tolist()
    [0.0, 10.46, 0.78]
    """
    return plasma(np.asarray(minutes, np.float64))


def tissue_concentration(minutes: NDArray[Any], *, ktrans: float, kep: float, vp: float = 0.0) -> Array:
    """Contrast medium in tissue by the extended Tofts model.

    Parameters
    ----------
    minutes
        Times since the medium arrived, in minutes.
    ktrans
        Transfer constant from plasma into the extravascular space, per minute.
    kep
        Rate constant back, per minute; the extravascular extracellular volume is ``ve = ktrans / kep``.
    vp
        Plasma volume, as a share of the tissue.

    Returns
    -------
    ndarray of float64, shape of `minutes`
        Concentration in mmol/l of tissue: ``vp·Cp + ktrans · (Cp convolved with exp(-kep·t))``.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    Notes
    -----
    Quantities and symbols as in Tofts et al. 1999, doi:10.1002/(SICI)1522-2586(199909)10:3<223::AID-JMRI2>3.0.CO;2-S.
    The convolution is exact for an arterial curve that is straight within each eighth of a second.
    Taught in: 7.3 Breast MRI, benign or malignant.

    Examples
    --------
    >>> late = tissue_concentration(np.array([1.0, 6.0]), ktrans=0.1, kep=0.2)
    >>> early = tissue_concentration(np.array([1.0, 6.0]), ktrans=0.4, kep=1.2)
    >>> bool(late[1] > late[0]), bool(early[1] < early[0])
    (True, True)
    """
    check_range(ktrans=(ktrans, 0, 20), kep=(kep, 1e-4, 100), vp=(vp, 0, 1))
    times = np.asarray(minutes, np.float64)
    extravascular = ktrans * washed(times, np.array([kep]))[0]
    return np.asarray(vp * plasma_concentration(times) + extravascular)


def spoiled_gradient_echo(
    t1_ms: NDArray[Any] | float, *, tr_ms: float = 5.0, flip_deg: float = 10.0
) -> NDArray[np.floating[Any]]:
    """Steady-state signal of a spoiled gradient echo, relative to the equilibrium magnetisation.

    Parameters
    ----------
    t1_ms
        Longitudinal relaxation time in ms.
    tr_ms, flip_deg
        Repetition time in ms and flip angle in degrees.

    Returns
    -------
    ndarray of the input's floating type, shape of `t1_ms`
        ``sin(flip) · (1 - E1) / (1 - E1·cos(flip))`` with ``E1 = exp(-tr/t1)``; the decay until the echo is left out.

    Raises
    ------
    ValueError
        If a parameter is outside its range.

    Notes
    -----
    The signal is no straight line of the concentration: it saturates where T1 comes near TR.
    Taught in: 7.3 Breast MRI, benign or malignant.

    Examples
    --------
    >>> float(spoiled_gradient_echo(np.array(400.0)).round(4))
    0.0787
    """
    check_range(tr_ms=(tr_ms, 0.1, 10000), flip_deg=(flip_deg, 0.1, 180))
    t1 = np.asarray(t1_ms)
    t1 = t1 if np.issubdtype(t1.dtype, np.floating) else t1.astype(np.float64)
    recovered = -np.expm1(-tr_ms / t1)
    cosine = float(np.cos(np.deg2rad(flip_deg)))
    return np.asarray(float(np.sin(np.deg2rad(flip_deg))) * recovered / (1 - (1 - recovered) * cosine))


def curve_type(enhancement: NDArray[Any], times_s: NDArray[Any]) -> NDArray[np.int64]:
    """Type of a signal–time curve: 1 persistent, 2 plateau, 3 wash-out.

    Parameters
    ----------
    enhancement
        Signal, phases along the last axis, the first of them before the contrast medium.
    times_s
        Time of each phase in seconds after the injection, below 0 before it.

    Returns
    -------
    ndarray of int64, shape of `enhancement` without its last axis
        The last phase against the highest of the first 150 s: more than 10 % above it 1, below it 3, else 2.

    Raises
    ------
    ValueError
        If there are fewer than two phases after the injection, or not one time for each phase.

    Notes
    -----
    The three types are those of Kuhl et al. 1999, Radiology 211:101-110, where 57 % of the cancers and 6 % of the
    benign lesions washed out.
    Taught in: 7.3 Breast MRI, benign or malignant.

    Examples
    --------
    >>> times = np.array([-40.0, 60.0, 130.0, 210.0, 280.0, 360.0])
    >>> curve_type(np.array([[1, 1.5, 1.8, 2.0, 2.1, 2.2], [1, 2.4, 2.2, 2.0, 1.9, 1.8]]), times).tolist()
    [1, 3]
    """
    curve, times = np.asarray(enhancement, np.float64), np.asarray(times_s, np.float64)
    after = np.flatnonzero(times > 0)
    if curve.shape[-1] != len(times):
        raise ValueError(f"times_s has {len(times)} values for {curve.shape[-1]} phases: give one for each")
    if len(after) < 2:
        raise ValueError(f"times_s has {len(after)} phases after the injection: give two or more")
    early = after[times[after] <= max(INITIAL_S, times[after[0]])]
    early = early[early < after[-1]]
    change = curve[..., after[-1]] / curve[..., early].max(axis=-1) - 1
    return np.asarray(np.where(change > CHANGE, 1, np.where(change < -CHANGE, 3, 2)), np.int64)
