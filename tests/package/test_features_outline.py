"""The first outline of a marked finding: a known disc comes back, and bad input is named."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medcourse.features import outline_at_mark


def disc(
    radius_mm: float, spacing: tuple[float, float], shape: tuple[int, int], at: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    y, x = np.indices(shape, dtype=float)
    y, x = (y - (shape[0] - 1) / 2) * spacing[0], (x - (shape[1] - 1) / 2) * spacing[1]
    return np.where(np.hypot(y - at[0], x - at[1]) <= radius_mm, 40.0, -850.0)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.7, 0.7), (2.0, 0.7)])
def test_a_disc_comes_back_with_its_area_in_millimetres(spacing: tuple[float, float]) -> None:
    shape = tuple(int(48 / step) for step in spacing)
    image = disc(6, spacing, shape)
    (mask,) = outline_at_mark(image[None], spacing)
    dice = 2 * np.sum(mask & (image > 0)) / (mask.sum() + (image > 0).sum())
    assert dice > 0.93
    assert mask.sum() * spacing[0] * spacing[1] == pytest.approx(np.pi * 36, rel=0.1)


def test_only_what_hangs_together_with_the_mark_is_taken() -> None:
    one, two = disc(4, (1, 1), (48, 48)), disc(4, (1, 1), (48, 48), at=(0, 11))
    both = np.maximum(one, two)
    assert np.array_equal(*(outline_at_mark(image[None], (1, 1))[0] for image in (one, both)))


def test_the_reach_ends_the_outline() -> None:
    large = disc(20, (1, 1), (64, 64))[None]
    rows = np.argwhere(outline_at_mark(large, (1, 1), reach_mm=8)[0])
    assert np.hypot(*(rows - 31.5).T).max() < 8


def test_each_image_is_outlined_by_itself() -> None:
    images = np.stack([disc(radius, (1, 1), (32, 32)) for radius in (3, 5, 7)])
    together = outline_at_mark(images, (1, 1))
    alone = [outline_at_mark(image[None], (1, 1))[0] for image in images]
    assert np.array_equal(together, alone)


def noisy_discs() -> np.ndarray:
    """Eight discs in noise: whole numbers from 0 to 127, which every type below holds exactly."""
    noise = np.random.default_rng(0).normal(0, 12, (8, 32, 32))
    return np.clip(np.round(np.where(disc(6, (1, 1), (32, 32)) > 0, 90, 40) + noise), 0, 127)


@pytest.mark.parametrize(
    "dtype", ["i1", "u1", "i2", ">i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", ">f4", ">f8", "longdouble"]
)
def test_every_type_gives_the_outline_of_float64(dtype: str) -> None:
    images = noisy_discs()
    assert np.array_equal(outline_at_mark(images.astype(dtype), (1, 1)), outline_at_mark(images, (1, 1)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_the_rule_of_the_page(dtype: type) -> None:
    centre = np.hypot(*(np.indices((32, 32)) - 15.5))
    images = noisy_discs().astype(dtype)
    for image, mask in zip(images, outline_at_mark(images, (1, 1)), strict=True):
        smooth = ndimage.gaussian_filter(image, 0.8)
        half = (smooth[centre < 3].max() + np.percentile(smooth, 10)) / 2
        region, _ = ndimage.label((smooth > half) & (centre < 14))
        assert np.array_equal(mask, region == region.flat[np.where(centre < 3, smooth, -np.inf).argmax()])


@pytest.mark.parametrize("spacing", [(5.0, 5.0), (2.0, 6.0), (8.0, 0.7)])
def test_a_grid_too_coarse_for_3_mm_finds_the_mark(spacing: tuple[float, float]) -> None:
    shape = (16, 16)
    image = disc(10, spacing, shape)
    assert np.array_equal(outline_at_mark(image[None], spacing)[0], image > 0)


def test_the_peak_is_the_brightest_of_the_nearest_pixels() -> None:
    image = np.zeros((8, 8))
    image[4, 3] = 1
    image[0, 0] = 2  # in the corner, and brighter
    assert np.argwhere(outline_at_mark(image[None], (5, 5))[0]).tolist() == [[4, 3]]


def test_a_mask_is_empty_only_as_documented() -> None:
    for dtype in (np.int16, np.float32, np.float64):
        assert not outline_at_mark(np.full((2, 16, 16), -850, dtype), (1, 1)).any()  # constant
    assert not outline_at_mark(-disc(6, (1, 1), (48, 48))[None], (1, 1)).any()  # a darker centre
    assert not outline_at_mark(disc(30, (20, 20), (8, 8))[None], (20, 20)).any()  # the nearest pixels beyond the reach
    assert outline_at_mark(disc(30, (20, 20), (8, 8))[None], (20, 20), reach_mm=40).any()
    assert outline_at_mark(np.empty((0, 16, 16)), (1, 1)).shape == (0, 16, 16)


def test_noise_gets_an_outline_and_its_contrast_tells() -> None:
    def contrast(images: np.ndarray) -> np.ndarray:
        masks = outline_at_mark(images, (1, 1))
        assert masks.any(axis=(1, 2)).all()
        both = zip(images, masks, strict=True)
        return np.array([(image[mask].mean() - image[~mask].mean()) / image[~mask].std() for image, mask in both])

    noise = np.random.default_rng(0).normal(size=(200, 32, 32))
    finding = 5 * (disc(5, (1, 1), (32, 32)) > 0)  # five standard deviations high
    assert contrast(noise).min() > 0
    assert contrast(noise).max() < 2.5 < 4 < contrast(noise + finding).min()


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (np.zeros((8, 8)), {}, "images has 2 axes"),
        (np.zeros((1, 0, 5)), {}, r"shape \(1, 0, 5\), images without pixels: give"),
        (np.zeros((1, 5, 0)), {}, r"shape \(1, 5, 0\), images without pixels: give"),
        (np.full((1, 8, 8), np.nan), {}, "not finite"),
        (np.zeros((1, 8, 8)), {"spacing_mm": (1.0,)}, "spacing_mm"),
        (np.zeros((1, 8, 8)), {"spacing_mm": (1.0, 0.0)}, "spacing_mm"),
        (np.zeros((1, 8, 8)), {"reach_mm": 0.0}, "reach_mm=0.0"),
    ],
)
def test_bad_input_is_named(images: np.ndarray, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        outline_at_mark(images, **({"spacing_mm": (1.0, 1.0)} | options))


@pytest.mark.parametrize("dtype", [bool, complex, object, "U3", "M8[s]"])
def test_a_type_without_real_numbers_is_named(dtype: str | type) -> None:
    with pytest.raises(TypeError, match=r"^images has dtype .*: give integers or floats.*$"):
        outline_at_mark(np.zeros((1, 8, 8)).astype(dtype), (1.0, 1.0))
