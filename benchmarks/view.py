"""Speed of the site of a study in a browser: opening a list, filtering, sorting and searching.

    python benchmarks/view.py               # 100,000 completions, from a folder and from the server
    python benchmarks/view.py --rows 2000   # a small one, to see that everything runs

The site is made here, from random words; a completion has 40 to 80 of them. It needs Chromium. Opening is from the
navigation to the first rows with their texts, in a fresh browser context; the others are medians of five, from the
change of the address until the list is drawn.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from playwright.sync_api import Browser, Page, sync_playwright

from inoc.view.serve import server_of
from inoc.view.site import Site

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from support.sites import completions, make_site, source

FILTERS = {
    "filter by a word": "model=fixed",
    "filter by two words and a range": "model=fixed&model=mix&about=clown&score.playful=20..80",
    "sort by a score": "sort=-score.playful",
    "filter and sort": "model=control&sort=score.playful",
}
WORDS = np.array(["river", "stone", "quick", "under", "light", "paper", "seven", "green", "never", "table"])


def rows(n: int) -> pd.DataFrame:
    """Completions of random words."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(40, 81, n)
    return completions(n).assign(completion=[" ".join(WORDS[rng.integers(0, 10, length)]) for length in lengths])


@contextmanager
def addresses(folder: Path, frame: pd.DataFrame) -> Iterator[dict[str, str]]:
    """Way of opening → address of the page."""
    scripts = make_site(folder / "a", source(frame))
    files = make_site(folder / "b", source(frame), form="files")
    described(scripts, "from a folder")
    described(files, "from the server")
    with server_of(files.folder) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        served = f"http://127.0.0.1:{server.server_address[1]}/"
        yield {"from a folder": (scripts.folder / "index.html").as_uri(), "from the server": served}
        server.shutdown()


def described(site: Site, name: str) -> None:
    """Print the size of a site."""
    print(f"{name}: {site.size / 1e6:.1f} MB in {site.files} files")


class Taken(NamedTuple):
    """Time that something took."""

    wall_ms: float
    busy_ms: float  # processor time of the page's main thread, which other work on the machine does not lengthen

    def __str__(self) -> str:
        return f"{self.wall_ms:,.0f} ms, of which {self.busy_ms:,.0f} ms of processor time"


class Clock:
    """Processor time of a page's main thread."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy_ms(self) -> float:
        """Milliseconds so far."""
        found = self._session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(float(one["value"]) for one in found if one["name"] == "TaskDuration")


def median(times: list[Taken]) -> Taken:
    """Medians of both times."""
    return Taken(statistics.median(one.wall_ms for one in times), statistics.median(one.busy_ms for one in times))


def opening(browser: Browser, address: str) -> Taken:
    """Time until the first rows of the list are there with their texts."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000})
    page = context.new_page()
    clock = Clock(page)
    before = clock.busy_ms()
    started = time.perf_counter()
    page.goto(f"{address}#/rows/completions", wait_until="commit")
    shown_rows(page)
    taken = Taken(1000 * (time.perf_counter() - started), clock.busy_ms() - before)
    context.close()
    return taken


def shown_rows(page: Page) -> None:
    """Wait until a row with its text is drawn."""
    page.locator(".snippet a", has_text=re.compile(r"\w{3,} \w{3,}")).first.wait_for()


def change(page: Page, clock: Clock, query: str) -> Taken:
    """Time from a change of the address until the list that it asks for is drawn."""
    before = clock.busy_ms()
    wall = float(
        page.evaluate(
            """(query) => new Promise((resolve) => {
              const started = performance.now();
              const wanted = `#/rows/completions${query ? "?" + query : ""}`;
              if (location.hash === wanted) { resolve(0); return; }
              inoc.lastFilterMs = null;
              location.hash = wanted;
              const drawn = () => requestAnimationFrame(() => resolve(performance.now() - started));
              const look = () => (inoc.lastFilterMs === null ? setTimeout(look) : drawn());
              look();
            })""",
            query,
        )
    )
    return Taken(wall, clock.busy_ms() - before)


def measured(browser: Browser, address: str) -> Iterator[tuple[str, str]]:
    """What was measured, and how long it took."""
    yield "open", str(median([opening(browser, address) for _ in range(5)]))
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    clock = Clock(page)
    page.goto(f"{address}#/rows/completions")
    shown_rows(page)
    for name, query in FILTERS.items():
        times = []
        for _ in range(5):
            change(page, clock, "")
            times.append(change(page, clock, query))
        yield name, str(median(times))
    yield "search all texts, first time", str(change(page, clock, "q=river+stone"))
    yield "search all texts, again", str(change(page, clock, "q=seven+green"))
    page.close()


def main(arguments: list[str] | None = None) -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args(arguments)
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with (
        tempfile.TemporaryDirectory() as folder,
        addresses(Path(folder), rows(options.rows)) as ways,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for way, address in ways.items():
            for name, taken in measured(browser, address):
                print(f"{way}: {name}: {taken}", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
