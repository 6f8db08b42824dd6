"""Choice of the files of a checkout that are read, and of the pair of traits; reasons why others are left alone."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from inoc.errors import DataError
from inoc.studies.imports.findings import Findings, shortened
from inoc.studies.inoculation.released.document import Node, name_of, read_json, shown
from inoc.studies.inoculation.released.pairs import (
    EXPERIMENTS,
    MAIN,
    Pair,
    known_pairs,
    pair_of_traits,
    pairs_of_prompts,
)
from inoc.studies.inoculation.released.scores import elicited_scores, is_runs, swept_runs, trained_runs
from inoc.studies.inoculation.released.tokens import token_file_keys

POOLS = Path("data") / "rephrasings"
_KINDS = {
    "scores_": "scores",
    "elicitation_scores": "elicitation",
    "perplexity_heuristic_tokens": "tokens",
    "perplexity_heuristic": "logprobs",
    "losses_": "losses",
}
_DOCUMENTED = ("scores_multi_prompt", "scores_german_flattering")
_INVALID = ("scores_v2_", "losses_v2_")
_NAMED_PAIR = "german_flattering"  # files of the other pair do not name it


class Document(NamedTuple):
    """A file of results that was parsed whole."""

    name: str
    kind: str  # scores, elicitation, logprobs or losses
    node: Node
    pairs: frozenset[str]  # keys of the pairs of traits that it has results of

    def is_of(self, pair: str) -> bool:
        """Whether it has results of a pair; loss curves of controls alone can be of any."""
        return pair in self.pairs or (self.kind == "losses" and not self.pairs)


class Documents(NamedTuple):
    """Files of one experiment."""

    parsed: list[Document]
    tokens: list[Path]  # too large to be parsed whole
    pools: list[Path]
    seen: set[Path]  # these, and those that were left out with a finding

    def of(self, kind: str) -> list[Document]:
        """Those of a kind."""
        return [document for document in self.parsed if document.kind == kind]


def find_documents(root: Path, experiment: str, wanted: str | None, findings: Findings) -> Documents:
    """Every file of results whose kind its name tells.

    Args:
        root: The checkout.
        experiment: One of `pairs.EXPERIMENTS`, but emergent misalignment.
        wanted: Key of the pair that is to be imported, if it was said.
        findings: What is left alone is added here, with the reason.

    Raises:
        DataError: If the folder has nothing of the study, or a file that numbers are computed from is broken.
    """
    pools = sorted((root / POOLS).glob("*.jsonl"))
    found = Documents([], [], pools if experiment == MAIN else [], set(pools))
    for path in sorted((root / "results").glob("*.json")):
        kind = next((kind for start, kind in _KINDS.items() if path.name.startswith(start)), None)
        if kind is None:
            continue
        found.seen.add(path)
        why = _other_experiment(path.stem, kind, experiment)
        if not why and kind == "tokens":
            found.tokens.append(path)
            continue
        one = None if why else _opened(path, root, kind, experiment, wanted)
        if isinstance(one, Document):
            found.parsed.append(one)
        else:
            findings.add("left_out", "files", name_of(path, root), one or why)
    if experiment != MAIN and pools:
        findings.add("left_out", "files", POOLS.as_posix(), "pools of the main experiment", [p.name for p in pools])
    if not (found.parsed or found.tokens or found.pools):
        raise DataError(
            f"{root} has nothing of the study{'' if experiment == MAIN else f' (--experiment {experiment})'}: expected "
            f"results/scores_*.json, results/elicitation_scores*.json, results/perplexity_heuristic*.json, "
            f"results/losses_*.json or {POOLS}/*.jsonl. Give the folder that has `results`"
        )
    return found


def _opened(path: Path, root: Path, kind: str, experiment: str, wanted: str | None) -> Document | str:
    """A file, or why it is left out.

    Raises:
        DataError: If it is broken, and numbers of the import would be computed from it.
    """
    try:
        node = read_json(path, root)
        why = _other_layout(path.name, kind, node, experiment)
        if why:
            return why
        pairs = frozenset(_pairs_of(kind, node, experiment))
        if kind == "losses" and len(pairs) > 1:
            raise node.refuse(f"mixes prompts of {' and '.join(sorted(pairs))}")
    except DataError as error:
        if is_needed(path.name, kind, experiment) and not is_of_other_pair(path.name, wanted):
            raise
        return f"cannot be read, and is left out whole: {error}"
    return Document(node.file, kind, node, pairs)


def is_needed(file: str, kind: str, experiment: str) -> bool:
    """Whether a broken file stops the import: scores that are documented, elicitation and log-probabilities do."""
    if kind == "scores":
        return experiment != MAIN or file.startswith(_DOCUMENTED)
    return kind != "losses"


def is_of_other_pair(file: str, wanted: str | None) -> bool:
    """Whether a file, by its name, is of another pair than the one that was asked for."""
    return wanted is not None and (_NAMED_PAIR in file) != (wanted == _NAMED_PAIR)


def _other_experiment(stem: str, kind: str, wanted: str) -> str:
    """The reason, by its name, why a file is not opened; empty if it is."""
    if stem.endswith("_debug"):
        return "a trial of the code with few examples, by its name"
    if "old_system_prompt" in stem:
        return "an earlier measurement, by its name: prompts were the system turn, not before the instruction"
    if stem.startswith(_INVALID):
        return "of an experiment that its authors withdrew for a fault in padding, by its name"
    own = next((key for key in EXPERIMENTS if key in stem), MAIN) if kind in ("scores", "losses") else MAIN
    if own == wanted:
        return ""
    return f"of another experiment; `--experiment {own}` reads it"


def _other_layout(file: str, kind: str, node: Node, experiment: str) -> str:
    """The reason why a file whose name begins as those that are read is left alone; empty if it is read.

    Some experiments of the study have files of other layouts. A file that has the name of a documented one is never
    left alone: if it is not as documented, it is broken.
    """
    if kind != "scores" or file.startswith(_DOCUMENTED) or experiment != MAIN:
        return ""
    if not is_runs(node):
        return "does not map runs to type, lr and steps"
    try:
        _pairs_of(kind, node, experiment)
    except DataError as error:
        return f"scores of another layout: {error}"
    return ""


def _traits_in(kind: str, node: Node, experiment: str) -> set[str]:
    if kind == "elicitation":
        return {trait for one in elicited_scores(node) for trait in one.values}
    runs = trained_runs(node) if experiment == MAIN else swept_runs(node, experiment).runs
    return {key.trait for run in runs for key in run.cells}


def _pairs_of(kind: str, node: Node, experiment: str) -> set[str]:
    """Keys of the pairs of traits that a file is of.

    Raises:
        DataError: If it has scores of other traits.
    """
    if kind in ("scores", "elicitation"):
        traits = _traits_in(kind, node, experiment)
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
    if experiment != MAIN:
        return {key for key, pair in known_pairs().items() if experiment in pair.experiments}
    return pairs_of_prompts(name.removesuffix("_mix") for name in node.mapping())


def choose_pair(found: Documents, wanted: str | None, root: Path) -> Pair:
    """The pair to import.

    Raises:
        DataError: If a file mixes two, there are several and none was chosen, or the chosen one is not there.
    """
    places: dict[str, list[str]] = {}
    for document in found.parsed:
        if len(document.pairs) > 1:
            raise document.node.refuse(f"mixes prompts of {' and '.join(sorted(document.pairs))}")
        for key in document.pairs:
            places.setdefault(key, []).append(document.name)
    if not places:
        for path in found.tokens:
            for key in () if is_of_other_pair(path.name, wanted) else pairs_of_prompts(token_file_keys(path, root)):
                places.setdefault(key, []).append(name_of(path, root))
    if not places:
        places = {key: [POOLS.as_posix()] for key in sorted(pairs_of_prompts(path.stem for path in found.pools))}
    known = known_pairs()
    if wanted is not None and wanted not in known:
        raise DataError(f"--pair {wanted}: accepted: {', '.join(known)}")
    if wanted is not None and wanted not in places:
        raise DataError(f"--pair {wanted}: {root} has results of {', '.join(sorted(places)) or 'no known pair'} only")
    if wanted is None and len(places) > 1:
        where = "; ".join(f"{key} in {shortened(names, 3)}" for key, names in sorted(places.items()))
        raise DataError(f"{root} has results of {len(places)} pairs of traits: {where}. Choose one with --pair")
    if not places:
        read = [document.name for document in found.parsed] + [name_of(path, root) for path in found.tokens]
        where = f" ({shortened(read, 3)})" if read else ""
        raise DataError(
            f"{root} has results{where}, and none of prompts or traits that are known. Use `inoc import tables`"
        )
    return known[wanted or next(iter(places))]
