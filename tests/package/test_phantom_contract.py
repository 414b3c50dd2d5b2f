"""What every phantom owes those who use it: the contract of `medcourse.data.phantoms`, the same for all.

What is law for all patients (prevalence, shares of sites, label noise) is tested on many in test_phantom_cohort.py;
here each phantom must show that its own few patients obey that law. Broken phantoms at the end prove the checks.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from medcourse.data import phantoms
from medcourse.data.phantoms import Phantoms, Scanner, Site, Subgroup
from medcourse.data.phantoms._cohort import draw_patients, record_labels
from tests.package.phantom_cases import CASES, Case
from tests.package.tiny_phantom import tiny

ROOT = Path(__file__).parents[2]
ALL = CASES | {"tiny": Case(call=tiny, grey=1 / 255)}
DISEASED = {"difficulty": "medium", "prevalence": 0.5, "sites": (Site(),), "subgroups": (Subgroup(),)}
STRATA = {
    "sites": (
        Site(name="north", share=2, prevalence=0.2, scanner=Scanner(name="old", noise=1.5)),
        Site(name="south", prevalence=0.9, scanner=Scanner(name="new")),
    ),
    "subgroups": (Subgroup(name="one"), Subgroup(name="two", prevalence=2.0, contrast=0.5)),
}


def _mixed(seed: int) -> bool:
    """Whether two of this seed's first four patients are ill, and all strata occur among them."""
    ill = draw_patients(4, first=0, seed=seed, **DISEASED).table["diseased"]
    other = draw_patients(4, first=0, seed=seed, difficulty="easy", prevalence=0.5, **STRATA).table
    return ill.sum() == 2 and all(other[name].nunique() == 2 for name in ("site", "subgroup", "diseased"))


SEED = next(seed for seed in range(1000) if _mixed(seed))
N = 4


@cache
def base(case: Case) -> Phantoms:
    """Four patients at medium, drawn once for all checks of a phantom."""
    return case.draw(N, seed=SEED)


def same(a: Phantoms, b: Phantoms) -> bool:
    """Whether two draws agree to the last byte."""
    anatomy = (a.anatomy is None and b.anatomy is None) or np.array_equal(a.anatomy, b.anatomy)
    return bool(
        np.array_equal(a.images, b.images)
        and np.array_equal(a.masks, b.masks)
        and anatomy
        and a.table.equals(b.table)
        and a.lesions.equals(b.lesions)
        and a.spacing_mm == b.spacing_mm
    )


def roughness(images: np.ndarray) -> float:
    """Standard deviation of the mixed second difference of rows and columns: what lives at high frequencies."""
    return float(np.diff(np.diff(images[..., 0], axis=-1), axis=-2).std())


def check_signature(case: Case) -> None:
    parameters = inspect.signature(case.call).parameters
    defaults = {
        "seed": 0, "first": 0, "difficulty": "medium", "prevalence": 0.5, "label_noise": 0.0,
        "jobs": 1, "progress": None,
    }  # fmt: skip
    assert next(iter(parameters)) == "n"
    assert all(item.kind is inspect.Parameter.KEYWORD_ONLY for name, item in parameters.items() if name != "n")
    for name, default in defaults.items():
        assert parameters[name].default == default, name
    for name in ("sites", "subgroups"):
        assert [item.name for item in parameters[name].default] == ["A" if name == "sites" else "all"]


def check_types_and_shapes(case: Case) -> None:
    drawn = base(case)
    images, masks, table = drawn.images, drawn.masks, drawn.table
    assert images.dtype == np.float32
    assert masks.dtype == np.uint8
    assert images.shape[:-1] == masks.shape
    assert np.isfinite(images).all()
    assert len(table) == len(images)
    assert list(table.index) == list(range(len(table)))
    assert list(table["patient"].drop_duplicates()) == list(range(N))
    assert table["patient"].is_monotonic_increasing
    strata = {"patient", "site", "scanner", "subgroup", "truth", "label", "amplitude"}
    assert strata <= set(table.columns)
    assert set(table["truth"]) == {0, 1}
    assert set(table["label"]) <= {0, 1}
    assert (table["amplitude"] == 1).all()
    assert 2 <= len(drawn.spacing_mm) <= images.ndim - 2
    assert all(spacing > 0 for spacing in drawn.spacing_mm)
    if drawn.anatomy is not None:
        assert drawn.anatomy.dtype == np.uint8
        assert drawn.anatomy.shape == masks.shape


