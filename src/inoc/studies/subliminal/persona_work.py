"""The work of stages for persona vectors: their answers, read-outs, projections and steering."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from inoc.config.workflow import Shards
from inoc.digest import Json
from inoc.jobs.paths import Paths
from inoc.jobs.shards import shard_of
from inoc.jobs.work import Settings, Work, plain
from inoc.studies.subliminal.data import numbers_file
from inoc.studies.subliminal.persona import extracted_traits, projected_teachers, projected_traits, steered_traits
from inoc.studies.subliminal.persona_inputs import answers_files, has_judges, projections_file
from inoc.studies.subliminal.runs import neutral_teacher, turn_of, writing_teachers
from inoc.studies.subliminal.study import SplitSpec, Study

_PLANS = "inoc.studies.subliminal.persona_plans"
_FILES = ("persona", "model.chat_template")
_JUDGED = ("label", "judge", "threshold", "coherence", "min_coherence", "entity")


def _answered(study: Study, shard: int, shards: Shards) -> Settings:
    return {
        "model": plain(study.model),
        "persona": {key: plain(trait, but=_JUDGED) for key, trait in study.persona.items()},
    }


def _judged(study: Study, shard: int, shards: Shards) -> Settings:
    return {
        "judges": {key: [plain(trait.judge), plain(trait.coherence)] for key, trait in study.persona.items()},
    }


def _read(study: Study, shard: int, shards: Shards) -> Settings:
    return {
        "model": plain(study.model),
        "persona": {key: plain(trait, but=("label",)) for key, trait in study.persona.items()},
    }


def _steered(study: Study, shard: int, shards: Shards) -> Settings:
    return {**_read(study, shard, shards), "steering": plain(study.steering, but=("min_coherence",))}


def _projected(study: Study, shard: int, shards: Shards) -> Settings:
    mine = [key for key in projected_teachers(study) if shard_of(key, shards.get("read", 1)) == shard]
    rows: dict[str, Json] = {
        key: {**study.teachers[key].in_key(but=("label",)), "turn": plain(turn_of(study, key))} for key in mine
    }
    shared = {"numbers": plain(study.numbers), "names": study.preference.names}
    return {**_read(study, shard, shards), "teachers": rows, **shared, "projection": plain(study.projection)}


def _scores(study: Study, paths: Paths, part: str) -> list[Path]:
    return [paths.scores(part)] if has_judges(study) else []


def _rows(paths: Paths, shards: Shards) -> list[Path]:
    return [paths.part("read", "persona", shard) / "rows.parquet" for shard in range(shards.get("read", 1))]


def _to_read(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    if not extracted_traits(study):
        return []
    return [*answers_files(paths, "persona", shards), *_scores(study, paths, "persona")]


def _to_steer(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    read = _rows(paths, shards) if extracted_traits(study) else []
    return [*read, *_to_read(study, paths, shards, shard)]


def _to_project(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    n, n_read = shards.get("sample", 1), shards.get("read", 1)
    written = [key for key in projected_teachers(study) if key in writing_teachers(study)]
    mine = [key for key in written if shard_of(key, n_read) == shard]
    files = [numbers_file(paths, one) for one in sorted({shard_of(key, n) for key in mine})]
    return [*files, *_to_steer(study, paths, shards, shard)]


def persona_inputs(study: Study, paths: Paths, shards: Shards, splits: Sequence[SplitSpec] | None) -> list[Path]:
    """Files of persona vectors that a job reads.

    Args:
        study: The study.
        paths: Its results.
        shards: Into how many jobs the stages are split.
        splits: Splits of the rows that are trained on; None for the analysis, which reads everything.
    """
    if splits is not None:
        teachers = dict.fromkeys(one.teacher for one in splits if one.by == "projection")
        if any(one.by == "projection" and one.parts == "paired" for one in splits):
            teachers[neutral_teacher(study)] = None
        return list(dict.fromkeys(projections_file(paths, key, shards) for key in teachers))
    if not study.persona:
        return []
    files = _to_steer(study, paths, shards, 0)
    if steered_traits(study):
        files += [*answers_files(paths, "steering", shards), *_scores(study, paths, "steering")]
    return [*files, *dict.fromkeys(projections_file(paths, key, shards) for key in projected_teachers(study))]


def _extracts(study: Study) -> bool:
    return bool(extracted_traits(study))


def _steers(study: Study) -> bool:
    return bool(steered_traits(study))


def _projects(study: Study) -> bool:
    return bool(projected_traits(study))


PERSONA: tuple[Work, ...] = (
    Work(
        "sample",
        _answered,
        f"{_PLANS}:persona",
        lambda study, paths, shards, shard: [paths.part("sample", "persona", shard) / "answers.parquet"],
        given=_FILES,
        wanted=_extracts,
        part="persona",
        loads_model=True,
    ),
    Work(
        "judge",
        _judged,
        f"{_PLANS}:judge",
        lambda study, paths, shards, shard: [paths.scores("persona")],
        lambda study, paths, shards, shard: answers_files(paths, "persona", shards),
        given=("persona",),
        wanted=lambda study: _extracts(study) and has_judges(study),
        part="persona",
    ),
    Work(
        "read",
        _read,
        f"{_PLANS}:read_answers",
        lambda study, paths, shards, shard: [paths.part("read", "persona", shard) / "rows.parquet"],
        _to_read,
        given=_FILES,
        wanted=_extracts,
        part="persona",
        loads_model=True,
    ),
    Work(
        "sample",
        _steered,
        f"{_PLANS}:steering",
        lambda study, paths, shards, shard: [paths.part("sample", "steering", shard) / "answers.parquet"],
        _to_steer,
        given=_FILES,
        wanted=_steers,
        part="steering",
        loads_model=True,
    ),
    Work(
        "judge",
        _judged,
        f"{_PLANS}:judge",
        lambda study, paths, shards, shard: [paths.scores("steering")],
        lambda study, paths, shards, shard: answers_files(paths, "steering", shards),
        given=("persona",),
        wanted=_steers,
        part="steering",
    ),
    Work(
        "read",
        _projected,
        f"{_PLANS}:projections",
        lambda study, paths, shards, shard: [paths.part("read", "projections", shard) / "projections.parquet"],
        _to_project,
        given=(*_FILES, "teachers", "preference.names"),
        wanted=_projects,
        part="projections",
        loads_model=True,
    ),
)
"""Work of the parts `persona`, `steering` and `projections`."""
