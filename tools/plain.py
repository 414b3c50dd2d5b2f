"""MyST text to the plain Markdown that JupyterLab and Colab show as it should look.

An allow-list: a directive or role that is not known here is an error with its page, never left-over MyST.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tools.page import PageError

ADMONITIONS = {
    "note": "Note",
    "tip": "Tip",
    "important": "Important",
    "warning": "Warning",
    "caution": "Caution",
    "seealso": "See also",
}
_FENCE = re.compile(r"^(?P<fence>`{3,}|:{3,}|~{3,})(?:\{(?P<name>[\w:-]+)\}\s*(?P<argument>.*)|(?P<info>.*))$")
_OPTION = re.compile(r"^:([\w-]+):\s*(.*)$")
_LABEL = re.compile(r"^\([\w:.-]+\)=\s*$")
_EQUATION_LABEL = re.compile(r"\$\$[ \t]*\(([\w:.-]+)\)[ \t]*$", re.M)
_ROLE_OR_CODE = re.compile(r"\{([\w:-]+)\}`([^`]+)`|(`+)(?!`).+?(?<!`)\3(?!`)")
_TARGET = re.compile(r"^(.*?)\s*<([^<>]+)>$", re.S)
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^()\s]+)\)")
LEFT_OVER = re.compile(r"\{[a-z][\w:-]*\}`|^(?:`{3,}|:{3,})\s*\{|^\([\w:.-]+\)=\s*$|^:{3,}\s*$|^%\s", re.M)


@dataclass
class Context:
    """What a conversion needs to know of the book, and the state it carries over the cells of one page."""

    page: str
    site: str
    cite: Callable[[str, bool], str]
    equations: dict[str, int] = field(default_factory=dict)
    in_solution: bool = False


def to_plain(source: str, context: Context) -> str:
    """Convert one Markdown cell; `context.in_solution` says afterwards whether a gated solution is open."""
    parts: list[tuple[str, list[str]]] = [("Solution, continued" if context.in_solution else "", [])]
    lines = source.split("\n")
    i = 0
    while i < len(lines):
        line = lines[i]
        match = _FENCE.match(line)
        if match and match["name"]:
            i, body, options = _directive(lines, i, match, context)
            if match["name"] in {"solution-start", "solution-end"}:
                starts = match["name"] == "solution-start"
                if starts == context.in_solution:
                    raise PageError(
                        f"{context.page}: {match['name']} {'inside a solution' if starts else 'without solution-start'}"
                    )
                context.in_solution = starts
                parts.append(("Solution" if starts else "", []))
            else:
                parts[-1][1].append(_render(match["name"], match["argument"] or "", options, body, context))
        elif match and match["fence"][0] != ":":
            end = _closing(lines, i, match["fence"], context)
            parts[-1][1].extend(lines[i : end + 1])
            i = end + 1
        else:
            if not _LABEL.match(line):
                parts[-1][1].append(line)
            i += 1
    texts = [(summary, _inline_all(part, context).strip("\n")) for summary, part in parts]
    folded = [
        f"<details><summary>{s}</summary>\n\n{text}\n\n</details>" if s else text for s, text in texts if text.strip()
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n\n".join(folded)).strip("\n")


def _closing(lines: list[str], start: int, fence: str, context: Context) -> int:
    for j in range(start + 1, len(lines)):
        stripped = lines[j].rstrip()
        if stripped and set(stripped) == {fence[0]} and len(stripped) >= len(fence):
            return j
    raise PageError(f"{context.page}: the fence {lines[start].strip()!r} is never closed")


def _directive(
    lines: list[str], start: int, match: re.Match[str], context: Context
) -> tuple[int, list[str], dict[str, str]]:
    end = _closing(lines, start, match["fence"], context)
    body = lines[start + 1 : end]
    options: dict[str, str] = {}
    while body and (option := _OPTION.match(body[0])):
        options[option[1]] = option[2]
        body = body[1:]
    return end + 1, body, options


def _render(name: str, argument: str, options: dict[str, str], body: list[str], context: Context) -> str:
    text = "\n".join(body).strip("\n")
    if any((inner := _FENCE.match(line)) and inner["name"] for line in body):
        raise PageError(f"{context.page}: a directive lies inside {{{name}}}; place it after the block instead")
    if name in ADMONITIONS:
        if argument:
            text = f"{argument}\n{text}".strip()
        return _quote(ADMONITIONS[name], text)
    if name == "admonition":
        return "" if "teaching-note" in options.get("class", "") else _quote(argument, text)
    if name == "dropdown":
        return f"<details><summary>{argument}</summary>\n\n{text}\n\n</details>"
    if name in {"exercise", "exercise-start"}:
        heading = "#### Exercise" + (f": {argument}" if argument else "")
        return f"{heading}\n\n{text}".rstrip()
    if name == "exercise-end":
        return ""
    if name == "solution":
        return f"<details><summary>Solution</summary>\n\n{text}\n\n</details>"
    if name == "math":
        return f"$$\n{text}\n$$" + (f" ({options['label']})" if "label" in options else "")
    raise PageError(f"{context.page}: the directive {{{name}}} has no plain form; use one listed in CONTRIBUTING")


def _quote(title: str, text: str) -> str:
    lines = [f"**{title}**", "", *text.split("\n")]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _inline_all(blocks: list[str], context: Context) -> str:
    """Roles, links and equation labels outside code blocks and code spans."""
    done: list[str] = []
    prose: list[str] = []
    fence = ""
    for line in "\n".join(blocks).split("\n"):
        bare = line.removeprefix("> ")
        match = _FENCE.match(bare)
        opens = bool(match and match["fence"][0] != ":")
        if fence:
            done.append(line)
            fence = "" if bare.rstrip() == fence else fence
        elif opens and match:
            done += [_inline("\n".join(prose), context), line] if prose else [line]
            prose, fence = [], match["fence"]
        else:
            prose.append(line)
    return "\n".join([*done, _inline("\n".join(prose), context)] if prose else done)


def _inline(text: str, context: Context) -> str:
    line = _EQUATION_LABEL.sub(lambda match: f"\\tag{{{context.equations[match[1]]}}}$$", text)
    pieces, last = [], 0
    for match in _ROLE_OR_CODE.finditer(line):
        pieces.append(_links(line[last : match.start()], context))
        pieces.append(_role(match[1], match[2], context) if match[1] else match[0])
        last = match.end()
    return "".join([*pieces, _links(line[last:], context)])


def _links(text: str, context: Context) -> str:
    return _LINK.sub(lambda match: f"]({_site_address(match[1], context)})", text)


def _role(name: str, content: str, context: Context) -> str:
    content = " ".join(content.split())
    match = _TARGET.match(content)
    shown, target = (match[1], match[2]) if match else (content, content)
    if name == "term":
        anchor = re.sub(r"[^A-Za-z0-9]+", "-", target).strip("-")
        return f"[{shown}]({context.site}/glossary.html#term-{anchor})"
    if name in {"cite:p", "cite:t", "cite"}:
        return context.cite(content, name == "cite:t")
    if name == "eq":
        if content not in context.equations:
            raise PageError(f"{context.page}: {{eq}}`{content}` names no equation of this page")
        return f"({context.equations[content]})"
    if name == "ref":
        if match is None:
            raise PageError(f"{context.page}: {{ref}}`{content}` needs its own text: {{ref}}`text <{content}>`")
        return f"[{shown}]({context.site}/{context.page}.html#{target})"
    raise PageError(f"{context.page}: the role {{{name}}} has no plain form; use one listed in CONTRIBUTING")


def _site_address(target: str, context: Context) -> str:
    path, _, anchor = target.partition("#")
    if not path.endswith((".md", ".ipynb")):
        raise PageError(f"{context.page}: the link target {target!r} is no page of the book; link a .md page or a URL")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(context.page), path))
    return f"{context.site}/{Path(path).with_suffix('.html').as_posix()}" + (f"#{anchor}" if anchor else "")


def equation_numbers(sources: list[str]) -> dict[str, int]:
    """Labels of a page's equations, numbered in order."""
    labels = [label for source in sources for label in re.findall(r"^.*\$\$\s*\(([\w:.-]+)\)\s*$", source, re.M)]
    return {label: i for i, label in enumerate(labels, start=1)}
