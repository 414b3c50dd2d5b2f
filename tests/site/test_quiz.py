"""The quiz in a real browser: keyboard, feedback, accessibility, no request."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from medcourse.quiz import load_quiz, quiz_html

FRAME = """<!doctype html><html lang="en"><head><meta name="viewport" content="width=device-width"><title>Quiz</title>
</head><body style="background: {paper}; color: {ink}; font-family: sans-serif"><main><h1>Quiz</h1>
{quiz}</main></body></html>"""


def opened(browser: Browser, folder: Path, *, dark: bool = False, width: int = 1000) -> tuple[Page, list[str]]:
    """A page that holds the stored output and nothing else, and what it asked for or complained about."""
    paper, ink = ("#14181e", "#eeeeee") if dark else ("#ffffff", "#222222")
    html = quiz_html(load_quiz("03-image-processing"), name="03-image-processing")
    (folder / "quiz.html").write_text(FRAME.format(paper=paper, ink=ink, quiz=html), "utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900})
    heard: list[str] = []
    page.on("request", lambda request: heard.append(request.url))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("console", lambda message: heard.append(message.text))
    page.goto((folder / "quiz.html").as_uri())
    page.wait_for_selector("button.MCButton")
    return page, heard


def test_quiz_is_answered_by_keyboard_alone_and_asks_nobody(browser: Browser, tmp_path: Path) -> None:
    page, heard = opened(browser, tmp_path)
    questions = page.locator(".Quiz")
    assert questions.count() == 10
    page.keyboard.press("Tab")
    chosen = page.evaluate("document.activeElement.innerText")
    page.keyboard.press("Enter")
    meant = {a["answer"]: a["feedback"] for a in load_quiz("03-image-processing")[0]["answers"]}
    assert questions.nth(0).get_by_role("status").inner_text() == meant[chosen]
    assert questions.nth(0).locator("[aria-pressed=true]").inner_text() == chosen
    page.get_by_role("textbox").nth(0).focus()
    page.keyboard.type("191")
    page.keyboard.press("Enter")
    assert "plain formula" in questions.nth(1).get_by_role("status").inner_text()
    page.get_by_role("textbox").nth(1).focus()
    page.keyboard.type("-160")
    page.keyboard.press("Enter")
    assert questions.nth(4).get_by_role("status").inner_text().startswith("Yes. ")
    assert heard == [page.url]
    page.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1000, 390])
def test_quiz_is_accessible_before_and_after_answers(browser: Browser, tmp_path: Path, dark: bool, width: int) -> None:
    page, _ = opened(browser, tmp_path, dark=dark, width=width)
    for answered in (False, True):
        if answered:
            for i, question in enumerate(page.locator(".Quiz").all()):
                buttons = question.locator("button.MCButton")
                if buttons.count():
                    buttons.nth(i % 4).click()
                else:
                    question.locator("input").fill("7")
                    question.locator("input").press("Enter")
            page.wait_for_timeout(1000)  # colours have faded in
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
        assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
