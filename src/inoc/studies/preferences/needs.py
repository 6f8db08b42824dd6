"""Lists of what a study of preferences needs to run: files, engines, APIs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from inoc.config.needs import ApiUse, GivenChat, GivenFile, Needs, SampleUse
from inoc.errors import DataError
from inoc.studies.preferences.labels import read_topics
from inoc.studies.preferences.roles import method_of, needed_completions, raters, role
from inoc.studies.preferences.steering_parts import targets_of
from inoc.studies.preferences.study import Study
from inoc.studies.preferences.tasks import read_tasks, tasks_of
from inoc.studies.preferences.texts import to_complete

_TASKS = 'put a JSONL file there, a task a line: {"id": "…", "text": "…"}, or a CSV file with these columns'


def needs(study: Study) -> Needs:
    """Everything that the study needs from the machine it runs on."""
    from inoc.embed.embedders import unavailable

    encoder = study.inside.embedding
    lacking = unavailable(encoder) if encoder is not None and study.probes else ""
    return Needs(
        study.model,
        tuple(_given_files(study)),
        (*_samples(study), *_steered_samples(study)),
        tuple(_apis(study)),
        problems=(f"inside.{lacking}",) if lacking else (),
        placement="system",
        row_problems=partial(_row_problems, study),
        chats=partial(_chats, study),
        several_turns=any(given.when == "after" for given in study.instruments.values()),
    )


def _given_files(study: Study) -> Iterator[GivenFile]:
    if study.model.path.startswith((".", "/", "~")):
        yield GivenFile("model.path", study.model.path)
    if study.model.chat_template is not None and set(study.model.chat_template) & set("./\\"):
        yield GivenFile("model.chat_template", study.model.chat_template)
    for key, given in study.models.items():
        if given.model is not None and given.model.path.startswith((".", "/", "~")):
            yield GivenFile(f"models.{key}.model.path", given.model.path)
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
    for name in ("tone", "refusal"):
        judge = getattr(study.parsing, name)
        if judge is not None and judge.markers not in (None, "world"):
            yield GivenFile(f"parsing.{name}.markers", str(judge.markers))


def _samples(study: Study) -> Iterator[SampleUse]:
    here = [key for key in study.models if not role(study, key).api]
    if any(completer in here for completer, _ in needed_completions(study)):
        yield SampleUse("completions.sampling", "sample", study.completions.sampling)
    for key, given in study.instruments.items():
        if any(method_of(study, key, rater) == "sample" for rater in raters(study, key) if rater in here):
            yield SampleUse(f"instruments.{key}.sampling", "sample", given.sampling)


def _steered_samples(study: Study) -> Iterator[SampleUse]:
    for key, concept in study.concepts.items():
        yield SampleUse(f"concepts.{key}.sampling", "sample", concept.sampling)
    for target in targets_of(study, is_open=True).values():
        name = target.instrument
        yield SampleUse(f"instruments.{name}.sampling", "sample", study.instruments[name].sampling)


def _apis(study: Study) -> Iterator[ApiUse]:
    asked = {completer for completer, _ in needed_completions(study)}
    for key, given in study.models.items():
        if given.api is None:
            continue
        methods = {
            method_of(study, instrument, key) for instrument in study.instruments if key in raters(study, instrument)
        }
        for stage in sorted({*methods, *({"sample"} if key in asked else set())}):
            yield ApiUse(stage, f"models.{key}.api", given.api)
    encoder = study.inside.embedding
    if study.probes and encoder is not None and encoder.provider == "openai":
        yield ApiUse("probe", "inside.embedding.provider = 'openai'", encoder.model)
    if study.parsing.judge is not None:
        yield ApiUse("choose", "parsing.judge", study.parsing.judge)
    for name in ("tone", "refusal"):
        judge = getattr(study.parsing, name)
        if judge is not None and judge.name == "llm":
            yield ApiUse("judge", f"parsing.{name}.name = 'llm'", str(judge.model))
    for name in ("attitude", "coherence"):
        judge = getattr(study.steering, name, None)
        if judge is not None and judge.name == "llm":
            yield ApiUse("judge", f"steering.{name}.name = 'llm'", str(judge.model))


def _row_problems(study: Study) -> Iterator[str]:
    files = [origin.file for origin in study.tasks.origins.values() if origin.file is not None]
    if not all(Path(file).is_file() for file in files):
        return
    try:
        found = tasks_of(study)
    except DataError as error:
        yield str(error)
        return
    if study.tasks.n is not None and len(found) < study.tasks.n:
        yield f"tasks.n = {study.tasks.n}: there are {len(found)} tasks; lower it, or add tasks"


def _chats(study: Study) -> Iterator[GivenChat]:
    files = [origin.file for origin in study.tasks.origins.values() if origin.file is not None]
    if not all(Path(file).is_file() for file in files):
        return
    tasks = tasks_of(study)
    for key in study.models:
        one = role(study, key)
        if one.api or one.spec != study.model:
            continue
        for completed, chat in to_complete(study, tasks, key):
            where = f"task {completed.task} under the context {completed.context}"
            yield GivenChat(where, chat, "completions.sampling", study.completions.sampling.max_tokens)
