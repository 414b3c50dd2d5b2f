"""The table as a whole: what changes nothing, what is refused, and the same numbers however the work is divided."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from medcourse.features import FAMILIES, extract
from medcourse.features import table as table_module

SPACING = (0.7, 0.9)


def lesions(n: int, seed: int = 0) -> tuple[list[NDArray[np.float32]], list[NDArray[np.bool_]]]:
    """Pictures and blobs of many sizes."""
    rng = np.random.default_rng(seed)
    images, masks = [], []
    for _ in range(n):
        shape = rng.integers(20, 50, 2)
        images.append((100 + 30 * gaussian_filter(rng.standard_normal(shape), rng.uniform(0.3, 2))).astype(np.float32))
        blob = gaussian_filter(rng.standard_normal(shape), 4)
        masks.append(blob > np.quantile(blob, rng.uniform(0.4, 0.8)))
    return images, masks


def volumes(n: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    return gaussian_filter(rng.standard_normal((n, 6, 12, 14)), (0, 1, 1, 1)) * 50, rng.random((n, 6, 12, 14)) < 0.7


def to_the_bit(a: pd.DataFrame, b: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(a, b, check_exact=True)


# What changes nothing


def test_columns_say_how_they_were_made() -> None:
    images, masks = lesions(1)
    table = extract(images, masks, SPACING, bin_width=25, bin_start=-1000, distance=2.0, distance_unit="mm")
    assert {"stat_mean", "ih_entropy_fbs25from-1000", "cm_contrast_d2mm_2d_avg_fbs25from-1000"} <= {*table}
    assert {"rlm_run_entropy_2d_avg_fbs25from-1000", "ar_theta_left", "wt_db2_vertical_1", "morph_area"} <= {*table}
    assert {name.split("_")[0] for name in table} == {*FAMILIES}
    assert table.dtypes.unique().tolist() == [np.float64]
    assert np.isfinite(table.to_numpy()).all()


@pytest.mark.parametrize("options", [{}, {"bin_width": 7.0}, {"bin_width": 7.0, "bin_start": -200.0}])
def test_a_lesion_does_not_see_the_others(options: dict[str, Any]) -> None:
    images, masks = lesions(12)
    together = extract(images, masks, SPACING, **options)
    alone = [extract([i], [m], SPACING, **options) for i, m in zip(images, masks, strict=True)]
    to_the_bit(together, pd.concat(alone, ignore_index=True))
    order = np.random.default_rng(1).permutation(12)
    shuffled = extract([images[k] for k in order], [masks[k] for k in order], SPACING, **options)
    to_the_bit(shuffled, together.iloc[order].reset_index(drop=True))


def thin(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.bool_]:
    """A line, one pixel, two pixels, or a small block: what has few neighbours or none."""
    mask = np.zeros(shape, bool)
    row, column = rng.integers(0, shape[0] - 3), rng.integers(0, shape[1] - 3)
    rows, columns = [(1, shape[1]), (shape[0], 1), (1, 1), (1, 2), (3, 3)][rng.integers(5)]
    mask[row : row + rows, column : column + columns] = True
    return mask


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([{}, {"bin_width": 7.0}, {"bins": 8, "families": ["ar", "stat"]}]))
def test_nor_does_it_see_thin_ones(seed: int, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(seed)
    images, masks = lesions(5, seed)
    masks = [thin(mask.shape, rng) if rng.random() < 0.6 else mask for mask in masks]  # type: ignore[arg-type]
    together = extract(images, masks, SPACING, **options)
    alone = [extract([i], [m], SPACING, **options) for i, m in zip(images, masks, strict=True)]
    to_the_bit(together, pd.concat(alone, ignore_index=True))


def test_a_line_beside_it_changes_no_autoregression() -> None:
    image = np.random.default_rng(0).normal(100, 20, (40, 40))
    lesion, line = np.zeros((2, 40, 40), bool)
    lesion[5:15, 6:16], line[2:30, 20] = True, True
    alone = extract([image], [lesion], SPACING, families=["ar"])
    beside = extract([image, image], [lesion, line], SPACING, families=["ar"])
    to_the_bit(beside[:1], alone)
    assert beside.iloc[1].isna().all()


@pytest.mark.parametrize("aggregation", ["2d_mrg", "2.5d_avg", "2.5d_mrg", "3d_avg", "3d_mrg"])
def test_a_volume_does_not_see_the_others(aggregation: str) -> None:
    images, masks = volumes(4)
    masks[1, 3:] = masks[2, :, :, 5:] = False
    together = extract(images, masks, (2.0, 1.0, 0.5), bin_width=9.0, aggregation=aggregation)
    alone = [
        extract(images[k : k + 1], masks[k : k + 1], (2.0, 1.0, 0.5), bin_width=9.0, aggregation=aggregation)
        for k in range(4)
    ]
    to_the_bit(together, pd.concat(alone, ignore_index=True))


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(0, 9), st.integers(0, 9))
def test_padding_around_a_lesion_changes_nothing(seed: int, before: int, after: int) -> None:
    (image,), (mask,) = lesions(1, seed)
    image, mask = np.pad(image, 40, mode="symmetric"), np.pad(mask, 40)
    edges = ((before, after), (after, before))
    more, wide = np.pad(image, edges, constant_values=-3000), np.pad(mask, edges)
    to_the_bit(extract([more], [wide], SPACING), extract([image], [mask], SPACING))


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(-1000, 1000), st.sampled_from([0.5, 2.0, 8.0]))
def test_fixed_bin_number_ignores_shift_and_scale(seed: int, shift: int, scale: float) -> None:
    (image,), (mask,) = lesions(1, seed)
    whole = np.round(image * 4) / 4  # so that shifted values are exact
    families = ["ih", "cm", "rlm"]
    to_the_bit(
        extract([whole], [mask], SPACING, families=families),
        extract([whole * scale + shift], [mask], SPACING, families=families),
    )


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(-1000, 1000))
def test_shift_moves_the_mean_and_little_else(seed: int, shift: int) -> None:
    (image,), (mask,) = lesions(1, seed)
    a = extract([image.astype(float)], [mask], SPACING, bin_width=10)
    b = extract([image.astype(float) + shift], [mask], SPACING, bin_width=10)
    assert b["stat_mean"][0] - a["stat_mean"][0] == pytest.approx(shift, abs=1e-9)
    kept = [name for name in a if name.startswith(("ar", "wt", "morph")) or name in ("stat_variance", "stat_skewness")]
    np.testing.assert_allclose(a[kept].to_numpy(), b[kept].to_numpy(), rtol=1e-6, atol=1e-9)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([{}, {"bin_width": 5.0}]))
def test_a_quarter_turn_changes_no_average_over_directions(seed: int, options: dict[str, Any]) -> None:
    (image,), (mask,) = lesions(1, seed)
    a = extract([image], [mask], SPACING, **options)
    b = extract([np.rot90(image)], [np.rot90(mask)], SPACING[::-1], **options)
    kept = [name for name in a if name.startswith(("stat", "ih", "cm", "rlm", "morph"))]
    np.testing.assert_allclose(a[kept].to_numpy(), b[kept].to_numpy(), rtol=1e-9, atol=1e-9)


def test_axes_of_a_volume_may_be_swapped() -> None:
    images, masks = volumes(2)
    a = extract(images, masks, (1.0, 1.0, 1.0), families=["stat", "cm", "rlm", "morph"])
    swapped = [array.transpose(0, 3, 1, 2) for array in (images, masks)]
    b = extract(*swapped, (1.0, 1.0, 1.0), families=["stat", "cm", "rlm", "morph"])
    # The mesh of marching cubes depends a little on the order of axes; its measures are left to the shape tests.
    kept = [name for name in a if not name.startswith("morph") or "axis" in name or "moran" in name]
    np.testing.assert_allclose(a[kept].to_numpy(), b[kept].to_numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["int8", "uint8", "uint16", "int64", "uint64", "float16", "float32", ">i2", ">f8"])
def test_every_type_gives_the_numbers_of_float64(kind: str) -> None:
    rng = np.random.default_rng(3)
    images, masks = rng.integers(0, 120, (3, 24, 30)).astype(float), rng.random((3, 24, 30)) < 0.8
    expected = extract(images, masks, SPACING)
    to_the_bit(extract(images.astype(kind), masks, SPACING), expected)
    to_the_bit(extract(images.astype(kind).transpose(2, 1, 0).copy().transpose(2, 1, 0), masks, SPACING), expected)
    to_the_bit(extract(np.repeat(images.astype(kind), 2, axis=2)[..., ::2], masks, SPACING), expected)


def test_a_channel_may_stand_last_in_images_in_masks_or_in_both() -> None:
    images, masks = lesions(3)
    expected = extract(images, masks, SPACING)
    channel = [image[..., None] for image in images]
    to_the_bit(extract(channel, masks, SPACING), expected)
    to_the_bit(extract(channel, [mask[..., None] for mask in masks], SPACING), expected)
    table = extract(channel, [mask[..., None] for mask in masks], (1.0, 1.0, 1.0), families=["morph"])
    assert "morph_volume" in table  # three lengths: a volume, one voxel wide


def test_families_come_in_one_order_from_any_collection() -> None:
    images, masks = lesions(2)
    expected = extract(images, masks, SPACING, families=["stat", "cm"])
    to_the_bit(extract(images, masks, SPACING, families=(name for name in ("cm", "stat"))), expected)  # type: ignore[arg-type]
    to_the_bit(extract(images, masks, SPACING, families={"stat", "cm"}), expected)  # type: ignore[arg-type]
    to_the_bit(extract(images, masks, SPACING, families=["cm", "stat"], bins=32.0), expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_numbers_without_a_unit_do_not_depend_on_it(unit: float) -> None:
    images, masks = volumes(2)
    a = extract(images + 100, masks, (2.0, 1.0, 1.0), families=["stat", "ih", "cm", "morph"])
    b = extract((images + 100) * unit, masks, (2.0, 1.0, 1.0), families=["stat", "ih", "cm", "morph"])
    kept = [name for name in a if name.endswith(("skewness", "kurtosis", "variation", "morans_i", "gearys_c"))]
    assert len(kept) == 5
    np.testing.assert_allclose(b[kept].to_numpy(), a[kept].to_numpy(), rtol=1e-6)


def test_types_give_the_same_numbers() -> None:
    images, masks = lesions(3)
    whole = [np.round(image).astype(np.int16) for image in images]
    expected = extract(whole, masks, SPACING)
    to_the_bit(extract([image.astype(np.float32) for image in whole], masks, SPACING), expected)
    to_the_bit(
        extract([image[..., None] for image in whole], [7 * mask.astype(np.uint8) for mask in masks], SPACING), expected
    )
    to_the_bit(extract(whole, masks, [SPACING] * 3), expected)


# Millimetres


def test_distance_in_millimetres_follows_the_spacing() -> None:
    images, masks = volumes(2)
    spacing = [(3.0, 1.0, 1.0), (3.0, 0.5, 0.5)]
    table = extract(images, masks, spacing, families=["cm"], distance=1, distance_unit="mm", aggregation="2d_avg")
    name = "cm_contrast_d{}_2d_avg_fbn32"
    for k, pixels in enumerate((1, 2)):
        one = extract(
            images[k : k + 1], masks[k : k + 1], spacing[k], families=["cm"], distance=pixels, aggregation="2d_avg"
        )
        assert table[name.format("1mm")][k] == one[name.format(pixels)][0]


@pytest.mark.parametrize(("distance", "fits"), [(1.0, True), (0.9, True), (0.75, False), (0.2, False)])
def test_half_a_voxel_is_the_limit(distance: float, fits: bool) -> None:
    images, masks = volumes(1)

    def call() -> pd.DataFrame:
        return extract(images, masks, (1.5, 1.0, 1.0), families=["cm"], distance=distance, distance_unit="mm")

    if fits:
        assert np.isfinite(call().to_numpy()).all()
    else:
        with pytest.raises(ValueError, match=r"mm is at most half a voxel of images\[0\], 1.5 mm: give a larger one"):
            call()


def test_the_axis_that_is_too_coarse_is_named() -> None:
    images, masks = volumes(1)
    with pytest.raises(ValueError, match=r"at most half a voxel of .*, 1 mm"):  # 5 mm between slices is not asked for
        extract(images, masks, (5, 1, 1), families=["cm"], distance=0.4, distance_unit="mm", aggregation="2d_avg")


def test_names_of_columns_tell_all_settings_apart() -> None:
    images, masks = lesions(1)
    tables = [extract(images, masks, SPACING, families=["ih"], bin_width=w) for w in (7.1234567, 7.1234568, 25.0)]
    names = [table.columns[0] for table in tables]
    assert len({*names}) == 3
    assert names[2] == "ih_entropy_fbs25"


# However the work is divided


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start processes even for few lesions."""
    monkeypatch.setattr(table_module, "_START_S", -1.0)


