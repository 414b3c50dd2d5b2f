"""Whole mammograms: the tissue's physics, what the detector does, and that picture and truth agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats
from sklearn.metrics import roc_auc_score

from medcourse.data.phantoms import Phantoms, mammograms
from medcourse.data.phantoms import _mammogram_image as image
from medcourse.data.phantoms import _mammogram_lesions as things
from medcourse.data.phantoms import _mammogram_tissue as tissue

CLEAN = {"noise": 0.0, "blur_mm": 0.0, "distractors": 0.0}
CC = {"views": ("L-CC",)}


def interior(drawn: Phantoms, half_mm: float = 15.6) -> np.ndarray:
    """Squares from the middle of the glandular tissue of left CC views, (n, side, side)."""
    half, squares = round(half_mm / drawn.spacing_mm[0]), []
    for k, row in drawn.table.iterrows():
        r, c = int(row["nipple_row"] - 0.1 * half), int(0.5 * row["nipple_column"])
        squares.append(drawn.images[k, r - half : r + half, c - half : c + half, 0])
    return np.array(squares, np.float64)


def spectrum_slope(squares: np.ndarray, spacing_mm: float) -> float:
    """Minus the slope of log power against log frequency between 0.08 and 0.5 per mm."""
    size = squares.shape[1]
    window = np.outer(np.hanning(size), np.hanning(size))
    flat = squares - (squares * window).sum(axis=(1, 2), keepdims=True) / window.sum()
    power = (np.abs(np.fft.fft2(flat * window)) ** 2).mean(axis=0)
    axis = np.fft.fftfreq(size, spacing_mm)
    radius = np.hypot(*np.meshgrid(axis, axis))
    chosen = (radius > 0.08) & (radius < 0.5)
    return -float(np.polyfit(np.log(radius[chosen]), np.log(power[chosen]), 1)[0])


def band_kurtosis(squares: np.ndarray) -> float:
    """Mean excess kurtosis of each square's responses to a band-pass filter; 0 for a Gaussian texture."""
    found = []
    for square in squares:
        band = ndimage.gaussian_filter(square, 1) - ndimage.gaussian_filter(square, 2)
        found.append(stats.kurtosis(band[6:-6, 6:-6], axis=None))
    return float(np.mean(found))


# Tissue


@pytest.mark.parametrize("exponent", [2.5, 3.0, 3.5])
@pytest.mark.parametrize("structure", [0.0, 1.0])
def test_interior_has_the_requested_power_law_with_strands_and_without(exponent: float, structure: float) -> None:
    drawn = mammograms(40, **CC, **CLEAN, difficulty=0, density="c", exponent=exponent, structure=structure)
    assert spectrum_slope(interior(drawn), drawn.spacing_mm[0]) == pytest.approx(exponent, abs=0.15)


def test_power_law_holds_at_finer_pixels() -> None:
    drawn = mammograms(24, **CC, **CLEAN, difficulty=0, density="c", size=512)
    assert spectrum_slope(interior(drawn), drawn.spacing_mm[0]) == pytest.approx(3, abs=0.15)


def test_strands_make_the_tissue_non_gaussian() -> None:
    smooth, real = (
        band_kurtosis(interior(mammograms(24, **CC, **CLEAN, difficulty=0, density="d", size=512, structure=structure)))
        for structure in (0.0, 1.0)
    )
    assert abs(smooth) < 0.25
    assert real > smooth + 0.3


def test_ducts_converge_on_the_nipple() -> None:
    """Behind the nipple, lines run along the radius from it; a Gaussian texture has no such direction."""

    def along_radius(structure: float) -> float:
        drawn = mammograms(12, **CC, **CLEAN, difficulty=0, density="b", structure=structure)
        found = []
        for k, row in drawn.table.iterrows():
            smooth = ndimage.gaussian_filter(drawn.images[k, ..., 0].astype(np.float64), 1)
            down, right = np.gradient(smooth)
            r, c = np.indices(smooth.shape)
            r, c = (r - row["nipple_row"]) * drawn.spacing_mm[0], (row["nipple_column"] - c) * drawn.spacing_mm[0]
            away = np.hypot(r, c)
            near = (away > 15) & (away < 45) & (np.abs(r) < 0.8 * c)
            radial = (down * r - right * c)[near] / away[near]
            found.append(1 - 2 * (radial**2).sum() / (down**2 + right**2)[near].sum())
        return float(np.mean(found))  # 1: all edges run towards the nipple, 0: no direction

    assert along_radius(1.0) > along_radius(0.0) + 0.15


