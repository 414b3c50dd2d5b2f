"""Whether a recording holds atrial fibrillation; among the healthy are irregular sinus rhythms and early beats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal, special

from benchmarks.ladders import Observed
from medcourse.data.phantoms import Signals, ecgs

Float = NDArray[np.float64]

P_WINDOW = (-0.07, 0.07)  # about the peak of the expected P wave, in s
F_VARIANCE = 0.3  # of what f waves leave in the P wave's matched filter, in units of her P wave
AF_CHANGE = 2 * 0.2**2  # variance of the log ratio of two intervals without memory
NAMES = [
    "rate", "rr_variation", "rmssd", "median_step", "share_of_large_steps", "autocorrelation", "turning_points",
    "entropy", "longest_irregular_run", "p_wave", "p_likeness", "least_p_likeness", "power_4_9_hz", "wide_beats",
    "compensation",
]  # fmt: skip


def observe(*, n: int, first: int, seed: int, difficulty: str | float, ceiling: bool = True) -> Observed:
    """Contrast: how low the mean P wave is. Ceiling: a reader who is told every beat and her P wave."""
    settings: dict[str, Any] = {"n": n, "first": first, "seed": seed, "difficulty": difficulty}
    drawn = ecgs(**settings)
    hz = drawn.sampling_hz
    told = np.zeros(len(drawn.table))
    if ceiling:
        told = _told(drawn, ecgs(**settings, prevalence=0.0, noise=0.0), ecgs(**settings, prevalence=0.0))
    features = np.array([_features(x.astype(np.float64), hz) for x in drawn.signals])
    return Observed(
        label=drawn.table["truth"].to_numpy(),
        patient=drawn.table["patient"].to_numpy(),
        contrast=-features[:, NAMES.index("p_wave")],
        features=features,
        ceiling=told,
        names=NAMES,
    )


def find_beats(x: Float, hz: float) -> NDArray[np.int64]:
    """R peaks: squared slope of both leads between 5 and 25 Hz, its maxima at least 0.24 s apart."""
    sos = signal.butter(2, [5, 25], "bandpass", fs=hz, output="sos")
    slope = np.gradient(signal.sosfiltfilt(sos, x, axis=0), axis=0)
    energy = np.convolve((slope**2).sum(axis=1), np.ones(round(0.08 * hz)), mode="same")
    height = 0.25 * np.median(np.sort(energy.reshape(-1, round(hz)).max(axis=1)))
    found: NDArray[np.int64] = signal.find_peaks(energy, height=height, distance=round(0.24 * hz))[0]
    return found


def _windows(x: Float, peaks: NDArray[np.int64], hz: float, start: float, end: float) -> Float:
    """Windows (beats, samples, leads) around the peaks, without their mean and slope."""
    index = peaks[:, None] + np.arange(round(start * hz), round(end * hz))
    index = index[(index[:, 0] >= 0) & (index[:, -1] < len(x))]
    cut: Float = signal.detrend(x[index], axis=1)
    return cut


def _features(x: Float, hz: float) -> Float:
    smooth = signal.sosfiltfilt(signal.butter(2, 30, fs=hz, output="sos"), x, axis=0)
    peaks = find_beats(x, hz)
    if len(peaks) < 4:
        return np.zeros(len(NAMES))
    rr = np.diff(peaks) / hz
    step, mean = np.diff(rr), rr.mean()
    inner = step[:-1] * step[1:] < 0
    parts = np.histogram(step / mean, bins=np.linspace(-0.5, 0.5, 11))[0] / max(len(step), 1)
    runs = np.diff(np.flatnonzero(np.concatenate([[True], np.abs(step) < 0.05 * mean, [True]])))
    p = _windows(smooth, peaks, hz, -0.26, -0.07)
    centre = np.median(p, axis=0)
    norm = np.linalg.norm(p, axis=(1, 2)) * np.linalg.norm(centre)
    likeness = (p * centre).sum(axis=(1, 2)) / np.maximum(norm, 1e-9)
    rest = _windows(smooth, peaks, hz, -0.36, -0.07)
    power = np.abs(np.fft.rfft(rest * np.hanning(rest.shape[1])[None, :, None], 512, axis=1)) ** 2
    hertz = np.fft.rfftfreq(512, 1 / hz)
    band = power[:, (hertz > 4) & (hertz < 9)].sum() / power[:, (hertz > 1) & (hertz < 30)].sum()
    qrs = _windows(x, peaks, hz, -0.08, 0.12)
    width = (np.abs(qrs) > 0.3 * np.abs(qrs).max(axis=1, keepdims=True)).mean(axis=(1, 2))
    wide = width > 1.35 * np.median(width)
    pairs = np.abs(rr[:-1] + rr[1:] - 2 * np.median(rr)) / mean
    irregular = np.abs(rr[:-1] - rr[1:]) > 0.15 * mean
    values = np.array(
        [
            60 / mean,
            rr.std() / mean,
            np.sqrt((step**2).mean()) / mean,
            np.median(np.abs(step)) / mean,
            (np.abs(step) > 0.1 * mean).mean(),
            np.corrcoef(rr[:-1], rr[1:])[0, 1] if len(rr) > 3 and rr.std() > 0 else 0.0,
            inner.mean() if len(inner) else 0.0,
            -special.xlogy(parts, parts).sum(),
            runs.max() / len(rr),
            np.abs(centre).max(),
            likeness.mean(),
            np.sort(likeness)[: max(len(likeness) // 4, 1)].mean(),
            band,
            wide.mean(),
            pairs[irregular].mean() if irregular.any() else 0.0,
        ]
    )
    known: NDArray[np.float64] = np.nan_to_num(values)  # 0 where a recording has too few beats for a measure
    return known


def _told(drawn: Signals, calm: Signals, noisy: Signals) -> Float:
    """Log likelihood ratio of some stretch being fibrillation against none, by a reader who is told much.

    He is told when each beat comes and of what kind it is, her P wave and PR interval, how much her sinus intervals
    vary, and the strength of the noise: `calm` is the same patient without disease and disturbance, `noisy` the same
    without disease. He is not told where the stretch is: all are weighed alike.
    """
    hz = drawn.sampling_hz
    groups = [frame.groupby("signal") for frame in (drawn.beats, calm.beats)]
    scores = np.zeros(len(drawn.table))
    for k in range(len(scores)):
        beats, sinus = (group.get_group(k) for group in groups)
        own = sinus[sinus["kind"] == "N"]
        lead = float((own["time_s"] - own["p_s"]).median())
        clean = calm.signals[k].astype(np.float64)
        where = np.rint((own["time_s"].to_numpy() - lead) * hz).astype(np.int64)
        template = np.median(_windows(clean, where, hz, *P_WINDOW), axis=0)
        energy = max((template**2).sum(), 1e-9)
        noise = _windows(noisy.signals[k].astype(np.float64) - clean, where, hz, *P_WINDOW)
        spread = ((noise * template).sum(axis=(1, 2)) / energy).var() + 0.02

        time = beats["time_s"].to_numpy()
        at = np.rint((time - lead) * hz).astype(np.int64)
        inside = (at + round(P_WINDOW[0] * hz) >= 0) & (at + round(P_WINDOW[1] * hz) <= drawn.signals.shape[1])
        ratio = np.zeros(len(time))
        p = (_windows(drawn.signals[k].astype(np.float64), at, hz, *P_WINDOW) * template).sum(axis=(1, 2)) / energy
        normal = (beats["kind"] == "N").to_numpy()
        p_ratio = _log_normal(p, 0.0, spread + F_VARIANCE) - _log_normal(p, 1.0, spread)
        ratio[inside] += p_ratio
        rr = np.diff(time)
        change = np.log(rr[1:] / rr[:-1])
        plain = normal[2:] & normal[1:-1] & normal[:-2]
        steady = 1.5 * drawn.table["hrv"].iloc[k] ** 2 + 0.01**2
        ratio[2:] += np.where(plain, _log_normal(change, 0.0, AF_CHANGE) - _log_normal(change, 0.0, steady), 0.0)
        ratio[~normal] = -20.0
        total = np.concatenate([[0.0], np.cumsum(ratio)])
        start, end = np.triu_indices(len(total), 2)
        scores[k] = special.logsumexp(total[end] - total[start]) - np.log(len(start))
    return scores


def _log_normal(x: Float, mean: float, variance: float) -> Float:
    value: Float = -0.5 * ((x - mean) ** 2 / variance + np.log(variance))
    return value
