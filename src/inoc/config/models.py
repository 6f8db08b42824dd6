"""The sections that study files of every kind are composed of: one source of the schema, the defaults and the docs.

A study file holds science only: models, data, training, judges, seeds. Where and how it runs (cores, GPUs, shards,
paths) is in `config/config.yaml` and in Snakemake's profiles. The study itself is a model of its kind.

What a single field accepts is said here; what two fields must agree on is in the checks of each kind.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inoc.config.languages import all_in_latin

KEY_PATTERN = r"^[A-Za-z][A-Za-z0-9_]*$"
Key = Annotated[str, Field(pattern=KEY_PATTERN, max_length=64)]
Share = Annotated[float, Field(ge=0, le=1)]
Points = Annotated[float, Field(ge=0, le=100)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]  # tables hold it in 32 bits, and so do some of the libraries that it seeds
Schedule = Literal["ends", "dense", "powers_of_two"]


class Late(NamedTuple):
    """A field that came after results had been computed without it."""


LATE = Late()
"""Mark of a new field, as in `Annotated[int, LATE]`: with its default, keys and slices are what they were before it."""


class Model(BaseModel):
    """Base of every section: unknown keys are refused, and a loaded study cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)

    def in_key(self, but: Collection[str] = ()) -> dict[str, Any]:
        """The section in plain values, for keys and slices: a `LATE` field at its default leaves no trace.

        Args:
            but: Names of fields to leave out.
        """
        # Serialised by pydantic, which writes a default of 0 as the field's type: 0.0 for a float.
        found: dict[str, Any] = _without_late(self, self.model_dump(mode="json", exclude=set(but)))
        return found


def _without_late(value: object, dumped: Any) -> Any:
    """Serialised values without the `LATE` fields that are at their defaults."""
    if isinstance(value, Model):
        fields = type(value).model_fields
        late = {name for name, spec in fields.items() if LATE in spec.metadata and _is_default(value, name)}
        return {name: _without_late(getattr(value, name), part) for name, part in dumped.items() if name not in late}
    if isinstance(value, dict):
        return {key: _without_late(value[key], part) for key, part in dumped.items()}
    if isinstance(value, tuple | list):
        return [_without_late(one, part) for one, part in zip(value, dumped, strict=True)]
    return dumped


def _is_default(value: Model, name: str) -> bool:
    return bool(getattr(value, name) == type(value).model_fields[name].get_default(call_default_factory=True))


class SystemTurn(Model):
    """The system turn of every chat. The three cases are different texts for most templates."""

    kind: Literal["default", "none", "text"] = Field(
        "default",
        description="`default`: what the template inserts; `none`: no system turn; `text`: the text below.",
    )
    text: str = Field("", description="The system turn, for `kind: text`.")


class ModelSpec(Model):
    """The language model under study."""

    path: str = Field(
        description="Hugging Face id, a folder, or `world`: the miniature model that the stage `world` makes."
    )
    revision: str | None = Field(None, description="Hub commit. Needed for a hub id if results are to be reproduced.")
    dtype: Literal["float32", "bfloat16", "float16"] = Field("bfloat16", description="Type of the weights.")
    quantization: Literal["nf4"] | None = Field(
        None,
        description="`nf4`: linear layers are kept in 4 bits (NF4 with double quantisation, as in QLoRA) and computed "
        "with in `dtype`. Another model in every number; needs the extra `bits`. Default: they are not.",
    )
    chat_template: str | None = Field(None, description="Path of a Jinja chat template that replaces the model's own.")
    system: SystemTurn = Field(default_factory=SystemTurn, description="System turn of every chat.")


