"""Reading study and workflow files. Every problem of a file is reported, together and with its line."""

from __future__ import annotations

import json
import types
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from inoc.config.checks import listed, study_problems
from inoc.config.document import Document, KeyPath, Place, Problem, key_path_text, read_document
from inoc.config.models import AnswerSpec, ApiSpec, InstructionSource, Model, Sampling, Study, Workflow
from inoc.errors import ApiError, ConfigError, did_you_mean
from inoc.studies.inoculation.runs import pool_prompts, pool_specs, trained_datasets

M = TypeVar("M", bound=Model)
_LONGEST_VALUE = 80
_TRAINING_FILE = (
    "the training data are for you to supply. Put a JSONL file there, a training example a line: "
    '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}, '
    'or {"instruction": "…", "completion": "…"}; docs/own.md says more'
)
_APIS = (("api",), ("engine_api",))


def load_study(name_or_path: str | Path, root: Path = Path("config")) -> Study:
    """Read and check a study file.

    Args:
        name_or_path: A study's name, which is a file in `<root>/studies`, or the path of a YAML file.
        root: The folder of the configuration.

    Raises:
        ConfigError: With every problem of the file: line, key path, value, what would be accepted.
    """
    path = _study_path(name_or_path, root)
    document = read_document(path)
    study, problems = _parse(Study, document, extra_keys=("extends",))
    if study is not None:
        problems += study_problems(study)
    else:
        partial = _partial_study(document.value, malformed={problem.path[0] for problem in problems})
        problems += study_problems(partial, partial.model_fields_set)
    if document.value.get("name") not in (None, path.stem):
        problems.append(
            Problem(
                ("name",),
                f"differs from the file's name; accepted: {path.stem}, or rename the file",
                document.value["name"],
            )
        )
    _refuse(path, document.places, problems)
    if study is None:
        raise ConfigError(f"{path} is not a study")
    return study


def load_workflow(path: Path) -> Workflow:
    """Read and check `config/config.yaml`.

    Raises:
        ConfigError: With every problem of the file.
    """
    document = read_document(path)
    return _checked_workflow(document, path)


def workflow_of(config: Mapping[str, object], path: Path) -> Workflow:
    """Check a workflow configuration that was read, and perhaps changed, by somebody else.

    Args:
        config: The values, as Snakemake has them after `--config`.
        path: The file that they are from, for messages and for the studies beside it.

    Raises:
        ConfigError: With every problem.
    """
    return _checked_workflow(Document(dict(config), {}, []), path)


def check_inputs(study: Study, base: Path) -> None:
    """Check that a study can run here: its files exist, and the engine that it samples with is installed.

    Loading does not ask this, so that a study is valid on a machine without its data.

    Args:
        study: The study.
        base: Folder that the study's paths are relative to.

    Raises:
        ConfigError: If anything is missing, with all that is missing.
    """
    problems = [
        *_absent_files(study, base),
        *_absent_engines(study),
        *_absent_bits(study),
        *_unavailable_embedder(study),
    ]
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise ConfigError(f"study {study.name} cannot run here:\n{lines}")


def _checked_workflow(document: Document, path: Path) -> Workflow:
    workflow, problems = _parse(Workflow, document)
    if workflow is not None:
        known = {file.stem for file in (path.parent / "studies").glob("*.yaml")}
        named = {"studies": workflow.studies, "shards": workflow.shards, "train_gpus": workflow.train_gpus}
        for kind, keys in named.items():
            for index, key in enumerate(keys):
                if key not in known:
                    problems.append(
                        Problem(
                            (kind, index if kind == "studies" else key),
                            f"there is no study of this name in {path.parent / 'studies'}; accepted: "
                            f"{listed(sorted(known))}{did_you_mean(key, known)}",
                            key if kind == "studies" else None,
                        )
                    )
    _refuse(path, document.places, problems)
    if workflow is None:
        raise ConfigError(f"{path} is not a workflow configuration")
    return workflow


def _study_path(name_or_path: str | Path, root: Path) -> Path:
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or "/" in text or text.endswith((".yaml", ".yml")):
        return Path(name_or_path)
    path = root / "studies" / f"{text}.yaml"
    if not path.is_file():
        known = sorted(file.stem for file in path.parent.glob("*.yaml"))
        hint = did_you_mean(text, known)
        raise ConfigError(f"there is no study {text!r} in {path.parent}; accepted: {listed(known)}{hint}")
    return path