def dense_area(drawn: Phantoms) -> np.ndarray:
    """Share of the breast, without muscle and skin, that is clearly brighter than its fat."""
    shares = []
    for grey, where in zip(drawn.images[..., 0], drawn.anatomy, strict=True):
        inside = ndimage.binary_erosion(np.isin(where, (1, 2)), iterations=8)
        shares.append((grey[inside] > np.percentile(grey[inside], 5) + 0.09).mean())
    return np.array(shares)


def test_density_classes_are_ordered_in_the_picture_and_in_the_map() -> None:
    by_class = [mammograms(6, seed=3, views=("L-CC", "L-MLO"), density=name, difficulty=0) for name in "abcd"]
    measured = np.array([dense_area(drawn) for drawn in by_class])
    assert (np.diff(np.median(measured, axis=1)) > 0.05).all()
    assert (np.diff(measured, axis=0) > 0).mean() > 0.9
    for name, drawn in zip("abcd", by_class, strict=True):
        low, high = tissue.GLANDULAR[name]
        assert drawn.table["glandular_share"].between(low - 0.04, high + 0.06).all()
        mapped = [(where == 2).sum() / np.isin(where, (1, 2)).sum() for where in drawn.anatomy]
        np.testing.assert_allclose(drawn.table["glandular_share"], mapped)


def test_density_is_distributed_as_in_screening_and_is_the_womans() -> None:
    given = image.Settings(64, image.VIEWS, None, ("mass",), None, 3.0, 1.0, 1.0, 0.25, 0.01)
    drawn = np.array([image.plan(patient, 0, given)["density"] for patient in range(3000)])
    assert np.isin(drawn, ("c", "d")).mean() == pytest.approx(0.433, abs=0.027)  # three standard errors
    assert sum(tissue.SHARES) == pytest.approx(1)
    table = mammograms(6, size=64).table
    assert (table.groupby("patient")["density"].nunique() == 1).all()


# Outline, muscle, skin


def check_anatomy(drawn: Phantoms) -> None:
    """What no mammogram may break."""
    spacing = drawn.spacing_mm[0]
    for k, row in drawn.table.iterrows():
        where, grey, mask = drawn.anatomy[k], drawn.images[k, ..., 0], drawn.masks[k]
        left = row["side"] == "L"
        chest, front = (where[:, 0], where[:, -1]) if left else (where[:, -1], where[:, 0])
        breast = where > 0
        assert ndimage.label(breast)[1] == 1, "one breast"
        assert not front.any(), "air in front of the nipple"
        assert chest.any(), "cut off at the chest wall"
        assert not where[-1].any(), "the fold below the breast is in the picture"
        assert 0.08 < breast.mean() < 0.8
        assert ((where == 3).any()) == row["view"].endswith("MLO")
        if row["view"].endswith("MLO"):
            corner = (
                where[: len(where) // 8, : len(where) // 10] if left else where[: len(where) // 8, -len(where) // 10 :]
            )
            assert (corner == 3).all(), "muscle in the upper corner"
        else:
            assert not where[0].any()
        beside = ndimage.binary_dilation(where == 0) & breast
        if spacing < 1:
            assert (where[beside] == 4).all(), "skin between tissue and air"
        far = ndimage.binary_erosion(~breast, iterations=4)
        assert grey[far].max(initial=0) < 0.02, "nothing outside the breast"
        assert not mask[~np.isin(where, (1, 2))].any(), "lesions in breast tissue only"
        assert where[round(row["nipple_row"]), round(row["nipple_column"])] == 4
        assert row["truth"] == mask.any()
    for _, lesion in drawn.lesions.iterrows():
        where = drawn.anatomy[lesion["image"]]
        assert where[round(lesion["row"]), round(lesion["column"])] in (1, 2)
        body = np.argwhere(drawn.masks[lesion["image"]])
        if lesion["kind"] == "mass":
            assert np.hypot(*(body.mean(axis=0) - lesion[["row", "column"]].to_numpy(float))) * spacing < 1.5 + spacing


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    first=st.integers(0, 10**6),
    density=st.sampled_from([None, "a", "b", "c", "d"]),
    exponent=st.floats(1, 4.5),
    structure=st.floats(0, 3),
    spiculation=st.one_of(st.none(), st.floats(0, 1)),
    distractors=st.floats(0, 5),
    difficulty=st.floats(0.1, 3),
)
def test_impossible_anatomy_is_never_drawn(seed: int, first: int, **drawn: object) -> None:
    ill = {"views": ("R-CC", "R-MLO"), "prevalence": 1.0, "noise": 0.0, "blur_mm": 0.0}
    check_anatomy(mammograms(1, seed=seed, first=first, size=128, **ill, **drawn))


