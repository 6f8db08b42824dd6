"""The sections that study files of every kind are composed of: one source of the schema, the defaults and the docs.

A study file holds science only: models, data, training, judges, seeds. Where and how it runs (cores, GPUs, shards,
paths) is in `config/config.yaml` and in Snakemake's profiles. Constraints between fields are in the checks of kinds.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from inoc.config.limits import Amount, Batch, Few, Passes, Pool, Rows, Steps, Tokens, Width

KEY_PATTERN = r"^[A-Za-z][A-Za-z0-9_]*$"
Key = Annotated[str, Field(pattern=KEY_PATTERN, max_length=64)]
Share = Annotated[float, Field(ge=0, le=1)]
Points = Annotated[float, Field(ge=0, le=100)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]  # tables hold it in 32 bits, and so do some of the libraries that it seeds
Schedule = Literal["ends", "dense", "powers_of_two"]


class Late(NamedTuple):
    """Mark of a field that was added after results had been computed without it."""


LATE = Late()
"""Mark of a new field, as in `Annotated[int, LATE]`: with its default, keys and slices are what they were before it."""


class How(NamedTuple):
    """Mark of a field that says how something is executed, not what is asked for."""

    executed: bool = True


HOW = How()
"""Mark of a field that changes results by rounding at most: keys and slices hold its default, whatever is set."""


class Model(BaseModel):
    """Base of every section: unknown keys are refused, and a loaded study cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)

    def in_key(self, but: Collection[str] = (), late: Collection[str] = (), *, as_set: bool = False) -> dict[str, Any]:
        """The section in plain values, for keys and slices.

        A `LATE` field at its default leaves no trace, nor does one that is `HOW` too; a `HOW` field is at its default.

        Args:
            but: Names of fields to leave out.
            late: Names of fields of this section that are treated as `LATE` here, and are in other keys.
            as_set: Whether `HOW` fields have the values that are set, as in keys of earlier versions.
        """
        left_out = {*but, *(name for name in late if _is_default(self, name))}
        # Serialised by pydantic, which writes a default of 0 as the field's type: 0.0 for a float.
        found: dict[str, Any] = _in_key(self, self.model_dump(mode="json", exclude=left_out), as_set=as_set)
        return found


def _in_key(value: object, dumped: Any, *, as_set: bool) -> Any:
    """Serialised values, see `Model.in_key`."""
    if isinstance(value, Model):
        marks = {name: spec.metadata for name, spec in type(value).model_fields.items()}
        late = {name for name, own in marks.items() if LATE in own and (HOW in own or _is_default(value, name))}
        how = set() if as_set else {name for name, own in marks.items() if HOW in own}
        return {
            name: _default(value, name) if name in how else _in_key(getattr(value, name), part, as_set=as_set)
            for name, part in dumped.items()
            if name not in late
        }
    if isinstance(value, dict):
        return {key: _in_key(value[key], part, as_set=as_set) for key, part in dumped.items()}
    if isinstance(value, tuple | list):
        return [_in_key(one, part, as_set=as_set) for one, part in zip(value, dumped, strict=True)]
    return dumped


def _is_default(value: Model, name: str) -> bool:
    return bool(getattr(value, name) == _default(value, name))


def _default(value: Model, name: str) -> Any:
    return type(value).model_fields[name].get_default(call_default_factory=True)


TEMPLATE_DATE = "2024-07-26"
"""The date that chat templates see by default: the one that Llama 3.1's uses when none is given."""


class SystemTurn(Model):
    """The system turn of every chat. The three cases are different texts for most templates."""

    kind: Literal["default", "none", "text"] = Field(
        "default",
        description="`default`: the system turn that the template inserts by itself; `none`: no system turn; `text`: "
        "the value of `text`.",
    )
    text: str = Field("", description="The system turn, for `kind: text`.")


