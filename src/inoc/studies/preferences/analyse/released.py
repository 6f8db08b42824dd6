"""The table `released`: what follows from a release's own tables, computed again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.special import stdtr
from scipy.stats import binomtest, wilcoxon

from inoc.stats.contrasts import contrast_of
from inoc.stats.correlation import Correlation, fit_line, pearson, spearman
from inoc.stats.means import NAN, mean_interval, t_quantile
from inoc.studies.preferences.analyse.measures import by_seed, in_no_context
from inoc.studies.preferences.analyse.released_probes import probe_rows
from inoc.studies.preferences.released.read import Released
from inoc.tables import INDEX, NUMBER, STRING

RELEASED = pa.schema(
    [
        ("source", STRING),
        ("of", STRING),
        ("statistic", STRING),
        ("value", NUMBER),
        ("lo", NUMBER),
        ("hi", NUMBER),
        ("p", NUMBER),
        ("n", INDEX),
    ]
)
"""Key: source, of, statistic. Empty for a study that was computed."""

Row = tuple[object, ...]
FEWEST = 10
"""Tasks that two judgements must have in common."""


def released_rows(released: Released, ratings: pd.DataFrame, level: float) -> pd.DataFrame:
    """Rows of `RELEASED`.

    Args:
        released: The tables of a release.
        ratings: `inputs.RATINGS` of it.
        level: Confidence of the intervals.
    """
    published = released.frame("published")
    rows = [
        *_origin_means(released, level),
        *_rating_origins(ratings, published),
        *_matrix(published, level),
        *_discrimination(published),
        *_refusal_groups(published),
        *_sensitivity(released, published),
        *_consistency(released.frame("consistency")),
        *_ratings_of_rankings(released),
        *_steering_summary(published),
        *_steered(released.frame("trials")),
        *_judged(released.frame("judged")),
        *probe_rows(released),
        *_judges_of_refusals(released.frame("completions")),
        *_seeds(ratings, level),
    ]
    return pd.DataFrame(rows, columns=RELEASED.names)


def _plain(source: object, of: object, statistic: str, value: float, n: int) -> Row:
    return (source, of, statistic, value, NAN, NAN, NAN, n)


def _tested(source: object, of: object, statistic: str, values: np.ndarray, level: float) -> Iterator[Row]:
    """A mean with its t test against 0, and the t itself."""
    found = contrast_of(values, level)
    yield (source, of, statistic, found.value, found.lo, found.hi, found.p, found.n)
    known = values[~np.isnan(values)]
    error = float(known.std(ddof=1)) / known.size**0.5 if known.size > 1 else NAN
    yield _plain(source, of, f"{statistic}_t", found.value / error if error else NAN, found.n)


def _origin_means(released: Released, level: float) -> Iterator[Row]:
    """Mean utility of each origin, and the share of the null log-likelihood that a stored fit explains."""
    from inoc.studies.preferences.released.tables import origin_of

    utilities = released.frame("utilities")
    for fit, rows in utilities.groupby("fit", sort=True):
        origins = rows["item"].map(origin_of)
        for origin, part in rows.groupby(origins, sort=True):
            found = mean_interval(part["mu"].to_numpy(dtype=np.float64), level)
            yield (fit, origin, "mean_utility", found.value, found.lo, found.hi, NAN, found.n)
    for row in released.frame("fits").to_dict("records"):
        if np.isfinite(row["loss"]) and np.isfinite(row["n_comparisons"]):
            null = row["n_comparisons"] * float(np.log(2))
            yield _plain(row["fit"], "all", "explained", 1 - row["loss"] / null, int(row["n_comparisons"]))


def _rating_origins(ratings: pd.DataFrame, published: pd.DataFrame) -> Iterator[Row]:
    """R² of the mean of the origin alone for the ratings of an instrument: the baseline of every probe."""
    probes = published[published["statistic"] == "cv_r2_mean"]
    plain = in_no_context(ratings)
    for (instrument, rater), rows in plain.groupby(["instrument", "rater"], sort=True):
        known = rows[rows["value"].notna()]
        means = known.groupby("task").agg(value=("value", "mean"), origin=("origin", "first"))
        n, groups = len(means), means.groupby("origin")["value"]
        total = float(((means["value"] - means["value"].mean()) ** 2).sum())
        if groups.ngroups < 2 or total == 0:
            continue
        source = f"{instrument}/{rater}"
        left = float(((means["value"] - groups.transform("mean")) ** 2).sum())
        yield _plain(source, "origin", "r_squared", 1 - left / total, n)
        for origin, part in groups:
            yield _plain(source, origin, "mean_rating", float(part.mean()), len(part))
        for one in probes[probes["group"].str.startswith(f"{instrument}|")].to_dict("records"):
            yield _plain(source, f"probe, layer {str(one['group']).rsplit('|', 1)[1]}", "r_squared", one["value"], n)


def _matrix(published: pd.DataFrame, level: float) -> Iterator[Row]:
    """Ratings of a model's own completions against those of others: paired by rater."""
    for source, rows in published[published["section"] == "rating_matrix"].groupby("source"):
        for statistic in ("icc", "mean"):
            part = rows[rows["statistic"] == statistic]
            who = part["group"].str.split("|", expand=True)
            own = (who[0] == who[1]).to_numpy()
            values, raters = part["value"].to_numpy(dtype=np.float64), who[0].to_numpy()
            for name, cells in (("self", values[own]), ("cross", values[~own])):
                yield _plain(source, name, f"{statistic}_mean", float(cells.mean()), cells.size)
                yield _plain(source, name, f"{statistic}_sd", float(cells.std(ddof=1)), cells.size)
            paired = [
                values[own & (raters == one)].mean() - values[~own & (raters == one)].mean() for one in set(raters)
            ]
            yield from _tested(source, "self-cross", f"{statistic}_difference", np.array(paired), level)


