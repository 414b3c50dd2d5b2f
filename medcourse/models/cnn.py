"""A small convolutional network that classifies patches."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

__all__ = ["build"]

_NORMALISATIONS = ("batch", "group", "none")


def build(
    input_shape: tuple[int, int, int],
    *,
    filters: Sequence[int] = (16, 32, 64),
    normalisation: str = "batch",
    augment: bool = True,
    dropout: float = 0.2,
    seed: int = 0,
) -> keras.Model:
    """Build a network that turns a patch into the probability of class 1.

    One block per entry of `filters`: convolution, normalisation, ReLU, and between blocks max pooling that
    halves rows and columns. The first convolution is 5 × 5 and moves two pixels at a time, the others are
    3 × 3. Then the mean over each channel's map, dropout, and one sigmoid unit.

    Parameters
    ----------
    input_shape
        (rows, columns, channels) of a patch; rows and columns at least ``2 ** len(filters)``.
    filters
        Channels of each block.
    normalisation
        ``"batch"``, ``"group"`` (independent of the batch) or ``"none"``.
    augment
        Whether training mirrors and turns patches at random, by any angle: for tissue without a preferred direction.
    dropout
        Share of the mean map's channels dropped in training, 0 ≤ value < 1.
    seed
        Of the initial weights, the augmentation and the dropout.

    Returns
    -------
    keras.Model
        Input (n, rows, columns, channels) float32; output (n, 1), float32 even under mixed precision.
        Not yet compiled: `medcourse.training.fit` does it.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Notes
    -----
    Back-end neutral. On the page's phantom, batch and group normalisation measured alike and better than none
    (`benchmarks/results/learning_curve_5_1_2.json`); prefer group normalisation for batches under about eight.
    Taught in: 5.1.2 Classification.

    Examples
    --------
    >>> model = build((32, 32, 1), filters=(4, 8))
    >>> model.output_shape
    (None, 1)
    """
    sides: tuple[int, ...] = tuple(input_shape)
    if len(sides) != 3 or min(sides) < 1:
        raise ValueError(f"input_shape={sides!r}: give (rows, columns, channels), all at least 1")
    if not filters or min(filters) < 1:
        raise ValueError(f"filters={filters!r}: give the channels of at least one block, each at least 1")
    smallest = 2 ** len(filters)
    if min(input_shape[:2]) < smallest:
        raise ValueError(
            f"input_shape={input_shape!r} is too small for {len(filters)} blocks: "
            f"give at least {smallest} rows and columns, or fewer filters"
        )
    if normalisation not in _NORMALISATIONS:
        raise ValueError(f"normalisation={normalisation!r}: choose one of {', '.join(_NORMALISATIONS)}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout={dropout!r}: give a share from 0 to below 1")

    generator = keras.random.SeedGenerator(seed)  # one stream: every layer gets its own draw of the same seed
    inputs = keras.Input(input_shape, name="patch")
    x = inputs
    if augment:
        x = layers.RandomFlip("horizontal_and_vertical", seed=seed, name="flips")(x)
        x = layers.RandomRotation(0.5, fill_mode="reflect", seed=seed, name="turns")(x)
    for block, channels in enumerate(filters, start=1):
        x = layers.Conv2D(
            channels,
            5 if block == 1 else 3,
            strides=2 if block == 1 else 1,
            padding="same",
            use_bias=normalisation == "none",
            kernel_initializer=keras.initializers.HeNormal(seed=generator),
            name=f"conv{block}",
        )(x)
        x = _normalise(x, normalisation, channels, f"norm{block}")
        x = layers.ReLU(name=f"relu{block}")(x)
        if block < len(filters):
            x = layers.MaxPooling2D(name=f"pool{block}")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dropout(dropout, seed=seed, name="dropout")(x)
    outputs = layers.Dense(
        1,
        activation="sigmoid",
        kernel_initializer=keras.initializers.GlorotUniform(seed=generator),
        dtype="float32",
        name="probability",
    )(x)
    return keras.Model(inputs, outputs, name="patch_classifier")


def _normalise(x: keras.KerasTensor, kind: str, channels: int, name: str) -> keras.KerasTensor:
    if kind == "batch":
        return layers.BatchNormalization(momentum=0.9, name=name)(x)
    if kind == "group":
        groups = next(count for count in (8, 4, 2, 1) if channels % count == 0)
        return layers.GroupNormalization(groups=groups, name=name)(x)
    return x
