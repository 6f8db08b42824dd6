"""Positions of prompts in the space of a sentence encoder, and the heuristics that follow from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from inoc.embed.step import unit_vectors
from inoc.stats.bootstrap import Resampler, spread
from inoc.stats.components import principal_components
from inoc.stats.means import NAN, Estimate, Floats, mean_interval
from inoc.studies.inoculation.analyse.columns import INTERVAL
from inoc.studies.inoculation.analyse.geometry import NEUTRAL, Group, prompt_groups
from inoc.studies.inoculation.analyse.predictors import N_COMPONENTS
from inoc.studies.inoculation.analyse.rows import Row, Skip, families, interval
from inoc.studies.inoculation.study import Study
from inoc.tables import STRING

EMBEDDING_STATISTICS = pa.schema(
    [
        ("prompt", STRING),
        ("family", STRING),
        ("statistic", STRING),  # see `inoc.studies.inoculation.analyse.embeddings`
        *INTERVAL,  # lo and hi over rephrasings, for their mean and standard deviation; n counts texts
    ]
)
"""`embeddings`. Key: prompt, statistic. Empty if the study embeds nothing."""

TABLES = {"embeddings": EMBEDDING_STATISTICS}


LEVEL, PREFIX, METHOD = "embedding", "none", "pca"
DISTANCE, DEVIATION = "emb_dist_from_neutral", "emb_rephrase_std_cos"
COSINES: dict[Group, str] = {"negative": "emb_cos_to_negative_trait", "positive": "emb_cos_to_positive_trait"}
NEEDS_EMBEDDINGS = ("H5", "H6", "H7", "H9a")


class Embedded(NamedTuple):
    """Rows of `embeddings`, and the embeddings' own of `components` and `coordinates`."""

    rows: list[Row]
    components: list[Row]
    coordinates: list[Row]
    skipped: list[Skip]


def embeddings(study: Study, table: pd.DataFrame | None, resampler: Resampler) -> Embedded:
    """Statistics of every prompt's embedding and of its rephrasings'.

    All vectors have length 1. With e the prompt's: `emb_rephrase_mean_cos`, `…_std_cos` (ddof 1) and `…_min_cos` of
    the cosines of e and each rephrasing; `emb_rephrase_eff_rank`, the exponential of the entropy of the shares of
    the singular values of the centred rephrasings; `emb_dist_from_neutral`, the Euclidean distance of e from the
    neutral prompts' mean, that mean brought to length 1; `emb_cos_to_negative_trait` and `…_positive_trait`, the
    cosine of e and the mean of all prompts of unwanted and of wanted traits. A prompt is part of its own group's mean.

    Args:
        study: The study.
        table: As `embed` writes it; None if nothing was embedded.
        resampler: Source of the draws, which are of rephrasings.
    """
    if table is None:
        return Embedded([], [], [], [Skip("embeddings of prompts", "the study has no section `embedding`")])
    known = {str(row["prompt"]): row for row in table.to_dict("records")}
    family_of = {prompt: family for prompt, family in families(study).items() if prompt in known}
    if not family_of:
        return Embedded([], [], [], [Skip("embeddings of prompts", "no prompt was embedded")])
    unit_ND = unit_vectors(np.stack([known[prompt]["vector"] for prompt in family_of]))
    places = _places(study, list(family_of), unit_ND)
    rows: list[Row] = []
    for index, (prompt, family) in enumerate(family_of.items()):
        cosines = np.asarray(known[prompt]["cosines"], dtype=np.float64)
        found = dict(_of_rephrasings(cosines, float(known[prompt]["effective_rank"]), resampler))
        found |= {name: _alone(values[index], 1) for name, values in places.items()}
        rows += [
            {"prompt": prompt, "family": family, "statistic": name, **interval(estimate)}
            for name, estimate in found.items()
        ]
    skipped = [Skip(name, "the study has no prompts of that group") for name in _absent(study)]
    components, coordinates = _components(family_of, unit_ND, places.get(DISTANCE))
    return Embedded(rows, components, coordinates, skipped)


def _alone(value: float, n: int) -> Estimate:
    """A number of texts that are given, not sampled: it has no interval."""
    return Estimate(float(value), NAN, NAN, *((0, n) if np.isnan(value) else (n, 0)))


def _of_rephrasings(cosines: Floats, rank: float, resampler: Resampler) -> Iterator[tuple[str, Estimate]]:
    known = cosines[~np.isnan(cosines)]
    counts = (known.size, cosines.size - known.size)
    yield "emb_rephrase_mean_cos", mean_interval(cosines, resampler.confidence)
    yield DEVIATION, spread(cosines, resampler).sigma
    yield "emb_rephrase_min_cos", Estimate(float(known.min()) if known.size else NAN, NAN, NAN, *counts)
    yield "emb_rephrase_eff_rank", Estimate(rank, NAN, NAN, *counts)


