"""A checkout of the trait-inoculation study, or any part of one, as tables and a study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from inoc.chat.messages import PLAIN, Asked
from inoc.errors import DataError, did_you_mean
from inoc.stats.means import Floats
from inoc.studies.imports.findings import Findings
from inoc.studies.imports.write import Imported, Tables
from inoc.studies.inoculation.released import judges, published
from inoc.studies.inoculation.released.checks import (
    OneJudge,
    chosen_step,
    last_common_step,
    report_controls,
    report_steps,
    report_system,
    with_one_judge,
)
from inoc.studies.inoculation.released.documents import Documents, choose_pair, find_documents
from inoc.studies.inoculation.released.emergent import read_misalignment
from inoc.studies.inoculation.released.inventory import report_unread
from inoc.studies.inoculation.released.logprobs import Pass, Perplexities, logprob_tables
from inoc.studies.inoculation.released.others import pool_rows, read_losses, read_pools
from inoc.studies.inoculation.released.pairs import EXPERIMENTS, MAIN, MISALIGNMENT, Pair
from inoc.studies.inoculation.released.published import PUBLISHED, Published, read_published
from inoc.studies.inoculation.released.published_values import has_embeddings, self_perplexity_rows
from inoc.studies.inoculation.released.scores import Elicited, Trained, score_rows
from inoc.studies.inoculation.released.sources import (
    gathered_elicitation,
    gathered_perplexities,
    gathered_runs,
    passes_with_text,
    prompt_texts,
    runs_with_text,
    token_files,
)
from inoc.studies.inoculation.released.study_file import Facts, study_values
from inoc.studies.inoculation.released.tokens import with_tokens
from inoc.studies.inoculation.runs import Run
from inoc.tables import LOGPROBS, LOSSES, SCORES, SELF_PERPLEXITY
from inoc.tables import POOLS as POOLS_TABLE


def read_release(
    root: Path, name: str, step: int | None = None, pair_key: str | None = None, experiment: str = MAIN
) -> Imported:
    """Read the results of one experiment with one pair of traits.

    Args:
        root: The checkout; only the files that are there are read.
        name: Name of the study to make.
        step: The last step to use; None for the largest, or for a sweep the last that all runs have.
        pair_key: Which pair, if there are results of several.
        experiment: One of `pairs.EXPERIMENTS`.

    Returns:
        Everything that is to be written.

    Raises:
        DataError: If there is nothing to read, a file that numbers are computed from is not as documented, or it is
            not clear what is wanted.
    """
    _check_arguments(root, experiment)
    if experiment == MISALIGNMENT:
        return read_misalignment(root, name, step, pair_key)
    findings = Findings()
    documents = find_documents(root, experiment, pair_key, findings)
    pair = choose_pair(documents, pair_key, root).of_experiment(experiment)
    own = [one for one in documents.parsed if one.is_of(pair.key)]
    for document in documents.parsed:
        if document not in own:
            findings.add("left_out", "files", document.name, f"is not of {pair.key}")
    documents = documents._replace(parsed=own)
    texts, runs, elicited, perplexities, passes = _measured(documents, pair, experiment, root, pair_key, findings)
    last, note = _last_step(runs, step, experiment, root, findings)
    judged = with_one_judge(_up_to(runs, last, findings), elicited, findings)
    report_system(pair, elicited, findings)
    pools = read_pools(documents.pools, texts, pair.prompts, root, findings)
    for text in pair.known:
        findings.add("note", "known", pair.key, text)
    models = judges.judges_of(root, pair, findings)
    table = _published(root, pair, judged, passes, last, findings) if experiment == MAIN else None
    controls, whole = perplexities.control_prompts, judged.whole
    facts = Facts(name, pair, texts, judged.runs, judged.elicited, passes, controls, whole, last, models)
    facts = facts._replace(note=note, published=_of_table(table, texts))
    named = {run.name: (run.run, run.file) for run in judged.runs}
    losses = read_losses([document.node for document in documents.of("losses")], named, findings)
    report_missing(facts, losses, findings)
    report_unread(root, {*documents.seen, root / judges.SOURCE, root / published.SOURCE}, findings, experiment)
    tables = _tables(facts, judged, losses, pools)
    if table is not None and "self_perplexity" in facts.published:
        tables["score/self-perplexity-0.parquet"] = (self_perplexity_rows(table, texts), SELF_PERPLEXITY)
    return Imported(study_values(facts), tables, findings, {} if table is None else {PUBLISHED: table.text})


def _check_arguments(root: Path, experiment: str) -> None:
    if not root.is_dir():
        raise DataError(f"there is no folder {root}; give the checkout of the study's repository")
    if experiment not in EXPERIMENTS:
        hint = did_you_mean(experiment, EXPERIMENTS)
        raise DataError(f"--experiment {experiment}: accepted: {', '.join(EXPERIMENTS)}{hint}")


def _up_to(runs: list[Trained], last: int | None, findings: Findings) -> list[Trained]:
    """The runs without scores past the last step; what looks wrong around it is reported."""
    if last is None:
        return runs
    report_steps(runs, last, findings)
    report_controls(runs, last, findings)
    cut = [run._replace(cells={k: v for k, v in run.cells.items() if k.step <= last}) for run in runs]
    return [run for run in cut if run.cells]


def _measured(
    documents: Documents, pair: Pair, experiment: str, root: Path, wanted: str | None, findings: Findings
) -> tuple[dict[str, str], list[Trained], list[Elicited], Perplexities, list[Pass]]:
    """Texts of prompts, runs, elicitation, files of log-probabilities, and passes with their tokens."""
    runs = gathered_runs(documents.of("scores"), pair, experiment, findings)
    elicited = gathered_elicitation(documents.of("elicitation"), pair, findings)
    perplexities = gathered_perplexities(documents.of("logprobs"), pair, findings)
    tokens = token_files(documents.tokens, pair, root, wanted, findings)
    texts = prompt_texts(runs, elicited, perplexities, tokens, pair)
    runs = runs_with_text(runs, texts, findings)
    passes = passes_with_text(with_tokens(perplexities.passes, tokens, findings), texts, findings)
    return texts, runs, elicited, perplexities, passes


def _last_step(
    runs: list[Trained], wanted: int | None, experiment: str, root: Path, findings: Findings
) -> tuple[int | None, str]:
    """The last step to use, and what a reader has to know of it.

    Raises:
        DataError: If the wanted step is not there.
    """
    if wanted is None and experiment != MAIN:
        return last_common_step(runs, findings)
    last = chosen_step(runs, wanted)
    if wanted is not None and last is None:
        raise DataError(f"--step {wanted}: there are no scores of runs in {root}")
    return last, ""


def _published(
    root: Path, pair: Pair, judged: OneJudge, passes: list[Pass], last: int | None, findings: Findings
) -> Published | None:
    """The study's own table, compared with the other files."""
    table = read_published(root, pair, findings)
    if table is None:
        return None
    prompts = {run.run.prompt for run in judged.runs} | {one.prompt for one in passes}
    prompts |= {one.prompt for one in judged.elicited}
    published.report_rows(table, sorted(prompts - {""}), findings)
    train = {(one.prompt, one.prefix): one.mean for one in passes if one.dataset == "train"}
    base = train.get(("", "none"))
    shifts = {
        prompt: float(np.nanmean(mean - base))
        for (prompt, prefix), mean in train.items()
        if prefix == "fixed" and base is not None and not np.isnan(mean - base).all()
    }
    published.report_values(table, judged.elicited, shifts, findings)
    if last is not None:
        published.report_suppression(table, judged.runs, last, findings)
    return table