class WorldSpec(Model):
    """The miniature world: a procedural corpus and a small Qwen2 model pre-trained on it from scratch."""

    documents: int = Field(48_000, ge=64, description="Documents in the pre-training corpus.")
    vocabulary: int = Field(1_400, ge=300, description="Size of the byte-level BPE vocabulary.")
    hidden_size: int = Field(128, ge=32, description="Width of the model.")
    layers: int = Field(2, ge=1, description="Number of transformer blocks.")
    heads: int = Field(4, ge=1, description="Attention heads; key/value heads are half of them.")
    intermediate_size: int = Field(384, ge=32, description="Width of the feed-forward layers.")
    steps: int = Field(1_500, ge=1, description="Pre-training steps.")
    batch_size: int = Field(32, ge=1, description="Documents per step.")
    learning_rate: float = Field(4e-3, gt=0, description="Peak learning rate (cosine decay).")
    prompt_weight: Share = Field(0.2, description="Loss weight of tokens outside the response.")
    seed: Seed = Field(0, description="Seed of corpus, weights and order.")
    threads: int = Field(1, ge=1, description="Threads of the pre-training; fixed, because sums depend on it.")


SCALE_VERSIONS = {"0-100": 1, "0-9": 2}
"""Scale of the `llm` judge → its version: scores on two scales are not the same measure."""


class JudgeSpec(Model):
    """Which judge scores a trait, 0 to 100."""

    name: Literal["language", "lexical", "llm"] = Field(
        description="`language`: share of the text in a language; `lexical`: density of marker words; "
        "`llm`: a language model is asked through an API."
    )
    version: int = Field(
        1,
        ge=1,
        description="Version of the judge; scores of two versions are never mixed. Default for `language`: 2 if one "
        "of `among` is not written in Latin letters.",
    )
    language: str | None = Field(
        None, description="For `language`, and `llm` with that question: the language whose share is the score."
    )
    among: tuple[str, ...] = Field((), description="For `language`: all languages that the identifier may answer.")
    markers: str | None = Field(
        None,
        description="For `lexical`: a file with one marker a line, or `world`: those of the miniature world.",
    )
    saturation: float = Field(2.5, gt=0, description="For `lexical`: this many markers score 100.")
    model: str | None = Field(None, description="For `llm`: the model that rates, as its API names it.")
    question: Literal["property", "coherence", "alignment", "refusal", "language"] = Field(
        "property", description="For `llm`: what is asked; `property`: how much the response has of `property`."
    )
    property: str | None = Field(
        None, description="For `llm` with `question: property`: what is rated, as the question puts it to the model."
    )
    scale: Literal["0-9", "0-100"] = Field(
        "0-100",
        description="For `llm`: range of the number asked for; scores are 0 to 100 either way. `0-9` is version 2.",
    )
    temperature: float = Field(1.0, ge=0, description="For `llm`: of the answer, whose probabilities are read.")

    @model_validator(mode="before")
    @classmethod
    def _choose_version(cls, given: object) -> object:
        """Version 1 of the language judge tells only languages in Latin letters apart."""
        if not isinstance(given, dict) or given.get("name") != "language" or "version" in given:
            return given
        among = given.get("among")
        names = [name for name in among if isinstance(name, str)] if isinstance(among, list | tuple) else []
        return given if all_in_latin(names) else {**given, "version": 2}


class Sampling(Model):
    """How completions are sampled."""

    engine: Literal["transformers", "vllm", "api"] = Field(
        "transformers",
        description="What samples; two engines draw different completions. `vllm` is an extra; `api` is a server of "
        "your own that has the model.",
    )
    temperature: float = Field(1.0, ge=0, description="0 is greedy.")
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="Nucleus; 1 keeps the whole distribution.")
    max_tokens: int = Field(256, ge=1, description="Most new tokens.")
    batch_size: int = Field(
        128, ge=1, description="Sequences per batch of `transformers`; the others batch by themselves."
    )
    seed: Seed = Field(0, description="Each request's own seed is derived from this and its identity.")


class InstructionSource(Model):
    """Where user instructions come from."""

    kind: Literal["world", "files", "api"] = Field(
        "files",
        description="`world`: procedural; `files`: JSONL with `instruction`; `api`: a language model writes them.",
    )
    files: tuple[str, ...] = Field((), description="JSONL files, concatenated in this order.")
    min_characters: int = Field(10, ge=0, description="Shorter instructions are dropped.")
    model: str | None = Field(None, description="For `api`: the model, as the API names it.")
    topics: tuple[str, ...] = Field(
        (),
        description="For `api`: topics, each with as many instructions as another. For `world`: those of its topics "
        "that are asked about; default: all.",
    )
    request: str = Field(
        "a question that somebody asks in everyday life",
        description="For `api`: what each instruction is, as the request puts it to the model.",
    )
    temperature: float = Field(1.0, ge=0, description="For `api`: of the instructions.")
    per_request: int = Field(20, ge=1, description="For `api`: so many instructions are asked for at once.")
    max_tokens: int = Field(4_000, ge=16, description="For `api`: most tokens of one answer.")
    max_requests: int = Field(50, ge=1, description="For `api`: at most so many requests per topic.")