def test_a_hundred_pictures_with_noise_are_possible_too() -> None:
    check_anatomy(mammograms(25, seed=8, prevalence=0.7, distractors=2.0))


def test_left_and_right_are_mirrored_and_alike() -> None:
    drawn = mammograms(6, seed=2, difficulty=0, noise=0.0)
    by_view = {view: drawn.images[drawn.table["view"] == view][..., 0] for view in image.VIEWS}
    for projection in ("CC", "MLO"):
        left, right = by_view[f"L-{projection}"], by_view[f"R-{projection}"][..., ::-1]
        alike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(left, right, strict=True)]
        assert min(alike) > 0.8
        others = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(left, np.roll(right, 1, axis=0), strict=True)]
        assert np.mean(alike) > np.mean(others)
        assert (left != right).any(axis=(1, 2)).all()


def test_outline_grows_with_depth_and_rolls_off_to_the_skin() -> None:
    drawn = mammograms(20, **CC, **CLEAN, difficulty=0, density="a", structure=0.0)
    area = (drawn.anatomy > 0).sum(axis=(1, 2))
    assert stats.spearmanr(area, drawn.table["depth_mm"]).statistic > 0.9
    for grey, row in zip(drawn.images[..., 0], drawn.table.itertuples(), strict=True):
        along = grey[int(row.nipple_row) + 30, :]  # away from the nipple, from the chest wall outwards
        edge = int(np.flatnonzero(drawn.anatomy[row.Index][int(row.nipple_row) + 30] > 0)[-1])
        assert along[edge - 6] < 0.85 * np.median(along[10:30]), "thinner towards the edge"
        assert along[edge - 1 : edge + 1].max() > along[edge - 4], "the skin is a bright line"


# Detector


def test_noise_variance_is_proportional_to_exposure() -> None:
    settings = {"views": ("L-MLO",), "difficulty": 0, "blur_mm": 0.0, "seed": 4}
    quiet, noisy = (mammograms(6, **settings, noise=noise) for noise in (0.0, 0.02))
    inside = np.isin(quiet.anatomy, (1, 2, 3)) & (quiet.images[..., 0] < 0.95)
    # Away from the edge the grey level is the logarithm of the exposure: grey = (A - A_fat) / 1.5 + 0.24.
    thickness = quiet.table["thickness_mm"].to_numpy()[:, None, None]
    deep = np.array([ndimage.binary_erosion(where > 0, iterations=40, border_value=1) for where in quiet.anatomy])
    chosen = inside & deep
    clean, dirty = (
        np.exp(-((drawn.images[..., 0] - image.FAT_GREY) * image.LATITUDE + image.FAT_PER_MM * thickness))
        for drawn in (quiet, noisy)
    )
    exposure, error = clean[chosen], (dirty - clean)[chosen]
    edges = np.quantile(exposure, np.linspace(0, 1, 16))
    place = np.clip(np.searchsorted(edges, exposure) - 1, 0, 14)
    mean = np.array([exposure[place == k].mean() for k in range(15)])
    variance = np.array([error[place == k].var() for k in range(15)])
    assert np.polyfit(np.log(mean), np.log(variance), 1)[0] == pytest.approx(1, abs=0.1)
    at = np.exp(-image.REFERENCE)
    expected = (0.02 * at) ** 2 / quiet.spacing_mm[0] ** 2 * mean / at  # the stated noise, for 1 mm² at the reference
    np.testing.assert_allclose(variance, expected, rtol=0.15)


