"""The site in Chromium, opened from its folder and from the server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inoc.view.serve import server_of
from inoc.view.site import Site
from support.sites import HOSTILE, completions, examples, long_chat, make_site, source

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api")

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
WIDTHS = {1600: 1000, 1024: 768, 390: 844}
ROUTES = (
    "#/",
    "#/figures",
    "#/figure/bars",
    "#/rows/completions",
    "#/runs/completions",
    "#/compare/completions",
    "#/data",
    "#/results",
    "#/provenance",
)


class Tab:
    """A page of the browser, with everything that it complained about."""

    def __init__(self, page, address: str) -> None:
        self.page, self.address = page, address
        self.complaints: list[str] = []
        page.set_default_timeout(60_000)
        page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (self.complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.requests: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))

    def go(self, route: str) -> None:
        self.page.goto("about:blank")
        self.page.goto(f"{self.address}{route}")
        self.until("true")

    def until(self, expression: str) -> None:
        """Wait until an expression is true and the page of the present address has been drawn completely.

        The page's policy forbids it to evaluate texts, as Playwright would.
        """
        drawn = f"(async () => (await ({expression})) && document.documentElement.dataset.drawn === location.hash)()"
        end = time.monotonic() + 60
        while not self.page.evaluate(drawn):
            assert time.monotonic() < end, expression
            self.page.wait_for_timeout(30)

    def count(self, text: str) -> None:
        """Wait for a number of rows above the list."""
        self.until(f"document.querySelector('.count')?.textContent === {json.dumps(text)}")

    def says(self, selector: str, text: str) -> None:
        """Wait until an element that is there says something."""
        self.until(f"document.querySelector({json.dumps(selector)})?.innerText.includes({json.dumps(text)}) ?? false")

    @property
    def hacked(self) -> bool:
        return bool(self.page.evaluate("'hacked' in window"))


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.fail("there is no Chromium here. Install it: apt-get install chromium")
    with playwright.sync_playwright() as made:
        launched = made.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    listed, tokens = examples()
    return make_site(tmp_path_factory.mktemp("site"), source(completions(400)), listed, tokens=(tokens,))


@pytest.fixture
def tab(browser, site) -> Iterator[Tab]:
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    yield Tab(page, (site.folder / "index.html").as_uri())
    page.close()


def opened(browser, site: Site, width: int = 1600) -> Tab:
    page = browser.new_page(viewport={"width": width, "height": WIDTHS.get(width, 900)})
    return Tab(page, (site.folder / "index.html").as_uri())


@pytest.mark.parametrize("route", ROUTES)
def test_every_page_opens_from_a_folder_without_a_complaint(tab, route) -> None:
    tab.go(route)
    assert tab.page.inner_text("section.page:not([hidden]) h1")
    assert "cannot be shown" not in tab.page.inner_text("main")
    assert tab.complaints == []
    assert not tab.hacked
    assert all(url.startswith(("file:", "blob:", "about:")) for url in tab.requests)


def test_every_page_opens_from_the_server(browser, tmp_path) -> None:
    site = make_site(tmp_path, source(completions(60)), form="files")
    with server_of(site.folder) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        page = browser.new_page()
        tab = Tab(page, f"http://127.0.0.1:{server.server_address[1]}/")
        for route in ROUTES:
            tab.go(route)
            assert "cannot be shown" not in page.inner_text("main")
        tab.go("#/rows/completions")
        tab.count("60 rows")
        page.close()
        server.shutdown()
        thread.join()
    assert [one for one in tab.complaints if "favicon" not in one and "404" not in one] == []
    assert all(url.startswith((tab.address, "blob:", "about:")) for url in tab.requests)


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_hostile_text_is_shown_as_it_is_and_does_nothing(tab, site, number) -> None:
    tab.go("#/rows/completions")
    row = next(at for at in range(400) if at % len(HOSTILE) == number)
    address = tab.page.evaluate(
        f"inoc.list('completions').then((list) => `#/row/completions/${{inoc.idText(list, {row})}}`)"
    )
    tab.go(address)
    wanted = HOSTILE[number]
    shown = tab.page.evaluate("document.querySelector('.turn.meant .words').textContent")
    for hidden, mark in {"\u0000": "␀", "\u202e": "⟨202E⟩", "\u2066": "⟨2066⟩", "\u200b": "⟨200B⟩"}.items():
        wanted = wanted.replace(hidden, mark)
    for hidden in ("\ufeff", "\u2028", "\u2029", "\u0085"):
        wanted = wanted.replace(hidden, f"⟨{ord(hidden):04X}⟩")
    assert shown == (wanted or "(empty)")
    assert tab.page.evaluate("document.querySelectorAll('.turn.meant .words :not(span, em, mark)').length") == 0
    assert "Question <b>" in tab.page.inner_text(".turn.user")
    assert not tab.hacked
    assert tab.complaints == []


@pytest.mark.parametrize(
    "route",
    [
        "#/rows/<img src=x onerror=window.hacked=1>",
        "#/row/completions/<script>window.hacked=1</script>",
        "#/figure/../../secret",
        "#/javascript:window.hacked=1",
        "#/rows/completions?model=<script>&q=<img src=x onerror=window.hacked=1>&sort=__proto__",
        "#/rows/completions?__proto__=1&constructor=2&step=x..y",
        "#/compare/completions?item=%00&about=%E0%A4%A",
    ],
)
def test_a_hostile_address_does_nothing(tab, route) -> None:
    tab.go(route)
    assert tab.page.inner_text("main h1 >> visible=true")
    assert not tab.hacked
    assert not [one for one in tab.complaints if "Security Policy" in one or "TypeError" in one]


def test_no_script_can_be_added_to_the_page(tab) -> None:
    tab.go("#/")
    refused = """() => { try { document.body.innerHTML = '<img src=x onerror="window.hacked = 1">'; return false; }
        catch (error) { return error instanceof TypeError; } }"""
    assert tab.page.evaluate(refused)
    assert not tab.hacked


def test_filters_sorting_and_search_are_in_the_address_and_come_back(tab) -> None:
    tab.go("#/rows/completions")
    tab.count("400 rows")
    tab.page.locator(".facet", has_text="trained").get_by_label("control").check()
    tab.until("location.hash.includes('model=control')")
    tab.count("100 of 400 rows")
    tab.page.get_by_role("button", name="Playful").first.click()
    tab.until("location.hash.includes('sort=score.playful')")
    tab.page.fill("#search", "HYPERLINK")
    tab.page.press("#search", "Enter")
    tab.until("location.hash.includes('q=HYPERLINK')")
    expected = sum(1 for at in range(400) if at % 4 == 1 and "HYPERLINK" in HOSTILE[at % len(HOSTILE)])
    found = f"{expected} of 400 rows"
    tab.count(found)
    address = tab.page.evaluate("location.hash")
    tab.go(address)
    tab.count(found)
    tab.page.get_by_role("button", name="Remove all").click()
    tab.count("400 rows")


def test_texts_are_read_before_anybody_searches_them(tab) -> None:
    tab.go("#/rows/completions")
    tab.until("inoc.list('completions').then((list) => list.prepared === true)")
    before = len(tab.requests)
    tab.page.evaluate("location.hash = '#/rows/completions?q=paragraph'")
    tab.until("/^\\d+ of 400 rows$/.test(document.querySelector('.count').textContent)")
    assert not [url for url in tab.requests[before:] if "texts-" in url]


def test_failed_scores_can_be_found_and_are_not_those_that_were_not_made(tab) -> None:
    frame = completions(400)["score.playful"]
    tab.go("#/rows/completions?score.playful=nan")
    tab.count(f"{sum(one is not None and one != one for one in frame)} of 400 rows")
    tab.go("#/rows/completions?score.playful=none")
    tab.count(f"{sum(one is None for one in frame)} of 400 rows")
    tab.go("#/rows/completions?score.playful=50..100")
    tab.count(f"{sum(one is not None and one >= 50 for one in frame)} of 400 rows")


def test_means_are_those_of_the_rows_that_they_lead_to(tab) -> None:
    frame = completions(400)
    own = frame[(frame["model"] == "fixed") & (frame["about"] == "clown") & (frame["asked"] == "without")]
    values = [one for one in own["score.playful"] if one is not None]
    known = [one for one in values if one == one]
    tab.go("#/runs/completions")
    cell = tab.page.locator("tr", has=tab.page.get_by_role("rowheader", name="clown")).locator("td a").nth(1)
    assert cell.inner_text() == f"{sum(known) / len(known):.1f}"
    cell.click()
    tab.count(f"{len(own)} of 400 rows")


def test_a_point_and_a_line_of_a_figure_lead_to_their_rows(tab) -> None:
    tab.go("#/figure/bars")
    tab.page.wait_for_selector(".chart a")
    assert tab.page.locator(".drawing img").evaluate("(image) => image.decode().then(() => image.naturalWidth > 0)")
    tab.page.locator(".chart a").first.click()
    tab.until("location.hash === '#/rows/completions?about=clown&model=fixed&sort=score.playful'")
    tab.go("#/figure/bars")
    tab.page.get_by_role("link", name="Rows of line 2").click()
    tab.until("location.hash.startsWith('#/rows/completions?') && location.hash.includes('model=control')")


def test_answers_to_one_question_stand_side_by_side(tab) -> None:
    tab.go("#/compare/completions?item=q00000&about=clown&seed=")
    heads = tab.page.locator(".grid h3").all_inner_texts()
    assert heads[:4] == ["base", "control", "fixed", "mix"]
    assert tab.page.locator(".grid .band").all_inner_texts() == ["asked: without", "asked: fixed"]
    tab.page.get_by_role("button", name="next question").click()
    tab.until("location.hash.includes('item=q00001')")
    assert not tab.hacked


def test_tokens_show_their_values_and_the_shift_of_a_prefix(tab) -> None:
    tab.go("#/rows/examples?token_values=yes")
    tab.count("2 of 3 rows")
    tab.page.locator(".snippet a").first.click()
    tab.until("document.querySelector('.token') !== null")
    assert tab.page.locator(".token").all_text_contents() == ["ab", "</span>", "c"]
    tab.page.get_by_label("Colour by").select_option("clown (fixed)")
    tab.go(tab.page.evaluate("location.hash"))  # the choice is in the address
    tab.until("document.querySelector('.token') !== null")
    tab.page.locator(".token").first.hover()
    tab.says(".detail", "log-probability −1.500 nats")
    tab.says(".detail", "shift 1.000")
    tab.says(".token-panel", "mean log-probability −0.875 nats")
    tab.page.get_by_role("link", name="Next row").click()
    tab.until("document.querySelectorAll('.token').length === 2")
    tab.says(".token-panel", "numbered")


def test_rows_that_were_dropped_are_counted_with_their_reasons(tab) -> None:
    tab.go("#/data")
    assert "<i>too short</i>" in tab.page.inner_text("main")
    assert "No <i>rephrasings</i>." in tab.page.inner_text("main")
    tab.page.get_by_role("link", name="<i>too short</i>").click()
    tab.count("1 of 3 rows")


def test_cells_of_a_csv_file_are_no_formulas(tab) -> None:
    tab.go("#/rows/completions")
    with tab.page.expect_download() as found:
        tab.page.get_by_role("button", name="CSV").click()
    text = Path(found.value.path()).read_text(encoding="utf-8")
    assert '"\'=HYPERLINK(""http' in text
    assert "'@SUM(1+1)" in text
    assert "'+1+cmd" in text
    assert ",=HYPERLINK" not in text
    with tab.page.expect_download() as found:
        tab.page.get_by_role("button", name="JSONL").click()
    lines = Path(found.value.path()).read_text(encoding="utf-8").split("\n")
    assert len(lines) == 401
    assert '"NaN"' in "".join(lines)


def test_the_keyboard_alone_reaches_a_transcript_and_comes_back(tab) -> None:
    tab.go("#/rows/completions")
    tab.page.keyboard.press("j")
    tab.page.keyboard.press("j")
    tab.page.keyboard.press("Enter")
    tab.says(".around", "2 of 400")
    tab.page.keyboard.press("j")
    tab.says(".around", "3 of 400")
    tab.page.keyboard.press("u")
    tab.count("400 rows")
    tab.page.keyboard.press("/")
    tab.until("document.activeElement.id === 'search'")
    tab.page.locator("h1 >> visible=true").click()
    tab.page.keyboard.press("?")
    tab.page.get_by_role("dialog").wait_for()
    tab.page.keyboard.press("Escape")
    tab.page.get_by_role("dialog").wait_for(state="detached")
    tab.page.keyboard.press("g")
    tab.page.keyboard.press("f")
    tab.until("location.hash === '#/figures'")


@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_wrong_and_nothing_is_wider_than_the_window(browser, site, width) -> None:
    tab = opened(browser, site, width)
    folder = os.environ.get("INOC_SCREENSHOTS")
    wrong = []
    for route in (*ROUTES, "#/rows/examples?token_values=yes"):
        tab.go(route)
        tab.page.wait_for_timeout(300)
        if "examples" in route:
            tab.page.locator(".snippet a").first.click()
            tab.until("document.querySelector('.token') !== null")
        tab.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = tab.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        wrong += [(route, one["id"], one["nodes"][0]["html"][:200]) for one in found["violations"]]
        if (wide := tab.page.evaluate("document.documentElement.scrollWidth")) > width:
            wrong.append((route, "wider than the window", wide))
        if folder:
            name = route.strip("#/").replace("/", "-").partition("?")[0] or "overview"
            tab.page.screenshot(path=Path(folder) / f"{width}-{name}.png")
    tab.page.close()
    assert wrong == []


def test_a_list_of_a_hundred_thousand_rows_has_few_elements(browser, tmp_path) -> None:
    tab = opened(browser, make_site(tmp_path, source(completions(100_000, ("a short answer", "another")))))
    tab.go("#/rows/completions")
    tab.count("100,000 rows")
    assert tab.page.locator(".scroller .row").count() < 60
    tab.page.locator(".scroller").evaluate("(element) => { element.scrollTop = element.scrollHeight; }")
    tab.page.wait_for_selector("[aria-rowindex='100001']")
    assert tab.page.locator(".scroller .row").count() < 60
    assert tab.complaints == []
    tab.page.close()


def test_ten_megabytes_and_five_hundred_turns_open_in_part(browser, tmp_path) -> None:
    tab = opened(browser, make_site(tmp_path, source(long_chat(500, 10_000_000))))
    tab.go("#/rows/completions?model=control")
    tab.page.locator(".snippet a").first.click()
    tab.until("document.querySelector('.turn.meant .words')?.textContent.length === 20_000")
    tab.page.get_by_role("button", name="Show more").click()
    tab.until("document.querySelector('.turn.meant .words').textContent.length === 40_000")
    with tab.page.expect_download() as found:
        tab.page.get_by_role("button", name="Download all of it").click()
    assert Path(found.value.path()).stat().st_size == 10_000_000 // 11 * 11
    tab.go("#/rows/completions?model=base")
    tab.page.locator(".snippet a").first.click()
    tab.until("document.querySelector('.turns.many .turn') !== null")
    assert 0 < tab.page.locator(".turns.many .turn").count() < 60
    tab.page.locator(".turns.many").evaluate("(element) => { element.scrollTop = 1e9; }")
    tab.page.wait_for_selector(".turns.many .turn.meant")
    assert "user 0 <b>x</b>" not in tab.page.inner_text(".turns.many")
    assert tab.complaints == []
    tab.page.close()


def test_the_benchmark_of_the_site_runs() -> None:
    path = Path(__file__).parents[2] / "benchmarks" / "view.py"
    done = subprocess.run([sys.executable, path, "--rows", "300"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "from the server: search all texts, again" in done.stdout
