"""Tables of the classifier, which separates much from little suppression by the first components of the shifts."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

from inoc.stats.bootstrap import Resampler, percentile_bounds
from inoc.stats.classify import (
    N_FEATURES,
    REPEATS,
    Fitted,
    Interval,
    Split,
    fit_split,
    gram_features,
    of_one_split,
    over_splits,
    published_split,
    random_splits,
    roc_on,
)
from inoc.stats.means import NAN, Floats
from inoc.studies.inoculation.analyse.geometry import Gram, Level
from inoc.studies.inoculation.analyse.limits import FEWEST_TO_CLASSIFY
from inoc.studies.inoculation.analyse.rows import Row, Skip, traits
from inoc.studies.inoculation.study import Study
from inoc.tables import INDEX, NUMBER, STRING

_CLASSIFIER = [
    ("level", STRING),  # point or token
    ("prefix", STRING),
    ("trait", STRING),  # whose suppression is predicted
    ("learning_rate", NUMBER),
    ("pca_fit", STRING),  # inside: of the training half; all: of all prompts, as the earlier study did
]


def _measure(name: str) -> list[tuple[str, pa.DataType]]:
    return [(name + ending, NUMBER) for ending in ("", "_lo", "_hi", "_sd")]  # sd: over splits; NaN for one


CLASSIFIER = pa.schema(
    [
        *_CLASSIFIER,
        *_measure("auc"),  # of held-out prompts; mean over splits
        *_measure("accuracy"),
        *_measure("r2_out"),  # of suppression, against the mean of the training half
        ("n", INDEX),  # prompts
        ("n_nan", INDEX),  # prompts without suppression
        ("n_train", INDEX),
        ("n_eval", INDEX),
        ("repeats", INDEX),  # splits
        ("n_undefined", INDEX),  # splits without an AUC: one side of the threshold is empty
        *(
            (f"{kind}_pc{component}{ending}", NUMBER)  # log odds or points, per sd of the component
            for kind in ("logistic", "linear")
            for component in range(1, 5)
            for ending in ("", "_sd")
        ),
    ]
)
"""`classifier`. Key: level, prefix, trait, learning_rate, pca_fit."""

CLASSIFIER_PREDICTIONS = pa.schema(
    [
        *_CLASSIFIER,
        ("prompt", STRING),
        ("family", STRING),
        ("suppression", NUMBER),
        ("high", NUMBER),  # share of splits in which it suppresses more than the threshold
        *((name + ending, NUMBER) for name in ("probability", "predicted") for ending in ("", "_lo", "_hi")),
        ("n", INDEX),  # splits that held it out; lo and hi are their middle share
    ]
)
"""`classifier_predictions`. Key: level, prefix, trait, learning_rate, pca_fit, prompt."""

CLASSIFIER_ROC = pa.schema(
    [
        *_CLASSIFIER,
        ("false_rate", NUMBER),
        ("true_rate", NUMBER),  # mean over splits
        ("lo", NUMBER),  # middle share of the splits
        ("hi", NUMBER),
        ("n", INDEX),  # splits
    ]
)
"""`classifier_roc`. Key: level, prefix, trait, learning_rate, pca_fit, false_rate."""

TABLES = {"classifier": CLASSIFIER, "classifier_predictions": CLASSIFIER_PREDICTIONS, "classifier_roc": CLASSIFIER_ROC}


PcaFit = Literal["inside", "all"]
ROC_GRID: Floats = np.linspace(0, 1, 21)
COEFFICIENTS = tuple(f"{kind}_pc{c}" for kind in ("logistic", "linear") for c in range(1, N_FEATURES + 1))


class Task(NamedTuple):
    """Suppressions to be classified, and the components that are its inputs."""

    prompts: list[str]
    families: list[str]
    gram: Floats  # shape (prompts, prompts)
    means: Floats  # shape (prompts,)
    y: Floats  # suppression, points
    stratify: Floats  # suppression whose median the published split balances


class Classifier(NamedTuple):
    """Rows of the three tables, and what could not be computed."""

    classifier: list[Row]
    predictions: list[Row]
    roc: list[Row]
    skipped: list[Skip]


def classifier(
    study: Study, grams: Mapping[tuple[Level, str], Gram], outcomes: list[Row], resampler: Resampler
) -> Classifier:
    """Classify prompts by how much they suppress each trait, from the shifts by response and by token.

    Args:
        study: The study.
        grams: Gram matrices by level and prefix.
        outcomes: Rows of `outcomes`.
        resampler: Source of draws and splits.

    Returns:
        For `pca_fit` `inside`, components, scaling and threshold come from the training half of each of many random
        splits. For `all`, the earlier study's recipe: components and threshold from all prompts, the held-out ones
        included, and one split.
    """
    result = Classifier([], [], [], [])
    if not outcomes or not grams:
        return result
    if find_spec("sklearn") is None:
        why = "scikit-learn is not installed; `pip install 'inoc[figures]'`"
        return result._replace(skipped=[Skip("classifier of prompts", why)])
    known = {
        (str(row["prompt"]), str(row["prefix"]), str(row["trait"]), float(str(row["learning_rate"]))): row
        for row in outcomes
    }
    names = sorted(traits(study), key=lambda trait: study.traits[trait].role == "wanted")
    for rate in dict.fromkeys(key[3] for key in known):
        for (level, prefix), gram in grams.items():
            features: dict[tuple[str, ...], Floats] = {}
            for trait in names:
                key: Row = {"level": level, "prefix": prefix, "trait": trait, "learning_rate": rate}
                task = _task(known, gram, prefix, names[0], trait, rate)
                if len(task.prompts) < FEWEST_TO_CLASSIFY:
                    where = f"{level}, {prefix}, learning rate {rate:g}"
                    have = f"prompts with shifts and suppression; there are {len(task.prompts)}"
                    what = f"classifier of prompts by suppression of {trait} ({where})"
                    result.skipped.append(Skip(what, f"it needs {FEWEST_TO_CLASSIFY} {have}"))
                    continue
                _inside(result, key, task, len(gram.prompts), resampler, features)
                _published(result, key, task, len(gram.prompts), resampler)
    return result


def _task(
    known: Mapping[tuple[str, str, str, float], Row], gram: Gram, prefix: str, first: str, trait: str, rate: float
) -> Task:
    def suppression(prompt: str, of: str) -> float:
        row = known.get((prompt, prefix, of, rate))
        return NAN if row is None else float(str(row["suppression"]))

    places = [place for place, prompt in enumerate(gram.prompts) if np.isfinite(suppression(prompt, trait))]
    prompts = [gram.prompts[place] for place in places]
    return Task(
        prompts,
        [str(known[prompt, prefix, trait, rate]["family"]) for prompt in prompts],
        gram.whole[np.ix_(places, places)],
        gram.means[places],
        np.array([suppression(prompt, trait) for prompt in prompts]),
        np.array([suppression(prompt, first) for prompt in prompts]),
    )


def _inside(
    result: Classifier,
    key: Row,
    task: Task,
    n_prompts: int,
    resampler: Resampler,
    features: dict[tuple[str, ...], Floats],
) -> None:
    splits = random_splits(len(task.prompts), REPEATS, resampler.seed)
    whole = gram_features(task.gram, np.arange(len(task.prompts)), task.means)
    found: list[tuple[Split, Fitted]] = []
    for place, split in enumerate(splits):
        # Traits with the same prompts share the components of a split.
        name = (*task.prompts, str(place))
        if name not in features:
            features[name] = _turned(gram_features(task.gram, split.train, task.means), whole)
        fitted = fit_split(features[name], task.y, split)
        if fitted is not None:
            found.append((split, fitted))
    confidence = resampler.confidence
    fits = [fitted for _, fitted in found]
    measured = {
        "auc": over_splits(np.array([one.auc for one in fits]), confidence, 1.0, 0.0),
        "accuracy": over_splits(np.array([one.accuracy for one in fits]), confidence, 1.0, 0.0),
        "r2_out": over_splits(np.array([one.r2_out for one in fits]), confidence, 1.0),
    }
    _add(result, {**key, "pca_fit": "inside"}, task, n_prompts, found, measured, REPEATS, resampler)


def _turned(scores: Floats, towards: Floats) -> Floats:
    """Components with the signs that agree with those of all prompts, so that coefficients can be averaged."""
    agreement = (scores * towards[:, : scores.shape[1]]).sum(axis=0)
    return scores * np.where(agreement < 0, -1.0, 1.0)


def _published(result: Classifier, key: Row, task: Task, n_prompts: int, resampler: Resampler) -> None:
    if not np.isfinite(task.stratify).all():
        what = f"published classifier of {key['trait']} ({key['level']}, {key['prefix']})"
        result.skipped.append(Skip(what, "some of its prompts have no suppression of the unwanted trait"))
        return
    split = published_split(task.stratify > np.median(task.stratify))
    features = gram_features(task.gram, np.arange(len(task.prompts)), task.means)
    fitted = fit_split(features, task.y, split, float(np.median(task.y)))
    found = [] if fitted is None else [(split, fitted)]
    measured = dict.fromkeys(("auc", "accuracy", "r2_out"), Interval(NAN, NAN, NAN))
    if fitted is not None:
        one = of_one_split(fitted, task.y[split.held_out], float(task.y[split.train].mean()), resampler)
        measured = one._asdict()
    _add(result, {**key, "pca_fit": "all"}, task, n_prompts, found, measured, 1, resampler)


def _add(
    result: Classifier,
    key: Row,
    task: Task,
    n_prompts: int,
    found: list[tuple[Split, Fitted]],
    measured: Mapping[str, Interval],
    repeats: int,
    resampler: Resampler,
) -> None:
    n = len(task.prompts)
    row: Row = {**key, "n": n, "n_nan": n_prompts - n, "n_train": n // 2, "n_eval": n - n // 2, "repeats": repeats}
    row["n_undefined"] = repeats - sum(np.isfinite(one.auc) for _, one in found)
    for name, interval in measured.items():
        spread = np.array([getattr(one, name) for _, one in found])
        spread = spread[np.isfinite(spread)]
        row |= {name: interval.value, f"{name}_lo": interval.lo, f"{name}_hi": interval.hi}
        row[f"{name}_sd"] = float(spread.std(ddof=1)) if spread.size > 1 else NAN
    for name in COEFFICIENTS:
        kind, _, component = name.rpartition("_pc")
        values = np.array([getattr(one, kind)[int(component) - 1] for _, one in found])
        row[name] = float(values.mean()) if values.size else NAN
        row[f"{name}_sd"] = float(values.std(ddof=1)) if values.size > 1 else NAN
    result.classifier.append(row)
    result.predictions.extend(_prediction_rows(key, task, found, resampler))
    result.roc.extend(_roc_rows(key, found, resampler))


def _prediction_rows(key: Row, task: Task, found: list[tuple[Split, Fitted]], resampler: Resampler) -> list[Row]:
    rows: list[Row] = []
    for place, (prompt, family) in enumerate(zip(task.prompts, task.families, strict=True)):
        own = [
            (fit, int(np.flatnonzero(split.held_out == place)[0])) for split, fit in found if place in split.held_out
        ]
        row: Row = {**key, "prompt": prompt, "family": family, "n": len(own), "suppression": float(task.y[place])}
        row["high"] = float(np.mean([fit.high[at] for fit, at in own])) if own else NAN
        for name in ("probability", "predicted"):
            values = np.array([getattr(fit, name)[at] for fit, at in own])
            lo, hi = percentile_bounds(values, resampler.confidence) if values.size > 1 else (NAN, NAN)
            row |= {name: float(values.mean()) if values.size else NAN, f"{name}_lo": lo, f"{name}_hi": hi}
        rows.append(row)
    return rows


def _roc_rows(key: Row, found: list[tuple[Split, Fitted]], resampler: Resampler) -> list[Row]:
    curves = [curve for _, fit in found if np.isfinite(curve := roc_on(ROC_GRID, fit)).all()]
    rows: list[Row] = []
    for place, rate in enumerate(ROC_GRID):
        values = np.array([curve[place] for curve in curves])
        lo, hi = percentile_bounds(values, resampler.confidence) if values.size > 1 else (NAN, NAN)
        value = float(values.mean()) if values.size else NAN
        rows.append({**key, "false_rate": float(rate), "true_rate": value, "lo": lo, "hi": hi, "n": len(curves)})
    return rows
