"""The page: its contents, and how they become Markdown and one HTML file."""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token

from inoc.figures.entries import entry_of, figure_names
from inoc.figures.sources import Sources
from inoc.jobs.paths import Paths
from inoc.report import provenance
from inoc.report.manifests import Manifest, read_manifests
from inoc.report.words import MISSING, Table, code, escape
from inoc.studies.inoculation.figures.catalogue import ENTRIES
from inoc.studies.inoculation.figures.choices import judged_traits, trait_label
from inoc.studies.inoculation.sections import methods, results
from inoc.studies.inoculation.study import Study
from inoc.tables import read_table

MOST_SVG_BYTES = 500_000
"""Of one figure; many of them must still open in one page."""
MOST_NAMED = 12
"""Things skipped for one reason that are named; all of them are in `analyse/skipped.json`."""

EMPTY = Table([], [])
ANALYSIS = ("verdict", "scores", "gate", "prediction", "elicitation", "suppression", "predictors")


class Figure(NamedTuple):
    """A figure on the page."""

    title: str
    category: str
    source: str  # relative to the page
    data: str
    caption: str  # Markdown


class Anchor(NamedTuple):
    """A heading that the page's contents link to."""

    name: str
    words: str
    level: int  # 2 to 4


def contents(study: Study, paths: Paths, jobs: Collection[str] | None = None) -> dict[str, object]:
    """Everything that the template needs, in finished Markdown.

    Args:
        study: The study.
        paths: Its results; what is not there is said to be missing.
        jobs: Names of the study's present jobs, whose manifests count; None: all manifests count.
    """
    sources, manifests = Sources(paths), read_manifests(paths, jobs)
    tables = {name: frame for name in ANALYSIS if (frame := sources.optional(name)) is not None}
    none = pd.DataFrame()
    verdict = tables.get("verdict", none)
    return {
        "title": escape(study.title),
        "name": code(study.name),
        "description": escape(study.description),
        "level": f"{100 * study.statistics.confidence:g} %",
        "missing": f"*{MISSING}*",
        "skipped_note": "*Nothing to show; see what was skipped.*",
        "verdict_words": results.verdict_words(study, verdict),
        "verdict": results.verdict_table(verdict) if len(verdict) else EMPTY,
        "score_tables": _score_tables(study, tables.get("scores", none)),
        "gate": results.gate_table(study, tables["gate"]) if len(tables.get("gate", none)) else EMPTY,
        "prediction": results.prediction_table(tables["prediction"]) if len(tables.get("prediction", none)) else EMPTY,
        "figures": by_category(page_figures(study, paths)),
        "absent": Table(["figure", "why the study has none"], absent_figures(study)),
        "methods": _methods(study, paths),
        "imported": import_table(paths),
        "skipped": skipped_words(study, paths),
        "failed": results.failed_words(tables),
        "warnings": provenance.warnings(manifests),
        "provenance": _provenance(study, manifests),
        "examples": [(job, _fenced(text)) for job, text in provenance.rendered_examples(manifests)],
    }


def _score_tables(study: Study, scores: pd.DataFrame) -> list[tuple[str, Table]]:
    if scores.empty:
        return [("Scores after training", EMPTY)]
    return [
        (f"{escape(trait_label(study, trait))}: scores after training", results.score_table(study, scores, trait))
        for trait in judged_traits(study)
    ]


def _methods(study: Study, paths: Paths) -> dict[str, object]:
    examples = read_table(paths.examples, ["kept", "reason"]) if paths.examples.exists() else None
    spread = read_table(paths.spread) if paths.spread.exists() else None
    return {
        "model": methods.model_words(study),
        "world": methods.world_words(study),
        "traits": methods.trait_table(study),
        "data": methods.data_words(study),
        "kept": EMPTY if examples is None else results.kept_table(examples),
        "placement": methods.placement_words(study),
        "prompts": methods.prompt_table(study),
        "rephrase": methods.rephrase_words(study),
        "spread": EMPTY if spread is None else results.spread_table(spread),
        "training": methods.training_words(study),
        "evaluation": methods.evaluation_words(study),
        "scoring": methods.scoring_words(study),
        "statistics": methods.statistics_words(study),
    }


def _provenance(study: Study, manifests: list[Manifest]) -> dict[str, Table]:
    return {
        "times": provenance.time_table(manifests),
        "seeds": methods.seed_table(study),
        "model": provenance.model_table(manifests),
        "api": provenance.api_table(manifests),
        "packages": provenance.package_table(manifests),
        "jobs": provenance.job_table(manifests),
    }


