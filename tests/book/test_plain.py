"""MyST to plain Markdown: what JupyterLab and Colab would print literally never gets through."""

from __future__ import annotations

import pytest

from tools.page import PageError
from tools.plain import LEFT_OVER, Context, equation_numbers, to_plain

SITE = "https://example.org/book"


def cite(keys: str, textual: bool) -> str:
    return f"<{keys}|{textual}>"


def plain(source: str, **changes: object) -> str:
    context = Context("03-x/3-1-1-page", SITE, cite, equation_numbers([source]))
    for name, value in changes.items():
        setattr(context, name, value)
    return to_plain(source, context)


@pytest.mark.parametrize("fence", ["```", ":::"])
def test_admonitions_become_quotes(fence: str) -> None:
    text = plain(f"before\n\n{fence}{{note}}\n**bold** text\n\nmore\n{fence}\n\nafter")
    assert text == "before\n\n> **Note**\n>\n> **bold** text\n>\n> more\n\nafter"


def test_own_titles_are_kept_and_teaching_notes_dropped() -> None:
    assert plain(":::{admonition} Key points\n:class: tip\n- one\n:::").startswith("> **Key points**")
    assert plain(":::{admonition} Teaching note\n:class: teaching-note\nAsk the room.\n:::") == ""


def test_exercise_is_a_headed_block() -> None:
    text = plain("```{exercise} Dose\n:label: ex-dose\n:nonumber:\n\nWhich vanishes?\n```")
    assert text == "#### Exercise: Dose\n\nWhich vanishes?"


def test_plain_solution_is_folded() -> None:
    text = plain("```{solution} ex-dose\n:class: dropdown\nThe small one.\n```")
    assert text == "<details><summary>Solution</summary>\n\nThe small one.\n\n</details>"


def test_gated_solution_is_folded_cell_by_cell() -> None:
    context = Context("p", SITE, cite)
    first = to_plain("```{solution-start} ex\n:class: dropdown\n```\n\nBecause:", context)
    assert first == "<details><summary>Solution</summary>\n\nBecause:\n\n</details>"
    assert context.in_solution
    middle = to_plain("and so", context)
    assert middle == "<details><summary>Solution, continued</summary>\n\nand so\n\n</details>"
    assert to_plain("```{solution-end}\n```\n\n## Next", context) == "## Next"
    assert not context.in_solution
    assert to_plain("plain again", context) == "plain again"


def test_gated_solution_with_last_words_before_its_end() -> None:
    context = Context("p", SITE, cite, in_solution=True)
    text = to_plain("last words\n\n```{solution-end}\n```\n\n## Next", context)
    assert text == "<details><summary>Solution, continued</summary>\n\nlast words\n\n</details>\n\n## Next"


def test_roles_become_links() -> None:
    assert plain("{term}`Hounsfield unit`") == f"[Hounsfield unit]({SITE}/glossary.html#term-Hounsfield-unit)"
    assert plain("{term}`units <Hounsfield unit>`") == f"[units]({SITE}/glossary.html#term-Hounsfield-unit)"
    assert plain("{term}`Hounsfield\nunit`") == f"[Hounsfield unit]({SITE}/glossary.html#term-Hounsfield-unit)"
    assert plain("{cite:t}`a,b` {cite:p}`c`") == "<a,b|True> <c|False>"
    assert plain("{ref}`here <sec-x>`") == f"[here]({SITE}/03-x/3-1-1-page.html#sec-x)"


def test_links_to_pages_become_links_to_the_site() -> None:
    assert plain("[CT](../01-overview/1-4-1-ct.md#dose)") == f"[CT]({SITE}/01-overview/1-4-1-ct.html#dose)"
    assert plain("[web](https://x.org/a.md)") == "[web](https://x.org/a.md)"


def test_equations_are_numbered_and_referred_to() -> None:
    assert plain("$$ a = b $$ (eq-a)\n\nby {eq}`eq-a`") == "$$ a = b \\tag{1}$$\n\nby (1)"
    assert plain("$$\na = b\n$$ (eq-a)\n\n(section)=\n## S") == "$$\na = b\n\\tag{1}$$\n\n## S"


def test_code_is_left_alone() -> None:
    source = '`{term}` and `` {cite:p}`x` ``\n\n```python\nf"{name}`x`"  # [a](b.md)\n```'
    assert plain(source) == source


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("```{tabs}\nx\n```", "tabs"),
        ("{numref}`x`", "numref"),
        ("{eq}`nowhere`", "names no equation"),
        ("[x](figure.png)", "no page of the book"),
        (":::{note}\nnever closed", "never closed"),
        (":::{note}\n```{math}\nx\n```\n:::", "lies inside"),
        ("```{solution-end}\n```", "without solution-start"),
    ],
)
def test_what_has_no_plain_form_is_an_error_naming_the_page(source: str, message: str) -> None:
    with pytest.raises(PageError, match=f"03-x/3-1-1-page: .*{message}"):
        plain(source)


@pytest.mark.parametrize("text", ["{term}`x`", "```{note}\n```", ":::{tip}\n:::", "(label)=", "a\n\n:::\n", "% hidden"])
def test_the_guard_sees_left_over_myst(text: str) -> None:
    assert LEFT_OVER.search(text)


@pytest.mark.parametrize("text", ["$\\{x\\}$ `code`", "(see)=not a label", "> **Note**", "f(x) = 2", "100 % sure"])
def test_the_guard_leaves_markdown_alone(text: str) -> None:
    assert not LEFT_OVER.search(text)