@pytest.mark.usefixtures("eager")
def test_two_processes_give_the_same_numbers() -> None:
    images, masks = lesions(30)
    to_the_bit(extract(images, masks, SPACING, jobs=2), extract(images, masks, SPACING))


@pytest.mark.usefixtures("eager")
def test_processes_report_a_late_fault() -> None:
    images, masks = lesions(20)
    masks[17] = np.zeros_like(masks[17])
    with pytest.raises(ValueError, match=r"masks\[17\] is empty"):
        extract(images, masks, SPACING, jobs=2)


def test_few_lesions_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("processes were started")

    monkeypatch.setattr("joblib.Parallel", refuse)
    monkeypatch.setattr(table_module, "_START_S", 600.0)
    images, masks = lesions(5)
    to_the_bit(extract(images, masks, SPACING, jobs=2), extract(images, masks, SPACING))


def test_a_cluster_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("dask.distributed", reason="the extra 'scale' is not installed")
    monkeypatch.setattr(table_module, "_CHUNK", 3)  # many parts, so that they wait for each other
    images, masks = lesions(40)
    with distributed.Client(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None, protocol="inproc"
    ) as client:
        to_the_bit(extract(images, masks, SPACING, client=client), extract(images, masks, SPACING))


def test_a_cluster_of_processes_takes_its_share_of_few_lesions_and_reports_a_late_fault() -> None:
    distributed = pytest.importorskip("dask.distributed", reason="the extra 'scale' is not installed")
    images, masks = lesions(12)
    lazy_images, lazy_masks = Lazy(images.__getitem__, 12), Lazy(masks.__getitem__, 12)
    with distributed.Client(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as client:
        submit, sent = client.submit, []

        def counted(*arguments: Any, **options: Any) -> Any:
            sent.append(len(arguments[1]))
            return submit(*arguments, **options)

        client.submit = counted
        to_the_bit(extract(lazy_images, lazy_masks, SPACING, client=client), extract(images, masks, SPACING))  # type: ignore[arg-type]
        assert sent == [2] * 6  # four parts for each worker, no lesion left out
        masks[11] = np.zeros_like(masks[11])
        with pytest.raises(ValueError, match=r"masks\[11\] is empty"):
            extract(images, masks, SPACING, client=client)


class Lazy:
    """A set on disc: reads an image when it is asked for, and knows how many have been read."""

    def __init__(self, make: Callable[[int], NDArray[Any]], n: int) -> None:
        self.make, self.n, self.read = make, n, 0

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, k: int) -> NDArray[Any]:
        self.read += 1
        return self.make(k)


