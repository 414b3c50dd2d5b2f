"""Sphinx extension of the site: local MathJax and plotly.js, launch buttons, and what the theme leaves inaccessible."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

MATHJAX = "sphinx-mathjax-offline"
# What the browser may ask for; the package's 24 MB hold every build of MathJax.
MATHJAX_PARTS = ("tex-chtml.js", "output/chtml", "input/tex/extensions", "a11y", "sre/mathmaps/en.json")
MATHJAX_PARTS += ("sre/mathmaps/base.json", "sre/mathmaps/nemeth.json", "ui")
PLOT = "Plotly.newPlot"
PLOTLY = "plotly.min.js"
_ICON = re.compile(
    r'(?:"(?P<quoted>[a-z0-9-]+)"|(?P<bare>[a-z][a-z0-9]*)):\[\d+,\d+,\[(?P<aliases>[^\]]*)\],"[0-9a-f]+",'
    r'(?:"[^"]*"|\["[^"]*","[^"]*"\])\],?'
)
_CHINESE = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]*[\u4e00-\u9fff][\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]*")


def on_page(app: Sphinx, name: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Mend one page's HTML and buttons; add plotly.js only where something is plotted."""
    body = context.get("body") or ""
    if PLOT in body:
        app.add_js_file(PLOTLY, loading_method="defer", priority=400)
        body = _after_scripts(body)
    context["body"] = _with_language(_focusable_tables(_plain_summaries(body)))
    _buttons(app, name, context)


def _after_scripts(body: str) -> str:
    """Inline Plotly scripts wait for the deferred plotly.js, so that the text appears first."""
    wrapped = r'<script>addEventListener("DOMContentLoaded", () => {\1});</script>'
    return re.sub(
        r"<script[^>]*>((?:(?!</script>).)*Plotly\.newPlot(?:(?!</script>).)*)</script>", wrapped, body, flags=re.S
    )


def _plain_summaries(body: str) -> str:
    """A summary is named by its text; togglebutton's and MyST-NB's are empty or repeated."""
    return body.replace('<summary aria-label="Toggle hidden content">', "<summary>")


def _focusable_tables(body: str) -> str:
    """Tables scroll inside a box of their own at phone width; the keyboard reaches the box."""
    opened = '<div class="course-table" tabindex="0" role="region" aria-label="Table">'
    body = re.sub(r"<div class=\"pst-scrollable-table-container\">(?=\s*<table)", "<div>", body)
    return re.sub(r"<table\b.*?</table>", lambda m: f"{opened}{m[0]}</div>", body, flags=re.S)


def _with_language(body: str) -> str:
    """Chinese text says so, for screen readers and for the choice of glyphs."""
    if not _CHINESE.search(body):
        return body
    parts = re.split(r"(<script\b.*?</script>|<[^>]*>)", body, flags=re.S)
    for i in range(0, len(parts), 2):
        parts[i] = _CHINESE.sub(r'<span lang="zh-CN">\g<0></span>', parts[i])
    return "".join(parts)


def _buttons(app: Sphinx, name: str, context: dict[str, Any]) -> None:
    """Add the JupyterHub button where no hub is set, the source in book/, and printing."""
    buttons = context.get("header_buttons", [])
    options = app.config.html_theme_options
    url, branch = options.get("repository_url", ""), options.get("repository_branch", "main")
    source = str(app.env.doc2path(name, base=False)) if name in app.env.found_docs else ""
    for group in buttons:
        if group.get("label") == "launch-buttons" and not options["launch_buttons"].get("jupyterhub_url"):
            path = f"{options.get('path_to_docs', '').strip('/')}/{name}.ipynb"
            ask = f"courseHub('{quote(url, safe=':/')}','{quote(branch)}','{quote(path)}')"
            hub = {"type": "javascript", "javascript": ask, "text": "JupyterHub", "tooltip": "Open on your JupyterHub"}
            group["buttons"].append(hub | {"icon": "_static/images/logo_jupyterhub.svg", "label": "launch-hub"})
        if group.get("label") == "source-buttons" and source and name != "execution-times":
            edit = {"type": "link", "url": f"{url}/edit/{branch}/book/{name}.md", "text": "Suggest an edit"}
            group["buttons"].append(edit | {"icon": "fas fa-pencil", "tooltip": "Edit this page's source"})
    if source:
        printing = {"type": "javascript", "javascript": "window.print()", "icon": "fas fa-print"}
        buttons.append(printing | {"tooltip": "Print or save as PDF", "label": "print", "classes": "pst-navbar-icon"})


def on_finished(app: Sphinx, error: Exception | None) -> None:
    """Copy what pages load from the site itself, without what they never ask for."""
    if error is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    pages = sorted(Path(app.outdir).rglob("*.html"))
    texts = [page.read_text("utf-8") for page in pages]
    _copy_mathjax(static / "mathjax")
    if any(PLOT in text for text in texts):
        _copy(_package("plotly") / "package_data" / PLOTLY, static / PLOTLY)
    else:
        (static / PLOTLY).unlink(missing_ok=True)
    scripts = [p.read_text("utf-8") for p in sorted(static.rglob("*.js")) if "theme" in p.name or p.name == "course.js"]
    used = {icon for text in texts + scripts for icon in re.findall(r"\bfa-([a-z0-9-]+)", text)}
    _shrink_icons(static / "scripts" / "fontawesome.js", used)
    for spare in static.rglob("*.map"):
        spare.unlink()
    for spare in ("vendor", "locales"):
        shutil.rmtree(static / spare, ignore_errors=True)


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ExtensionError(f"package {name} is not installed; run make book, which installs the site's lock")
    return Path(spec.origin).parent


def _copy_mathjax(target: Path) -> None:
    source = _package(MATHJAX) / "static" / "mathjax"
    for part in MATHJAX_PARTS:
        for path in [source / part] if (source / part).is_file() else sorted((source / part).rglob("*")):
            if path.is_file():
                _copy(path, target / path.relative_to(source))


def _copy(source: Path, target: Path) -> None:
    if not target.exists() or target.stat().st_size != source.stat().st_size:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _shrink_icons(path: Path, used: set[str]) -> None:
    """Keep only the icons the pages use: 1.5 MB of Font Awesome become some 80 kB."""
    theme = _package("pydata_sphinx_theme") / "theme" / "pydata_sphinx_theme" / "static" / "scripts" / path.name

    def keep(match: re.Match[str]) -> str:
        names = {match["quoted"] or match["bare"], *re.findall(r'"([a-z0-9-]+)"', match["aliases"])}
        return match.group(0) if names & used else ""

    text, count = _ICON.subn(keep, theme.read_text("utf-8"))
    if count < 1000:
        raise ExtensionError(f"only {count} icons were found in the theme's {path.name}; adapt tools/sphinx_course.py")
    path.write_text(text, "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_config_value("course_edition", "student", "html")
    app.connect("html-page-context", on_page, priority=900)
    app.connect("build-finished", on_finished)
    app.config.mathjax_path = "mathjax/tex-chtml.js"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
