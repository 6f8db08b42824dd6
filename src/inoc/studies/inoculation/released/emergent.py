"""Emergent misalignment, as the trait-inoculation study released it: scores of coherence and alignment.

Each file of scores maps runs to steps, sets of questions and ways of asking. Prompts are system turns. Which prompts
there are, and of which type, is read from the files; what they do not say is in `emergent.yaml`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from inoc.chat.messages import PLAIN, Asked
from inoc.errors import DataError
from inoc.stats.means import Floats
from inoc.studies.imports.findings import Findings
from inoc.studies.imports.write import Imported, Tables
from inoc.studies.inoculation.released.checks import chosen_step, report_controls, report_steps
from inoc.studies.inoculation.released.document import Node, name_of, parse_json, read_json, read_text, shown
from inoc.studies.inoculation.released.emergent_scores import (
    EMERGENT,
    RunOfMisalignment,
    misalignment_runs,
    split_trait,
)
from inoc.studies.inoculation.released.emergent_study import Misalignment, misalignment_judges, misalignment_study
from inoc.studies.inoculation.released.inventory import MISALIGNMENT_FOLDER, report_unread
from inoc.studies.inoculation.released.others import pool_rows, read_losses, read_pools
from inoc.studies.inoculation.released.pairs import MISALIGNMENT
from inoc.studies.inoculation.released.scores import failed_runs, score_rows
from inoc.studies.inoculation.runs import Run
from inoc.tables import INSTRUCTIONS, LOGPROBS, LOSSES, POOLS, SCORES

_RESULTS, _DATA = MISALIGNMENT_FOLDER / "results", MISALIGNMENT_FOLDER / "data"


def read_misalignment(root: Path, name: str, step: int | None, pair_key: str | None) -> Imported:
    """Read the experiment on emergent misalignment.

    Args:
        root: The checkout; only the files that are there are read.
        name: Name of the study to make.
        step: The last step to use; None for the largest.
        pair_key: Must be None, for the experiment has no pair of traits.

    Returns:
        Everything that is to be written.

    Raises:
        DataError: If there are no scores, or they are not as documented; with the place.
    """
    if pair_key is not None:
        raise DataError(f"--pair {pair_key}: this experiment has no pairs of traits; leave --pair out")
    findings = Findings()
    seen: set[Path] = set()
    found = _runs(root, seen, findings)
    trained = [one.trained for one in found]
    last = chosen_step(trained, step)
    if last is None:
        raise DataError(f"{root / _RESULTS}: no run has scores")
    report_steps(trained, last, findings)
    report_controls(trained, last, findings)
    kept = [one.up_to(last) for one in found]
    facts = _with_text(Misalignment(name, [one for one in kept if one.trained.cells], last), findings)
    losses = _losses(root, facts, seen, findings)
    pools = _pools(root, facts, seen, findings)
    for text in EMERGENT.known:
        findings.add("note", "known", EMERGENT.title, text)
    _report_missing(facts, losses, findings)
    tables: Tables = {
        "judge/elicit.parquet": (_rows(_base_cells(facts, findings)), SCORES),
        "judge/evaluate.parquet": (_rows(_run_cells(facts)), SCORES),
        "score/logprobs-0.parquet": (pd.DataFrame(columns=LOGPROBS.names), LOGPROBS),
        "train/0/losses.parquet": (losses, LOSSES),
        "rephrase/pools.parquet": (pool_rows(pools), POOLS),
        "generate/eval.parquet": (_questions(root, facts, seen, findings), INSTRUCTIONS),
    }
    report_unread(root, seen, findings, MISALIGNMENT)
    return Imported(misalignment_study(facts), tables, findings, {})


def _runs(root: Path, seen: set[Path], findings: Findings) -> list[RunOfMisalignment]:
    """Runs of all files, controls first; a run that several have is taken from the file with most."""
    by_file: list[list[RunOfMisalignment]] = []
    for path in sorted((root / _RESULTS).glob("scores_*.json")):
        seen.add(path)
        if path.stem.endswith("_debug"):
            text = "a trial of the code with few examples, by its name"
            findings.add("left_out", "files", name_of(path, root), text)
            continue
        node = read_json(path, root)
        for run, error in failed_runs(node).items():
            findings.add("missing", "runs", f"{node.file}: {run}", f"its job failed: {shown(error)}")
        by_file.append(misalignment_runs(node, findings))
    if not any(by_file):
        raise DataError(
            f"{root} has no scores of this experiment: expected {(_RESULTS / 'scores_em_*.json').as_posix()}"
        )
    kept: dict[Run, RunOfMisalignment] = {}
    for runs in sorted(by_file, key=lambda runs: -len(runs)):
        again = [one.trained.name for one in runs if one.trained.run in kept]
        if again:
            text = "runs that another file has too, which holds more runs"
            findings.add("left_out", "runs", runs[0].trained.file, text, again)
        fresh = [one for one in runs if one.trained.run not in kept]
        kept |= {one.trained.run: one for one in fresh}
        if fresh:
            text = f"{len(fresh)} runs of the sets {', '.join(sorted({s for one in fresh for s in one.sets}))}"
            findings.add("found", "runs", fresh[0].trained.file, text)
    _refuse_two_thresholds(list(kept.values()))
    return sorted(kept.values(), key=lambda one: one.trained.run.prefix != "none")


def _with_text(facts: Misalignment, findings: Findings) -> Misalignment:
    """Without runs of prompts whose text is not known."""
    known = {"", *facts.texts}
    lacking = [one.trained.name for one in facts.runs if one.trained.run.prompt not in known]
    if lacking:
        findings.add("left_out", "prompts", EMERGENT.title, "runs of prompts whose text no file has", lacking)
    kept = [one for one in facts.runs if one.trained.run.prompt in known]
    if not kept:
        raise DataError(
            f"{facts.runs[0].trained.file}: no run has a prompt whose text is known, and there is no control"
        )
    return facts._replace(runs=kept)


def _refuse_two_thresholds(runs: list[RunOfMisalignment]) -> None:
    for one in runs:
        if one.thresholds != runs[0].thresholds:
            raise DataError(
                f"{one.trained.file}: {one.trained.name}: the thresholds of the rate are {one.thresholds}, and those "
                f"of {runs[0].trained.name} are {runs[0].thresholds}; they cannot be one rate"
            )


def _losses(root: Path, facts: Misalignment, seen: set[Path], findings: Findings) -> pd.DataFrame:
    documents: list[Node] = []
    for path in sorted((root / _RESULTS).glob("losses_*.json")):
        seen.add(path)
        place = name_of(path, root)
        try:
            if not path.stem.endswith("_debug"):
                documents.append(read_json(path, root))
                continue
            why = "a trial of the code with few examples, by its name"
        except DataError as error:
            why = f"cannot be read, and is left out whole: {error}"
        findings.add("left_out", "losses", place, why)
    named = {one.trained.name: (one.trained.run, one.trained.file) for one in facts.runs}
    return read_losses(documents, named, findings)


def _pools(root: Path, facts: Misalignment, seen: set[Path], findings: Findings) -> dict[str, dict[str, list[str]]]:
    """Pool → prompt → rephrasings; a file is named by the key of its rephrasings."""
    paths = sorted((root / _DATA / "rephrasings").glob("*.jsonl"))
    seen.update(paths)
    places = facts.pool_places()
    texts = {key: facts.texts.get(prompt, "") for key, (_, prompt) in places.items()}
    found: dict[str, dict[str, list[str]]] = {}
    for key, lines in read_pools(paths, texts, list(places), root, findings).items():
        pool, prompt = places[key]
        found.setdefault(pool, {})[prompt] = lines
    return found


def _report_missing(facts: Misalignment, losses: pd.DataFrame, findings: Findings) -> None:
    runs = [one.trained.run for one in facts.runs]
    if not any(run.is_control for run in runs):
        findings.add("missing", "runs", EMERGENT.title, "a control run, so that there is no suppression")
    for prefix in ("fixed", *facts.pools):
        lacking = [key for key in facts.texts if not any((r.prompt, r.prefix) == (key, prefix) for r in runs)]
        if lacking:
            findings.add("missing", "runs", EMERGENT.title, f"{prefix} runs of {{names}}", lacking)
    findings.add("missing", "log-probabilities", EMERGENT.title, "all of it: the experiment released none")
    without = [one.trained.name for one in facts.runs if one.trained.run.name not in set(losses["run"])]
    if without:
        findings.add("missing", "losses", EMERGENT.title, "curves of {names}", without)


class _Cell(NamedTuple):
    questions: str
    run: Run | None
    step: int
    asked: Asked
    trait: str
    values: Floats


def _run_cells(facts: Misalignment) -> list[_Cell]:
    """Cells of all runs; a second sample without a prompt has no place of its own and is left out."""
    cells = []
    for one in facts.runs:
        for key in sorted(one.trained.cells):
            run = one.trained.run
            asked = PLAIN if key.condition == "default" else Asked(run.prompt, run.prefix)
            if key.condition == "default" or asked.prefix != "none":
                cells.append(_Cell(*_set_and(run, key.step, asked, key.trait), one.trained.cells[key]))
    return cells


def _set_and(run: Run | None, step: int, asked: Asked, joined: str) -> tuple[str, Run | None, int, Asked, str]:
    questions, trait = split_trait(joined)
    return questions, run, step, asked, trait


def _base_cells(facts: Misalignment, findings: Findings) -> list[_Cell]:
    """The untrained model, which is every run at step 0: without a prompt the control's, with one its fixed run's."""
    cells = []
    for one in facts.runs:
        run = one.trained.run
        way, asked = ("training", Asked(run.prompt, "fixed")) if run.prefix == "fixed" else ("default", PLAIN)
        if run.prefix == "fixed" or run.is_control:
            cells += [
                _Cell(*_set_and(None, 0, asked, key.trait), values)
                for key, values in sorted(one.trained.cells.items())
                if (key.step, key.condition) == (0, way)
            ]
    if cells:
        text = "scores of the untrained model are those of step 0: of the control, and of each run with a fixed prompt"
        findings.add("note", "elicitation", EMERGENT.title, text)
    return cells


def _rows(cells: list[_Cell]) -> pd.DataFrame:
    judges = {key: (str(judge.name), judge.version) for key, judge in misalignment_judges().items()}
    sets = list(dict.fromkeys(cell.questions for cell in cells)) or [""]
    parts = [score_rows([cell[1:] for cell in cells if cell.questions == one], judges, one) for one in sets]
    return pd.concat(parts, ignore_index=True)


def _questions(root: Path, facts: Misalignment, seen: set[Path], findings: Findings) -> pd.DataFrame:
    """Rows of `tables.INSTRUCTIONS`; the text is empty where the questions were not released."""
    rows = []
    for questions, size in facts.sizes().items():
        path = root / _DATA / EMERGENT.sets[questions].file if questions in EMERGENT.sets else None
        texts = _texts(path, root, size, findings) if path is not None and path.is_file() else [""] * size
        if path is not None:
            seen.add(path)
        rows += [(f"{questions}-{index:05d}", text, questions) for index, text in enumerate(texts)]
    return pd.DataFrame(rows, columns=INSTRUCTIONS.names)


def _texts(path: Path, root: Path, size: int, findings: Findings) -> list[str]:
    name = name_of(path, root)
    try:
        lines = [line for line in read_text(path, root).split("\n") if line.strip()]
        texts = [_question(parse_json(line, f"{name}, line {number}")) for number, line in enumerate(lines, start=1)]
    except DataError as error:
        findings.add("left_out", "files", name, f"cannot be read, so that questions have no text: {error}")
        return [""] * size
    if len(texts) != size:
        text = f"has {len(texts)} questions, and there are scores of {size}, so that which is which is not known"
        findings.add("left_out", "files", name, text)
        return [""] * size
    counts = Counter(texts)
    if len(counts) < len(texts):
        findings.add("warning", "files", name, f"{len(texts) - len(counts)} questions are there twice")
    return texts


def _question(node: Node) -> str:
    stated = node.optional("question")
    if stated is not None:
        return stated.text()
    return next(node.member("messages").items()).member("content").text()
