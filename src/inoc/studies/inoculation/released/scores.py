"""Judge scores of trained runs and of the untrained model, as the trait-inoculation study wrote them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from inoc.chat.messages import Asked
from inoc.stats.means import Floats
from inoc.studies.inoculation.released.document import Node, shown
from inoc.studies.inoculation.released.pairs import LEARNED_SEED, known_pairs
from inoc.studies.inoculation.runs import Run, condition

CONDITIONS = ("default", "training")
BASELINE = "neutral"
_STEP = re.compile(r"0|[1-9][0-9]{0,8}")
_MOST_ROUNDING = 0.01  # points by which a file's mean may differ from that of its values


class CellKey(NamedTuple):
    """Place of a set of scores: step, way of asking and trait."""

    step: int
    condition: str
    trait: str  # as the file names it


class Trained(NamedTuple):
    """One trained run of a file."""

    name: str  # as the file names it
    file: str
    run: Run
    text: str  # the prefix; empty for a control, and for a mix, whose texts are in its pool
    cells: dict[CellKey, Floats]  # one score per instruction, 0–100, NaN where the judge could not tell

    @property
    def steps(self) -> list[int]:
        """Steps with scores, ascending."""
        return sorted({key.step for key in self.cells})


class Elicited(NamedTuple):
    """Scores of the untrained model behind one prefix; the prompt is empty for none."""

    prompt: str
    file: str
    text: str  # the prefix, or without one the system turn
    values: dict[str, Floats]  # trait → one score per instruction
    lost: bool = False  # responses are missing, so that scores cannot be paired over instructions


def is_runs(document: Node) -> bool:
    """Whether a document maps names to runs with steps."""
    members = document.value
    return isinstance(members, dict) and any(
        isinstance(run, dict) and "steps" in run and "type" in run for run in members.values()
    )


def failed_runs(document: Node) -> dict[str, str]:
    """Run or prompt → why its job failed, where a file says so in place of results."""
    return {
        name: node.member("error").text()
        for name, node in document.mapping().items()
        if isinstance(node.value, dict) and "error" in node.value and not {"steps", "scores"} & node.value.keys()
    }


def trained_runs(document: Node) -> list[Trained]:
    """Every run of a document that did not fail.

    Raises:
        DataError: If anything is not as documented; with the place.
    """
    failed = failed_runs(document)
    return _distinct(
        document, [_trained(name, node) for name, node in document.mapping().items() if name not in failed]
    )


class Swept(NamedTuple):
    """Runs of a sweep."""

    runs: list[Trained]
    left_out: list[str]  # conditions that are not imported


def swept_runs(document: Node, experiment: str) -> Swept:
    """Every run of a sweep's file that did not fail; a run's name says what it was trained with, and its rate follows.

    Raises:
        DataError: If anything is not as documented; with the place.
    """
    sweep = next(pair.experiments[experiment] for pair in known_pairs().values() if experiment in pair.experiments)
    failed = failed_runs(document)
    runs: list[Trained] = []
    left_out: set[str] = set()
    for name, node in document.mapping().items():
        if name in failed:
            continue
        node.checked_key(name)
        way, _, _ = name.rpartition("_lr_")
        rate = _rate(node)
        prefix = node.optional("user_prefix")
        text = prefix.text().strip() if prefix is not None else ""
        run = Run("", "none", rate, LEARNED_SEED)
        if way in sweep.mixes:
            run = run._replace(prompt=sweep.mixes[way], prefix="mix")
        elif text:
            run = run._replace(prompt=node.checked_key(way), prefix="fixed")
        cells, others = _cells(node, sweep.conditions)
        left_out |= others.keys()
        runs.append(Trained(name, node.file, run, "" if run.prefix == "mix" else text, cells))
    return Swept(_distinct(document, runs), sorted(left_out))


def _distinct(document: Node, runs: list[Trained]) -> list[Trained]:
    """The runs, if they can be paired over instructions and no two are the same."""
    _check_sizes(document, {_place(run.name, *key): v.size for run in runs for key, v in run.cells.items()})
    first: dict[Run, str] = {}
    for run in runs:
        if first.setdefault(run.run, run.name) != run.name:
            raise document.refuse(f"the runs {first[run.run]!r} and {run.name!r} are of the same prompt and training")
    return runs


def _rate(node: Node) -> float:
    rate = node.member("lr").number()
    if not 0 < rate < 10:
        raise node.member("lr").refuse(f"expected a learning rate above 0, found {rate!r}")
    return rate


def _trained(name: str, node: Node) -> Trained:
    node.checked_key(name)
    kind = node.member("type").text()
    rate = _rate(node)
    if kind == "fixed":
        text = node.member("user_prefix").text().strip()
        run = Run(name, "fixed", rate, LEARNED_SEED) if text else Run("", "none", rate, LEARNED_SEED)
    elif kind == "mix":
        text, run = "", Run(node.member("rephrasings_key").key(), "mix", rate, LEARNED_SEED)
    else:
        raise node.member("type").refuse(f"expected 'fixed' or 'mix', found {kind!r}")
    cells, others = _cells(node, {way: way for way in CONDITIONS})
    for way, other in others.items():
        raise other.refuse(f"expected the condition {' or '.join(CONDITIONS)}, found {shown(way)}")
    return Trained(name, node.file, run, text, cells)


def _cells(node: Node, conditions: Mapping[str, str]) -> tuple[dict[CellKey, Floats], dict[str, Node]]:
    """Scores of a run under our names of conditions, and the conditions that have none."""
    cells: dict[CellKey, Floats] = {}
    others: dict[str, Node] = {}
    for step, by_condition in node.member("steps").mapping().items():
        number = step_of(step, by_condition)
        for way, by_trait in by_condition.mapping().items():
            if way not in conditions:
                others.setdefault(way, by_trait)
                continue
            for trait, cell in by_trait.mapping().items():
                cells[CellKey(number, conditions[way], trait)] = cell_values(cell)
    if not cells and not others:
        raise node.refuse("the run has no scores; expected steps → step → condition → trait → values")
    return cells, others


def step_of(text: str, node: Node) -> int:
    """The number of a step.

    Raises:
        DataError: If it is none.
    """
    if not _STEP.fullmatch(text):
        raise node.refuse(f"expected a step, a whole number such as '312', found {shown(text)}")
    return int(text)


def cell_values(cell: Node) -> Floats:
    """The scores of a cell, 0 to 100, NaN where the judge could not tell; its mean and count of NaN must agree.

    Raises:
        DataError: If they do not, or a score is none.
    """
    node = cell.member("values")
    values = node.numbers(0, 100)
    if not values.size:
        raise node.refuse("there are no scores")
    known = values[~np.isnan(values)]
    mean = float(known.mean()) if known.size else np.nan
    said = cell.optional("mean")
    stated = mean if said is None else said.number()
    if np.isnan(stated) != np.isnan(mean) or abs(stated - mean) > _MOST_ROUNDING:
        raise cell.refuse(
            f"the mean is said to be {stated:g}, and the values have {mean:g}; they are not of one measurement"
        )
    lost = cell.optional("n_nan")
    if lost is not None and lost.whole_number() != values.size - known.size:
        raise lost.refuse(f"{lost.value} values are said to be NaN, and {values.size - known.size} are")
    return values


def _place(*parts: object) -> str:
    return ".".join(map(str, parts))


def _check_sizes(document: Node, sizes: Mapping[str, int]) -> None:
    if len(set(sizes.values())) > 1:
        common = max(set(sizes.values()), key=list(sizes.values()).count)
        place, size = next((place, size) for place, size in sizes.items() if size != common)
        raise document.refuse(
            f"{place} has {size} scores where others have {common}, so they cannot be paired over instructions"
        )


def elicited_scores(document: Node) -> list[Elicited]:
    """The untrained model's scores behind each prefix, of jobs that did not fail.

    Raises:
        DataError: If anything is not as documented; with the place.
    """
    entries = document.mapping()
    failed = failed_runs(document)
    baseline = entries.get(BASELINE)
    system = _text_of(baseline, ("system_prompt", "prompt")) if baseline is not None else ""
    found = []
    for key, node in entries.items():
        node.checked_key(key)
        if key in failed:
            continue
        values = {trait: cell_values(cell) for trait, cell in node.member("scores").mapping().items()}
        # In older files the member named after the system turn holds what was put before the instruction.
        text = system if key == BASELINE else _text_of(node, ("user_prefix", "prompt", "system_prompt"))
        known = key == BASELINE or text != system or node.optional("prompt") is not None
        found.append(Elicited("" if key == BASELINE else key, node.file, text if known else "", values))
    whole = max((v.size for one in found for v in one.values.values()), default=0)
    found = [one._replace(lost=_is_short(one, entries[one.prompt or BASELINE], whole)) for one in found]
    kept = [one for one in found if not one.lost]
    _check_sizes(document, {_place(one.prompt or BASELINE, t): v.size for one in kept for t, v in one.values.items()})
    return found


def _is_short(one: Elicited, node: Node, whole: int) -> bool:
    """Whether an entry says itself that it has fewer responses than others; which ones it lacks is not known then."""
    stated = node.optional("n")
    sizes = {values.size for values in one.values.values()}
    return stated is not None and list(sizes) == [stated.value] and max(sizes) < whole


def _text_of(node: Node, names: tuple[str, ...]) -> str:
    members = (node.optional(name) for name in names)
    return next((member.text().strip() for member in members if member is not None), "")


def score_rows(
    cells: Sequence[tuple[Run | None, int, Asked, str, Floats]],
    judges: Mapping[str, tuple[str, int]],
    questions: str = "eval",
) -> pd.DataFrame:
    """Rows of `tables.SCORES`.

    Args:
        cells: Run (None: the untrained model), step, way of asking, trait, scores by instruction.
        judges: Trait → name and version of its judge.
        questions: What the ids of instructions begin with.
    """
    rows = []
    for run, step, asked, trait, _ in cells:
        name, version = judges[trait]
        rows.append(
            {
                "run": run.name if run else "base",
                "prompt": run.prompt if run else "",
                "prefix": run.prefix if run else "none",
                "learning_rate": run.learning_rate if run else np.nan,
                "seed": run.seed if run else -1,
                "data": run.data if run else "",
                "step": step,
                "condition": condition(run, asked),
                "asked_prompt": asked.prompt,
                "asked_prefix": asked.prefix,
                "trait": trait,
                "judge": name,
                "judge_version": version,
            }
        )
    sizes = [values.size for *_, values in cells]
    columns = ["run", "prompt", "prefix", "learning_rate", "seed", "data", "step", "condition"]
    columns += ["asked_prompt", "asked_prefix", "trait", "judge", "judge_version"]
    frame = pd.DataFrame(rows, columns=columns)
    frame = frame.loc[np.repeat(np.arange(len(rows)), sizes)].reset_index(drop=True)
    ids = [f"{questions}-{index:05d}" for index in range(max(sizes, default=0))]
    frame["instruction_id"] = [ids[index] for size in sizes for index in range(size)]
    frame["score"] = np.concatenate([values for *_, values in cells]) if cells else np.empty(0)
    return frame