def test_noise_falls_with_the_pixels_area() -> None:
    def level(size: int) -> float:
        quiet, noisy = (mammograms(4, **CC, difficulty=0, size=size, noise=noise) for noise in (0.0, 0.02))
        where = quiet.anatomy == 1
        return float((noisy.images - quiet.images)[..., 0][where].std())

    assert level(256) / level(128) == pytest.approx(2, rel=0.1)


# Lesions


def with_and_without(n: int, **settings: object) -> tuple[Phantoms, np.ndarray]:
    """Patients who are all ill, and what their lesions add to the picture."""
    given = {"prevalence": 1.0, **CC, **CLEAN, "density": "b", **settings}
    drawn = mammograms(n, **given)
    return drawn, (drawn.images - mammograms(n, **{**given, "difficulty": 0}).images)[..., 0]


@pytest.mark.parametrize(("size", "spiculation"), [(256, 0.0), (512, 0.2), (512, 0.9)])
def test_mass_has_the_stated_contrast_and_diameter_in_the_picture(size: int, spiculation: float) -> None:
    drawn, added = with_and_without(12, lesions=("mass",), spiculation=spiculation, size=size, seed=1)
    sharp = drawn.lesions[drawn.lesions["margin"] != "obscured"]
    assert len(sharp) > 3
    for lesion in sharp.itertuples():
        signal = added[lesion.image]
        centre = signal[round(lesion.row), round(lesion.column)]
        assert centre == pytest.approx(lesion.contrast, rel=0.02)
        area = drawn.masks[lesion.image].sum() * drawn.spacing_mm[0] ** 2
        assert 2 * np.sqrt(area / np.pi) == pytest.approx(lesion.size_mm, rel=0.06)
        if spiculation < 0.4:  # (1 - (r/R)²)^p falls to one half where r² = R² (1 - 2^(-1/p)), p = 0.6 (1 + s)
            half = (signal > 0.5 * lesion.contrast).sum() * drawn.spacing_mm[0] ** 2
            share = 1 - 0.5 ** (1 / (0.6 + 0.6 * spiculation))
            assert half == pytest.approx(share * np.pi * lesion.size_mm**2 / 4, rel=0.12)
            assert np.abs(signal[drawn.masks[lesion.image] == 0]).max() < 1e-4


def test_contrast_follows_the_difficulty() -> None:
    _, hard = with_and_without(4, lesions=("mass",), difficulty=0.5, spiculation=0.1)
    _, medium = with_and_without(4, lesions=("mass",), difficulty=1.0, spiculation=0.1)
    at = medium > 0.02
    np.testing.assert_allclose(hard[at], 0.5 * medium[at], atol=2e-3)


def test_spiculation_is_continuous_and_reaches_beyond_the_body() -> None:
    beyond, spicules = [], []
    for spiculation in (0.2, 0.5, 0.7, 1.0):
        drawn, added = with_and_without(8, lesions=("mass",), spiculation=spiculation, size=512)
        outside = [(a * (m == 0)).sum() / a.sum() for a, m in zip(added, drawn.masks, strict=True)]
        beyond.append(np.mean(outside))
        spicules.append(drawn.lesions["spicules"].max())
        margins = {"circumscribed", "obscured"} if spiculation <= 0.4 else {"spiculated"}
        assert set(drawn.lesions["margin"]) <= margins
    assert beyond[0] < 1e-3
    assert (np.diff(beyond) > 0.01).all()
    assert (np.diff(spicules) > 0).all()


