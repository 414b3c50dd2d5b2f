"""The cine heart phantom: volumes against masks, incompressible muscle, timing, signal, and what does not tell."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, signal
from sklearn.metrics import roc_auc_score

from medcourse.data.phantoms import Phantoms, Scanner, Site, cine_hearts, ventricular_volumes
from medcourse.data.phantoms._heart_cycle import (
    BULLET,
    cavity_profile,
    emptied,
    level_profile,
    systole_ms,
    wall_profile,
)
from medcourse.data.phantoms._heart_image import RELAXATION, SIGNAL, bssfp

SMALL = {"size": 64, "spacing_mm": 2.7}
FINE = {"size": 160, "spacing_mm": 1.1}
QUIET = {"sites": (Site(scanner=Scanner(noise=0)),), "flow": 0.0}


@cache
def single() -> Phantoms:
    """Films of mid level in which the slice contracts as the whole ventricle does."""
    return cine_hearts(20, first=50, level_variation=0.0, respiration_mm=0.0, **FINE, **QUIET)


@cache
def population() -> Phantoms:
    return cine_hearts(300, first=7000, frames=12, **SMALL)


def lengths(hearts: Phantoms, frames: int) -> np.ndarray:
    """Length of the cavity in each frame."""
    table = hearts.table
    out = emptied(
        np.arange(frames) / frames,
        rate=table["heart_rate"].to_numpy()[:, None],
        early=table["early_filling"].to_numpy()[:, None],
    )
    return table["length_mm"].to_numpy()[:, None] * (1 - table["shortening"].to_numpy()[:, None] * out)


def areas(hearts: Phantoms, code: int) -> np.ndarray:
    """Area in mm² of one class of the masks in each frame."""
    return np.asarray((hearts.masks == code).sum(axis=(2, 3)) * hearts.spacing_mm[0] ** 2)


# Volumes


def test_ejection_fraction_by_area_and_length_is_that_of_the_curve() -> None:
    hearts = single()
    volume = BULLET * areas(hearts, 1) * lengths(hearts, 20) / 1000
    curve = ventricular_volumes(hearts.table, frames=20)
    np.testing.assert_allclose(volume, curve, rtol=0.04, atol=1.5)
    by_mask = 100 * (1 - volume.min(axis=1) / volume.max(axis=1))
    by_curve = 100 * (1 - curve.min(axis=1) / curve.max(axis=1))
    assert np.abs(by_mask - by_curve).max() < 2
    assert np.abs(by_curve - hearts.table["ejection_fraction"]).max() < 2  # the frames hardly miss end systole


def test_stack_of_thin_slices_sums_to_the_curve_whatever_the_levels_do() -> None:
    slices, thin = 44, 3.0
    hearts = cine_hearts(3, first=50, slices=slices, slice_mm=thin, frames=10, size=128, spacing_mm=1.4, **QUIET)
    cavity, wall = (areas(hearts, code).reshape(3, slices, 10).sum(axis=1) * thin / 1000 for code in (1, 2))
    table = hearts.table.groupby("patient").first()
    assert table["level"].abs().max() > 0.1
    curve = ventricular_volumes(table, frames=10)
    ejection = 100 * (1 - cavity.min(axis=1) / cavity.max(axis=1))
    assert np.abs(ejection - 100 * (1 - curve.min(axis=1) / curve.max(axis=1))).max() < 2
    np.testing.assert_allclose(cavity, curve, rtol=0.05)
    np.testing.assert_allclose(wall, np.repeat(table["myocardium_ml"].to_numpy()[:, None], 10, axis=1), rtol=0.03)


def test_level_variation_is_what_one_slice_cannot_know() -> None:
    hearts = cine_hearts(60, first=50, frames=10, level_variation=0.27, **SMALL)
    volume = areas(hearts, 1) * lengths(hearts, 10)
    error = 100 * (1 - volume.min(axis=1) / volume.max(axis=1)) - hearts.table["ejection_fraction"]
    assert np.corrcoef(error, hearts.table["level"])[0, 1] > 0.8
    assert 3 < error.std() < 15


def test_muscle_keeps_its_volume_and_thickens() -> None:
    hearts = single()
    volume = areas(hearts, 2) * lengths(hearts, 20)
    np.testing.assert_allclose(volume / volume.mean(axis=1, keepdims=True), 1, atol=0.03)
    cavity, whole = areas(hearts, 1), areas(hearts, 1) + areas(hearts, 2)
    thickness = np.sqrt(whole / np.pi) - np.sqrt(cavity / np.pi)
    end = hearts.table["es_frame"].to_numpy()
    thicker = thickness[np.arange(len(end)), end] / thickness[:, 0]
    assert (thicker > 1.08).all()
    assert np.corrcoef(thicker, hearts.table["ejection_fraction"])[0, 1] > 0.9
    assert ((thickness[:, 0] > 4) & (thickness[:, 0] < 13)).all()  # mm at end diastole


def test_profiles_are_those_of_a_bullet() -> None:
    zeta = (np.arange(100000) + 0.5) / 100000 * 1.2 - 0.2
    step = zeta[1] - zeta[0]
    assert (cavity_profile(zeta) * step).sum() == pytest.approx(5 / 6, abs=1e-4)
    assert (cavity_profile(zeta) * level_profile(zeta) * step).sum() == pytest.approx(0, abs=1e-4)
    assert (wall_profile(zeta) * step).sum() == pytest.approx(0.9, abs=1e-4)
    assert level_profile(np.array([0.6]))[0] == pytest.approx(1)


def test_a_part_of_the_wall_that_hardly_moves_leaves_the_area_alone() -> None:
    hearts = single()
    stiff = hearts.table[hearts.table["akinesia"] > 0.7]
    assert len(stiff) >= 2
    rows, columns = np.indices(hearts.masks.shape[2:])
    for k in stiff.index:
        row = hearts.table.loc[k]
        angle = np.arctan2(rows - row["centre_row"], columns - row["centre_column"])
        away = np.abs(np.angle(np.exp(1j * (angle - np.deg2rad(row["akinesia_angle"])))))
        start, end = (hearts.masks[k, frame] == 1 for frame in (0, row["es_frame"]))
        there, elsewhere = (1 - (end & part).sum() / (start & part).sum() for part in (away < 0.35, away > 1.8))
        assert there < 0.75 * elsewhere


# Time


def test_heartbeat_begins_at_end_diastole_and_ends_its_systole_where_claimed() -> None:
    hearts = population()
    curve = ventricular_volumes(hearts.table, frames=400)
    assert (curve.argmax(axis=1) == 0).all()
    np.testing.assert_allclose(curve.argmin(axis=1) / 400, hearts.table["systole"], atol=1 / 400)
    np.testing.assert_allclose(curve.min(axis=1), hearts.table["esv_ml"], rtol=1e-3)
    assert float(systole_ms(65.0)) * 65 / 60000 == pytest.approx(1 / 3, abs=0.02)
    assert hearts.table["systole"].corr(hearts.table["heart_rate"]) > 0.99


def test_ventricle_fills_more_slowly_than_it_empties_in_two_waves() -> None:
    rate = np.array([[60.0], [75.0]])
    phase = np.arange(2000) / 2000
    flow = -np.gradient(emptied(phase, rate=rate, early=np.array([[0.7], [0.7]])), axis=1)
    for curve, beats in zip(flow, rate[:, 0], strict=True):
        end = int(float(systole_ms(beats)) * beats / 60000 * 2000)
        assert (curve[:end] <= 1e-12).all()
        diastole = curve[end + 20 :]
        waves = signal.find_peaks(diastole, prominence=1e-5)[0]
        assert len(waves) == 2
        assert diastole[waves[0]] > diastole[waves[1]]  # the E wave is the higher one
        assert end < 0.5 * 2000


def test_order_of_the_frames_carries_the_direction_of_time() -> None:
    """Systole and diastole show the same volumes; only the neighbours tell emptying from filling."""
    hearts = cine_hearts(10, first=50, **SMALL)
    area = areas(hearts, 1).astype(float)
    true = np.sign(
        np.roll(ventricular_volumes(hearts.table, frames=20), -1, 1) - ventricular_volumes(hearts.table, frames=20)
    )
    seen = np.sign(np.roll(area, -1, axis=1) - area)
    clear = np.abs(np.roll(area, -1, axis=1) - area) > 0.04 * area.max(axis=1, keepdims=True)
    assert (seen == true)[clear].mean() > 0.97
    shuffled = area[:, np.random.default_rng(0).permutation(20)]
    lost = np.sign(np.roll(shuffled, -1, axis=1) - shuffled)
    assert (lost == true)[clear].mean() < 0.7
    np.testing.assert_array_equal(np.sort(shuffled), np.sort(area))


# Signal


def test_steady_state_is_that_of_alternating_pulses() -> None:
    """Bloch's equations on resonance, pulse by pulse, with alternating sign."""
    t1, t2, tr, flip = 950.0, 52.0, 3.2, np.deg2rad(60)
    x, z, sign = 0.0, 1.0, 1.0
    for _ in range(4000):
        angle = sign * flip
        x, z = x * np.cos(angle) + z * np.sin(angle), z * np.cos(angle) - x * np.sin(angle)
        echo = abs(x) * np.exp(-tr / 2 / t2)
        x, z = x * np.exp(-tr / t2), 1 + (z - 1) * np.exp(-tr / t1)
        sign = -sign
    assert bssfp(t1, t2, 1.0, flip=flip, tr=tr) == pytest.approx(echo, rel=1e-6)