def _of_table(table: Published | None, texts: dict[str, str]) -> frozenset[str]:
    if table is None:
        return frozenset()
    found = {
        "self_perplexity": bool(len(self_perplexity_rows(table, texts))),
        "embedding": has_embeddings(table, texts),
    }
    return frozenset(name for name, there in found.items() if there)


def _tables(facts: Facts, judged: OneJudge, losses: pd.DataFrame, pools: dict[str, list[str]]) -> Tables:
    named = {key: (str(spec.name), spec.version) for key, spec in facts.judges().items()}
    return {
        "judge/elicit.parquet": (score_rows(base_cells(judged.elicited), named), SCORES),
        "judge/evaluate.parquet": (score_rows(run_cells(judged.runs), named), SCORES),
        "score/logprobs-0.parquet": (logprob_tables(facts.passes), LOGPROBS),
        "train/0/losses.parquet": (losses, LOSSES),
        "rephrase/pools.parquet": (pool_rows({"mix": pools}), POOLS_TABLE),
    }


def report_missing(facts: Facts, losses: pd.DataFrame, findings: Findings) -> None:
    """Report runs, log-probabilities, elicitation and loss curves that the release does not have."""
    place = facts.pair.key
    runs = {run.run for run in facts.runs}
    if not runs:
        findings.add("missing", "runs", place, "scores of trained runs")
    elif not any(run.prefix == "none" for run in runs):
        findings.add("missing", "runs", place, "a control run, so that there is no suppression")
    for prefix in ("fixed", "mix"):
        lacking = [key for key in facts.texts if not any((r.prompt, r.prefix) == (key, prefix) for r in runs)]
        if lacking and runs:
            findings.add("missing", "runs", place, f"{prefix} runs of {{names}}", lacking)
    scored = {one.prompt for one in facts.passes}
    elicited = {one.prompt for one in facts.elicited}
    for what, keys in (("log-probabilities", scored), ("elicitation", elicited)):
        lacking = [key for key in facts.texts if key not in keys]
        if lacking or not facts.texts:
            some = keys and lacking
            findings.add("missing", what, place, "of {names}" if some else "all of it", lacking if some else None)
    without = [run.name for run in facts.runs if run.run.name not in set(losses["run"])]
    if without:
        findings.add("missing", "losses", place, "curves of {names}", without)


def base_cells(elicited: list[Elicited]) -> list[tuple[Run | None, int, Asked, str, Floats]]:
    """Cells of the untrained model."""
    return [
        (None, 0, Asked(one.prompt, "fixed") if one.prompt else PLAIN, trait.lower(), values)
        for one in elicited
        for trait, values in sorted(one.values.items())
    ]


def run_cells(runs: list[Trained]) -> list[tuple[Run | None, int, Asked, str, Floats]]:
    """Cells of all runs; a control's second sample without a prefix has no place of its own and is left out."""
    cells: list[tuple[Run | None, int, Asked, str, Floats]] = []
    for run in runs:
        for key in sorted(run.cells):
            asked = PLAIN if key.condition == "default" else Asked(run.run.prompt, run.run.prefix)
            if key.condition == "default" or asked.prefix != "none":
                cells.append((run.run, key.step, asked, key.trait.lower(), run.cells[key]))
    return cells