def _discrimination(published: pd.DataFrame) -> Iterator[Row]:
    """Means over templates of each model, and cells with a divergence that no declared scale allows."""
    rows = published[(published["section"] == "discrimination") & published["statistic"].isin(["kl", "icc"])]
    models = rows["group"].str.rsplit("|", n=1).str[1]
    for (source, model, statistic), part in rows.groupby([rows["source"], models, rows["statistic"]], sort=True):
        yield _plain(source, model, f"{statistic}_mean", float(part["value"].mean()), len(part))
    for row in rows[rows["statistic"] == "kl"].to_dict("records"):
        if "1_5" in str(row["group"]) and row["value"] > np.log(5):
            yield _plain(row["source"], row["group"], "kl_beyond_ln_k", row["value"], 5)


def _refusal_groups(published: pd.DataFrame) -> Iterator[Row]:
    """p and AUC that follow from the published r, U and counts."""
    wide = _wide(published, "refusals").reset_index()
    for row in wide.to_dict("records"):
        if not np.isfinite(r := float(row.get("correlation", NAN))):
            continue
        n, refused, u = (float(row[name]) for name in ("n_total", "n_refusals", "mann_whitney_u"))
        t = abs(r) * ((n - 2) / (1 - r**2)) ** 0.5
        yield (row["source"], row["group"], "p_of_r", r, NAN, NAN, 2 * float(stdtr(n - 2, -t)), int(n))
        yield _plain(row["source"], row["group"], "auc_of_u", u / (refused * (n - refused)), int(n))


def _wide(published: pd.DataFrame, section: str) -> pd.DataFrame:
    rows = published[published["section"] == section]
    return rows.pivot_table(index=["source", "group"], columns="statistic", values="value")