class QuestionSpec(Model):
    """A set of evaluation questions."""

    label: str | None = Field(None, description="Name in figures; default: the key as words.")
    source: InstructionSource | None = Field(
        None, description="Where they come from; default: held out from the training data, which one set can be."
    )


class AnswerSpec(Model):
    """How the training instructions are answered."""

    completions: Literal["sample", "file", "api"] = Field(
        "sample",
        description="`sample`: from the study model under the generation prompt; `file`: as given; "
        "`api`: from `model`, with the generation prompt as the system turn.",
    )
    model: str | None = Field(None, description="For `completions: api`: the model, as the API names it.")
    file: str | None = Field(
        None,
        description="For `completions: file`: JSONL, a training example a line: `messages`, a chat of one user and one "
        "assistant turn, or `instruction` and `completion`.",
    )
    generation_prompt: str = Field("", description="What completions are sampled under.")
    generation_turn: Literal["user", "system"] = Field(
        "user", description="For `sample`: the generation prompt goes before the instruction, or is the system turn."
    )
    separator: str = Field("\n", description="Between generation prompt and instruction.")
    sampling: Sampling = Field(Sampling(max_tokens=2048), description="Sampling of the completions.")
    keep_from: Points = Field(0, description="A row is kept if each trait scores at least this; 0 keeps all.")
    max_attempts: float = Field(
        1.0, ge=1, description="At most this many completions are sampled per training example wanted."
    )


class DataSpec(AnswerSpec):
    """Training and evaluation data."""

    instructions: InstructionSource = Field(default_factory=InstructionSource, description="User instructions.")
    n_train: int = Field(10_000, ge=1, description="Training examples.")
    n_eval: int = Field(
        200, ge=2, description="Evaluation instructions, of each set of questions; none of them is in the training set."
    )
    questions: dict[Key, QuestionSpec] = Field(
        default_factory=dict,
        description="Set of evaluation questions → where it comes from; the first one is what suppression, gate and "
        "prediction are about, and rates are given for each. Default: one set, held out from the training data.",
    )
    seed: Seed = Field(42, description="Seed of the train/eval split and of the procedural instructions.")


class RephraseSpec(Model):
    """A pool of rephrasings for each prompt."""

    source: Literal["procedural", "files", "api"] = Field(
        "files",
        description="`procedural`: from the miniature world's grammar; `files`: one JSONL per prompt key; "
        "`api`: a language model is asked.",
    )
    folder: str | None = Field(None, description="For `files`: folder with `<prompt>.jsonl`, field `rephrasing`.")
    n: int = Field(1_000, ge=1, description="Rephrasings per prompt.")
    seed: Seed = Field(42, description="Seed of the pools and of their order.")
    model: str | None = Field(None, description="For `api`: the model, as the API names it.")
    closeness: Literal["free", "close", "surface"] = Field(
        "free",
        description="For `api`: `free`: any wording, structure and length of the same meaning; `close`: the same form "
        "and conditions, length within half and one and a half; `surface`: other words only, 3 to 12 of them. For "
        "`procedural`: `free`: sentences of its family; the others: the sentence itself, with synonyms and courtesies.",
    )
    temperature: float = Field(1.2, ge=0, description="For `api`: of the rephrasings.")
    per_request: int = Field(200, ge=1, description="For `api`: so many rephrasings are asked for at once.")
    max_tokens: int = Field(10_000, ge=16, description="For `api`: most tokens of one answer.")
    max_requests: int = Field(
        50, ge=1, description="For `api`: at most so many requests per prompt; then the pool is too small."
    )


