"""The heuristics H1 to HB6 side by side: one frame of values, and how well each tells the suppression.

Two protocols judge them. `fair` gives every heuristic the same rows, keeps rows of the prompt's own trait apart from
those of another, and takes the prompt as the unit. `published` pools rows as the earlier study did.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from inoc.analyse.rows import ALL, Row, Skip
from inoc.errors import DataError
from inoc.stats.bootstrap import Resampler
from inoc.stats.clusters import Grouped, clustered_r, clustered_rho, grouped, permuted_p
from inoc.stats.correlation import Correlation, pearson, spearman
from inoc.stats.means import NAN, Floats
from inoc.stats.prediction import benjamini_hochberg, leave_group_out, out_of_sample_r2

Protocol = Literal["fair", "published"]
PROTOCOLS: tuple[Protocol, ...] = ("fair", "published")
NEUTRAL = "neutral"
FEWEST = 3
KNOWN_SHARE = 0.5
SMALLEST_SD = 1e-12


class Heuristic(NamedTuple):
    """What a heuristic is in a table file, and whether another one says the same."""

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

KEYS = ["experiment", "prompt", "role", "prefix"]
_KEY_COLUMNS = {
    "experiment": "experiment",
    "prompt": "prompt_key",
    "family": "prompt_family",
    "role": "trait_role",
    "trait": "trait_name",
    "prefix": "prefix_type",
}
_SAME_AS = {one.key: one.same_as for one in HEURISTICS} | {"H7": "z(H1) + z(H4) + z(H5), and − z(H6) on mix rows"}


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
    if {"H1", "H4", "H5", "H6"} <= set(known):
        frame["H7"] = _combined(frame)
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


def _combined(frame: pd.DataFrame) -> Floats:
    """H7: standardised over all rows of the table, with suppression or without, ddof 1."""
    z = {key: (frame[key] - frame[key].mean()) / frame[key].std(ddof=1) for key in ("H1", "H4", "H5", "H6")}
    total: Floats = (z["H1"] + z["H4"] + z["H5"]).to_numpy(dtype=np.float64)
    return np.where(frame["prefix"] == "mix", total - z["H6"].to_numpy(dtype=np.float64), total)


class Target(NamedTuple):
    """Some rows of the values, and the outcome to be told."""

    name: str
    rows: pd.DataFrame
    y: Floats  # points, shape (rows,); NaN if not measured


def judge_heuristics(values: Values, protocol: Protocol, resampler: Resampler) -> tuple[list[Row], list[Skip]]:
    """How well each heuristic tells the suppression.

    Args:
        values: The heuristics.
        protocol: `fair` or `published`.
        resampler: Source of draws and permutations.

    Returns:
        Rows of `heuristics` for the seed `all`, and what could not be judged. A heuristic that no row has is left
        out; so is, by the fair protocol, one that fewer than half of a target's rows have, for it would take their
        rows from the others.
    """
    rows: list[Row] = []
    skipped = list(values.skipped)
    keys = [key for key in values.heuristics if np.isfinite(values.frame[key]).any()]
    skipped += [Skip(f"heuristic {key}", "no row has a value of it") for key in values.heuristics if key not in keys]
    for target in _targets(values.frame, protocol):
        if protocol == "published":
            rows += _published(keys, target, resampler)
        else:
            found, missing = _fair(keys, target, resampler)
            rows += found
            skipped += missing
    return with_q(rows), skipped


def with_q(rows: list[Row]) -> list[Row]:
    """Rows with the false-discovery rate over all rows of the same protocol and seed.

    The seeds repeat the tests of all seeds, and the two protocols test the same, so they are families of their own.
    """
    families: dict[tuple[object, object], list[int]] = {}
    for place, row in enumerate(rows):
        families.setdefault((row["protocol"], row["seed"]), []).append(place)
    rates = np.full(len(rows), NAN)
    for places in families.values():
        rates[places] = benjamini_hochberg(np.array([float(str(rows[place]["p"])) for place in places]))
    return [{**row, "q": float(q)} for row, q in zip(rows, rates, strict=True)]


def _targets(frame: pd.DataFrame, protocol: Protocol) -> Iterator[Target]:
    own = (frame["trait"].str.lower() == frame["family"].str.lower()) | (frame["family"] == NEUTRAL)
    if protocol == "published":
        yield from _by_prefix(frame, "all", "fixed", "mix")
        yield Target("cross", frame, _outcome_of(frame, role="other"))
        mix = frame[frame["prefix"] == "mix"]
        yield Target("gap", mix, _gap(frame, mix))
        return
    for name, rows in (("own", frame[own]), ("off", frame[~own])):
        yield from _by_prefix(rows, name, f"{name}_fixed", f"{name}_mix")
        mix = rows[rows["prefix"] == "mix"]
        yield Target(f"{name}_gap", mix, _gap(frame, mix))


def _by_prefix(rows: pd.DataFrame, every: str, fixed: str, mix: str) -> Iterator[Target]:
    for name, chosen in ((every, rows), (fixed, rows[rows["prefix"] == "fixed"]), (mix, rows[rows["prefix"] == "mix"])):
        yield Target(name, chosen, chosen["suppression"].to_numpy(dtype=np.float64))


def _outcome_of(frame: pd.DataFrame, *, role: Literal["other"]) -> Floats:
    """Suppression of the other trait under the same prompt and prefix."""
    known = frame.set_index(KEYS)["suppression"]
    turned = frame.assign(role=frame["role"].map({"negative": "positive", "positive": "negative"}))
    values: Floats = known.reindex(pd.MultiIndex.from_frame(turned[KEYS])).to_numpy(dtype=np.float64)
    return values


def _gap(frame: pd.DataFrame, mix: pd.DataFrame) -> Floats:
    """Fixed − mix suppression of the same trait by the same prompt."""
    known = frame.set_index(KEYS)["suppression"]
    fixed = known.reindex(pd.MultiIndex.from_frame(mix.assign(prefix="fixed")[KEYS])).to_numpy(dtype=np.float64)
    gap: Floats = fixed - mix["suppression"].to_numpy(dtype=np.float64)
    return gap


def _units(rows: pd.DataFrame) -> list[str]:
    return [f"{experiment}\t{prompt}" for experiment, prompt in zip(rows["experiment"], rows["prompt"], strict=True)]


def _row(key: str, target: str, protocol: Protocol, numbers: dict[str, float], counts: dict[str, int]) -> Row:
    return {
        "heuristic": key,
        "target": target,
        "protocol": protocol,
        "seed": ALL,
        **counts,
        **numbers,
        "same_as": _SAME_AS.get(key, ""),
    }


def _published(keys: Sequence[str], target: Target, resampler: Resampler) -> list[Row]:
    """Each heuristic on the rows that it happens to have, rows taken as independent."""
    rows: list[Row] = []
    for key in keys:
        x = target.rows[key].to_numpy(dtype=np.float64)
        both = np.isfinite(x) & np.isfinite(target.y)
        x, y = x[both], target.y[both]
        units = grouped([unit for unit, keep in zip(_units(target.rows), both, strict=True) if keep])
        varied = x.size >= FEWEST and x.std() > SMALLEST_SD and y.std() > SMALLEST_SD
        shown = (x, y) if varied else (x[:0], y[:0])
        numbers = _numbers_of("r", pearson(*shown, resampler.confidence))
        numbers |= _numbers_of("rho", spearman(*shown, resampler.confidence))
        numbers |= _held_out("r2", x, y, HeldBack(units, units), resampler)
        counts = {"n": int(both.sum()), "n_nan": int((~both).sum()), "n_prompts": units.n, "n_traits": 0}
        counts["n_traits"] = int(target.rows["trait"][both].nunique())
        rows.append(_row(key, target.name, "published", numbers, counts))
    return rows


def _numbers_of(name: str, found: Correlation) -> dict[str, float]:
    numbers = {name: found.value, f"{name}_lo": found.lo, f"{name}_hi": found.hi}
    return numbers | {"p": found.p} if name == "r" else numbers


class HeldBack(NamedTuple):
    """What a fit does not see, and what counts as one piece of evidence about its errors."""

    groups: Grouped  # held out together
    units: Grouped  # drawn together
    fewest: int = FEWEST


def _held_out(
    name: str, x: Floats, y: Floats, held: HeldBack, resampler: Resampler, alone: Floats | None = None
) -> dict[str, float]:
    """Held-out R² against the mean, and against held-out predictions by elicitation alone if there are any."""
    columns = (f"{name}_out", f"{name}_lo", f"{name}_hi", f"{name}_over_elicitation")
    if not x.size:
        return dict.fromkeys(columns, NAN)
    found = leave_group_out(x, y, held.groups.label, held.fewest)
    r2 = out_of_sample_r2(y, found.by_line, found.by_mean, held.units.label, resampler)
    over = NAN if alone is None else out_of_sample_r2(y, found.by_line, alone, held.units.label, resampler).value
    return dict(zip(columns, (r2.value, r2.lo, r2.hi, over), strict=True))


def _fair(keys: Sequence[str], target: Target, resampler: Resampler) -> tuple[list[Row], list[Skip]]:
    """Every heuristic on the same rows, prompts as units."""
    table = target.rows[list(keys)].to_numpy(dtype=np.float64).T
    measured = np.isfinite(target.y)
    what = f"heuristics against {target.name}"
    if not measured.any():
        return [], [Skip(what, "no suppression is known")]
    known = np.isfinite(table[:, measured]).mean(axis=1) >= KNOWN_SHARE
    skipped = [
        Skip(f"{key} against {target.name}", f"fewer than {KNOWN_SHARE:.0%} of the rows have it")
        for key, found in zip(keys, known, strict=True)
        if not found
    ]
    complete = measured & np.isfinite(table[known]).all(axis=0)
    units = grouped([unit for unit, keep in zip(_units(target.rows), complete, strict=True) if keep])
    if units.n < FEWEST or not known.any():
        why = f"it needs {FEWEST} prompts with suppression and all heuristics, and {units.n} have them"
        return [], [*skipped, Skip(what, why)]
    y = target.y[complete]
    traits = grouped(target.rows["trait"][complete].tolist())
    if traits.n < 2:
        skipped.append(Skip(f"leave-trait-out R² against {target.name}", "only one trait has rows"))
    named = {key: values[complete] for key, values, found in zip(keys, table, known, strict=True) if found}
    counts = {
        "n": len(y),
        "n_nan": int(measured.sum() - complete.sum()),
        "n_prompts": units.n,
        "n_traits": traits.n,
    }
    ways = {"r2": HeldBack(units, units), "r2_trait": HeldBack(traits, units, fewest=2)}
    alone = {
        name: leave_group_out(named["H1"], y, held.groups.label, held.fewest).by_line if "H1" in named else None
        for name, held in ways.items()
    }
    rows: list[Row] = []
    for key, x in named.items():
        numbers = {"p": permuted_p(x, y, units, resampler)}
        for name, value, drawn in (
            ("r", pearson(x, y).value, clustered_r(x, y, units, resampler)),
            ("rho", spearman(x, y).value, clustered_rho(x, y, units, resampler)),
        ):
            lo, hi = resampler.bounds(drawn)
            numbers |= {name: value, f"{name}_lo": lo, f"{name}_hi": hi}
        for name, held in ways.items():
            numbers |= _held_out(name, x, y, held, resampler, alone[name])
        rows.append(_row(key, target.name, "fair", numbers, counts))
    return rows, skipped
