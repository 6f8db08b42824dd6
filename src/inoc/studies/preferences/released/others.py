"""Published tables of a release, consistency scores, and answers of steered models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

import pandas as pd

from inoc.errors import DataError
from inoc.files import as_number, parse_json
from inoc.stats.means import NAN
from inoc.stats.scales import written
from inoc.studies.preferences.released.sources import Source
from inoc.studies.preferences.released.tables import (
    JUDGED,
    PUBLISHED,
    RUN_PAIRS,
    STORED_CONSISTENCY,
    TRIALS,
    key_of,
)

Rows = list[tuple[object, ...]]


def _map(source: Source) -> Mapping[str, Any]:
    value: Mapping[str, Any] = source.value  # type: ignore[assignment]  # its kind was found by its keys
    return value


def _coefficient(value: object) -> float:
    return written(as_number(value))


def _frame(rows: Rows, names: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(names))


def read_consistency(source: Source) -> pd.DataFrame:
    """Rows of `STORED_CONSISTENCY`. The rule of a list of scores is told by its place in the release."""
    name = source.path.stem
    if source.kind == "consistency_pooled":
        rows: Rows = [
            (
                source.name,
                "all",
                "earlier_pooled",
                str(task),
                as_number(one.get("consistency_score")),
                as_number(one.get("intra_std")),
                as_number(one.get("inter_std")),
                as_number(one.get("mean_normalized")),
            )
            for task, one in _map(source).items()
        ]
        return _frame(rows, STORED_CONSISTENCY.names)
    rule = "earlier_half_scale" if "consistency" in source.path.parent.parts[-2:] else "earlier_own_percentile"
    rater = key_of(name.removeprefix("consistency_"))
    scores = _map(source)["scores"]
    rows = [(source.name, rater, rule, str(task), as_number(one), NAN, NAN, NAN) for task, one in scores.items()]
    return _frame(rows, STORED_CONSISTENCY.names)


def read_published(source: Source) -> pd.DataFrame:
    """Rows of `PUBLISHED`."""
    read = {
        "rating_matrix": _matrix,
        "discrimination": _cells,
        "seed_sensitivity": _sensitivity,
        "run_pairs": _regression,
        "refusal_groups": _groups,
        "probe_scores": _probes,
        "steering_summary": _summary,
    }[source.kind]
    rows: Rows = [(source.name, *row) for row in read(source)]
    return _frame(rows, PUBLISHED.names)


def _csv(source: Source) -> pd.DataFrame:
    # Names of models and templates may look like numbers or like missing values.
    names = dict.fromkeys(("rating_model", "completion_model", "template", "model"), str)
    text = StringIO(str(source.value))
    return pd.read_csv(text, dtype=names, keep_default_na=False, na_values=["", "nan", "NaN"])


def _matrix(source: Source) -> Iterator[tuple[object, ...]]:
    for row in _csv(source).to_dict("records"):
        group = f"{row['rating_model']}|{row['completion_model']}"
        for name in ("icc", "mean", "std", "kl_from_uniform", "n_measurements"):
            if name in row:
                yield "rating_matrix", group, name, as_number(row[name])


def _cells(source: Source) -> Iterator[tuple[object, ...]]:
    for row in _csv(source).to_dict("records"):
        for name in ("kl", "icc", "n_tasks"):
            if name in row:
                yield "discrimination", f"{row['template']}|{row['model']}", name, as_number(row[name])


def _sensitivity(source: Source) -> Iterator[tuple[object, ...]]:
    for family, value in _map(source).items():
        for name in ("mean_correlation", "std_correlation", "min_correlation", "max_correlation", "n_pairs"):
            if name in value:
                yield "all", str(family), name, as_number(value[name])
        for section in ("by_run", "by_origin", "by_model", "by_template"):
            for group, numbers in (value.get(section) or {}).items():
                for name, one in numbers.items():
                    yield section, str(group), str(name), as_number(one)


def _regression(source: Source) -> Iterator[tuple[object, ...]]:
    found = _map(source).get("regression") or {}
    for name in ("intercept", "r_squared", "n_pairs"):
        if name in found:
            yield "regression", "all", name, as_number(found[name])
    for name, one in (found.get("coefficients") or {}).items():
        yield "regression", str(name), "coefficient", as_number(one)


def _groups(source: Source) -> Iterator[tuple[object, ...]]:
    for group, numbers in _map(source).items():
        for name, one in numbers.items():
            if one is not None:
                yield "refusals", str(group).lower(), str(name), as_number(one)


def _probes(source: Source) -> Iterator[tuple[object, ...]]:
    for template, layers in _map(source).items():
        for one in layers:
            for name in ("cv_r2_mean", "cv_r2_std", "n_samples"):
                yield "probes", f"{key_of(str(template))}|{one['layer']}", name, as_number(one[name])


def _summary(source: Source) -> Iterator[tuple[object, ...]]:
    value = _map(source)
    parts = zip(value["coefficients"], value["means"], value["stds"], value["n_per_condition"], strict=True)
    for coefficient, mean, sd, n in parts:
        for name, one in (("mean", mean), ("sd", sd), ("n", n)):
            yield "steering", str(coefficient), name, as_number(one)
    for name, one in value.items():
        if isinstance(one, int | float):
            yield "steering", "all", str(name), as_number(one)


def read_run_pairs(source: Source) -> pd.DataFrame:
    """Rows of `RUN_PAIRS`."""
    rows: Rows = []
    for one in _map(source)["pairwise_correlations"]:
        first, second = one["tags_a"], one["tags_b"]
        names = sorted(set(first) & set(second))
        same = " ".join(name for name in names if first[name] == second[name])
        key = (str(one["template_a"]), str(one["template_b"]))
        rows.append((source.name, *key, as_number(one["correlation"]), same, " ".join(names)))
    return _frame(rows, RUN_PAIRS.names)


def read_trials(source: Source) -> pd.DataFrame:
    """Rows of `TRIALS`: choices between a pair's texts, or ratings of a task.

    Raises:
        DataError: If a line is no JSON object.
    """
    rows: Rows = []
    places = {"a": 1.0, "b": 0.0}
    for one in _records(source):
        if "scores" in one:
            base = (
                source.name,
                str(one["task_id"]),
                "",
                str(one.get("position", "")),
                _coefficient(one["coefficient"]),
            )
            rows += [
                (*base, number, "" if score is None else str(score), NAN if score is None else as_number(score))
                for number, score in enumerate(one["scores"])
            ]
            continue
        ordering = str(one["ordering"])
        base = (source.name, str(one["pair_id"]), ordering, str(one["condition"]), _coefficient(one["coefficient"]))
        for number, answer in enumerate(one["responses"]):
            rows.append((*base, number, str(answer), places.get(str(answer), NAN)))
    return _frame(rows, TRIALS.names)


def _records(source: Source) -> list[dict[str, Any]]:
    if source.kind == "steered":
        return list(_map(source)["results"])
    found = []
    # Lines end at line feeds alone: a text may have other characters that end lines elsewhere.
    for number, line in enumerate(str(source.value).split("\n"), start=1):
        if line.strip():
            value = parse_json(line, f"{source.name}, line {number}", "a JSON object")
            if not isinstance(value, dict):
                raise DataError(f"{source.name}, line {number}: expected a JSON object. Correct it there")
            found.append(value)
    return found


def read_judged(source: Source) -> pd.DataFrame:
    """Rows of `JUDGED`, for every dimension that has a score."""
    rows: Rows = []
    for one in source.value:  # type: ignore[attr-defined]  # a list; its kind was found by that
        base = (source.name, str(one["prompt_id"]), _coefficient(one["steered_coefficient"]), bool(one["steered_is_a"]))
        for name, value in {**one, **one["judgment"]}.items():
            if str(name).endswith("_score") and value is not None:
                rows.append((*base, str(name).removesuffix("_score"), as_number(value)))
    return _frame(rows, JUDGED.names)