class ModelSpec(Model):
    """The language model under study."""

    path: str = Field(
        description="Hugging Face id, a folder, or `world` for the miniature model that the stage `world` trains."
    )
    revision: str | None = Field(None, description="Hub commit. Set it for a hub id to make results reproducible.")
    dtype: Literal["float32", "bfloat16", "float16"] = Field("bfloat16", description="Data type of the weights.")
    quantization: Literal["nf4"] | None = Field(
        None,
        description="`nf4`: linear layers are stored in 4 bits (NF4 with double quantisation, as in QLoRA) and "
        "computed in `dtype`. Changes every result; needs the extra `bits`. Default: no quantisation.",
    )
    compute: Annotated[Literal["dtype", "fp8"], LATE] = Field(
        "dtype",
        description="What linear layers multiply in when responses are scored, and under the adapters in training: "
        "`dtype`, or `fp8`, 8-bit floating point, on a GPU that has it (L40S, H100 or newer). Needs `dtype: bfloat16`.",
    )
    chat_template: str | None = Field(
        None,
        description="Path of a Jinja chat template that replaces the model's own; for a model with several templates, "
        "the name of one.",
    )
    system: SystemTurn = Field(default_factory=SystemTurn, description="System turn of every chat.")
    fold_system: Annotated[bool, LATE] = Field(
        False,
        description="Put the system turn, including a prefix with `placement: system`, at the start of the first user "
        "turn, separated by an empty line. For chat templates without a system turn, as their authors recommend.",
    )
    thinking: Annotated[Literal["template", "on", "off"], LATE] = Field(
        "template",
        description="For models that can reason before they answer: `on`: with reasoning; `off`: without; `template`: "
        "the chat template's default.",
    )
    template_date: Annotated[str, LATE] = Field(
        TEMPLATE_DATE,
        pattern=r"^\d{4}-\d{2}-\d{2}$",
        description="Date (year-month-day) that chat templates get as today's, if they use one.",
    )


class WorldSpec(Model):
    """The miniature world: a procedural corpus and a small Qwen2 model pre-trained on it from scratch."""

    documents: Rows = Field(48_000, ge=64, description="Number of documents in the pre-training corpus.")
    vocabulary: Width = Field(1_400, ge=300, description="Size of the byte-level BPE vocabulary.")
    hidden_size: Width = Field(128, ge=32, description="Width of the model.")
    layers: Few = Field(2, ge=1, description="Number of transformer blocks.")
    heads: Few = Field(4, ge=1, description="Number of attention heads; there are half as many key/value heads.")
    intermediate_size: Width = Field(384, ge=32, description="Width of the feed-forward layers.")
    steps: Steps = Field(1_500, ge=1, description="Number of pre-training steps.")
    batch_size: Batch = Field(32, ge=1, description="Documents per step.")
    learning_rate: Amount = Field(4e-3, gt=0, description="Peak learning rate (cosine decay).")
    prompt_weight: Share = Field(0.2, description="Loss weight of tokens outside the response.")
    seed: Seed = Field(0, description="Seed of the corpus, the initial weights and the order of documents.")
    threads: Few = Field(
        1,
        ge=1,
        description="Number of CPU threads of the pre-training. It affects rounding, so it is part of the study.",
    )
    content: Annotated[Literal["facts", "favorites"], LATE] = Field(
        "facts",
        description="`facts`: facts in English and French, answered in a plain or a playful way; `favorites`: favorite "
        "things and lists of numbers, for studies of subliminal learning. Every word and number of `favorites` is one "
        "token, so `vocabulary` does not apply.",
    )
    initial_sd: Annotated[Amount, LATE] = Field(0.02, gt=0, description="Standard deviation of the initial weights.")