def test_blood_is_bright_muscle_dark_and_fat_of_opposite_sign() -> None:
    assert SIGNAL["blood"] > 2 * SIGNAL["myocardium"] > 0
    assert SIGNAL["fat"] < 0
    assert set(SIGNAL) == set(RELAXATION)
    hearts = single()
    assert hearts.anatomy is not None
    film, tissue = hearts.images[..., 0], hearts.anatomy
    median = {code: float(np.median(film[tissue == code])) for code in (1, 7, 8, 9)}
    assert median[8] / median[7] == pytest.approx(SIGNAL["blood"] / SIGNAL["myocardium"], rel=0.15)
    assert median[1] < 0.15 * median[8]
    assert median[9] == pytest.approx(median[8], rel=0.35)  # the coil lies on the right ventricle's side


def test_noise_is_rayleigh_in_the_lung_and_nearly_gaussian_in_blood() -> None:
    loud = cine_hearts(3, noise=0.2, frames=12, flow=0.0)
    still = cine_hearts(3, noise=0.0, frames=12, flow=0.0)
    assert loud.anatomy is not None
    dark = (still.images[..., 0] < 0.002) & (loud.anatomy == 0)
    assert dark.sum() > 500
    assert loud.images[..., 0][dark].mean() == pytest.approx(0.2 * np.sqrt(np.pi / 2), rel=0.03)
    bright = still.images[..., 0] > 0.8
    added = loud.images[..., 0][bright] - still.images[..., 0][bright]
    assert added.std() == pytest.approx(0.2, rel=0.05)
    assert 0 < added.mean() < 0.2**2  # Rice's bias, about noise² / (2 signal)


