"""The work of stages for concept vectors and steering."""

from __future__ import annotations

from pathlib import Path

from inoc.config.workflow import Shards
from inoc.jobs.paths import Paths
from inoc.jobs.work import Settings, Work, plain
from inoc.probe.files import probe_files
from inoc.studies.preferences.concepts import REFUSAL
from inoc.studies.preferences.inside import SteeringSpec
from inoc.studies.preferences.inside_work import read_files
from inoc.studies.preferences.parts import part_files
from inoc.studies.preferences.reading import read_folders
from inoc.studies.preferences.roles import inside_model, template_of
from inoc.studies.preferences.steering_parts import has_steering_part
from inoc.studies.preferences.study import Study
from inoc.studies.preferences.texts import completion_files

_PLANS = "inoc.studies.preferences.steering_plans"
_FILES = ("tasks", "model.chat_template")
_JUDGED = ("attitude", "coherence", "min_coherence", "min_kept")


def _made(study: Study) -> Settings:
    """Settings of the completions of concepts."""
    model = study.models[inside_model(study)]
    return {
        "tasks": plain(study.tasks),
        "model": plain(study.model),
        "read": plain(model, but=("label", "rates", "completes")),
        "concepts": {
            key: plain(one, but=("label", "sites", "readouts", "keep_prompt")) for key, one in study.concepts.items()
        },
    }


def _completed(study: Study, shard: int, shards: Shards) -> Settings:
    return _made(study)


def _read(study: Study, shard: int, shards: Shards) -> Settings:
    return {
        **_made(study),
        "concepts": {key: plain(one, but=("label",)) for key, one in study.concepts.items()},
        "steering": [study.steering.site, study.steering.readout] if study.steering is not None else [],
    }


def steering_settings(study: Study, shard: int, shards: Shards) -> Settings:
    """Settings of steered answers, beside the questions of the instruments."""
    spec = study.steering
    named = {target.instrument for target in spec.targets.values()} if spec is not None else set()
    return {
        **_read(study, shard, shards),
        "steering": plain(spec, but=_JUDGED),
        "inside": plain(study.inside, but=("embedding", "refits", "permutations")),
        "probes": {key: plain(one, but=("label",)) for key, one in study.probes.items()},
        "instruments": {key: plain(study.instruments[key], but=("label",)) for key in sorted(named)},
        "templates": {key: plain(template_of(study.instruments[key])) for key in sorted(named)},
        "completions": plain(study.completions),
        "refusal": plain(study.parsing.refusal) if study.inside.refusal else None,
        "samples": study.samples,
    }


def _judged(study: Study, shard: int, shards: Shards) -> Settings:
    spec = study.steering
    attitude, coherence = (spec.attitude, spec.coherence) if spec is not None else (None, None)
    return {"attitude": plain(attitude or study.parsing.tone), "coherence": plain(coherence)}


def concept_files(study: Study, paths: Paths, shards: Shards) -> list[Path]:
    """Tables of the completions of concepts."""
    return part_files(study, paths, "sample", "concepts", "answers.parquet", shards)


def contrast_files(study: Study, paths: Paths, shards: Shards) -> list[Path]:
    """Tables that say that all activations of concepts were read."""
    return part_files(study, paths, "read", "contrasts", "rows.parquet", shards)


def refusal_files(study: Study, paths: Paths, shards: Shards) -> list[Path]:
    """Tables of the activations of tasks, and those that say which of them are refused."""
    read = [folder / "rows.parquet" for folder in read_folders(paths, "prompts", shards.get("read", 1))]
    judged = [paths.scores("completions")] if study.parsing.refusal is not None else []
    return [*read, *completion_files(study, paths, shards), *judged]


def _to_steer(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    spec = study.steering
    if spec is None:
        return []
    refused = refusal_files(study, paths, shards) if REFUSAL in spec.vectors else []
    shown = completion_files(study, paths, shards)
    probes = _probes(study, spec, paths, shards)
    return list(dict.fromkeys([*contrast_files(study, paths, shards), *refused, *shown, *probes]))


def _probes(study: Study, spec: SteeringSpec, paths: Paths, shards: Shards) -> list[Path]:
    """Probes that are steered with, and the activations that they were fitted to."""
    if not any(name.startswith("probe:") for name in spec.vectors):
        return []
    read = read_files(study, paths, shards) if spec.combinations else []
    return [*probe_files(paths.stage("probe")), *read]


def steering_inputs(study: Study, paths: Paths, shards: Shards) -> list[Path]:
    """Files of concepts, refusal and steering that the analysis reads."""
    found = [*concept_files(study, paths, shards), *contrast_files(study, paths, shards)]
    found += refusal_files(study, paths, shards) if study.inside.refusal else []
    if study.steering is None:
        return found
    found += _to_steer(study, paths, shards, 0)
    for stage, name in (("choose", "candidates.parquet"), ("sample", "answers.parquet")):
        found += part_files(study, paths, stage, "steering", name, shards)
    return [*found, *([paths.scores("steering")] if has_steering_part(study, "judge", "steering") else [])]


STEERING: tuple[Work, ...] = (
    Work(
        "sample",
        _completed,
        f"{_PLANS}:concepts",
        lambda study, paths, shards, shard: [paths.part("sample", "concepts", shard) / "answers.parquet"],
        given=_FILES,
        wanted=lambda study: has_steering_part(study, "sample", "concepts"),
        part="concepts",
        loads_model=True,
    ),
    Work(
        "read",
        _read,
        f"{_PLANS}:contrasts",
        lambda study, paths, shards, shard: [paths.part("read", "contrasts", shard) / "rows.parquet"],
        lambda study, paths, shards, shard: concept_files(study, paths, shards),
        given=_FILES,
        wanted=lambda study: has_steering_part(study, "read", "contrasts"),
        part="contrasts",
        loads_model=True,
    ),
    Work(
        "choose",
        steering_settings,
        f"{_PLANS}:choices",
        lambda study, paths, shards, shard: [
            paths.part("choose", "steering", shard) / name for name in ("choices.parquet", "candidates.parquet")
        ],
        _to_steer,
        given=(*_FILES, "steering"),
        wanted=lambda study: has_steering_part(study, "choose", "steering"),
        part="steering",
        loads_model=True,
    ),
    Work(
        "sample",
        steering_settings,
        f"{_PLANS}:answers",
        lambda study, paths, shards, shard: [paths.part("sample", "steering", shard) / "answers.parquet"],
        _to_steer,
        given=(*_FILES, "steering"),
        wanted=lambda study: has_steering_part(study, "sample", "steering"),
        part="steering",
        loads_model=True,
    ),
    Work(
        "judge",
        _judged,
        f"{_PLANS}:judge",
        lambda study, paths, shards, shard: [paths.scores("steering")],
        lambda study, paths, shards, shard: part_files(study, paths, "sample", "steering", "answers.parquet", shards),
        given=("parsing", "steering"),
        wanted=lambda study: has_steering_part(study, "judge", "steering"),
        part="steering",
    ),
)
"""Work of the parts `concepts`, `contrasts` and `steering`."""
