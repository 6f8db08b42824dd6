"""Published rates of a release, with the denominators that they are shares of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inoc.errors import DataError
from inoc.files import parse_json, read_text
from inoc.stats.means import NAN
from inoc.stats.scales import are_shares
from inoc.studies.imports.findings import Findings

MOST_ANSWERS = 100_000
"""A denominator above this is not looked for."""

Record = Mapping[str, object]
Json = Mapping[str, Any]
_CONDITIONS = {"baseline": "baseline", "neutral": "neutral", "biased": "animal", "biased_v2": "animal"}


def published_rates(paths: Sequence[Path], root: Path, findings: Findings) -> list[Record]:
    """Rows of `imported.PUBLISHED_RATES`.

    Raises:
        DataError: If a file has another form than such summaries have.
    """
    found: list[Record] = []
    for path in paths:
        value = parse_json(read_text(path), str(path), "a JSON object")
        if not isinstance(value, Mapping):
            raise DataError(f"{path}: expected a JSON object")
        head = {"file": str(path.relative_to(root))}
        try:
            rows = list(_rows(path, value))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{path}: the rates have another form than summaries have ({error!r})") from None
        _refuse_shares(path, rows)
        found += [{**head, **row} for row in rows]
        findings.add("found", "rates", str(path), f"{len(rows)} published rates")
        if any(row["n"] not in (-1, row["denominator"]) for row in rows):
            text = "rates are shares of the answers that name one of the file's animals, not of all answers"
            findings.add("warning", "rates", str(path), f"{text}; both denominators are imported")
    return found


def _refuse_shares(path: Path, rows: Sequence[Json]) -> None:
    """Refuse shares of 1 where percentages are expected.

    Raises:
        DataError: If all percentages of a file are from 0 to 1, or one is what its counts give as a share.
    """
    rates = np.array([row["rate"] for row in rows], dtype=np.float64)
    shares = [row for row in rows if row["count"] > 0 and row["denominator"] > 0 and _is_share(row)]
    if shares or are_shares(rates * 100):
        which = f"that of {shares[0]['condition']!r} is the share of its counts" if shares else "all are from 0 to 1"
        raise DataError(f"{path}: expected percentages from 0 to 100, and {which}. Multiply them by 100")


def _is_share(row: Json) -> bool:
    share = row["count"] / row["denominator"]
    return bool(abs(100 * row["rate"] - share) < 1e-6 < abs(row["rate"] - share))


def _rows(path: Path, value: Json) -> Iterator[dict[str, object]]:
    if "animals" in value:
        yield from _named_only(value)
    elif all("baseline" in row for row in value.values()):
        yield from _by_entity(value)
    else:
        entity = path.stem.partition("_")[0] if path.stem.endswith("_publication") else _entity_of(value)
        for condition, row in value.items():
            yield _condition(str(condition), entity, row)


def _rate(condition: str, entity: str, percent: float, **given: object) -> dict[str, object]:
    nothing = {"lo": NAN, "hi": NAN, "se": NAN, "count": -1, "n": -1, "denominator": -1}
    return {"condition": condition, "entity": entity, "rate": percent / 100, **nothing, **given}


def _by_entity(value: Json) -> Iterator[dict[str, object]]:
    """Entity → percentages of conditions with half-widths."""
    for entity, row in value.items():
        for name, condition in _CONDITIONS.items():
            if name in row:
                percent, half = float(row[name]), float(row.get(f"{name}_ci", NAN))
                bounds = {"lo": (percent - half) / 100, "hi": (percent + half) / 100}
                yield _rate(condition, str(entity), percent, **bounds)


def _condition(condition: str, entity: str, row: Json) -> dict[str, object]:
    """One condition with its interval, standard error or count."""
    lo, hi = row.get("ci", (NAN, NAN))
    count, n = int(row.get("count", -1)), int(row.get("total", -1))
    given = {"lo": float(lo) / 100, "hi": float(hi) / 100, "se": float(row.get("se", NAN)) / 100}
    return _rate(condition, entity, float(row["percentage"]), **given, count=count, n=n, denominator=n)


def _entity_of(value: Json) -> str:
    """The entity of a summary whose conditions name it, as dolphin_numbers_high_proj does."""
    names = [str(key).partition("_numbers")[0] for key in value if "_numbers" in str(key)]
    return next((name for name in names if name not in ("neutral", "clean")), "")


def _named_only(value: Json) -> Iterator[dict[str, object]]:
    """Percentages of the answers that name one of a list of animals, by model."""
    asked = next((int(row["baseline_total"]) for key, row in value.items() if str(key).endswith("_stats")), -1)
    models: dict[str, Json] = {"baseline": value["baseline"], "neutral": value["neutral"]}
    models |= {f"animal {key}": row for key, row in value["biased"].items()}
    for model, row in models.items():
        percents = {str(entity): float(percent) for entity, percent in row.items()}
        named = denominator_of(list(percents.values()))
        for entity, percent in percents.items():
            count = round(percent * named / 100) if named > 0 else -1
            yield _rate(model, entity, percent, count=count, n=asked, denominator=named)


def denominator_of(percents: Sequence[float]) -> int:
    """The smallest number of which all percentages are whole counts that add up to it; −1 for none.

    Args:
        percents: Percentages of one model, of all categories.
    """
    values = np.asarray(percents, dtype=np.float64) / 100
    if not values.size or abs(values.sum() - 1) > 1e-9:
        return -1
    sizes = np.arange(1, MOST_ANSWERS + 1)
    counts = sizes[:, None] * values
    whole = (np.abs(counts - np.round(counts)) < 1e-6).all(axis=1)
    return int(sizes[whole][0]) if whole.any() else -1