def test_sets_larger_than_memory_are_read_as_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "_CHUNK", 4)
    images, masks = lesions(20)
    lazy_images, lazy_masks = Lazy(images.__getitem__, 20), Lazy(masks.__getitem__, 20)
    seen = []
    original = table_module._table

    def watched(*arguments: Any) -> Any:
        seen.append(lazy_images.read)
        return original(*arguments)

    monkeypatch.setattr(table_module, "_table", watched)
    to_the_bit(extract(lazy_images, lazy_masks, SPACING), extract(images, masks, SPACING))  # type: ignore[arg-type]
    first = [read for read, _ in itertools.groupby(seen)][:5]
    assert [b - a for a, b in itertools.pairwise(first)] == [4, 4, 4, 4]


def test_of_an_image_only_its_lesion_stays_in_memory() -> None:
    image = np.random.default_rng(0).normal(size=(512, 512)).astype(np.float32)
    mask = np.zeros((512, 512), bool)
    mask[200:210, 300:312] = True
    n = 120  # far below the number of lesions in one part
    lazy = Lazy(lambda _: image.copy(), n), Lazy(lambda _: mask.copy(), n)
    tracemalloc.start()
    table = extract(*lazy, SPACING, families=["stat", "wt"])  # type: ignore[arg-type]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * (image.nbytes + mask.nbytes)
    to_the_bit(table[:1], extract([image], [mask], SPACING, families=["stat", "wt"]))


