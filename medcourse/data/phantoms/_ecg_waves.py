"""What a beat looks like: Gaussian waves of the heart's dipole, projected on the leads, and what disturbs them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from medcourse.data.phantoms._ecg_rhythm import Beats, Float

# Axes: x to the patient's left, y to her feet, z to the front; millivolt.
_I, _II = np.array([1.0, 0, 0]), np.array([np.cos(np.pi / 3), np.sin(np.pi / 3), 0])
_III = _II - _I  # Einthoven
_CHEST = {"V1": (1.0, 115), "V2": (1.6, 95), "V3": (1.8, 70), "V4": (1.8, 48), "V5": (1.5, 28), "V6": (1.2, 5)}
LEADS: dict[str, Float] = {
    "II": _II, "V1": np.zeros(3), "V5": np.zeros(3), "I": _I, "III": _III, "aVR": -(_I + _II) / 2,
    "aVL": (_I - _III) / 2, "aVF": (_II + _III) / 2,
    **{
        name: gain * np.array([np.cos(np.radians(angle)), 0.0, np.sin(np.radians(angle))])
        for name, (gain, angle) in _CHEST.items()
    },
}  # fmt: skip

# Wave: seconds from the R peak, width (standard deviation, s), dipole (mV).
_QRS = (
    (-0.027, 0.0070, (-0.12, 0.03, 0.20)),  # septum
    (0.000, 0.0105, (0.90, 0.75, -0.36)),  # free walls: R in II and V5, S in V1
    (0.026, 0.0090, (-0.16, -0.20, -0.26)),  # base
)
_QRS_V = ((0.000, 0.0210, 1.0), (0.044, 0.0200, 0.55))  # second wave: turned, so that the complex is notched
_P = ((0.036, 0.0150, (0.03, 0.09, 0.06)), (0.062, 0.0160, (0.08, 0.06, -0.06)))  # from its onset: right, left atrium
_T = (0.20, 0.18, 0.14)
EDGE = 2.5  # a wave begins and ends at this many standard deviations


class Heart(NamedTuple):
    """What the waves of one patient have in common."""

    axis: float  # radians by which her heart is turned in the frontal plane
    voltage: float
    p_voltage: float
    t_voltage: float
    width: float  # factor on the duration of the QRS complex
    qtc: float
    ectopic: Float  # dipole of her ventricular early beats
    twist: Float  # and of their second half
    ectopic_p: Float
    f_dipole: Float
    f_hz: float


def draw_heart(rng: np.random.Generator) -> Heart:
    """Draw a patient's heart; the same draws whatever her rhythm."""
    right = rng.random() < 0.5
    focus = np.array([0.75, 0.95, -0.75]) if right else np.array([-0.75, 0.55, 0.95])
    focus = focus + rng.normal(0, 0.15, 3)
    turned = focus @ np.array([[0.5, 0.6, 0], [-0.6, 0.5, 0.3], [0, -0.3, 0.8]])
    return Heart(
        axis=float(np.radians(np.clip(rng.normal(0, 16), -40, 40))),
        voltage=float(np.exp(np.clip(rng.normal(0, 0.2), -0.5, 0.5))),
        p_voltage=float(np.exp(np.clip(rng.normal(-0.25, 0.35), -1.0, 0.5))),
        t_voltage=float(np.exp(np.clip(rng.normal(0, 0.3), -0.7, 0.6))),
        width=float(np.clip(rng.normal(0.98, 0.06), 0.84, 1.12)),
        qtc=float(np.clip(rng.normal(0.405, 0.016), 0.36, 0.45)),
        ectopic=1.25 * focus,
        twist=turned,
        ectopic_p=np.array([-0.05, -0.05, 0.06]) + rng.normal(0, 0.04, 3),
        f_dipole=rng.uniform(0.5, 1.5) * (np.array([0.012, 0.028, 0.050]) + rng.normal(0, 0.008, 3)),
        f_hz=float(np.clip(rng.normal(6.0, 0.9), 4.2, 8.8)),
    )


class Waves(NamedTuple):
    """Gaussian waves: `centre` and `sigma` in s, `dipole` (waves, 3) in mV."""

    centre: Float
    sigma: Float
    dipole: Float


class Timing(NamedTuple):
    """Of each beat, in s: the interval before it, P wave (its peak), PR, QRS and QT; missing where there is none."""

    rr: Float
    p: Float
    pr: Float
    qrs: Float
    qt: Float