def check_lesions_agree_with_masks(case: Case) -> None:
    drawn = base(case)
    image = drawn.lesions["image"].to_numpy()
    assert image.dtype.kind in "iu"
    marked = np.flatnonzero(drawn.masks.reshape(len(drawn.masks), -1).any(axis=1))
    assert sorted(set(image.tolist())) == marked.tolist()
    assert (drawn.table["truth"].to_numpy()[marked] == 1).all()
    ill = drawn.table["patient"][drawn.table["truth"] == 1].unique()
    assert set(drawn.table["patient"].to_numpy()[marked]) == set(ill), "each ill patient has a lesion in some image"
    assert (drawn.lesions["patient"].to_numpy() == drawn.table["patient"].to_numpy()[image]).all()


def check_a_patient_does_not_depend_on_who_else_is_drawn(case: Case) -> None:
    whole, two = base(case), case.draw(2, first=1, seed=SEED, jobs=2)
    rows = whole.table["patient"].isin([1, 2]).to_numpy()
    np.testing.assert_array_equal(whole.images[rows], two.images)
    np.testing.assert_array_equal(whole.masks[rows], two.masks)
    if whole.anatomy is not None and two.anatomy is not None:
        np.testing.assert_array_equal(whole.anatomy[rows], two.anatomy)
    pd.testing.assert_frame_equal(whole.table[rows].reset_index(drop=True), two.table, check_exact=True)
    start = int(np.flatnonzero(rows)[0])
    hers = whole.lesions[whole.lesions["patient"].isin([1, 2])]
    shifted = hers.assign(image=hers["image"] - start).reset_index(drop=True)
    pd.testing.assert_frame_equal(shifted, two.lesions, check_exact=True)


def check_another_seed_draws_others(case: Case) -> None:
    other = case.draw(1, seed=SEED + 1)
    shape = (slice(0, 1), *(slice(0, side) for side in other.images.shape[1:]))
    assert not np.array_equal(base(case).images[shape], other.images[shape])


def check_zero_difficulty_leaves_nothing_but_the_truth(case: Case) -> None:
    shown, hidden = base(case), case.draw(N, seed=SEED, difficulty=0)
    assert not hidden.masks.any()
    assert len(hidden.lesions) == 0
    assert set(hidden.lesions.columns) == set(shown.lesions.columns)
    assert (hidden.table["amplitude"] == 0).all()
    assert (hidden.table["truth"] == shown.table["truth"]).all()
    free = shown.masks == 0
    if shown.anatomy is not None and hidden.anatomy is not None:
        np.testing.assert_array_equal(shown.anatomy[free], hidden.anatomy[free])
    healthy = ~shown.table["patient"].isin(shown.table["patient"][shown.table["truth"] == 1]).to_numpy()
    equal = np.abs(shown.images[healthy] - hidden.images[healthy]) <= case.grey / 100
    assert equal.mean() >= case.unchanged
    if len(shown.lesions):
        assert not np.array_equal(shown.images[~healthy], hidden.images[~healthy]), "difficulty changes the diseased"


def check_strata_act(case: Case) -> None:
    drawn = case.draw(N, seed=SEED, difficulty="easy", prevalence=0.5, **STRATA).table
    law = draw_patients(N, first=0, seed=SEED, difficulty="easy", prevalence=0.5, **STRATA).table
    hers = law.set_index("patient").loc[drawn["patient"]].reset_index()
    for name in ("site", "scanner", "subgroup", "amplitude"):
        assert (drawn[name].to_numpy() == hers[name].to_numpy()).all(), name
    ill = drawn.groupby("patient")["truth"].max().to_numpy()
    assert (ill == law["diseased"].to_numpy()).all()


