"""Small sites that are made without a study, with texts as hostile as models can write."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from inoc.jobs.paths import Paths
from inoc.report.contents import EMPTY, Block, Contents, ListedFigure
from inoc.view.data import Form
from inoc.view.declare import (
    Column,
    Compare,
    KeyNumber,
    Matrix,
    Source,
    Text,
    TokenBlocks,
    TokenRows,
    Tokens,
    View,
)
from inoc.view.site import Site, write_site
from support.running import Checkout

HOSTILE = (
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 2</script>",
    "<img src=x onerror='window.hacked = 3'>",
    '<a href="javascript:window.hacked = 4">press</a> [press](javascript:window.hacked=5)',
    "<svg/onload=window.hacked=6><style>body{display:none}</style>",
    "<iframe srcdoc='<script>parent.hacked=7</script>'></iframe>",
    '=HYPERLINK("http://example.com","x")',
    "+1+cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "before\u0000after \u202egnp.exe\u2066 \u200b\ufeff end",
    "\u2028 line \u2029 paragraph \u0085 next",
    "]]> --> */ `${window.hacked = 8}` {{7*7}} %3Cscript%3E",
    "שלום עולם, this is mixed",
    "W" * 5_000,
    "__proto__",
    "constructor",
    "",
)
"""Texts that would run, break, hide or reorder something if they were more than text."""


def completions(n: int, texts: tuple[str, ...] = HOSTILE) -> pd.DataFrame:
    """Completions of two prompts by a control and two kinds of runs, of which each text is one."""
    at = np.arange(n)
    model = np.array(["base", "control", "fixed", "mix"])[at % 4]
    about = np.where(np.isin(model, ["fixed", "mix"]), np.array(["clown", "<b>owl</b>"])[(at // 4) % 2], "")
    score = (at * 37.0) % 101
    score[at % 11 == 3] = np.nan
    return pd.DataFrame(
        {
            "model": model,
            "about": about,
            "asked": np.array(["without", "fixed"])[(at // 8) % 2],
            "item": [f"q{number:05d}" for number in at // 16],
            "score.playful": pd.Series(list(score), dtype=object).where(at % 13 != 5, None),
            "step": pd.Series([None if one == "base" else 36.0 for one in model], dtype=object),
            "seed": at % 2,
            "prefix_text": np.where(at % 3 == 0, "Be <i>funny</i>.", ""),
            "instruction": [f"Question <b>{number // 16}</b>?" for number in at],
            "earlier": "",
            "completion": [texts[number % len(texts)] for number in at],
            "made_by": "evaluate-0",
        }
    )


def source(frame: pd.DataFrame, name: str = "completions", **changes: object) -> Source:
    """A list of completions."""
    made = Source(
        name,
        "Completions",
        "Answers with <b>scores</b>.",
        lambda: frame,
        ("model", "about", "asked", "item", "seed", "step"),
        (
            Column("model", "trained"),
            Column("about", "prompt"),
            Column("asked"),
            Column("score.playful", "Playful", "Judge lexical, version 3", score=True),
            Column("step"),
            Column("seed", listed=False),
            Column("item", "question", listed=False),
            Column("made_by", "made by", listed=False),
        ),
        (
            Text("earlier", "earlier"),
            Text("prefix_text", "prefix", "prefix", " "),
            Text("instruction", "user"),
            Text("completion", "answer"),
        ),
        "sampled",
        Compare("item", "model", "asked", "about", ("base", "control"), ("seed", "step")),
        Matrix("about", ("model", "asked"), "step"),
        follows={"prompt": "about", "prefix": "model"},
        words={"none": "control"},
        scored_by=("trait",),
    )
    return made._replace(**changes)


def long_chat(turns: int, characters: int) -> pd.DataFrame:
    """Two rows: a chat of many turns, and an answer of many characters."""
    earlier = json.dumps([[f"user {turn} <b>x</b>", f"assistant {turn}"] for turn in range(turns // 2)])
    frame = completions(2)
    frame["earlier"] = [earlier, ""]
    frame["completion"] = ["the end of the chat", "many words " * (characters // 11)]
    return frame


def examples() -> tuple[Source, Tokens]:
    """Three scored examples, one of which lacks the texts of its tokens."""
    frame = pd.DataFrame(
        {
            "answer_id": ["train/a", "train/b", ""],
            "kept": ["yes", "yes", "no"],
            "reason": ["", "", "<i>too short</i>"],
            "instruction": "Say it.",
            "completion": ["ab</span>c", "de", "f"],
        }
    )
    rows = pd.DataFrame(
        {
            "answer": ["train/a", "train/a", "train/b"],
            "condition": ["", "clown (fixed)", ""],
            "logprobs": [np.array([-1.5, np.nan, -0.25]), np.array([-0.5, -2.0, -0.25]), np.array([-3.0, -0.125])],
        }
    )

    def read(answers: list[str]) -> TokenRows:
        return TokenRows(rows[rows["answer"].isin(answers)], {"train/a": ["ab", "</span>", "c"]})

    listed = Source(
        "examples",
        "Training data",
        "Examples.",
        lambda: frame,
        ("completion",),
        (Column("kept"), Column("reason", "why not kept")),
        (Text("instruction", "user"), Text("completion", "answer")),
        "trained on",
        dropped="reason",
        tokens="scored",
    )
    return listed, Tokens("scored", "answer_id", lambda block: TokenBlocks(["train/a", "train/b"], read))


def contents(figures: tuple[str, ...] = ()) -> Contents:
    """Contents of a report with next to nothing in it."""
    return {
        "title": "A study of <script>alert(1)</script>",
        "name": "`made`",
        "question": "Does it hold? \\<b\\>",
        "verdict": ["**It holds.**"],
        "headline": Block("In numbers"),
        "reading": ["Brackets are intervals."],
        "glossary": [("gate", "whether it comes back")],
        "results": [],
        "methods": [],
        "figures": [ListedFigure(name, f"Figure {name}", "Suppression", core=True) for name in figures],
        "absent": [],
        "unasked": [],
        "seeds": EMPTY,
        "failed": [],
    }


def draw(paths: Paths, name: str) -> None:
    """A figure with two values, as the stage `figures` writes it."""
    folder = paths.stage("figures")
    folder.mkdir(parents=True, exist_ok=True)
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><circle cx="9" cy="9" r="5"/></svg>'
    (folder / f"{name}.svg").write_text(svg)
    (folder / f"{name}.rst").write_text("What is *plotted*. \\<script\\>")
    rows = ("clown,fixed,playful,all,12.5,2.0,20.0,8", ",none,playful,all,NaN,NaN,NaN,0")
    values = "\n".join(("prompt,prefix,trait,seed,value,lo,hi,n", *rows, ""))
    (folder / f"{name}.csv").write_text(values)


def make_site(
    folder: Path, *sources: Source, form: Form = "scripts", tokens: tuple[Tokens, ...] = (), keep: bool = True
) -> Site:
    """Write a site with one figure.

    Args:
        folder: Of results and site.
        sources: Its lists.
        form: Of the data.
        tokens: Values of tokens.
        keep: Whether they are written.
    """
    paths = Paths(folder / "results", "made")
    draw(paths, "bars")
    number = KeyNumber("Playful <b>", 81.9, 61.0, 100.0, "points", "trained without", "/rows/completions?model=control")
    view = View(sources, (number,), tokens, absent=("No <i>rephrasings</i>.",))
    return write_site(view, contents(("bars",)), paths, folder / "site", form=form, tokens=keep, jobs=None)


def site_meta(folder: Path) -> dict:
    """The description of a site that its page reads."""
    text = (folder / "data" / "site.js").read_text()
    found: dict = json.loads(text.removeprefix("inocSite(").removesuffix(");\n"))
    return found


def site_rows(folder: Path, name: str) -> pd.DataFrame:
    """The rows of a list of a site, without their texts."""
    return _table(folder / "data" / f"rows-{name}.js")


def site_texts(folder: Path, name: str) -> pd.DataFrame:
    """The texts of a list of a site."""
    chunks = len(next(one for one in site_meta(folder)["sources"] if one["name"] == name)["starts"])
    parts = [_table(folder / "data" / f"texts-{name}-{number}.js") for number in range(chunks)]
    return pd.concat(parts, ignore_index=True)


def _table(path: Path) -> pd.DataFrame:
    text = path.read_text()
    data = base64.b64decode(text[text.index(',"') + 2 : text.rindex('"')])
    return pq.read_table(io.BytesIO(data)).to_pandas()


def made_site(checkout: Checkout, out: Path, *options: str) -> Path:
    """The site of a study that a checkout has run, written by the command."""
    done = checkout.inoc("view", checkout.study, "--no-open", "--out", str(out), *options)
    assert done.returncode == 0, done.stderr
    return out
