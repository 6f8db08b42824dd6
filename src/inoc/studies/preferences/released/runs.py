"""Fits of a release whose comparisons it does not have: run folders, TrueSkill, lists of utilities."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml  # type: ignore[import-untyped]

from inoc.errors import DataError
from inoc.files import read_text
from inoc.prefer.read import LOADER
from inoc.stats.means import NAN
from inoc.stats.utilities.earlier import MU_BOUND
from inoc.stats.utilities.link import refuse_pooled
from inoc.studies.preferences.released.sources import Source
from inoc.studies.preferences.released.tables import key_of

_COMMON = (
    "results",
    "experiments",
    "old_experiments",
    "post_task_active_learning",
    "pre_task_active_learning",
    "post_task_revealed",
)


class Run(NamedTuple):
    """One fit: a row of `STORED_FITS`, rows of `STORED_UTILITIES` and of `STORED_ROUNDS`."""

    fit: dict[str, object]
    utilities: pd.DataFrame
    rounds: list[dict[str, object]]


def read_run(source: Source) -> Run:
    """A table of utilities, and what the files beside it say of its fit.

    Raises:
        DataError: If it is no table of utilities, or several fits are in it one after the other.
    """
    # Ids may look like numbers or like missing values.
    table = pd.read_csv(StringIO(str(source.value)), dtype={"task_id": str}, keep_default_na=False)
    mu, sigma = (_numbers(table[name], source) for name in ("mu", "sigma"))
    if (again := table["task_id"].duplicated()).any():
        raise DataError(f"{source.name}: {table.loc[again, 'task_id'].iloc[0]!r} is there twice. Keep one row of it")
    refuse_pooled(mu, source.name)
    name = _name(source)
    config, learning = (_beside(source.path.parent / one) for one in ("config.yaml", "active_learning.yaml"))
    if learning.get("n_tasks", len(table)) != len(table):
        learning = {}  # of another fit in the same folder
    fit = _beside(source.path.with_suffix(".yaml"))
    losses = fit.get("history", {}).get("loss") or [NAN]
    objective, loss = float(fit.get("neg_log_likelihood", NAN)), float(losses[-1])
    squares = float((np.log(sigma) ** 2).sum())
    tags = config.get("template_tags") or {}
    row: dict[str, object] = {
        "fit": name,
        "instrument": key_of(str(config.get("template_name") or _template(source.path.parent.name))),
        "rater": key_of(str(config.get("model_short") or config.get("model") or "unknown")),
        "model": str(config.get("model") or ""),
        "method": "thurstonian",
        "order": str(tags.get("order", "")),
        "seed": str(tags.get("seed", "")),
        "temperature": float(config.get("temperature", NAN)),
        "n_items": len(table),
        "n_comparisons": float(fit.get("n_comparisons", learning.get("total_comparisons", NAN))),
        "n_pairs": float(learning.get("unique_pairs_queried", NAN)),
        "objective": objective,
        "loss": loss,
        "lambda": (objective - loss) / squares if squares > 0 else NAN,
        "gradient_norm": float(fit.get("gradient_norm", NAN)),
        "converged": bool(fit.get("converged", False)),
        "n_iterations": float(fit.get("n_iterations", NAN)),
        "pair_agreement": float(learning.get("pair_agreement", NAN)),
        "at_bounds": int((np.abs(mu) >= MU_BOUND - 1e-6).sum()),
    }
    utilities = pd.DataFrame(
        {
            "fit": name,
            "item": table["task_id"].astype(str),
            "mu": mu,
            "sigma": sigma,
            "n_comparisons": NAN,
            "refusal_rate": NAN,
        }
    )
    rounds = [
        {"fit": name, "round": number, "rank_correlation": float(one)}
        for number, one in enumerate(learning.get("rank_correlations") or [])
    ]
    return Run(row, utilities, rounds)


def _numbers(values: pd.Series, source: Source) -> np.ndarray:
    found = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
    if not np.isfinite(found).all():
        row = int((~np.isfinite(found)).argmax())
        raise DataError(f"{source.name}, row {row + 1}: {values.name} is {values.iloc[row]!r}, which is no number")
    return found


def _name(source: Source) -> str:
    """The folders that tell the fit apart, and the file's hash where the folder has several fits."""
    parts = [one for one in Path(source.name).parent.parts if one not in _COMMON]
    fits = list(source.path.parent.glob("thurstonian*.csv"))
    name = "/".join(parts) or source.path.stem
    return f"{name}/{source.path.stem.rsplit('_', 1)[-1]}" if len(fits) > 1 else name


def _template(folder: str) -> str:
    """The template's name at the start of a folder's, where no file states it."""
    for mark in ("_llama", "_gemma", "_qwen", "_claude", "_gpt"):
        if mark in folder:
            return folder.split(mark, 1)[0]
    return folder


def _beside(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = yaml.load(read_text(path), Loader=LOADER)
    except yaml.YAMLError as error:
        raise DataError(f"{path}: not readable as YAML ({error}). Correct it there") from error
    return value if isinstance(value, dict) else {}


def read_trueskill(source: Source) -> Run:
    """Ratings of an online pass over rankings."""
    value: Mapping[str, Any] = source.value  # type: ignore[assignment]  # its kind was found by these keys
    items = [str(one) for one in value["task_ids"]]
    model, template = str(value.get("model", "unknown")), str(value.get("template_name", "ranking"))
    name = f"trueskill/{model}/{source.path.stem}"
    sigma = np.array([float(value["sigma"][one]) for one in value["task_ids"]])
    row = _bare(name, key_of(template), key_of(model), "trueskill", len(items))
    row |= {"seed": str(value.get("seed", "")), "n_comparisons": float(value.get("n_observations", NAN))}
    utilities = pd.DataFrame(
        {
            "fit": name,
            "item": items,
            "mu": [float(value["mu"][one]) for one in value["task_ids"]],
            "sigma": sigma,
            "n_comparisons": NAN,
            "refusal_rate": NAN,
        }
    )
    return Run(row, utilities, [])


def read_ranked(source: Source) -> Run:
    """A list of tasks with their utilities and refusals."""
    table = pd.DataFrame(list(source.value))  # type: ignore[call-overload]  # a list; its kind was found by that
    name = "/".join(Path(source.name).parent.parts[-1:]) + f"/{source.path.stem}"
    row = _bare(name.lstrip("/"), key_of(Path(source.name).parent.name or "ranked"), "unknown", "ranked", len(table))
    refused = table["refusal_rate"] if "refusal_rate" in table else pd.Series(NAN, index=table.index)
    compared = table["n_comparisons"] if "n_comparisons" in table else pd.Series(NAN, index=table.index)
    utilities = pd.DataFrame(
        {
            "fit": row["fit"],
            "item": table["task_id"].astype(str),
            "mu": table["mu"].astype(float),
            "sigma": table["sigma"].astype(float),
            "n_comparisons": compared.astype(float),
            "refusal_rate": refused.astype(float),
        }
    )
    return Run(row, utilities, [])


def _bare(name: str, instrument: str, rater: str, method: str, n: int) -> dict[str, object]:
    unknown = ("temperature", "n_comparisons", "n_pairs", "objective", "loss", "lambda", "gradient_norm")
    numbers: dict[str, object] = dict.fromkeys((*unknown, "n_iterations", "pair_agreement"), NAN)
    texts: dict[str, object] = {"fit": name, "instrument": instrument, "rater": rater, "model": "", "method": method}
    return {**texts, "order": "", "seed": "", **numbers, "n_items": n, "converged": False, "at_bounds": 0}