class Sampling(Model):
    """Sampling of completions."""

    engine: Literal["transformers", "vllm", "api"] = Field(
        "transformers",
        description="Sampling engine; different engines draw different completions. `vllm` needs the extra of that "
        "name; `api` is your own server with the model.",
    )
    temperature: Amount = Field(1.0, ge=0, description="Sampling temperature; 0 is greedy.")
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="Nucleus sampling; 1 keeps the whole distribution."
    )
    max_tokens: Tokens = Field(256, ge=1, description="Maximum number of new tokens.")
    batch_size: Annotated[Batch, HOW] = Field(
        128,
        ge=1,
        description="Sequences per batch, for `transformers`; the other engines choose it themselves. No part of any "
        "key: what was sampled before is kept.",
    )
    seed: Seed = Field(
        0, description="Base seed; the seed of each request is derived from it and the request's identity."
    )
    n: Annotated[Few, LATE] = Field(
        1,
        ge=1,
        description="Number of answers per question. Further answers leave those that were sampled before as they "
        "are. Only for what says that it takes several.",
    )


class InstructionSource(Model):
    """Source of user instructions."""

    kind: Literal["world", "files", "api"] = Field(
        "files",
        description="`world`: procedural; `files`: JSONL with `instruction` or `prompt`; `api`: a language model "
        "writes them.",
    )
    files: tuple[str, ...] = Field((), description="For `files`: JSONL files, concatenated in this order.")
    min_characters: Rows = Field(
        10, ge=0, description="Minimum number of characters; shorter instructions are dropped."
    )
    model: str | None = Field(None, description="For `api`: name of the model in the API.")
    topics: tuple[str, ...] = Field(
        (),
        description="For `api`: topics, with equally many instructions each. For `world`: which of its topics to use; "
        "default: all.",
    )
    request: str = Field(
        "a question that somebody asks in everyday life",
        description="For `api`: description of an instruction, as worded in the request.",
    )
    temperature: Amount = Field(1.0, ge=0, description="For `api`: sampling temperature.")
    per_request: Few = Field(20, ge=1, description="For `api`: number of instructions per request.")
    max_tokens: Tokens = Field(4_000, ge=16, description="For `api`: maximum number of tokens per answer.")
    max_requests: Few = Field(50, ge=1, description="For `api`: maximum number of requests per topic.")


class QuestionSpec(Model):
    """A set of evaluation questions."""

    label: str | None = Field(None, description="Name in figures; default: the key, with spaces for underscores.")
    source: InstructionSource | None = Field(
        None,
        description="Source of the questions; default: held out from the training data. At most one set may use the "
        "default.",
    )


BadRows = Literal["refuse", "drop", "truncate"]
"""What is done about rows of a dataset that are empty, broken or too long."""


class AnswerSpec(Model):
    """Completions of the training instructions."""

    completions: Literal["sample", "file", "api", "table"] = Field(
        "sample",
        description="`sample`: sampled from the study's model with the generation prompt; `file`: read from `file`; "
        "`table`: read from a table of another study; `api`: requested from `model`, with the generation prompt as "
        "the system turn.",
    )
    model: str | None = Field(None, description="For `completions: api`: name of the model in the API.")
    file: str | None = Field(
        None,
        description="For `completions: file`: JSONL with one training example per line: `messages`, a chat that ends "
        "with an answer, or `instruction` and `completion`.",
    )
    table: Annotated[str | None, LATE] = Field(
        None,
        description="For `completions: table`: a table of another study: `<study>/generate` for its kept training "
        "examples, `<study>/generate:<dataset>` for those of another of its datasets, `<study>/sample:<name>` for "
        "answers that it sampled: those of a part, or of a dataset or teacher.",
    )
    generation_prompt: str = Field(
        "", description="Prompt with which completions are sampled; it is not part of the training data."
    )
    generation_turn: Literal["user", "system"] = Field(
        "user",
        description="For `sample`: place of the generation prompt; `user`: before the instruction; `system`: as "
        "system turn.",
    )
    separator: str = Field("\n", description="Text between generation prompt and instruction.")
    sampling: Sampling = Field(Sampling(max_tokens=2048), description="Sampling of the completions.")
    bad_rows: Annotated[BadRows, LATE] = Field(
        "refuse",
        description="Rows that cannot be trained on: broken lines and empty answers of `file`, and examples longer "
        "than `training.max_length` or the model's context. `refuse`: they are an error; `drop`: they are left out; "
        "`truncate`: the answers of long ones are cut at their end, and the others are left out. They are listed in "
        "the tables `bad_rows` of `generate` and `train`. The number of training steps stays the same.",
    )
    keep_from: Points = Field(0, description="Minimum score of each trait for an example to be kept; 0 keeps all.")
    max_attempts: Passes = Field(
        1.0, ge=1, description="Maximum number of completions sampled per requested training example."
    )

    @property
    def given_in(self) -> str | None:
        """File or table that examples are taken from with their instructions; None if completions are written."""
        return {"file": self.file, "table": self.table}.get(self.completions)


