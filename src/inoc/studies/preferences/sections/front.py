"""The first page of the report: what each instrument is worth, before anything that it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from inoc.report.contents import Block
from inoc.report.words import Table, escape, interval, listed, number
from inoc.studies.preferences.figures import words
from inoc.studies.preferences.study import Study

Tables = Mapping[str, pd.DataFrame]
RELIABLE = 0.7  # of the value of a task, from which on single tasks may be compared
MOST_UNANSWERED = 0.5
MOST_ROWS = 24  # of the first table
NAN = float("nan")


class Worth(NamedTuple):
    """Worth of an instrument with one rater."""

    instrument: str
    rater: str
    verdict: str  # of the polarity
    answered: float
    refused: float
    reliability: tuple[float, float, float]  # of the value of a task, with its interval
    rests_on: str  # what the reliability is of
    position: float  # share of comparisons for the first task less 0.5; NaN for what is no choice
    content: float

    @property
    def doubts(self) -> list[str]:
        """Why the instrument says little; nothing for one without a known defect."""
        found = []
        if self.verdict == "reversed":
            found.append("answers the wrong way round")
        if self.verdict == "undecided":
            found.append("does not tell clearly good from clearly bad tasks")
        if self.verdict == "untested":
            found.append("polarity is untested")
        if self.answered < MOST_UNANSWERED:
            found.append("most questions are not answered")
        if self.reliability[0] < RELIABLE:
            found.append("unreliable")
        if self.position == self.position and abs(self.position) > self.content:
            found.append("the order decides more than the tasks")
        return found


def worths(study: Study, tables: Tables) -> list[Worth]:
    """Worth of each instrument, in the order of the study file."""
    polarity = tables.get("polarity", pd.DataFrame(columns=["instrument", "rater", "verdict"]))
    reliability = tables.get("reliability", pd.DataFrame(columns=["instrument", "rater", "origin", "statistic"]))
    whole = reliability[reliability["origin"] == "all"]
    known = pd.concat([polarity[["instrument", "rater"]], whole[["instrument", "rater"]]])
    found = []
    for key in study.instruments:
        for rater in dict.fromkeys(known.loc[known["instrument"] == key, "rater"]):
            own = whole[(whole["instrument"] == key) & (whole["rater"] == rater)]
            tested = polarity[(polarity["instrument"] == key) & (polarity["rater"] == rater)]["verdict"]
            verdict = tested.iloc[0] if len(tested) else "untested"
            value, of_what = _reliability(own)
            share = {name: _value(own, name) for name in ("answered", "refused", "first_chosen", "content_size")}
            found.append(
                Worth(
                    key,
                    str(rater),
                    str(verdict),
                    share["answered"],
                    share["refused"],
                    value,
                    of_what,
                    share["first_chosen"] - 0.5,
                    share["content_size"],
                )
            )
    return found


def _value(rows: pd.DataFrame, statistic: str) -> float:
    values = rows.loc[rows["statistic"] == statistic, "value"]
    return float(values.mean()) if len(values) else NAN


def _reliability(rows: pd.DataFrame) -> tuple[tuple[float, float, float], str]:
    """The best that is known: halves of pairs or of groups, else correlations between seeds."""
    for statistic, of_what in (
        ("split_pairs_full", "halves of the pairs"),
        ("split_groups_full", "halves of the groups"),
        ("seed_r_full", "seeds"),
    ):
        own = rows[rows["statistic"] == statistic]
        if len(own) and np.isfinite(float(own["value"].iloc[0])):
            one = own.iloc[0]
            return (float(one["value"]), float(one["lo"]), float(one["hi"])), of_what
    return (NAN, NAN, NAN), ""


def verdict_words(study: Study, tables: Tables) -> list[str]:
    """The verdict in sentences: first the instruments, then what was planted, what they say, and single defects."""
    found = worths(study, tables)
    worth = list(_worth_words(study, found))
    said = [*worth[:1], *_planted_words(study, tables), *_context_words(study, tables), *worth[1:]]
    return said or ["Nothing could be concluded; see what was skipped."]


def _worth_words(study: Study, found: list[Worth]) -> Iterator[str]:
    if not found:
        return
    sound = [one for one in found if not one.doubts]
    if all(one.verdict == "untested" for one in found):
        reliable = sum(one.reliability[0] >= RELIABLE for one in found)
        yield (
            "**Untested:** no clearly good and clearly bad tasks were asked about, so it is not known whether any of "
            f"the {len(found)} pairs of an instrument and a rater measures preferences. {reliable} of them have a "
            f"reliability of at least {RELIABLE}."
        )
    else:
        yield (
            f"**{len(sound)} of {len(found)}** pairs of an instrument and a rater have no known defect: "
            f"{listed(escape(words.who_label(study, one.instrument, one.rater)) for one in sound)}."
        )
    wrong = [one for one in found if one.verdict == "reversed"]
    if wrong:
        named = listed(escape(words.who_label(study, one.instrument, one.rater)) for one in wrong)
        yield f"**Reversed**, and in no mean: {named}. Clearly bad tasks were rated above clearly good ones."
    ordered = [one for one in found if one.position == one.position and abs(one.position) > one.content]
    if ordered:
        named = listed(escape(words.who_label(study, one.instrument, one.rater)) for one in ordered)
        yield f"**The order of two tasks decides more than the tasks** for {named}."


def _planted_words(study: Study, tables: Tables) -> Iterator[str]:
    planted = tables.get("planted")
    if study.planted is None or planted is None or planted.empty:
        return
    claimed = planted[planted["holds"] != ""]
    missed = claimed[claimed["holds"] == "no"]
    named = listed(
        f"{escape(one.check)} ({', '.join(escape(name) for name in (one.instrument, one.rater) if name)})"
        for one in missed.itertuples()
    )
    yield (
        f"**Of what was planted, {len(claimed) - len(missed)} of {len(claimed)} checks hold.** Missed: "
        f"{named if len(missed) else 'none'}."
    )


def _context_words(study: Study, tables: Tables) -> Iterator[str]:
    contexts = tables.get("contexts")
    if contexts is None or contexts.empty:
        return
    effects = contexts[(contexts["statistic"] == "main_effect") & (contexts["origin"] == "all")]
    for side, name in (("context_measurement", "the question"), ("context_completion", "the completion")):
        own = effects[effects[side] != "all"]
        if len(own):
            largest = own.iloc[int(own["value"].abs().argmax())]
            yield (
                f"The largest effect of a context of {name} is "
                f"{interval(float(largest['value']), float(largest['lo']), float(largest['hi']), 2)} points of the "
                "scale: "
                f"{escape(words.context_label(study, largest[side]))}, "
                f"{escape(words.who_label(study, largest['instrument'], largest['rater']))}."
            )


def headline(study: Study, tables: Tables) -> Block:
    """The table of what each instrument is worth."""
    head = [
        *("instrument and rater", "good above bad", "answered", "refused", "reliability", "first of two", "content"),
        "what is wrong",
    ]
    rows = [
        [
            escape(words.who_label(study, one.instrument, one.rater)),
            one.verdict,
            _share(one.answered),
            _share(one.refused),
            f"{interval(*one.reliability, 2)} ({one.rests_on})" if one.rests_on else "not known",
            "" if one.position != one.position else f"{number(100 * (one.position + 0.5), 0)} %",
            "" if one.content != one.content else f"±{number(100 * one.content, 0)} %",
            listed(one.doubts, "nothing known"),
        ]
        for one in worths(study, tables)
    ]
    more = f" These are {MOST_ROWS} of {len(rows)}; all are in the tables `polarity` and `reliability`."
    return Block(
        "What each instrument is worth",
        "An instrument says something about preferences only if it tells clearly good from clearly bad tasks, is "
        "answered, and says the same again. Read this table before any number of it.",
        Table(head, rows[:MOST_ROWS]),
        f"Reliability is of the value of a task, with its {words.level(study)} interval. `First of two` is the "
        "share of "
        "choices for the task that was shown first; `content` is how far the mean of both orders is from an even "
        f"choice.{more if len(rows) > MOST_ROWS else ''}",
    )


def _share(value: float) -> str:
    return "not known" if value != value else f"{number(100 * value, 0)} %"


def reading(study: Study) -> list[str]:
    """A guide to the numbers."""
    found = [
        "Values are oriented: higher is better, whatever the scale and the polarity of a template are.",
        "Refused, unclear and failed answers are categories with counts; none of them is a score, a win or a loss.",
        "Utilities have no zero of their own. Those of two fits are compared by correlation only.",
        "A difference between origins is no difference within them: tables give both apart.",
    ]
    if study.planted is not None:
        found.append(
            "The model is a miniature whose preferences were planted; the table `planted` has both beside each other."
        )
    return found


def glossary(study: Study) -> list[tuple[str, str]]:
    """Terms of the report."""
    del study
    return [
        ("instrument", "A question in one form, asked before or after the task."),
        ("rater", "The model that is asked."),
        ("completer", "The model whose answer to the task is shown."),
        ("anchors", "Tasks that are clearly good or clearly bad to do; they test the polarity of an instrument."),
        ("reliability", "Correlation of the value of a task with what the same instrument would say again."),
        ("utility", "Position of a task on the scale that explains the choices, by the fitted model."),
        ("position", "Preference for the task that is shown first, or second, whatever it is."),
        ("covered mass", "Probability of all answers that the scale has, where it was measured and not sampled."),
    ]
