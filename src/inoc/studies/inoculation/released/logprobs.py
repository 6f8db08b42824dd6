"""Mean log-probabilities of responses, and which of them may be subtracted from one another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from inoc.stats.means import Floats
from inoc.studies.imports.findings import Findings
from inoc.studies.inoculation.released.document import Node
from inoc.tables import LOGPROBS

UNKNOWN_LENGTH = -1
"""`n_tokens` where only means were released."""

_EXACT = 1e-6
_DRIFT = 0.005  # nats; one and the same text scored in two jobs differs by less
MOST_LOGPROB = 1e-3
"""Above 0 by rounding only."""


class Tokens(NamedTuple):
    """Log-probabilities of single tokens of some responses, one response after the other."""

    values: np.ndarray  # float32, nats, shape (tokens of all responses,); NaN where not measured
    lengths: np.ndarray  # int32, shape (responses,)

    def means(self) -> Floats:
        """Mean of each response, in float64; NaN for an empty one."""
        ends = np.concatenate([[0], np.cumsum(self.lengths)])
        lost = np.isnan(self.values)
        sums, n_lost = (
            np.concatenate([[0.0], np.cumsum(part, dtype=np.float64)])
            for part in (np.where(lost, 0.0, self.values), lost)
        )
        known = (self.lengths > 0) & (np.diff(n_lost[ends]) == 0)
        result: Floats = np.divide(np.diff(sums[ends]), self.lengths, out=np.full(known.shape, np.nan), where=known)
        return result


class Pass(NamedTuple):
    """One pass over one set of responses."""

    prompt: str  # empty without a prefix
    prefix: str  # none, fixed or mix
    dataset: str  # train, neutral or a trait key
    text: str
    mean: Floats  # nats per response token, NaN where not measured
    tokens: Tokens | None = None  # where they were released too


class Perplexities(NamedTuple):
    """The content of one file of log-probabilities, or of all."""

    passes: list[Pass]
    texts: dict[str, str]  # prompt → text
    files: dict[str, str]  # prompt → the file that its text is from
    control_prompts: dict[str, str]  # trait key → prefix behind which its responses were sampled
    control_completions: list[str]


class _Set(NamedTuple):
    """Names of the members of one set of responses in a file."""

    dataset: str
    default: Floats
    fixed: str  # member of a prompt with the fixed prefix
    mix: str
    signed: str  # member of a prompt with the mean shift that the authors computed
    size: str  # the same for the mean absolute shift


def read_perplexities(document: Node, traits: tuple[str, ...], known: set[str], findings: Findings) -> Perplexities:
    """Read a file of means, and leave out what was scored on responses of another job.

    The file keeps one pass without a prefix for each set of responses; where a prompt was scored on responses that
    were sampled anew, the two are of different texts, and the means that the authors state beside them say so.

    Args:
        document: The file.
        traits: Trait keys that may have a set of their own.
        known: Prompts that are imported.
        findings: What is noticed is added here.

    Raises:
        DataError: If anything is not as documented; with the place.
    """
    sets = list(_sets(document, traits))
    prompts = {key: node for key, node in document.member("prompts").mapping().items() if node.checked_key(key)}
    unknown = sorted(prompts.keys() - known)
    if unknown:
        findings.add("left_out", "prompts", document.file, "of no known family", unknown)
    texts = _texts(document, {key: node for key, node in prompts.items() if key in known})
    passes = [Pass("", "none", one.dataset, "", one.default) for one in sets]
    for one in sets:
        notes: dict[str, list[str]] = {}
        for key in texts:
            passes += _passes(one, key, prompts[key], texts[key], notes)
        _report(one, notes, document, findings)
    names = {"lp_train_inoc", "lp_train_mix", *(name for one in sets for name in (one.fixed, one.mix))}
    extra = sorted({k for key in texts for k in prompts[key].mapping() if k.startswith("lp_")} - names)
    if extra:
        findings.add("left_out", "logprobs", document.file, "not read, for no baseline goes with them", extra)
    completions = _completions(document)
    files = dict.fromkeys(texts, document.file)
    return Perplexities(passes, texts, files, dict(_control_prompts(document, traits)), completions)


def _texts(document: Node, prompts: dict[str, Node]) -> dict[str, str]:
    """Prompt → text, from beside its values or from the settings of the job; empty where neither has it."""
    params = document.optional("params")
    listed = params.optional("prompts") if params is not None else None
    of_job = listed.mapping() if listed is not None else {}
    nodes = {key: node.optional("prompt") or of_job.get(key) for key, node in prompts.items()}
    return {key: "" if node is None else node.text().strip() for key, node in nodes.items()}


def _sets(document: Node, traits: tuple[str, ...]) -> Iterator[_Set]:
    baseline = document.member("baseline")
    train = _logprobs(baseline.member("lp_train_default"))
    yield _Set("train", train, "lp_train_inoc", "lp_train_mix", "perplexity_heuristic", "")
    neutral = baseline.optional("lp_ctrl_default")
    if neutral is not None:
        yield _Set("neutral", _logprobs(neutral), "lp_ctrl_inoc", "lp_ctrl_mix", "", "pointwise_perplexity_drift")
    for trait in traits:
        node = document.optional(f"baseline_{trait}")
        if node is not None:
            default = _logprobs(node.member(f"lp_{trait}_default"))
            yield _Set(trait, default, f"lp_{trait}_inoc", f"lp_{trait}_mix", f"{trait}_ph", f"{trait}_ppd")


def _logprobs(node: Node) -> Floats:
    values = node.numbers(-math.inf, MOST_LOGPROB)
    if not values.size:
        raise node.refuse("there are no log-probabilities")
    return values


def _passes(one: _Set, key: str, node: Node, text: str, notes: dict[str, list[str]]) -> Iterator[Pass]:
    for prefix, name in (("fixed", one.fixed), ("mix", one.mix)):
        found = node.optional(name)
        if found is None:
            notes.setdefault(f"no {prefix}", []).append(key)
            continue
        values = _logprobs(found)
        if values.size != one.default.size:
            raise found.refuse(
                f"{values.size} log-probabilities, and {one.default.size} without a prefix; they are not of the same "
                "responses"
            )
        if prefix == "fixed":
            gap = _disagreement(one, node, values - one.default)
            if gap is not None and abs(gap) > _DRIFT:
                notes.setdefault("other responses", []).append(key)
                continue
            if gap is None or abs(gap) > _EXACT:
                notes.setdefault("unchecked" if gap is None else "other job", []).append(key)
        yield Pass(key, prefix, one.dataset, text if prefix == "fixed" else "", values)


def _disagreement(one: _Set, node: Node, shift: Floats) -> float | None:
    """The worst stated mean less ours, in nats; None if none is stated."""
    gaps = []
    known = shift[~np.isnan(shift)]
    for name, values in ((one.signed, known), (one.size, np.abs(known))):
        stated = node.optional(name) if name else None
        if stated is not None and values.size and not math.isnan(stated.number()):
            gaps.append(stated.number() - float(values.mean()))
    return max(gaps, key=abs, default=None)


def _report(one: _Set, notes: dict[str, list[str]], document: Node, findings: Findings) -> None:
    said = {
        "other responses": (
            "left_out",
            "the means that the file states for these prompts do not follow from its pass without a prefix, which is "
            "of responses of another scoring job",
        ),
        "other job": (
            "note",
            f"the stated means differ by less than {_DRIFT} nats from those of the values: the pass without a prefix "
            "was scored in another job on the same responses",
        ),
        "unchecked": ("note", "no mean is stated beside the values, so that the pairing could not be checked"),
        "no fixed": ("missing", "not scored with the fixed prefix"),
        "no mix": ("missing", "not scored with the mix"),
    }
    for what, keys in notes.items():
        if what == "no mix" and one.dataset != "train":
            continue  # the study scored mixes on the training responses only
        level, text = said[what]
        findings.add(level, "logprobs", document.file, f"{one.dataset} responses: {text}", keys)


def _control_prompts(document: Node, traits: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for trait in traits:
        node = document.optional(f"baseline_{trait}")
        prefix = node.optional(f"{trait}_gen_prefix") if node is not None else None
        if prefix is not None and prefix.text().strip():
            yield trait, prefix.text().strip()


def _completions(document: Node) -> list[str]:
    node = document.member("baseline").optional("control_completions")
    return [item.text() for item in node.items()] if node is not None else []


def merged(files: list[Perplexities], names: list[str], findings: Findings) -> list[Pass]:
    """The passes of all files, those with most first.

    Where two files differ in one pass, that of the later file is left out; where it is the pass without a prefix, so is
    all that would be subtracted from it.
    """
    kept: dict[tuple[str, str, str], Pass] = {}
    for one, name in sorted(zip(files, names, strict=True), key=lambda pair: (-len(pair[0].passes), pair[1])):
        differing = {found.dataset for found in one.passes if found.prefix == "none" and _differs(kept, found)}
        for dataset in sorted(differing):
            text = (
                f"{dataset} responses: another file has another pass without a prefix, so they cannot be put together"
            )
            findings.add("left_out", "logprobs", name, text)
        for found in one.passes:
            if found.dataset in differing:
                continue
            if _differs(kept, found):
                text = f"{found.dataset} responses of {found.prompt} ({found.prefix}): other values in another file"
                findings.add("left_out", "logprobs", name, text)
            kept.setdefault(found[:3], found)
    return list(kept.values())


def _differs(kept: dict[tuple[str, str, str], Pass], found: Pass) -> bool:
    other = kept.get(found[:3])
    return other is not None and not np.array_equal(other.mean, found.mean, equal_nan=True)


def logprob_tables(passes: list[Pass]) -> Iterator[pa.Table]:
    """Rows of `tables.LOGPROBS`, one table for each pass.

    Where only means are known, the list of tokens is empty and their number -1.
    """
    for one in passes:
        n = one.mean.size
        lengths = np.zeros(n, dtype=np.int32) if one.tokens is None else one.tokens.lengths
        values = np.empty(0, dtype=np.float32) if one.tokens is None else one.tokens.values
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        names = (one.prompt, one.prefix, one.dataset)
        columns = [pa.array([name] * n, pa.string()).dictionary_encode() for name in names]
        columns += [
            pa.array([f"{one.dataset}-{index:05d}" for index in range(n)], pa.string()),
            pa.array([one.text] * n, pa.string()),
            pa.array(np.full(n, UNKNOWN_LENGTH, dtype=np.int32) if one.tokens is None else lengths),
            pa.array(one.mean, from_pandas=False),
            pa.ListArray.from_arrays(pa.array(offsets), pa.array(values, from_pandas=False)),
        ]
        yield pa.Table.from_arrays(columns, schema=LOGPROBS)