def test_ghosts_pulsate_with_the_blood_along_the_rows() -> None:
    with_, without = (cine_hearts(1, first=51, noise=0.0, flow=flow).images[0, ..., 0] for flow in (1.0, 0.0))
    ghost = with_ - without
    assert np.abs(ghost).max() > 0.01
    moving = np.roll(without.std(axis=0), 32, axis=0)
    assert np.corrcoef(np.abs(ghost).mean(axis=0).ravel(), moving.ravel())[0, 1] > 0.7


# Patients


def test_ejection_fraction_follows_the_guideline_at_medium_and_the_amplitude_elsewhere() -> None:
    table = population().table
    ill = table["truth"] == 1
    assert (table["ejection_fraction"][ill] <= 40).all()
    assert (table["ejection_fraction"][~ill] >= 50).all()
    easy, hard, none = (
        cine_hearts(60, first=7000, frames=4, difficulty=level, **SMALL).table for level in ("easy", "hard", 0)
    )
    same = table.iloc[:60]
    sick = (same["truth"] == 1).to_numpy()
    for other in (easy, hard, none):
        np.testing.assert_allclose(other["ejection_fraction"][~sick], same["ejection_fraction"][~sick])
    whole = none["ejection_fraction"][sick].to_numpy()
    assert (whole >= 50).all()
    np.testing.assert_allclose(
        np.log(hard["ejection_fraction"][sick] / whole), 0.6 * np.log(same["ejection_fraction"][sick] / whole)
    )
    assert (easy["ejection_fraction"][sick] < same["ejection_fraction"][sick]).all()
    np.testing.assert_allclose(same["lost_points"], none["ejection_fraction"] - same["ejection_fraction"], atol=1e-9)


def test_volumes_and_mass_lie_in_adult_ranges() -> None:
    """Kawel-Boehm 2015: end-diastolic 160 ± 27 ml in men, 132 ± 23 in women; mass 134 ± 21 and 98 ± 21 g."""
    healthy = population().table.query("truth == 0")
    assert 132 < healthy["edv_ml"].mean() < 160
    assert ((healthy["edv_ml"] > 75) & (healthy["edv_ml"] < 260)).all()
    assert ((healthy["esv_ml"] > 25) & (healthy["esv_ml"] < 125)).all()
    mass = 1.05 * healthy["myocardium_ml"]
    assert 98 < mass.mean() < 134
    assert ((mass > 50) & (mass < 210)).all()
    assert healthy["heart_rate"].between(45, 91).all()


