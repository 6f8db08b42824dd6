"""The verb `inoc filter`: keeps the answers of a file that are lists of numbers, and says what became of the others."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from inoc.errors import DataError, did_you_mean
from inoc.judge.names import read_names
from inoc.numbers.detect import Detected, detectability
from inoc.numbers.filtered import (
    Filtered,
    check_entities,
    combination_counts,
    duplicates,
    filter_rows,
    lost,
    reason_counts,
)
from inoc.numbers.outputs import check_outputs, write_output
from inoc.numbers.rows import read_rows
from inoc.numbers.rules import REASONS

Facts = dict[str, object]


def filter_file(options: argparse.Namespace) -> None:
    """Filter a file, print the counts, and write the files that are asked for.

    Args:
        options: `file`, `rule`, `ban`, `entity`, `names`, `out`, `rejected`, `report`, `against`, `seed` and
            `permutations`.

    Raises:
        ConfigError: If a file that is to be written is also read, or written twice, or cannot be a file.
        DataError: If a file is no JSONL of prompts and answers, or a kept row names an entity. Nothing is written then.
    """
    outputs = {"--out": options.out, "--rejected": options.rejected, "--report": options.report}
    check_outputs(outputs, [path for path in (options.file, options.against, options.names) if path is not None])
    found = _filtered(options.file, options)
    facts = _facts(options.file, found, options)
    lines = _told(options.file, found)
    if options.entity:
        check_entities(found.kept, _entities(options))
        facts["entities_absent"] = options.entity
        lines.append(f"no kept row names {' or '.join(options.entity)}")
    if options.against is not None:
        other = _filtered(options.against, options)
        detected = _compared(options, found, other)
        facts |= {"against": _facts(options.against, other, options), "detectability": _table(detected)}
        lines += [*_told(options.against, other), *_told_detected(options.file, options.against, detected)]
    if options.out is not None:
        _write(options.out, (row.line for row in found.kept))
    if options.rejected is not None:
        _write(options.rejected, _rejected(found))
    if options.report is not None:
        _write(options.report, [json.dumps(facts, indent=2, ensure_ascii=False)])
    print("\n".join(lines))


def _filtered(path: Path, options: argparse.Namespace) -> Filtered:
    return filter_rows(read_rows(path), options.rule, frozenset(options.ban))


def _entities(options: argparse.Namespace) -> dict[str, list[str]]:
    if options.names is None:
        return {word: [] for word in options.entity}
    names = read_names(options.names)
    for word in options.entity:
        if word not in names:
            msg = f"--entity {word}: {options.names} has no such name{did_you_mean(word, names)}; add it there"
            raise DataError(msg)
    return {word: names[word] for word in options.entity}


def _compared(options: argparse.Namespace, found: Filtered, other: Filtered) -> list[Detected]:
    for path, one in ((options.file, found), (options.against, other)):
        if not one.kept:
            raise DataError(f"{path}: no row is kept, so there is nothing to compare")
    return detectability(other.kept, found.kept, options.seed, options.permutations)


def _facts(path: Path, found: Filtered, options: argparse.Namespace) -> Facts:
    gone, kept = lost(found), found.kept
    return {
        "file": str(path),
        "rule": options.rule,
        "banned": sorted(options.ban),
        "rows": len(found.rows),
        "kept": len(kept),
        "reasons": reason_counts(found),
        "combinations": [{"reasons": list(names), "n": n} for names, n in combination_counts(found).items()],
        "duplicates": duplicates(found.rows)._asdict(),
        "duplicates_kept": duplicates(kept)._asdict(),
        "lost": {name: None if math.isnan(share) else share for name, share in gone._asdict().items()},
    }


def _table(detected: Iterable[Detected]) -> list[Facts]:
    rows = [{"features": one.features, **one.found._asdict()} for one in detected]
    return [
        {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
        for row in rows
    ]


def _rejected(found: Filtered) -> Iterable[str]:
    for row, names in zip(found.rows, found.reasons, strict=True):
        if names:
            value = {"line": row.number, "reasons": names, "prompt": row.prompt, "completion": row.answer}
            yield json.dumps(value, ensure_ascii=False)


def _told(path: Path, found: Filtered) -> list[str]:
    kept, gone = found.kept, lost(found)
    lines = [f"{path}: {len(kept):,} of {len(found.rows):,} rows kept ({len(kept) / len(found.rows):.2%})"]
    counts = reason_counts(found)
    lines += [f"  {n:>7,}  {name}: {REASONS[name]}" for name, n in counts.items()]
    if any(len(names) > 1 for names in found.reasons):
        lines.append("  rows by all their reasons:")
        lines += [f"  {n:>7,}  {' + '.join(names)}" for names, n in combination_counts(found).items()]
    tokens = "" if math.isnan(gone.tokens) else f", {gone.tokens:.2%} of the tokens"
    characters = "no character" if math.isnan(gone.characters) else f"{gone.characters:.2%} of the characters"
    again = duplicates(kept)
    return [
        *lines,
        f"  lost with rejected rows: {characters}{tokens}",
        f"  repeated among kept rows: {again.prompts:,} prompts, {again.answers:,} answers, {again.rows:,} whole rows",
    ]


def _told_detected(path: Path, against: Path, detected: Sequence[Detected]) -> list[str]:
    one = detected[0].found
    compared = f"{one.n_second:,} rows against {one.n_first:,}, {one.n_pairs:,} prompts in both"
    lines = [f"{path} against {against}: {compared}; cross-validated AUC, 0.5 for no difference"]
    for name, found in detected:
        interval = f"{found.auc:.4f} [{found.lo:.4f}, {found.hi:.4f}]"
        null = f"permuted labels: mean {found.null_mean:.4f}, 95 % below {found.null_hi:.4f}; p {found.p:.3f}"
        lines.append(f"  {name:<12}  {interval}  {null}")
    return lines


def _write(path: Path, lines: Iterable[str]) -> None:
    write_output(path, "".join(f"{line}\n" for line in lines))
