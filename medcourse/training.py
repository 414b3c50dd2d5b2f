"""Train a binary classifier the same way twice: seeds, best epoch, progress, mixed precision."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from medcourse.data._progress import is_shown

__all__ = ["fit", "seed_everything"]


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and Keras, and ask the back end for deterministic operations.

    Parameters
    ----------
    seed
        From 0 to 2**32 - 1.

    Raises
    ------
    ValueError
        If `seed` is out of range.

    Notes
    -----
    On one machine with the same versions, the same seed then gives the same weights. Another processor adds
    in another order, and trained results differ there in late digits. Taught in: 5.1.2 Classification.

    Examples
    --------
    >>> seed_everything(0)
    >>> first = np.random.rand()
    >>> seed_everything(0)
    >>> bool(np.random.rand() == first)
    True
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed={seed!r} is out of range: give a whole number from 0 to 2**32 - 1")
    keras.utils.set_random_seed(seed)
    # The only lines of the package's models and training that name a back end; JAX needs no switch.
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif keras.backend.backend() == "torch":  # pragma: no cover - optional extra
        import torch  # type: ignore[import-not-found]

        torch.use_deterministic_algorithms(True, warn_only=True)


def fit(
    model: keras.Model,
    x: ArrayLike,
    y: ArrayLike,
    *,
    validation: tuple[ArrayLike, ArrayLike],
    epochs: int = 20,
    batch_size: int = 32,
    learning_rate: float = 3e-3,
    patience: int | None = None,
    mixed_precision: bool = False,
    progress: bool | None = None,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Train a classifier with one sigmoid output, in place, and keep the weights of its best epoch.

    Adam, binary cross-entropy, a learning rate that falls to zero along a cosine. Best is the epoch with the
    lowest loss on the validation set.

    Parameters
    ----------
    model
        From `medcourse.models.cnn.build`, or any model with input (n, …) and output (n, 1) in [0, 1].
    x, y
        Training inputs (n, …) and labels (n,), 0 or 1, both present.
    validation
        The same for validation; of other patients.
    epochs, batch_size
        Passes over the training set, and inputs per step.
    learning_rate
        Adam's at the start.
    patience
        Stop after so many epochs without a better one; None goes on to the end.
    mixed_precision
        Compute in float16 where it is safe, keep the weights in float32: faster on a GPU, not on a CPU.
    progress
        A progress bar on stderr. None shows one on a terminal and in a notebook that a person runs, never in a
        stored one: the tools that execute notebooks set ``MEDCOURSE_PROGRESS=0``.
    seed
        Of the order of the inputs (`seed_everything` is called with it).

    Returns
    -------
    dict
        ``"loss"`` and ``"val_loss"``, one number per epoch.

    Raises
    ------
    ValueError
        If shapes do not match, an array is empty or not finite, or the labels are not 0 and 1.

    Notes
    -----
    Taught in: 5.1.2 Classification.

    Examples
    --------
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])
    >>> x, y = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([0, 1])
    >>> history = fit(model, x, y, validation=(x, y), epochs=3)
    >>> len(history["val_loss"])
    3
    """
    inputs, labels = _checked(model, x, y, "x", "y")
    held_inputs, held_labels = _checked(model, *validation, "validation[0]", "validation[1]")
    for name, value in (("epochs", epochs), ("batch_size", batch_size), ("learning_rate", learning_rate)):
        if not value > 0:
            raise ValueError(f"{name}={value!r}: give a number above 0")
    seed_everything(seed)
    steps = -(-len(inputs) // batch_size) * epochs
    optimizer: Any = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, steps))
    if mixed_precision:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    best = _BestWeights(patience)
    callbacks: list[keras.callbacks.Callback] = [best]
    if is_shown(progress):
        callbacks.append(_Progress(epochs))
    with _half_precision(model) if mixed_precision else _as_it_is():
        model.compile(optimizer, loss="binary_crossentropy")
        history = model.fit(
            inputs,
            labels,
            validation_data=(held_inputs, held_labels),
            epochs=epochs,
            batch_size=batch_size,
            callbacks=callbacks,
            verbose=0,
        )
    model.set_weights(best.weights)
    return {name: [float(value) for value in values] for name, values in history.history.items()}


class _BestWeights(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, patience: int | None) -> None:
        super().__init__()
        self.patience, self.lowest, self.since = patience, np.inf, 0
        self.weights: list[NDArray[np.float32]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        loss = (logs or {})["val_loss"]
        self.since += 1
        if loss < self.lowest or not self.weights:
            self.lowest, self.since = loss, 0
            self.weights = self.model.get_weights()
        if self.patience is not None and self.since >= self.patience:
            self.model.stop_training = True


class _Progress(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, epochs: int) -> None:
        from tqdm import tqdm

        super().__init__()
        self.bar = tqdm(total=epochs, unit="epoch", file=sys.stderr)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self.bar.set_postfix({name: f"{value:.3f}" for name, value in (logs or {}).items()})
        self.bar.update()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self.bar.close()


@contextmanager
def _half_precision(model: keras.Model) -> Iterator[None]:
    """Let all layers but the last compute in float16, and put their policies back afterwards."""
    before = [(layer, layer.dtype_policy) for layer in model.layers]
    for layer in model.layers[:-1]:
        layer.dtype_policy = keras.dtype_policies.DTypePolicy("mixed_float16")
    try:
        yield
    finally:
        for layer, policy in before:
            layer.dtype_policy = policy
        model.make_predict_function(force=True)


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


def _checked(
    model: keras.Model, x: ArrayLike, y: ArrayLike, x_name: str, y_name: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    inputs, labels = np.asarray(x, np.float32), np.asarray(y, np.float32)
    wanted = tuple(model.input_shape[1:])
    if inputs.ndim != len(wanted) + 1 or any(w not in (None, s) for w, s in zip(wanted, inputs.shape[1:], strict=True)):
        shown = ", ".join(["n", *(str(side) for side in wanted)])
        raise ValueError(f"{x_name} has shape {inputs.shape}: this model takes ({shown})")
    if len(inputs) == 0:
        raise ValueError(f"{x_name} is empty: give at least one input of each class")
    if labels.shape != (len(inputs),):
        raise ValueError(f"{y_name} has shape {labels.shape}: give one label per input, shape ({len(inputs)},)")
    if not np.isfinite(inputs).all():
        raise ValueError(f"{x_name} holds NaN or infinite values: mend or drop those inputs")
    found = np.unique(labels)
    if not np.array_equal(found, [0, 1]):
        shown = ", ".join(f"{value:g}" for value in found[:5])
        raise ValueError(f"{y_name} holds {shown}: give labels 0 and 1, both present")
    return inputs, labels
