"""The work of each stage for a study of preferences, with the slice of settings that each depends on."""

from __future__ import annotations

from pathlib import Path

from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.jobs.work import FilesOf, Settings, SettingsOf, Work, drawn_and_reported, plain
from inoc.stages import load
from inoc.studies.preferences import KIND, analyse
from inoc.studies.preferences.inside_work import READ, probed, read_files
from inoc.studies.preferences.parts import API, has_part, part_files, questions_of
from inoc.studies.preferences.roles import anchors_of, context_turn, needed_completions, template_of
from inoc.studies.preferences.steering_parts import STEERING_PARTS
from inoc.studies.preferences.steering_work import STEERING, steering_inputs
from inoc.studies.preferences.study import NONE, Study
from inoc.studies.preferences.texts import completion_files
from inoc.studies.shared.world import settings, world_work

_PLANS = "inoc.studies.preferences.plans"
_FILES = ("tasks", "model.chat_template", "models")
_NOT_MEASURED = (
    *("kind", "name", "title", "description", "world"),
    *("fit", "selection", "parsing", "planted", "polarity", "reliability", "statistics"),
    *("probes", "concepts", "steering", "inside"),
)


def _world(study: Study, shard: int, shards: Shards) -> Settings:
    return {**settings(study, shard, shards), **_taught(study)}


def _measuring(study: Study, shard: int, shards: Shards) -> Settings:
    """All that the questions depend on: shipped texts are spelled out, so that another text is another question."""
    return {
        "study": plain(study, but=_NOT_MEASURED),
        "templates": {key: plain(template_of(given)) for key, given in study.instruments.items()},
        "anchors": {key: plain(anchors_of(study, key)) for key in study.instruments},
        "turns": {key: list(context_turn(study, key)) for key in study.contexts.turns},
    }


def _completions(study: Study) -> Settings:
    needed = needed_completions(study)
    return {
        "tasks": plain(study.tasks),
        "model": plain(study.model),
        "models": {key: plain(study.models[key], but=("label", "rates")) for key in dict(needed)},
        "needed": [list(one) for one in needed],
        "turns": {key: context_turn(study, key).text for _, key in needed if key != NONE},
        "completions": plain(study.completions),
    }


def _sample(part: str) -> SettingsOf:
    def settings(study: Study, shard: int, shards: Shards) -> Settings:
        if questions_of(part) == "completions":
            return _completions(study)
        selected = questions_of(part) == "selected"
        return {**_measuring(study, shard, shards), **(_selecting(study) if selected else {})}

    return settings


def _selecting(study: Study) -> Settings:
    return {"selection": plain(study.selection), "fit": plain(study.fit)}


def _choose(part: str) -> SettingsOf:
    def settings(study: Study, shard: int, shards: Shards) -> Settings:
        found = _measuring(study, shard, shards)
        # Exact probabilities are drawn from in the analysis, however often; in a selection, the draws choose.
        if questions_of(part) == "answers":
            return {**found, "study": plain(study, but=(*_NOT_MEASURED, "seeds", "samples"))}
        return (
            {**found, **_selecting(study)}
            if questions_of(part) == "selected"
            else {**found, "judge": study.parsing.judge}
        )

    return settings


def _judge(part: str) -> SettingsOf:
    def settings(study: Study, shard: int, shards: Shards) -> Settings:
        return {"judge": plain(study.parsing.refusal if part == "completions" else study.parsing.tone)}

    return settings


def _analyse(study: Study, shard: int, shards: Shards) -> Settings:
    return {**_measuring(study, shard, shards), "study": plain(study, but=("kind", "title", "description"))}


def _report(study: Study, shard: int, shards: Shards) -> Settings:
    return {"study": plain(study, but=("kind",))}


def _taught(study: Study) -> Settings:
    return {} if study.planted is None else {"planted": plain(study.planted), **_measuring(study, 0, {})}


def _own_outputs(stage: str, part: str) -> FilesOf:
    def outputs(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
        folder = paths.part(stage, part, shard)
        names = ("answers.parquet",) if stage == "sample" else ("choices.parquet", "candidates.parquet")
        return [folder / name for name in names]

    return outputs


def _completed(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    return completion_files(study, paths, shards)


def _to_parse(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    asked = part_files(study, paths, "sample", "answers", "answers.parquet", shards)
    return [*_completed(study, paths, shards, shard), *asked]


def _to_analyse(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    found = [
        path
        for stage, name in (("sample", "answers.parquet"), ("choose", "choices.parquet"))
        for kind in dict.fromkeys(map(questions_of, KIND.parts[stage]))
        if kind not in STEERING_PARTS
        for path in part_files(study, paths, stage, kind, name, shards)
    ]
    judged = [part for part in KIND.parts["judge"] if part not in STEERING_PARTS and has_part(study, "judge", part)]
    return [*found, *map(paths.scores, judged)]


def _to_probe(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    return [*read_files(study, paths, shards), *_to_analyse(study, paths, shards, shard)]


def _measured_and_probed(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    inside = [*probed(study, paths, shards, shard), *steering_inputs(study, paths, shards)]
    return list(dict.fromkeys([*_to_analyse(study, paths, shards, shard), *inside]))


def _probe(study: Study, shard: int, shards: Shards) -> Settings:
    left_out = ("kind", "title", "description", "world", "planted", "concepts", "steering")
    return {**_measuring(study, shard, shards), "study": plain(study, but=left_out)}


def _work(stage: str, part: str, settings: SettingsOf, inputs: FilesOf) -> Work:
    return Work(
        stage,
        settings,
        f"{_PLANS}:{stage}",
        _own_outputs(stage, part),
        inputs,
        given=_FILES,
        wanted=lambda study: has_part(study, stage, part),
        part=part,
        loads_model=part != "parsed" and not part.startswith(API),
    )


def _judge_work(part: str) -> Work:
    return Work(
        "judge",
        _judge(part),
        f"{_PLANS}:judge",
        lambda study, paths, shards, shard: [paths.scores(part)],
        lambda study, paths, shards, shard: part_files(study, paths, "sample", part, "answers.parquet", shards),
        given=("parsing",),
        wanted=lambda study: has_part(study, "judge", part),
        part=part,
    )


def _nothing(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    return []


def tables(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    """Every table of the analysis; `skipped.json`, which is written last, says what is missing from them."""
    return [paths.stage("analyse") / "skipped.json", *(paths.table(name) for name in load(KIND.tables))]


WORK = (
    world_work(_world, f"{_PLANS}:world"),
    *(
        _work("sample", part, _sample(part), _nothing if questions_of(part) == "completions" else _completed)
        # Completions of models here and behind the API come first, as questions show them.
        for part in sorted(KIND.parts["sample"], key=lambda part: questions_of(part) != "completions")
        if part not in STEERING_PARTS
    ),
    *(
        _work("choose", part, _choose(part), _to_parse if part == "parsed" else _completed)
        for part in KIND.parts["choose"]
        if part not in STEERING_PARTS
    ),
    _judge_work("completions"),
    _judge_work("open"),
    *READ,
    Work(
        "probe",
        _probe,
        "inoc.studies.preferences.probe_plans:probe",
        probed,
        _to_probe,
        given=("tasks", "probes"),
        wanted=lambda study: bool(study.probes),
    ),
    *STEERING,
    Work(
        "analyse",
        _analyse,
        f"{_PLANS}:analyse",
        tables,
        _measured_and_probed,
        given=("tasks",),
        version=analyse.VERSION,
    ),
    *drawn_and_reported(_report, _report, _PLANS, tables),
)
