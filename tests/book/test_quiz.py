"""Every quiz: its format, feedback that teaches, an output that does not change. Truth: test_quiz_truth.py."""

from __future__ import annotations

import json
import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from medcourse import quiz
from tools.page import ROOT

QUIZZES: dict[str, list[dict[str, Any]]] = {
    path.parent.name: json.loads(path.read_text("utf-8")) for path in sorted((ROOT / "book").glob("*/quiz.json"))
}
CHAPTERS = list(QUIZZES)
QUESTIONS = [question for questions in QUIZZES.values() for question in questions]
KINDS = {"multiple_choice", "many_choice", "numeric"}


def answers() -> list[tuple[str, dict[str, Any]]]:
    return [(question["name"], answer) for question in QUESTIONS for answer in question["answers"]]


# Format and feedback


def test_there_is_a_quiz_for_each_page_that_shows_one() -> None:
    shown = [path.parent.name for path in sorted((ROOT / "book").glob("*/quiz.md"))]
    assert shown == CHAPTERS
    assert len(CHAPTERS) >= 2


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_ten_questions_of_several_kinds(chapter: str) -> None:
    questions = QUIZZES[chapter]
    assert len({question["name"] for question in questions}) == len(questions) == 10
    assert {question["type"] for question in questions} == KINDS
    numeric = sum(question["type"] == "numeric" for question in questions)
    page = (ROOT / "book" / chapter / "quiz.md").read_text("utf-8")
    assert f"{['No', 'One', 'Two', 'Three', 'Four'][numeric]} questions want a number" in page
    assert f'show_quiz("{chapter}")' in page


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


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_right_answer_does_not_stand_out_by_its_length(chapter: str) -> None:
    longest = [
        max(question["answers"], key=lambda answer: len(answer["answer"]))["correct"]
        for question in QUIZZES[chapter]
        if question["type"] == "multiple_choice"
    ]
    assert sum(longest) <= len(longest) / 2


# The output


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_output_is_the_same_each_time_and_asks_nobody(chapter: str) -> None:
    first, second = (quiz.quiz_html(QUIZZES[chapter], name=chapter) for _ in range(2))
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
    monkeypatch.setattr(quiz, "__file__", str(package / "quiz.py"))
    monkeypatch.setattr(quiz, "files", lambda name: tmp_path / "installed" / name)
    assert {path.stem for path in (package / "quizzes").iterdir()} == set(CHAPTERS)
    assert {chapter: quiz.load_quiz(chapter) for chapter in CHAPTERS} == QUIZZES
