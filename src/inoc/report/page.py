"""The page: its contents, rendered as Markdown and as one HTML file."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token

from inoc.figures.listing import empty_figures
from inoc.jobs.paths import Paths
from inoc.report import provenance
from inoc.report.contents import EMPTY, Contents
from inoc.report.manifests import Manifest, read_manifests
from inoc.report.pictures import packed, placeholder, plain_uri, shown
from inoc.report.words import MISSING, Table, escape

FURTHER = "Further figures"
"""Heading of the section whose figures are unpacked when the reader comes near them."""
MOST_SENTENCES = 3
"""Sentences of the verdict on the first page; the others come before the results."""
MOST_NAMED = 12
"""Things skipped for one reason that are named; all of them are in `analyse/skipped.json`."""


class Figure(NamedTuple):
    """A figure on the page."""

    title: str
    category: str
    source: str  # relative to the page
    data: str
    caption: str  # Markdown
    core: bool


class Anchor(NamedTuple):
    """A heading that the page's contents link to."""

    name: str
    words: str
    level: int  # 2 to 4


def page_values(contents: Contents, paths: Paths, jobs: Collection[str] | None = None) -> dict[str, object]:
    """Values of the template, in finished Markdown.

    Args:
        contents: Of the study, from its kind.
        paths: Its results; what is not there is said to be missing.
        jobs: Names of the study's present jobs, whose manifests count; None: all manifests count.
    """
    manifests, drawn = read_manifests(paths, jobs), page_figures(contents, paths)
    absent = [[escape(title), escape(why)] for title, why in contents["absent"]]
    return {
        **contents,
        "heading": escape(contents["title"]),
        "verdict": contents["verdict"][:MOST_SENTENCES],
        "more_verdict": contents["verdict"][MOST_SENTENCES:],
        "unasked": [escape(figure.title) for figure in contents["unasked"]],
        "missing": f"*{MISSING}*",
        "core": [figure for figure in drawn if figure.core],
        "further": by_category(figure for figure in drawn if not figure.core),
        "absent": Table(["figure", "why the study has none"], absent),
        "imported": import_table(paths),
        "skipped": skipped_words(contents, paths),
        "warnings": provenance.warnings(manifests),
        "provenance": _provenance(contents, manifests),
        "examples": [(job, _fenced(text)) for job, text in provenance.rendered_examples(manifests)],
    }


def _provenance(contents: Contents, manifests: list[Manifest]) -> dict[str, Table]:
    return {
        "times": provenance.time_table(manifests),
        "seeds": contents["seeds"],
        "model": provenance.model_table(manifests),
        "api": provenance.api_table(manifests),
        "packages": provenance.package_table(manifests),
        "jobs": provenance.job_table(manifests),
    }


def page_figures(contents: Contents, paths: Paths) -> list[Figure]:
    """The figures that were drawn and show something, in the order of the study's kind."""
    folder = paths.stage("figures")
    figures, empty = [], empty_figures(paths)
    for listed in contents["figures"]:
        if listed.name in empty:
            continue
        image, caption = folder / f"{listed.name}.svg", folder / f"{listed.name}.rst"
        if image.exists() and caption.exists():
            text = caption.read_text(encoding="utf-8").strip()
            source, data = f"../figures/{listed.name}.svg", f"figures/{listed.name}.csv"
            figures.append(Figure(listed.title, listed.category, source, data, text, listed.core))
    return figures


def import_table(paths: Paths) -> Table:
    """Findings of an import, except for the list of what it read; empty for a study that was computed here."""
    listing = paths.stage("imports") / "findings.json"
    if not listing.exists():
        return EMPTY
    found = json.loads(listing.read_text(encoding="utf-8"))
    rows = [
        [str(one["level"]).replace("_", " "), *(escape(str(one[name])) for name in ("topic", "place", "text"))]
        for one in found
        if one["level"] != "found"
    ]
    return Table(["level", "about", "where", "what"], rows)


def by_category(figures: Iterable[Figure]) -> dict[str, list[Figure]]:
    """Category → its figures; both in the order in which they first come."""
    found: dict[str, list[Figure]] = {}
    for figure in figures:
        found.setdefault(figure.category, []).append(figure)
    return found


def skipped_words(contents: Contents, paths: Paths) -> list[str]:
    """Lines about tables and figures that are missing; those with the same reason share a line."""
    by_reason: dict[str, list[str]] = {}
    for what, why in skipped_things(contents, paths):
        by_reason.setdefault(why, []).append(what)
    return [_skipped_line(whats, why) for why, whats in by_reason.items()]


def _skipped_line(whats: list[str], why: str) -> str:
    if len(whats) == 1:
        return f"{escape(whats[0])}: {escape(why)}"
    rest = f" and {len(whats) - MOST_NAMED} more" if len(whats) > MOST_NAMED else ""
    return f"{escape(why)}: {'; '.join(map(escape, whats[:MOST_NAMED]))}{rest} ({len(whats)} things)"