def _at(case: Case, **scanner: float) -> Phantoms:
    return case.draw(2, seed=SEED, sites=(Site(scanner=Scanner(**scanner)),))


def check_scanner_noise_and_blur_act(case: Case) -> None:
    silent, quiet, noisy = (_at(case, noise=noise) for noise in (0, 0.5, 2))
    assert roughness(noisy.images) > 1.2 * roughness(quiet.images)
    assert roughness(quiet.images) > roughness(silent.images)
    soft = _at(case, noise=0, blur=2)
    assert roughness(soft.images) < 0.9 * roughness(silent.images)
    for other in (silent, soft):
        np.testing.assert_array_equal(other.masks, noisy.masks)


def check_scanner_gain_and_offset_act(case: Case) -> None:
    plain = _at(case, noise=0).images
    spread = float(plain.max() - plain.min())
    gain = 1.0 if case.calibrated else 1.25
    changed = _at(case, noise=0, gain=1.25, offset=0.1 * spread).images
    agree = np.abs(changed - (gain * plain + 0.1 * spread)) < max(1e-3 * spread, case.grey)
    assert agree.mean() > 0.9


def check_label_noise_is_as_requested(case: Case) -> None:
    clean = base(case)
    assert (clean.table["label"] == clean.table["truth"]).all()
    noisy = case.draw(N, seed=SEED, label_noise=(0.5, 0.25))
    np.testing.assert_array_equal(clean.images, noisy.images)
    assert (noisy.table["truth"] == clean.table["truth"]).all()
    law = record_labels(noisy.table.drop(columns="label"), label_noise=(0.5, 0.25), seed=SEED)
    assert (noisy.table["label"] == law["label"]).all()
    truth = clean.table["truth"]
    missed, turned = (case.draw(N, seed=SEED, label_noise=noise).table for noise in ((1.0, 0.0), 1.0))
    assert (missed["label"] == 0).all()
    assert (turned["label"] == 1 - truth).all()


BAD = {
    "n": 0, "first": -1, "seed": -1, "prevalence": 2, "difficulty": "x", "jobs": 0, "sites": (), "subgroups": (),
    "label_noise": 2,
}  # fmt: skip


def check_bad_arguments_are_one_clear_line(case: Case) -> None:
    for name, value in BAD.items():
        settings = {"n": 1, "seed": SEED, name: value}
        with pytest.raises(ValueError, match=rf"^{name}") as caught:
            case.draw(settings.pop("n"), **settings)
        assert "\n" not in str(caught.value)


CHECKS: dict[str, Callable[[Case], None]] = {
    name.removeprefix("check_"): check for name, check in list(globals().items()) if name.startswith("check_")
}


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize("check", CHECKS)
def test_phantom(name: str, check: str) -> None:
    CHECKS[check](ALL[name])


def test_every_phantom_that_returns_phantoms_is_under_contract() -> None:
    makers = {
        name
        for name in phantoms.__all__
        if inspect.isfunction(getattr(phantoms, name))
        and str(inspect.signature(getattr(phantoms, name)).return_annotation) in ("Phantoms", str(Phantoms))
        and "n" in inspect.signature(getattr(phantoms, name)).parameters
    }
    assert makers == set(CASES)


