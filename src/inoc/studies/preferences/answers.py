"""From probabilities and sampled answers to the rows that the analysis reads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from inoc.stats.means import NAN, Floats
from inoc.studies.preferences.asked import Asked
from inoc.studies.preferences.draws import drawn
from inoc.studies.preferences.inputs import COMPARISONS, RANKINGS, RATINGS, Category
from inoc.studies.preferences.parsing import FAILED, Read, is_refusal, read_answer, read_ranking, said
from inoc.studies.preferences.roles import role, template_of
from inoc.studies.preferences.study import Format, Study
from inoc.studies.preferences.templates import Template, points_of
from inoc.studies.preferences.wording import labels_of

Shares = Mapping[str, Sequence[float]]
"""Id of a question → probability of each answer, then of a refusal; NaN where it was not measured."""


class Given(NamedTuple):
    """One answer to a question, whatever way it was had."""

    asked: Asked
    seed: int
    sample: int
    category: Category
    label: str  # empty unless answered
    shares: tuple[float, ...] = ()  # of the labels; empty if sampled
    p_refused: float = NAN


class Sampled(NamedTuple):
    """A sampled answer."""

    text: str
    finish: str
    judged: str = ""  # label or category that a judge reads in it; empty without one


def exact_answers(study: Study, asked: Sequence[Asked], shares: Shares) -> list[Given]:
    """Answers drawn from exact probabilities: as many as the study has seeds and samples.

    Args:
        study: The study.
        asked: Questions whose probabilities were measured.
        shares: Their probabilities.
    """
    found: list[Given] = []
    by_width: dict[int, list[Asked]] = {}
    for one in asked:
        by_width.setdefault(len(shares[one.id]), []).append(one)
    for own in by_width.values():
        table_NK = np.array([shares[one.id] for one in own], dtype=np.float64)
        rest_N = np.maximum(0.0, 1.0 - table_NK.sum(axis=1))
        whole_NK = np.column_stack([table_NK, rest_N])
        for seed in study.seeds:
            for sample in range(study.samples):
                chosen_N = drawn(whole_NK, [f"{one.id}|r{seed}#{sample}" for one in own])
                found += [
                    _drawn(study, one, seed, sample, int(at), row)
                    for one, at, row in zip(own, chosen_N, table_NK, strict=True)
                ]
    return found


def _drawn(study: Study, one: Asked, seed: int, sample: int, at: int, shares_K: Floats) -> Given:
    labels = labels_of(template_of(study.instruments[one.instrument]), len(one.tasks))
    p_labels, p_refused = tuple(float(p) for p in shares_K[:-1]), float(shares_K[-1])
    if at < 0:
        return Given(one, seed, sample, "failed", "", p_labels, p_refused)
    category: Category = "answered" if at < len(labels) else "refused" if at == len(labels) else "unclear"
    return Given(one, seed, sample, category, labels[at] if at < len(labels) else "", p_labels, p_refused)


def sampled_answers(study: Study, asked: Sequence[Asked], answers: Mapping[tuple[str, int], Sampled]) -> list[Given]:
    """Sampled answers, read.

    Args:
        study: The study.
        asked: Questions of ratings and choices.
        answers: Id and sample → answer.
    """
    found = []
    for one in asked:
        given = study.instruments[one.instrument]
        labels = labels_of(template_of(given), len(one.tasks))
        for sample in range(study.samples):
            answer = answers[one.id, sample]
            read = FAILED if _unended(study, one, answer) else read_sampled(answer, labels, given.format)
            found.append(Given(one, one.seed, sample, read.category, read.label))
    return found


def _unended(study: Study, one: Asked, answer: Sampled) -> bool:
    """Whether the tokens of a model that thinks ended before its reasoning, so that there is no answer.

    A template may begin the reasoning itself, which then has no tag at its beginning.
    """
    rater = role(study, one.rater)
    return answer.finish == "length" and rater.spec.thinking == "on" and not rater.api and "</think" not in answer.text


def read_sampled(answer: Sampled, labels: Sequence[str], form: Format) -> Read:
    """An answer by the rules, and by the judge where they find it unclear."""
    if answer.finish == "refused":
        return Read("refused")
    read = read_answer(answer.text, labels, form)
    if read.category != "unclear" or not answer.judged:
        return read
    if answer.judged in labels:
        return Read("answered", answer.judged, "judge")
    return Read("refused" if answer.judged == "refused" else "unclear")


def rating_rows(study: Study, given: Sequence[Given], origins: Mapping[str, str]) -> pd.DataFrame:
    """Rows of `inputs.RATINGS`, anchors among them."""
    scales = {key: _scale(template_of(one)) for key, one in study.instruments.items()}
    rows = []
    for one in given:
        asked, scale = one.asked, scales[one.asked.instrument]
        mass = sum(one.shares) if one.shares else NAN
        expected = (
            sum(p * scale.values[label] for p, label in zip(one.shares, scale.values, strict=True)) / mass
            if mass > 0
            else NAN
        )
        rows.append(
            (
                *_who(study, asked, origins),
                one.seed,
                one.sample,
                asked.context_completion,
                asked.context_measurement,
                one.label,
                scale.values[one.label] if one.category == "answered" else NAN,
                one.category,
                expected,
                mass,
                one.p_refused,
                len(scale.values),
                scale.lowest,
                scale.highest,
                "ok",
            )
        )
    return pd.DataFrame(rows, columns=RATINGS.names)


def _who(study: Study, asked: Asked, origins: Mapping[str, str]) -> tuple[object, ...]:
    task = asked.tasks[0]
    when = study.instruments[asked.instrument].when
    return (
        asked.rater,
        asked.completer,
        asked.instrument,
        task,
        origins.get(task, ""),
        when,
        asked.completion_seed,
    )


class _Scale(NamedTuple):
    values: dict[str, float]  # label → oriented value
    lowest: float
    highest: float


def _scale(template: Template) -> _Scale:
    values = {point.label: point.oriented for point in points_of(template)}
    return _Scale(values, min(values.values(), default=NAN), max(values.values(), default=NAN))


def comparison_rows(study: Study, given: Sequence[Given], origins: Mapping[str, str]) -> pd.DataFrame:
    """Rows of `inputs.COMPARISONS`, anchors among them."""
    rows = []
    for one in given:
        asked = one.asked
        first, second = asked.tasks
        mass = sum(one.shares) if one.shares else NAN
        rows.append(
            (
                asked.rater,
                asked.completer,
                asked.instrument,
                " | ".join(sorted(asked.tasks)),
                first,
                second,
                origins.get(first, ""),
                origins.get(second, ""),
                study.instruments[asked.instrument].when,
                asked.completion_seed,
                one.seed,
                one.sample,
                asked.round,
                "ab" if first <= second else "ba",
                one.label.lower(),
                one.category,
                one.shares[0] / mass if mass > 0 else NAN,
                mass,
                one.p_refused,
                "ok",
            )
        )
    return pd.DataFrame(rows, columns=COMPARISONS.names)


def ranking_rows(
    study: Study,
    asked: Sequence[Asked],
    answers: Mapping[tuple[str, int], Sampled],
    origins: Mapping[str, str],
) -> pd.DataFrame:
    """Rows of `inputs.RANKINGS`, one for each task of each group, anchors among them."""
    rows = []
    for one in asked:
        given = study.instruments[one.instrument]
        labels = labels_of(template_of(given), len(one.tasks))
        for sample in range(study.samples):
            answer = answers[one.id, sample]
            category, order = _order_of(study, one, answer, labels, given.format)
            place = {label: at for at, label in enumerate(order)}
            rows += [
                (
                    one.rater,
                    one.completer,
                    one.instrument,
                    one.group or " | ".join(one.tasks),
                    task,
                    origins.get(task, ""),
                    shown,
                    place.get(label, -1),
                    one.seed,
                    sample,
                    category,
                    "ok",
                )
                for shown, (task, label) in enumerate(zip(one.tasks, labels, strict=True))
            ]
    return pd.DataFrame(rows, columns=RANKINGS.names)


def _order_of(
    study: Study, one: Asked, answer: Sampled, labels: Sequence[str], form: Format
) -> tuple[Category, tuple[str, ...]]:
    if answer.finish == "refused":
        return "refused", ()
    return ("failed", ()) if _unended(study, one, answer) else read_ranking(answer.text, labels, form)


def open_rows(
    study: Study,
    asked: Sequence[Asked],
    answers: Mapping[tuple[str, int], Sampled],
    tones: Mapping[tuple[str, int], float],
    origins: Mapping[str, str],
) -> pd.DataFrame:
    """Rows of `inputs.RATINGS` of answers in words: the tone from -1 to 1.

    Args:
        study: The study.
        asked: Open questions.
        answers: Id and sample → answer.
        tones: Id and sample → score of the judge, 0 to 100; NaN or absent if it could not tell.
        origins: Task → origin.
    """
    rows = []
    for one in asked:
        for sample in range(study.samples):
            answer, tone = answers[one.id, sample], tones.get((one.id, sample), NAN)
            category: Category = "answered"
            if not said(answer.text) or _unended(study, one, answer):
                category = "refused" if answer.finish == "refused" else "failed"
            elif is_refusal(answer.text):
                category = "refused"
            elif math.isnan(tone):
                category = "unclear"
            value = tone / 50 - 1 if category == "answered" else NAN
            contexts = one.context_completion, one.context_measurement
            measured = (NAN, NAN, NAN, 0, -1.0, 1.0, "ok")
            rows.append((*_who(study, one, origins), one.seed, sample, *contexts, "", value, category, *measured))
    return pd.DataFrame(rows, columns=RATINGS.names)
