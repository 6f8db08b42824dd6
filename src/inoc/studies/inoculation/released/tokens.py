"""Log-probabilities of single tokens, as the trait-inoculation study wrote them: hundreds of megabytes of JSON."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inoc.errors import DataError
from inoc.stats.means import Floats
from inoc.studies.imports.findings import Findings
from inoc.studies.inoculation.released.document import name_of
from inoc.studies.inoculation.released.logprobs import MOST_LOGPROB, Pass, Tokens
from inoc.studies.inoculation.released.pairs import Pair, pairs_of_prompts
from inoc.studies.inoculation.released.stream import Walker, walking

BASELINE = "lp_train_default_tokens"
FIELDS = {"lp_train_inoc_tokens": "fixed", "lp_train_mix_tokens": "mix"}
SAME_NATS = 0.05
"""Mean over tokens and released mean of one response differ by less at the median, although tokens were rounded."""

LEAST_LOGPROB = -1e30
"""What float32 still holds; no probability is as small."""

Asked = tuple[str, str]
"""Prompt and prefix; empty and none without a prefix."""


class TokenFile(NamedTuple):
    """The content of one file of token log-probabilities, of one pair of traits."""

    file: str
    passes: dict[Asked, Tokens]  # with the one without a prefix
    texts: dict[str, str]  # prompt → text, of all prompts that the settings of the job name
    unknown: list[str]  # prompts of no family of the pair


def read_token_file(path: Path, root: Path, pair: Pair) -> TokenFile | None:
    """Read a file from front to back, in the memory of its numbers as float32.

    Args:
        path: The file.
        root: The folder that is imported.
        pair: Whose prompts are kept.

    Returns:
        None if no prompt is of the pair.

    Raises:
        DataError: If anything is not as documented; with the place. Also if it has prompts of two pairs, or a response
            has another number of tokens with a prefix than without: nothing is cut off or filled in.
    """
    found = TokenFile(name_of(path, root), {}, {}, [])
    keys: list[str] = []
    with walking(path, root) as walker:
        for member in walker.members(""):
            if member == "baseline":
                _read_baseline(walker, found)
            elif member == "prompts":
                keys += _read_prompts(walker, found, set(pair.prompts))
            elif member == "params":
                _read_params(walker, found)
            else:
                walker.value(member)
        walker.end()
    pairs = pairs_of_prompts(keys)
    if len(pairs) > 1:
        raise DataError(f"{found.file}: prompts: mixes prompts of {' and '.join(sorted(pairs))}")
    if ("", "none") not in found.passes:
        raise DataError(f"{found.file}: baseline: {BASELINE!r} is missing, so nothing can be subtracted")
    if not keys:
        raise DataError(f"{found.file}: prompts: there are no prompts")
    _check_lengths(found)
    return found if pair.key in pairs else None


def token_file_keys(path: Path, root: Path) -> list[str]:
    """The prompts of a file.

    Raises:
        DataError: If it is no JSON of prompts; with the place.
    """
    keys: list[str] = []
    with walking(path, root) as walker:
        for member in walker.members(""):
            if member == "prompts":
                keys += [key for key in walker.members(member) if walker.value(f"{member}.{key}")]
            else:
                walker.value(member)
        walker.end()
    return keys


def _read_baseline(walker: Walker, found: TokenFile) -> None:
    for member in walker.members("baseline"):
        place = f"baseline.{member}"
        if member == BASELINE:
            found.passes["", "none"] = _tokens(walker, place)
        else:
            walker.value(place)


def _read_params(walker: Walker, found: TokenFile) -> None:
    listed = walker.value("params").optional("prompts")
    if listed is not None:
        found.texts.update({key: node.text().strip() for key, node in listed.mapping().items()})


def _read_prompts(walker: Walker, found: TokenFile, known: set[str]) -> list[str]:
    keys = []
    for key in walker.members("prompts"):
        keys.append(key)
        if key not in known:
            found.unknown.append(key)
        for member in walker.members(f"prompts.{key}"):
            place = f"prompts.{key}.{member}"
            if member in FIELDS and not walker.is_null():
                tokens = _tokens(walker, place)
                if key in known:
                    found.passes[key, FIELDS[member]] = tokens
            else:
                walker.value(place)
    return keys


def _tokens(walker: Walker, place: str) -> Tokens:
    parts = [part.astype(np.float32) for part in walker.lists(place, LEAST_LOGPROB, MOST_LOGPROB)]
    if not parts:
        raise walker.refuse(place, "there are no responses")
    return Tokens(np.concatenate(parts), np.array([part.size for part in parts], dtype=np.int32))


def _check_lengths(found: TokenFile) -> None:
    base = found.passes["", "none"].lengths
    place_of = {prefix: member for member, prefix in FIELDS.items()}
    for (prompt, prefix), tokens in found.passes.items():
        place = f"{found.file}: prompts.{prompt}.{place_of.get(prefix)}"
        if tokens.lengths.size != base.size:
            raise DataError(f"{place}: {tokens.lengths.size} responses, and {base.size} without a prefix")
        differ = np.flatnonzero(tokens.lengths != base)
        if differ.size:
            at = int(differ[0])
            raise DataError(
                f"{place}[{at}]: {tokens.lengths[at]} tokens, and {base[at]} without a prefix; they are not of the "
                "same response"
            )


def with_tokens(passes: list[Pass], files: list[TokenFile], findings: Findings) -> list[Pass]:
    """Put tokens beside the means of the same pass.

    Means stay those that were released. A pass of which only tokens were released keeps NaN for its means, so that
    means of two jobs, of different rounding, are never subtracted; only if no means were released at all are they those
    of the tokens.

    Args:
        passes: Passes with means.
        files: Files of tokens.
        findings: What is noticed is added here.
    """
    if not files:
        return passes
    first, *others = sorted(files, key=lambda one: (-len(one.passes), one.file))
    for other in others:
        findings.add("left_out", "tokens", other.file, f"another file has more passes, {first.file}")
    if first.unknown:
        findings.add("left_out", "prompts", first.file, "of no known family", first.unknown)
    n_tokens = int(first.passes["", "none"].lengths.sum())
    text = f"{len(first.passes)} passes of {first.passes['', 'none'].lengths.size} responses, {n_tokens} tokens each"
    findings.add("found", "tokens", first.file, text)
    means = {(one.prompt, one.prefix): one for one in passes if one.dataset == "train"}
    if means and _refused(means["", "none"], first, findings):
        return passes
    rest = [one for one in passes if one.dataset != "train"]
    joined = dict(means)
    alone: dict[str, list[str]] = {}
    for asked, tokens in sorted(first.passes.items(), key=lambda item: item[0][1] != "none"):
        one = means.get(asked)
        if one is None:
            mean = np.full(tokens.lengths.size, np.nan) if means else tokens.means()
            text = first.texts.get(asked[0], "") if asked[1] == "fixed" else ""
            joined[asked] = Pass(*asked, "train", text, mean, tokens)
            alone.setdefault(asked[1], []).append(asked[0])
        elif asked[1] != "fixed" or _are_of(one, tokens, first.file, findings):
            joined[asked] = one._replace(tokens=tokens)
    if means:
        _report_alone(alone, first.file, findings)
        _report_mixes(joined, first.file, findings)
    lacking = [f"{prompt} ({prefix})" for prompt, prefix in means if (prompt, prefix) not in first.passes]
    if lacking:
        findings.add("missing", "tokens", first.file, "tokens of {names}, of which there are means", lacking)
    return [*joined.values(), *rest]


def _apart(one: Pass, tokens: Tokens) -> float:
    """Median over responses of the difference of the two means, nats; NaN if none is known of both."""
    gaps: Floats = np.abs(tokens.means() - one.mean)
    known = gaps[~np.isnan(gaps)]
    return float(np.median(known)) if known.size else math.nan


def _refused(base: Pass, file: TokenFile, findings: Findings) -> bool:
    tokens = file.passes["", "none"]
    if tokens.lengths.size != base.mean.size:
        text = f"{tokens.lengths.size} responses, and means were released of {base.mean.size}: they are other samples"
        findings.add("left_out", "tokens", file.file, text)
        return True
    return not _are_of(base, tokens, file.file, findings)


def _are_of(one: Pass, tokens: Tokens, file: str, findings: Findings) -> bool:
    gap = _apart(one, tokens)
    if gap <= SAME_NATS:
        return True
    findings.add(
        "left_out",
        "tokens",
        file,
        f"tokens of {one.prompt or 'the pass without a prefix'}: their means differ from the released ones by "
        f"{gap:.3g} nats at the median (accepted: {SAME_NATS:g}), so they are of other responses or another prefix",
    )
    return False


def _report_alone(alone: dict[str, list[str]], file: str, findings: Findings) -> None:
    for prefix, keys in alone.items():
        text = (
            f"of these prompts ({prefix}) only tokens were released: they have a place in what is computed by token, "
            "and no mean shift"
        )
        findings.add("note", "tokens", file, text, sorted(keys))


def _report_mixes(joined: dict[Asked, Pass], file: str, findings: Findings) -> None:
    redrawn = [
        one.prompt
        for one in joined.values()
        if one.prefix == "mix" and one.tokens is not None and _apart(one, one.tokens) > SAME_NATS
    ]
    if redrawn:
        text = "means and tokens of the mix were made with different rephrasings"
        findings.add("warning", "tokens", file, text, redrawn)