def _sensitivity(released: Released, published: pd.DataFrame) -> Iterator[Row]:
    """Which settings two runs must share to agree: ridge regression with penalty 1, as it was published."""
    for source, rows in released.frame("run_pairs").groupby("source", sort=True):
        names = sorted({one for text in rows["settings"] for one in str(text).split()})
        same = [set(str(text).split()) for text in rows["same"]]
        x = np.array([[float(name in one) for name in names] for one in same])
        y = rows["correlation"].to_numpy(dtype=np.float64)
        moved, centred = x - x.mean(axis=0), y - y.mean()
        slopes = np.linalg.solve(moved.T @ moved + np.eye(len(names)), moved.T @ centred)
        intercept = float(y.mean() - x.mean(axis=0) @ slopes)
        left = float(((y - intercept - x @ slopes) ** 2).sum())
        for name, slope in zip(names, slopes.tolist(), strict=True):
            yield _plain(source, name, "same_setting", slope, len(y))
        yield _plain(source, "all", "intercept", intercept, len(y))
        yield _plain(source, "all", "r_squared", 1 - left / float(centred @ centred), len(y))
        runs = [rows[side].astype(str).str.replace(r"_rseed\d+$", "", regex=True) for side in ("first", "second")]
        seeds = (runs[0] == runs[1]).to_numpy()
        if seeds.any():
            yield _plain(source, "other seed alone", "mean_correlation", float(y[seeds].mean()), int(seeds.sum()))
    for row in published[published["statistic"] == "mean_correlation"].to_dict("records"):
        yield _plain(row["source"], row["group"], "mean_correlation", row["value"], 0)
    keys = ["source", "section", "group"]
    parts = published[published["section"].str.startswith("by_")]
    wide = parts.pivot_table(index=keys, columns="statistic", values="value").reset_index()
    for row in wide.to_dict("records"):
        of = f"{row['section']} {row['group']}"
        yield _plain(row["source"], of, "mean_correlation", float(row["mean"]), int(row["n_pairs"]))


def _consistency(rows: pd.DataFrame) -> Iterator[Row]:
    """Levels of consistency, the percentiles behind them, and whether two models agree about the tasks."""
    from inoc.stats.consistency import pooled_tops

    tables = {}
    for (source, rule, rater), part in rows.groupby(["source", "rule", "rater"], sort=True):
        score = part["score"].to_numpy(dtype=np.float64)
        yield _plain(source, rater, f"{rule}_mean", float(np.nanmean(score)), score.size)
        for edge in (0.7, 0.9):
            yield _plain(source, rater, f"{rule}_share_above_{edge}", float((score >= edge).mean()), score.size)
        tables[str(rule), str(rater)] = part.set_index("task")["score"]
        if rule == "earlier_pooled":
            columns = [part[name].to_numpy(dtype=np.float64) for name in ("intra", "inter", "score")]
            for name, top in zip(("intra", "inter"), pooled_tops(*columns), strict=True):
                yield _plain(source, rater, f"{rule}_top_{name}", top, score.size)
    for rater in sorted({rater for _, rater in tables}):
        own, half = (tables.get((rule, rater)) for rule in ("earlier_own_percentile", "earlier_half_scale"))
        if own is not None and half is not None:
            yield from _own_percentile(rater, own, half)
    names = sorted(rater for rule, rater in tables if rule == "earlier_own_percentile")
    for number, first in enumerate(names):
        for second in names[number + 1 :]:
            yield from _two_models(first, second, tables)


def _own_percentile(rater: str, own: pd.Series, half: pd.Series) -> Iterator[Row]:
    """The percentile that the second rule divided by: the spread by the third over what the second takes off."""
    common = own.index.intersection(half.index)
    taken, spread = 1 - own[common], (1 - half[common]) / 2
    inside = (taken > 1e-6) & (taken < 1 - 1e-6)
    if inside.any():
        ratio = (spread[inside] / taken[inside]).median()
        yield _plain("both rules", rater, "earlier_own_percentile_top", float(ratio), int(inside.sum()))


def _two_models(first: str, second: str, tables: dict[tuple[str, str], pd.Series]) -> Iterator[Row]:
    x, y = tables["earlier_own_percentile", first], tables["earlier_own_percentile", second]
    common = x.index.intersection(y.index)
    a, b = x[common].to_numpy(dtype=np.float64), y[common].to_numpy(dtype=np.float64)
    for name, found in (("pearson", pearson(a, b)), ("spearman", spearman(a, b))):
        yield ("consistency", f"{first}, {second}", name, *_cells(found))


