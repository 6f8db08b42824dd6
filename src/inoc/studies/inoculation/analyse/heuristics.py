"""The heuristics H1 to HB6 side by side: one frame of values, and how well each tells the suppression.

Two protocols judge them. `fair` gives every heuristic the same rows, keeps rows of the prompt's own trait apart from
those of another, compares prompts within their family, and takes the prompt as the unit. `published` pools rows as the
earlier study did.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from inoc.errors import DataError
from inoc.stats.bootstrap import Resampler
from inoc.stats.clusters import Grouped, centred, clustered_r, clustered_rho, grouped, permuted_p
from inoc.stats.correlation import FEWEST_FOR_INTERVAL, pearson, spearman
from inoc.stats.means import NAN, Floats
from inoc.stats.prediction import Design, benjamini_hochberg, held_out_r2
from inoc.studies.inoculation.analyse.rows import ALL, Row, Skip
from inoc.tables import INDEX, NUMBER, STRING

HEURISTIC_TESTS = pa.schema(
    [
        ("heuristic", STRING),
        ("target", STRING),
        ("protocol", STRING),  # fair or published
        ("n", INDEX),  # rows
        ("r", NUMBER),  # fair: both sides less their mean of family, trait and prefix
        ("r_lo", NUMBER),  # fair: prompts drawn anew; published: Fisher's, as if rows were independent
        ("r_hi", NUMBER),
        ("rho", NUMBER),
        ("r2_out", NUMBER),  # leave-prompt-out, against the mean
        ("p", NUMBER),  # fair: of r, prompts permuted within their family; published: of the t test
        ("q", NUMBER),  # false-discovery rate over all rows of the protocol and the seed
        ("n_prompts", INDEX),
        ("n_nan", INDEX),  # rows left out because something is NaN
        ("r2_lo", NUMBER),
        ("r2_hi", NUMBER),
        ("r2_over_elicitation", NUMBER),  # leave-prompt-out, against elicitation alone; NaN if published
        ("learning_rate", NUMBER),  # NaN for a table file
        ("same_as", STRING),  # what it repeats; empty for a heuristic of its own
        ("seed", STRING),  # each seed by itself only where there are several
        ("rho_lo", NUMBER),  # as for r
        ("rho_hi", NUMBER),
        ("r2_trait_out", NUMBER),  # leave-trait-out, against the mean; NaN for one trait, and if published
        ("r2_trait_lo", NUMBER),
        ("r2_trait_hi", NUMBER),
        ("r2_trait_over_elicitation", NUMBER),  # leave-trait-out, against elicitation alone
        ("n_traits", INDEX),
    ]
)
"""`heuristics`. Key: heuristic, target, protocol, learning_rate, seed."""

TABLES = {"heuristics": HEURISTIC_TESTS}


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
    """Rows with the false-discovery rate over all rows of the same protocol and seed; over all if they name neither.

    The seeds repeat the tests of all seeds, and the two protocols test the same, so they are families of their own.
    """
    families: dict[tuple[object, object], list[int]] = {}
    for place, row in enumerate(rows):
        families.setdefault((row.get("protocol"), row.get("seed")), []).append(place)
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
    """Suppression of the other trait under the same prompt and prefix; NaN if several traits have that role."""
    known = frame[~frame.duplicated(KEYS, keep=False)].set_index(KEYS)["suppression"]
    turned = frame.assign(role=frame["role"].map({"negative": "positive", "positive": "negative"}))
    values: Floats = known.reindex(pd.MultiIndex.from_frame(turned[KEYS])).to_numpy(dtype=np.float64)
    return values


def _gap(frame: pd.DataFrame, mix: pd.DataFrame) -> Floats:
    """Fixed − mix suppression of the same trait by the same prompt."""
    keys = ["experiment", "prompt", "trait", "prefix"]
    known = frame.set_index(keys)["suppression"]
    fixed = known.reindex(pd.MultiIndex.from_frame(mix.assign(prefix="fixed")[keys])).to_numpy(dtype=np.float64)
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


class Aligned(NamedTuple):
    """Some heuristics on the same rows."""

    keys: list[str]
    x: Floats  # shape (heuristics, rows)
    y: Floats  # points, shape (rows,)
    prompts: Grouped
    traits: Grouped
    strata: Grouped  # family of the prompt × trait × prefix
    n_nan: int  # rows left out

    @property
    def counts(self) -> dict[str, int]:
        """What the rows of the table say of them."""
        return {"n": len(self.y), "n_nan": self.n_nan, "n_prompts": self.prompts.n, "n_traits": self.traits.n}


def _aligned(keys: list[str], x: Floats, target: Target, rows: NDArray[np.bool_], n_nan: int) -> Aligned:
    units = [unit for unit, keep in zip(_units(target.rows), rows, strict=True) if keep]
    chosen = target.rows[rows]
    strata = ["\t".join(one) for one in chosen[["family", "trait", "prefix"]].itertuples(index=False, name=None)]
    traits = grouped(chosen["trait"].tolist())
    return Aligned(keys, x[:, rows], target.y[rows], grouped(units), traits, grouped(strata), n_nan)


def _published(keys: Sequence[str], target: Target, resampler: Resampler) -> list[Row]:
    """Each heuristic on the rows that it happens to have, rows taken as independent."""
    table = target.rows[list(keys)].to_numpy(dtype=np.float64).T
    having: dict[bytes, list[int]] = {}
    for place, known in enumerate(np.isfinite(table) & np.isfinite(target.y)):
        having.setdefault(known.tobytes(), []).append(place)
    found: dict[str, Row] = {}
    for mask, places in having.items():
        rows = np.frombuffer(mask, dtype=np.bool_)
        data = _aligned([keys[place] for place in places], table[places], target, rows, int((~rows).sum()))
        for key, numbers in zip(data.keys, _published_numbers(data, resampler), strict=True):
            found[key] = _row(key, target.name, "published", numbers, data.counts)
    return [found[key] for key in keys]


def _published_numbers(data: Aligned, resampler: Resampler) -> list[dict[str, float]]:
    numbers = []
    for x in data.x:
        varied = x.size >= FEWEST and x.std() > SMALLEST_SD and data.y.std() > SMALLEST_SD
        shown = (x, data.y) if varied else (x[:0], data.y[:0])
        r, rho = pearson(*shown, resampler.confidence), spearman(*shown, resampler.confidence)
        correlations = {"r": r.value, "r_lo": r.lo, "r_hi": r.hi, "rho": rho.value, "rho_lo": rho.lo, "rho_hi": rho.hi}
        numbers.append({**correlations, "p": r.p, "r2_over_elicitation": NAN})
    held_out = _held_out("r2", data, HeldBack(data.prompts, FEWEST), resampler)
    return [{**one, **other} for one, other in zip(numbers, held_out, strict=True)]


class HeldBack(NamedTuple):
    """Rows that a fit does not see together."""

    groups: Grouped
    fewest: int


def _held_out(name: str, data: Aligned, held: HeldBack, resampler: Resampler) -> list[dict[str, float]]:
    """Held-out R² against the mean, with an interval over prompts."""
    if not data.y.size:
        return [dict.fromkeys((f"{name}_out", f"{name}_lo", f"{name}_hi"), NAN)] * len(data.keys)
    r2 = held_out_r2(data.x, _design(data, held), resampler.confidence)
    return [{f"{name}_out": one.value, f"{name}_lo": one.lo, f"{name}_hi": one.hi} for one in r2]


def _design(data: Aligned, held: HeldBack) -> Design:
    return Design(data.y, held.groups.label, data.prompts.label, held.fewest)


def _over_elicitation(name: str, data: Aligned, held: HeldBack, resampler: Resampler) -> list[dict[str, float]]:
    """Held-out R² against held-out predictions by elicitation alone; NaN if these rows have none."""
    column = f"{name}_over_elicitation"
    if "H1" not in data.keys:
        return [{column: NAN}] * len(data.keys)
    rival = data.x[data.keys.index("H1")]
    r2 = held_out_r2(data.x, _design(data, held), resampler.confidence, rival)
    return [{column: one.value} for one in r2]


def _fair(keys: Sequence[str], target: Target, resampler: Resampler) -> tuple[list[Row], list[Skip]]:
    """Every heuristic on the same rows, prompts as units."""
    measured = np.isfinite(target.y)
    what = f"heuristics against {target.name}"
    if not measured.any() or not keys:
        return [], [Skip(what, "no row has both a suppression and a heuristic")]
    table = target.rows[list(keys)].to_numpy(dtype=np.float64).T
    known = np.isfinite(table[:, measured]).mean(axis=1) >= KNOWN_SHARE
    rare = [key for key, found in zip(keys, known, strict=True) if not found]
    why = f"fewer than {KNOWN_SHARE:.0%} of the rows have a value"
    skipped = [Skip(f"{', '.join(rare)} against {target.name}", why)] if rare else []
    rows = measured & np.isfinite(table[known]).all(axis=0)
    named = [key for key, found in zip(keys, known, strict=True) if found]
    data = _aligned(named, table[known], target, rows, int(measured.sum() - rows.sum()))
    if data.prompts.n < FEWEST or not named:
        why = f"it needs {FEWEST} prompts with suppression and all heuristics, and {data.prompts.n} have them"
        return [], [*skipped, Skip(what, why)]
    if data.traits.n < 2:
        skipped.append(Skip(f"leave-trait-out R² against {target.name}", "only one trait has rows"))
    numbers = _fair_numbers(data, resampler)
    pairs = zip(named, numbers, strict=True)
    return [_row(key, target.name, "fair", one, data.counts) for key, one in pairs], skipped


def _fair_numbers(data: Aligned, resampler: Resampler) -> list[dict[str, float]]:
    by_prompt, by_trait = HeldBack(data.prompts, FEWEST), HeldBack(data.traits, 2)
    parts: list[list[dict[str, float]]] = [
        _within_strata(data, resampler),
        _held_out("r2", data, by_prompt, resampler),
        _over_elicitation("r2", data, by_prompt, resampler),
        _held_out("r2_trait", data, by_trait, resampler),
        _over_elicitation("r2_trait", data, by_trait, resampler),
    ]
    return [{key: value for part in of_one for key, value in part.items()} for of_one in zip(*parts, strict=True)]


def _within_strata(data: Aligned, resampler: Resampler) -> list[dict[str, float]]:
    """Correlations of heuristic and suppression, each less its mean in the stratum of the row.

    So prompts are compared with others of their family, for the same trait and prefix: that families differ in both is
    one observation, not one for each prompt.
    """
    x, y = centred(data.x, data.strata), centred(data.y, data.strata)
    p = permuted_p(x, y, data.prompts, resampler, data.strata)
    r = [pearson(one, y).value for one in x]
    rho = [spearman(one, y).value for one in x]
    r_bounds = rho_bounds = [(NAN, NAN)] * len(x)
    if data.prompts.n >= FEWEST_FOR_INTERVAL:
        r_bounds = resampler.each_bounds(clustered_r(data.x, data.y, data.prompts, resampler, data.strata))
        rho_bounds = resampler.each_bounds(clustered_rho(x, y, data.prompts, resampler))
    names = ("p", "r", "r_lo", "r_hi", "rho", "rho_lo", "rho_hi")
    numbers = zip(p, r, r_bounds, rho, rho_bounds, strict=True)
    return [
        dict(zip(names, (float(one_p), one_r, *bounds, one_rho, *rho_lo_hi), strict=True))
        for one_p, one_r, bounds, one_rho, rho_lo_hi in numbers
    ]
