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

from tools.icons import ICONS, RULE

MATHJAX = "sphinx-mathjax-offline"
# What the browser may ask for; the package's 24 MB hold every build of MathJax.
MATHJAX_PARTS = ["tex-chtml.js", "output/chtml", "input/tex/extensions", "a11y", "ui"]
MATHJAX_PARTS += ["sre/mathmaps/base.json", "sre/mathmaps/en.json", "sre/mathmaps/nemeth.json"]
PLOT = "Plotly.newPlot"
PLOTLY = "plotly.min.js"
_PLAIN_TOKEN = re.compile(r'<span class="(?:n|p|w)">([^<]*)</span>')
_CJK = r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]*"
_CHINESE = re.compile(rf"{_CJK}[\u4e00-\u9fff]{_CJK}")


def on_page(app: Sphinx, name: str, _template: str, context: dict[str, Any], _doctree: Any) -> None:
    """Mend one page's HTML and buttons; add plotly.js only where something is plotted."""
    body = context.get("body") or ""
    if PLOT in body:
        app.add_js_file(PLOTLY, loading_method="defer", priority=400)
        body = _after_scripts(body)
    if "sd-" not in body:
        for kind in ("css_files", "script_files"):
            context[kind] = [
                item for item in context[kind] if not _named(item).startswith(("sphinx-design", "design-"))
            ]
    # names, signs and spaces have the colour of the text in both themes: a fifth of a page's size says so
    context["body"] = _with_language(_plain_roles(_PLAIN_TOKEN.sub(r"\1", body)))
    _buttons(app, name, context)


def _named(item: Any) -> str:
    return str(getattr(item, "filename", item) or "").rsplit("/", 1)[-1]


def _after_scripts(body: str) -> str:
    """Inline Plotly scripts wait for the deferred plotly.js, so that the text appears first."""
    wrapped = r'<script>addEventListener("DOMContentLoaded", () => {\1});</script>'
    return re.sub(
        r"<script[^>]*>((?:(?!</script>).)*Plotly\.newPlot(?:(?!</script>).)*)</script>", wrapped, body, flags=re.S
    )


def _plain_roles(body: str) -> str:
    """Without roles that are deprecated or wrong (the bibliography's), and without empty header cells (pandas')."""
    body = body.replace(' role="doc-biblioentry"', "").replace('<div role="list" class="citation-list">', "<div>")
    return re.sub(r"<th></th>", "<td></td>", body)


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
        if "fa-github" in str(group.get("icon")):  # of the brands' font, which would be loaded for one icon
            group["icon"] = "fas fa-code-branch"
            for button in group.get("buttons", []):
                button["icon"] = button["icon"].replace("fab fa-github", "fas fa-code-branch")
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
    # The icon font draws them: the theme's script, which draws them again, is 1.5 MB.
    (static / "scripts" / "fontawesome.js").write_text("// icons are drawn by the font\n", "utf-8")
    for spare in static.rglob("*.map"):
        spare.unlink()
    for folder in ("locales", "vendor"):
        shutil.rmtree(static / folder, ignore_errors=True)
    sheet = static / "styles" / "pydata-sphinx-theme.css"
    sheet.write_text(_light_sheet(sheet.read_text("utf-8"), "".join(texts)), "utf-8")


def _light_sheet(css: str, html: str) -> str:
    """The theme's style sheet without the 1,900 icons no page uses, and with the course's cut of the icon font."""
    known = {icon for match in RULE.finditer(css) for icon in re.findall(r"\.fa-([a-z0-9-]+):", match[1])}
    if lacking := (known & set(re.findall(r"\bfa-([a-z0-9-]+)", html))) - ICONS:
        names = ", ".join(sorted(lacking))
        raise ExtensionError(f"icon {names} is not in the font; add it to ICONS, then run python -m tools.icons")
    css = RULE.sub(lambda m: m[0] if ICONS & set(re.findall(r"\.fa-([a-z0-9-]+):", m[1])) else "", css)
    css = re.sub(r"@font-face\{[^}]*Font Awesome[^}]*\}", "", css)
    source = 'src:url(../icons.woff) format("woff")'
    face = f'@font-face{{font-display:block;font-family:"Font Awesome 6 Free";font-weight:900;{source}}}'
    return face + css.replace('@charset "UTF-8";', "")


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


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_config_value("course_edition", "student", "html")
    app.connect("html-page-context", on_page, priority=900)
    app.connect("build-finished", on_finished)
    app.config.mathjax_path = "mathjax/tex-chtml.js"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