def _cells(found: Correlation) -> Row:
    return (found.value, found.lo, found.hi, found.p, found.n)


def _ratings_of_rankings(released: Released) -> Iterator[Row]:
    """Reliability of online ratings as they believe it: 1 − mean sigma² / variance of mu."""
    fits, utilities = released.frame("fits"), released.frame("utilities")
    for fit in fits.loc[fits["method"] == "trueskill", "fit"]:
        rows = utilities[utilities["fit"] == fit]
        believed = 1 - float((rows["sigma"] ** 2).mean()) / float(rows["mu"].var(ddof=1))
        yield _plain(fit, "all", "believed_reliability", believed, len(rows))


def _steering_summary(published: pd.DataFrame) -> Iterator[Row]:
    """The line through all answers, and Cohen's d of the ends, from means, population deviations and counts."""
    wide = _wide(published[published["group"] != "all"], "steering")
    for source, rows in wide.groupby(level=0):
        x = rows.index.get_level_values(1).astype(float).to_numpy()
        order = np.argsort(x)
        x, table = x[order], rows.iloc[order]
        mean, sd, n = (table[name].to_numpy(dtype=np.float64) for name in ("mean", "sd", "n"))
        total, centre = float(n.sum()), float(n @ x / n.sum())
        grand = float(n @ mean / total)
        sxx, sxy = float(n @ (x - centre) ** 2), float(n @ ((x - centre) * (mean - grand)))
        syy = float(n @ (sd**2 + (mean - grand) ** 2))
        slope, r2 = sxy / sxx, sxy**2 / (sxx * syy)
        t = (r2 * (total - 2) / (1 - r2)) ** 0.5
        half = t_quantile(total - 2, 0.95) * abs(slope) / t
        p = 2 * float(stdtr(total - 2, -t))
        yield (source, "all", "slope", slope, slope - half, slope + half, p, int(total))
        yield _plain(source, "all", "intercept", grand - slope * centre, int(total))
        yield _plain(source, "all", "r_squared", r2, int(total))
        pooled = ((sd[0] ** 2 + sd[-1] ** 2) / 2) ** 0.5
        yield _plain(source, "ends", "cohens_d", float((mean[-1] - mean[0]) / pooled), int(n[0] + n[-1]))


def _steered(trials: pd.DataFrame) -> Iterator[Row]:
    """Slopes of ratings by task, and effects on pairs, each against the control of the same pair."""
    for source, rows in trials.groupby("source", sort=True):
        if (rows["ordering"] == "").all():
            yield from _slopes(str(source), rows)
        else:
            yield from _pair_effects(str(source), rows, trials)


def _slopes(source: str, rows: pd.DataFrame) -> Iterator[Row]:
    known = rows[rows["value"].notna()]
    means = known.groupby(["item", "coefficient"])["value"].mean().reset_index()
    slopes = [
        fit_line(part["coefficient"].to_numpy(dtype=np.float64), part["value"].to_numpy(dtype=np.float64)).slope
        for _, part in means.groupby("item", sort=True)
        if len(part) >= 3
    ]
    yield from _tested(source, "tasks", "slope", np.array(slopes), 0.95)