def _turn(dipole: Float, angle: float) -> Float:
    c, s = np.cos(angle), np.sin(angle)
    turned: Float = dipole @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]])
    return turned


def lay_waves(beats: Beats, heart: Heart, pr_s: float, rate: float, swing: Float) -> tuple[Waves, Timing]:
    """Place the waves of every beat; `swing` is the factor by which breathing changes each beat's voltage."""
    time, ventricular = beats.time, beats.kind == "V"
    rr = np.diff(time, prepend=time[0] - 60 / rate)
    # Repolarisation follows the rate slowly: Fridericia's cube root of a running mean, not of the last interval.
    mean, running = 60 / rate, np.empty(len(time))
    for k, interval in enumerate(rr):
        mean = 0.8 * mean + 0.2 * min(float(interval), 1.6)
        running[k] = mean
    qt = heart.qtc * np.cbrt(running) * np.where(ventricular, 1.10, 1.0)
    begin = np.where(ventricular, -EDGE * _QRS_V[0][1], heart.width * (_QRS[0][0] - EDGE * _QRS[0][1]))
    finish = np.where(
        ventricular, _QRS_V[1][0] + EDGE * _QRS_V[1][1], heart.width * (_QRS[2][0] + EDGE * _QRS[2][1])
    )  # fmt: skip
    centre, sigma, dipole = [], [], []

    def add(which: NDArray[np.bool_], at: Float, width: Float | float, vector: Float) -> None:
        centre.append(at[which])
        sigma.append(np.broadcast_to(width, at.shape)[which])
        dipole.append(vector * swing[which, None])

    conducted = ~ventricular
    for offset, width, shape in _QRS:
        turned = heart.voltage * _turn(np.array(shape), heart.axis)
        add(conducted, time + heart.width * offset, heart.width * width, turned)
    for (offset, width, gain), vector in zip(_QRS_V, (heart.ectopic, heart.twist), strict=True):
        add(ventricular, time + offset, width, gain * heart.voltage * vector)
    # T: two waves that make it rise slowly and fall faster; it ends EDGE widths after the second peak.
    stretch = np.cbrt(running)
    peak = time + begin + qt - EDGE * 0.032 * stretch
    upright = heart.t_voltage * heart.voltage * _turn(np.array(_T), heart.axis)
    discordant = -0.38 * heart.voltage * (heart.ectopic + 0.5 * heart.twist)
    for which, vector in ((conducted, upright), (ventricular, discordant)):
        add(which, peak - 0.040 * stretch, 0.046 * stretch, 0.55 * vector)
        add(which, peak, 0.032 * stretch, 0.65 * vector)
    # P: conducted a PR interval before the QRS; none in fibrillation, none before ventricular beats.
    atrial = conducted & ~beats.fibrillation
    pr = np.where(atrial, pr_s * np.clip(running / 0.85, 0.6, 1.4) ** 0.2, np.nan)
    early = beats.kind == "A"
    start = time + begin - pr
    for offset, width, shape in _P:
        own = heart.p_voltage * _turn(np.array(shape), heart.axis)
        add(atrial & ~early, start + offset, width, own)
        add(atrial & early, start + offset, width, heart.p_voltage * heart.ectopic_p)
    waves = Waves(np.concatenate(centre), np.concatenate(sigma), np.concatenate(dipole))
    first = rr.copy()
    first[0] = np.nan
    return waves, Timing(first, start + 0.05, pr, finish - begin, qt)


def render(waves: Waves, n_samples: int, hz: float) -> Float:
    """Add up the waves on the samples: (n_samples, 3), in mV. Each is drawn within 4.5 of its widths."""
    total = np.zeros((n_samples, 3))
    for low, high in ((0.0, 0.025), (0.025, np.inf)):
        chosen = (waves.sigma >= low) & (waves.sigma < high)
        if not chosen.any():
            continue
        centre, sigma, dipole = waves.centre[chosen], waves.sigma[chosen], waves.dipole[chosen]
        half = int(np.ceil(4.5 * sigma.max() * hz))
        index = np.rint(centre * hz).astype(np.int64)[:, None] + np.arange(-half, half + 1)
        shape = np.exp(-0.5 * ((index / hz - centre[:, None]) / sigma[:, None]) ** 2)
        inside = (index >= 0) & (index < n_samples)
        flat = index[inside]
        for k in range(3):
            total[:, k] += np.bincount(flat, (shape * dipole[:, k, None])[inside], minlength=n_samples)
    return total