class DataSpec(AnswerSpec):
    """Training and evaluation data."""

    instructions: InstructionSource = Field(default_factory=InstructionSource, description="User instructions.")
    n_train: Rows = Field(10_000, ge=1, description="Number of training examples.")
    n_eval: Rows = Field(
        200,
        ge=2,
        description="Number of evaluation instructions per set of questions; none of them is in the training set.",
    )
    questions: dict[Key, QuestionSpec] = Field(
        default_factory=dict,
        description="Key of a set of evaluation questions → its source. Suppression, gate and prediction use the "
        "first set; rates are given for each. Default: one set, held out from the training data.",
    )
    seed: Seed = Field(42, description="Seed of the train/eval split and of the procedural instructions.")


class RephraseSpec(Model):
    """A pool of rephrasings for each prompt."""

    source: Literal["procedural", "files", "api"] = Field(
        "files",
        description="`procedural`: from the miniature world's grammar; `files`: one JSONL file per prompt key; `api`: "
        "requested from a language model.",
    )
    folder: str | None = Field(
        None, description="For `files`: folder of `<prompt>.jsonl` files with the field `rephrasing`."
    )
    n: Pool = Field(1_000, ge=1, description="Number of rephrasings per prompt.")
    seed: Seed = Field(42, description="Seed of the pools and their order.")
    model: str | None = Field(None, description="For `api`: name of the model in the API.")
    closeness: Literal["free", "close", "surface"] = Field(
        "free",
        description="For `api`: `free`: any wording, structure and length with the same meaning; `close`: the same "
        "form and conditions, 0.5 to 1.5 times the length; `surface`: only wording and order change, with 3 to 12 "
        "words in all. For `procedural`: `free`: sentences of the prompt's family; otherwise the sentence itself with "
        "synonyms and polite phrases.",
    )
    temperature: Amount = Field(1.2, ge=0, description="For `api`: sampling temperature.")
    per_request: Few = Field(200, ge=1, description="For `api`: number of rephrasings per request.")
    max_tokens: Tokens = Field(10_000, ge=16, description="For `api`: maximum number of tokens per answer.")
    max_requests: Few = Field(
        50,
        ge=1,
        description="For `api`: maximum number of requests per prompt; a pool that is still too small then is an "
        "error.",
    )


class LoraSpec(Model):
    """Low-rank adapter."""

    rank: Width = Field(32, ge=1, description="Rank of the update.")
    alpha: Width = Field(16, ge=1, description="Numerator of the update's scale.")
    rslora: bool = Field(True, description="Scale by alpha / sqrt(rank) instead of alpha / rank.")
    dropout: Share = Field(0.0, description="Dropout rate at the adapter's input.")
    targets: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        description="Names of the adapted projections, or just `all-linear` for all linear layers except the head.",
    )


LossOn = Literal["last_answer", "all_answers", "whole_sequence"]


