"""Checks of scores whose every number is readable: stale checkpoints, other judges, other models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from inoc.errors import DataError
from inoc.stats.means import Floats
from inoc.studies.imports.findings import Findings, shortened
from inoc.studies.inoculation.released.pairs import Pair
from inoc.studies.inoculation.released.scores import Elicited, Trained

FAR = 3.0
"""Two checkpoints differ strongly if the difference of their means is this many standard errors."""

CLOSE_STEPS = 1
"""Two checkpoints this near each other, at the end of a decaying learning rate, should score alike."""

LATE_STEP = 10
"""From this step on, one more step changes little."""


def chosen_step(runs: Sequence[Trained], wanted: int | None) -> int | None:
    """The last step to use: the wanted one, or the largest; None without runs.

    Raises:
        DataError: If no run has the wanted step.
    """
    steps = sorted({step for run in runs for step in run.steps})
    if not steps or wanted is None:
        return steps[-1] if steps else None
    if wanted not in steps:
        raise DataError(f"--step {wanted}: no run has scores at this step; there are {shortened(map(str, steps), 40)}")
    return wanted


def last_common_step(runs: Sequence[Trained], findings: Findings) -> tuple[int | None, str]:
    """The last step at which all runs have scores, for runs of different lengths.

    Args:
        runs: All runs.
        findings: Where it is reported which runs go on.

    Returns:
        The step, None without runs; and a sentence that says so, empty if all runs end there. Where the runs share no
        step after the first, it is the largest step of all.
    """
    if not runs:
        return None, ""
    common = set.intersection(*(set(run.steps) for run in runs)) - {0}
    ends = {run.name: run.steps[-1] for run in runs}
    if not common:
        text = "the runs have no step in common, so that the last ones of some are compared with nothing"
        findings.add("warning", "steps", "scores", text, [f"{name} ({step})" for name, step in ends.items()])
        return max(ends.values()), ""
    last = max(common)
    longer = [f"{name} ({step})" for name, step in ends.items() if step > last]
    if not longer:
        return last, ""
    text = f"runs are compared at step {last}, the last that all of them have; these go on"
    findings.add("note", "steps", "scores", text, longer)
    return last, f"Runs are compared at step {last}, the last that all of them have."


def distance(first: Floats, second: Floats) -> float:
    """Difference of two means in standard errors, unpaired; NaN if fewer than two scores of one are known."""
    known = [values[~np.isnan(values)] for values in (first, second)]
    if min(values.size for values in known) < 2:
        return float("nan")
    error = float(np.sqrt(sum(values.var(ddof=1) / values.size for values in known)))
    difference = float(known[1].mean() - known[0].mean())
    if error == 0:
        return 0.0 if difference == 0 else float(np.copysign(np.inf, difference))
    return difference / error


def known_mean(values: Floats) -> float:
    """Mean of what was measured; NaN if nothing was."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def report_steps(runs: Sequence[Trained], step: int, findings: Findings) -> None:
    """Report runs that lack the chosen step, steps past it, and neighbouring last steps that differ strongly."""
    for run in runs:
        if step not in run.steps:
            have = ", ".join(map(str, run.steps))
            findings.add("missing", "steps", f"{run.file}: {run.name}", f"has no scores at step {step}, only at {have}")
    later = {other for run in runs for other in run.steps if other > step}
    if later:
        steps = ", ".join(map(str, sorted(later)))
        findings.add("left_out", "steps", "scores", f"scores at step {steps}: they are past step {step}")
    for run in runs:
        before, last = [-1, *run.steps][-2:]
        if last - before <= CLOSE_STEPS and before >= LATE_STEP:
            _report_stale(run, before, last, step, findings)