def _parse(model: type[M], document: Document, extra_keys: tuple[str, ...] = ()) -> tuple[M | None, list[Problem]]:
    try:
        return model.model_validate(document.value), list(document.problems)
    except ValidationError as error:
        found = [_problem(model, document.value, details, extra_keys) for details in error.errors()]
        return None, document.problems + [problem for problem in found if problem is not None]


def _partial_study(raw: Mapping[str, Any], malformed: Collection[str | int]) -> Study:
    """A study of the sections that are well formed; `model_fields_set` says which these are."""
    sections: dict[str, Any] = {}
    for name, field in Study.model_fields.items():
        if name in malformed:
            continue
        if name in raw:
            annotation: Any = field.annotation
            sections[name] = TypeAdapter(annotation).validate_python(raw[name])
        else:
            sections[name] = field.get_default(call_default_factory=True)
    return Study.model_construct(_fields_set=set(sections), **sections)


def _refuse(path: Path, places: Mapping[KeyPath, Place], problems: Iterable[Problem]) -> None:
    """Raise the error that lists all problems in the order of their lines, if there is any."""
    lines = sorted({_line(path, places, problem) for problem in problems})
    if lines:
        count = "a problem" if len(lines) == 1 else f"{len(lines)} problems"
        raise ConfigError("\n".join([f"{path} has {count}:", *(f"  {text}" for _, _, text in lines)]))


def _line(path: Path, places: Mapping[KeyPath, Place], problem: Problem) -> tuple[str, int, str]:
    place = problem.place or _nearest_place(places, problem.path)
    where = f"{place.file}:{place.line}: " if place else ""
    value = f" = {_shown(problem.value)}" if problem.value is not None else ""
    text = f"{where}{key_path_text(problem.path)}{value}: {problem.message}"
    return (str(place.file), place.line, text) if place else (str(path), 0, text)


def _nearest_place(places: Mapping[KeyPath, Place], path: KeyPath) -> Place | None:
    known = (path[:length] for length in range(len(path), -1, -1))
    return next((places[spot] for spot in known if spot in places), None)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _problem(model: type[Model], raw: object, details: ErrorDetails, extra_keys: tuple[str, ...]) -> Problem | None:
    """One problem from one of pydantic's, or None for the branch of a union that was not meant."""
    path, branch = _path_in(raw, details)
    value = details["input"]
    if path[:1] in _APIS and not isinstance(value, (int, float)):
        value = None  # it may be a key that was written to the wrong place
    if branch is not None and not branch.meant:
        return None
    match details["type"]:
        case "missing":
            field = _model_at(model, path[:-1]).model_fields[str(path[-1])]
            return Problem(path, f"is missing. {field.description}")
        case "extra_forbidden":
            accepted = list(_model_at(model, path[:-1]).model_fields)
            accepted += [key for key in extra_keys if len(path) == 1]
            hint = did_you_mean(str(path[-1]), accepted)
            return Problem(path, f"unknown key; accepted: {', '.join(accepted)}{hint}", value)
        case "literal_error":
            expected = str(details["ctx"]["expected"]).replace("'", "")
            names = expected.replace(" or ", ", ").split(", ")
            other = ", or a list of steps" if branch else ""
            hint = did_you_mean(value, names) if isinstance(value, str) else ""
            return Problem(path, f"accepted: {', '.join(names)}{other}{hint}", value)
        case "string_pattern_mismatch" if path[:1] in _APIS:
            field = _model_at(model, path[:-1]).model_fields[str(path[-1])]
            return Problem(path, f"is not of the form that is accepted. {field.description}")
        case "string_pattern_mismatch" | "string_too_long":
            accepted_key = "up to 64 letters, digits and underscores, beginning with a letter"
            return Problem(path, f"the name cannot be a key; accepted: {accepted_key}", value)
        case _:
            return Problem(path, details["msg"].replace("Input should be", "accepted:"), value)


class _Branch(NamedTuple):
    """The branch of a union that an error is about, and whether what was written is of its kind."""

    meant: bool


