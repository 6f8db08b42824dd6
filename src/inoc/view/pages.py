"""The page of the site with its texts: verdict, numbers, methods and provenance, from the contents of the report."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from inoc.report.words import interval
from inoc.view.declare import KeyNumber

APP = (
    "data.js",
    "filter.js",
    "dom.js",
    "list.js",
    "rows.js",
    "row.js",
    "tokens.js",
    "boards.js",
    "figures.js",
    "main.js",
)
"""Scripts of the page, in the order in which they are loaded."""
_TEXTS = ("verdict", "guide", "results", "methods", "provenance")


class Caption(NamedTuple):
    """A caption of a figure, as HTML."""

    name: str
    html: Markup


def policy() -> str:
    """The content security policy: scripts and styles of the site alone, and no markup from a text.

    The chart library adds one style sheet of its own, which is admitted by its digest.
    """
    versions = json.loads((resources.files("inoc.view") / "static" / "vendor" / "versions.json").read_text())
    style = " ".join(f"'{digest}'" for digest in versions["styles"])
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self' {style}; img-src 'self' blob:; connect-src 'self'; "
        "require-trusted-types-for 'script'; trusted-types inoc-data; base-uri 'none'; form-action 'none'"
    )


def index_page(values: Mapping[str, object], numbers: tuple[KeyNumber, ...], captions: Mapping[str, str]) -> str:
    """The site's page.

    Args:
        values: As `inoc.report.page.page_values` gives them.
        numbers: Of the overview.
        captions: Figure → its caption, in Markdown.
    """
    texts = {name: _html(_render(f"{name}.md.j2", values)) for name in _TEXTS}
    environment = Environment(loader=PackageLoader("inoc.view"), undefined=StrictUndefined, autoescape=True)
    return environment.get_template("index.html.j2").render(
        title=values["title"],
        question=_html(str(values["question"])),
        policy=policy(),
        numbers=[(number, number_words(number)) for number in numbers],
        captions=[Caption(name, _html(text)) for name, text in captions.items()],
        scripts=APP,
        **texts,
    )


def number_words(number: KeyNumber) -> tuple[str, str]:
    """A number of the overview as text, and its interval; the latter is empty without one."""
    value, bracket, rest = interval(number.value, number.lo, number.hi, number.digits).partition("[")
    unit = f"\u00a0{number.unit}" if number.unit else ""
    return value.strip() + unit, f"[{rest}" if bracket and "no interval" not in rest else ""


def _render(template: str, values: Mapping[str, object]) -> str:
    loader = ChoiceLoader([PackageLoader("inoc.view"), PackageLoader("inoc.report", "templates")])
    environment = Environment(loader=loader, undefined=StrictUndefined, autoescape=False)  # Markdown, escaped before
    return re.sub(r"\n{3,}", "\n\n", environment.get_template(template).render(values))


def _html(markdown: str) -> Markup:
    """Markdown as HTML without images; tables that are wide scroll by themselves, also by the keyboard."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = parser.parse(markdown)
    for opening, inline in itertools.pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", "t-" + re.sub(r"[^a-z0-9]+", "-", inline.content.lower()).strip("-"))
    body: str = parser.renderer.render(tokens, parser.options, {})
    body = body.replace("<table>", '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>')
    body = body.replace("<th></th>", "<td></td>")
    return Markup(body.replace("</table>", "</table></div>"))