def _report_stale(run: Trained, before: int, last: int, step: int, findings: Findings) -> None:
    far = []
    for key, values in run.cells.items():
        other = run.cells.get(key._replace(step=before))
        if key.step == last and other is not None:
            z = distance(other, values)
            if abs(z) > FAR:
                far.append(
                    f"{key.trait} asked as {key.condition}: {known_mean(other):.1f} and {known_mean(values):.1f}"
                )
    if far:
        cure = f"--step {before} uses the earlier one" if last <= step else f"step {last} is not used"
        findings.add(
            "warning",
            "steps",
            f"{run.file}: {run.name}",
            f"steps {before} and {last} differ more than training can explain ({'; '.join(far)}): one of them is "
            f"probably the checkpoint of another run that was left in the same folder; {cure}",
        )


def is_whole(values: Iterable[Floats]) -> bool:
    """Whether all known scores are whole numbers, as those of a language detector are and an average is not."""
    joined = np.concatenate([*values, np.empty(0)])
    known = joined[~np.isnan(joined)]
    return bool(known.size and (known == np.round(known)).all())


_KINDS = {True: "whole numbers, as of a language detector", False: "averages with fractions, as of a model"}


class OneJudge(NamedTuple):
    """Scores of which each trait has one kind."""

    runs: list[Trained]
    elicited: list[Elicited]
    whole: set[str]  # traits whose scores are whole numbers


def with_one_judge(runs: list[Trained], elicited: list[Elicited], findings: Findings) -> OneJudge:
    """Leave out, trait by trait, the scores that cannot be of the same judge as those of the control runs.

    Scores that are averages over a model's possible answers have fractions; those of a language detector are whole.
    Where there is no control, the scores of most runs decide, or else those of the elicitation.
    """
    whole_traits = set()
    for trait in sorted({key.trait for run in runs for key in run.cells} | {t for one in elicited for t in one.values}):
        kinds = [is_whole(values for key, values in run.cells.items() if key.trait == trait) for run in runs]
        of_controls = [kind for kind, run in zip(kinds, runs, strict=True) if run.run.prefix == "none"]
        of_entries = is_whole(one.values[trait] for one in elicited if trait in one.values)
        votes = of_controls or kinds or [of_entries]
        whole = sum(votes) * 2 > len(votes)
        whole_traits |= {trait} if whole else set()
        text = f"scores of {trait} are {_KINDS[not whole]}; those to compare them with are {_KINDS[whole]}"
        for index, (kind, run) in enumerate(zip(kinds, runs, strict=True)):
            cells = {key: values for key, values in run.cells.items() if key.trait != trait}
            if kind != whole and len(cells) < len(run.cells):
                findings.add("left_out", "judges", f"{run.file}: {run.name}", text)
                runs = [*runs[:index], run._replace(cells=cells), *runs[index + 1 :]]
        if elicited and of_entries != whole and any(trait in one.values for one in elicited):
            findings.add("left_out", "judges", elicited[0].file, text)
            elicited = [one._replace(values={k: v for k, v in one.values.items() if k != trait}) for one in elicited]
    return OneJudge(runs, elicited, whole_traits)


def report_system(pair: Pair, elicited: list[Elicited], findings: Findings) -> None:
    """Report a system turn that is not the study's, or that names another model."""
    for one in elicited:
        if one.prompt or not one.text:
            continue
        strange = [name for name in pair.names_of_other_models if name.lower() in one.text.lower()]
        if strange:
            text = f"the system turn names {strange[0]}, and the model is {pair.model}: {one.text!r}"
            findings.add("warning", "system", one.file, text)
        elif one.text != pair.system:
            findings.add(
                "warning", "system", one.file, f"the system turn is {one.text!r}, not the known {pair.system!r}"
            )


def report_controls(runs: list[Trained], step: int, findings: Findings) -> None:
    """Report how far two samples of a control run on the same questions differ, which is the noise of one sample."""
    for run in runs:
        if run.run.prefix != "none":
            continue
        for key, values in run.cells.items():
            again = run.cells.get(key._replace(condition="training"))
            if key.step == step and key.condition == "default" and again is not None:
                text = (
                    f"{key.trait}, asked twice without a prefix at step {step}: {known_mean(values):.1f} and "
                    f"{known_mean(again):.1f}; only the first is imported"
                )
                findings.add("note", "runs", f"{run.file}: {run.name}", text)
