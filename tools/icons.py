"""Cut the theme's icon font to the few signs the site draws: `python -m tools.icons` after a change of theme.

Writes book/_static/icons.woff (some 5 kB instead of 156 kB on every page). Font Awesome Free's font is under the SIL
Open Font License 1.1, which its name table states. It needs fontTools, which comes with Matplotlib.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

from tools.page import ROOT, PageError

FONT = ROOT / "book" / "_static" / "icons.woff"
RULE = re.compile(r"((?:\.fa-[a-z0-9-]+:before,?)+)\{content:\"([^\"]*)\"\}")
# Icons of the theme's templates and scripts, and of tools.sphinx_course; `code_points` adds those of the style sheets.
ICONS = {"angle-left", "angle-right", "arrow-up", "bars", "chevron-down", "circle-half-stroke", "circle-notch"}
ICONS |= {"code-branch", "lightbulb", "list", "magnifying-glass", "moon", "pencil", "print", "rocket", "sun", "xmark"}


def theme_static() -> Path:
    """The static folder of the pydata theme."""
    spec = importlib.util.find_spec("pydata_sphinx_theme")
    if spec is None or spec.origin is None:
        raise PageError("pydata_sphinx_theme is not installed; run make book, which installs the site's lock")
    return Path(spec.origin).parent / "theme" / "pydata_sphinx_theme" / "static"


def code_points(css: str, icons: set[str]) -> set[int]:
    """Code points of the named icons, and of every sign that the style sheet itself writes."""
    found = {ord(sign) for sign in re.sub(RULE, "", css) if 0xE000 <= ord(sign) <= 0xF8FF}
    found |= {int(code, 16) for code in re.findall(r"\\(f[0-9a-f]{3})\b", re.sub(RULE, "", css))}
    for match in RULE.finditer(css):
        if icons & set(re.findall(r"\.fa-([a-z0-9-]+):", match[1])):
            sign = match[2]
            found.add(int(sign.strip("\\ "), 16) if sign.startswith("\\") else ord(sign))
    return found


def style_sheets() -> str:
    """What may write signs: the theme's sheet and the course's."""
    sheets = (theme_static() / "styles" / "pydata-sphinx-theme.css", ROOT / "book" / "_static" / "course.css")
    return "\n".join(sheet.read_text("utf-8") for sheet in sheets)


def main() -> int:
    """Write the font."""
    from fontTools.subset import Options, Subsetter  # type: ignore[import-untyped]
    from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

    font = TTFont(theme_static() / "vendor" / "fontawesome" / "webfonts" / "fa-solid-900.ttf")
    options = Options(layout_features=[], name_IDs=[0, 1, 2, 4, 6, 13, 14])
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=code_points(style_sheets(), ICONS))
    subsetter.subset(font)
    font.flavor = "woff"
    font["head"].modified = font["head"].created  # the same bytes every time
    font.recalcTimestamp = False
    font.save(FONT)
    print(f"{FONT.relative_to(ROOT)}: {FONT.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