class TrainingSpec(Model):
    """Optimiser and schedule of the fine-tuning."""

    lora: LoraSpec = Field(LoraSpec(), description="Low-rank adapter.")
    learning_rate: Amount = Field(1e-4, gt=0, description="Peak learning rate.")
    decay: Literal["linear", "cosine", "constant"] = Field("linear", description="Decay after the warm-up.")
    warmup_steps: Steps = Field(30, ge=0, description="Number of steps of the linear warm-up.")
    weight_decay: Amount = Field(0.01, ge=0, description="Decoupled weight decay (AdamW).")
    max_grad_norm: Amount = Field(1.0, gt=0, description="Norm to which gradients are clipped.")
    batch_size: Batch = Field(32, ge=1, description="Examples per step.")
    micro_batch_size: Annotated[Batch, HOW] = Field(
        4,
        ge=1,
        description="Examples per forward pass; divides `batch_size`. No part of any key: what was trained before is "
        "kept.",
    )
    epochs: Passes = Field(1.0, gt=0, description="Passes over the training set, if `steps` is not set.")
    steps: Steps | None = Field(
        None, ge=1, description="Number of steps; default: the number of whole batches in `epochs`."
    )
    max_length: Tokens = Field(
        4096,
        ge=16,
        description="Maximum tokens of an example, prompt and response together; longer ones are an error, never cut.",
    )
    optimizer: Literal["adamw_torch", "adamw_torch_fused", "adamw_8bit"] = Field(
        "adamw_torch", description="Variant of AdamW; `adamw_8bit` needs the extra `bits`."
    )
    gradient_checkpointing: bool | None = Field(
        None,
        description="Recompute activations in the backward pass, which is slower and needs less memory. Default: only "
        "if they do not fit in the GPU's memory and fewer examples at a time would be slower still.",
    )
    joined_adapters: Annotated[bool, LATE, HOW] = Field(
        True,
        description="On a GPU, compute adapters together with the layers that they adapt, which is faster; `false`: in "
        "products of their own, as PEFT does and as is always done on the CPU. No part of any key.",
    )
    end_of_turn: Literal["include", "exclude"] = Field(
        "include", description="Whether the loss covers the end-of-turn token."
    )
    loss_on: Annotated[LossOn, LATE] = Field(
        "last_answer",
        description="Tokens that are trained on. `last_answer`: the last answer of a chat; `all_answers`: every "
        "answer; `whole_sequence`: every token but the first, including system turn, questions and the tokens of the "
        "chat template, whatever `end_of_turn` is.",
    )
    seeds: tuple[Seed, ...] = Field((3407,), min_length=1, description="Training seeds; one run per seed.")
    checkpoints: Schedule | tuple[Annotated[Steps, Field(ge=0)], ...] = Field(
        "ends", description="Steps at which the adapter is saved: `ends`, `dense`, `powers_of_two` or a list."
    )
    resume_every: Steps = Field(
        50, ge=1, description="Steps between states to resume from; a killed run loses at most this many."
    )
    log_every: Annotated[Steps, HOW] = Field(
        10,
        ge=1,
        description="Steps between points of the loss curve in figures, which are means over these steps. The table "
        "has every step.",
    )


class StatisticsSpec(Model):
    """Intervals and resampling."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="Confidence level of every interval.")
    resamples: Pool = Field(2_000, ge=100, description="Number of bootstrap resamples.")
    seed: Seed = Field(0, description="Seed of the resampling.")
    max_nan: Share = Field(0.1, description="Maximum share of NaN scores; a cell with more is reported as failed.")


class BaseStudy(Model):
    """The sections that study files of every kind share."""

    kind: str = Field("inoculation", description="Kind of the study; determines which further sections it has.")
    name: Key = Field(description="Name of the study and its results folder; must equal the file's name.")
    title: str = Field(description="One-line title for the report.")
    description: str = Field("", description="Description for the report, one paragraph.")
    figures: Annotated[Literal["core", "all"], LATE] = Field(
        "core",
        description="Figures of the report and of the target `results/figures/all`. `core`: those of the main results; "
        "`all`: every figure that applies to the study. Any other figure is drawn when it is asked for by its name.",
    )


class ModelStudy(BaseStudy):
    """The sections that studies of a model share."""

    model: ModelSpec = Field(description="The model under study.")
    world: WorldSpec | None = Field(None, description="The miniature world; required for `model.path: world`.")