def fibrillatory(rng: np.random.Generator, heart: Heart, beats: Beats, time: Float) -> Float:
    """Fibrillatory waves, (samples, 3): a sawtooth-like wave of three harmonics whose rate and size wander."""
    slow = rng.uniform(0.15, 0.6, 3)
    phase = rng.uniform(0, 2 * np.pi, 6)
    if not np.isfinite(beats.onset):
        return np.zeros((len(time), 3))
    wander = 0.6 * np.sin(2 * np.pi * slow[0] * time + phase[0]) + 0.5 * np.sin(2 * np.pi * slow[1] * time + phase[1])
    angle = 2 * np.pi * heart.f_hz * time + wander
    size = 1 + 0.35 * np.sin(2 * np.pi * slow[2] * time + phase[2])
    wave = sum(np.sin(k * angle + phase[2 + k]) / k for k in (1, 2, 3))
    edge = 0.12
    gate = np.clip((time - beats.onset) / edge, 0, 1) * np.clip((beats.end - time) / edge, 0, 1)
    result: Float = (wave * size * gate)[:, None] * heart.f_dipole
    return result


class Disturbance(NamedTuple):
    """Strengths of what disturbs a record: standard deviations in mV, and the number of electrode artefacts."""

    wander: float
    mains: float
    muscle: float
    motion: float
    artefacts: int


def disturb(
    rng: np.random.Generator, n_samples: int, n_leads: int, hz: float, breath_hz: float, mains_hz: float
) -> tuple[Float, Disturbance]:
    """Baseline wander, mains hum, muscle and electrode motion: (n_samples, n_leads), in mV."""
    time = np.arange(n_samples) / hz
    wander, hum = rng.uniform(0.02, 0.10), rng.uniform(0.0, 0.012)
    muscle, motion = rng.uniform(0.008, 0.030), rng.uniform(0.015, 0.070)
    gains = rng.uniform(0.5, 1.5, (4, n_leads))
    signs = rng.choice([-1.0, 1.0], n_leads)
    phase = rng.uniform(0, 2 * np.pi, 8)
    slow = np.array([0.05, 0.09, 0.17, 0.31, 0.45])
    drift = (1 / slow / np.sqrt((1 / slow**2).sum() / 2)) @ np.sin(2 * np.pi * slow[:, None] * time + phase[:5, None])
    breath = np.sqrt(2) * np.sin(2 * np.pi * breath_hz * time + phase[5])
    total = wander * (0.7 * drift[:, None] * gains[0] + 0.7 * breath[:, None] * gains[1] * signs)
    if mains_hz < hz / 2:
        total += hum * np.sqrt(2) * np.sin(2 * np.pi * mains_hz * time + phase[6])[:, None] * gains[2]
    white = rng.standard_normal((2, n_samples, n_leads))
    frequency = fft.rfftfreq(n_samples, 1 / hz)
    band = np.sqrt((frequency / 15) ** 2 / (1 + (frequency / 15) ** 2))  # little below 15 Hz
    slower = np.sqrt(hz / 2 / 12) * (frequency / 1) ** 2 / (1 + (frequency / 1) ** 2) / (1 + (frequency / 9) ** 4)
    noise, shift = (
        fft.irfft(fft.rfft(w, axis=0) * b[:, None], n_samples, axis=0)
        for w, b in ((white[0], band), (white[1], slower))
    )
    burst = 1 + 0.8 * np.sin(2 * np.pi * 0.13 * time + phase[7]) ** 4
    total += burst[:, None] * gains[3] * (muscle * noise + motion * shift)
    count = int(rng.poisson(n_samples / hz / 15))
    for _ in range(count):
        at, height, decay = (
            rng.uniform(0, n_samples / hz),
            rng.uniform(0.1, 0.5) * rng.choice([-1, 1]),
            rng.uniform(0.1, 0.5),
        )
        since = time - at
        bump = np.where(since > 0, np.exp(-np.maximum(since, 0) / decay), np.exp(-0.5 * (since / 0.04) ** 2))
        total[:, int(rng.integers(n_leads))] += height * bump
    return total, Disturbance(float(wander), float(hum), float(muscle), float(motion), count)


def through_recorder(signal: Float, blur: float, hz: float) -> Float:
    """Low-pass of the recorder: a Gaussian of 1.6 ms (3 dB down at 83 Hz), times `blur`."""
    filtered: Float = ndimage.gaussian_filter1d(signal, 0.0016 * blur * hz, axis=0, mode="nearest")
    return filtered