def test_large_lesions_are_passed_on_before_a_part_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    images, masks = lesions(6)
    expected = extract(images, masks, SPACING)
    sizes = []
    original = table_module._table

    def watched(found: list[Any], *more: Any) -> Any:
        sizes.append(len(found))
        return original(found, *more)

    monkeypatch.setattr(table_module, "_table", watched)
    monkeypatch.setattr(table_module, "_CHUNK_BYTES", 1)
    to_the_bit(extract(images, masks, SPACING), expected)
    assert sizes == [1] * 6


# Bad input: a defined result, or one clear line


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 60), st.integers(-3000, 3000), st.sampled_from([1.0, 0.1, 0.01, 1 / 3]))
def test_a_constant_lesion_has_no_spread_whatever_its_value_and_size(n: int, value: int, step: float) -> None:
    image = np.full((1, 1, n), value * step)
    row = extract(image, np.ones((1, 1, n), bool), SPACING, families=["stat"]).iloc[0]
    spread = [name for name in row.index if name.endswith(("variance", "deviation", "range", "skewness", "kurtosis"))]
    assert len(spread) == 8
    assert (row[spread] == 0).all()
    assert row["stat_p10"] == row["stat_p90"] == row["stat_mean"] == value * step


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 80), st.sampled_from([1, 0.1, 0.01]))
def test_ties_are_counted_as_numpy_counts_them(seed: int, n: int, step: float) -> None:
    x = np.random.default_rng(seed).integers(0, 6, (1, 1, n)) * step
    row = extract(x, np.ones((1, 1, n), bool), SPACING, families=["stat"]).iloc[0]
    p10, p90 = np.percentile(x, (10, 90))
    middle = x[(x >= p10) & (x <= p90)]
    assert row["stat_minimum"] <= row["stat_p10"] <= row["stat_p90"] <= row["stat_maximum"]
    assert row["stat_robust_mean_absolute_deviation"] == pytest.approx(abs(middle - middle.mean()).mean(), abs=1e-12)


