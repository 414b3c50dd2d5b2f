"""Bars are for people: on a terminal and in a notebook they run, never where nobody looks or outputs are stored."""

from __future__ import annotations

import sys
import types

import pytest

from medcourse.data._progress import bar, is_shown


@pytest.fixture(autouse=True)
def _no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDCOURSE_PROGRESS", raising=False)


def as_terminal(monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: answer)


def as_notebook(monkeypatch: pytest.MonkeyPatch, kernel: object | None) -> None:
    shell = types.SimpleNamespace(kernel=kernel)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))


def test_shown_on_a_terminal_and_in_a_notebook_only(monkeypatch: pytest.MonkeyPatch) -> None:
    as_terminal(monkeypatch, False)
    as_notebook(monkeypatch, None)  # IPython in a script or on a pipe
    assert not is_shown(None)
    as_notebook(monkeypatch, object())
    assert is_shown(None)
    as_notebook(monkeypatch, None)
    as_terminal(monkeypatch, True)
    assert is_shown(None)


def test_that_test_tools_load_ipykernel_makes_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    as_terminal(monkeypatch, False)
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    assert not is_shown(None)


def test_tools_that_store_outputs_silence_it_and_who_asks_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    as_terminal(monkeypatch, True)
    as_notebook(monkeypatch, object())
    monkeypatch.setenv("MEDCOURSE_PROGRESS", "0")
    assert not is_shown(None)
    assert is_shown(True)
    monkeypatch.delenv("MEDCOURSE_PROGRESS")
    assert not is_shown(False)


@pytest.mark.parametrize("progress", [False, True, None])
def test_bar_hands_on_all_items_in_order(progress: bool | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(bar(iter("abc"), total=3, unit="letter", progress=progress)) == ["a", "b", "c"]
    shown = capsys.readouterr()
    assert shown.out == ""
    assert ("letter" in shown.err) == (progress is True)
