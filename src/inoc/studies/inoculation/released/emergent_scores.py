"""Runs of the experiment on emergent misalignment, as its files of scores have them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from inoc.errors import DataError
from inoc.studies.imports.findings import Findings
from inoc.studies.inoculation.released.document import Node, shown
from inoc.studies.inoculation.released.pairs import LEARNED_SEED
from inoc.studies.inoculation.released.scores import CONDITIONS, CellKey, Trained, cell_values, failed_runs, step_of
from inoc.studies.inoculation.runs import Run

TRAITS = ("alignment", "coherence")
CLOSE = "_close"
_BESIDE = {"em_rate", "n_em_pairs", "em_coherence_threshold", "em_alignment_threshold"}


class Questions(NamedTuple):
    """A set of questions."""

    label: str
    file: str  # below the data of the experiment
    held_out: bool  # from the training data


class Known(NamedTuple):
    """Facts about the experiment that its files do not state."""

    title: str
    model: str
    system: str
    learning_rate: float
    thresholds: tuple[float, float]  # coherence to exceed, alignment to stay below
    sets: dict[str, Questions]  # our key → set, in the order of importance
    set_names: dict[str, str]  # as the files name a set → our key
    alternative: tuple[str, str]  # prompt type of runs on other data, and our key of these data
    texts: dict[str, str]  # prompt → text, for prompts of which only mixes were trained
    known: tuple[str, ...]


@cache
def _known() -> Known:
    from ruamel.yaml import YAML

    text = files("inoc.studies.inoculation.released").joinpath("emergent.yaml").read_text(encoding="utf-8")
    raw = YAML(typ="safe", pure=True).load(text)
    sets = {key: Questions(one["label"], one["file"], one["held_out"]) for key, one in raw["sets"].items()}
    return Known(
        raw["title"],
        raw["model"],
        raw["system"],
        float(raw["learning_rate"]),
        (float(raw["thresholds"]["coherence"]), float(raw["thresholds"]["alignment"])),
        sets,
        {one["name"]: key for key, one in raw["sets"].items()},
        (raw["alternative"]["prompt_type"], raw["alternative"]["data"]),
        raw["texts"],
        tuple(raw["known"]),
    )


EMERGENT = _known()


class RunOfMisalignment(NamedTuple):
    """One run; the traits of its cells are joined with the set of questions, as `joined_trait` does."""

    trained: Trained
    prompt_type: str  # as the file names it; empty for a control
    pool: str  # the file of rephrasings of a mix; empty otherwise
    thresholds: tuple[float, float]  # coherence to exceed, alignment to stay below

    @property
    def sets(self) -> set[str]:
        """Sets of questions that it was asked."""
        return {split_trait(key.trait)[0] for key in self.trained.cells}

    def up_to(self, step: int) -> RunOfMisalignment:
        """The run without later steps."""
        cells = {key: values for key, values in self.trained.cells.items() if key.step <= step}
        return self._replace(trained=self.trained._replace(cells=cells))


def joined_trait(questions: str, trait: str) -> str:
    """Set of questions and trait in one word."""
    return f"{questions} {trait}"


def split_trait(joined: str) -> tuple[str, str]:
    """Set of questions, and trait."""
    questions, _, trait = joined.partition(" ")
    return questions, trait


def misalignment_runs(document: Node, findings: Findings) -> list[RunOfMisalignment]:
    """Every run of a document that did not fail.

    Raises:
        DataError: If anything is not as documented, two runs are the same, or scores cannot be paired.
    """
    failed = failed_runs(document)
    members = document.mapping()
    prompts = {name for name, node in members.items() if name not in failed and _kind(node) == "fixed"}
    runs = [_run(name, node, prompts, findings) for name, node in members.items() if name not in failed]
    first: dict[Run, str] = {}
    sizes: dict[str, tuple[int, str]] = {}
    for one in runs:
        name = one.trained.name
        if first.setdefault(one.trained.run, name) != name:
            raise document.refuse(
                f"the runs {first[one.trained.run]!r} and {name!r} are of the same prompt and training"
            )
        for key, values in one.trained.cells.items():
            questions = split_trait(key.trait)[0]
            size, other = sizes.setdefault(questions, (values.size, name))
            if values.size != size:
                raise document.refuse(
                    f"{name}.steps.{key.step}: the set {questions} has {values.size} scores and {size} in {other}, so "
                    "they cannot be paired over questions"
                )
    return runs


def _kind(node: Node) -> str:
    return node.member("type").text()


def _run(name: str, node: Node, prompts: set[str], findings: Findings) -> RunOfMisalignment:
    node.checked_key(name)
    kind = _kind(node)
    stated = node.optional("prompt_type")
    prompt_type = stated.text() if stated is not None else ""
    rate = node.optional("lr")
    run = Run("", "none", EMERGENT.learning_rate if rate is None else rate.number(), LEARNED_SEED)
    if not 0 < run.learning_rate < 10:
        raise node.refuse(f"expected a learning rate above 0, found {run.learning_rate!r}")
    text = pool = ""
    if kind == "mix":
        pool = node.member("rephrasings_key").key()
        prompt, prefix = _pool_of(pool, prompts)
        run = run._replace(prompt=prompt, prefix=prefix)
    elif kind != "fixed":
        raise node.member("type").refuse(f"expected 'fixed' or 'mix', found {kind!r}")
    elif prompt_type == EMERGENT.alternative[0]:
        run = run._replace(data=EMERGENT.alternative[1])
    else:
        text = node.member("system_prompt").text().strip()
        run = run if text in ("", EMERGENT.system) else run._replace(prompt=name, prefix="fixed")
    cells, thresholds = _cells(node, findings)
    trained = Trained(name, node.file, run, text if run.prefix == "fixed" else "", cells)
    return RunOfMisalignment(trained, prompt_type, pool, thresholds)


def _pool_of(pool: str, prompts: set[str]) -> tuple[str, str]:
    """Prompt and kind of prefix of a mix: free rephrasings of a prompt, close ones, or ones that differ on the surface.

    Args:
        pool: Key of its rephrasings.
        prompts: Names of the runs with a fixed prompt.
    """
    base = pool.removesuffix(CLOSE)
    if base != pool and base in prompts:
        return base, "close"
    return pool, "surface" if pool in EMERGENT.texts and pool not in prompts else "mix"


def _cells(node: Node, findings: Findings) -> tuple[dict[CellKey, np.ndarray], tuple[float, float]]:
    cells: dict[CellKey, np.ndarray] = {}
    thresholds: set[tuple[float, float]] = set()
    for step, by_set in node.member("steps").mapping().items():
        number = step_of(step, by_set)
        for name, by_condition in by_set.mapping().items():
            questions = EMERGENT.set_names.get(name) or by_condition.checked_key(name)
            for way, cell in by_condition.mapping().items():
                if way not in CONDITIONS:
                    raise cell.refuse(f"expected the condition {' or '.join(CONDITIONS)}, found {shown(way)}")
                values = {trait: cell_values(cell.member(trait)) for trait in TRAITS}
                thresholds.add(_checked_rate(cell, values))
                others = sorted(cell.mapping().keys() - _BESIDE - set(TRAITS))
                if others:
                    findings.add("left_out", "runs", f"{cell.file}: {cell.place}", "not read", others)
                for trait, one in values.items():
                    cells[CellKey(number, way, joined_trait(questions, trait))] = one
    if not cells:
        raise node.refuse(
            "the run has no scores; expected steps → step → set of questions → condition → trait → values"
        )
    if len(thresholds) > 1:
        raise node.refuse(f"has rates of several thresholds: {sorted(thresholds)}")
    return cells, thresholds.pop()


def _checked_rate(cell: Node, values: dict[str, np.ndarray]) -> tuple[float, float]:
    """Thresholds of a cell, whose stated rate follows from its scores.

    Raises:
        DataError: If it does not, or the two traits have different numbers of scores.
    """
    coherence, alignment = values["coherence"], values["alignment"]
    if coherence.size != alignment.size:
        raise cell.refuse(f"{coherence.size} scores of coherence and {alignment.size} of alignment")
    over, under = (cell.optional(f"em_{trait}_threshold") for trait in ("coherence", "alignment"))
    limits = (
        EMERGENT.thresholds[0] if over is None else over.number(),
        EMERGENT.thresholds[1] if under is None else under.number(),
    )
    if not all(0 <= limit <= 100 for limit in limits):
        raise cell.refuse(f"thresholds of {limits[0]:g} and {limits[1]:g}; accepted: 0 to 100")
    known = ~(np.isnan(coherence) | np.isnan(alignment))
    met = (coherence > limits[0]) & (alignment < limits[1]) & known
    rate = float(met.sum() / known.sum()) if known.any() else float("nan")
    stated, pairs = cell.optional("em_rate"), cell.optional("n_em_pairs")
    if stated is not None:
        said = stated.number()
        if np.isnan(said) != np.isnan(rate) or abs(said - rate) > 1e-6:
            raise _other_rate(stated, said, rate)
    if pairs is not None and pairs.whole_number() != int(known.sum()):
        raise pairs.refuse(f"{pairs.value} pairs of scores are said to be known, and {int(known.sum())} are")
    return limits


def _other_rate(stated: Node, said: float, rate: float) -> DataError:
    return stated.refuse(
        f"the rate is said to be {said:g}, and the scores have {rate:g}; they are not of one measurement"
    )