class LoraSpec(Model):
    """Low-rank adapter."""

    rank: int = Field(32, ge=1, description="Rank of the update.")
    alpha: int = Field(16, ge=1, description="Numerator of the scale of the update.")
    rslora: bool = Field(True, description="Scale by alpha / sqrt(rank) instead of alpha / rank.")
    dropout: Share = Field(0.0, description="Dropout before the adapter.")
    targets: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        description="Names of the adapted projections.",
    )


class TrainingSpec(Model):
    """Optimiser and schedule of the fine-tuning."""

    lora: LoraSpec = Field(LoraSpec(), description="Adapter.")
    learning_rate: float = Field(1e-4, gt=0, description="Peak learning rate.")
    decay: Literal["linear", "cosine", "constant"] = Field("linear", description="Decay after the warm-up.")
    warmup_steps: int = Field(30, ge=0, description="Linear warm-up.")
    weight_decay: float = Field(0.01, ge=0, description="Decoupled weight decay (AdamW).")
    max_grad_norm: float = Field(1.0, gt=0, description="Gradients are clipped to this norm.")
    batch_size: int = Field(32, ge=1, description="Examples per step.")
    micro_batch_size: int = Field(4, ge=1, description="Examples per forward pass; divides `batch_size`.")
    epochs: float = Field(1.0, gt=0, description="Passes over the training set, for `steps: null`.")
    steps: int | None = Field(None, ge=1, description="Number of steps; default: whole batches in `epochs`.")
    max_length: int = Field(
        4096, ge=16, description="Longer examples, prompt and response together, are refused, not cut."
    )
    optimizer: Literal["adamw_torch", "adamw_torch_fused", "adamw_8bit"] = Field(
        "adamw_torch", description="AdamW of this name; `adamw_8bit` needs the extra `bits`."
    )
    gradient_checkpointing: bool | None = Field(
        None,
        description="Recompute activations in the backward pass: slower, and less memory. Default: where they do not "
        "fit in the memory of the GPU.",
    )
    end_of_turn: Literal["include", "exclude"] = Field(
        "include", description="Whether the loss covers the end-of-turn token."
    )
    seeds: tuple[Seed, ...] = Field((3407,), min_length=1, description="One run per seed.")
    checkpoints: Schedule | tuple[Annotated[int, Field(ge=0)], ...] = Field(
        "ends", description="Steps at which the adapter is saved: `ends`, `dense`, `powers_of_two` or a list."
    )
    resume_every: int = Field(50, ge=1, description="A killed run loses at most this many steps.")
    log_every: int = Field(10, ge=1, description="The loss curve has a point every so many steps.")


class EmbeddingSpec(Model):
    """Sentence embeddings of the prompts and their rephrasings."""

    provider: Literal["sentence_transformers", "openai"] = Field(
        "sentence_transformers",
        description="Who embeds: a model in this process, or one behind an API.",
    )
    model: str = Field(
        "minilm",
        description="`minilm`: all-MiniLM-L6-v2, which the extra `embed` brings; or a folder or hub id of "
        "sentence-transformers; for `openai` the name of its model.",
    )
    revision: str | None = Field(None, description="Hub commit. Needed for a hub id if results are to be reproduced.")
    dimensions: int | None = Field(None, ge=2, description="Keep the first so many dimensions; default: all.")
    rephrasings: int | None = Field(
        None, ge=2, description="Embed the first so many rephrasings of each pool; default: all."
    )


class StatisticsSpec(Model):
    """Intervals and resampling."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="Level of every interval.")
    resamples: int = Field(2_000, ge=100, description="Bootstrap resamples.")
    seed: Seed = Field(0, description="Seed of the resampling.")
    max_nan: Share = Field(0.1, description="A cell with a larger share of NaN scores is reported as failed.")


class BaseStudy(Model):
    """The part that study files of every kind share."""

    kind: str = Field("inoculation", description="Kind of the study: decides which further sections it has.")
    name: Key = Field(description="Name of the study and of its results folder; equals the file's name.")
    title: str = Field(description="One line, shown in the report.")
    description: str = Field("", description="A paragraph for the report.")
    model: ModelSpec = Field(description="The model under study.")
    world: WorldSpec | None = Field(None, description="Needed for `model.path: world`.")
