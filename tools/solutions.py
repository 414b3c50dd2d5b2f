"""What the editions of one source differ in: solutions and teaching notes, removed or kept in dropdowns.

A line walker follows MyST's fences, so that a solution shown as an example inside a code block stays, and one nested
in another directive goes. What the walker cannot remove for certain is an error, never a leak.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from tools.page import Cell, PageError

_OPEN = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|:{3,}|~{3,})\s*(?:\{(?P<name>[\w:-]+)\})?(?P<rest>.*)$")
_HIDDEN = re.compile(r"^[\s>*+\d.)-]*(?:`{3,}|:{3,}|~{3,})\s*\{solution(?:-start|-end)?\}")
_REGION = re.compile(r"^\s*#+ BEGIN (?:SOLUTION|HIDDEN TESTS)", re.M)


def without_solutions(name: str, cells: list[Cell]) -> list[Cell]:
    """The student edition: plain and gated solutions, the code cells between them, and teaching notes are absent.

    Raises
    ------
    PageError
        Where a gate stays open, a fence never closes, or a solution stands where it cannot be removed for certain.
    """
    kept: list[Cell] = []
    gated = False
    for number, cell in enumerate(cells, 1):
        if cell.kind == "code":
            if gated:
                continue
            if _REGION.search(cell.source):
                raise PageError(f"{name}: cell {number} holds a solution region; only the lab page may have one")
            kept.append(cell)
            continue
        source, gated = _stripped(name, cell.source, gated)
        if source.strip():
            kept.append(replace(cell, source=source.strip("\n")))
    if gated:
        raise PageError(f"{name}: {{solution-start}} without {{solution-end}}; close the solution")
    return kept


def with_dropdowns(cells: list[Cell]) -> list[Cell]:
    """The instructor edition: every solution and teaching note folded, whatever its author wrote."""
    return [cell if cell.kind == "code" else replace(cell, source=_folded(cell.source)) for cell in cells]


def _stripped(name: str, text: str, gated: bool) -> tuple[str, bool]:
    """Text without what the student edition lacks, and whether a gate is still open at its end."""
    out: list[str] = []
    for kind, directive, found in _blocks(name, text):
        block = found
        if kind == "line":
            if not gated and _HIDDEN.match(block[0]):
                raise PageError(f"{name}: a solution is left at '{block[0].strip()}'; let it begin its own line")
            wanted = not gated
        elif directive == "solution-start":
            if gated:
                raise PageError(f"{name}: {{solution-start}} inside another solution; close the first one")
            gated, wanted = True, False
        elif directive == "solution-end":
            if not gated:
                raise PageError(f"{name}: {{solution-end}} without {{solution-start}}; mend the solution")
            gated, wanted = False, False
        else:
            wanted = not gated and directive != "solution" and not _is_teaching_note(block)
            if wanted and directive and kind == "fence":
                inner, open_gate = _stripped(name, "\n".join(block[1:-1]), False)
                if open_gate:
                    raise PageError(f"{name}: {{solution-start}} inside {{{directive}}}; put it outside")
                block = [block[0], *([inner] if inner else []), block[-1]]
        if wanted:
            out += block
    return "\n".join(out), gated


def _folded(text: str) -> str:
    out: list[str] = []
    for kind, directive, block in _blocks("", text):
        fold = kind == "fence" and (directive in ("solution", "solution-start") or _is_teaching_note(block))
        out += _with_class(block, "dropdown") if fold else block
    return "\n".join(out)


def _blocks(name: str, text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Lines, and whole fences with the name of their directive ('' for a code block)."""
    lines = text.split("\n")
    i = 0
    while i < len(lines):
        match = _OPEN.match(lines[i])
        if match is None or (match["fence"][0] == ":" and not match["name"]):
            yield "line", "", [lines[i]]
            i += 1
            continue
        fence = match["fence"]
        close = re.compile(rf"^ *{re.escape(fence[0])}{{{len(fence)},}}\s*$")
        end = next((j for j in range(i + 1, len(lines)) if close.match(lines[j])), None)
        if end is None:
            raise PageError(f"{name}: the fence '{lines[i].strip()}' never closes; close it in the same cell")
        yield "fence", match["name"] or "", lines[i : end + 1]
        i = end + 1


def _options(block: list[str]) -> list[int]:
    """Positions of the option lines of a directive."""
    if len(block) > 1 and block[1].strip() == "---":
        end = next((j for j in range(2, len(block)) if block[j].strip() == "---"), 1)
        return list(range(1, end + 1))
    found = []
    for j in range(1, len(block) - 1):
        if not re.match(r"^\s*:[\w-]+:", block[j]):
            break
        found.append(j)
    return found


def _is_teaching_note(block: list[str]) -> bool:
    return any(re.search(r"\bclass:.*\bteaching-note\b", block[j]) for j in _options(block))


def _with_class(block: list[str], name: str) -> list[str]:
    for j in _options(block):
        if match := re.match(r"^(\s*:?class:)(.*)$", block[j]):
            classes = match[2].split()
            if name not in classes:
                block = [*block[:j], f"{match[1]} {' '.join([*classes, name])}", *block[j + 1 :]]
            return block
    return [block[0], f":class: {name}", *block[1:]]
