"""The quiz of chapter 3: its format, feedback that teaches, true answers, an output that does not change."""

from __future__ import annotations

import json
import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medcourse import quiz
from medcourse.data import dicom
from tools.page import ROOT

SOURCE = ROOT / "book" / "03-image-processing" / "quiz.json"
QUESTIONS: list[dict[str, Any]] = json.loads(SOURCE.read_text("utf-8"))
BY_NAME = {question["name"]: question for question in QUESTIONS}
KINDS = {"multiple_choice", "many_choice", "numeric"}


def answers() -> list[tuple[str, dict[str, Any]]]:
    return [(question["name"], answer) for question in QUESTIONS for answer in question["answers"]]


def said(name: str, number: float) -> dict[str, Any]:
    """What jupyterquiz finds for a typed number: the first range that holds it, else the default."""
    for answer in BY_NAME[name]["answers"]:
        if "range" in answer and answer["range"][0] <= number < answer["range"][1]:
            return answer
    return next(answer for answer in BY_NAME[name]["answers"] if answer["type"] == "default")


def true_ones(name: str) -> list[str]:
    return [answer["answer"] for answer in BY_NAME[name]["answers"] if answer["correct"]]


# Format and feedback


def test_ten_questions_of_several_kinds() -> None:
    assert len(BY_NAME) == len(QUESTIONS) == 10
    assert set(Counter(question["type"] for question in QUESTIONS)) == KINDS


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["name"])
def test_question_has_the_form_that_jupyterquiz_reads(question: dict[str, Any]) -> None:
    assert set(question) == {"name", "question", "type", "answers"}
    right = [answer for answer in question["answers"] if answer.get("correct") is True]
    if question["type"] == "numeric":
        assert question["answers"][-1]["type"] == "default"
        ranges = [answer["range"] for answer in question["answers"][:-1]]
        assert all(low < high for low, high in ranges)
        assert all(a[1] <= b[0] or b[1] <= a[0] for i, a in enumerate(ranges) for b in ranges[:i])
        assert "press enter" in question["question"].lower()
    else:
        assert all(set(answer) == {"answer", "correct", "feedback"} for answer in question["answers"])
        assert len(question["answers"]) >= 4
    assert len(right) == 1 if question["type"] != "many_choice" else 1 < len(right) < len(question["answers"])
    text = json.dumps(question)
    assert "$" not in text, "formulas would need MathJax"


@pytest.mark.parametrize(("name", "answer"), answers())
def test_every_answer_is_met_with_a_reason(name: str, answer: dict[str, Any]) -> None:
    right = answer.get("correct") is True
    assert answer["feedback"].startswith("Yes. " if right else "No. ")
    assert len(answer["feedback"].split()) >= 10, f"{name}: say why"


def test_no_feedback_is_given_twice() -> None:
    counted = Counter(answer["feedback"] for _, answer in answers())
    assert [text for text, times in counted.items() if times > 1] == []


def test_the_right_answer_does_not_stand_out_by_its_length() -> None:
    longest = [
        max(question["answers"], key=lambda answer: len(answer["answer"]))["correct"]
        for question in QUESTIONS
        if question["type"] == "multiple_choice"
    ]
    assert sum(longest) <= len(longest) / 2


# Truth


def test_opencv_question_by_opencv_itself() -> None:
    image = np.repeat(np.array([0, 1, 2], np.uint8), [4, 8, 4]).reshape(4, 4)
    level = int(cv2.equalizeHist(image)[image == 1][0])
    assert said("opencv", level)["correct"] is True
    plain = 255 * np.mean(image <= 1)
    assert "plain formula" in said("opencv", round(plain))["feedback"]
    assert "cumulative" in said("opencv", round(255 * np.mean(image == 1)))["feedback"]


def test_window_question_by_dicom_formula() -> None:
    hu = np.arange(-1000, 1000)
    grey = dicom.window(hu, centre=40, width=400)
    assert said("window", int(hu[grey == 0].max()))["correct"] is True
    assert said("window", -160)["correct"] is True
    assert "whole width" in said("window", 40 - 400)["feedback"]
    assert "white" in said("window", int(hu[grey == 255].min()) + 1)["feedback"]
    assert "lower end" in said("window", -77)["feedback"]


