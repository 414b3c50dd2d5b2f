"""The command medcourse-data: list, show, get and verify what the course's pages load."""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from medcourse.data import registry
from medcourse.data.catalogue import cards_folder

PHANTOM = " (phantom)"
HINT = """\
Files are looked for in the folder that MEDCOURSE_DATA names, then in your user's cache:
  export MEDCOURSE_DATA=/data/medcourse     a folder of yours; nothing in it is ever changed
  medcourse-data get breastmnist            fetch into the cache, verified
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments
        Words after the command's name; None takes them from the command line.

    Returns
    -------
    int
        0 where all is well, 1 where a set is not to be had or a file is not what it should be.

    Notes
    -----
    Taught in: A.2 Data sets.

    Examples
    --------
    >>> main(["show", "camelyon"])  # doctest: +ELLIPSIS
    CAMELYON...
    """
    parser = argparse.ArgumentParser(
        prog="medcourse-data", description="Data of the course: phantoms and public sets.", epilog=HINT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("list", help="every set and phantom, and where each is: here, cache or absent")
    verbs.add_parser("show", help="the card of a set or a phantom").add_argument("name", metavar="NAME")
    verbs.add_parser("get", help="fetch a set, verified").add_argument("name", metavar="NAME")
    verbs.add_parser("verify", help="hash every file again").add_argument("name", metavar="NAME", nargs="?")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.verb == "list":
            return _list()
        if chosen.verb == "show":
            return _show(chosen.name)
        if chosen.verb == "get":
            return _get(chosen.name)
        return _verify(chosen.name)
    except (registry.DataUnavailable, registry.UnknownSetError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; what has come so far is kept aside and continued next time", file=sys.stderr)
        return 130


def _list() -> int:
    rows = [(path.stem, "drawn", title.removesuffix(PHANTOM)) for path, title in _cards() if title.endswith(PHANTOM)]
    print("Phantoms (drawn by medcourse.data.phantoms)" if rows else "No phantom has a card here")
    _table(rows)
    print("\nPublic sets")
    rows = []
    for name in registry.available():
        info = registry.describe(name)
        text = textwrap.shorten(f"{info.title}, {info.access}, {info.licence}", 84, placeholder=" …")
        rows.append((name, registry.place(name), text))
    _table(rows)
    print(f"\nhere: {registry.data_folder() or 'MEDCOURSE_DATA names no folder'}; cache: {registry.cache_folder()}")
    return 0


def _table(rows: list[tuple[str, str, str]]) -> None:
    for name, place, text in rows:
        print(f"  {name:<20} {place:<7} {text}")


def _show(name: str) -> int:
    path = cards_folder() / f"{name}.md"
    if not path.is_file():
        info = registry.describe(name)
        path = cards_folder() / f"{info.variant_of or name}.md"
    body = re.sub(r"\A---\n.*?\n---\n", "", path.read_text("utf-8"), flags=re.S).strip()
    head, _, rest = body.partition("\n## ")
    print(_plain(head))
    if name in registry.available():
        for heading, value in registry.facts(registry.describe(name).variant_of or name):
            print(textwrap.fill(_plain(f"{heading}: {value}"), 100, subsequent_indent="    "))
        print()
    print(_plain(f"## {rest}"))
    return 0


def _get(name: str) -> int:
    for path in registry.fetch(name):
        print(path)
    for verdict in registry.verify(name):
        print(f"{verdict.path.name}: {verdict.source}")
    return 0


def _verify(name: str | None) -> int:
    verdicts = registry.verify(name)
    for verdict in verdicts:
        print(f"{'ok ' if verdict.ok else 'BAD'} {verdict.name:<20} {verdict.path}  {verdict.source}")
    if not verdicts:
        print(f"nothing to verify: {'no set is' if name is None else f'{name} is not'} on this machine")
    return 0 if all(verdict.ok for verdict in verdicts) else 1


def _cards() -> list[tuple[Path, str]]:
    """Every card and its title."""
    cards = []
    for path in sorted(cards_folder().glob("*.md")):
        title = re.search(r"^# (.+)$", path.read_text("utf-8"), flags=re.M)
        if title:
            cards.append((path, title[1].strip()))
    return cards


def _plain(text: str) -> str:
    """Markdown and MyST as they read on a terminal."""
    text = re.sub(r"\{cite:[pt]\}`([^`]+)`", r"[\1]", text)
    text = re.sub(r"\{\w+\}`([^`<]+)(?: <[^`]*>)?`", r"\1", text)
    text = re.sub(r"^#+ (.+)$", r"\1", text, flags=re.M)
    text = re.sub(r"\[([^\]]+)\]\(([^)]+)\)", r"\1 (\2)", text)
    text = re.sub(r"^```\w*\n(.*?)^```$", lambda code: textwrap.indent(code[1], "    "), text, flags=re.M | re.S)
    return re.sub(r"(?<!\w)\*{1,2}([^*\s][^*\n]*)\*{1,2}(?!\w)", r"\1", text)


if __name__ == "__main__":
    raise SystemExit(main())
