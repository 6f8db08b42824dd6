"""Judge scores of trained runs and of the untrained model, as the trait-inoculation study wrote them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from inoc.imports.document import Node
from inoc.imports.pairs import LEARNED_SEED
from inoc.runs import Asked, Run, condition
from inoc.stats.means import Floats

CONDITIONS = ("default", "training")
BASELINE = "neutral"
_STEP = re.compile(r"0|[1-9][0-9]{0,8}")
_MOST_ROUNDING = 0.01  # points by which a file's mean may differ from that of its values


class CellKey(NamedTuple):
    """Where and what was scored."""

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


def is_runs(document: Node) -> bool:
    """Whether a document maps names to runs with steps."""
    members = document.value
    return isinstance(members, dict) and any(
        isinstance(run, dict) and "steps" in run and "type" in run for run in members.values()
    )


def trained_runs(document: Node) -> list[Trained]:
    """Every run of a document.

    Raises:
        DataError: If anything is not as documented; with the place.
    """
    runs = [_trained(name, node) for name, node in document.mapping().items()]
    _check_sizes(document, {_place(run.name, *key): v.size for run in runs for key, v in run.cells.items()})
    first: dict[Run, str] = {}
    for run in runs:
        if first.setdefault(run.run, run.name) != run.name:
            raise document.refuse(f"the runs {first[run.run]!r} and {run.name!r} are of the same prompt and training")
    return runs


def _trained(name: str, node: Node) -> Trained:
    node.checked_key(name)
    kind = node.member("type").text()
    rate = node.member("lr").number()
    if not 0 < rate < 10:
        raise node.member("lr").refuse(f"expected a learning rate above 0, found {rate!r}")
    if kind == "fixed":
        text = node.member("user_prefix").text().strip()
        run = Run(name, "fixed", rate, LEARNED_SEED) if text else Run("", "none", rate, LEARNED_SEED)
    elif kind == "mix":
        text, run = "", Run(node.member("rephrasings_key").key(), "mix", rate, LEARNED_SEED)
    else:
        raise node.member("type").refuse(f"expected 'fixed' or 'mix', found {kind!r}")
    cells: dict[CellKey, Floats] = {}
    for step, by_condition in node.member("steps").mapping().items():
        if not _STEP.fullmatch(step):
            raise by_condition.refuse(f"expected a step, a whole number such as '312', found {step!r}")
        for way, by_trait in by_condition.mapping().items():
            if way not in CONDITIONS:
                raise by_trait.refuse(f"expected the condition {' or '.join(CONDITIONS)}, found {way!r}")
            for trait, cell in by_trait.mapping().items():
                cells[CellKey(int(step), way, trait)] = _values(cell)
    if not cells:
        raise node.refuse("the run has no scores; expected steps → step → condition → trait → values")
    return Trained(name, node.file, run, text, cells)


def _values(cell: Node) -> Floats:
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
    """The untrained model's scores behind each prefix.

    Raises:
        DataError: If anything is not as documented; with the place.
    """
    entries = document.mapping()
    baseline = entries.get(BASELINE)
    system = _text_of(baseline, ("system_prompt",)) if baseline is not None else ""
    found = []
    for key, node in entries.items():
        node.checked_key(key)
        values = {trait: _values(cell) for trait, cell in node.member("scores").mapping().items()}
        # In the released file the member named after the system turn holds what was put before the instruction.
        text = system if key == BASELINE else _text_of(node, ("user_prefix", "system_prompt"))
        known = key == BASELINE or text != system
        found.append(Elicited("" if key == BASELINE else key, node.file, text if known else "", values))
    sizes = {_place(one.prompt or BASELINE, trait): v.size for one in found for trait, v in one.values.items()}
    _check_sizes(document, sizes)
    return found


def _text_of(node: Node, names: tuple[str, ...]) -> str:
    members = (node.optional(name) for name in names)
    return next((member.text().strip() for member in members if member is not None), "")


def score_rows(
    cells: list[tuple[Run | None, int, Asked, str, Floats]], judges: Mapping[str, tuple[str, int]]
) -> pd.DataFrame:
    """Rows of `tables.SCORES`.

    Args:
        cells: Run (None: the untrained model), step, way of asking, trait, scores by instruction.
        judges: Trait → name and version of its judge.
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
    columns = ["run", "prompt", "prefix", "learning_rate", "seed", "step", "condition", "asked_prompt", "asked_prefix"]
    columns += ["trait", "judge", "judge_version"]
    frame = pd.DataFrame(rows, columns=columns)
    frame = frame.loc[np.repeat(np.arange(len(rows)), sizes)].reset_index(drop=True)
    ids = [f"eval-{index:05d}" for index in range(max(sizes, default=0))]
    frame["instruction_id"] = [ids[index] for size in sizes for index in range(size)]
    frame["score"] = np.concatenate([values for *_, values in cells]) if cells else np.empty(0)
    return frame
