"""The stored outputs are drawn by a real JupyterLab, as they are on the site: one output serves both."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tools.page import ROOT

PAGE = "03-image-processing/3-1-1-histogram-equalisation.ipynb"


@pytest.fixture(scope="module")
def jupyterlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JupyterLab on a copy of one notebook, without its user's settings; its address."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks" / "03-image-processing", folder / "notebooks" / "03-image-processing")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "HOME": str(folder), "JUPYTER_CONFIG_DIR": str(folder / "config")}
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
    ]
    command += ["--IdentityProvider.token=", f"--ServerApp.root_dir={folder / 'notebooks'}", "--allow-root"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/api/status", timeout=2).close()
                break
            except OSError:
                assert server.poll() is None, Path(folder / "log").read_text("utf-8")
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=20)


@pytest.fixture(scope="module")
def notebook(jupyterlab: str, browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{jupyterlab}/lab/tree/{PAGE}?reset")
    page.wait_for_selector(".jp-Notebook .jp-MarkdownOutput h1", timeout=90_000)
    yield page
    page.close()


def scroll_to(page: Page, selector: str) -> None:
    """Scroll the notebook, which JupyterLab draws only where it is looked at, until the selector is there."""
    for _ in range(120):
        if page.locator(selector).count():
            return
        page.evaluate("document.querySelector('.jp-Notebook .jp-WindowedPanel-outer, .jp-Notebook').scrollBy(0, 500)")
        page.wait_for_timeout(150)
    pytest.fail(f"{selector} is not found anywhere in the notebook")


def test_prose_is_shown_without_myst(notebook: Page) -> None:
    text = notebook.locator(".jp-Notebook").inner_text()
    assert "3.1.1 Histogram equalisation" in text
    assert "{term}" not in text
    assert "```{" not in text


def test_stored_picture_is_shown(notebook: Page) -> None:
    scroll_to(notebook, ".jp-OutputArea-output img")
    box = notebook.locator(".jp-OutputArea-output img").first.bounding_box()
    assert box is not None
    assert box["width"] > 300


def test_stored_plotly_figure_is_drawn(notebook: Page) -> None:
    scroll_to(notebook, ".js-plotly-plot .main-svg")
    notebook.wait_for_selector(".js-plotly-plot .slider-group", state="attached", timeout=30_000)
    box = notebook.locator(".js-plotly-plot .main-svg").first.bounding_box()
    assert box is not None
    assert box["height"] > 300
