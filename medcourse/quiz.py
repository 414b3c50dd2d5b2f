"""Quizzes with feedback: jupyterquiz's questions in one output that serves JupyterLab, Colab and the static site.

jupyterquiz names its elements at random, asks a content network for MathJax and is silent to keyboards and screen
readers. Here the output is the same on every run, asks nobody, and each answer is a button that is spoken.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

__all__ = ["load_quiz", "quiz_html", "show_quiz"]

_COLOURS = {
    "--jq-multiple-choice-bg": "#123f5c",
    "--jq-many-choice-bg": "#4a2f66",
    "--jq-numeric-bg": "#1f4a33",
    "--jq-numeric-input-bg": "#33475b",
    "--jq-numeric-input-shadow": "#777777",
    "--jq-mc-button-bg": "#f7f7f7",
    "--jq-mc-button-border": "#8a8a8a",
    "--jq-text-color": "#ffffff",
    "--jq-incorrect-color": "#9c1c1c",
    "--jq-correct-color": "#14602f",
}
_STYLE = """
#ID .Quiz { margin: 0 0 2rem; font-size: 1rem; line-height: 1.45; }
#ID .Quiz > div:first-child { padding: 0.8rem 1rem; }
#ID .MCButton { font: inherit; line-height: 1.35; margin: 0; border-radius: 8px; color: #222222; }
#ID .MCButton:is(.correctButton, .incorrectButton) { color: #ffffff; }
#ID .MCButton:is(:hover, :focus-visible) { outline: 3px solid #e08a00; outline-offset: 2px; }
#ID .InpLabel { float: none; display: block; color: inherit; font-size: 1rem; line-height: 1.4; margin: 0.6rem 0 0; }
#ID .Input-text { margin: 0.4rem 0; font-size: 1.1rem; border: 2px solid #8a8a8a; }
#ID .Input-text:focus-visible { outline: 3px solid #e08a00; outline-offset: 2px; }
#ID .Feedback { font-size: 1rem; line-height: 1.45; text-align: left; border-radius: 8px; }
#ID .Feedback:is(.correct, .incorrect) { padding: 0.6rem 0.9rem; border-left: 6px solid; }
#ID .Feedback.correct { background: #e7f5ec; color: #0d4a22; border-color: #14602f; }
#ID .Feedback.incorrect { background: #fdeeee; color: #7d1414; border-color: #9c1c1c; }
@media (max-width: 600px) { #ID .Answer { grid-template-columns: 1fr; } }
"""
# In jupyterquiz's script: answers are buttons, MathJax is never asked for, the browser's console stays quiet.
_CHANGES = {
    r'createElement\("label"\);\s*lab\.className = "MCButton"': 'createElement("button"); lab.className = "MCButton"',
    r'nodeName != "LABEL"': 'nodeName != "BUTTON"',
    r"// Trigger MathJax typesetting.*?(?=// Prevent link clicks)": "",
    r"typeof MathJax !==? 'undefined'": "false",
    r"(?<!/)console\.log\([^\n]*\);?": "",
}
# Answers lose their hidden radio buttons, fields get names, feedback is a status that screen readers announce.
_MEND = """
(function mend(tries) {
  const box = document.getElementById("ID"), quizzes = box ? box.querySelectorAll(".Quiz") : [];
  if (!quizzes.length) { if (tries) { setTimeout(mend, 200, tries - 1); } return; }
  quizzes.forEach((quiz, i) => {
    const question = quiz.firstElementChild, answers = quiz.querySelector(".Answer");
    const field = answers.querySelector("input.Input-text"), buttons = [...answers.querySelectorAll("button.MCButton")];
    quiz.setAttribute("role", "group");
    quiz.setAttribute("aria-label", `Question ${i + 1} of ${quizzes.length}`);
    question.insertAdjacentHTML("afterbegin", `<strong>${i + 1}. </strong>`);
    question.firstElementChild.nextElementSibling.style.display = "inline";
    quiz.querySelector(".Feedback").setAttribute("role", "status");
    if (field) {
      answers.querySelector("label").htmlFor = field.id;
      field.setAttribute("aria-describedby", question.id);
      field.setAttribute("autocomplete", "off");
    }
    buttons.forEach((button) => {
      const check = button.onclick;
      const say = () => buttons.forEach((b) => b.setAttribute("aria-pressed", /orrectButton/.test(b.className)));
      button.querySelector("input").remove();
      button.type = "button";
      button.onclick = function (event) { check.call(this, event); say(); };
      say();
    });
  });
})(25);
"""


def load_quiz(chapter: str) -> list[dict[str, Any]]:
    """Read a chapter's questions, from the repository or, where there is none, from the installed package.

    Parameters
    ----------
    chapter
        Folder of the chapter in ``book/``, for example ``"03-image-processing"``.

    Returns
    -------
    list of dict
        Questions in jupyterquiz's format.

    Raises
    ------
    FileNotFoundError
        If the chapter has no quiz.

    Notes
    -----
    Taught in: How to use this book. The one source is ``book/<chapter>/quiz.json``; a wheel carries a copy.

    Examples
    --------
    >>> len(load_quiz("03-image-processing"))
    10
    """
    book = Path(__file__).resolve().parents[1] / "book" / chapter / "quiz.json"
    for place in (book, files("medcourse") / "quizzes" / f"{chapter}.json"):
        if place.is_file():
            questions: list[dict[str, Any]] = json.loads(place.read_text("utf-8"))
            return questions
    raise FileNotFoundError(f"chapter={chapter!r} has no quiz; name a chapter's folder, such as '03-image-processing'")


def quiz_html(questions: list[dict[str, Any]], *, name: str) -> str:
    """Build the quiz as one piece of HTML that carries its own style and script.

    Parameters
    ----------
    questions
        Questions in jupyterquiz's format: multiple choice, many choice, numeric.
    name
        Name of the quiz; other quizzes on the same page need other names.

    Returns
    -------
    str
        HTML, the same for the same questions. The order of the answers is shuffled when the page opens.

    Raises
    ------
    RuntimeError
        If the installed jupyterquiz is not the locked one and cannot be adapted.

    Notes
    -----
    Taught in: How to use this book. jupyterquiz's part that typesets formulas is left out: it would load MathJax from
    the network. Write formulas as text or HTML.

    Examples
    --------
    >>> html = quiz_html(load_quiz("03-image-processing"), name="demo")
    >>> html == quiz_html(load_quiz("03-image-processing"), name="demo")
    True
    """
    from jupyterquiz.dynamic import loader, renderer  # type: ignore[import-untyped]

    identity = "quiz" + re.sub(r"\W|_", "", name)
    head, static, url = loader.load_questions_script(questions, identity)
    head = head.replace("</", "<\\/")  # no question may end the script
    script = renderer.build_script(head, static, url, identity, True)
    for pattern, instead in _CHANGES.items():
        script, count = re.subn(pattern, instead, script, flags=re.S)
        if not count:
            raise RuntimeError(
                f"jupyterquiz has changed ({pattern!r} is gone); install the version of requirements/all.txt"
            )
    box = renderer.render_div(identity, False, True, False, len(questions), 720, 8, "left") + "</div>"
    style = renderer.build_styles(identity, _COLOURS).replace("</style>", _STYLE.replace("ID", identity) + "</style>")
    style = re.sub(r"@keyframes (in)?correct-anim", rf"@keyframes \1correct-{identity}", style)
    style = re.sub(r"animation: (in)?correct-anim", rf"animation: \1correct-{identity}", style)
    return f"{box}\n{style}\n<script>\n{script}\n{_MEND.replace('ID', identity)}</script>"


def show_quiz(chapter: str) -> None:
    """Show a chapter's quiz under the cell.

    Parameters
    ----------
    chapter
        Folder of the chapter in ``book/``, for example ``"03-image-processing"``.

    Raises
    ------
    FileNotFoundError
        If the chapter has no quiz.

    Notes
    -----
    Taught in: How to use this book. Needs jupyterquiz.

    Examples
    --------
    >>> show_quiz("no-such-chapter")
    Traceback (most recent call last):
    ...
    FileNotFoundError: chapter='no-such-chapter' has no quiz; name a chapter's folder, such as '03-image-processing'
    """
    from IPython.display import display

    questions = load_quiz(chapter)
    text = f"[quiz of {len(questions)} questions: run this cell, or open the page on the site, to answer them]"
    display({"text/html": quiz_html(questions, name=chapter), "text/plain": text}, raw=True)
