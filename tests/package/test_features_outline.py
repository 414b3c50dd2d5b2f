"""The first outline of a marked finding: a known disc comes back, and bad input is named."""

from __future__ import annotations

import numpy as np
import pytest

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


def test_nothing_that_stands_out_is_an_empty_mask() -> None:
    assert not outline_at_mark(np.full((2, 16, 16), -850), (1, 1)).any()
    assert outline_at_mark(np.empty((0, 16, 16)), (1, 1)).shape == (0, 16, 16)


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (np.zeros((8, 8)), {}, "images has 2 axes"),
        (np.full((1, 8, 8), np.nan), {}, "not finite"),
        (np.zeros((1, 8, 8)), {"spacing_mm": (1.0,)}, "spacing_mm"),
        (np.zeros((1, 8, 8)), {"spacing_mm": (1.0, 0.0)}, "spacing_mm"),
        (np.zeros((1, 8, 8)), {"reach_mm": 0.0}, "reach_mm=0.0"),
    ],
)
def test_bad_input_is_named(images: np.ndarray, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        outline_at_mark(images, **({"spacing_mm": (1.0, 1.0)} | options))
