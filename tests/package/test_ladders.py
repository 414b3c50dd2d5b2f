"""The stored observer ladders climb, stand on enough patients, and are what the phantoms still give."""

from __future__ import annotations

import inspect
import json
import math
from functools import cache
from importlib import import_module
from pathlib import Path
from statistics import NormalDist
from typing import Any, Self

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.ladders import Observed, _driver
from medcourse.data import phantoms
from tests.package.phantom_cases import CASES
from tools import cards

STORED: dict[str, Any] = json.loads(_driver.RESULT.read_text("utf-8"))["tasks"] if _driver.RESULT.exists() else {}
TASKS = _driver.tasks()
RUNGS = ("contrast", "features", "ceiling")
PATIENTS, SEED = 160, 3000  # of neither the training nor the test patients
each = pytest.mark.parametrize("task", TASKS)


def entry(task: str) -> dict[str, Any]:
    assert task in STORED, f"no ladder stored for {task}: make bench MEASURE=ladders"
    return STORED[task]


@cache
def again(task: str) -> Observed:
    """The task at medium on a few other patients, without a ceiling that takes minutes."""
    options = _driver.without_slow_ceiling(task)
    return _driver.observe(task, n=PATIENTS, seed=SEED, difficulty="medium", **options)


def quantile(tests: int, level: float = 0.05) -> float:
    """Of the normal distribution, so that of so many true statements all hold with probability 1 - level."""
    return NormalDist().inv_cdf(1 - level / (2 * tests))


def test_every_phantom_has_a_ladder_and_every_ladder_a_phantom() -> None:
    assert set(cards.TASKS) == set(TASKS)
    drawn = {name for names in cards.TASKS.values() for name in names}
    assert set(CASES) <= drawn <= set(phantoms.__all__)


def test_stored_are_the_tasks_that_there_are() -> None:
    assert sorted(STORED) == TASKS, "make bench MEASURE=ladders"


@each
def test_ladder_stands_on_two_thousand_independent_patients(task: str) -> None:
    stored = entry(task)
    assert stored["patients"] == {"train": 2000, "test": 2000}
    assert stored["seeds"]["train"] != stored["seeds"]["test"]
    for level in ("easy", "medium", "hard"):
        for rung in RUNGS:
            found = stored["rungs"][level][rung]
            assert found["patients"] == 2000
            assert found["low"] <= found["auc"] <= found["high"]


@each
def test_nothing_is_seen_where_nothing_is(task: str) -> None:
    chance = entry(task)["chance"]
    assert abs(chance["auc"] - 0.5) < quantile(len(TASKS)) * chance["se"]


@each
def test_ladder_climbs(task: str) -> None:
    """Each rung is above the one below, beyond doubt at medium; and what is easier is seen better."""
    stored = entry(task)
    assert stored["rungs"]["medium"]["contrast"]["low"] > stored["chance"]["high"]
    for step in ("features over contrast", "ceiling over features"):  # on the same images: their difference
        assert stored["steps"]["medium"][step]["low"] > 0
    for level in ("easy", "medium", "hard"):
        contrast, features, ceiling = (stored["rungs"][level][rung]["auc"] for rung in RUNGS)
        assert 0.5 < contrast < features < ceiling <= 1
    for rung in RUNGS:
        hard, medium, easy = (stored["rungs"][level][rung] for level in ("hard", "medium", "easy"))
        assert hard["auc"] < easy["auc"]
        # Neighbours may be nearer than 2,000 patients can tell apart, but never the wrong way round beyond that.
        assert hard["low"] < medium["auc"]
        assert medium["low"] < easy["auc"]


@each
def test_observed_is_what_the_driver_takes(task: str) -> None:
    seen = again(task)
    rows, columns = seen.features.shape
    assert rows >= PATIENTS
    assert set(seen.patient.tolist()) == set(range(PATIENTS))
    assert set(seen.label.tolist()) == {0, 1}
    assert columns == len(set(seen.names)) == len(seen.names)
    assert 8 <= columns <= 15
    for scores in (seen.contrast, seen.ceiling, *seen.features.T):
        assert scores.shape == (rows,)
        assert np.isfinite(scores).all()


