"""Sphinx's conf.py, from _config.yml through Jupyter Book, with what a strict offline build changes."""

from __future__ import annotations

import contextlib
import io
import pprint
from pathlib import Path
from typing import Any

import yaml

from tools.page import ROOT, PageError

# sphinx-thebe fails on every page and names another host; sphinx-comments and intersphinx are of use only online.
NOT_WANTED = {"sphinx_thebe", "sphinx_comments", "sphinx.ext.intersphinx", "sphinx_jupyterbook_latex"}
# MyST-NB knows what each builder can show, except for the one that extracts text for translators.
SHOWN = ("text/html", "image/svg+xml", "image/png", "image/jpeg", "image/gif", "text/plain")


def text(edition: str, root: Path, staged: Path) -> str:
    """conf.py for an edition; works with plain sphinx-build, gettext included."""
    from jupyter_book.config import get_final_config

    try:
        user = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            config, _ = get_final_config(
                user_yaml=user, cli_config={"latex_individualpages": False}, sourcedir=staged, raise_on_invalid=True
            )
    except Exception as error:  # jsonschema's, yaml's and Jupyter Book's own
        line = " ".join(str(error).split())[:200]
        raise PageError(f"_config.yml cannot be used ({line}); mend it") from None
    config["extensions"] = [name for name in config["extensions"] if name not in NOT_WANTED] + ["tools.sphinx_course"]
    config["html_css_files"] = sorted(set(config.get("html_css_files", [])))
    config["html_js_files"] = [(name, {"defer": "defer"}) for name in sorted(set(config.get("html_js_files", [])))]
    config["nb_mime_priority_overrides"] = [("gettext", kind, i) for i, kind in enumerate(SHOWN)]
    config["use_jupyterbook_latex"] = False
    config["course_edition"] = edition
    options: dict[str, Any] = config["html_theme_options"]
    options.pop("analytics", None)
    if edition == "instructor":
        options["announcement"] = "Instructor edition: with solutions and teaching notes. Not for students."
        config["html_title"] = f"{config['html_title']} (instructor edition)"
    lines = [f"{key} = {pprint.pformat(value, width=110)}" for key, value in sorted(config.items())]
    return f"import sys\n\nsys.path.insert(0, {str(ROOT)!r})\n" + "\n".join(lines) + "\n"