def page_figures(study: Study, paths: Paths) -> list[Figure]:
    """The figures that were drawn, in the catalogue's order."""
    folder = paths.stage("figures")
    figures = []
    for name in figure_names(ENTRIES, study):
        image, caption = folder / f"{name}.svg", folder / f"{name}.rst"
        if image.exists() and caption.exists():
            text = caption.read_text(encoding="utf-8").strip()
            entry = entry_of(ENTRIES, name)
            source, data = f"../figures/{name}.svg", f"figures/{name}.csv"
            figures.append(Figure(entry.title, entry.category, source, data, text))
    return figures


def import_table(paths: Paths) -> Table:
    """What an import noticed, other than what it read; empty for a study that was computed here."""
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


def absent_figures(study: Study) -> list[list[str]]:
    """Rows of figures that do not apply to the study, each with the reason."""
    return [[escape(entry.title), escape(why)] for entry in ENTRIES if (why := entry.missing(study))]


def skipped_words(study: Study, paths: Paths) -> list[str]:
    """What was not done, in lines: things with the same reason share one."""
    by_reason: dict[str, list[str]] = {}
    for what, why in skipped_things(study, paths):
        by_reason.setdefault(why, []).append(what)
    return [_skipped_line(whats, why) for why, whats in by_reason.items()]


def _skipped_line(whats: list[str], why: str) -> str:
    if len(whats) == 1:
        return f"{escape(whats[0])}: {escape(why)}"
    rest = f" and {len(whats) - MOST_NAMED} more" if len(whats) > MOST_NAMED else ""
    return f"{escape(why)}: {'; '.join(map(escape, whats[:MOST_NAMED]))}{rest} ({len(whats)} things)"


def skipped_things(study: Study, paths: Paths) -> list[tuple[str, str]]:
    """What was not done and why: what the analysis could not compute, and figures that should be there and are not."""
    found: list[tuple[str, str]] = []
    listing = paths.stage("analyse") / "skipped.json"
    if listing.exists():
        found += [(str(item["what"]), str(item["why"])) for item in json.loads(listing.read_text(encoding="utf-8"))]
    drawn = {figure.source for figure in page_figures(study, paths)}
    found += [
        (f"figure {name}", "it has not been drawn; run `inoc figures`")
        for name in figure_names(ENTRIES, study)
        if f"../figures/{name}.svg" not in drawn
    ]
    return found


def markdown(values: Mapping[str, object]) -> str:
    """The page in Markdown.

    Args:
        values: As `contents` gives them.
    """
    # Values are escaped for Markdown where they are made; HTML is escaped when Markdown is rendered.
    environment = Environment(loader=_loader(), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    text = environment.get_template("appendix.md.j2").render(values)
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
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(text)
    anchors = list(_anchor(tokens))
    _inline_images(tokens, folder)
    body = parser.renderer.render(tokens, parser.options, {})
    body = body.replace("<table>", '<div class="scroll"><table>').replace("</table>", "</table></div>")
    # A box of its own for each figure: what is long or wide scrolls there, at the size at which its text can be read.
    body = re.sub(r"<p>(<img [^>]*>)</p>", r'<div class="figure" role="group" tabindex="0">\1</div>', body)
    environment = Environment(loader=_loader(), undefined=StrictUndefined, autoescape=True)
    sections = [anchor for anchor in anchors if anchor.level == 2]
    values = {"title": title, "sections": sections, "categories": _categories(anchors), "body": body}
    return environment.get_template("page.html.j2").render(values)


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
        if level == 2 or (level > 2 and section == "Figures"):
            yield Anchor(anchor, words, level)


def _inline_images(tokens: list[Token], folder: Path) -> None:
    for token in tokens:
        for child in token.children or []:
            if child.type == "image":
                child.attrSet("src", data_uri(folder / str(child.attrGet("src"))))


def data_uri(image: Path) -> str:
    """An image as part of the page: the SVG, or its PNG twin if the SVG is large."""
    if image.suffix == ".svg" and image.stat().st_size > MOST_SVG_BYTES:
        image = image.with_suffix(".png")
    kind = {".svg": "image/svg+xml", ".png": "image/png"}[image.suffix]
    return f"data:{kind};base64,{base64.b64encode(image.read_bytes()).decode()}"


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text.rstrip()}\n{fence}"
