"""Sums for each region: of its own values only, whichever regions are empty."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcourse.features._regions import whole_levels
from medcourse.features._sums import Ragged
from medcourse.features.cooccurrence import cooccurrence_matrices
from medcourse.features.intensity import histogram_measures, intensity_measures
from medcourse.features.runlength import run_length_matrices
from medcourse.features.shape import shape_measures
from medcourse.features.spectral import wavelet_margin, wavelet_measures


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_empty_regions_take_nothing_from_their_neighbours(count: list[int]) -> None:
    terms = np.random.default_rng(0).normal(size=sum(count))
    ends = np.cumsum(count)
    expected = [terms[end - n : end].sum() for end, n in zip(ends, count, strict=True)]
    np.testing.assert_allclose(Ragged(np.array(count)).total(terms), expected, atol=1e-12)


# The public functions behind `extract` refuse what would land elsewhere in silence


@pytest.mark.parametrize("levels", [[[[[1, 3, 1]]]], [[[[-1, 1, 1]]]], [[[[0.0, 1.0, 1.0]]]]])
def test_levels_out_of_range_are_refused(levels: list[object]) -> None:
    given_levels = np.array(levels)
    for call in (
        lambda: cooccurrence_matrices(given_levels, [(0, 0, 1)], 2),
        lambda: run_length_matrices(given_levels, [(0, 0, 1)], 2),
        lambda: histogram_measures(given_levels, 2),
        lambda: whole_levels(given_levels, 2),
    ):
        with pytest.raises(ValueError, match=r"^levels (from .* to .*: give 1 to n_levels=2|have dtype float64)"):
            call()


def test_small_integers_count_like_large_ones() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (2, 1, 9, 9))
    for function in (cooccurrence_matrices, run_length_matrices):
        small = function(levels.astype(np.uint8), [(0, 0, 1)], 255)  # type: ignore[operator]
        np.testing.assert_array_equal(small, function(levels, [(0, 0, 1)], 255))  # type: ignore[operator]


def test_empty_masks_are_refused() -> None:
    image = np.arange(16.0).reshape(1, 16)
    with pytest.raises(ValueError, match="mask 1 is empty: mark at least one voxel"):
        intensity_measures(np.repeat(image, 2, axis=0), np.stack([image[0] > 3, image[0] > 99]))
    with pytest.raises(ValueError, match="mask is empty: mark at least one pixel"):
        wavelet_measures(image.reshape(4, 4), np.zeros((4, 4), bool))
    with pytest.raises(ValueError, match="mask is empty: mark at least one voxel"):
        shape_measures(np.zeros((4, 4), bool), (1.0, 1.0))


@pytest.mark.parametrize("shape", [(3, 4), (3, 3, 3)])
def test_labels_have_the_shape_of_their_mask(shape: tuple[int, ...]) -> None:
    spacing = (1.0, 0.5, 2.0)[: len(shape)]
    expected = shape_measures(np.ones(shape, bool), spacing)
    assert shape_measures(np.full(shape, 255, np.uint8), spacing) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("spacing", [(-1.0, 1.0), (0.0, 1.0), (np.nan, 1.0), (1.0,), (1.0, 1.0, 1.0)])
def test_spacing_that_is_no_length_is_refused(spacing: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"for a mask of shape \(3, 4\): give one positive length for each axis"):
        shape_measures(np.ones((3, 4), bool), spacing)


def test_whole_numbers_of_scales_and_a_margin_that_fits() -> None:
    assert wavelet_margin("db2", 3) == (7, 14)
    with pytest.raises(ValueError, match="wavelet='db38' with levels=6 looks at 2394 pixels around: give fewer scales"):
        wavelet_margin("db38", 6)


def test_lines_of_large_boxes_are_not_kept() -> None:
    from medcourse.features.runlength import _lines

    _lines.cache_clear()
    run_length_matrices(np.ones((1, 30, 30, 30), int), [(0, 0, 1), (1, 1, 1)], 1)
    assert _lines.cache_info().currsize == 0
    run_length_matrices(np.ones((1, 1, 30, 30), int), [(0, 0, 1), (0, 1, 1)], 1)
    assert _lines.cache_info().currsize == 2