@each
def test_other_patients_give_the_stored_figures(task: str) -> None:
    """With the stored model, on a few new patients: within what both samples leave open, over all tasks and rungs."""
    stored, seen = entry(task), again(task)
    model = stored["models"]["medium"]
    assert model["names"] == seen.names
    fresh = _driver.measure(seen, model)
    assert set(fresh) >= {"contrast", "features"}
    wide = quantile(len(TASKS) * len(RUNGS), level=1e-3)
    for rung, found in fresh.items():
        kept = stored["rungs"]["medium"][rung]
        if found["auc"] == 1 or kept["auc"] == 1:  # no spread to go by: what so many patients can vouch for
            assert min(found["auc"], kept["auc"]) > min(found["low"], kept["low"]) - wide * max(found["se"], kept["se"])
            continue
        spread = math.hypot(*(one["se"] / (one["auc"] * (1 - one["auc"])) for one in (found, kept)))
        assert abs(logit(found["auc"]) - logit(kept["auc"])) < wide * spread, rung


def logit(share: float) -> float:
    return math.log(share / (1 - share))


# The driver, on observers whose scores are known.


def normal(n: int, *, shift: float, seed: int, each: int = 1) -> Observed:
    """Scores that are normal, shifted by `shift` deviations in the ill; five features, three of them noise."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(n) % 2, each)
    features = rng.normal(size=(n * each, 5)) * [1, 10, 1, 0.1, 1] + [0, 50, 0, 0, -3]
    features[:, :2] += shift * label[:, None] * [1, 10]
    score = rng.normal(size=n * each) + shift * label
    return Observed(label, np.repeat(np.arange(n), each), score, features, 3 * score + 1, list("abcde"))


def test_driver_reaches_the_auc_of_theory() -> None:
    train, test = normal(2000, shift=0.8, seed=1), normal(2000, shift=0.8, seed=2)
    rungs = _driver.measure(test, _driver.train(train))
    for rung, shift in (("contrast", 0.8), ("features", 0.8 * math.sqrt(2))):
        expected = NormalDist().cdf(shift / math.sqrt(2))
        assert abs(rungs[rung]["auc"] - expected) < 4 * rungs[rung]["se"]
        assert 0.005 < rungs[rung]["se"] < 0.015
    assert rungs["ceiling"]["auc"] == pytest.approx(rungs["contrast"]["auc"])
    assert rungs["contrast"]["patients"] == 2000
    assert rungs["contrast"]["positive"] == 1000


def test_driver_states_steps_on_the_same_images() -> None:
    seen = normal(600, shift=0.8, seed=7, each=2)
    model = _driver.train(normal(600, shift=0.8, seed=8))
    rungs, found = _driver.measure(seen, model), _driver.steps(seen, model)
    up, level = found["features over contrast"], found["ceiling over features"]
    assert up["difference"] == pytest.approx(rungs["features"]["auc"] - rungs["contrast"]["auc"])
    assert 0 < up["low"] < up["difference"] < up["high"]
    assert level["difference"] == pytest.approx(-up["difference"]), "this ceiling is the contrast in other units"
    assert rungs["contrast"]["patients"] == 600
    assert rungs["contrast"]["positive"] == 600


def test_driver_trains_as_scikit_learn_does() -> None:
    train, test = normal(300, shift=0.5, seed=3), normal(300, shift=0.5, seed=4)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)).fit(train.features, train.label)
    theirs = roc_auc_score(test.label, pipeline.predict_proba(test.features)[:, 1])
    ours = roc_auc_score(test.label, _driver.apply(_driver.train(train), test.features))
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_interval_where_the_classes_are_apart_says_what_patients_can_vouch_for() -> None:
    label, patient = np.arange(100) % 2, np.arange(100)
    found = _driver.interval(label, label * 1.0, patient)
    assert (found["auc"], found["high"]) == (1.0, 1.0)
    assert found["low"] == pytest.approx(0.9289, abs=1e-4)  # 0.025 ** (1 / 50)


def test_a_score_that_says_nothing_has_no_rung() -> None:
    seen = normal(100, shift=0.5, seed=5)._replace(ceiling=np.zeros(100))
    assert set(_driver.measure(seen, _driver.train(seen))) == {"contrast", "features"}


def test_driver_goes_on_where_it_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything but one draw is there: only that is drawn, and other tasks' results stay."""
    kept, out = tmp_path / "kept", tmp_path / "out.json"
    out.write_text(json.dumps({"tasks": {"other": {"chance": 1}}}))
    monkeypatch.setattr(_driver, "ProcessPoolExecutor", lambda *_, **__: Here())
    monkeypatch.setattr(_driver, "as_completed", list)
    monkeypatch.setattr(_driver, "fingerprint", lambda task: "code")
    monkeypatch.setattr(_driver, "without_slow_ceiling", lambda task: {"ceiling": False})
    asked = []

    def observe(task: str, *, n: int, seed: int, difficulty: str | float, ceiling: bool = True) -> Observed:
        asked.append((n, seed, difficulty))
        assert ceiling == (seed == 2000), "the ceiling judges the test patients only"
        return normal(n, shift=_driver.DIFFICULTIES["0"] if difficulty == 0 else 1.0, seed=seed)

    monkeypatch.setattr(_driver, "observe", observe)
    result = _driver.run(["task"], n=60, out=out, kept=kept)
    assert len(asked) == 8
    assert set(result["tasks"]) == {"other", "task"}
    assert result["tasks"]["task"]["chance"] == result["tasks"]["task"]["rungs"]["0"]["features"]
    next(kept.glob("task-hard-test-*.npz")).unlink()
    asked.clear()
    assert _driver.run(["task"], n=60, out=out, kept=kept) == result
    assert asked == [(60, 2000, "hard")]
    asked.clear()
    assert _driver.run(["task"], n=60, out=out, kept=kept) == result
    assert asked == []
    assert [path.name for path in tmp_path.iterdir()].count("out.json.new") == 0


