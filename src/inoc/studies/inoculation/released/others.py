"""Loss curves and pools of rephrasings, as the trait-inoculation study wrote them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from inoc.rephrase.clean import clean, strip_marks
from inoc.studies.inoculation.released.document import Node, name_of, parse_json, read_text
from inoc.studies.inoculation.released.findings import Findings, shortened
from inoc.studies.inoculation.runs import Run
from inoc.tables import LOSSES, POOLS


def loss_rows(document: Node, runs: Mapping[str, Run], findings: Findings) -> pd.DataFrame:
    """Rows of `tables.LOSSES` for the runs that are imported; `source` is the file.

    Args:
        document: Run → list of points.
        runs: The file's name of each imported run → run.
        findings: What is left out is added here.

    Raises:
        DataError: If anything is not as documented; with the place.
    """
    rows = []
    unknown = []
    for name, curve in document.mapping().items():
        points = _curve(curve)
        if name not in runs:
            unknown.append(name)
            continue
        run = runs[name]
        rows += [{"run": run.name, **run._asdict(), **point, "source": document.file} for point in points]
    if unknown:
        text = f"loss curves of runs without scores: {shortened(unknown)}"
        findings.add("left_out", "losses", document.file, text)
    return pd.DataFrame(rows, columns=[*LOSSES.names, "source"])


def _curve(curve: Node) -> list[dict[str, float]]:
    points = []
    last = -1
    for node in curve.items():
        step = node.member("step").whole_number()
        if step <= last:
            raise node.refuse(f"step {step} comes after step {last}; a curve's steps rise")
        last = step
        loss = node.member("loss")
        if loss.number() < 0:
            raise loss.refuse(f"a loss is not negative, and this is {loss.number():g}")
        rate, norm = node.optional("learning_rate"), node.optional("grad_norm")
        points.append(
            {
                "step": step,
                "loss": loss.number(),
                "rate": rate.number() if rate else float("nan"),
                "grad_norm": norm.number() if norm else float("nan"),
            }
        )
    return points


def read_pool(path: Path, root: Path) -> list[str]:
    """The rephrasings of a file, as they are: polluted ones too, for training used them.

    Raises:
        DataError: If a line is not an object with a text `rephrasing`; with its number.
    """
    name = name_of(path, root)
    lines = read_text(path, root).split("\n")
    texts = [
        parse_json(line, f"{name}, line {number}").member("rephrasing").text()
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not texts:
        raise parse_json("null", name).refuse("there are no rephrasings")
    return texts


def report_pool(file: str, texts: list[str], original: str, findings: Findings) -> None:
    """Report rephrasings that are none: list marks, refusals, the original, duplicates.

    Args:
        file: Where they are from.
        texts: The rephrasings.
        original: The prompt; empty if its text is not known.
        findings: Where to report.
    """
    reasons = Counter(clean(texts, original).dropped)
    if not original:
        del reasons["original"]
    marked = sum(strip_marks(text) != " ".join(text.split()) for text in texts)
    said = [f"{marked} with a list mark or in quotes"] if marked else []
    said += [f"{n} that cleaning would drop as {reason}" for reason, n in sorted(reasons.items()) if n]
    if said:
        findings.add("warning", "pools", file, f"of {len(texts)} rephrasings: {', '.join(said)}; imported as they are")


def pool_rows(pools: Mapping[str, list[str]]) -> pd.DataFrame:
    """Rows of `tables.POOLS`."""
    rows = [(prompt, index, text, "mix") for prompt, texts in pools.items() for index, text in enumerate(texts)]
    return pd.DataFrame(rows, columns=POOLS.names)
