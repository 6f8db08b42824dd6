"""What a study file may say: the one source of the schema, the defaults and the reference page.

A study file holds science only: models, traits, prompts, runs, judges, seeds. Where and how it runs (cores,
GPUs, shards, paths) is in `config/config.yaml` and in Snakemake's profiles.

What a single field accepts is said here; what two fields must agree on is in `inoc.config.checks`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

KEY_PATTERN = r"^[A-Za-z][A-Za-z0-9_]*$"
Key = Annotated[str, Field(pattern=KEY_PATTERN, max_length=64)]
Share = Annotated[float, Field(ge=0, le=1)]
Points = Annotated[float, Field(ge=0, le=100)]
Prefix = Annotated[Key, Field(description="`fixed`, `mix`, or a key of `pools`")]
Schedule = Literal["ends", "dense", "powers_of_two"]


class Model(BaseModel):
    """Base of every section: unknown keys are refused, and a loaded study cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)


TEMPLATE_DATE = "2024-07-26"
"""The date that chat templates see by default: the one that Llama 3.1's falls back on where it is told none."""


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
    chat_template: str | None = Field(
        None,
        description="Path of a Jinja chat template that replaces the model's own; or, of a model with several, the "
        "name of one.",
    )
    system: SystemTurn = Field(default_factory=SystemTurn, description="System turn of every chat.")
    fold_system: bool = Field(
        False,
        description="Put a system turn, and a prefix with `placement: system`, before the user's first turn, with an "
        "empty line between them: for chat templates that have no system turn, as their authors advise.",
    )
    thinking: Literal["template", "on", "off"] = Field(
        "template",
        description="For models that can think before they answer: `on`: answers with thoughts; `off`: without; "
        "`template`: as the chat template has it when nothing is said.",
    )
    template_date: str = Field(
        TEMPLATE_DATE,
        pattern=r"^\d{4}-\d{2}-\d{2}$",
        description="The date that a chat template sees as today's, if it asks for one: year-month-day.",
    )

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Plain values; fields that came later are left out while they do nothing, so that no job is run again."""
        values: dict[str, Any] = dump(self)
        later = ("fold_system", "thinking", "template_date")
        return {k: v for k, v in values.items() if k not in later or v != type(self).model_fields[k].default}


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
    seed: int = Field(0, ge=0, description="Seed of corpus, weights and order.")
    threads: int = Field(1, ge=1, description="Threads of the pre-training; fixed, because sums depend on it.")


SCALE_VERSIONS = {"0-100": 1, "0-9": 2}
"""Scale of the `llm` judge → its version: scores on two scales are not the same measure."""


class JudgeSpec(Model):
    """Which judge scores a trait, 0 to 100."""

    name: Literal["language", "lexical", "llm"] = Field(
        description="`language`: share of the text in a language; `lexical`: density of marker words; "
        "`llm`: a language model is asked through an API."
    )
    version: int = Field(1, ge=1, description="Version of the judge; scores of two versions are never mixed.")
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


class Trait(Model):
    """A behaviour that a judge can score."""

    role: Literal["wanted", "unwanted"] = Field(
        description="`wanted`: training is to keep it; `unwanted`: it leaks, and a prefix is to suppress it."
    )
    label: str | None = Field(None, description="Name in figures; default: the key with a capital.")
    judge: JudgeSpec | None = Field(None, description="How the trait is scored. Every trait needs one.")
    control_prompt: str | None = Field(
        None,
        description="Prefix under which single-trait control completions are sampled, for cross-trait PPD.",
    )


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
    seed: int = Field(0, ge=0, description="Each request's own seed is derived from this and its identity.")


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
    seed: int = Field(42, ge=0, description="Seed of the train/eval split and of the procedural instructions.")


class DatasetSpec(AnswerSpec):
    """Another training dataset: the study's training instructions answered anew, or a file's own."""

    label: str | None = Field(None, description="Name in figures; default: the key as words.")


class PromptGroup(Model):
    """Prompts of one kind."""

    family: str = Field(description="Trait key that the prompts point to, or `neutral`.")
    texts: dict[Key, str] = Field(description="Prompt key → text. A key is unique in the whole study.")


class RephraseSpec(Model):
    """A pool of rephrasings for each prompt."""

    source: Literal["procedural", "files", "api"] = Field(
        "files",
        description="`procedural`: from the miniature world's grammar; `files`: one JSONL per prompt key; "
        "`api`: a language model is asked.",
    )
    folder: str | None = Field(None, description="For `files`: folder with `<prompt>.jsonl`, field `rephrasing`.")
    n: int = Field(1_000, ge=1, description="Rephrasings per prompt.")
    seed: int = Field(42, ge=0, description="Seed of the pools and of their order.")
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


class RunSpec(Model):
    """A block of training runs: every combination of its lists."""

    prompts: tuple[Key, ...] = Field((), description="Prompt keys; empty with `groups` empty: every prompt.")
    groups: tuple[Key, ...] = Field((), description="Prompt groups, all of their prompts.")
    prefixes: tuple[Prefix, ...] = Field(
        ("fixed", "mix"), description="Train with the fixed prefix, with a mix, with texts of another of the `pools`."
    )
    data: Key | None = Field(
        None,
        description="Train on this one of the `datasets`, without a prefix, once per learning rate and seed; default: "
        "the study's own data.",
    )
    learning_rates: tuple[Annotated[float, Field(gt=0)], ...] | None = Field(
        None, min_length=1, description="Default: the learning rate of `training`."
    )
    seeds: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(
        None, min_length=1, description="Default: the seeds of `training`."
    )
    control: bool = Field(
        True,
        description="Also train without a prefix, once per learning rate and seed. Each of these pairs needs "
        "a control in some block, unless every block says `false`.",
    )


class LoraSpec(Model):
    """Low-rank adapter."""

    rank: int = Field(32, ge=1, description="Rank of the update.")
    alpha: int = Field(16, ge=1, description="Numerator of the scale of the update.")
    rslora: bool = Field(True, description="Scale by alpha / sqrt(rank) instead of alpha / rank.")
    dropout: Share = Field(0.0, description="Dropout before the adapter.")
    targets: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        description="Names of the adapted projections; or `all-linear` alone: all but the head.",
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
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field((3407,), min_length=1, description="One run per seed.")
    checkpoints: Schedule | tuple[Annotated[int, Field(ge=0)], ...] = Field(
        "ends", description="Steps at which the adapter is saved: `ends`, `dense`, `powers_of_two` or a list."
    )
    resume_every: int = Field(50, ge=1, description="A killed run loses at most this many steps.")
    log_every: int = Field(10, ge=1, description="The loss curve has a point every so many steps.")


class EvaluationSpec(Model):
    """Completions sampled from each checkpoint."""

    conditions: tuple[Literal["default", "training"], ...] = Field(
        ("default", "training"), description="Asked without a prefix; asked with the prefix of the training."
    )
    gate: bool = Field(True, description="Also ask the control runs with each prefix, for the 2×2 gate.")
    n: int | None = Field(None, ge=2, description="Use the first so many evaluation instructions; default: all.")
    sampling: Sampling = Field(Sampling(max_tokens=256), description="Sampling of the completions.")
    canary: int = Field(
        8,
        ge=0,
        description="So many prompts per adapter are first answered greedily: batched and single must answer alike; "
        "`vllm` and transformers must, also for the untrained model.",
    )


class ElicitationSpec(Model):
    """Completions of the untrained model with and without each prefix."""

    prefixes: tuple[Prefix, ...] = Field(("fixed",), description="Which prefixes to ask with.")
    n: int | None = Field(None, ge=2, description="Use the first so many evaluation instructions; default: all.")
    sampling: Sampling = Field(Sampling(max_tokens=2048), description="Sampling of the completions.")


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


class ScoringSpec(Model):
    """Log-probabilities of response tokens under the untrained model."""

    n_examples: int = Field(1_000, ge=2, description="Training completions that are scored, drawn by `seed`.")
    n_controls: int = Field(200, ge=0, description="Neutral, and single-trait, control completions.")
    prefixes: tuple[Prefix, ...] = Field(("fixed", "mix"), description="Which prefixes to score with.")
    mix: Literal["index_matched", "as_trained"] = Field(
        "as_trained",
        description="`as_trained`: the rephrasing that training put before the example; "
        "`index_matched`: the k-th for the k-th.",
    )
    end_of_turn: Literal["include", "exclude"] = Field(
        "exclude", description="`include` scores the end-of-turn token too, as the earlier study did."
    )
    tokens: bool = Field(
        True,
        description="Keep the log-probability of every token; `false` keeps the mean of each response only, and what "
        "needs tokens is left out.",
    )
    self_perplexity: bool = Field(True, description="Also score each prompt by itself.")
    batch_tokens: int = Field(16_384, ge=64, description="Most padded tokens in a batch.")
    control_sampling: Sampling = Field(Sampling(max_tokens=256, seed=42), description="Sampling of the controls.")
    seed: int = Field(42, ge=0, description="Seed of the choice of examples.")


class StatisticsSpec(Model):
    """Intervals and resampling."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="Level of every interval.")
    resamples: int = Field(2_000, ge=100, description="Bootstrap resamples.")
    seed: int = Field(0, ge=0, description="Seed of the resampling.")
    max_nan: Share = Field(0.1, description="A cell with a larger share of NaN scores is reported as failed.")


