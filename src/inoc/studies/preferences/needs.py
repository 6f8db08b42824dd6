"""Lists of what a study of preferences needs to run: files, models, engines, APIs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

from inoc.config.judge_spec import JudgeSpec
from inoc.config.models import ModelSpec
from inoc.config.needs import ApiUse, GivenChat, GivenFile, ModelUse, Needs, SampleUse
from inoc.engines.model_files import layer_count, state_width
from inoc.errors import DataError, InocError
from inoc.judge.needs import absent_identifier, judge_apis, judge_files, judge_models, judge_uses
from inoc.studies.preferences.asked import asked_of
from inoc.studies.preferences.chats import chats_of, concept_chats, inside_chats, system_turns
from inoc.studies.preferences.labels import read_topics, topics_of
from inoc.studies.preferences.parts import asked_parts
from inoc.studies.preferences.roles import inside_model, method_of, needed_completions, raters, role, template_of
from inoc.studies.preferences.steering_parts import targets_of
from inoc.studies.preferences.steering_vectors import file_vector
from inoc.studies.preferences.study import Study
from inoc.studies.preferences.tasks import read_tasks, tasks_of
from inoc.studies.shared.checks import site_problems
from inoc.studies.shared.given import model_files
from inoc.vectors.sites import site_at

_TASKS = 'put a JSONL file there, a task a line: {"id": "…", "text": "…"}, or a CSV file with these columns'


def needs(study: Study) -> Needs:
    """Everything that the study needs from the machine it runs on."""
    from inoc.embed.embedders import absent

    encoder = study.inside.embedding
    lacking = absent(encoder) if encoder is not None and study.probes else ""
    uses = model_uses(study)
    own = uses.pop("model", None)
    return Needs(
        study.model,
        tuple(_given_files(study)),
        own.samples if own else (),
        tuple(_apis(study)),
        problems=(
            *(problem for key, judge in _judges(study) for problem in absent_identifier(judge, key)),
            *([f"inside.{lacking}"] if lacking else []),
        ),
        placement=own.placement if own else "user",
        row_problems=partial(_row_problems, study),
        chats=own.chats if own else partial(iter, ()),
        several_turns=own.several_turns if own else False,
        chooses=own.chooses if own else "",
        reads=own.reads if own else "",
        local_models=tuple(one for key, judge in _judges(study) for one in judge_models(judge, key)),
        others=(*uses.values(), *_judging_models(study)),
        loaded=own is not None,
    )


def model_uses(study: Study) -> dict[str, ModelUse]:
    """Place in the study file → model that is loaded, with what its roles ask of it."""
    inside = inside_model(study) if _reads(study) else ""
    asked = dict.fromkeys([*(model for model, _, _ in asked_parts(study)), *filter(None, [inside])])
    by_place: dict[str, tuple[ModelSpec, list[str]]] = {}
    for key in asked:
        one = role(study, key)
        if not one.api:
            same = [place for place, (spec, _) in by_place.items() if spec == one.spec]
            place = "model" if one.spec == study.model else same[0] if same else f"models.{key}.model"
            by_place.setdefault(place, (one.spec, []))[1].append(key)
    return {
        place: ModelUse(
            place,
            spec,
            tuple(
                dict.fromkeys(
                    use
                    for key in keys
                    for use in (*_samples(study, key), *(_steered_samples(study) if key == inside else ()))
                )
            ),
            _placement(study, keys, inside),
            partial(_chats, study, keys, inside=inside in keys),
            several_turns=any(
                given.when == "after" and key in raters(study, instrument)
                for instrument, given in study.instruments.items()
                for key in keys
            ),
            chooses=_chooses(study, keys, inside),
            reads=_reads(study) if inside in keys else "",
        )
        for place, (spec, keys) in by_place.items()
    }


def _placement(study: Study, keys: list[str], inside: str) -> Literal["system", "user"]:
    told = any(turn.kind == "text" for key in keys for turn in system_turns(study, key))
    # The turns of concepts are texts.
    return "system" if told or (inside in keys and study.concepts) else "user"


def _reads(study: Study) -> str:
    """The section because of which a model is read or steered; empty for none."""
    return next((name for name in ("probes", "concepts", "steering") if getattr(study, name)), "")


def _chooses(study: Study, keys: list[str], inside: str) -> str:
    """The setting because of which probabilities of closed answers of a model are measured."""
    if inside in keys and targets_of(study, is_open=False):
        return "steering.targets"
    return next(
        (
            f"instruments.{instrument}.method: choose"
            for instrument in study.instruments
            for key in keys
            if key in raters(study, instrument) and method_of(study, instrument, key) == "choose"
        ),
        "",
    )


def _judging_models(study: Study) -> Iterator[ModelUse]:
    is_open = {key for key, given in study.instruments.items() if template_of(given).kind == "open"}
    judged = {f"instruments.{key}.sampling" for key in is_open}
    for key, judge in _judges(study):
        own = {"completions.sampling"} if key == "parsing.refusal" else judged
        yield from judge_uses(judge, key, partial(_judged, study, own))


def _judged(study: Study, judged: set[str]) -> Iterator[GivenChat]:
    """Chats that are answered with some settings."""
    asked = list(dict.fromkeys(model for model, _, _ in asked_parts(study)))
    return (one for one in _chats(study, asked) if one.key in judged)


def _judges(study: Study) -> Iterator[tuple[str, JudgeSpec]]:
    for section, names in (("parsing", ("tone", "refusal")), ("steering", ("attitude", "coherence"))):
        for name in names:
            judge: JudgeSpec | None = getattr(getattr(study, section), name, None)
            if judge is not None:
                yield f"{section}.{name}", judge


def _given_files(study: Study) -> Iterator[GivenFile]:
    for use in model_uses(study).values():
        yield from model_files(use.spec, use.key)
    for key, origin in study.tasks.origins.items():
        if origin.file is not None:
            yield GivenFile(f"tasks.origins.{key}.file", origin.file, _TASKS, read_tasks)
    if study.tasks.ids is not None:
        yield GivenFile("tasks.ids", study.tasks.ids, "put a file there with an id a line")
    if study.tasks.consistency is not None:
        yield GivenFile("tasks.consistency.file", study.tasks.consistency.file)
    for key, vector in (study.steering.files if study.steering is not None else {}).items():
        yield GivenFile(f"steering.files.{key}.file", vector.file)
    for key, probe in study.probes.items():
        if probe.topics is not None:
            yield GivenFile(f"probes.{key}.topics", probe.topics, "put a JSON file there: {id: topic}", read_topics)
    encoder = study.inside.embedding
    if encoder is not None and encoder.model.startswith((".", "/", "~")):
        yield GivenFile("inside.embedding.model", encoder.model)
    for key, judge in _judges(study):
        yield from judge_files(judge, key)


def _samples(study: Study, model: str) -> Iterator[SampleUse]:
    if model in dict(needed_completions(study)):
        yield SampleUse("completions.sampling", "sample", study.completions.sampling)
    for key, given in study.instruments.items():
        if model in raters(study, key) and method_of(study, key, model) == "sample":
            yield SampleUse(f"instruments.{key}.sampling", "sample", given.sampling)


def _steered_samples(study: Study) -> Iterator[SampleUse]:
    for key, concept in study.concepts.items():
        yield SampleUse(f"concepts.{key}.sampling", "sample", concept.sampling)
    for target in targets_of(study, is_open=True).values():
        name = target.instrument
        yield SampleUse(f"instruments.{name}.sampling", "sample", study.instruments[name].sampling)


def _apis(study: Study) -> Iterator[ApiUse]:
    for key, stage, part in dict.fromkeys(asked_parts(study)):
        if name := role(study, key).api:
            yield ApiUse(stage, f"models.{key}.api", name, part=part)
    encoder = study.inside.embedding
    if study.probes and encoder is not None and encoder.provider == "openai":
        yield ApiUse("probe", "inside.embedding.provider = 'openai'", encoder.model)
    if study.parsing.judge is not None:
        yield ApiUse("choose", "parsing.judge", study.parsing.judge, part="parsed")
    for key, judge in _judges(study):
        yield from judge_apis(judge, key)


def _row_problems(study: Study) -> Iterator[str]:
    if not _files_are_here(study):
        return
    inside = role(study, inside_model(study)).spec
    unknown = list(site_problems(inside, study.world, _sites(study)))
    yield from unknown or _vector_problems(study)
    try:
        found = tasks_of(study)
        for probe in study.probes.values():
            if probe.groups == "topic":
                topics_of(probe, found)
        for instrument in study.instruments:
            for rater in raters(study, instrument)[:1]:
                asked_of(study, found, instrument, rater)
    except DataError as error:
        yield str(error)
        return
    if study.tasks.n is not None and len(found) < study.tasks.n:
        yield f"tasks.n = {study.tasks.n}: there are {len(found)} tasks; lower it, or add tasks"


def _sites(study: Study) -> Iterator[tuple[str, float | str]]:
    """Place in the study file → site that is read or steered."""
    for section in ("probes", "concepts"):
        for key, one in getattr(study, section).items():
            yield from ((f"{section}.{key}.sites", site) for site in one.sites)
    if study.steering is not None:
        yield "steering.site", study.steering.site


def _vector_problems(study: Study) -> Iterator[str]:
    """Vectors of files that cannot be added to the states of the model that is steered."""
    if study.steering is None:
        return
    folder = Path(role(study, inside_model(study)).spec.path).expanduser()
    here = (folder / "config.json").is_file()
    for name in study.steering.vectors:
        if name not in study.steering.files:
            continue
        try:
            site = site_at(study.steering.site, layer_count(folder)) if here else None
            vector = file_vector(study, name, site, "")
            vector.check_site(vector.site, (here and state_width(folder)) or len(vector.values))
        except InocError as error:
            yield f"steering.files.{name}: {error}"


def _files_are_here(study: Study) -> bool:
    files = [origin.file for origin in study.tasks.origins.values() if origin.file is not None]
    return all(Path(file).is_file() for file in files)


def _chats(study: Study, models: list[str], *, inside: bool = False) -> Iterator[GivenChat]:
    if _files_are_here(study):
        tasks = tasks_of(study)
        for model in models:
            yield from chats_of(study, tasks, model)
        if inside:
            yield from concept_chats(study, tasks)
            yield from inside_chats(study, tasks)
