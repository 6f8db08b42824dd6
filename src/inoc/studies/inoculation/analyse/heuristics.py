"""The heuristics H1 to HB6 side by side: one frame of values, and how well each predicts the suppression.

Two protocols judge them. `fair` gives every heuristic the same rows, keeps rows of the prompt's own trait apart from
those of another, compares prompts within their family, and takes the prompt as the unit. `published` pools rows as the
earlier study did.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from inoc.stats.bootstrap import Resampler
from inoc.stats.clusters import Grouped, centred, clustered_r, clustered_rho, grouped, permuted_p
from inoc.stats.correlation import FEWEST_FOR_INTERVAL, pearson, spearman
from inoc.stats.means import NAN, Floats
from inoc.stats.prediction import Design, benjamini_hochberg, held_out_r2
from inoc.studies.inoculation.analyse.heuristic_file import HEURISTICS, KEYS, Values
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


_SAME_AS = {one.key: one.same_as for one in HEURISTICS} | {"H7": "z(H1) + z(H4) + z(H5), and − z(H6) on mix rows"}


class Target(NamedTuple):
    """Some rows of the values, and the outcome to be predicted."""

    name: str
    rows: pd.DataFrame
    y: Floats  # points, shape (rows,); NaN if not measured


def judge_heuristics(values: Values, protocol: Protocol, resampler: Resampler) -> tuple[list[Row], list[Skip]]:
    """Correlation and held-out error of each heuristic with the suppression.

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
    n_families: int
    n_nan: int  # rows left out

    @property
    def counts(self) -> dict[str, int]:
        """Columns of counts."""
        return {"n": len(self.y), "n_nan": self.n_nan, "n_prompts": self.prompts.n, "n_traits": self.traits.n}


def _aligned(keys: list[str], x: Floats, target: Target, rows: NDArray[np.bool_], n_nan: int) -> Aligned:
    units = [unit for unit, keep in zip(_units(target.rows), rows, strict=True) if keep]
    chosen = target.rows[rows]
    strata = ["\t".join(one) for one in chosen[["family", "trait", "prefix"]].itertuples(index=False, name=None)]
    traits = grouped(chosen["trait"].tolist())
    return Aligned(
        keys, x[:, rows], target.y[rows], grouped(units), traits, grouped(strata), chosen["family"].nunique(), n_nan
    )


def _published(keys: Sequence[str], target: Target, resampler: Resampler) -> list[Row]:
    """Each heuristic on all rows that have it, rows taken as independent."""
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
    # Each family's mean costs a prompt; see docs/design/intervals.md.
    if data.prompts.n - data.n_families + 1 >= FEWEST_FOR_INTERVAL:
        r_bounds = resampler.each_bounds(clustered_r(data.x, data.y, data.prompts, resampler, data.strata))
        rho_bounds = resampler.each_bounds(clustered_rho(x, y, data.prompts, resampler))
    names = ("p", "r", "r_lo", "r_hi", "rho", "rho_lo", "rho_hi")
    numbers = zip(p, r, r_bounds, rho, rho_bounds, strict=True)
    return [
        dict(zip(names, (float(one_p), one_r, *bounds, one_rho, *rho_lo_hi), strict=True))
        for one_p, one_r, bounds, one_rho, rho_lo_hi in numbers
    ]