def skipped_things(contents: Contents, paths: Paths) -> list[tuple[str, str]]:
    """Missing results with reasons: those that the analysis could not compute, and figures that were not drawn."""
    found: list[tuple[str, str]] = []
    listing = paths.stage("analyse") / "skipped.json"
    if listing.exists():
        found += [(str(item["what"]), str(item["why"])) for item in json.loads(listing.read_text(encoding="utf-8"))]
    drawn, empty = {figure.source for figure in page_figures(contents, paths)}, empty_figures(paths)
    found += [
        (f"figure {listed.name}", empty.get(listed.name, "it has not been drawn; run `inoc figures`"))
        for listed in contents["figures"]
        if f"../figures/{listed.name}.svg" not in drawn
    ]
    return found


def markdown(values: Mapping[str, object], template: str = "appendix.md.j2") -> str:
    """The page in Markdown.

    Args:
        values: As `page_values` gives them.
        template: Of the whole page, or of its beginning.
    """
    # Values are escaped for Markdown where they are made; HTML is escaped when Markdown is rendered.
    environment = Environment(loader=_loader(), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    text = environment.get_template(template).render(values)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def html(text: str, title: str, folder: Path) -> str:
    """The page as one HTML file that needs nothing else.

    Args:
        text: Markdown.
        title: For the browser's tab.
        folder: Where the images' paths start.

    Raises:
        DataError: If an image is not there.
    """
    body, anchors = _body(text, folder)
    environment = Environment(loader=_loader(), undefined=StrictUndefined, autoescape=True)
    sections = [anchor for anchor in anchors if anchor.level == 2]
    values = {"title": title, "sections": sections, "categories": _categories(anchors), "body": body}
    return environment.get_template("page.html.j2").render(values)


def front_html(text: str, folder: Path) -> str:
    """The beginning of the page as HTML to be put into another page, such as Snakemake's report.

    Args:
        text: Markdown.
        folder: Where the images' paths start.

    Raises:
        DataError: If an image is not there.
    """
    body, _ = _body(text, folder)
    environment = Environment(loader=_loader(), undefined=StrictUndefined, autoescape=True)
    # Names of headings would be those of several studies' pages.
    return environment.get_template("front.html.j2").render(body=re.sub(r"(<h[1-4]) id=\"[^\"]*\"", r"\1", body))


def _body(text: str, folder: Path) -> tuple[str, list[Anchor]]:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(text)
    anchors = list(_anchor(tokens))
    _inline_images(tokens, folder)
    body: str = parser.renderer.render(tokens, parser.options, {})
    body = body.replace("<table>", '<div class="scroll"><table>').replace("</table>", "</table></div>")
    # A box of its own for each figure: what is long or wide scrolls there, at the size at which its text can be read.
    body = re.sub(r"<p>(<img [^>]*>)</p>", r'<div class="figure" role="group" tabindex="0">\1</div>', body)
    return body, anchors


def _categories(anchors: Iterable[Anchor]) -> list[tuple[Anchor, list[Anchor]]]:
    """Each category of figures with its figures."""
    found: list[tuple[Anchor, list[Anchor]]] = []
    for anchor in anchors:
        if anchor.level == 3:
            found.append((anchor, []))
        elif anchor.level == 4:
            found[-1][1].append(anchor)
    return found


def _loader() -> PackageLoader:
    return PackageLoader("inoc.report", "templates")


def _anchor(tokens: list[Token]) -> Iterable[Anchor]:
    """Give every heading an id; those of the contents: sections, and all that is below the one of the figures."""
    used: set[str] = set()
    section = ""
    for opening, inline in itertools.pairwise(tokens):
        if opening.type != "heading_open":
            continue
        words = "".join(child.content for child in inline.children or [])
        stem = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-") or "section"
        anchor = next(name for name in (stem, *(f"{stem}-{n}" for n in range(2, 10_000))) if name not in used)
        used.add(anchor)
        opening.attrSet("id", anchor)
        level = int(opening.tag[1:])
        section = words if level == 2 else section
        if level == 2 or (level > 2 and section == FURTHER):
            yield Anchor(anchor, words, level)


def _inline_images(tokens: list[Token], folder: Path) -> None:
    """Put images into the page: those before the first further figure as they are, so that they need no script."""
    section = ""
    for before, token in itertools.pairwise([Token("", "", 0), *tokens]):
        if before.type == "heading_open" and before.tag == "h2":
            section = token.content
        for child in token.children or []:
            if child.type != "image":
                continue
            image = folder / str(child.attrGet("src"))
            if section == FURTHER and shown(image).suffix == ".svg":
                child.attrSet("src", placeholder(image))
                child.attrSet("data-svg", packed(image))
            else:
                child.attrSet("src", plain_uri(image))


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text.rstrip()}\n{fence}"