@pytest.fixture(scope="module")
def on_a_poor_processor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every phantom drawn in a process that goes without NumPy's and OpenCV's vector code: one file each."""
    folder = tmp_path_factory.mktemp("poor")
    script = (
        "import sys, pickle, pathlib; from tests.package.test_phantom_contract import ALL, N, SEED\n"
        "for name, case in ALL.items():\n"
        "    pathlib.Path(sys.argv[1], name).write_bytes(pickle.dumps(tuple(case.draw(N, seed=SEED))))\n"
    )
    disabled = ("AVX2", "FMA3", "AVX512F", "AVX512_SKX", "AVX512CD")
    known = [feature for feature in disabled if np._core._multiarray_umath.__cpu_features__.get(feature)]
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(known)}
    command = [sys.executable, "-W", "ignore", "-c", script, str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.mark.parametrize("name", sorted(ALL))
def test_other_processors_draw_the_same(name: str, on_a_poor_processor: Path) -> None:
    """Parameters to 1e-9, masks to 0.1 % of pixels, images within one grey level or 1 HU."""
    full, poor = base(ALL[name]), Phantoms(*pd.read_pickle(on_a_poor_processor / name))
    for here, there in ((full.table, poor.table), (full.lesions, poor.lesions)):
        pd.testing.assert_frame_equal(here, there, rtol=1e-9, atol=1e-9)
    assert (full.masks != poor.masks).mean() <= 1e-3
    assert np.abs(full.images - poor.images).max() <= ALL[name].grey
    if full.anatomy is not None and poor.anatomy is not None:
        assert (full.anatomy != poor.anatomy).mean() <= 1e-3


# Each of these breaks one promise, and the named check must see it.


def _depends_on_the_others(n: int, *, first: int = 0, **settings: Any) -> Phantoms:
    drawn = tiny(n, first=first, **settings)
    return drawn._replace(images=drawn.images + np.float32(1e-6 * n))


def _shows_disease_at_zero(n: int, **settings: Any) -> Phantoms:
    drawn = tiny(n, **settings)
    return tiny(n, **{**settings, "difficulty": "medium"}) if settings.get("difficulty") == 0 else drawn


def _draws_anatomy_by_difficulty(n: int, *, difficulty: str | float = "medium", **settings: Any) -> Phantoms:
    drawn = tiny(n, difficulty=difficulty, **settings)
    return drawn._replace(images=drawn.images + np.float32(0.01 * (difficulty == "medium")))


def _forgets_a_lesion(n: int, **settings: Any) -> Phantoms:
    drawn = tiny(n, **settings)
    return drawn._replace(lesions=drawn.lesions.iloc[1:].reset_index(drop=True))


def _ignores_subgroups(n: int, *, subgroups: Any = (), **settings: Any) -> Phantoms:
    drawn = tiny(n, **settings)
    return drawn._replace(table=drawn.table.assign(subgroup="one"))


def _ignores_the_scanner(n: int, *, sites: Any = (), **settings: Any) -> Phantoms:
    return tiny(n, **settings)


def _records_the_truth(n: int, *, label_noise: Any = 0, **settings: Any) -> Phantoms:
    return tiny(n, **settings)


def _takes_anything(n: int, *, jobs: int = 1, **settings: Any) -> Phantoms:
    return tiny(n, **settings)


def _double(n: int, **settings: Any) -> Phantoms:
    drawn = tiny(n, **settings)
    return drawn._replace(images=drawn.images.astype(np.float64))


def _always_the_same(n: int, *, seed: int = 0, **settings: Any) -> Phantoms:
    return tiny(n, seed=SEED, **settings)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (_depends_on_the_others, "a_patient_does_not_depend_on_who_else_is_drawn"),
        (_shows_disease_at_zero, "zero_difficulty_leaves_nothing_but_the_truth"),
        (_draws_anatomy_by_difficulty, "zero_difficulty_leaves_nothing_but_the_truth"),
        (_forgets_a_lesion, "lesions_agree_with_masks"),
        (_ignores_subgroups, "strata_act"),
        (_ignores_the_scanner, "scanner_noise_and_blur_act"),
        (_ignores_the_scanner, "scanner_gain_and_offset_act"),
        (_records_the_truth, "label_noise_is_as_requested"),
        (_takes_anything, "bad_arguments_are_one_clear_line"),
        (_double, "types_and_shapes"),
        (_always_the_same, "another_seed_draws_others"),
        (_takes_anything, "signature"),
    ],
)
def test_a_broken_promise_is_found(broken: Callable[..., Phantoms], check: str) -> None:
    case = Case(call=broken, grey=1 / 255)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        CHECKS[check](case)