def _absent(study: Study) -> list[str]:
    there = set(prompt_groups(study).values())
    named: dict[Group, str] = {"neutral": DISTANCE, **COSINES}
    return [name for group, name in named.items() if group not in there]


def _places(study: Study, prompts: list[str], unit_ND: Floats) -> dict[str, Floats]:
    """Statistic → value of each prompt, for comparisons of prompts with groups of prompts."""
    groups = prompt_groups(study)
    found: dict[str, Floats] = {}
    for group in dict.fromkeys(groups[prompt] for prompt in prompts):
        members = unit_ND[[groups[prompt] == group for prompt in prompts]]
        members = members[np.isfinite(members).all(axis=1)]
        mean = members.mean(axis=0, keepdims=True) if len(members) else np.full((1, unit_ND.shape[1]), NAN)
        centre = unit_vectors(mean)[0]
        if group == NEUTRAL:
            found[DISTANCE] = np.linalg.norm(unit_ND - centre, axis=1)
        else:
            found[COSINES[group]] = unit_ND @ centre
    return dict(sorted(found.items()))


def _components(family_of: Mapping[str, str], unit_ND: Floats, distance: Floats | None) -> tuple[list[Row], list[Row]]:
    complete = np.asarray(~np.isnan(unit_ND).any(axis=1))
    prompts = [prompt for prompt, keep in zip(family_of, complete, strict=True) if keep]
    if len(prompts) < 2:
        return [], []
    orient = np.full(len(prompts), NAN) if distance is None else distance[complete]
    found = principal_components(unit_ND[complete], N_COMPONENTS, orient)
    key: Row = {"level": LEVEL, "prefix": PREFIX, "method": METHOD}
    n = unit_ND.shape[1]
    components: list[Row] = [
        {
            **key,
            "component": c + 1,
            "n_prompts": len(prompts),
            "energy": float(share),
            **interval(Estimate(float(share), NAN, NAN, n, 0), "share"),
        }
        for c, share in enumerate(found.share)
    ]
    coordinates: list[Row] = [
        {
            **key,
            "prompt": prompt,
            "family": family_of[prompt],
            "component": c + 1,
            **interval(Estimate(float(score), NAN, NAN, n, 0)),
        }
        for prompt, scores in zip(prompts, found.scores, strict=True)
        for c, score in enumerate(scores)
    ]
    return components, coordinates


def with_embeddings(frame: pd.DataFrame, rows: list[Row]) -> tuple[pd.DataFrame, list[Skip]]:
    """Add H5, H6, H7 and H9a to a frame of heuristics.

    H9a, in rows of an unwanted trait, is the cosine to the prompts of wanted ones, and the other way round. H7 adds
    standardised heuristics: z is taken over the prompts of the row's trait and the neutral ones, for each trait and
    prefix by itself (ddof 1), and sees no outcome.

    Args:
        frame: One row for each prompt, trait and prefix, with `family`, `role`, H1 and H4.
        rows: Rows of `embeddings`.

    Returns:
        The frame with further columns, and what is not in it.
    """
    if frame.empty:
        return frame, []
    if not rows:
        return frame, [Skip(f"heuristic {key}", "it needs embeddings of the prompts") for key in NEEDS_EMBEDDINGS]
    known = {(str(row["prompt"]), str(row["statistic"])): float(str(row["value"])) for row in rows}
    statistics = {statistic for _, statistic in known}
    lacking: list[Skip] = []
    found = frame.assign(H6=[known.get((prompt, DEVIATION), NAN) for prompt in frame["prompt"]])
    if DISTANCE in statistics:
        found["H5"] = [known.get((prompt, DISTANCE), NAN) for prompt in frame["prompt"]]
        found["H7"] = _combined(found)
    else:
        lacking += [Skip(f"heuristic {key}", "it needs neutral prompts") for key in ("H5", "H7")]
    if statistics >= set(COSINES.values()):
        other = frame["role"].map({"negative": COSINES["positive"], "positive": COSINES["negative"]})
        found["H9a"] = [known.get(key, NAN) for key in zip(frame["prompt"], other, strict=True)]
    else:
        lacking.append(Skip("heuristic H9a", "it needs prompts of a wanted and of an unwanted trait"))
    return found, lacking


def _combined(frame: pd.DataFrame) -> Floats:
    """H7: z(H1) + z(H4) + z(H5), and − z(H6) in rows of the mix."""
    own = (frame["family"] == frame["trait"]) | (frame["family"] == NEUTRAL)
    blocks = frame.where(own)[["H1", "H4", "H5", "H6"]].groupby([frame["trait"], frame["prefix"]])
    z = (frame[["H1", "H4", "H5", "H6"]] - blocks.transform("mean")) / blocks.transform("std")
    total = (z["H1"] + z["H4"] + z["H5"]).to_numpy(dtype=np.float64)
    combined: Floats = np.where(frame["prefix"] == "mix", total - z["H6"].to_numpy(dtype=np.float64), total)
    return combined