@pytest.mark.parametrize("fill", [-3.4e38, 1e308, np.nan, np.inf])
def test_fill_values_around_a_lesion_are_taken_for_its_mean(fill: float) -> None:
    images, masks = lesions(2)
    own = [np.where(m, i, i[m].mean(dtype=float)) for i, m in zip(images, masks, strict=True)]
    filled = [np.where(m, i.astype(float), fill) for i, m in zip(images, masks, strict=True)]
    a, b = extract(filled, masks, SPACING, families=["wt"]), extract(own, masks, SPACING, families=["wt"])
    np.testing.assert_allclose(a.to_numpy(), b.to_numpy(), rtol=1e-9)


def test_a_constant_lesion_is_defined() -> None:
    mask = np.zeros((1, 16, 16), bool)
    mask[:, 4:12, 4:12] = True
    for options in ({}, {"bin_width": 25}):
        row = extract(np.full((1, 16, 16), 40.0), mask, SPACING, **options).iloc[0]
        binned = "fbs25" if options else "fbn32"
        assert row["stat_variance"] == row["stat_skewness"] == row["stat_kurtosis"] == 0
        assert row[f"ih_entropy_{binned}"] == row[f"cm_contrast_d1_2d_avg_{binned}"] == 0
        assert row[f"cm_angular_second_moment_d1_2d_avg_{binned}"] == row[f"cm_joint_maximum_d1_2d_avg_{binned}"] == 1
        assert row[f"cm_information_correlation_1_d1_2d_avg_{binned}"] == 0
        undefined = {name for name in row.index if np.isnan(row[name])}
        assert undefined == {f"cm_correlation_d1_2d_avg_{binned}", *(name for name in row.index if name[:3] == "ar_")}