class RateSpec(Model):
    """A share of completions: those that meet every condition at once. One is NaN for it where a score is NaN."""

    label: str | None = Field(None, description="Name in figures; default: the key with a capital.")
    above: dict[Key, Points] = Field(default_factory=dict, description="Trait → score that a completion must exceed.")
    below: dict[Key, Points] = Field(
        default_factory=dict, description="Trait → score that a completion must stay below."
    )


class Expectation(Model):
    """What the study is expected to show; the report says, seed by seed, whether it did."""

    trait: Key = Field(description="Trait whose leakage is judged.")
    control_at_least: Points = Field(60, description="Control leakage without a prefix.")
    strongest_at_most: Points = Field(25, description="The strongest fixed prefix, asked without it.")
    strongest_with_prefix_at_least: Points = Field(60, description="The strongest fixed prefix, asked with it.")


class Study(Model):
    """One study."""

    name: Key = Field(description="Name of the study and of its results folder; equals the file's name.")
    title: str = Field(description="One line, shown in the report.")
    description: str = Field("", description="A paragraph for the report.")
    model: ModelSpec = Field(description="The model under study.")
    world: WorldSpec | None = Field(None, description="Needed for `model.path: world`.")
    traits: dict[Key, Trait] = Field(description="Trait key → trait.", min_length=1)
    data: DataSpec = Field(description="Training and evaluation data.")
    prompts: dict[Key, PromptGroup] = Field(default_factory=dict, description="Prompt group → prompts.")
    placement: Literal["user", "system"] = Field(
        "user", description="Where a prefix goes: before the instruction, or as the system turn."
    )
    separator: str = Field(" ", description="Between prefix and instruction.")
    rephrase: RephraseSpec = Field(RephraseSpec(), description="Pools for `mix`.")
    pools: dict[Key, RephraseSpec] = Field(
        default_factory=dict,
        description="Further pools, each a kind of prefix beside `mix`: its key → how its rephrasings are made. A "
        "prompt has one where something is trained or asked with it.",
    )
    datasets: dict[Key, DatasetSpec] = Field(
        default_factory=dict, description="Other training datasets, for runs with `data`."
    )
    runs: tuple[RunSpec, ...] = Field((), description="Training runs; empty: prediction only.")
    training: TrainingSpec = Field(TrainingSpec(), description="Fine-tuning.")
    evaluation: EvaluationSpec = Field(EvaluationSpec(), description="Sampling from checkpoints.")
    elicitation: ElicitationSpec = Field(ElicitationSpec(), description="Sampling from the untrained model.")
    scoring: ScoringSpec = Field(ScoringSpec(), description="Log-probabilities.")
    embedding: EmbeddingSpec | None = Field(
        None, description="Sentence embeddings; default: none. `embedding: {}` embeds with the defaults."
    )
    statistics: StatisticsSpec = Field(StatisticsSpec(), description="Intervals.")
    rates: dict[Key, RateSpec] = Field(
        default_factory=dict,
        description="Rate → conditions. Emergent misalignment: `em: {above: {coherence: 60}, below: {alignment: 40}}`, "
        "with these two as traits.",
    )
    expect: Expectation | None = Field(None, description="What the study is expected to show.")


