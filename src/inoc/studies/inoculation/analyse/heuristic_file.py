"""Values of the heuristics H1 to HB6 in a table file, as the earlier study released them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from inoc.errors import DataError
from inoc.stats.means import NAN, Floats
from inoc.studies.inoculation.analyse.rows import Skip


class Heuristic(NamedTuple):
    """A heuristic: its columns in a table file, and the one that it repeats."""

    key: str
    column: str  # of fixed rows; {trait} is the row's trait in lower case
    mix_column: str = ""  # of mix rows, if they have one of their own
    negative: str = ""  # of rows of the negative trait, if theirs is another
    positive_sign: float = 1.0  # of rows of the positive trait
    same_as: str = ""  # what it repeats, exactly or nearly


HEURISTICS = (
    Heuristic("H1", "elicitation"),
    Heuristic("H2", "ph_combined", same_as="HA1, another name of it"),
    Heuristic("H3", "pc1_trait_svd"),
    Heuristic("H4", "pc1_tok_{trait}"),
    Heuristic("H5", "emb_dist_from_neutral"),
    Heuristic("H6", "emb_rephrase_std_cos"),
    Heuristic("H9a", "emb_cos_to_neg_trait", negative="emb_cos_to_pos_trait"),
    Heuristic("H9b", "sv2_truncated_fixed", positive_sign=-1.0),
    Heuristic("H10", "pc2_tokens_oriented", positive_sign=-1.0),
    Heuristic("H11", "h11_mean_abs_diff", "h11_mean_abs_diff_mix"),
    Heuristic("H13", "h13_mean_sq_diff", "h13_mean_sq_diff_mix"),
    Heuristic("H14", "h14_mean_signed_tok_diff", "h14_mean_signed_tok_diff_mix"),
    Heuristic("HA2", "ha2_filter", "ha2_filter_mix"),
    Heuristic("HA3", "ha3_topk", "ha3_topk_mix"),
    Heuristic("HA4", "ha4_grad_mag", "ha4_grad_mag_mix"),
    Heuristic("HA5", "ha5_filter_grad", "ha5_filter_grad_mix"),
    Heuristic("HB1", "hb1_pc1_var_frac"),
    Heuristic("HB2", "hb2_sim_loss_decay", same_as="HA4, nearly: 32 · HA4 if the simulated steps hardly move"),
    Heuristic("HB3", "hb3_persistent_loss_frac"),
    Heuristic("HB4", "hb4_strength_x_coherence", same_as="H2 · HB1"),
    Heuristic("HB5", "hb5_effective_rank"),
    Heuristic("HB6", "hb6_sim_residual", same_as="H11 of the fixed prefix − 0.01 · HB2"),
)
"""H7 is made of H1, H4, H5 and H6. H12 is H11 − H14 and HA1 is H2, so they are not judged again."""

COMBINED = ("H1", "H4", "H5", "H6")
"""What H7 is made of."""

KEYS = ["experiment", "prompt", "role", "prefix"]
_KEY_COLUMNS = {
    "experiment": "experiment",
    "prompt": "prompt_key",
    "family": "prompt_family",
    "role": "trait_role",
    "trait": "trait_name",
    "prefix": "prefix_type",
}


class Values(NamedTuple):
    """One row for each experiment, prompt, trait and prefix; values of every heuristic that is known."""

    frame: pd.DataFrame  # KEYS, family, trait, suppression, and a column for each heuristic; NaN where unknown
    heuristics: list[str]
    skipped: list[Skip]


def read_values(path: Path) -> Values:
    """Read a table file with one row per prompt, trait role and prefix, as the earlier study released it.

    Raises:
        DataError: If the file cannot be read, lacks a column that rows are known by, has a value that is not a
            number where one belongs, or has a row twice.
    """
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(_KEY_COLUMNS.values(), "str"))
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        msg = f"{path} is not a readable CSV table ({error})"
        raise DataError(msg) from error
    return table_values(table, str(path))


def table_values(table: pd.DataFrame, where: str) -> Values:
    """Values of all heuristics from a table in the earlier study's columns; see `read_values`."""
    lacking = [column for column in (*_KEY_COLUMNS.values(), "suppression") if column not in table.columns]
    if lacking:
        msg = f"{where}: columns {lacking} are missing; the table has {list(table.columns)[:12]} …"
        raise DataError(msg)
    frame = pd.DataFrame({ours: table[theirs].fillna("").astype(str) for ours, theirs in _KEY_COLUMNS.items()})
    for name, accepted in (("role", ["negative", "positive"]), ("prefix", ["fixed", "mix"])):
        _refuse(frame, ~frame[name].isin(accepted), where, _KEY_COLUMNS[name], f"accepted: {', '.join(accepted)}")
    _refuse(frame, frame["prompt"] == "", where, "prompt_key", "there is no prompt")
    _refuse(frame, frame.duplicated(KEYS), where, "prompt_key", "this prompt, role and prefix is there already")
    frame["suppression"] = _numbers(table, "suppression", where)
    skipped: list[Skip] = []
    known: list[str] = []
    for heuristic in HEURISTICS:
        values = _column_values(heuristic, table, frame, where)
        if np.isnan(values).all():
            skipped.append(Skip(f"heuristic {heuristic.key}", f"{where} has no value of it"))
            continue
        frame[heuristic.key] = values
        known.append(heuristic.key)
    if set(COMBINED) <= set(known):
        frame["H7"] = combined(frame)
        known.insert(known.index("H6") + 1, "H7")
    else:
        skipped.append(Skip("heuristic H7", "it needs H1, H4, H5 and H6"))
    return Values(frame, known, skipped)