@pytest.mark.parametrize("ndim", [2, 3])
def test_one_voxel_is_defined(ndim: int) -> None:
    mask = np.zeros((1, *[9] * ndim), bool)
    mask[(0, *[4] * ndim)] = True
    table = extract(np.arange(mask.size, dtype=float).reshape(mask.shape), mask, [1.0] * ndim)
    row = table.iloc[0]
    aggregation = "2d_avg" if ndim == 2 else "3d_avg"
    assert row["stat_mean"] == row["stat_minimum"] == row["stat_maximum"]
    assert row[f"rlm_run_percentage_{aggregation}_fbn32"] == 1
    assert np.isnan(row[f"cm_contrast_d1_{aggregation}_fbn32"])  # no pair
    assert row["morph_area" if ndim == 2 else "morph_volume"] == pytest.approx(0.5 if ndim == 2 else 1 / 6)
    undefined = {name for name in row.index if np.isnan(row[name])}
    of_space = ("elongation", "flatness", "volume_density_aee", "area_density_aee", "morans_i", "gearys_c")
    shape = {f"morph_{name}" for name in (("elongation", "eccentricity") if ndim == 2 else of_space)}
    assert undefined == {name for name in row.index if name.startswith(("cm_", "ar_"))} | shape


def test_one_row_of_pixels_is_defined() -> None:
    mask = np.zeros((1, 9, 30), bool)
    mask[0, 4, 3:27] = True
    image = np.random.default_rng(0).standard_normal((1, 9, 30))
    row = extract(image, mask, SPACING).iloc[0]
    along = extract(image[:, 4:5, 3:27], mask[:, 4:5, 3:27], SPACING).iloc[0]
    assert row["cm_contrast_d1_2d_avg_fbn32"] == along["cm_contrast_d1_2d_avg_fbn32"]  # one direction has pairs
    assert row["morph_minor_axis_length"] == 0


def test_a_distance_beyond_the_lesion_holds_no_pair() -> None:
    images, masks = lesions(2)
    table = extract(images, masks, SPACING, families=["cm"], distance=60)
    assert np.isnan(table.to_numpy()).all()


def test_nan_outside_the_mask_is_harmless() -> None:
    images, masks = lesions(2)
    holed = [np.where(mask, image, np.nan) for image, mask in zip(images, masks, strict=True)]
    table, whole = extract(holed, masks, SPACING), extract(images, masks, SPACING)
    assert np.isfinite(table.to_numpy()).all()
    kept = [name for name in table if not name.startswith("wt")]  # wavelets see the surroundings
    to_the_bit(table[kept], whole[kept])


def changed(**new: Any) -> dict[str, Any]:
    images, masks = lesions(2)
    return {"images": images, "masks": masks, "spacing_mm": SPACING} | new


def spoilt(what: complex) -> list[NDArray[Any]]:
    images, masks = lesions(2)
    second = images[1].astype(np.result_type(images[1], type(what)))
    second[tuple(np.argwhere(masks[1])[0])] = what
    return [images[0], second]