def _path_in(raw: object, details: ErrorDetails) -> tuple[KeyPath, _Branch | None]:
    """The key path of an error, without what pydantic puts in between, and its union branch if it has one."""
    path: list[str | int] = []
    branch = None
    here = raw
    for position, part in enumerate(details["loc"]):
        last = position == len(details["loc"]) - 1
        if isinstance(here, Mapping) and (part in here or (last and details["type"] == "missing")):
            path.append(part)
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            path.append(part)
            here = here[part]
        elif part != "[key]":
            branch = _Branch(meant=isinstance(here, list) == str(part).startswith("tuple"))
    return tuple(path), branch


def _model_at(model: type[Model], path: KeyPath) -> type[Model]:
    """The model that describes the mapping at a key path."""
    annotation: Any = model
    for part in path:
        annotation = _bare(annotation)
        if isinstance(annotation, type) and issubclass(annotation, Model):
            annotation = annotation.model_fields[str(part)].annotation
        else:
            annotation = get_args(annotation)[1 if get_origin(annotation) is dict else 0]
    found = _bare(annotation)
    return found if isinstance(found, type) and issubclass(found, Model) else model


def _bare(annotation: Any) -> Any:
    """An annotation without `| None`."""
    if get_origin(annotation) in (Union, types.UnionType):
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation


def _absent_files(study: Study, base: Path) -> Iterator[str]:
    given = {f"{place}.file" for place, answers in dataset_places(study) if answers.file is not None}
    for key, file in given_files(study):
        if not (base / file).exists():
            what = _TRAINING_FILE if key in given else "make it, or name one that exists"
            yield f"{key} = {file!r}: there is no such file below {base}; {what}"


def _samplings(study: Study) -> dict[str, Sampling]:
    """Key → how something is sampled, for all that is sampled."""
    used = {"elicitation.sampling": study.elicitation.sampling}
    for place, answers in dataset_places(study):
        if answers.completions == "sample":
            used[f"{place}.sampling"] = answers.sampling
    if study.scoring.n_controls:
        used["scoring.control_sampling"] = study.scoring.control_sampling
    if study.runs:
        used["evaluation.sampling"] = study.evaluation.sampling
    return used


def _absent_engines(study: Study) -> Iterator[str]:
    for key, sampling in _samplings(study).items():
        if sampling.engine == "vllm" and find_spec("vllm") is None:
            yield (
                f"{key}.engine = 'vllm': the package is not installed. With a GPU: pip install \"inoc[vllm]\", into an "
                "environment as docs/engines.md says; without one: make env-vllm. Or choose `transformers`"
            )


def _absent_bits(study: Study) -> Iterator[str]:
    if find_spec("bitsandbytes") is not None:
        return
    remedy = 'needs bitsandbytes. Install it with: pip install "inoc[bits]"'
    if study.model.quantization:
        yield f"model.quantization = {study.model.quantization!r}: {remedy}; or leave it out"
    if study.runs and study.training.optimizer == "adamw_8bit":
        yield f"training.optimizer = 'adamw_8bit': {remedy}; or choose `adamw_torch_fused`"


def given_files(study: Study) -> Iterator[tuple[str, str]]:
    """Files that a study names: (key, path) for each; they need not exist."""
    if study.model.path.startswith((".", "/", "~")):
        yield "model.path", study.model.path
    # A word without a dot or slash names one of the model's own templates.
    if study.model.chat_template is not None and set(study.model.chat_template) & set("./\\"):
        yield "model.chat_template", study.model.chat_template
    for place, source in instruction_places(study):
        for file in source.files:
            yield f"{place}.files", file
    for place, answers in dataset_places(study):
        if answers.file is not None:
            yield f"{place}.file", answers.file
    for key, trait in study.traits.items():
        if trait.judge is not None and trait.judge.markers not in (None, "world"):
            yield f"traits.{key}.judge.markers", str(trait.judge.markers)
    spec = study.embedding
    if spec is not None and spec.provider != "openai" and spec.model.startswith((".", "/", "~")):
        yield "embedding.model", spec.model
    for pool, pool_spec in pool_specs(study).items():
        if pool_spec.source == "files" and pool_spec.folder is not None:
            for key in pool_prompts(study, pool):
                yield f"{pool_place(pool)}.folder (prompt {key})", f"{pool_spec.folder}/{key}.jsonl"