def test_one_frame_does_not_tell_what_the_heartbeat_tells() -> None:
    hearts = population()
    truth, area = hearts.table["truth"], areas(hearts, 1)
    rows = np.arange(len(truth))
    assert abs(roc_auc_score(truth, area[:, 0]) - 0.55) < 0.08  # end diastole: only the slight dilation
    chosen = area[rows, np.random.default_rng(0).integers(0, 12, len(rows))]
    assert roc_auc_score(truth, chosen) < 0.75
    change = 1 - area.min(axis=1) / area.max(axis=1)
    assert roc_auc_score(truth, -change) > 0.93


def test_what_mimics_and_disturbs_is_as_frequent_in_both_classes() -> None:
    table = population().table
    ill = (table["truth"] == 1).to_numpy()
    assert (table["akinesia"] > 0).mean() == pytest.approx(0.35, abs=0.07)
    for name in ("akinesia", "heart_rate", "rv_area_change", "early_filling", "level"):
        a, b = table[name].to_numpy()[ill], table[name].to_numpy()[~ill]
        assert abs(a.mean() - b.mean()) < 3.5 * np.sqrt(a.var() / len(a) + b.var() / len(b)), name


def test_slices_climb_from_the_apex_to_the_atrium() -> None:
    hearts = cine_hearts(1, first=52, slices=13, slice_mm=10, frames=10, **SMALL)
    assert hearts.images.shape == (13, 10, 64, 64, 1)
    assert np.diff(hearts.table["height_mm"]) == pytest.approx(10)
    present = (hearts.masks == 1).any(axis=(2, 3))[:, 0]
    assert not present[0]
    assert not present[-1]
    assert present[4:8].all()
    assert hearts.table["label"].nunique() == 1
    basal = (hearts.masks == 1).any(axis=(2, 3)) & present[:, None]
    assert basal[:, 0].sum() >= basal[:, hearts.table["es_frame"][0]].sum()  # the base comes down in systole


@given(
    seed=st.integers(0, 300), frames=st.integers(4, 24), size=st.sampled_from([64, 96]),
    difficulty=st.sampled_from([0.0, 0.6, 1.6, 6.0]), level=st.floats(0, 0.4), respiration=st.floats(0, 4),
    dilation=st.floats(0, 0.5), slices=st.sampled_from([1, 1, 2, 9]),
)  # fmt: skip
@settings(max_examples=20)
def test_no_impossible_heart(
    seed: int, frames: int, size: int, difficulty: float, level: float, respiration: float, dilation: float, slices: int
) -> None:
    hearts = cine_hearts(
        2, seed=seed, frames=frames, size=size, spacing_mm=173 / size, difficulty=difficulty, level_variation=level,
        respiration_mm=respiration, dilation=dilation, slices=slices, slice_mm=12,
    )  # fmt: skip
    assert np.isfinite(hearts.images).all()
    assert (hearts.images >= 0).all()
    table, masks = hearts.table, hearts.masks
    assert table["ejection_fraction"].between(5, 80).all()
    assert (table["esv_ml"] > 0).all()
    assert (hearts.images.shape[2], hearts.images.shape[3]) == (size, size)
    heart = masks > 0
    assert not heart[..., [0, -1], :].any(), "cut by the picture"
    assert not heart[..., :, [0, -1]].any(), "cut by the picture"
    middle = masks[slices // 2 :: slices]
    assert ((middle == 1).sum(axis=(2, 3)) > 20).all(), "a mid-ventricular slice always shows the cavity"
    for frame in middle.reshape(-1, size, size):
        touching = ndimage.binary_dilation(frame == 1) & ~np.isin(frame, (1, 2))
        assert not touching.any(), "the cavity has no wall"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frames", 3), ("slices", 0), ("slice_mm", 0.0), ("size", 16), ("spacing_mm", 0.1), ("dilation", 0.9),
        ("level_variation", -0.1), ("respiration_mm", 9.0), ("flow", -1.0), ("noise", float("nan")),
    ],
)  # fmt: skip
def test_bad_parameter_is_one_clear_line(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^{name}=.* is out of range: give a value from") as caught:
        cine_hearts(1, **{name: value})
    assert "\n" not in str(caught.value)


def test_a_picture_too_small_for_a_heart_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^size=64: a field of 64 · 1\.8 = 115 mm cuts the heart; give"):
        cine_hearts(1, size=64)
    with pytest.raises(ValueError, match=r"^frames=0 is out of range"):
        ventricular_volumes(population().table, frames=0)
