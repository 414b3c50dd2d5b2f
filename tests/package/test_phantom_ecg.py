"""The electrocardiogram obeys electrophysiology; its truth is found again by detectors that know nothing of it."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal, stats

from medcourse.data.phantoms import ECG_CLASSES, Scanner, Signals, Site, Subgroup, ecgs

AF = "atrial fibrillation"


@cache
def of(rhythm: str, n: int = 30, seconds: float = 30.0, noise: float = 0.0, seed: int = 1) -> Signals:
    """Recordings of one rhythm; 12 leads, no disturbance."""
    classes = ("normal", rhythm) if rhythm != "normal" else ("normal",)
    ill = () if rhythm == "normal" else (rhythm,)
    return ecgs(
        n, seed=seed, seconds=seconds, records_per_patient=1, leads=12, classes=classes, positive=ill,
        prevalence=float(bool(ill)), noise=noise,
    )  # fmt: skip


def at(drawn: Signals, rows: pd.DataFrame, lead: str, start: float, end: float) -> np.ndarray:
    """Windows around the given beats; those that reach out of the recording are left out."""
    hz, k = drawn.sampling_hz, drawn.leads.index(lead)
    index = np.rint(rows["time_s"].to_numpy() * hz).astype(int)[:, None] + np.arange(round(start * hz), round(end * hz))
    inside = (index[:, 0] >= 0) & (index[:, -1] < drawn.signals.shape[1])
    return drawn.signals[rows["signal"].to_numpy()[inside, None], index[inside], k]


def variability(drawn: Signals) -> pd.DataFrame:
    """Per recording, of neighbouring normal beats: RMSSD over the mean interval, correlation with the next, rate."""
    rows = []
    for _, beats in drawn.beats.groupby("signal"):
        normal = (beats["kind"] == "N").to_numpy()
        rr = np.diff(beats["time_s"])
        pairs = normal[:-2] & normal[1:-1] & normal[2:]
        first, second = rr[:-1][pairs], rr[1:][pairs]
        rmssd = np.sqrt(((second - first) ** 2).mean()) / first.mean()
        rows.append((rmssd, np.corrcoef(first, second)[0, 1], 60 / first.mean()))
    return pd.DataFrame(rows, columns=["rmssd", "memory", "rate"])


@pytest.mark.parametrize("rhythm", ["normal", "sinus tachycardia", "sinus bradycardia", "first-degree AV block"])
def test_heart_rate_is_that_of_the_table_and_of_the_rhythm(rhythm: str) -> None:
    measured = variability(of(rhythm))["rate"]
    assert np.abs(measured / of(rhythm).table["rate"] - 1).max() < 0.12
    low, high = {"sinus tachycardia": (95, 165), "sinus bradycardia": (38, 62)}.get(rhythm, (50, 105))
    assert measured.between(low, high).all()


def test_fibrillation_is_irregularly_irregular_and_sinus_rhythm_is_not() -> None:
    random, regular, breathing = (variability(of(name)) for name in (AF, "normal", "sinus arrhythmia"))
    assert random["rmssd"].quantile(0.1) > 0.13
    assert regular["rmssd"].median() < 0.07
    assert random["rmssd"].median() > 3 * regular["rmssd"].median()
    assert abs(random["memory"].mean()) < 3.5 * random["memory"].std() / np.sqrt(len(random)) + 0.02
    assert breathing["memory"].mean() > 0.2, "breathing is slower than the heart, so neighbours are alike"


def test_fibrillation_intervals_are_refractory_plus_exponential() -> None:
    skew = [stats.skew(np.diff(b["time_s"])) for _, b in of(AF, seconds=60.0).beats.groupby("signal")]
    assert np.mean(skew) > 1.0  # 2 for an exponential; sinus rhythm has about 0
    shortest = of(AF, seconds=60.0).beats["rr_s"].min()
    assert shortest >= 0.279


def test_sinus_variability_has_power_where_breathing_and_mayer_waves_are() -> None:
    share = []
    for _, beats in of("normal", seconds=240.0, n=8).beats.groupby("signal"):
        only = beats[beats["kind"] == "N"]
        time = np.arange(2, 236, 0.25)
        rr = np.interp(time, only["time_s"].to_numpy()[1:], np.diff(only["time_s"]))
        hz, power = signal.welch(signal.detrend(rr), 4, nperseg=512)
        bands = [power[(hz >= a) & (hz < b)].sum() for a, b in ((0.04, 0.15), (0.18, 0.36), (0.5, 1.0))]
        share.append(bands)
    low, breath, rest = np.mean(share, axis=0)
    assert 0.2 < low / breath < 5
    assert rest < 0.15 * (low + breath)


def test_p_wave_precedes_every_sinus_beat_and_is_absent_in_fibrillation() -> None:
    def p_height(drawn: Signals, rows: pd.DataFrame) -> np.ndarray:
        pr = drawn.table["pr_s"].mean()
        cut = at(drawn, rows, "II", -pr - 0.12, -0.045)
        mean = cut.mean(axis=0)
        return mean.max() - np.percentile(mean, 10)

    normal, fibrillation = of("normal"), of(AF)
    heights = [
        [p_height(d, d.beats[d.beats["signal"] == k]) for k in range(len(d.table))] for d in (normal, fibrillation)
    ]
    assert np.median(heights[0]) > 0.06
    assert np.median(heights[1]) < 0.3 * np.median(heights[0])
    assert fibrillation.beats["p_s"].isna().all()
    assert normal.beats.loc[normal.beats["kind"] == "N", "p_s"].notna().all()


def test_f_waves_run_at_four_to_nine_hertz() -> None:
    drawn = of(AF, seconds=60.0, n=16)
    found = []
    for k in range(len(drawn.table)):
        x = drawn.signals[k, :, drawn.leads.index("V1")].astype(float)
        beats = drawn.beats[drawn.beats["signal"] == k]
        rest = x.copy()
        index = np.rint(beats["time_s"].to_numpy() * 250).astype(int)
        template = np.mean([x[i - 25 : i + 115] for i in index if 25 <= i < len(x) - 115], axis=0)
        for i in index:  # average beat subtraction, as in the literature
            if 25 <= i < len(x) - 115:
                rest[i - 25 : i + 115] -= template - template.mean()
        hz, power = signal.welch(signal.detrend(rest), 250, nperseg=2048)
        band = (hz > 3) & (hz < 12)
        found.append(hz[band][power[band].argmax()])
    stated = drawn.table["f_hz"].to_numpy()
    assert ((stated >= 4) & (stated <= 9)).all()
    assert np.median(np.abs(found - stated)) < 0.4


def width(cut: np.ndarray) -> float:
    """Duration in which the deflection exceeds a tenth of its peak, in samples, the largest over the leads."""
    magnitude = np.sqrt((cut**2).sum(axis=1))
    return float((magnitude > 0.1 * magnitude.max()).sum())


def test_ventricular_beats_are_wide_early_without_p_and_with_a_full_pause() -> None:
    drawn = of("ventricular ectopy")
    beats = drawn.beats
    v, n = beats[beats["kind"] == "V"], beats[beats["kind"] == "N"]
    assert len(v) > 100
    limb = ("I", "II", "V1", "V2", "V5")
    wide, narrow = (
        np.mean([width(np.stack([at(drawn, rows.iloc[[k]], lead, -0.09, 0.12)[0] for lead in limb], axis=1))
                 for k in range(2, 42)])
        for rows in (v[v["time_s"].between(1, 29)], n[n["time_s"].between(1, 29)])
    )  # fmt: skip
    assert wide > 1.35 * narrow
    assert v["qrs_s"].min() > 0.12
    assert n["qrs_s"].max() < 0.12
    assert wide / 250 == pytest.approx(v["qrs_s"].mean(), abs=0.04)
    assert v["p_s"].isna().all()
    after = beats.groupby("signal")["rr_s"].shift(-1)
    kinds = [beats.groupby("signal")["kind"].shift(k).fillna("") for k in (2, 1, -1)]
    lone = (beats["kind"] == "V") & (kinds[0] == "N") & (kinds[1] == "N") & (kinds[2] == "N")
    before = beats.groupby("signal")["rr_s"].shift(1)[lone]
    early, around = beats["rr_s"][lone] / before, (beats["rr_s"] + after)[lone] / before
    assert early.max() < 0.9
    assert around.median() == pytest.approx(2.0, abs=0.04)
    assert around.std() < 0.15


def test_atrial_early_beats_are_narrow_and_reset_the_sinus_clock() -> None:
    beats = of("atrial ectopy").beats
    after = beats.groupby("signal")["rr_s"].shift(-1)
    kinds = [beats.groupby("signal")["kind"].shift(k).fillna("") for k in (2, 1, -1)]
    lone = (beats["kind"] == "A") & (kinds[0] == "N") & (kinds[1] == "N") & (kinds[2] == "N")
    assert lone.sum() > 50
    before = beats.groupby("signal")["rr_s"].shift(1)[lone]
    assert (beats["rr_s"][lone] / before).max() < 0.95
    assert ((beats["rr_s"] + after)[lone] / before).median() < 1.93
    assert beats.loc[beats["kind"] == "A", "qrs_s"].max() < 0.12
    assert beats.loc[beats["kind"] == "A", "p_s"].notna().all()


def test_t_wave_of_ventricular_beats_points_against_their_qrs() -> None:
    drawn = of("ventricular ectopy")
    v = drawn.beats[(drawn.beats["kind"] == "V") & drawn.beats["time_s"].between(1, 28.5)]
    opposite = []
    for lead in ("V1", "II"):
        qrs = at(drawn, v, lead, -0.06, 0.10)
        area = qrs.sum(axis=1)
        t = at(drawn, v, lead, 0.20, 0.42).sum(axis=1)
        clear = np.abs(area) > np.median(np.abs(area)) * 0.5
        opposite.append((np.sign(area) != np.sign(t))[clear].mean())
    assert np.mean(opposite) > 0.9


def test_pr_interval_is_long_in_block_and_found_in_the_picture() -> None:
    block, normal = of("first-degree AV block"), of("normal")
    assert block.beats["pr_s"].min() > 0.20
    assert normal.beats["pr_s"].max() < 0.21
    for drawn in (block, normal):
        delays = []
        for k in range(12):
            beats = drawn.beats[(drawn.beats["signal"] == k) & (drawn.beats["kind"] == "N")]
            mean = at(drawn, beats, "II", -0.40, -0.05).mean(axis=0)
            peak, _ = signal.find_peaks(mean, prominence=0.02)
            if len(peak):
                delays.append(0.40 - peak[-1] / 250 - (beats["time_s"] - beats["p_s"]).mean())
        assert len(delays) >= 9
        assert np.abs(delays).max() < 0.03


def test_qt_follows_the_cube_root_of_the_interval() -> None:
    beats = pd.concat([of(name).beats.assign(name=name) for name in ("sinus tachycardia", "sinus bradycardia")])
    mean = beats[beats["kind"] == "N"].groupby(["name", "signal"])[["rr_s", "qt_s"]].mean()
    slope = np.polyfit(np.log(mean["rr_s"]), np.log(mean["qt_s"]), 1)[0]
    assert slope == pytest.approx(1 / 3, abs=0.04)
    assert (mean["qt_s"] / np.cbrt(mean["rr_s"])).between(0.35, 0.46).all()
    drawn = of("normal")  # and the T wave ends there in the picture
    for k in range(8):
        rows = drawn.beats[(drawn.beats["signal"] == k) & (drawn.beats["kind"] == "N")]
        cut = at(drawn, rows, "V4", 0.10, 0.50).mean(axis=0)
        end = rows["qt_s"].mean() - 0.045 - 0.10
        assert abs(cut.argmax() / 250 - end) < 0.13
        assert np.abs(cut[round((end + 0.02) * 250) :]).max() < 0.25 * cut.max()


def test_leads_obey_einthoven_and_r_grows_across_the_chest() -> None:
    drawn = of("normal")
    lead = {name: drawn.signals[..., k] for k, name in enumerate(drawn.leads)}
    np.testing.assert_allclose(lead["I"] + lead["III"], lead["II"], atol=1e-5)
    np.testing.assert_allclose(lead["aVR"] + lead["aVL"] + lead["aVF"], 0, atol=1e-5)
    np.testing.assert_allclose(lead["aVF"], (lead["II"] + lead["III"]) / 2, atol=1e-5)
    rows = drawn.beats[(drawn.beats["kind"] == "N") & drawn.beats["time_s"].between(1, 29)]
    mean = {name: at(drawn, rows, name, -0.06, 0.06).mean(axis=0) for name in drawn.leads}
    ratio = [mean[f"V{k}"].max() / -mean[f"V{k}"].min() for k in range(1, 7)]
    assert ratio[0] < 0.6
    assert ratio[5] > 1.5
    assert (np.diff(ratio) > 0).all()
    assert 0.6 < mean["II"].max() < 2.0
    assert mean["aVR"].min() < -0.5


def test_signals_are_in_millivolt() -> None:
    drawn = ecgs(40, leads=12)
    assert drawn.signals.dtype == np.float32
    height = np.array([np.percentile(drawn.signals[k, :, 0], 99.7) for k in range(len(drawn.table))])
    assert 0.5 < np.median(height) < 2.0
    assert np.abs(drawn.signals).max() < 8


def test_disturbances_are_as_the_table_says_and_nothing_else_changes() -> None:
    loud, clean = ecgs(25, seconds=20), ecgs(25, seconds=20, noise=0)
    pd.testing.assert_frame_equal(loud.beats, clean.beats)
    rest = (loud.signals - clean.signals).astype(float)
    hz, power = signal.welch(rest, 250, nperseg=2500, axis=1)
    quiet = loud.table["artefacts"].to_numpy() == 0
    assert quiet.sum() > 5
    mains = np.sqrt((power[:, (hz > 49.5) & (hz < 50.5)].sum(axis=1) * (hz[1] - hz[0])).mean(axis=1))
    expected = loud.table["mains_mv"].to_numpy()
    assert np.corrcoef(mains, expected)[0, 1] > 0.9
    slow = np.sqrt((power[:, hz < 0.6].sum(axis=1) * (hz[1] - hz[0])).mean(axis=1))
    assert np.corrcoef(slow[quiet], loud.table["wander_mv"].to_numpy()[quiet])[0, 1] > 0.6
    fast = np.sqrt((power[:, (hz > 60) & (hz < 90)].sum(axis=1) * (hz[1] - hz[0])).mean(axis=1))
    assert np.corrcoef(fast, loud.table["muscle_mv"].to_numpy())[0, 1] > 0.85
    double = ecgs(25, seconds=20, noise=2)
    np.testing.assert_allclose(double.signals - clean.signals, 2 * rest, atol=1e-5)
    hum = ecgs(10, seconds=20, mains_hz=60).signals - ecgs(10, seconds=20, noise=0).signals
    hz, power = signal.welch(hum, 250, nperseg=2500, axis=1)
    assert power[:, np.argmin(np.abs(hz - 60))].mean() > 5 * power[:, np.argmin(np.abs(hz - 55))].mean()


def matched(truth: np.ndarray, found: np.ndarray, tolerance: float = 0.15) -> int:
    """Number of beats that are found, each by a detection of its own."""
    used, hits = np.zeros(len(found), bool), 0
    for t in truth:
        near = np.flatnonzero(~used & (np.abs(found - t) <= tolerance))
        if len(near):
            used[near[np.argmin(np.abs(found[near] - t))]] = True
            hits += 1
    return hits


def test_an_independent_detector_finds_the_beats_and_no_others() -> None:
    from wfdb import processing

    drawn = ecgs(12, seconds=30, records_per_patient=1, classes=tuple(ECG_CLASSES), positive=(AF,), prevalence=0.3)
    truth = found = hits = right = 0
    for k in range(len(drawn.table)):
        peaks = processing.xqrs_detect(drawn.signals[k, :, 0].astype(np.float64), 250, verbose=False) / 250
        beats = drawn.beats.loc[drawn.beats["signal"] == k, "time_s"].to_numpy()
        # Each side may look a little beyond the edges of the stretch in which the other is judged.
        inner, outer = ([x[(x > margin) & (x < 30 - margin)] for x in (beats, peaks)] for margin in (1.0, 0.8))
        truth += len(inner[0])
        found += len(inner[1])
        hits += matched(inner[0], outer[1])
        right += matched(inner[1], outer[0])
    assert truth > 350
    assert hits / truth >= 0.98  # sensitivity
    assert right / found >= 0.98  # positive predictive value


RECORD = Path(os.environ.get("MEDCOURSE_DATA", "nowhere")) / "ecg_mitdb" / "100"


@pytest.mark.skipif(
    not RECORD.with_suffix(".hea").exists(), reason="MIT-BIH record 100 is not at hand: set MEDCOURSE_DATA"
)
def test_a_real_record_lies_within_what_the_phantom_draws() -> None:
    import wfdb

    real, notes = wfdb.rdrecord(str(RECORD)), wfdb.rdann(str(RECORD), "atr")
    symbols, beats = np.array(notes.symbol), notes.sample / real.fs
    beat = np.isin(symbols, ["N", "A", "V"])
    symbols, beats = symbols[beat], beats[beat]
    x, rr = real.p_signal[:, 0], np.diff(beats)
    assert (symbols == "A").sum() == 33
    plain = (symbols[1:] == "N") & (symbols[:-1] == "N")
    phantom = of("normal", n=40)
    drawn = variability(phantom)
    assert drawn["rate"].min() < 60 / rr[plain].mean() < drawn["rate"].max()
    rmssd = np.sqrt((np.diff(rr)[plain[1:] & plain[:-1]] ** 2).mean()) / rr.mean()
    assert 0.3 * drawn["rmssd"].min() < rmssd < drawn["rmssd"].max()
    # Size of the QRS complex, of the P wave and of the T wave, from the mean beat of each.
    index = np.rint(beats[5:400] * real.fs).astype(int)
    mean = np.mean([x[i - 100 : i + 150] for i in index[symbols[5:400] == "N"]], axis=0)
    qrs = np.ptp(mean[85:130])
    heights = [
        np.ptp(at(phantom, phantom.beats[phantom.beats["signal"] == k], "II", -0.05, 0.08).mean(axis=0))
        for k in range(40)
    ]
    assert min(heights) < qrs < max(heights)
    early = rr[(symbols[1:] == "A") & (symbols[:-1] == "N")] / np.median(rr)
    a = of("atrial ectopy").beats
    own = (a["rr_s"] / a.groupby("signal")["rr_s"].transform("median"))[a["kind"] == "A"]
    assert own.min() < np.median(early) < own.max()


def test_a_paroxysm_lies_where_the_table_says() -> None:
    drawn = ecgs(60, records_per_patient=1, prevalence=1.0)
    table = drawn.table
    assert table["rhythm"].eq("paroxysmal atrial fibrillation").all()
    length = table["af_end_s"] - table["af_onset_s"]
    assert length.between(0.99, 4.21).all()
    beats = drawn.beats.join(table[["af_onset_s", "af_end_s"]], on="signal")
    within = beats["time_s"].between(beats["af_onset_s"] - 0.1, beats["af_end_s"])
    assert (within | (beats["rhythm"] == "sinus")).all()
    assert beats.loc[beats["time_s"].between(beats["af_onset_s"], beats["af_end_s"]), "rhythm"].eq("AF").all()
    assert beats.loc[beats["rhythm"] == "AF", "p_s"].isna().all()
    easy = ecgs(60, records_per_patient=1, prevalence=1.0, difficulty="easy").table
    np.testing.assert_allclose(easy["af_end_s"] - easy["af_onset_s"], 1.6 * length)


def test_at_amplitude_zero_the_ill_are_drawn_like_the_healthy() -> None:
    for positive in (("paroxysmal atrial fibrillation",), ("ventricular ectopy", "sinus tachycardia")):
        settings: dict[str, Any] = {"positive": positive, "classes": ECG_CLASSES, "seconds": 6}
        ill, healthy = (ecgs(10, prevalence=p, difficulty=0, **settings) for p in (1.0, 0.0))
        np.testing.assert_array_equal(ill.signals, healthy.signals)
        pd.testing.assert_frame_equal(ill.beats, healthy.beats)
        assert (ill.table["truth"] == 1).all()


def test_rhythms_of_healthy_and_ill_are_those_that_were_asked_for() -> None:
    table = ecgs(300, records_per_patient=1, seconds=4, leads=1).table
    ill = table["truth"] == 1
    assert set(table.loc[ill, "rhythm"]) == {"paroxysmal atrial fibrillation"}
    healthy = table.loc[~ill, "rhythm"].value_counts(normalize=True)
    assert len(healthy) == 4
    assert healthy.between(0.15, 0.35).all()
    assert (table.loc[~ill, "rhythm"] == table.loc[~ill, "underlying"]).all()


def test_recordings_of_a_patient_share_her_heart_and_differ_in_all_else() -> None:
    drawn = ecgs(20, records_per_patient=3)
    assert len(drawn.table[["patient", "qtc_s", "axis_deg", "rhythm"]].drop_duplicates()) == 20
    assert drawn.table["qtc_s"].nunique() == 20
    assert (drawn.table.groupby("patient")["rate"].nunique() == 3).all()
    assert not np.array_equal(drawn.signals[0], drawn.signals[1])


def test_scanner_acts_as_documented() -> None:
    def draw(**scanner: float) -> np.ndarray:
        return ecgs(3, seconds=5, sites=(Site(scanner=Scanner(**scanner)),)).signals

    plain, changed = draw(noise=0), draw(noise=0, gain=1.2, offset=0.1)
    np.testing.assert_allclose(changed, 0.1 + 1.2 * plain, atol=1e-5)
    soft = draw(noise=0, blur=6)
    assert np.abs(np.diff(soft, axis=1)).max() < 0.8 * np.abs(np.diff(plain, axis=1)).max()
    assert np.diff(draw(noise=2), axis=1).std() > np.diff(draw(noise=1), axis=1).std()


def test_strata_and_label_noise_are_as_requested() -> None:
    sites = (Site(name="north", prevalence=0.2), Site(name="south", prevalence=0.8))
    groups = (Subgroup(name="a"), Subgroup(name="b", contrast=0.5))
    table = ecgs(500, seconds=4, leads=1, sites=sites, subgroups=groups, label_noise=(0.3, 0.1)).table
    share = table.groupby("site")["truth"].mean()
    assert share["north"] == pytest.approx(0.2, abs=0.08)
    assert share["south"] == pytest.approx(0.8, abs=0.08)
    wrong = (table["label"] != table["truth"]).groupby(table["truth"]).mean()
    assert wrong[1] == pytest.approx(0.3, abs=0.08)
    assert wrong[0] == pytest.approx(0.1, abs=0.06)
    assert set(table.loc[table["subgroup"] == "b", "amplitude"]) == {0.5}


@given(
    seed=st.integers(0, 2**32 - 1),
    rhythm=st.sampled_from(ECG_CLASSES[1:]),
    hz=st.sampled_from([100.0, 250.0, 360.0, 500.0]),
    seconds=st.floats(4, 20),
    difficulty=st.sampled_from(["easy", "hard", 0.0, 4.0]),
)
@settings(max_examples=40)
def test_no_impossible_heart(seed: int, rhythm: str, hz: float, seconds: float, difficulty: str | float) -> None:
    drawn = ecgs(
        2, seed=seed, classes=ECG_CLASSES, positive=(rhythm,), sampling_hz=hz, seconds=seconds, difficulty=difficulty,
        noise=0, leads=12,
    )  # fmt: skip
    assert drawn.signals.shape == (4, round(seconds * hz), 12)
    assert np.isfinite(drawn.signals).all()
    assert np.abs(drawn.signals).max() < 7
    beats = drawn.beats
    gaps = np.concatenate([np.diff(b["time_s"]) for _, b in beats.groupby("signal")])
    assert gaps.min() > 0.27
    assert gaps.max() < 3.6
    assert (beats.groupby("signal").size() >= seconds * 30 / 60 - 1).all()
    assert beats["time_s"].between(0, seconds).all()
    assert beats["pr_s"].dropna().between(0.09, 0.38).all()
    assert beats["qrs_s"].between(0.07, 0.16).all()
    assert beats["qt_s"].between(0.22, 0.60).all()
    assert (beats["p_s"].dropna() < beats.loc[beats["p_s"].notna(), "time_s"]).all()
    assert drawn.table["rate"].between(36, 180).all()


def test_a_patient_does_not_depend_on_who_else_is_drawn() -> None:
    settings: dict[str, Any] = {"seed": 3, "seconds": 5, "label_noise": 0.3}
    whole, part = ecgs(6, **settings), ecgs(2, first=3, jobs=2, **settings)
    np.testing.assert_array_equal(whole.signals[6:10], part.signals)
    pd.testing.assert_frame_equal(whole.table.iloc[6:10].reset_index(drop=True), part.table, check_exact=True)
    hers = whole.beats[whole.beats["signal"].between(6, 9)]
    pd.testing.assert_frame_equal(hers.assign(signal=hers["signal"] - 6).reset_index(drop=True), part.beats)
    assert not np.array_equal(ecgs(2, seed=4, seconds=5).signals, ecgs(2, seed=5, seconds=5).signals)
    more = ecgs(2, first=3, leads=("V5", "II"), **settings)
    clean, other = (ecgs(2, first=3, noise=0, leads=leads, **settings).signals for leads in ("II", ("V5", "II")))
    np.testing.assert_array_equal(clean[..., 0], other[..., 1])
    assert more.leads == ("V5", "II")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 0), ("first", -1), ("seed", -1), ("records_per_patient", 0), ("seconds", 1.0), ("sampling_hz", 50.0),
        ("leads", 0), ("leads", 13), ("leads", ("V9",)), ("leads", ("II", "II")), ("leads", ()), ("classes", ("x",)),
        ("classes", "normal"), ("classes", ("paroxysmal atrial fibrillation",)), ("positive", ("sinus bradycardia",)),
        ("positive", ()), ("noise", -1.0), ("mains_hz", 10.0), ("prevalence", 2.0), ("difficulty", "x"), ("sites", ()),
        ("subgroups", ()), ("label_noise", 2.0), ("jobs", 0),
    ],
)  # fmt: skip
def test_bad_argument_is_one_clear_line(name: str, value: Any) -> None:
    settings = {"n": 1, "seconds": 4, name: value}
    with pytest.raises(ValueError, match=rf"^{name}") as caught:
        ecgs(settings.pop("n"), **settings)
    assert "\n" not in str(caught.value)


def test_other_processors_draw_the_same(tmp_path: Path) -> None:
    script = (
        "import sys, pickle; from medcourse.data.phantoms import ecgs\n"
        "pickle.dump(tuple(ecgs(12, seed=4, leads=12)), open(sys.argv[1], 'wb'))\n"
    )
    disabled = ("AVX2", "FMA3", "AVX512F", "AVX512_SKX", "AVX512CD")
    known = [feature for feature in disabled if np._core._multiarray_umath.__cpu_features__.get(feature)]
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(tmp_path / "poor")],
        check=True,
        env={**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(known)},
    )
    here, there = ecgs(12, seed=4, leads=12), pd.read_pickle(tmp_path / "poor")
    assert np.abs(here.signals - there[0]).max() < 1e-4  # a tenth of a microvolt
    pd.testing.assert_frame_equal(here.beats, there[1], rtol=1e-9)
    pd.testing.assert_frame_equal(here.table, there[2], rtol=1e-9)