def test_obscured_margin_fades_on_one_side() -> None:
    drawn, added = with_and_without(20, lesions=("mass",), spiculation=0.1)
    imbalance = {"circumscribed": [], "obscured": []}
    for lesion in drawn.lesions.itertuples():
        r, c = np.indices(added[lesion.image].shape)
        signal = np.clip(added[lesion.image], 0, None)
        shift = [(signal * grid).sum() / signal.sum() - at for grid, at in ((r, lesion.row), (c, lesion.column))]
        imbalance[lesion.margin].append(np.hypot(*shift) * drawn.spacing_mm[0] / lesion.size_mm)
    assert min(imbalance["obscured"]) > max(imbalance["circumscribed"])


def test_grains_keep_their_attenuation_at_every_pixel_size() -> None:
    beads = np.array([[0.0, 0.0, 0.3], [1.3, -2.1, 0.8], [-3.0, 1.0, 0.2]])
    exact = things.CALCIUM * np.pi / 6 * (beads[:, 2] ** 3).sum()  # mm²
    for size in (64, 256, 1024):
        picture = np.zeros((size, size), np.float32)
        mask = things.add_grains(picture, beads, y=100.2, x=80.7, amplitude=1.0)
        assert picture.sum() * (200 / size) ** 2 == pytest.approx(exact, rel=1e-3)
        assert mask.any()
        centre = [(grid * picture).sum() / picture.sum() * 200 / size for grid in np.indices(picture.shape) + 0.5]
        weight = beads[:, 2] ** 3 / (beads[:, 2] ** 3).sum()
        assert centre == pytest.approx(
            [100.2 + weight @ beads[:, 0], 80.7 + weight @ beads[:, 1]], abs=max(0.02, 0.5 * 200 / size)
        )


def test_clusters_have_grains_of_the_stated_sizes_within_the_stated_diameter() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        cluster = things.draw_cluster(rng)
        assert 8 <= len(cluster) <= 60  # one to three beads a grain
        assert cluster[:, 3].max() <= 1.0
        assert cluster[:, 3].min() >= 0.2 / 3 ** (1 / 3)
    drawn, added = with_and_without(8, lesions=("calcifications",), size=512)
    for lesion in drawn.lesions.itertuples():
        at = np.argwhere(drawn.masks[lesion.image] == 2)
        away = np.hypot(*(at - [lesion.row, lesion.column]).T) * drawn.spacing_mm[0]
        assert away.max() == pytest.approx(lesion.size_mm / 2, abs=0.8)
        on = added[lesion.image][drawn.masks[lesion.image] == 2]
        assert on.min() > 1e-3
        assert (added[lesion.image][drawn.masks[lesion.image] == 0] > 0.6 * np.median(on)).sum() < len(on)


def test_grain_contrast_is_that_of_one_grain_in_one_pixel() -> None:
    drawn, added = with_and_without(6, lesions=("calcifications",), size=128)  # a grain is far below a pixel
    for lesion in drawn.lesions.itertuples():
        total = added[lesion.image].sum()
        assert 0.5 < total / (lesion.contrast * lesion.grains) < 4  # the mean grain is above the median one


def test_a_lesion_is_as_far_from_the_nipple_in_both_views() -> None:
    drawn = mammograms(40, seed=6, prevalence=1.0, size=64)
    spacing = drawn.spacing_mm[0]
    at = drawn.table.iloc[drawn.lesions["image"]].reset_index(drop=True)
    away = np.hypot(drawn.lesions["row"] - at["nipple_row"], drawn.lesions["column"] - at["nipple_column"]) * spacing
    np.testing.assert_allclose(away, drawn.lesions["nipple_mm"], atol=1e-6)
    views = drawn.lesions.assign(view=at["view"].str[2:]).pivot_table(
        index="patient", columns="view", values="nipple_mm"
    )
    assert len(views) == 40
    assert views.notna().all(axis=None)
    gap = (views["CC"] - views["MLO"]).abs()
    assert gap.max() < 12
    assert gap.mean() < 4
    assert np.corrcoef(views["CC"], views["MLO"])[0, 1] > 0.9
    others = drawn.table[drawn.table["truth"] == 0]  # what only seems to be there has no place in common
    reach = (
        np.hypot(others["mark_row"] - others["nipple_row"], others["mark_column"] - others["nipple_column"]) * spacing
    )
    seen = others.assign(reach=reach, projection=others["view"].str[2:]).pivot_table(
        index="patient", columns="projection", values="reach"
    )
    assert np.corrcoef(seen["CC"], seen["MLO"])[0, 1] < 0.8


