"""The dynamic breast phantom: convolution, signal equation, curve types, and lesions where and as the table says."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, ndimage, optimize

from medcourse.data.phantoms import (
    Phantoms,
    Scanner,
    Site,
    breast_dce,
    curve_type,
    phase_times,
    plasma_concentration,
    spoiled_gradient_echo,
    tissue_concentration,
)
from medcourse.data.phantoms._breast_mr_signal import DENSITY, GAIN, RELAXIVITY, T1_MS

PERFECT = {"sites": (Site(scanner=Scanner(noise=0, blur=0.05)),), "motion_mm": 0.0}


@cache
def clean() -> Phantoms:
    return breast_dce(40, first=100, **PERFECT)


@cache
def many() -> Phantoms:
    return breast_dce(1000, size=48, first=4000)


# The arterial curve and the model


def test_arterial_curve_has_parkers_peak_second_pass_and_tail() -> None:
    minutes = np.arange(0, 6, 1 / 600)
    blood = plasma_concentration(minutes) * 0.58
    assert minutes[blood.argmax()] == pytest.approx(0.17046, abs=0.003)
    assert blood.max() == pytest.approx(6.07, abs=0.05)  # mmol/l, as in the published figure
    tail = blood[minutes > 2]
    assert np.polyfit(minutes[minutes > 2], np.log(tail), 1)[0] == pytest.approx(-0.1685, abs=1e-3)
    assert (plasma_concentration(np.array([-1.0, -1e-9])) == 0).all()


@given(
    ktrans=st.floats(0.01, 1.0), kep=st.floats(0.02, 4.0), vp=st.floats(0, 0.1), minute=st.floats(0.05, 8.0)
)  # fmt: skip
@settings(max_examples=40)
def test_convolution_agrees_with_quadrature(ktrans: float, kep: float, vp: float, minute: float) -> None:
    def integrand(tau: float) -> float:
        return float(plasma_concentration(np.array(tau))) * np.exp(-kep * (minute - tau))

    cuts = [point for point in (0.1, 0.17, 0.25, 0.37, 0.48, 0.7) if point < minute]
    area = integrate.quad(integrand, 0, minute, points=cuts or None, limit=200, epsabs=1e-10)[0]
    expected = ktrans * area + vp * float(plasma_concentration(np.array(minute)))
    found = float(tissue_concentration(np.array([minute]), ktrans=ktrans, kep=kep, vp=vp)[0])
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_tissue_follows_the_two_limits_of_the_model() -> None:
    minutes = np.linspace(0.5, 6, 12)
    patlak = tissue_concentration(minutes, ktrans=0.1, kep=1e-3)  # nothing comes back: the integral of the plasma
    area = [integrate.quad(lambda t: float(plasma_concentration(np.array(t))), 0, m, limit=200)[0] for m in minutes]
    np.testing.assert_allclose(patlak, 0.1 * np.array(area), rtol=5e-3)
    fast = tissue_concentration(np.array([3.0, 5.0]), ktrans=12.0, kep=60.0)  # equilibrium with plasma: ve times it
    np.testing.assert_allclose(fast, 0.2 * plasma_concentration(np.array([3.0, 5.0])), rtol=0.01)


def test_signal_equation_is_that_of_repeated_pulses() -> None:
    """Bloch's equations, pulse by pulse, until nothing changes."""
    for t1, tr, flip in ((400.0, 5.0, 10.0), (1680.0, 5.0, 10.0), (1000.0, 20.0, 60.0)):
        along, cosine = 1.0, np.cos(np.deg2rad(flip))
        for _ in range(20000):
            along = 1 + (along * cosine - 1) * np.exp(-tr / t1)
        expected = along * np.sin(np.deg2rad(flip))
        assert float(spoiled_gradient_echo(t1, tr_ms=tr, flip_deg=flip)) == pytest.approx(expected, rel=1e-9)


def test_signal_rises_less_than_in_proportion_to_the_concentration() -> None:
    concentration = np.array([0.0, 0.5, 1.0, 2.0, 4.0])
    signal = spoiled_gradient_echo(1000 / (1000 / 1500 + RELAXIVITY * concentration))
    slope = np.diff(signal) / np.diff(concentration)
    assert (slope > 0).all()
    assert (np.diff(slope) < 0).all()


