"""The mammogram phantom obeys the physics its docstring states; truth is measured here by other means."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from medcourse.data.phantoms import ideal_scores, mammogram_parts, mammogram_patches

SMALL = {"n_patients": 30, "patches_per_patient": 4}


def spectrum_slope(images: np.ndarray, *, spacing_mm: float, lowest: float, highest: float) -> float:
    """Exponent of the mean radial periodogram between two frequencies (per mm), with a Hann window."""
    size = images.shape[1]
    window = np.outer(np.hanning(size), np.hanning(size))
    flat = images - (images * window).sum(axis=(1, 2), keepdims=True) / window.sum()
    power = (np.abs(np.fft.fft2(flat * window)) ** 2).mean(axis=0)
    axis = np.fft.fftfreq(size, spacing_mm)
    radius = np.hypot(*np.meshgrid(axis, axis))
    chosen = (radius > lowest) & (radius < highest)
    return -float(np.polyfit(np.log(radius[chosen]), np.log(power[chosen]), 1)[0])


@pytest.mark.parametrize("exponent", [2.0, 3.0])
def test_background_has_the_requested_power_law(exponent: float) -> None:
    parts = mammogram_parts(
        n_patients=150, patches_per_patient=1, size=64, spacing_mm=0.5, exponent=exponent, blur_mm=0, noise=0
    )
    measured = spectrum_slope(parts.noise, spacing_mm=0.5, lowest=0.1, highest=0.8)
    assert measured == pytest.approx(exponent, abs=0.15)


def test_white_noise_is_white_and_has_the_requested_strength() -> None:
    parts = mammogram_parts(**SMALL, exponent=0, blur_mm=0, noise=0)
    assert spectrum_slope(parts.noise, spacing_mm=0.8, lowest=0.1, highest=0.6) == pytest.approx(0, abs=0.1)
    quiet, noisy = (mammogram_parts(**SMALL, noise=level).noise for level in (0.0, 0.5))
    added = noisy - quiet
    assert added.std() == pytest.approx(0.5, rel=0.01)
    neighbours = (added[:, 1:] * added[:, :-1]).mean() / added.var()
    assert abs(neighbours) < 0.02


def test_covariance_is_that_of_the_random_field() -> None:
    parts = mammogram_parts(n_patients=3000, patches_per_patient=1, size=16)
    field = parts.noise.reshape(3000, -1)
    measured = field.T @ field / len(field)
    for down, right in ((0, 0), (0, 1), (3, 0), (4, 5)):
        first, second = 2 * 16 + 3, (2 + down) * 16 + 3 + right
        assert measured[first, second] == pytest.approx(parts.covariance[down, right], abs=0.09)


def test_strands_make_the_tissue_non_gaussian() -> None:
    parts = mammogram_parts(n_patients=200, patches_per_patient=1, strands=2.0, noise=0)

    def skewness(fields: np.ndarray) -> float:  # of the horizontal and vertical second differences
        curved = np.concatenate([np.diff(fields, 2, axis=axis).ravel() for axis in (1, 2)])
        return float((curved**4).mean() / (curved**2).mean() ** 2 - 3)

    assert abs(skewness(parts.noise)) < 0.2
    assert skewness(parts.noise + parts.tissue) > 0.5


def test_scanner_blur_lowers_high_frequencies_as_a_gaussian_does() -> None:
    sharp, soft = (
        mammogram_parts(n_patients=100, patches_per_patient=1, size=64, exponent=0, noise=0, blur_mm=blur).noise
        for blur in (0.0, 0.8)
    )
    ratio = (np.abs(np.fft.fft2(soft)) ** 2).mean(axis=0) / (np.abs(np.fft.fft2(sharp)) ** 2).mean(axis=0)
    for k in (4, 8, 12):
        frequency = k / (64 * 0.8)
        assert ratio[0, k] == pytest.approx(np.exp(-4 * (np.pi * 0.8 * frequency) ** 2), rel=0.12)


def test_difference_of_two_contrasts_is_a_mass_of_the_requested_peak_and_size() -> None:
    settings = {**SMALL, "spacing_mm": 0.4, "size": 64, "blur_mm": 0.0}
    without, having = (mammogram_patches(**settings, contrast=contrast) for contrast in (0.0, 1.5))
    difference = (having.images - without.images)[..., 0]
    masses = np.flatnonzero(having.table["label"] == 1)
    down, right = np.indices((64, 64))
    for k in masses:
        row = having.table.iloc[k]
        centre = difference[k, round(row["row"]), round(row["column"])]
        assert centre == pytest.approx(row["contrast"], rel=0.12)
        assert (difference[k] > 0.05 * centre)[having.masks[k]].mean() > 0.7
        area_mm2 = having.masks[k].sum() * 0.4**2
        assert area_mm2 == pytest.approx(np.pi * row["radius_mm"] ** 2, rel=0.1)
        middle = [(grid * having.masks[k]).sum() / having.masks[k].sum() for grid in (down, right)]
        assert np.hypot(middle[0] - row["row"], middle[1] - row["column"]) * 0.4 < 1.0
    half = np.array([(difference[k] > 0.5 * difference[k].max()).sum() * 0.4**2 for k in masses])
    # (1 - (r/R)^2)^1.5 falls to one half at r = 0.608 R, so the half-maximum area is 0.37 of the body's.
    body = np.pi * having.table["radius_mm"].to_numpy()[masses] ** 2
    assert np.median(half / body) == pytest.approx(0.37, abs=0.04)
    assert having.table["contrast"].div(having.table["gain"]).mean() == pytest.approx(1.5, rel=0.05)


def test_spicules_reach_beyond_the_body_only_where_the_table_says_so() -> None:
    settings = {**SMALL, "blur_mm": 0.0}
    difference = (mammogram_patches(**settings).images - mammogram_patches(**settings, contrast=0.0).images)[..., 0]
    patches = mammogram_patches(**settings)
    outside = np.array([(d * ~m).max() for d, m in zip(difference, patches.masks, strict=True)])
    mass = (patches.table["label"] == 1).to_numpy()
    spiculated = mass & (patches.table["spicules"] > 0).to_numpy()
    assert 0 < spiculated.sum() < mass.sum()
    assert outside[mass & ~spiculated].max() < 1e-5
    assert (outside[spiculated] > 0.005).all()


def test_masks_and_table_agree_with_the_label() -> None:
    patches = mammogram_patches(**SMALL)
    label = patches.table["label"].to_numpy()
    assert not patches.masks[label == 0].any()
    assert patches.masks[label == 1].any(axis=(1, 2)).all()
    assert patches.table.loc[label == 0, ["radius_mm", "contrast", "spicules"]].isna().all(axis=None)
    assert set(patches.table.loc[label == 0, "kind"]) == {"crossing", "lump"}
    assert not mammogram_patches(**SMALL, contrast=0.0).masks.any()


def test_nothing_tells_the_classes_apart_at_zero_contrast() -> None:
    settings = {"n_patients": 400, "patches_per_patient": 2, "label_correlation": 0.0, "contrast": 0.0}
    label = mammogram_patches(**settings).table["label"]
    images = mammogram_patches(**settings).images[..., 0]
    template = mammogram_parts(**{**settings, "contrast": 1.5}).mass
    matched = (images * template).sum(axis=(1, 2))
    for scores in (matched, images.mean(axis=(1, 2)), images.std(axis=(1, 2))):
        assert abs(roc_auc_score(label, scores) - 0.5) < 0.06  # three standard errors of 800 patches
    assert (ideal_scores(mammogram_parts(**settings)) == 0).all()


def test_ideal_observer_reaches_the_auc_of_its_own_theory() -> None:
    parts = mammogram_parts(n_patients=500, patches_per_patient=1, size=16, label_correlation=0.0)
    scores, label = ideal_scores(parts), parts.table["label"].to_numpy()
    # A log likelihood ratio of Gaussians with detectability d has mean ± d²/2 and variance d²; and Bayes holds for it:
    # among patches scored near s, the odds of a mass are exp(s) at equal prevalence.
    assert scores[label == 1].mean() > 0 > scores[label == 0].mean()
    odds = 1 / (1 + np.exp(-scores))
    assert odds.mean() == pytest.approx(label.mean(), abs=0.04)
    brier = ((odds - label) ** 2).mean()
    assert brier == pytest.approx((odds * (1 - odds)).mean(), abs=0.02)


def test_observer_ladder_climbs_as_the_page_states() -> None:
    settings = {"n_patients": 150, "patches_per_patient": 4}
    parts, patches = mammogram_parts(**settings), mammogram_patches(**settings)
    label = patches.table["label"]
    radius = np.hypot(*(np.indices((32, 32)) - 15.5))
    images = patches.images[..., 0]
    contrast = images[:, radius < 5].mean(axis=1) - images[:, (radius > 9) & (radius < 14)].mean(axis=1)
    alone, ceiling = roc_auc_score(label, contrast), roc_auc_score(label, ideal_scores(parts))
    assert 0.52 < alone < 0.72
    assert 0.93 < ceiling < 0.98


def test_patient_effect_is_shared_by_her_patches_and_by_nobody_else() -> None:
    patches = mammogram_patches(n_patients=100, patches_per_patient=4)
    assert (patches.table.groupby("patient")[["gain", "brightness", "density", "angle"]].nunique() == 1).all(axis=None)
    assert patches.table.groupby("patient")["brightness"].first().nunique() == 100
    mean = patches.images.mean(axis=(1, 2, 3)).reshape(100, 4)
    within, between = mean.var(axis=1, ddof=1).mean(), 4 * mean.mean(axis=1).var(ddof=1)
    assert (between - within) / (between + 3 * within) > 0.5  # intraclass correlation of brightness


@pytest.mark.parametrize("shared", [0.0, 0.7])
def test_shared_tissue_is_the_correlation_between_patches_of_a_patient(shared: float) -> None:
    field = mammogram_parts(n_patients=300, patches_per_patient=2, shared_tissue=shared, noise=0).noise
    first, second = field[::2], field[1::2]
    assert (first * second).mean() / np.sqrt((first**2).mean() * (second**2).mean()) == pytest.approx(shared, abs=0.08)
    stranger = np.roll(second, 1, axis=0)
    assert abs((first * stranger).mean() / field.var()) < 0.1


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_labels_of_one_patient_correlate_as_requested(rho: float) -> None:
    label = (
        mammogram_patches(n_patients=1500, patches_per_patient=2, size=16, label_correlation=rho, prevalence=0.3)
        .table["label"]
        .to_numpy()
        .reshape(-1, 2)
    )
    assert np.corrcoef(label.T)[0, 1] == pytest.approx(rho, abs=0.09)
    assert label.mean() == pytest.approx(0.3, abs=0.035)


@given(
    seed=st.integers(0, 1000),
    patients=st.integers(1, 4),
    each=st.integers(1, 3),
    size=st.integers(16, 24),
    prevalence=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_shapes_ranges_and_repetition(seed: int, patients: int, each: int, size: int, prevalence: float) -> None:
    settings = {
        "n_patients": patients,
        "patches_per_patient": each,
        "size": size,
        "prevalence": prevalence,
        "seed": seed,
    }
    first, again = mammogram_patches(**settings), mammogram_patches(**settings)
    assert first.images.shape == (patients * each, size, size, 1)
    assert first.images.dtype == np.float32
    assert np.isfinite(first.images).all()
    assert first.masks.shape == (patients * each, size, size)
    assert first.spacing_mm == (0.8, 0.8)
    np.testing.assert_array_equal(first.images, again.images)
    assert first.table.equals(again.table)
    assert list(first.table["patient"]) == [p for p in range(patients) for _ in range(each)]
    if prevalence in (0.0, 1.0):
        assert (first.table["label"] == prevalence).all()


def test_another_seed_draws_others_and_the_scanner_leaves_the_anatomy() -> None:
    base = mammogram_patches(**SMALL)
    assert not np.allclose(base.images, mammogram_patches(**SMALL, seed=1).images)
    other = mammogram_patches(**SMALL, blur_mm=1.2, noise=0.2)
    assert base.table.equals(other.table)
    np.testing.assert_array_equal(base.masks, other.masks)
    assert not np.allclose(base.images, other.images)


def test_patches_are_the_sum_of_their_parts() -> None:
    parts, patches = mammogram_parts(**SMALL), mammogram_patches(**SMALL)
    for k in (0, 17, 60):
        row = parts.table.iloc[k]
        present = parts.mass[k] if row["label"] else parts.mimic[k]
        expected = row["brightness"] + row["gain"] * (parts.tissue[k] + parts.noise[k] + present)
        np.testing.assert_allclose(patches.images[k, ..., 0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_patients", 0), ("patches_per_patient", 0), ("size", 8), ("spacing_mm", 0.0), ("contrast", -1.0),
        ("prevalence", 1.2), ("label_correlation", 1.0), ("shared_tissue", -0.1), ("exponent", -1.0),
        ("strands", -1.0), ("blur_mm", float("nan")), ("noise", -0.1),
    ],
)  # fmt: skip
def test_bad_parameter_is_one_clear_line(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^{name}=.* is out of range: give a value from") as caught:
        mammogram_patches(**{**SMALL, name: value})
    assert "\n" not in str(caught.value)


def test_other_processors_draw_the_same_patches(tmp_path: Path) -> None:
    """Without NumPy's vector code: parameters to 1e-9, masks to 0.1 % of pixels, images within one grey level."""
    script = (
        "import sys, numpy as np; from medcourse.data.phantoms import mammogram_patches as draw;"
        "p = draw(n_patients=10, patches_per_patient=3, seed=4); t = p.table.drop(columns='kind').to_numpy(float);"
        "np.savez(sys.argv[1], images=p.images, masks=p.masks, table=t)"
    )
    drawn = []
    for name, disabled in (("all", ""), ("few", "AVX2 FMA3 AVX512F AVX512_SKX AVX512CD")):
        target = tmp_path / f"{name}.npz"
        known = [feature for feature in disabled.split() if np._core._multiarray_umath.__cpu_features__.get(feature)]
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script, str(target)],
            check=True,
            env={**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(known)},
        )
        drawn.append(np.load(target))
    full, few = drawn
    np.testing.assert_allclose(full["table"], few["table"], rtol=1e-9)
    assert (full["masks"] != few["masks"]).mean() < 1e-3
    assert np.abs(full["images"] - few["images"]).max() < 1 / 255
