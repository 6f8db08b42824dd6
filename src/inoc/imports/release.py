"""A checkout of the trait-inoculation study, or any part of one, as tables and a study."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from inoc.errors import DataError
from inoc.imports.checks import chosen_step, report_controls, report_steps, report_system, with_one_judge
from inoc.imports.document import Node, name_of, read_json, shown
from inoc.imports.findings import Findings, shortened
from inoc.imports.logprobs import Perplexities, logprob_table, merged, read_perplexities
from inoc.imports.others import loss_rows, pool_rows, read_pool, report_pool
from inoc.imports.pairs import Pair, known_pairs, pair_of_traits, pairs_of_prompts
from inoc.imports.scores import Elicited, Trained, elicited_scores, is_runs, score_rows, trained_runs
from inoc.imports.study_file import Facts, study_values
from inoc.imports.write import Imported
from inoc.runs import PLAIN, Asked, Run
from inoc.stats.means import Floats
from inoc.tables import LOGPROBS, LOSSES, POOLS, SCORES

_POOLS = Path("data") / "rephrasings"


class _Document(NamedTuple):
    name: str
    kind: str  # scores, elicitation, logprobs or losses
    node: Node
    pairs: frozenset[str]  # keys of the pairs of traits that it has results of


def read_release(root: Path, name: str, step: int | None = None, pair_key: str | None = None) -> Imported:
    """Read the results of one pair of traits.

    Args:
        root: The checkout; only the files that are there are read.
        name: Name of the study to make.
        step: The last step to use; None for the largest.
        pair_key: Which pair, if there are results of several.

    Returns:
        Everything that is to be written.

    Raises:
        DataError: If there is nothing to read, a file is not as documented, or it is not clear what is wanted.
    """
    findings = Findings()
    documents = _documents(root, findings)
    pools = _pool_files(root)
    pair = _pair(documents, pools, pair_key, root)
    own = [document for document in documents if pair.key in document.pairs]
    for document in documents:
        if document not in own:
            findings.add("left_out", "files", document.name, f"is not of {pair.key}")
    runs = _runs([document for document in own if document.kind == "scores"], pair, findings)
    elicited = _elicited([document for document in own if document.kind == "elicitation"], pair, findings)
    perplexities = _perplexities([document for document in own if document.kind == "logprobs"], pair, findings)
    texts = _texts(runs, elicited, perplexities, pair, findings)
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
    passes = [one for one in perplexities.passes if not one.prompt or one.prompt in texts]
    read_pools = _pools(pools, pair, texts, root, findings)
    for text in pair.known:
        findings.add("note", "known", pair.key, text)
    facts = Facts(
        name, pair, texts, judged.runs, judged.elicited, passes, perplexities.control_prompts, judged.whole, last
    )
    losses = _losses([document for document in own if document.kind == "losses"], judged.runs, findings)
    _report_missing(facts, losses, findings)
    judges = {key: (str(spec.name), spec.version) for key, spec in facts.judges().items()}
    return Imported(
        study_values(facts),
        {
            "judge/elicit.parquet": (score_rows(_base_cells(judged.elicited), judges), SCORES),
            "judge/evaluate.parquet": (score_rows(_run_cells(judged.runs), judges), SCORES),
            "score/logprobs-0.parquet": (logprob_table(passes), LOGPROBS),
            "train/0/losses.parquet": (losses, LOSSES),
            "rephrase/pools.parquet": (pool_rows(read_pools), POOLS),
        },
        findings,
    )


def _documents(root: Path, findings: Findings) -> list[_Document]:
    """Every JSON file of results whose kind its name tells.

    Raises:
        DataError: If the folder is none, or has nothing of the study.
    """
    if not root.is_dir():
        raise DataError(f"there is no folder {root}; give the checkout of the study's repository")
    kinds = {"scores_": "scores", "elicitation_scores": "elicitation", "perplexity_heuristic": "logprobs"}
    kinds["losses_"] = "losses"
    found, others = [], []
    for path in sorted((root / "results").glob("*.json")):
        kind = next((kind for start, kind in kinds.items() if path.name.startswith(start)), None)
        if kind is None:
            others.append(name_of(path, root))
            continue
        node = read_json(path, root)
        why = _other_layout(path.name, kind, node)
        if why:
            findings.add("left_out", "files", node.file, why)
        else:
            found.append(_Document(node.file, kind, node, frozenset(_pairs_of(kind, node))))
    if others:
        findings.add("left_out", "files", "results", f"not read, of no kind that is imported: {shortened(others)}")
    if not found and not _pool_files(root):
        raise DataError(
            f"{root} has nothing of the study: expected results/scores_*.json, results/elicitation_scores*.json, "
            f"results/perplexity_heuristic*.json, results/losses_*.json or {_POOLS}/*.jsonl. Give the folder that has "
            "`results`"
        )
    return found


def _pool_files(root: Path) -> list[Path]:
    return sorted((root / _POOLS).glob("*.jsonl"))


def _other_layout(file: str, kind: str, node: Node) -> str:
    """Why a file is left alone, although its name begins as those that are read; empty if it is read.

    Other experiments of the study have files of other layouts. A file that has the name of a documented one is never
    left alone: if it is not as documented, it is broken.
    """
    if kind == "logprobs" and "token" in file:
        return "log-probabilities of single tokens; only means per response are read"
    if kind != "scores" or file.startswith("scores_multi_prompt"):
        return ""
    if not is_runs(node):
        return "does not map runs to type, lr and steps"
    try:
        _pairs_of(kind, node)
    except DataError as error:
        return f"scores of another layout: {error}"
    return ""


def _traits_in(kind: str, node: Node) -> set[str]:
    if kind == "elicitation":
        return {trait for one in elicited_scores(node) for trait in one.values}
    return {key.trait for run in trained_runs(node) for key in run.cells}


def _pairs_of(kind: str, node: Node) -> set[str]:
    """Keys of the pairs of traits that a file is of.

    Raises:
        DataError: If it has scores of other traits.
    """
    if kind in ("scores", "elicitation"):
        traits = _traits_in(kind, node)
        pair = pair_of_traits(traits)
        if pair is None:
            known = "; ".join(f"{key}: {', '.join(pair.traits)}" for key, pair in known_pairs().items())
            raise node.refuse(
                f"has scores of {', '.join(map(shown, sorted(traits))) or 'nothing'}; known are {known}. For other "
                "traits use `inoc import tables`"
            )
        return {pair.key}
    if kind == "logprobs":
        return pairs_of_prompts(node.member("prompts").mapping())
    return pairs_of_prompts(name.removesuffix("_mix") for name in node.mapping())


def _pair(documents: list[_Document], pools: list[Path], wanted: str | None, root: Path) -> Pair:
    found: dict[str, list[str]] = {}
    for document in documents:
        if len(document.pairs) > 1:
            raise document.node.refuse(f"mixes prompts of {' and '.join(sorted(document.pairs))}")
        for key in document.pairs:
            found.setdefault(key, []).append(document.name)
    if not found:
        found = {key: [str(_POOLS)] for key in sorted(pairs_of_prompts(path.stem for path in pools))}
    known = known_pairs()
    if wanted is not None and wanted not in known:
        raise DataError(f"--pair {wanted}: accepted: {', '.join(known)}")
    if wanted is not None and wanted not in found:
        raise DataError(f"--pair {wanted}: {root} has results of {', '.join(sorted(found)) or 'no known pair'} only")
    if wanted is None and len(found) > 1:
        where = "; ".join(f"{key} in {shortened(names, 3)}" for key, names in sorted(found.items()))
        raise DataError(f"{root} has results of {len(found)} pairs of traits: {where}. Choose one with --pair")
    if not found:
        raise DataError(f"{root} has results, and none of prompts or traits that are known. Use `inoc import tables`")
    return known[wanted or next(iter(found))]


def _runs(documents: list[_Document], pair: Pair, findings: Findings) -> list[Trained]:
    """Runs of all files; a run that several files have is taken from the file with most runs."""
    by_file = {document.name: trained_runs(document.node) for document in documents}
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


def _elicited(documents: list[_Document], pair: Pair, findings: Findings) -> list[Elicited]:
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
    findings.add("found", "elicitation", name, f"{len(entries)} entries")
    if not any(not one.prompt for one in entries):
        findings.add("missing", "elicitation", name, "the untrained model without a prefix (`neutral`)")
    return [one for one in entries if one.prompt not in unknown]


def _perplexities(documents: list[_Document], pair: Pair, findings: Findings) -> Perplexities:
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
    runs: list[Trained], elicited: list[Elicited], perplexities: Perplexities, pair: Pair, findings: Findings
) -> dict[str, str]:
    """Prompt → text, in the study's order.

    Raises:
        DataError: If two files have different texts for one prompt.
    """
    found: dict[str, tuple[str, str]] = {}
    said = [(run.run.prompt, run.text, run.file) for run in runs if run.text]
    said += [(one.prompt, one.text, one.file) for one in elicited if one.prompt and one.text]
    said += [(key, text, "results/perplexity_heuristic") for key, text in perplexities.texts.items() if text]
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
        findings.add("found", "pools", str(_POOLS), f"{len(found)} pools")
    if others:
        findings.add("left_out", "pools", str(_POOLS), f"of prompts of no known family: {shortened(others)}")
    return found


def _losses(documents: list[_Document], runs: list[Trained], findings: Findings) -> pd.DataFrame:
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
            findings.add("missing", what, place, f"of {shortened(lacking, 60)}" if keys else "all of it")
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
