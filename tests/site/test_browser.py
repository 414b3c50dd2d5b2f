"""The built site in a real Chromium: offline, accessible, light, and working by keyboard and on a phone."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import axe_playwright_python
import pytest
import yaml
from playwright.sync_api import Browser, Page, expect

from tools.page import ROOT

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
TRANSFER_LIMIT = 1.5e6
SEPARATE = ("/_static/plotly.min.js", "/_static/mathjax/")  # measured apart, as the budget says


def _listed(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [str(node[k]) for k in ("root", "file") if k in node] + [n for v in node.values() for n in _listed(v)]
    return [name for item in node for name in _listed(item)] if isinstance(node, list) else []


NAMES = [
    name
    for name in _listed(yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8")))
    if name != "execution-times" or (ROOT / "benchmarks" / "results" / "pages.json").exists()
]
EXECUTABLE = [name for name in NAMES if (ROOT / "notebooks" / f"{name}.ipynb").exists()]
FOLDED = [
    name
    for name in NAMES
    if (ROOT / "book" / f"{name}.md").exists()
    and re.search(r"\{solution|teaching-note", (ROOT / "book" / f"{name}.md").read_text("utf-8"))
]
ALL = [*NAMES, "search", "genindex"]


@dataclass
class Visit:
    """What one load of a page shows, once for all tests."""

    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    sizes: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    too_wide: list[str] = field(default_factory=list)
    pictures: list[dict[str, str]] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    plots: int = 0
    drawn: int = 0
    title: str = ""


def _listen(page: Page, visit: Visit) -> None:
    page.on("request", lambda request: visit.requests.append(request.url))
    page.on("pageerror", lambda error: visit.said.append(str(error)))
    page.on("console", lambda line: visit.said.append(line.text) if line.type in ("error", "warning") else None)


def _settle(page: Page) -> None:
    """Wait until the page has stood still for half a second: the theme sets tab stops 300 ms after the last change."""
    page.evaluate(
        """() => new Promise(done => {
            let timer = setTimeout(done, 500);
            const again = () => { clearTimeout(timer); timer = setTimeout(done, 500); };
            new MutationObserver(again).observe(document.body, {subtree: true, childList: true});
            setTimeout(done, 8000);
        })"""
    )


def _axe(page: Page, within: str = "document") -> list[str]:
    options = json.dumps({"preload": False, "resultTypes": ["violations"], "runOnly": RULES})
    found = page.evaluate(f"axe.run({within}, {options})")
    return [
        f"{fault['id']}: {node['target']} {node['html'][:120]} {node['failureSummary'][:200]}"
        for fault in found["violations"]
        for node in fault["nodes"]
    ]


def _look(browser: Browser, url: str) -> Visit:
    visit = Visit()
    context = browser.new_context(viewport=WIDE, reduced_motion="reduce")
    page = context.new_page()
    _listen(page, visit)
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    addresses: dict[str, str] = {}
    network.on("Network.requestWillBeSent", lambda e: addresses.update({e["requestId"]: e["request"]["url"]}))
    network.on(
        "Network.loadingFinished",
        lambda e: visit.sizes.update({addresses[e["requestId"]]: e["encodedDataLength"]}),
    )
    page.goto(url, wait_until="load")
    page.evaluate("window.MathJax && MathJax.startup && MathJax.startup.promise")
    page.wait_for_load_state("networkidle")
    visit.title = page.title()
    visit.pictures = page.eval_on_selector_all(
        "article img", "all => all.map(i => ({src: i.getAttribute('src'), alt: i.getAttribute('alt') || ''}))"
    )
    visit.scripts = page.eval_on_selector_all("script[src]", "all => all.map(s => s.src)")
    visit.plots = page.locator(".course-plotly").count()
    visit.drawn = page.locator(".course-plotly svg.main-svg").count()
    page.evaluate(AXE)
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        for viewport in (WIDE, PHONE):
            page.set_viewport_size(viewport)
            _settle(page)
            place = f"{theme}, {viewport['width']} px"
            visit.faults += [f"{place}: {fault}" for fault in _axe(page)]
            wide, inner = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            if wide > inner:
                visit.too_wide.append(f"{place}: {wide} px of content in {inner}")
    context.close()
    return visit


_VISITS: dict[str, Visit] = {}


@pytest.fixture
def visit(request: pytest.FixtureRequest, browser: Browser, base: str) -> Visit:
    url = f"{base}{request.param}.html"
    if url not in _VISITS:
        _VISITS[url] = _look(browser, url)
    return _VISITS[url]


every_page = pytest.mark.parametrize("visit", ALL, indirect=True)


@every_page
def test_accessible_in_both_themes_and_widths(visit: Visit) -> None:
    assert not visit.faults, "\n".join(visit.faults)


@every_page
def test_no_sideways_scrolling(visit: Visit) -> None:
    assert not visit.too_wide, "\n".join(visit.too_wide)


@every_page
def test_asks_no_other_host(visit: Visit) -> None:
    others = [url for url in visit.requests if urlsplit(url).hostname != "127.0.0.1" and not url.startswith("data:")]
    assert visit.requests
    assert not others


@every_page
def test_console_is_silent(visit: Visit) -> None:
    assert not visit.said


@every_page
def test_transfer_is_small(visit: Visit) -> None:
    counted = {url: size for url, size in visit.sizes.items() if not any(part in url for part in SEPARATE)}
    total = sum(counted.values())
    assert total > 10_000, "the measurement saw nothing"
    largest = sorted(counted.items(), key=lambda item: -item[1])[:5]
    assert total <= TRANSFER_LIMIT, f"{total / 1e6:.2f} MB: {largest}"


@every_page
def test_pictures_are_described(visit: Visit) -> None:
    for picture in visit.pictures:
        alt = picture["alt"].strip()
        assert len(alt) >= 20, f"{picture['src']}: alt text {alt!r}"
        assert alt.lower() not in visit.title.lower(), f"{picture['src']}: the alt text repeats the title"


@every_page
def test_plotly_comes_once_and_only_where_needed(visit: Visit) -> None:
    loaded = [script for script in visit.scripts if "plotly" in script]
    assert len(loaded) == (1 if visit.plots else 0)
    assert sum("plotly.min.js" in url for url in visit.requests) == len(loaded)
    assert visit.drawn >= visit.plots


def test_some_page_has_pictures_and_a_plot(site: Path) -> None:
    texts = [(site / f"{name}.html").read_text("utf-8") for name in EXECUTABLE]
    assert any("<img" in text for text in texts)
    assert any("course-plotly" in text for text in texts), "no page has a plot: the tests above prove nothing of it"


@pytest.mark.parametrize("name", FOLDED)
def test_instructor_pages_are_accessible_when_unfolded(browser: Browser, instructor_base: str, name: str) -> None:
    page = browser.new_page(viewport=WIDE, reduced_motion="reduce")
    page.goto(f"{instructor_base}{name}.html")
    page.wait_for_load_state("networkidle")
    for button in page.locator("button.toggle-button").all():
        button.click()
    page.evaluate(AXE)
    faults = []
    for theme, viewport in (("light", WIDE), ("dark", PHONE)):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        page.set_viewport_size(viewport)
        _settle(page)
        faults += _axe(page, "{include: [['.solution, .teaching-note']]}")
    page.close()
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", ["index", *EXECUTABLE])
def test_works_from_a_folder(browser: Browser, site: Path, name: str) -> None:
    visit = Visit()
    page = browser.new_page(viewport=WIDE)
    _listen(page, visit)
    page.goto((site / f"{name}.html").as_uri())
    page.evaluate("window.MathJax && MathJax.startup && MathJax.startup.promise")
    page.wait_for_load_state("networkidle")
    formulas = page.locator(".math.notranslate").count()
    assert page.locator("mjx-container").count() >= formulas
    assert page.locator(".course-plotly svg.main-svg").count() >= page.locator(".course-plotly").count()
    page.close()
    assert not [url for url in visit.requests if urlsplit(url).scheme not in ("file", "data", "blob")]
    assert not visit.said


@pytest.mark.parametrize("how", ["http", "file"])
def test_search_finds_a_term(browser: Browser, base: str, site: Path, how: str) -> None:
    visit = Visit()
    page = browser.new_page(viewport=WIDE)
    _listen(page, visit)
    page.goto((base if how == "http" else f"{site.as_uri()}/") + "notation.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("Hounsfield unit")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?*")
    hits = page.locator("#search-results li a")
    hits.first.wait_for()
    page.wait_for_load_state("networkidle")
    targets = [str(link.get_attribute("href")) for link in hits.all()]
    assert any("glossary.html" in target for target in targets), targets
    hits.first.click()
    expect(page.locator("article")).to_contain_text("Hounsfield")
    page.close()
    assert not visit.said
    assert not [url for url in visit.requests if urlsplit(url).hostname not in ("127.0.0.1", None, "")]


def test_plotly_slider_moves_the_picture(browser: Browser, base: str, site: Path) -> None:
    names = [name for name in EXECUTABLE if '"sliders"' in (site / f"{name}.html").read_text("utf-8")]
    assert names, "no page has a slider"
    page = browser.new_page(viewport=WIDE)
    for name in names:
        page.goto(f"{base}{name}.html")
        plot = page.locator(".js-plotly-plot:has(.slider-container)").first
        plot.scroll_into_view_if_needed()
        state = "p => ({active: p._fullLayout.sliders[0].active || 0, picture: p.querySelector('.main-svg').innerHTML})"
        before = plot.evaluate(state)
        rail = plot.locator(".slider-rail-touch-rect").first.bounding_box()
        assert rail is not None
        share = 0.05 if before["active"] else 0.95
        page.mouse.click(rail["x"] + share * rail["width"], rail["y"] + rail["height"] / 2)
        page.wait_for_timeout(600)
        after = plot.evaluate(state)
        assert after["active"] != before["active"], name
        assert after["picture"] != before["picture"], name
    page.close()


@pytest.mark.parametrize("name", EXECUTABLE)
def test_launch_buttons_follow_the_setting(browser: Browser, base: str, name: str) -> None:
    setting = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    url, branch = setting["repository"]["url"], setting["repository"]["branch"]
    owner, repo = urlsplit(url).path.strip("/").split("/")
    notebook = f"notebooks/{name}.ipynb"
    assert (ROOT / notebook).exists()
    page = browser.new_page(viewport=WIDE)
    page.goto(f"{base}{name}.html")
    links = page.eval_on_selector_all(".dropdown-launch-buttons a", "all => all.map(a => a.href)")
    assert f"https://colab.research.google.com/github/{owner}/{repo}/blob/{branch}/{notebook}" in links
    assert f"https://mybinder.org/v2/gh/{owner}/{repo}/{branch}?urlpath=lab/tree/{notebook}" in links
    page.evaluate("() => { window.opened = []; window.open = url => { window.opened.push(url); }; }")
    page.locator(".dropdown-launch-buttons > button").click()
    page.get_by_role("button", name="JupyterHub").click()
    page.get_by_label("Address of the hub").fill("https://hub.example.edu/")
    page.keyboard.press("Enter")
    page.wait_for_function("window.opened.length")
    (opened,) = page.evaluate("window.opened")
    page.close()
    assert opened.startswith("https://hub.example.edu/hub/user-redirect/git-pull?")
    query = parse_qs(urlsplit(opened).query)
    assert query == {"repo": [url], "urlpath": [f"lab/tree/{repo}/{notebook}"], "branch": [branch]}


def test_theme_switch_darkens_the_page(browser: Browser, base: str) -> None:
    context = browser.new_context(viewport=WIDE, color_scheme="light")
    page = context.new_page()
    page.goto(f"{base}notation.html")
    colour = "getComputedStyle(document.body).backgroundColor"
    seen = {page.evaluate("document.documentElement.dataset.theme"): page.evaluate(colour)}
    for _ in range(2):
        page.locator("button.theme-switch-button:visible").first.click()
        page.wait_for_timeout(100)
        seen[page.evaluate("document.documentElement.dataset.theme")] = page.evaluate(colour)
    assert set(seen) == {"light", "dark"}
    assert seen["light"] != seen["dark"]
    stayed = page.evaluate("document.documentElement.dataset.theme")
    page.goto(f"{base}glossary.html")
    assert page.evaluate("document.documentElement.dataset.theme") == stayed
    context.close()


def test_keyboard_reaches_content_and_search(browser: Browser, base: str) -> None:
    page = browser.new_page(viewport=WIDE)
    page.goto(f"{base}notation.html")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to main content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.url.endswith("#main-content")
    page.keyboard.press("Tab")
    assert page.evaluate("!!document.activeElement.closest('main')")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "the focus cannot be seen"
    page.keyboard.press("Control+k")
    assert page.evaluate("document.activeElement.type") == "search"
    page.close()


def test_phone_menu_opens_and_closes_by_keyboard(browser: Browser, base: str) -> None:
    page = browser.new_page(viewport=PHONE)
    page.goto(f"{base}notation.html")
    link = page.locator(".bd-sidebar-primary").get_by_role("link", name="Glossary")
    expect(link).not_to_be_in_viewport()
    button = page.locator("button.primary-toggle:visible").first
    button.focus()
    page.keyboard.press("Enter")
    menu = page.locator("dialog[open]").get_by_role("link", name="Glossary")
    expect(menu).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    page.close()
