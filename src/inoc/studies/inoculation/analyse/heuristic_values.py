"""The heuristics of a study's own prompts, from its own log-probabilities, elicitation and geometry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.stats.bootstrap import Resampler
from inoc.stats.gram import decompose_gram
from inoc.stats.means import NAN
from inoc.studies.inoculation.analyse.fixed_mix import VIEWS, FixedMix, fixed_mix_table, is_constant
from inoc.studies.inoculation.analyse.geometry import Gram, Level, axes_of, token_gram
from inoc.studies.inoculation.analyse.heuristic_file import COMBINED, Values, combined
from inoc.studies.inoculation.analyse.heuristics import (
    NEUTRAL,
    PROTOCOLS,
    judge_heuristics,
    with_q,
)
from inoc.studies.inoculation.analyse.inputs import Scored, Shifts
from inoc.studies.inoculation.analyse.rows import ALL, Part, Row, Skip, families, traits
from inoc.studies.inoculation.analyse.token_heuristics import TokenHeuristics, token_heuristics
from inoc.studies.inoculation.analyse.tokens import open_tokens
from inoc.studies.inoculation.runs import total_steps
from inoc.studies.inoculation.study import Study
from inoc.tables import FLAG, INDEX, NUMBER, STRING

FIXED_MIX = pa.schema(
    [
        ("prompt", STRING),
        ("family", STRING),
        ("view", STRING),  # raw, or along one component of the fixed matrix: pca1, svd1
        ("heuristic", STRING),
        ("value", NUMBER),  # NaN where a denominator vanishes
        ("constant", FLAG),  # it says the same of every prompt, up to sign
        ("n", INDEX),  # examples used
        ("n_nan", INDEX),  # examples left out because a prompt has no value for them
    ]
)
"""`fixed_mix`. Key: prompt, view, heuristic."""

TABLES = {"fixed_mix": FIXED_MIX}


Grams = Mapping[tuple[Level, str], Gram]
PerToken = dict[str, dict[str, TokenHeuristics]]
"""Prefix → prompt → heuristics of its tokens."""

_OWN_PREFIX = {"H11": "h11", "H13": "h13", "H14": "h14", "HA2": "ha2", "HA3": "ha3", "HA4": "ha4", "HA5": "ha5"}
_OF_FIXED = {"HB1": "hb1", "HB2": "hb2", "HB3": "hb3", "HB5": "hb5", "HB6": "hb6"}


def fixed_mix_rows(study: Study, shifts: Shifts) -> Part:
    """The ten numbers of fixed against mix, raw and along one component, for prompts scored with both."""
    family_of = families(study)
    pairs = {
        prompt: (fixed, mix)
        for prompt in family_of
        if (fixed := shifts.get(Scored(prompt, "fixed", "train"))) is not None
        and (mix := shifts.get(Scored(prompt, "mix", "train"))) is not None
        and not (np.isnan(fixed).all() or np.isnan(mix).all())
    }
    if not pairs:
        return Part([], [Skip("comparison of fixed prefixes with mixes", "no prompt was scored with both")])
    both = np.stack([np.stack(pair) for pair in pairs.values()])  # prompts × (fixed, mix) × examples
    complete = np.isfinite(both).all(axis=(0, 1))
    fixed, mix = both[:, 0, complete], both[:, 1, complete]
    counts: Row = {"n": int(complete.sum()), "n_nan": int((~complete).sum())}
    rows: list[Row] = []
    for view in VIEWS:
        table = fixed_mix_table(fixed, mix, view)
        for name in FixedMix._fields:
            values = [float(getattr(one, name)) for one in table]
            flag = is_constant(np.abs(values))
            rows += [
                {
                    "prompt": prompt,
                    "family": family_of[prompt],
                    "view": view,
                    "heuristic": name,
                    "value": value,
                    "constant": flag,
                    **counts,
                }
                for prompt, value in zip(pairs, values, strict=True)
            ]
    return Part(rows, [])


def study_heuristics(study: Study, shown: pd.DataFrame, suppression: list[Row], resampler: Resampler) -> Part:
    """Judge the heuristics of a study by both protocols, for each learning rate, at the last step.

    All seeds pooled; where there are several, each of them too.

    Args:
        study: The study.
        shown: Values of `heuristic_frame`.
        suppression: Rows of `suppression`.
        resampler: Source of draws and permutations.
    """
    last = [row for row in suppression if row["step"] == total_steps(study)]
    if not last:
        return Part([], [Skip("heuristics against suppression", "no run was compared with a control at the last step")])
    if shown.empty:
        return Part([], [Skip("heuristics against suppression", "no prompt has a predictor or a log-probability")])
    keys = [str(name) for name in shown.columns if str(name).startswith("H")]
    rows: list[Row] = []
    skipped: list[Skip] = []
    for rate, seed in _families(last):
        outcome = {
            (str(row["prompt"]), str(row["trait"]), str(row["prefix"])): float(str(row["suppression"]))
            for row in last
            if (row["learning_rate"], row["seed"]) == (rate, seed)
        }
        places = zip(shown["prompt"], shown["trait"], shown["prefix"], strict=True)
        frame = shown.assign(suppression=[outcome.get(place, NAN) for place in places])
        where = f"learning rate {rate:g}" + ("" if seed == ALL else f", seed {seed}")
        for protocol in PROTOCOLS:
            pooled = protocol == "published" and set(COMBINED) <= set(keys)
            values = frame.assign(H7=combined(frame)) if pooled else frame
            judged, missing = judge_heuristics(Values(values, keys, []), protocol, resampler)
            rows += [{**row, "learning_rate": rate, "seed": seed} for row in judged]
            skipped += [Skip(f"{skip.what} ({where})", skip.why) for skip in missing]
    return Part(with_q(rows), skipped)


def _families(suppression: list[Row]) -> list[tuple[float, str]]:
    """Learning rates, each with all seeds pooled and, if it has several, with each of them."""
    found = dict.fromkeys((float(str(row["learning_rate"])), str(row["seed"])) for row in suppression)
    seeds = Counter(rate for rate, _ in found)
    return [(rate, seed) for rate, seed in found if seed == ALL or seeds[rate] > 2]


def heuristic_frame(study: Study, logprobs: Sequence[Path], grams: Grams, predictors: list[Row]) -> pd.DataFrame:
    """One row for each prompt, trait and prefix, with every heuristic that needs no embedding.

    Args:
        study: The study.
        logprobs: All shards of the token table.
        grams: Gram matrices by level and prefix.
        predictors: Rows of `predictors`.

    Returns:
        Columns experiment, prompt, family, trait, role, prefix, and one for each heuristic; NaN where it is not known.
    """
    family_of = families(study)
    known = {
        (str(row["prompt"]), str(row["predictor"]), str(row["trait"])): float(str(row["value"]))
        for row in predictors
        if row["prefix"] == "fixed"
    }
    tokens = _per_token(logprobs, grams)
    whole = _second_axes(logprobs, grams)
    rows: list[Row] = []
    for trait in traits(study):
        sign = 1.0 if study.traits[trait].role == "unwanted" else -1.0
        axis = {key: _trait_axis(grams.get((level, "fixed")), family_of, trait) for key, level in _TRAIT_AXES.items()}
        for prompt, family in family_of.items():
            fixed = tokens.get("fixed", {}).get(prompt)
            strength = known.get((prompt, "ph", ALL), NAN)
            shared: Row = {
                "experiment": study.name,
                "prompt": prompt,
                "family": family,
                "trait": trait,
                "role": "negative" if sign > 0 else "positive",
                "H1": known.get((prompt, "elicitation", trait), NAN),
                "H2": strength,
                **{key: values.get(prompt, NAN) for key, values in axis.items()},
                **{key: sign * values.get(prompt, NAN) for key, values in whole.items()},
                **_named(_OF_FIXED, fixed),
                "HB4": strength * fixed.hb1 if fixed else NAN,
            }
            for prefix in study.scoring.prefixes:
                own = tokens.get(prefix, {}).get(prompt)
                rows.append({**shared, "prefix": prefix, **_named(_OWN_PREFIX, own)})
    return pd.DataFrame(rows)


_TRAIT_AXES: dict[str, Level] = {"H3": "point", "H4": "token"}


def _named(names: Mapping[str, str], found: TokenHeuristics | None) -> dict[str, float]:
    return {key: float(getattr(found, name)) if found else NAN for key, name in names.items()}


def _per_token(logprobs: Sequence[Path], grams: Grams) -> PerToken:
    found: PerToken = {}
    for (level, prefix), gram in grams.items():
        if level == "token":
            values = token_heuristics(open_tokens(logprobs, gram.prompts, prefix))
            found[prefix] = dict(zip(gram.prompts, values, strict=True))
    return found


def _second_axes(logprobs: Sequence[Path], grams: Grams) -> dict[str, dict[str, float]]:
    """Second coordinates by token over all prompts: of the singular vectors (H9b), of scaled components (H10)."""
    gram = grams.get(("token", "fixed"))
    if gram is None or len(gram.prompts) < 3:
        return {"H9b": {}, "H10": {}}
    scaled = token_gram(open_tokens(logprobs, gram.prompts, "fixed"), scaled=True)._replace(means=gram.means)
    found = {"H9b": axes_of(gram, "svd", 2), "H10": axes_of(scaled, "pca", 2)}
    return {key: _by_prompt(gram.prompts, axes.scores[:, 1]) for key, axes in found.items()}


def _by_prompt(prompts: Iterable[str], values: np.ndarray) -> dict[str, float]:
    return {prompt: float(value) for prompt, value in zip(prompts, values, strict=True)}


def _trait_axis(gram: Gram | None, family_of: Mapping[str, str], trait: str) -> dict[str, float]:
    """Scores on the first singular vector of the trait's own and the neutral prompts, uncentred.

    The family's mean is not below that of the neutral prompts. Empty without prompts of the family.
    """
    if gram is None:
        return {}
    chosen = [place for place, prompt in enumerate(gram.prompts) if family_of[prompt] in (trait, NEUTRAL)]
    prompts = [gram.prompts[place] for place in chosen]
    own = np.array([family_of[prompt] == trait for prompt in prompts])
    if len(chosen) < 2 or not own.any():
        return {}
    first = decompose_gram(gram.whole[np.ix_(chosen, chosen)], "svd", 1).scores[:, 0]
    above = first[own].mean() - (first[~own].mean() if not own.all() else 0.0)
    return _by_prompt(prompts, first if above >= 0 else -first)
