"""A checkout of the trait-inoculation study, or any part of one, as tables and a study."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd

from inoc.chat.messages import PLAIN, Asked
from inoc.errors import DataError
from inoc.stats.means import Floats
from inoc.studies.inoculation.released.checks import (
    chosen_step,
    report_controls,
    report_steps,
    report_system,
    with_one_judge,
)
from inoc.studies.inoculation.released.document import Node, name_of, shown
from inoc.studies.inoculation.released.documents import POOLS, Document, choose_pair, find_documents
from inoc.studies.inoculation.released.findings import Findings, shortened
from inoc.studies.inoculation.released.logprobs import Pass, Perplexities, logprob_tables, merged, read_perplexities
from inoc.studies.inoculation.released.others import loss_rows, pool_rows, read_pool, report_pool
from inoc.studies.inoculation.released.pairs import MAIN, Pair
from inoc.studies.inoculation.released.published import PUBLISHED, read_published, report_suppression
from inoc.studies.inoculation.released.scores import (
    BASELINE,
    Elicited,
    Trained,
    elicited_scores,
    failed_runs,
    score_rows,
    swept_runs,
    trained_runs,
)
from inoc.studies.inoculation.released.study_file import Facts, study_values
from inoc.studies.inoculation.released.tokens import TokenFile, read_token_file, with_tokens
from inoc.studies.inoculation.released.write import Imported
from inoc.studies.inoculation.runs import Run
from inoc.tables import LOGPROBS, LOSSES, SCORES
from inoc.tables import POOLS as POOLS_TABLE


def read_release(
    root: Path, name: str, step: int | None = None, pair_key: str | None = None, experiment: str = MAIN
) -> Imported:
    """Read the results of one experiment with one pair of traits.

    Args:
        root: The checkout; only the files that are there are read.
        name: Name of the study to make.
        step: The last step to use; None for the largest.
        pair_key: Which pair, if there are results of several.
        experiment: One of `pairs.EXPERIMENTS`.

    Returns:
        Everything that is to be written.

    Raises:
        DataError: If there is nothing to read, a file is not as documented, or it is not clear what is wanted.
    """
    findings = Findings()
    documents = find_documents(root, experiment, findings)
    pair = choose_pair(documents, pair_key, root).of_experiment(experiment)
    for document in documents.parsed:
        if pair.key not in document.pairs:
            findings.add("left_out", "files", document.name, f"is not of {pair.key}")
    documents = documents._replace(parsed=[one for one in documents.parsed if pair.key in one.pairs])
    runs = _runs(documents.of("scores"), pair, experiment, findings)
    elicited = _elicited(documents.of("elicitation"), pair, findings)
    perplexities = _perplexities(documents.of("logprobs"), pair, findings)
    tokens = _token_files(documents.tokens, pair, root, findings)
    texts = _texts(runs, elicited, perplexities, tokens, pair, findings)
    runs = _with_text(runs, texts, findings)
    last = chosen_step(runs, step)
    if step is not None and last is None:
        raise DataError(f"--step {step}: there are no scores of runs in {root}")
    if last is not None:
        report_steps(runs, last, findings)
        report_controls(runs, last, findings)
        runs = [run._replace(cells={k: v for k, v in run.cells.items() if k.step <= last}) for run in runs]
        runs = [run for run in runs if run.cells]
    judged = with_one_judge(runs, elicited, findings)
    report_system(pair, elicited, findings)
    passes = _passes_with_text(with_tokens(perplexities.passes, tokens, findings), texts, findings)
    read_pools = _pools(documents.pools, pair, texts, root, findings)
    for text in pair.known:
        findings.add("note", "known", pair.key, text)
    facts = Facts(
        name, pair, texts, judged.runs, judged.elicited, passes, perplexities.control_prompts, judged.whole, last
    )
    losses = _losses(documents.of("losses"), judged.runs, findings)
    _report_missing(facts, losses, findings)
    published = read_published(root, pair, findings) if experiment == MAIN else None
    if published is not None and last is not None:
        report_suppression(published, judged.runs, last, findings)
    judges = {key: (str(spec.name), spec.version) for key, spec in facts.judges().items()}
    return Imported(
        study_values(facts),
        {
            "judge/elicit.parquet": (score_rows(_base_cells(judged.elicited), judges), SCORES),
            "judge/evaluate.parquet": (score_rows(_run_cells(judged.runs), judges), SCORES),
            "score/logprobs-0.parquet": (logprob_tables(passes), LOGPROBS),
            "train/0/losses.parquet": (losses, LOSSES),
            "rephrase/pools.parquet": (pool_rows(read_pools), POOLS_TABLE),
        },
        findings,
        {} if published is None else {PUBLISHED: published.text},
    )


def _token_files(paths: list[Path], pair: Pair, root: Path, findings: Findings) -> list[TokenFile]:
    found = []
    for path in paths:
        one = read_token_file(path, root, pair)
        if one is None:
            findings.add("left_out", "files", name_of(path, root), f"is not of {pair.key}")
        else:
            found.append(one)
    return found


def _runs(documents: list[Document], pair: Pair, experiment: str, findings: Findings) -> list[Trained]:
    """Runs of all files; a run that several files have is taken from the file with most runs."""
    by_file = {document.name: _runs_of(document.node, experiment, findings) for document in documents}
    sizes = Counter(values.size for runs in by_file.values() for run in runs for values in run.cells.values())
    kept: dict[Run, Trained] = {}
    for name, runs in sorted(by_file.items(), key=lambda item: (-len(item[1]), item[0])):
        size = next(iter(runs[0].cells.values())).size if runs else 0
        if runs and size != sizes.most_common(1)[0][0]:
            text = f"has {size} instructions and other files {sizes.most_common(1)[0][0]}; they cannot be paired"
            if name.startswith("results/scores_multi_prompt"):
                raise DataError(f"{name}: {text}. Move one of them away")
            findings.add("left_out", "runs", name, text)
            continue
        unknown = [run.name for run in runs if run.run.prompt and run.run.prompt not in pair.prompts]
        if unknown:
            findings.add("left_out", "prompts", name, f"runs of prompts of no known family: {shortened(unknown)}")
        again = [run.name for run in runs if run.run in kept]
        if again:
            text = f"runs that another file has too, which holds more runs: {shortened(again)}"
            findings.add("left_out", "runs", name, text)
        fresh = [run for run in runs if run.name not in unknown and run.run not in kept]
        kept |= {run.run: run for run in fresh}
        if fresh:
            steps = sorted({step for run in fresh for step in run.steps})
            text = f"{len(fresh)} runs, steps {shortened(map(str, steps))}, {size} instructions"
            findings.add("found", "runs", name, text)
    place = {key: index for index, key in enumerate(["", *pair.prompts])}
    return sorted(kept.values(), key=lambda run: (place[run.run.prompt], run.run))


def _runs_of(node: Node, experiment: str, findings: Findings) -> list[Trained]:
    for name, error in failed_runs(node).items():
        findings.add("missing", "runs", f"{node.file}: {name}", f"its job failed: {shown(error)}")
    if experiment == MAIN:
        return trained_runs(node)
    swept = swept_runs(node, experiment)
    if swept.left_out:
        text = f"scores of the condition {', '.join(map(shown, swept.left_out))}, which is none of ours"
        findings.add("left_out", "runs", node.file, text)
    return [run for run in swept.runs if run.cells]


def _elicited(documents: list[Document], pair: Pair, findings: Findings) -> list[Elicited]:
    """Entries of the file with most of them; they are differences from its own baseline, so files are not mixed."""
    files = [(document.name, elicited_scores(document.node)) for document in documents]
    files.sort(key=lambda item: (-len(item[1]), item[0]))
    for name, _ in files[1:]:
        findings.add("left_out", "elicitation", name, f"another file has more entries, {files[0][0]}")
    if not files:
        return []
    name, entries = files[0]
    unknown = [one.prompt for one in entries if one.prompt and one.prompt not in pair.prompts]
    if unknown:
        findings.add("left_out", "prompts", name, f"prompts of no known family: {shortened(unknown)}")
    for key, error in failed_runs(next(one.node for one in documents if one.name == name)).items():
        findings.add("missing", "elicitation", f"{name}: {key}", f"its job failed: {shown(error)}")
    short = [one.prompt or BASELINE for one in entries if one.lost]
    if short:
        text = f"fewer responses than for other prompts, so that scores cannot be paired: {shortened(short)}"
        findings.add("left_out", "elicitation", name, text)
    findings.add("found", "elicitation", name, f"{len(entries)} entries")
    if not any(not one.prompt for one in entries):
        findings.add("missing", "elicitation", name, "the untrained model without a prefix (`neutral`)")
    return [one for one in entries if one.prompt not in unknown and not one.lost]


def _perplexities(documents: list[Document], pair: Pair, findings: Findings) -> Perplexities:
    keys = tuple(trait.lower() for trait in pair.traits)
    files = [read_perplexities(document.node, keys, set(pair.prompts), findings) for document in documents]
    names = [document.name for document in documents]
    for one, name in zip(files, names, strict=True):
        findings.add("found", "logprobs", name, f"{len(one.texts)} prompts")
        named = [text for text in one.control_completions if any(n in text for n in pair.names_of_other_models)]
        if named:
            text = (
                f"{len(named)} of {len(one.control_completions)} control completions name another model "
                f"({', '.join(pair.names_of_other_models)}): they were probably sampled with its system turn"
            )
            findings.add("warning", "system", name, text)
    return Perplexities(
        merged(files, names, findings),
        {key: text for one in files for key, text in one.texts.items()},
        {key: text for one in files for key, text in one.control_prompts.items()},
        [],
    )


def _texts(
    runs: list[Trained],
    elicited: list[Elicited],
    perplexities: Perplexities,
    tokens: list[TokenFile],
    pair: Pair,
    findings: Findings,
) -> dict[str, str]:
    """Prompt → text, in the study's order.

    Raises:
        DataError: If two files have different texts for one prompt.
    """
    found: dict[str, tuple[str, str]] = {}
    said = [(run.run.prompt, run.text, run.file) for run in runs if run.text]
    said += [(one.prompt, one.text, one.file) for one in elicited if one.prompt and one.text]
    said += [(key, text, "results/perplexity_heuristic") for key, text in perplexities.texts.items() if text]
    said += [(key, text, one.file) for one in tokens for key, text in one.texts.items() if key in pair.prompts and text]
    for key, text, file in said:
        first = found.setdefault(key, (text, file))
        if first[0] != text:
            raise DataError(
                f"{file}: the prompt {key} is {text!r}, and in {first[1]} it is {first[0]!r}: they are results of two "
                "prompts. Remove one of the two"
            )
    texts = {key: found[key][0] for key in pair.prompts if key in found}
    twice = [text for text, count in Counter(texts.values()).items() if count > 1]
    if twice:
        keys = [key for key, text in texts.items() if text == twice[0]]
        raise DataError(f"the prompts {', '.join(keys)} have the same text {twice[0]!r} in {found[keys[0]][1]}")
    return texts


def _with_text(runs: list[Trained], texts: dict[str, str], findings: Findings) -> list[Trained]:
    for run in runs:
        if run.run.prompt and run.run.prompt not in texts:
            text = f"no file has the text of the prompt {run.run.prompt}"
            findings.add("left_out", "prompts", f"{run.file}: {run.name}", text)
    return [run for run in runs if not run.run.prompt or run.run.prompt in texts]


def _passes_with_text(passes: list[Pass], texts: dict[str, str], findings: Findings) -> list[Pass]:
    lacking = sorted({one.prompt for one in passes if one.prompt and one.prompt not in texts})
    if lacking:
        text = f"log-probabilities of prompts whose text no file has: {shortened(lacking, 60)}"
        findings.add("left_out", "prompts", "log-probabilities", text)
    return [one for one in passes if not one.prompt or one.prompt in texts]


def _pools(
    paths: list[Path], pair: Pair, texts: dict[str, str], root: Path, findings: Findings
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    others = []
    for path in paths:
        if path.stem not in pair.prompts:
            others.append(path.name if path.name.isprintable() else ascii(path.name))
            continue
        pool = read_pool(path, root)
        found[path.stem] = pool
        report_pool(name_of(path, root), pool, texts.get(path.stem, ""), findings)
    if found:
        findings.add("found", "pools", str(POOLS), f"{len(found)} pools")
    if others:
        findings.add("left_out", "pools", str(POOLS), f"of prompts of no known family: {shortened(others)}")
    return found


def _losses(documents: list[Document], runs: list[Trained], findings: Findings) -> pd.DataFrame:
    """Curves of the imported runs: from the file named as the scores are, else from another, with a warning."""
    names = {run.name: run.run for run in runs}
    files = {run.name: Path(run.file).name.removeprefix("scores_") for run in runs}
    kept = pd.DataFrame(columns=[*LOSSES.names, "source"])
    tags = {Path(document.name).name.removeprefix("losses_"): document for document in documents}
    order = sorted(tags, key=lambda tag: (tag not in files.values(), tag))
    for tag in order:
        document = tags[tag]
        rows = loss_rows(document.node, names, findings)
        fresh = rows[~rows["run"].isin(kept["run"].unique())]
        kept = fresh if kept.empty else pd.concat([kept, fresh], ignore_index=True)
        foreign = sorted(name for name in document.node.mapping() if name in files and files[name] != tag)
        taken = set(fresh["run"])
        foreign = [name for name in foreign if names[name].name in taken]
        if foreign:
            text = (
                "the scores of these runs are of a file of another name, so the curves are probably of a second "
                f"training with the same settings: {shortened(foreign)}"
            )
            findings.add("warning", "losses", document.name, text)
        if taken:
            findings.add("found", "losses", document.name, f"curves of {len(taken)} runs")
    return kept


def _report_missing(facts: Facts, losses: pd.DataFrame, findings: Findings) -> None:
    place = facts.pair.key
    runs = {run.run for run in facts.runs}
    if not runs:
        findings.add("missing", "runs", place, "scores of trained runs")
    elif not any(run.prefix == "none" for run in runs):
        findings.add("missing", "runs", place, "a control run, so that there is no suppression")
    for prefix in ("fixed", "mix"):
        lacking = [key for key in facts.texts if not any((r.prompt, r.prefix) == (key, prefix) for r in runs)]
        if lacking and runs:
            findings.add("missing", "runs", place, f"{prefix} runs of {shortened(lacking, 60)}")
    scored = {one.prompt for one in facts.passes}
    elicited = {one.prompt for one in facts.elicited}
    for what, keys in (("log-probabilities", scored), ("elicitation", elicited)):
        lacking = [key for key in facts.texts if key not in keys]
        if lacking or not facts.texts:
            findings.add("missing", what, place, f"of {shortened(lacking, 60)}" if keys and lacking else "all of it")
    without = [run.name for run in facts.runs if run.run.name not in set(losses["run"])]
    if without:
        findings.add("missing", "losses", place, f"curves of {shortened(without)}")


def _base_cells(elicited: list[Elicited]) -> list[tuple[Run | None, int, Asked, str, Floats]]:
    return [
        (None, 0, Asked(one.prompt, "fixed") if one.prompt else PLAIN, trait.lower(), values)
        for one in elicited
        for trait, values in sorted(one.values.items())
    ]


def _run_cells(runs: list[Trained]) -> list[tuple[Run | None, int, Asked, str, Floats]]:
    """Cells of all runs; a control's second sample without a prefix has no place of its own and is left out."""
    cells: list[tuple[Run | None, int, Asked, str, Floats]] = []
    for run in runs:
        for key in sorted(run.cells):
            asked = PLAIN if key.condition == "default" else Asked(run.run.prompt, run.run.prefix)
            if key.condition == "default" or asked.prefix != "none":
                cells.append((run.run, key.step, asked, key.trait.lower(), run.cells[key]))
    return cells
