"""Bytes that a browser fetches for each page of the built site, with an empty cache."""

from __future__ import annotations

import functools
import http.server
import threading
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, sync_playwright

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
                page = context.new_page()
                sizes[name] = _fetched(page, f"http://127.0.0.1:{server.server_port}/{name}")
                context.close()
            browser.close()
    finally:
        server.shutdown()
    return sizes


def _fetched(page: Page, address: str) -> int:
    """Bytes as the browser's own network log counts them, headers included."""
    addresses: dict[str, str] = {}
    lengths: dict[str, float] = {}
    log = page.context.new_cdp_session(page)
    log.on("Network.responseReceived", lambda event: addresses.update({event["requestId"]: event["response"]["url"]}))
    log.on("Network.loadingFinished", lambda event: lengths.update({event["requestId"]: event["encodedDataLength"]}))
    log.send("Network.enable")
    page.goto(address, wait_until="networkidle")
    page.wait_for_timeout(200)  # the last events
    return int(sum(length for key, length in lengths.items() if not _beside(addresses.get(key, ""))))


def _beside(address: str) -> bool:
    return any(word in urlsplit(address).path.lower() for word in BESIDES)