def test_one_breast_is_ill_and_both_its_views_show_it() -> None:
    drawn = mammograms(30, seed=1, size=64, prevalence=0.5)
    by_side = drawn.table.groupby(["patient", "side"])["truth"].agg(["min", "max"])
    assert (by_side["min"] == by_side["max"]).all()
    ill = drawn.table.groupby("patient")[["truth", "diseased"]].agg({"truth": "sum", "diseased": "first"})
    assert (ill["truth"] == 2 * ill["diseased"]).all()
    assert set(drawn.table[drawn.table["truth"] == 1]["side"]) == {"L", "R"}
    kinds = drawn.table.groupby("truth")["mark"].unique()
    assert set(kinds[1]) == {"mass", "calcifications"}
    assert {"lump", "crossing", "scattered", "vascular"} <= set(kinds[0])


# No short cuts


def test_brightness_place_and_margin_do_not_tell_the_label() -> None:
    drawn = mammograms(300, seed=12, size=64, **CC)
    truth = drawn.table["truth"]
    inside = drawn.images[..., 0].mean(axis=(1, 2))
    hidden = {
        name: drawn.table[name] for name in ("mark_row", "mark_column", "depth_mm", "thickness_mm", "glandular_share")
    }
    for scores in (inside, (drawn.anatomy > 0).mean(axis=(1, 2)), *hidden.values()):
        assert abs(roc_auc_score(truth, scores) - 0.5) < 0.1  # three standard errors of 300 patients


def test_picture_size_does_not_change_the_patient() -> None:
    small, large = (mammograms(5, seed=3, size=size) for size in (64, 160))
    pixels = ["mark_row", "mark_column", "nipple_row", "nipple_column", "glandular_share"]
    assert small.table.drop(columns=pixels).equals(large.table.drop(columns=pixels))
    for name in pixels[:4]:
        np.testing.assert_allclose((small.table[name] + 0.5) / 64, (large.table[name] + 0.5) / 160)
    places = ["row", "column", "contrast"]
    assert small.lesions.drop(columns=places).equals(large.lesions.drop(columns=places))


def test_a_view_is_the_same_whatever_else_is_taken() -> None:
    whole, pair = mammograms(6, size=64), mammograms(6, size=64, views=("R-MLO", "L-CC"))
    for view in ("R-MLO", "L-CC"):
        np.testing.assert_array_equal(
            whole.images[whole.table["view"] == view], pair.images[pair.table["view"] == view]
        )
    assert list(pair.table["view"][:2]) == ["R-MLO", "L-CC"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 32}, "size=32 is out of range"),
        ({"views": ()}, "views=\\(\\): give a tuple"),
        ({"views": "L-CC"}, "views='L-CC': give a tuple"),
        ({"views": ("L-CC", "L-CC")}, "each once"),
        ({"views": ("CC",)}, "give a tuple of one or more of L-CC"),
        ({"lesions": ("nodule",)}, "lesions=.*mass, calcifications"),
        ({"density": "e"}, "density='e' is no class: give one of a, b, c, d"),
        ({"spiculation": 2}, "spiculation=2 is out of range"),
        ({"exponent": 0.5}, "exponent=0.5 is out of range"),
        ({"noise": -1}, "noise=-1 is out of range"),
        ({"blur_mm": -1}, "blur_mm=-1 is out of range"),
        ({"structure": -1}, "structure=-1 is out of range"),
        ({"distractors": 9}, "distractors=9 is out of range"),
    ],
)
def test_bad_arguments_give_one_clear_line(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        mammograms(1, **settings)
    assert "\n" not in str(caught.value)
