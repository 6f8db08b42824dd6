"""Checks of prompts, kinds of prefix and pools of rephrasings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from inoc.config.document import KeyPath, Problem, listed
from inoc.errors import did_you_mean
from inoc.studies.inoculation.runs import pool_prompts, pool_specs, prefix_kinds, prompt_texts
from inoc.studies.inoculation.study import Study

RESERVED_POOLS = ("none", "fixed", "mix", "all", "own", "base")
"""Words that tables use beside keys of further pools; none of them can be a pool key."""


def prompt_families(study: Study) -> Iterator[Problem]:
    """The family of a prompt group is a trait, or `neutral`."""
    accepted = [*study.traits, "neutral"]
    for name, group in study.prompts.items():
        if group.family not in accepted:
            yield Problem(
                ("prompts", name, "family"),
                f"is neither a trait nor `neutral`; accepted: {listed(accepted)}{did_you_mean(group.family, accepted)}",
                group.family,
            )


def distinct_prompts(study: Study) -> Iterator[Problem]:
    """Keys and texts of prompts are distinct, and no text is blank."""
    groups_of_key: dict[str, list[str]] = defaultdict(list)
    first_with_text: dict[str, str] = {}
    for name, group in study.prompts.items():
        for key, text in group.texts.items():
            path: KeyPath = ("prompts", name, "texts", key)
            groups_of_key[key].append(name)
            if len(groups_of_key[key]) > 1:
                yield Problem(
                    path,
                    f"the key is also in group {groups_of_key[key][0]}; accepted: a key of its own",
                    text,
                )
            if not text.strip():
                yield Problem(path, "the text is blank; accepted: a text with a visible character", text)
            elif text in first_with_text:
                yield Problem(
                    path,
                    f"the prompt {first_with_text[text]} has the same text, and would be counted twice; "
                    "accepted: a text that no other prompt has",
                    text,
                )
            first_with_text.setdefault(text, key)


def pool_files(study: Study) -> Iterator[Problem]:
    """Files of rephrasings have names that differ in more than capital letters, which many file systems ignore."""
    for pool, spec in pool_specs(study).items():
        if spec.source != "files" or spec.folder is None:
            continue
        first: dict[str, str] = {}
        for key in pool_prompts(study, pool):
            other = first.setdefault(key.lower(), key)
            if other != key:
                yield Problem(
                    (*pool_path(pool), "folder"),
                    f"would hold {other}.jsonl and {key}.jsonl, which are one file where capital letters do not count; "
                    "accepted: keys of prompts that differ in more",
                    spec.folder,
                )


def prefix_keys(study: Study) -> Iterator[Problem]:
    """Every kind of prefix that is trained, elicited or scored with exists."""
    known = prefix_kinds(study)
    places: list[tuple[KeyPath, tuple[str, ...]]] = [
        *((("runs", index, "prefixes"), spec.prefixes) for index, spec in enumerate(study.runs)),
        (("elicitation", "prefixes"), study.elicitation.prefixes),
        (("scoring", "prefixes"), study.scoring.prefixes),
    ]
    for path, prefixes in places:
        for position, prefix in enumerate(prefixes):
            if prefix not in known:
                hint = did_you_mean(prefix, known)
                yield Problem((*path, position), f"accepted: {listed(known)}, or a key of `pools`{hint}", prefix)


def pool_sources(study: Study) -> Iterator[Problem]:
    """Keys of pools are not reserved, and a pool from files that is needed names its folder."""
    for key in study.pools:
        if key in RESERVED_POOLS:
            message = f"the word is reserved; accepted: any key but {listed(RESERVED_POOLS)}"
            yield Problem(("pools", key), message)
    for pool, spec in pool_specs(study).items():
        if spec.source != "files" or spec.folder or not prompt_texts(study):
            continue
        readers = {
            "runs": any(pool in run.prefixes and not run.data for run in study.runs),
            "scoring.prefixes": pool in study.scoring.prefixes,
            "elicitation.prefixes": pool in study.elicitation.prefixes,
        }
        asking = [name for name, asks in readers.items() if asks]
        if asking:
            yield Problem(
                (*pool_path(pool), "folder"),
                f"is missing, and `{pool}` is asked for by {listed(asking)}; "
                f"accepted: a folder with `<prompt>.jsonl`, or no `{pool}` there",
            )


def pool_path(pool: str) -> KeyPath:
    """The place of a pool in the study file."""
    return ("rephrase",) if pool == "mix" else ("pools", pool)
