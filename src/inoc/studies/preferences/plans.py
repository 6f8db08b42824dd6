"""Plans: what the stages are to do for a study of preferences, in their own plain values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from inoc.choose.api import ApiPlan as ApiChoosePlan
from inoc.choose.plan import Plan as ChoosePlan
from inoc.choose.tables import Measured as Blocks
from inoc.config.models import Sampling, WorldSpec
from inoc.config.workflow import Shards
from inoc.engines.candidates import candidate
from inoc.errors import ConfigError
from inoc.jobs.job import Job
from inoc.jobs.series import Series
from inoc.sample.answers import Question, answers_plan
from inoc.sample.api import ApiPlan
from inoc.sample.step import Plan as SamplePlan
from inoc.studies.preferences.answers import comparison_rows, exact_answers, sampled_answers
from inoc.studies.preferences.asked import Asked, asked_of
from inoc.studies.preferences.parts import is_asked_in, part_files, questions_of
from inoc.studies.preferences.results import blocks_shares, sampled_of, unclear
from inoc.studies.preferences.roles import in_shard, method_of, raters, role, template_of
from inoc.studies.preferences.selecting import Steps, tracks
from inoc.studies.preferences.study import Instrument, Study
from inoc.studies.preferences.tasks import Task, tasks_of
from inoc.studies.preferences.texts import Texts, texts_of, to_complete
from inoc.studies.preferences.wording import REFUSED, candidates
from inoc.studies.shared.world import spec_of

if TYPE_CHECKING:
    from inoc.analyse.step import Plan as AnalysePlan
    from inoc.figures.step import Plan as FiguresPlan
    from inoc.judge.step import Plan as JudgePlan
    from inoc.report.contents import Contents
    from inoc.world.step import Taught

Answers = SamplePlan | ApiPlan
Choices = ChoosePlan | ApiChoosePlan


def world(study: Study, job: Job, shards: Shards) -> WorldSpec | Taught:
    """The miniature world, with questions and answers by which the model learns the planted preferences.

    Raises:
        ConfigError: If the study has none.
    """
    spec = spec_of(study, study.world)
    if study.planted is None:
        return spec
    from inoc.studies.preferences.planted import documents
    from inoc.world.step import Taught

    return Taught(spec, documents(study))


def in_turn(plans: Iterable[Answers], place: Path) -> Series[Answers, pd.DataFrame]:
    """Plans of the stage `sample` that do not depend on one another."""
    listed = list(plans)
    return Series(lambda found: listed[len(found)] if len(found) < len(listed) else None, place)


def sample(study: Study, job: Job, shards: Shards) -> Series[Answers, pd.DataFrame]:
    """The plan of a part: completions, answers, open answers, or those of an active selection."""
    tasks = tasks_of(study)
    place = job.paths.part("sample", job.part, job.shard) / "answers.parquet"
    mine, kind = _asked_by(study, job, shards), questions_of(job.part)
    if kind == "completions":
        return in_turn(_completion_plans(study, job, tasks, mine), place)
    texts = texts_of(study, tasks, job.paths, shards)
    if kind == "selected":
        chosen = [track for key in mine for track in tracks(study, key, "sample")]
        origins = {task.id: task.origin for task in tasks}

        def rows(asked: Sequence[Asked], found: pd.DataFrame) -> pd.DataFrame:
            return comparison_rows(study, sampled_answers(study, asked, sampled_of(found)), origins)

        return Series(Steps(study, tasks, chosen, partial(_sample_plan, study, job, texts), rows), place)
    asked = [asked_of(study, tasks, instrument, rater) for rater in mine for instrument in sampled(study, rater, kind)]
    return in_turn((_sample_plan(study, job, texts, own) for own in asked if own), place)


def _asked_by(study: Study, job: Job, shards: Shards) -> list[str]:
    """The models that a job asks."""
    n = shards.get(job.stage, 1)
    return [key for key in study.models if in_shard(key, job.shard, n) and is_asked_in(study, key, job.part)]


def sampled(study: Study, rater: str, kind: str) -> list[str]:
    """Instruments that a rater is asked by sampling, of a kind of questions: open ones, or all others."""
    return [
        key
        for key, given in study.instruments.items()
        if rater in raters(study, key) and method_of(study, key, rater) == "sample"
        if (template_of(given).kind == "open") == (kind == "open")
    ]


def chosen(study: Study, rater: str) -> list[str]:
    """Instruments that a rater is asked by exact probabilities."""
    return [
        key for key in study.instruments if rater in raters(study, key) and method_of(study, key, rater) == "choose"
    ]


def _completion_plans(study: Study, job: Job, tasks: Sequence[Task], mine: Sequence[str]) -> Iterator[Answers]:
    sampling = study.completions.sampling
    for key in mine:
        asked = to_complete(study, tasks, key)
        if not asked:
            continue
        one = role(study, key)
        if one.api:
            yield ApiPlan(one.api, [what.id for what, _ in asked], [chat for _, chat in asked], _once(sampling, 1))
            continue
        # One task and seed draws the same numbers under every context, so that contexts differ by nothing else.
        questions = [
            Question(what.id, chat, identity=f"{what.task}|{what.seed}", group=what.task) for what, chat in asked
        ]
        yield answers_plan(job.model(one.spec), questions, _once(sampling, 1), Path())


def _once(sampling: Sampling, n: int) -> Sampling:
    return sampling.model_copy(update={"n": n})


def _by_group(asked: Sequence[Asked]) -> list[Asked]:
    """Questions of one instrument about the same tasks one after the other, in an order that others do not change."""
    groups: dict[tuple[str, str], list[Asked]] = {}
    for one in asked:
        groups.setdefault((one.instrument, one.about), []).append(one)
    return [one for own in groups.values() for one in sorted(own, key=lambda each: each.id)]


def _sample_plan(study: Study, job: Job, texts: Texts, asked: Sequence[Asked]) -> Answers:
    """Questions of one instrument to one rater."""
    one, asked = role(study, asked[0].rater), _by_group(asked)
    sampling = _once(study.instruments[asked[0].instrument].sampling, study.samples)
    chats = [texts.chat(each) for each in asked]
    if one.api:
        return ApiPlan(one.api, [each.id for each in asked], chats, sampling)
    questions = [Question(each.id, chat, group=each.about) for each, chat in zip(asked, chats, strict=True)]
    return answers_plan(job.model(one.spec), questions, sampling, Path())


def choose(study: Study, job: Job, shards: Shards) -> Series[Choices, list[Blocks]]:
    """The plan of a part: answers, those of an active selection, or what a judge reads in sampled answers."""
    tasks = tasks_of(study)
    mine, kind = _asked_by(study, job, shards), questions_of(job.part)
    folder = job.paths.part("choose", job.part, job.shard)
    if kind == "parsed":
        listed: list[Choices] = [_judged(study, job, tasks, shards, folder)] if job.shard == 0 else []
    else:
        texts = texts_of(study, tasks, job.paths, shards)
        plan = partial(_choose_plan, study, job, texts, folder)
        if kind == "selected":
            found_tracks = [track for key in mine for track in tracks(study, key, "choose")]
            origins = {task.id: task.origin for task in tasks}

            def rows(asked: Sequence[Asked], found: list[Blocks]) -> pd.DataFrame:
                return comparison_rows(study, exact_answers(study, asked, blocks_shares(found)), origins)

            return Series(Steps(study, tasks, found_tracks, plan, rows), folder)
        asked = [[one for key in chosen(study, rater) for one in asked_of(study, tasks, key, rater)] for rater in mine]
        listed = [plan(own) for own in asked if own]
    return Series(lambda found: listed[len(found)] if len(found) < len(listed) else None, folder)


def _choose_plan(study: Study, job: Job, texts: Texts, folder: Path, asked: Sequence[Asked]) -> Choices:
    """Questions to one rater."""
    one, asked = role(study, asked[0].rater), _by_group(asked)
    answers = {key: candidates(template_of(given), given.format) for key, given in _closed(study)}
    ids, chats = [each.id for each in asked], [texts.chat(each) for each in asked]
    own = [answers[each.instrument] for each in asked]
    if one.api:
        return ApiChoosePlan(one.api, ids, chats, own, folder)
    return ChoosePlan(
        study=study.name,
        model=job.model(one.spec),
        ids=ids,
        chats=chats,
        folder=folder,
        candidates=own,
        groups=[f"{each.instrument}|{each.about}" for each in asked],
        together=True,
    )


def _closed(study: Study) -> Iterator[tuple[str, Instrument]]:
    for key, given in study.instruments.items():
        if template_of(given).kind in ("rating", "choice"):
            yield key, given


def _judged(study: Study, job: Job, tasks: Sequence[Task], shards: Shards, folder: Path) -> ApiChoosePlan:
    """Sampled answers that no rule can read, with the labels that a judge may read in them."""
    from inoc.chat.messages import Chat

    texts = texts_of(study, tasks, job.paths, shards)
    ids, chats, answers = [], [], []
    for one, sample, text, labels in unclear(study, job.paths, tasks, shards):
        asked = texts.chat(one)
        ids.append(f"{one.id}#{sample}")
        chats.append(Chat(study.model.system, JUDGE.format(question=asked.user, answer=text, labels=", ".join(labels))))
        answers.append((*(candidate(label) for label in labels), candidate(REFUSED), candidate("unclear")))
    return ApiChoosePlan(study.parsing.judge or "", ids, chats, answers, folder, 0.0)


JUDGE = (
    "Somebody was asked a question and gave an answer. Which of the allowed answers do they mean?\n\n"
    "Question:\n{question}\n\nAnswer:\n{answer}\n\n"
    "Say one of these and nothing else: {labels}; refused, if they decline to answer; unclear, if you cannot tell."
)


def judge(study: Study, job: Job, shards: Shards) -> JudgePlan:
    """The refusals of completions, or the tone of open answers."""
    from inoc.judge.step import ANSWER_SCORES, Plan

    spec = study.parsing.refusal if job.part == "completions" else study.parsing.tone
    if spec is None:
        msg = f"study {study.name} has no judge of its {job.part}; set one in the section `parsing`"
        raise ConfigError(msg)
    files = part_files(study, job.paths, "sample", job.part, "answers.parquet", shards)
    return Plan({job.part: spec}, files, job.paths.scores(job.part), ANSWER_SCORES)


def analyse(study: Study, job: Job, shards: Shards) -> AnalysePlan:
    """Every table of `analyse.names.TABLES`."""
    from inoc.analyse.step import Plan
    from inoc.studies.preferences.analyse.step import analyse as compute

    return Plan(partial(compute, job.paths, study, shards))


def figures(study: Study, job: Job, shards: Shards) -> FiguresPlan[Study]:
    """The figures that apply to the study."""
    from inoc.figures.step import Plan
    from inoc.studies.preferences.figures.entries import ENTRIES

    return Plan(study, ENTRIES)


def report(study: Study, job: Job, shards: Shards) -> Contents:
    """Contents of the study's report page."""
    from inoc.studies.preferences.sections import contents

    return contents(study, job.paths)