def _refuse(frame: pd.DataFrame, wrong: pd.Series, where: str, column: str, what: str) -> None:
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        shown = ", ".join(f"{key}={frame.iloc[row][key]!r}" for key in KEYS)
        msg = f"{where}, line {row + 2}, column {column} ({shown}): {what}"
        raise DataError(msg)


def _numbers(table: pd.DataFrame, column: str, where: str) -> Floats:
    if column not in table.columns:
        return np.full(len(table), NAN)
    values: Floats = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64)
    wrong = np.flatnonzero(np.isnan(values) & table[column].notna().to_numpy())
    if wrong.size:
        msg = f"{where}, line {wrong[0] + 2}, column {column}: {table[column].iloc[wrong[0]]!r} is not a number"
        raise DataError(msg)
    return values


def _column_values(heuristic: Heuristic, table: pd.DataFrame, frame: pd.DataFrame, where: str) -> Floats:
    if "{trait}" in heuristic.column:
        values = np.full(len(table), NAN)
        for trait in frame["trait"].unique():
            own = (frame["trait"] == trait).to_numpy()
            values[own] = _numbers(table, heuristic.column.format(trait=trait.lower()), where)[own]
    else:
        values = _numbers(table, heuristic.column, where).copy()
    mix, positive = (frame["prefix"] == "mix").to_numpy(), (frame["role"] == "positive").to_numpy()
    if heuristic.mix_column:
        values[mix] = _numbers(table, heuristic.mix_column, where)[mix]
    if heuristic.negative:
        values[~positive] = _numbers(table, heuristic.negative, where)[~positive]
    values[positive] *= heuristic.positive_sign
    return values


def combined(frame: pd.DataFrame) -> Floats:
    """H7 as published: standardised over all rows of the table, with suppression or without, ddof 1."""
    z = {key: (frame[key] - frame[key].mean()) / frame[key].std(ddof=1) for key in COMBINED}
    total: Floats = (z["H1"] + z["H4"] + z["H5"]).to_numpy(dtype=np.float64)
    return np.where(frame["prefix"] == "mix", total - z["H6"].to_numpy(dtype=np.float64), total)
