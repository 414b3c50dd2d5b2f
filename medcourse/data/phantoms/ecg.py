"""Synthetic electrocardiograms with known truth: every beat, its kind, its waves and the rhythm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from medcourse.data.phantoms import _ecg_waves as waves
from medcourse.data.phantoms._cohort import (
    ONE_GROUP,
    ONE_SITE,
    Scanner,
    Site,
    Subgroup,
    check_range,
    draw_all,
    draw_patients,
    patient_rng,
    record_labels,
)
from medcourse.data.phantoms._ecg_rhythm import CLASSES, draw_beats, patient_parameters

__all__ = ["ECG_CLASSES", "Signals", "ecgs"]

ECG_CLASSES: tuple[str, ...] = tuple(CLASSES)
_DEFAULT = ("normal", "sinus arrhythmia", "atrial ectopy", "ventricular ectopy", "paroxysmal atrial fibrillation")


class Signals(NamedTuple):
    """Recordings with their truth: `signals`, `beats`, `table`, `sampling_hz`, `leads`.

    `signals` is float32 (n, samples, leads), in millivolt; `beats` has one row per beat, its `signal` being the row
    in `table`; `table` has one row per recording; `leads` names the last axis.
    """

    signals: NDArray[np.float32]
    beats: pd.DataFrame
    table: pd.DataFrame
    sampling_hz: float
    leads: tuple[str, ...]


class _Plan(NamedTuple):
    seed: int
    records: int
    seconds: float
    hz: float
    leads: tuple[str, ...]
    healthy: tuple[str, ...]
    ill: tuple[str, ...]
    noise: float
    mains_hz: float


def ecgs(
    n: int,
    *,
    seed: int = 0,
    first: int = 0,
    records_per_patient: int = 2,
    seconds: float = 10.0,
    sampling_hz: float = 250.0,
    leads: int | Sequence[str] = ("II", "V1"),
    classes: Sequence[str] = _DEFAULT,
    positive: Sequence[str] = ("paroxysmal atrial fibrillation",),
    noise: float = 1.0,
    mains_hz: float = 50.0,
    difficulty: str | float = "medium",
    prevalence: float = 0.5,
    sites: Sequence[Site] = ONE_SITE,
    subgroups: Sequence[Subgroup] = ONE_GROUP,
    label_noise: float | tuple[float, float] = 0.0,
    jobs: int = 1,
    progress: bool | None = None,
) -> Signals:
    """Draw electrocardiograms: sinus rhythms, early beats and atrial fibrillation, with what disturbs a recording.

    Parameters
    ----------
    n
        Number of patients.
    seed, first
        Patient `first` + k is the same for every `n`, `first` and `jobs`.
    records_per_patient
        Recordings of each; they share the heart and the rhythm, not the beats and the disturbances.
    seconds, sampling_hz
        Length of a recording, 4 to 600 s, and samples per second, 100 to 2000.
    leads
        Names of leads, or how many of II, V1, V5, I, III, aVR, aVL, aVF, V2, V3, V4, V6.
    classes
        Rhythms that occur, of `ECG_CLASSES`. Healthy patients have one of those that are not in `positive`,
        each as often.
    positive
        Rhythms that count as disease: `truth` 1; each as often.
    noise
        Factor on all disturbances; a scanner's `noise` multiplies it.
    mains_hz
        Frequency of the hum, 40 to 70.
    difficulty
        "easy", "medium", "hard", or how far from her underlying healthy rhythm towards the disease a patient is
        drawn, within the limits of physiology. For paroxysmal fibrillation it is a factor on the share of the
        recording that the episode takes, 0.10 to 0.42 at medium; persistent fibrillation takes all of it from medium
        on. At 0 the ill are drawn like the healthy.
    prevalence
        Share of patients with a rhythm in `positive`.
    sites, subgroups
        Who is seen where. Scanner: blur acts on the recorder's low-pass, noise on the disturbances, gain and offset
        on the millivolts.
    label_noise
        Share of labels recorded wrongly, or the shares of positives missed and negatives called.
    jobs, progress
        Processes (-1: all cores), and whether to show a bar (None: on a terminal).

    Returns
    -------
    Signals
        `table`: `patient`, `record`, `site`, `scanner`, `subgroup`, `truth`, `label`, `amplitude`, `rhythm` (her
        class), `underlying` (her rhythm but for the disease), `rate` (of the sinus node, per minute), `hrv` (relative
        standard deviation of its intervals), `pr_s`, `qtc_s`, `pvc` and `pac` (probability of an early beat),
        `af_onset_s` and `af_end_s` (may lie outside the recording), `f_hz`, `axis_deg`, `wander_mv`, `mains_mv`,
        `muscle_mv`, `motion_mv` and `artefacts`. `beats`: `signal`, `patient`, `time_s` (peak of the main deflection),
        `kind` (as in the MIT-BIH database: N, A atrial early beat, V ventricular early beat), `rhythm` ("sinus" or
        "AF"), `rr_s` (before the beat), `p_s` (time of the P wave), `pr_s`, `qrs_s`, `qt_s`.

    Raises
    ------
    ValueError
        If an argument is outside its range, or a lead or class is unknown.

    Notes
    -----
    Waves are Gaussians in time after McSharry et al. 2003, doi:10.1109/TBME.2003.808805, here as a dipole in three
    dimensions that is projected on the leads, so that I + III = II. Sinus intervals: integral pulse frequency
    modulation by breathing, Mayer waves and 1/f (bands of the Task Force 1996, doi:10.1161/01.CIR.93.5.1043).
    QT = QTc × RR^(1/3) of a running mean (Fridericia). A ventricular early beat is wide, has no P wave and a T wave
    against its QRS; the sinus clock goes on, so the pause is full. An atrial one resets the clock. Fibrillation:
    no P waves, f waves at 4 to 9 Hz, intervals without memory, refractory time plus an exponential one (Hennig et
    al. 2006, arXiv:cond-mat/0605295).

    `neurokit2.ecg_simulate` draws sinus rhythm with McSharry's equations, but neither fibrillation nor early beats,
    and no truth per beat; hence own code.
    Taught in: 5.2.4 Physiological signals.

    Examples
    --------
    >>> drawn = ecgs(2, leads=3)
    >>> drawn.signals.shape, drawn.leads
    ((4, 2500, 3), ('II', 'V1', 'V5'))
    >>> set(drawn.beats["kind"]) <= {"N", "A", "V"}
    True
    """
    check_range(
        records_per_patient=(records_per_patient, 1, 1000), seconds=(seconds, 4, 600),
        sampling_hz=(sampling_hz, 100, 2000), noise=(noise, 0, 20), mains_hz=(mains_hz, 40, 70),
    )  # fmt: skip
    chosen = _leads(leads)
    healthy, ill = _rhythms(classes, positive, prevalence, sites)
    table, scanners = draw_patients(
        n, first=first, seed=seed, difficulty=difficulty, prevalence=prevalence, sites=sites, subgroups=subgroups
    )
    plan = _Plan(
        seed, records_per_patient, float(seconds), float(sampling_hz), chosen, healthy, ill, noise, float(mains_hz)
    )  # fmt: skip
    calls = [(row, scanner, plan) for row, scanner in zip(table.to_dict("records"), scanners, strict=True)]
    drawn = draw_all(_patient, calls, jobs=jobs, progress=progress)
    rows = record_labels(pd.DataFrame([row for part in drawn for row in part[1]]), label_noise=label_noise, seed=seed)
    beats = [dict(columns) for part in drawn for columns in part[2]]
    for k, columns in enumerate(beats):
        columns["signal"] = np.full(len(columns["time_s"]), k)
    order = ["signal", *(name for name in beats[0] if name != "signal")]
    frame = pd.DataFrame({name: np.concatenate([columns[name] for columns in beats]) for name in order})
    return Signals(np.concatenate([part[0] for part in drawn]), frame, rows, float(sampling_hz), chosen)


def _patient(row: dict[str, Any], scanner: Scanner, plan: _Plan) -> tuple[NDArray[np.float32], list[Any], list[Any]]:
    patient = row["patient"]
    rng = patient_rng(plan.seed, patient)
    heart = waves.draw_heart(rng)
    breath_hz = float(rng.uniform(0.20, 0.33))
    rhythm, underlying, p = patient_parameters(rng, row, plan.healthy, plan.ill)
    samples = round(plan.seconds * plan.hz)
    time = np.arange(samples) / plan.hz
    leads = np.stack([waves.LEADS[name] for name in plan.leads], axis=1)
    signals = np.empty((plan.records, samples, len(plan.leads)), np.float32)
    rows, all_beats = [], []
    for record in range(plan.records):
        own, disease, disturbed = (np.random.default_rng([plan.seed, 3, patient, record, k]) for k in (1, 2, 3))
        here = p | {"rate": float(np.clip(p["rate"] * (1 + 0.04 * own.standard_normal()), 36, 180))}
        beats = draw_beats(own, disease, here, plan.seconds, breath_hz)
        swing = 1 + 0.06 * np.sin(2 * np.pi * breath_hz * beats.time + own.uniform(0, 2 * np.pi))
        laid, timing = waves.lay_waves(beats, heart, here["pr"], here["rate"], swing)
        dipole = waves.render(laid, samples, plan.hz) + waves.fibrillatory(disease, heart, beats, time)
        hum, strength = waves.disturb(disturbed, samples, len(plan.leads), plan.hz, breath_hz, plan.mains_hz)
        level = plan.noise * scanner.noise
        recorded = waves.through_recorder(dipole @ leads + level * hum, scanner.blur, plan.hz)
        signals[record] = scanner.offset + scanner.gain * recorded
        rows.append(
            {
                "patient": patient, "record": record,
                **{name: row[name] for name in ("site", "scanner", "subgroup")},
                "truth": int(row["diseased"]), "amplitude": row["amplitude"], "rhythm": rhythm,
                "underlying": underlying, "rate": here["rate"], "hrv": here["hrv"], "pr_s": here["pr"],
                "qtc_s": heart.qtc, "pvc": here["pvc"], "pac": here["pac"], "af_onset_s": beats.onset,
                "af_end_s": beats.end, "f_hz": heart.f_hz if np.isfinite(beats.onset) else np.nan,
                "axis_deg": float(np.degrees(heart.axis)) + 40.0,
                "wander_mv": level * strength.wander, "mains_mv": level * strength.mains,
                "muscle_mv": level * strength.muscle, "motion_mv": level * strength.motion,
                "artefacts": strength.artefacts,
            }
        )  # fmt: skip
        inside = (beats.time >= 0) & (beats.time < plan.seconds)
        all_beats.append(
            {
                "patient": np.full(inside.sum(), patient), "time_s": beats.time[inside],
                "kind": beats.kind[inside].astype(object),
                "rhythm": np.where(beats.fibrillation[inside], "AF", "sinus").astype(object),
                "rr_s": timing.rr[inside], "p_s": timing.p[inside], "pr_s": timing.pr[inside],
                "qrs_s": timing.qrs[inside], "qt_s": timing.qt[inside],
            }
        )  # fmt: skip
    return signals, rows, all_beats


def _leads(leads: int | Sequence[str]) -> tuple[str, ...]:
    if isinstance(leads, int):
        check_range(leads=(leads, 1, len(waves.LEADS)))
        return tuple(waves.LEADS)[:leads]
    names = (leads,) if isinstance(leads, str) else tuple(leads)
    if not names or set(names) - set(waves.LEADS) or len(set(names)) < len(names):
        raise ValueError(f"leads={leads!r}: give each once, of {', '.join(waves.LEADS)}, or how many")
    return names


def _rhythms(
    classes: Sequence[str], positive: Sequence[str], prevalence: float, sites: Sequence[Site]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    for name, chosen in (("classes", tuple(classes)), ("positive", tuple(positive))):
        if set(chosen) - set(CLASSES) or len(set(chosen)) < len(chosen) or isinstance(classes, str):
            raise ValueError(f"{name}={chosen!r}: give each once, of {', '.join(CLASSES)}")
    healthy = tuple(name for name in classes if name not in positive)
    ill = tuple(name for name in classes if name in positive)
    if set(positive) - set(classes):
        raise ValueError(f"positive={tuple(positive)!r} is not among classes={tuple(classes)!r}: add it there")
    if not healthy:
        raise ValueError(f"classes={tuple(classes)!r} leaves no rhythm for the healthy: add one that is not positive")
    if not ill and (prevalence > 0 or any(site.prevalence for site in sites)):
        raise ValueError(f"positive={tuple(positive)!r} names no disease: give prevalence=0, or a rhythm")
    return healthy, ill
