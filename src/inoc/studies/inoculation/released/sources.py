"""Scores, elicitation, log-probabilities and texts of prompts, gathered from all files of one experiment."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from inoc.errors import DataError
from inoc.studies.imports.findings import Findings
from inoc.studies.inoculation.released.document import Node, name_of, shown
from inoc.studies.inoculation.released.documents import Document, is_of_other_pair
from inoc.studies.inoculation.released.logprobs import Pass, Perplexities, merged, read_perplexities
from inoc.studies.inoculation.released.pairs import MAIN, Pair
from inoc.studies.inoculation.released.scores import (
    BASELINE,
    Elicited,
    Trained,
    elicited_scores,
    failed_runs,
    swept_runs,
    trained_runs,
)
from inoc.studies.inoculation.released.tokens import TokenFile, read_token_file
from inoc.studies.inoculation.runs import Run


def token_files(paths: list[Path], pair: Pair, root: Path, wanted: str | None, findings: Findings) -> list[TokenFile]:
    """Files of tokens of the pair; one that is broken is left out only if it is of another pair than the wanted one."""
    found = []
    for path in paths:
        name = name_of(path, root)
        try:
            one = read_token_file(path, root, pair)
        except DataError as error:
            if not is_of_other_pair(path.name, wanted):
                raise
            findings.add("left_out", "files", name, f"cannot be read, and is left out whole: {error}")
            continue
        if one is None:
            findings.add("left_out", "files", name, f"is not of {pair.key}")
        else:
            found.append(one)
    return found


def gathered_runs(documents: list[Document], pair: Pair, experiment: str, findings: Findings) -> list[Trained]:
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
            findings.add("left_out", "prompts", name, "runs of prompts of no known family", unknown)
        again = [run.name for run in runs if run.run in kept]
        if again:
            findings.add("left_out", "runs", name, "runs that another file has too, which holds more runs", again)
        fresh = [run for run in runs if run.name not in unknown and run.run not in kept]
        kept |= {run.run: run for run in fresh}
        if fresh:
            steps = sorted({step for run in fresh for step in run.steps})
            text = f"{len(fresh)} runs, {size} instructions, steps"
            findings.add("found", "runs", name, text, map(str, steps))
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


def gathered_elicitation(documents: list[Document], pair: Pair, findings: Findings) -> list[Elicited]:
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
        findings.add("left_out", "prompts", name, "prompts of no known family", unknown)
    for key, error in failed_runs(next(one.node for one in documents if one.name == name)).items():
        findings.add("missing", "elicitation", f"{name}: {key}", f"its job failed: {shown(error)}")
    short = [one.prompt or BASELINE for one in entries if one.lost]
    if short:
        text = "fewer responses than for other prompts, so that scores cannot be paired"
        findings.add("left_out", "elicitation", name, text, short)
    findings.add("found", "elicitation", name, f"{len(entries)} entries")
    if not any(not one.prompt for one in entries):
        findings.add("missing", "elicitation", name, "the untrained model without a prefix (`neutral`)")
    return [one for one in entries if one.prompt not in unknown and not one.lost]


def gathered_perplexities(documents: list[Document], pair: Pair, findings: Findings) -> Perplexities:
    """Log-probabilities of all files, put together."""
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
        {key: file for one in files for key, file in one.files.items()},
        {key: text for one in files for key, text in one.control_prompts.items()},
        [],
    )


def prompt_texts(
    runs: list[Trained],
    elicited: list[Elicited],
    perplexities: Perplexities,
    tokens: list[TokenFile],
    pair: Pair,
) -> dict[str, str]:
    """Prompt → text, in the study's order.

    Raises:
        DataError: If two files have different texts for one prompt.
    """
    found: dict[str, tuple[str, str]] = {}
    said = [(run.run.prompt, run.text, run.file) for run in runs if run.text]
    said += [(one.prompt, one.text, one.file) for one in elicited if one.prompt and one.text]
    said += [(key, text, perplexities.files[key]) for key, text in perplexities.texts.items() if text]
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


def runs_with_text(runs: list[Trained], texts: dict[str, str], findings: Findings) -> list[Trained]:
    """The runs of prompts whose text is known."""
    for run in runs:
        if run.run.prompt and run.run.prompt not in texts:
            text = f"no file has the text of the prompt {run.run.prompt}"
            findings.add("left_out", "prompts", f"{run.file}: {run.name}", text)
    return [run for run in runs if not run.run.prompt or run.run.prompt in texts]


def passes_with_text(passes: list[Pass], texts: dict[str, str], findings: Findings) -> list[Pass]:
    """The passes of prompts whose text is known."""
    lacking = sorted({one.prompt for one in passes if one.prompt and one.prompt not in texts})
    if lacking:
        text = "log-probabilities of prompts whose text no file has"
        findings.add("left_out", "prompts", "results/perplexity_heuristic*.json", text, lacking)
    return [one for one in passes if not one.prompt or one.prompt in texts]