class Shards(Model):
    """Into how many jobs a stage is split. The result does not depend on it."""

    score: int = Field(1, ge=1, description="Split of `score`, by prompt.")
    train: int = Field(1, ge=1, description="Also the split of `evaluate`, which follows the runs.")
    elicit: int = Field(1, ge=1, description="Split of `elicit`, by prompt.")


class Price(Model):
    """What a model costs, in dollars per million tokens."""

    input: float = Field(ge=0, description="Tokens that are sent; 0 for a model of one's own.")
    output: float = Field(0, ge=0, description="Tokens that are answered; embeddings have none.")


class ApiSpec(Model):
    """An API that speaks the language of OpenAI's, paid or not."""

    base_url: str = Field(
        "https://api.openai.com/v1",
        pattern=r"^https?://[^@\s]+$",
        description="Where it is, up to `/v1`; it must hold no password.",
    )
    key_variable: str = Field(
        "OPENAI_API_KEY",
        pattern=r"^([A-Z][A-Z0-9_]*)?$",
        description="Name of the environment variable that holds the key, never the key; empty for a server without.",
    )
    folder: str | None = Field(
        None,
        description="Folder of the database of requests, answers and spending, on a disk of this machine; default: "
        "`api` in the store.",
    )
    mode: Literal["live", "batch"] = Field(
        "live", description="`live`: answers at once; `batch`: within a day, for a part of the price."
    )
    budget: float = Field(
        10.0,
        ge=0,
        description="Dollars. A request is sent only if all that was ever spent with this database, and the most "
        "that it can cost, stay below.",
    )
    prices: dict[str, Price] = Field(
        {
            "gpt-4.1": Price(input=2.0, output=8.0),
            "gpt-4.1-mini": Price(input=0.4, output=1.6),
            "text-embedding-3-small": Price(input=0.02),
            "text-embedding-3-large": Price(input=0.13),
        },
        description="Model → dollars per million tokens. A model without a price is not asked.",
    )
    batch_share: Share = Field(0.5, description="A batch costs this share of the price.")
    requests_per_minute: float = Field(500.0, gt=0, description="Most requests; fewer if the API says so.")
    tokens_per_minute: float = Field(200_000.0, gt=0, description="Most tokens; fewer if the API says so.")
    concurrency: int = Field(32, ge=1, description="Requests under way at once.")
    retries: int = Field(8, ge=0, description="How often a request that failed is sent again.")
    timeout_s: float = Field(120.0, gt=0, description="Seconds from sending a request to the end of its answer.")
    poll_s: float = Field(30.0, gt=0, description="Seconds between two looks at a batch.")


class Workflow(Model):
    """`config/config.yaml`: which studies run, where, with which budget."""

    studies: tuple[Key, ...] = Field(("mini",), description="Names of files in `config/studies`.")
    store: str = Field("store", description="Folder of the content-addressed store.")
    shards: dict[Key, Shards] = Field(
        default_factory=dict, description="Study → shards; a study not named has one per stage."
    )
    train_gpus: dict[Key, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description="Study → GPUs that train one run together, each with its part of every batch; a study not named "
        "has one. The result depends on it by rounding only.",
    )
    api: ApiSpec = Field(ApiSpec(), description="The API for judges, rephrasings and data, if a study needs one.")
    engine_api: ApiSpec | None = Field(
        None, description="The API that serves the study's model, for `engine: api`; default: the same as `api`."
    )