@pytest.mark.parametrize(("kep", "kind"), [(0.08, 1), (0.3, 2), (1.2, 3)])
def test_type_of_the_curve_follows_from_kep(kep: float, kind: int) -> None:
    times = phase_times(6)
    tissue = tissue_concentration((times - 20) / 60, ktrans=0.3 * kep, kep=kep, vp=0.015)
    signal = spoiled_gradient_echo(1000 / (1000 / 1500 + RELAXIVITY * tissue))
    assert curve_type(signal, times) == kind
    late = signal[3:] / signal[1:3].max() - 1
    assert (np.diff(late) > 0).all() if kind == 1 else True
    assert (np.diff(late) < 0).all() if kind == 3 else True


def test_phases_are_spaced_as_asked_and_bad_curves_are_refused() -> None:
    assert np.diff(phase_times(7, interval_s=60.0)[1:]) == pytest.approx(60.0)
    with pytest.raises(ValueError, match=r"^times_s has 3 values for 2 phases: give one for each$"):
        curve_type(np.ones(2), np.array([-1.0, 1.0, 2.0]))
    with pytest.raises(ValueError, match=r"^times_s has 1 phases after the injection"):
        curve_type(np.ones(2), np.array([-1.0, 1.0]))


# The picture against the truth


def _core(series: Phantoms, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean curve of the lesion's inner voxels, and which they are."""
    lesion = series.lesions.iloc[k]
    body = series.masks[lesion["image"]] == (2 if lesion["kind"] == "malignant" else 1)
    rows, columns = np.indices(body.shape)
    spacing = series.spacing_mm[0]
    near = np.hypot(rows - lesion["row"], columns - lesion["column"]) * spacing < lesion["diameter_mm"]
    inner = ndimage.binary_erosion(body & near, iterations=2)
    return series.images[lesion["image"]][inner].mean(axis=0), inner


def test_ktrans_and_kep_come_back_from_noise_free_voxels() -> None:
    series, times, done = clean(), phase_times(6), 0
    for k in np.flatnonzero((series.lesions["rim"] == 0).to_numpy() & (series.lesions["diameter_mm"] > 10).to_numpy()):
        lesion = series.lesions.iloc[k]
        curve, inner = _core(series, int(k))
        minutes = (times - series.table["arrival_s"][lesion["image"]]) / 60
        if inner.sum() < 4:
            continue

        def model(parameters: np.ndarray, minutes: np.ndarray = minutes, lesion=lesion) -> np.ndarray:
            ktrans, kep = np.exp(parameters)
            tissue = tissue_concentration(minutes, ktrans=ktrans, kep=kep, vp=lesion["vp"])
            signal = spoiled_gradient_echo(1000 / (1000 / lesion["t1_ms"] + RELAXIVITY * tissue))
            return signal / signal[0]

        fit = optimize.least_squares(lambda p, m=model, c=curve: m(p) - c / c[0], np.log([0.1, 0.3]))
        assert np.exp(fit.x) == pytest.approx([lesion["ktrans"], lesion["kep"]], rel=0.03)
        done += 1
    assert done >= 8


def test_enhancement_washout_and_type_are_those_of_the_table() -> None:
    series, times, done = clean(), phase_times(6), 0
    for k in np.flatnonzero((series.lesions["rim"] == 0).to_numpy() & (series.lesions["diameter_mm"] > 10).to_numpy()):
        curve, inner = _core(series, int(k))
        if inner.sum() < 4:
            continue
        lesion = series.lesions.iloc[k]
        assert curve[1:3].max() / curve[0] - 1 == pytest.approx(lesion["contrast"], abs=0.02)
        assert curve[-1] / curve[1:3].max() - 1 == pytest.approx(lesion["washout"], abs=0.01)
        assert curve_type(curve, times) == lesion["curve"]
        assert (lesion["curve"] == 3) == (lesion["washout"] < -0.1)
        done += 1
    assert done >= 8


def test_size_in_the_mask_is_the_size_in_the_table() -> None:
    series = clean()
    single = series.lesions.groupby("image").filter(lambda rows: len(rows) == 1)
    single = single[single["irregularity"] < 0.3]
    area = (series.masks[single["image"]] > 0).sum(axis=(1, 2)) * series.spacing_mm[0] ** 2
    np.testing.assert_allclose(area, np.pi / 4 * single["diameter_mm"] ** 2, rtol=0.12)
    rows, columns = np.indices(series.masks.shape[1:])
    for image, lesion in zip(single["image"], single.itertuples(), strict=True):
        body = series.masks[image] > 0
        assert np.hypot(rows[body].mean() - lesion.row, columns[body].mean() - lesion.column) < 1.0


def test_rim_leaves_the_core_behind() -> None:
    series = clean()
    strong = series.lesions[(series.lesions["rim"] > 0.5) & (series.lesions["diameter_mm"] > 13)]
    assert len(strong) >= 3
    rows, columns = np.indices(series.masks.shape[1:])
    for lesion in strong.itertuples():
        away = np.hypot(rows - lesion.row, columns - lesion.column) * series.spacing_mm[0] / (lesion.diameter_mm / 2)
        rise = series.images[lesion.image][..., 1] - series.images[lesion.image][..., 0]
        assert rise[away < 0.25].mean() < 0.75 * rise[(away > 0.7) & (away < 0.85)].mean()


def test_tissues_have_the_signal_of_their_relaxation_times_before_the_medium() -> None:
    series = breast_dce(6, first=7, fat_suppression=0.0, **PERFECT)
    before, anatomy = series.images[..., 0], series.anatomy
    assert anatomy is not None
    inside = {
        name: np.concatenate([
            picture[ndimage.binary_erosion(tissue == code, iterations=3)]
            for picture, tissue in zip(before, anatomy, strict=True)
        ])
        for name, code in (("fat", 1), ("gland", 2))
    }  # fmt: skip
    expected = {name: GAIN * DENSITY[name] * float(spoiled_gradient_echo(T1_MS[name])) for name in inside}
    ratio = np.median(inside["fat"]) / np.median(inside["gland"])
    assert ratio == pytest.approx(expected["fat"] / expected["gland"], rel=0.15)  # the coil differs by place
    dark = breast_dce(6, first=7, **PERFECT).images[..., 0]
    assert np.median(dark[anatomy == 1]) < 0.25 * np.median(before[anatomy == 1])


def test_noise_is_rayleigh_in_air() -> None:
    series = breast_dce(3, noise=0.05, size=96)
    air = series.images[:, :12, :12]
    assert air.mean() == pytest.approx(0.05 * np.sqrt(np.pi / 2), rel=0.03)
    assert air.std() == pytest.approx(0.05 * np.sqrt(2 - np.pi / 2), rel=0.03)


def test_blood_rises_at_once_and_gland_slowly() -> None:
    series = clean()
    assert series.anatomy is not None
    rise = series.images[..., 1:] / np.maximum(series.images[..., :1], 1e-3)
    free = [ndimage.binary_erosion(tissue == 2, iterations=3) for tissue in series.anatomy]  # the skin is too thin
    vessel, gland = (np.median(rise[place & (series.masks == 0)], axis=0) for place in (series.anatomy == 4, free))
    assert vessel.argmax() == 0
    assert gland.argmax() == 4
    assert vessel[0] > 1.5 * gland[0]


def test_more_parenchymal_enhancement_and_motion_do_what_they_say() -> None:
    still, moved = (breast_dce(2, first=3, noise=0.0, motion_mm=mm) for mm in (0.0, 2.0))
    np.testing.assert_allclose(still.images[..., 0], moved.images[..., 0], atol=1e-6)
    assert np.abs(still.images[..., 3] - moved.images[..., 3]).max() > 0.05
    np.testing.assert_array_equal(still.masks, moved.masks)
    none, much = (breast_dce(2, first=3, noise=0.0, parenchyma=factor) for factor in (0.0, 3.0))
    gland = (none.anatomy == 2) & (none.masks == 0)
    assert much.images[gland][:, -1].mean() > 1.2 * none.images[gland][:, -1].mean()


# The patients


def test_curves_are_as_frequent_as_kuhl_found_them() -> None:
    share = many().lesions.groupby("kind")["curve"].value_counts(normalize=True).unstack()
    assert share.loc["benign"].to_numpy() == pytest.approx([0.830, 0.115, 0.055], abs=0.04)
    assert share.loc["malignant"].to_numpy() == pytest.approx([0.089, 0.336, 0.574], abs=0.05)


def test_size_relaxation_and_company_do_not_tell_the_class() -> None:
    table, index = many().table, many().lesions[many().lesions["index"]]
    ill = (table["truth"] == 1).to_numpy()
    for values in (index["diameter_mm"], index["t1_ms"], table["benign_too"].astype(float), table["density"]):
        a, b = values.to_numpy()[ill], values.to_numpy()[~ill]
        assert abs(a.mean() - b.mean()) < 3.5 * np.sqrt(a.var() / len(a) + b.var() / len(b))


def test_at_zero_every_lesion_is_benign_and_equally_drawn() -> None:
    series = breast_dce(300, size=48, difficulty=0, first=4000)
    assert set(series.lesions["kind"]) == {"benign"}
    assert set(np.unique(series.masks)) == {0, 1}
    index = series.lesions[series.lesions["index"]]
    ill = (series.table["truth"] == 1).to_numpy()
    assert abs(np.log(index["kep"])[ill].mean() - np.log(index["kep"])[~ill].mean()) < 0.25


def test_slices_cut_a_ball() -> None:
    series = breast_dce(3, slices=5, slice_mm=2.0, size=64)
    assert series.images.shape == (15, 64, 64, 6)
    offset = series.table["offset_mm"].to_numpy()[series.lesions["image"]]
    index = series.lesions["index"].to_numpy()
    radius = series.table["radius_mm"].to_numpy()[series.lesions["image"]]
    expected = 2 * np.sqrt(radius**2 - offset**2)
    np.testing.assert_allclose(series.lesions["diameter_mm"][index], expected[index])


@given(
    seed=st.integers(0, 500), phases=st.integers(3, 7), size=st.sampled_from([48, 80]), slices=st.integers(1, 2),
    difficulty=st.sampled_from([0.0, 0.6, 1.6, 5.0]), suppression=st.floats(0, 1), motion=st.floats(0, 3),
)  # fmt: skip
@settings(max_examples=25)
def test_no_impossible_breast(
    seed: int, phases: int, size: int, slices: int, difficulty: float, suppression: float, motion: float
) -> None:
    series = breast_dce(
        2, seed=seed, phases=phases, size=size, slices=slices, difficulty=difficulty, fat_suppression=suppression,
        motion_mm=motion,
    )  # fmt: skip
    assert series.images.shape == (2 * slices, size, size, phases)
    assert np.isfinite(series.images).all()
    assert (series.images >= 0).all()
    assert series.anatomy is not None
    assert not ((series.masks > 0) & np.isin(series.anatomy, (0, 3))).any(), "in air or in the chest wall"
    assert (series.lesions["ve"] <= 0.86).all()
    assert (series.lesions["ktrans"] > 0).all()
    assert series.lesions["curve"].isin([1, 2, 3]).all()
    for rows in (rows for _, rows in series.lesions.groupby("image") if len(rows) == 2):
        apart = np.hypot(*(rows[name].diff().iloc[1] for name in ("row", "column"))) * series.spacing_mm[0]
        assert apart > rows["diameter_mm"].mean(), "two lesions overlap"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("phases", 2), ("interval_s", 0.0), ("slices", 0), ("slice_mm", 0.0), ("size", 32), ("fat_suppression", 1.1),
        ("parenchyma", -1.0), ("motion_mm", 9.0), ("noise", -0.1),
    ],
)  # fmt: skip
def test_bad_parameter_is_one_clear_line(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^{name}=.* is out of range: give a value from") as caught:
        breast_dce(1, **{name: value})
    assert "\n" not in str(caught.value)