IMAGES, MASKS = lesions(2)
BAD = {
    "masks missing": (changed(masks=MASKS[:1]), "2 images and 1 masks: give one mask for each image"),
    "none": (changed(images=[], masks=[]), "images is empty: give at least one"),
    "empty mask": (changed(masks=[MASKS[0], MASKS[1].astype(int) * 0]), r"masks\[1\] is empty: leave that image out"),
    "negative labels": (changed(masks=[-1 * m for m in MASKS]), r"masks\[0\] is empty: leave that image out"),
    "fill value inside": (changed(images=spoilt(-3.4e38)), r"images\[1\] holds values beyond 1e\+30 inside its mask"),
    "huge": (changed(images=[i * 1e200 for i in map(np.float64, IMAGES)]), r"images\[0\] holds values beyond 1e\+30"),
    "masked array": (changed(images=[np.ma.masked_greater(i, 100) for i in IMAGES]), r"images\[0\] is a masked array"),
    "generator": (changed(images=(i for i in IMAGES)), "images is of type generator: give a list, an array"),
    "masks by name": (changed(masks={0: MASKS[0], 1: MASKS[1]}), "masks is of type dict: give a list, an array"),
    "one picture": (changed(images=IMAGES[0], masks=MASKS[0]), r"images\[0\] has shape .*, one channel"),
    "no client": (changed(client="scheduler:8786"), "client is of type str: give a dask.distributed.Client"),
    "empty mask bool": (changed(masks=[MASKS[0], MASKS[1] & False]), r"masks\[1\] is empty: leave that image out"),
    "float mask": (changed(masks=[m * 1.0 for m in MASKS]), r"masks\[0\] has dtype float64: give bool, or integers"),
    "nan": (changed(images=spoilt(np.nan)), r"images\[1\] holds NaN or infinite values inside its mask"),
    "infinite": (changed(images=spoilt(-np.inf)), r"images\[1\] holds NaN or infinite values inside its mask"),
    "complex": (changed(images=spoilt(1j)), r"images\[1\] has dtype complex128: give real numbers"),
    "text": (changed(images=[i.astype(str) for i in IMAGES]), r"images\[0\] has dtype <U32: give real numbers"),
    "colour": (changed(images=[np.stack([i] * 3, -1) for i in IMAGES]), r"masks\[0\] has shape .*, its image"),
    "one axis": (changed(images=[i[0] for i in IMAGES], masks=[m[0] for m in MASKS]), r"images\[0\] has shape"),
    "mask of another shape": (changed(masks=[MASKS[0][:-1], MASKS[1]]), r"masks\[0\] has shape .*, its image"),
    "two and three axes": (
        changed(images=[IMAGES[0], IMAGES[1][None]], masks=[MASKS[0], MASKS[1][None]], spacing_mm=[SPACING, SPACING]),
        r"images\[1\] has 3 axes, images\[0\] 2: use two calls",
    ),
    "spacing of a volume": (changed(spacing_mm=(1, 1, 1)), r"spacing_mm=\[1.0, 1.0, 1.0\] for images\[0\]: give 2"),
    "spacing in words": (changed(spacing_mm=("a", "b")), r"spacing_mm=\('a', 'b'\): give the voxel size of each axis"),
    "ragged spacing": (changed(spacing_mm=[(1, 1), (1, 1, 1)]), r"spacing_mm=\[.*\]: give the voxel size of each axis"),
    "spacing missing": (changed(spacing_mm=None), r"spacing_mm=nan for images\[0\]: give 2 positive lengths"),
    "spacing too small": (
        changed(spacing_mm=(1e-20, 1)),
        r"spacing_mm=\[1e-20, 1.0\] for images\[0\]: give 2 positive",
    ),
    "spacing is nan": (changed(spacing_mm=(np.nan, 1)), r"spacing_mm=\[nan, 1.0\] for images\[0\]: give 2 positive"),
    "no spacing": (changed(spacing_mm=(0, 1)), r"spacing_mm=\[0.0, 1.0\] for images\[0\]: give 2 positive lengths"),
    "too few spacings": (changed(spacing_mm=[SPACING] * 3), "spacing_mm has 3 rows for 2 images: give one row, or"),
    "family": (changed(families=["glcm"]), r"families=\['glcm'\]: give a list of some of stat, ih, cm, rlm"),
    "text for families": (changed(families="cm"), "families='cm': give a list of some of stat"),
    "none of the families": (changed(families=None), "families=None: give a list of some of"),
    "nested families": (changed(families=[["cm"]]), r"families=\[\['cm'\]\]: give a list of some of"),
    "no family": (changed(families=[]), r"families=\[\]: give a list of some of"),
    "both bins": (changed(bins=8, bin_width=2), "bins=8 and bin_width=2: give one of them"),
    "one bin": (changed(bins=1), "bins=1: give 2 to 1024 grey levels"),
    "bins are nan": (changed(bins=np.nan), "bins=nan: give 2 to 1024 grey levels"),
    "bins without end": (changed(bins=np.inf), "bins=inf: give 2 to 1024 grey levels"),
    "bins in words": (changed(bins="8"), "bins='8': give a number"),
    "width in words": (changed(bin_width="a"), "bin_width='a': give a number"),
    "distance in words": (changed(distance="1"), "distance='1': give a number"),
    "half a scale": (changed(wavelet_levels=2.5), "levels=2.5: give 1 to 6 scales"),
    "wide wavelet": (changed(wavelet="db38", wavelet_levels=6), "looks at 2394 pixels around: give fewer scales"),
    "half a job": (changed(jobs=1.5), "jobs=1.5: give the number of processes"),
    "jobs are none": (changed(jobs=None), "jobs=None: give the number of processes"),
    "half bins": (changed(bins=8.5), "bins=8.5: give 2 to 1024 grey levels"),
    "width": (changed(bin_width=0), "bin_width=0: give a width above 0, in the unit of the images"),
    "start alone": (changed(bin_start=0), "bin_start=0 goes with bin_width: give both, or neither"),
    "start is nan": (changed(bin_width=1, bin_start=np.nan), "bin_start=nan: give a number"),
    "start above": (changed(bin_width=1, bin_start=99), r"bin_start=99 is above .* inside masks\[0\]: choose it below"),
    "too many levels": (changed(bin_width=1e-3), r"bin_width=0.001 makes \d+ grey levels of images\[0\]: choose a lar"),
    "unit": (changed(distance_unit="cm"), "distance=1 'cm': give a distance above 0 and 'px' or 'mm'"),
    "distance": (changed(distance=0), "distance=0 'px': give a distance above 0"),
    "half a pixel": (changed(distance=1.5), "distance=1.5 px: give whole pixels, or millimetres with distance_unit"),
    "less than half a pixel": (
        changed(distance=0.3, distance_unit="mm"),
        r"distance=0.3 mm is at most half a voxel of images\[0\], 0.9 mm: give a larger one",
    ),
    "aggregation": (changed(aggregation="mean"), "aggregation='mean': give one of 2d_avg, 2d_mrg"),
    "volumes only": (changed(aggregation="3d_avg"), "aggregation='3d_avg' needs volumes: give '2d_avg' or '2d_mrg'"),
    "wavelet": (changed(wavelet="morlet"), "wavelet='morlet' is not known: give a discrete wavelet"),
    "biorthogonal": (changed(wavelet="bior2.2"), "wavelet='bior2.2' is not orthogonal, so that energies do not add"),
    "scales": (changed(wavelet_levels=7), "levels=7: give 1 to 6 scales"),
    "jobs": (changed(jobs=0), "jobs=0: give the number of processes, or -1 for all cores"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gives_one_clear_line(case: str) -> None:
    arguments, message = BAD[case]
    with pytest.raises(ValueError, match=message) as caught:
        extract(**arguments)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 170


def test_a_volume_first_and_then_a_picture_is_refused() -> None:
    with pytest.raises(ValueError, match=r"images\[1\] has 2 axes, images\[0\] 3: use two calls"):
        extract([IMAGES[0][None], IMAGES[1]], [MASKS[0][None], MASKS[1]], (1.0, 1.0, 1.0))


def test_matrices_beyond_memory_are_refused() -> None:
    image = np.linspace(0, 1, 80 * 12 * 12).reshape(1, 80, 12, 12)
    with pytest.raises(
        ValueError, match=r"images\[0\]: matrices of 1024 grey levels on 80 slices take 2 GiB: give few"
    ):
        extract(image, image > -1, (1.0, 1.0, 1.0), families=["cm"], bins=1024, aggregation="2d_avg")