def dataset_places(study: Study) -> Iterator[tuple[str, AnswerSpec]]:
    """How each dataset is answered, after its key in the file: the study's own, and the others that are trained on."""
    yield "data", study.data
    for key in trained_datasets(study):
        yield f"datasets.{key}", study.datasets[key]


def instruction_places(study: Study) -> Iterator[tuple[str, InstructionSource]]:
    """Everything that instructions come from, after its key in the file."""
    yield "data.instructions", study.data.instructions
    for key, spec in study.data.questions.items():
        if spec.source is not None:
            yield f"data.questions.{key}.source", spec.source


def pool_place(pool: str) -> str:
    """The key of a pool in the file."""
    return "rephrase" if pool == "mix" else f"pools.{pool}"


class ApiUse(NamedTuple):
    """A setting of a study because of which a stage asks an API."""

    stage: str
    key: str
    model: str


def api_uses(study: Study) -> Iterator[ApiUse]:
    """What of a study needs an API. Training data are judged only if a judge decides what is kept."""
    for key, trait in study.traits.items():
        if trait.judge is not None and trait.judge.name == "llm":
            kept = any(answers.keep_from for _, answers in dataset_places(study))
            for stage in ("generate", "judge") if kept else ("judge",):
                yield ApiUse(stage, f"traits.{key}.judge.name = 'llm'", str(trait.judge.model))
    for place, answers in dataset_places(study):
        if answers.completions == "api":
            yield ApiUse("generate", f"{place}.completions = 'api'", str(answers.model))
    for place, source in instruction_places(study):
        if source.kind == "api":
            yield ApiUse("generate", f"{place}.kind = 'api'", str(source.model))
    for pool, spec in pool_specs(study).items():
        if spec.source == "api" and pool_prompts(study, pool):
            yield ApiUse("rephrase", f"{pool_place(pool)}.source = 'api'", str(spec.model))
    if study.embedding is not None and study.embedding.provider == "openai":
        yield ApiUse("embed", "embedding.provider = 'openai'", study.embedding.model)


def engine_uses(study: Study) -> Iterator[ApiUse]:
    """What of a study is sampled with its model behind an API."""
    stages = {"elicitation": "elicit", "evaluation": "evaluate"}
    for key, sampling in _samplings(study).items():
        if sampling.engine == "api":
            stage = stages.get(key.partition(".")[0], "generate")
            yield ApiUse(stage, f"{key}.engine = 'api'", study.model.path)


def check_api(study: Study, spec: ApiSpec, stage: str | None = None, *, engine_spec: ApiSpec | None = None) -> None:
    """Check that the APIs that a study needs can be asked from here; nothing is sent.

    Args:
        study: The study.
        spec: The API of the workflow.
        stage: Check what this stage needs; default: all of them.
        engine_spec: The API that serves the study's model; default: the same.

    Raises:
        ConfigError: If the SDK, the key or a price is missing, with all that is missing and why it is needed.
    """
    from inoc.api.client import unavailable
    from inoc.api.request import price_of

    problems, why = [], []
    for one, uses in ((spec, api_uses(study)), (engine_spec or spec, engine_uses(study))):
        asked = [use for use in uses if stage in (None, use.stage)]
        if not asked:
            continue
        found = [str(error) for error in unavailable(one)]
        for model in dict.fromkeys(use.model for use in asked):
            try:
                price_of(model, one.prices)
            except ApiError as error:
                found.append(str(error))
        problems += found
        why += [use.key for use in asked if found]
    if problems:
        lines = "\n".join(f"  {problem}" for problem in dict.fromkeys(problems))
        raise ConfigError(
            f"study {study.name} asks an API ({listed(dict.fromkeys(why))}), which cannot be done here:\n{lines}"
        )


def _unavailable_embedder(study: Study) -> Iterator[str]:
    # Imported here: the encoders' module needs the store, which study files know nothing of.
    from inoc.embed.embedders import unavailable

    if study.embedding is not None and (why := unavailable(study.embedding)):
        yield why
