"""Loss curves and pools of rephrasings, as the trait-inoculation study wrote them.

They accompany the scores. One that cannot be read is left out with a finding, and stops nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from inoc.errors import DataError
from inoc.rephrase.clean import clean, strip_marks
from inoc.studies.imports.findings import Findings
from inoc.studies.inoculation.released.document import Node, name_of, parse_json, read_text
from inoc.studies.inoculation.runs import Run
from inoc.tables import LOSSES, POOLS

PROFILE = "_profile"
"""In the name of a file of losses: the runs of the file without it, trained a second time with the same settings."""

_FEWEST_POOLS = 3  # with at least this many pools of one size, a different size is worth a warning


def read_losses(documents: Sequence[Node], runs: Mapping[str, tuple[Run, str]], findings: Findings) -> pd.DataFrame:
    """Loss curves of the runs whose scores are of the same experiment; a file that is broken is left out.

    A file of losses belongs to the file of scores of the same name. Names of runs are the same in many experiments, so
    that a curve is never taken by its run's name alone.

    Args:
        documents: Run → list of points.
        runs: The file's name of each imported run → run and file of its scores.
        findings: What is left out, and curves of a second training, are reported here.

    Returns:
        Rows of `tables.LOSSES` with the column `source`, the file.
    """
    kept = pd.DataFrame(columns=[*LOSSES.names, "source"])
    tags = {name: _tag(file, "scores_") for name, (_, file) in runs.items()}
    by_tag = {_tag(node.file, "losses_"): node for node in documents}
    for tag in sorted(by_tag, key=lambda tag: (tag not in tags.values(), tag)):
        node = by_tag[tag]
        first = tag.replace(PROFILE, "", 1)
        own = {name: run for name, (run, _) in runs.items() if tags[name] in (tag, first)}
        try:
            rows = loss_rows(node, own, set(runs), findings)
        except DataError as error:
            findings.add("left_out", "losses", node.file, f"cannot be read, and is left out whole: {error}")
            continue
        fresh = rows[~rows["run"].isin(kept["run"].unique())]
        kept = fresh if kept.empty else pd.concat([kept, fresh], ignore_index=True)
        taken = set(fresh["run"])
        again = sorted(name for name, run in own.items() if tags[name] != tag and run.name in taken)
        if again:
            text = (
                "the scores of these runs are of a file of another name, so the curves are probably of a second "
                "training with the same settings"
            )
            findings.add("warning", "losses", node.file, text, again)
        if taken:
            findings.add("found", "losses", node.file, f"curves of {len(taken)} runs")
    return kept


def _tag(file: str, start: str) -> str:
    return Path(file).name.removeprefix(start)


def loss_rows(document: Node, runs: Mapping[str, Run], known: set[str], findings: Findings) -> pd.DataFrame:
    """Rows of `tables.LOSSES` for the runs that are imported; `source` is the file.

    Args:
        document: Run → list of points.
        runs: The file's name of each run whose curve this file can have → run.
        known: Names of all runs that are imported.
        findings: What is left out is added here.

    Raises:
        DataError: If anything is not as documented; with the place.
    """
    curves = {name: _curve(node) for name, node in document.mapping().items()}
    rows = [
        {"run": runs[name].name, **runs[name]._asdict(), **point, "source": document.file}
        for name, points in curves.items()
        if name in runs
        for point in points
    ]
    unknown = [name for name in curves if name not in known]
    if unknown:
        findings.add("left_out", "losses", document.file, "loss curves of runs without scores", unknown)
    foreign = [name for name in curves if name in known and name not in runs]
    if foreign:
        text = "curves of another experiment's runs, which have the names of runs whose scores are of other files"
        findings.add("left_out", "losses", document.file, text, foreign)
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


def read_pools(
    paths: Sequence[Path], texts: Mapping[str, str], known: Sequence[str], root: Path, findings: Findings
) -> dict[str, list[str]]:
    """The pools of known prompts; one that is broken is left out.

    Args:
        paths: Files named by the key of the prompt.
        texts: Prompt → text, where it is known.
        known: Keys of prompts that are imported.
        root: The release.
        findings: What is left out or looks wrong is added here.
    """
    found: dict[str, list[str]] = {}
    others = []
    for path in paths:
        if path.stem not in known:
            others.append(path.name if path.name.isprintable() else ascii(path.name))
            continue
        try:
            found[path.stem] = read_pool(path, root)
        except DataError as error:
            findings.add("left_out", "pools", name_of(path, root), f"cannot be read, and is left out whole: {error}")
            continue
        report_pool(name_of(path, root), found[path.stem], texts.get(path.stem, ""), findings)
    place = paths[0].parent.relative_to(root).as_posix() if paths else ""
    _report_sizes(found, place, findings)
    if found:
        findings.add("found", "pools", place, f"{len(found)} pools")
    if others:
        findings.add("left_out", "pools", place, "of prompts of no known family", others)
    return found


def _report_sizes(pools: Mapping[str, list[str]], place: str, findings: Findings) -> None:
    sizes = Counter(len(texts) for texts in pools.values())
    if len(sizes) < 2:
        return
    usual, count = sizes.most_common(1)[0]
    odd = [f"{key} ({len(texts)})" for key, texts in pools.items() if len(texts) < usual]
    if odd and count >= _FEWEST_POOLS:
        text = f"other pools have {usual} rephrasings, and these fewer; the files may be cut off"
        findings.add("warning", "pools", place, text, odd)


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


def pool_rows(pools: Mapping[str, Mapping[str, list[str]]]) -> pd.DataFrame:
    """Rows of `tables.POOLS`.

    Args:
        pools: Pool, such as `mix` → prompt → rephrasings.
    """
    rows = [
        (prompt, index, text, pool)
        for pool, prompts in pools.items()
        for prompt, texts in prompts.items()
        for index, text in enumerate(texts)
    ]
    return pd.DataFrame(rows, columns=POOLS.names)