class Here:
    """A pool of processes that is this process."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, function: Any, *arguments: Any) -> Done:
        return Done(function(*arguments))


class Done:
    def __init__(self, value: Any) -> None:
        self.value = value

    def result(self) -> Any:
        return self.value


def test_fingerprint_follows_the_code_and_not_its_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    task = TASKS[0]
    source = inspect.getsource
    ladder = import_module(f"benchmarks.ladders.{task}")

    def digest(change: Any, target: Any) -> str:
        _driver.fingerprint.cache_clear()
        with monkeypatch.context() as patched:
            patched.setattr(inspect, "getsource", lambda m: change(source(m)) if m is target else source(m))
            return _driver.fingerprint(task)

    cohort = import_module("medcourse.data.phantoms._cohort")
    stranger = import_module("medcourse.data.phantoms.patches")
    same = digest(lambda text: text, None)
    assert digest(lambda text: text + "\n# a remark\n", ladder) == same
    assert digest(lambda text: text + "\nx = 1\n", ladder) != same
    assert digest(lambda text: text + "\nx = 1\n", cohort) != same, "what it imports counts too"
    assert digest(lambda text: text + "\nx = 1\n", stranger) == same, "what it does not import does not"
    _driver.fingerprint.cache_clear()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such_task"], "no_such_task is no task; choose of"),
        (["--patients", "50"], "the stored ladders have 2000 patients; give --out for a trial"),
    ],
)
def test_driver_refuses(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _driver.main(arguments) == 1
    assert message in capsys.readouterr().err