def _pair_effects(source: str, rows: pd.DataFrame, trials: pd.DataFrame) -> Iterator[Row]:
    """Effects on the share of the first place, in points: over pairs, within orders, and over pairs and orders."""
    control = rows[rows["coefficient"] == 0]
    if control.empty:  # of another file of the folder, with the same pairs
        near = trials["source"].str.rsplit("/", n=1).str[0] == source.rsplit("/", 1)[0]
        control = trials[(trials["coefficient"] == 0) & near]
    base = _shares(control)
    if base.empty:
        return
    known = control["value"].notna()
    yield _plain(source, "control", "first_chosen", float(control.loc[known, "value"].mean()), int(known.sum()))
    steered = rows[rows["coefficient"] != 0]
    for (condition, coefficient), part in steered.groupby(["condition", "coefficient"], sort=True):
        of, moved = f"{condition} at {coefficient:+g}", _shares(part)
        by_pair = (moved.groupby("item").mean() - base.groupby("item").mean()).dropna()
        within = (moved - base).dropna()
        for name, values in (
            ("by_pair", by_pair),
            ("within_order", within.groupby("item").mean()),
            ("by_order", within),
        ):
            yield from _tested(source, of, name, 100 * values.to_numpy(dtype=np.float64), 0.95)
        pooled = 100 * float(part["value"].mean() - control["value"].mean())
        yield _plain(source, of, "pooled", pooled, int(part["value"].notna().sum()))


def _shares(rows: pd.DataFrame) -> pd.Series:
    """Share of the first place for every pair and order that has an answer."""
    return rows.groupby(["item", "ordering"])["value"].mean().dropna()


def _judged(rows: pd.DataFrame) -> Iterator[Row]:
    """Findings of a judge of two texts at opposite coefficients, over both orders of presentation."""
    for dimension, part in rows.groupby("dimension", sort=True):
        ends = sorted(set(part["coefficient"]), key=abs)[-2:]
        if len(ends) < 2 or ends[0] != -ends[1]:
            continue
        low, high = min(ends), max(ends)
        table = part.pivot_table(index="prompt", columns="coefficient", values="score", aggfunc="mean")
        difference = (table[low] - table[high]).dropna().to_numpy(dtype=np.float64)
        up, down = int((difference > 0).sum()), int((difference < 0).sum())
        n = difference.size
        sign = float(binomtest(up, up + down).pvalue) if up + down else NAN
        signed = float(wilcoxon(difference[difference != 0], method="exact").pvalue) if up + down else NAN
        yield ("judge", dimension, "asymmetry", float(difference.mean()), NAN, NAN, sign, n)
        yield ("judge", dimension, "asymmetry_signed_rank", float(difference.mean()), NAN, NAN, signed, n)
        for name, count in (("up", up), ("tie", n - up - down), ("down", down)):
            yield _plain("judge", dimension, name, float(count), n)
        towards = np.where(part["steered_first"], part["score"], -part["score"])
        yield _plain("judge", dimension, "first_preferred", float((towards > 0).sum()), len(part))
        yield _plain("judge", dimension, "second_preferred", float((towards < 0).sum()), len(part))


def _judges_of_refusals(completions: pd.DataFrame) -> Iterator[Row]:
    """Agreement of two files of judgements about the same tasks: Cohen's kappa, and the plain share."""
    files = {
        str(name): part.drop_duplicates("task").set_index("task")["refused"].dropna()
        for name, part in completions.groupby("completer", sort=True)
    }
    for first, second in itertools.combinations(files, 2):
        common = files[first].index.intersection(files[second].index)
        a, b = files[first][common].to_numpy(dtype=np.float64), files[second][common].to_numpy(dtype=np.float64)
        if len(common) < FEWEST:
            continue
        agreement = float((a == b).mean())
        chance = float(a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean()))
        yield _plain(first, second, "agreement", agreement, len(common))
        yield _plain(first, second, "kappa", (agreement - chance) / (1 - chance) if chance < 1 else NAN, len(common))


def _seeds(ratings: pd.DataFrame, level: float) -> Iterator[Row]:
    """Correlations of every two seeds of an instrument, however few tasks they have in common."""
    for (instrument, rater), rows in in_no_context(ratings).groupby(["instrument", "rater"], sort=True):
        for name, part in (("", rows), (", first sample", rows[rows["sample"] == 0])):
            table = by_seed(part)
            for first, second in itertools.combinations(table.columns, 2):
                both = table[[first, second]].dropna().to_numpy(dtype=np.float64)
                found = pearson(both[:, 0], both[:, 1], level)
                of = f"seeds {first}, {second}{name}"
                yield (f"{instrument}/{rater}", of, "seed_correlation", *_cells(found))
