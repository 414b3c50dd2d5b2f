"""Bytes that a browser fetches for each page of the built site, with an empty cache."""

from __future__ import annotations

import functools
import http.server
import threading
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Response, sync_playwright

BESIDES = ("plotly", "mathjax")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


def page_bytes(site: Path) -> dict[str, int]:
    """Size in bytes of each page with all it brings, plotly.js and MathJax left out."""
    names = sorted(p.relative_to(site).as_posix() for p in site.rglob("*.html") if "_static" not in p.parts)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sizes = {}
    try:
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            for name in names:
                context = browser.new_context()  # a fresh cache
                page, total = context.new_page(), [0]
                page.on("response", functools.partial(_count, total))
                page.goto(f"http://127.0.0.1:{server.server_port}/{name}", wait_until="networkidle")
                sizes[name] = total[0]
                context.close()
            browser.close()
    finally:
        server.shutdown()
    return sizes


def _count(total: list[int], response: Response) -> None:
    if any(word in urlsplit(response.url).path.lower() for word in BESIDES):
        return
    if response.ok:
        total[0] += len(response.body())