def test_area_question_by_multiplication() -> None:
    assert said("area", 300 * 0.7 * 0.9)["correct"] is True
    for wrong, word in {300: "count", 300 * 0.49: "row spacing", 300 * 0.81: "column", 300 * 0.64: "mean"}.items():
        assert said("area", wrong)["correct"] is False
        assert word in said("area", wrong)["feedback"]


def test_air_question_by_padding() -> None:
    image = np.random.default_rng(0).integers(0, 200, (40, 40)).astype(np.uint8)
    muscle = 120
    ranks = [np.mean(np.pad(image, air) <= muscle) for air in (0, 5, 20)]
    assert ranks[0] < ranks[1] < ranks[2]
    assert true_ones("air") == ["It becomes brighter"]


def test_monotone_questions_by_a_strictly_rising_map() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 500)
    grey = rng.normal(100, 10, 1000) + 8 * truth

    def contrast_and_cnr(values: np.ndarray) -> tuple[float, float]:
        difference = values[truth == 1].mean() - values[truth == 0].mean()
        return difference, difference / values[truth == 0].std()

    mapped = np.exp(grey / 30)
    assert roc_auc_score(truth, mapped) == roc_auc_score(truth, grey)
    assert all(abs(a / b - 1) > 0.01 for a, b in zip(contrast_and_cnr(mapped), contrast_and_cnr(grey), strict=True))
    assert np.array_equal(mapped > np.exp(105 / 30), grey > 105)
    assert true_ones("auc") == ["It stays the same"]
    assert len(true_ones("monotone")) == 3
    assert not any("threshold" in answer or "brighter" in answer for answer in true_ones("monotone"))


def test_specification_question_by_doing_it() -> None:
    rng = np.random.default_rng(0)
    image, reference = np.sort(rng.normal(50, 5, 4000)), np.sort(rng.gamma(3, 20, 4000))
    rank = np.searchsorted(image, image, side="right") / image.size  # F
    matched = np.quantile(reference, rank)  # the inverse of G
    assert np.allclose(np.quantile(matched, [0.1, 0.5, 0.9]), np.quantile(reference, [0.1, 0.5, 0.9]), rtol=0.01)
    assert true_ones("specification")[0].startswith("G<sup>−1</sup>(F(r))")


# The output


def test_output_is_the_same_each_time_and_asks_nobody() -> None:
    first, second = (quiz.quiz_html(QUESTIONS, name="03-image-processing") for _ in range(2))
    assert first == second
    assert not re.search(r"https?:|//cdn|src=", first)
    assert len(first) < 80_000
    assert first.count("<div") == first.count("</div>") == 1


def test_no_question_can_end_the_script() -> None:
    question = {**QUESTIONS[0], "question": "a </script><b>"}
    assert quiz.quiz_html([question], name="x").count("</script>") == 1


def test_shown_as_one_bundle_with_a_text_for_those_without_html(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, str]] = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: shown.append(bundle) if raw else None)
    quiz.show_quiz("03-image-processing")
    (bundle,) = shown
    assert set(bundle) == {"text/html", "text/plain"}
    assert "10 questions" in bundle["text/plain"]


def test_another_jupyterquiz_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(quiz._CHANGES, "never found", "")
    with pytest.raises(RuntimeError, match=r"install the version of requirements/all\.txt"):
        quiz.quiz_html(QUESTIONS, name="x")


def test_a_wheel_carries_the_questions_for_colab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Colab installs medcourse from the repository's archive, where no book lies beside the package."""
    from hatchling.builders.wheel import WheelBuilder

    wheel = next(iter(WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    package = tmp_path / "installed" / "medcourse"
    assert json.loads((package / "quizzes" / "03-image-processing.json").read_text("utf-8")) == QUESTIONS
    monkeypatch.setattr(quiz, "__file__", str(package / "quiz.py"))
    monkeypatch.setattr(quiz, "files", lambda name: tmp_path / "installed" / name)
    assert quiz.load_quiz("03-image-processing") == QUESTIONS
