"""The methods of a study in words, from its file."""

from __future__ import annotations

from collections.abc import Sequence

from inoc.config.judge_spec import JudgeSpec
from inoc.config.models import AnswerSpec, InstructionSource, RephraseSpec, Sampling, TrainingSpec
from inoc.judge.category import sorting_of
from inoc.judge.llm import question_of
from inoc.report.words import Table, code, escape, listed
from inoc.studies.inoculation.figures.choices import trait_label
from inoc.studies.inoculation.runs import (
    pool_prompts,
    prompt_texts,
    question_sets,
    study_runs,
    total_steps,
    trained_datasets,
)
from inoc.studies.inoculation.study import PromptGroup, Study
from inoc.train.schedule import checkpoint_steps

_ENGINES = {"transformers": "transformers", "vllm": "vLLM", "api": "a server that has it"}


COVERAGE = (
    "In simulations with two or three seeds, intervals of suppression at 95 % held the truth in 93 to 100 % of cases, "
    "and those of the held-out R² of 12 prompts in 91 to 100 %."
)
"""From `docs/design/intervals.md`."""


def model_words(study: Study) -> str:
    """The model, its template and system turn."""
    model = study.model
    name = "the miniature model of the stage `world`" if model.path == "world" else code(model.path)
    revision = f" at revision {code(model.revision)}" if model.revision else ""
    template = "its own chat template" if model.chat_template is None else f"the template {code(model.chat_template)}"
    system = {
        "default": "the system turn is what the template inserts",
        "none": "there is no system turn",
        "text": f"the system turn is {code(model.system.text)}",
    }[model.system.kind]
    products = (
        " Scores and training multiply in 8-bit floating point, with a scale for each token and output."
        if model.compute == "fp8"
        else ""
    )
    return f"The model is {name}{revision}, with weights in {model.dtype} and {template}; {system}.{products}"


def world_words(study: Study) -> str:
    """The miniature world; empty for a study without one."""
    world = study.world
    if world is None:
        return ""
    return (
        f"The miniature model has {world.layers} layers of width {world.hidden_size} with {world.heads} "
        "heads, a feed-forward "
        f"width of {world.intermediate_size} and a vocabulary of {world.vocabulary}. It is pre-trained from scratch on "
        f"{world.documents} procedural documents for {world.steps} steps of {world.batch_size} documents, with a peak "
        f"learning rate of {world.learning_rate:g} and weight {world.prompt_weight:g} on the loss outside responses "
        f"(seed {world.seed})."
    )


def sampling_words(sampling: Sampling) -> str:
    """Settings of sampling, in words."""
    kind = (
        "greedily"
        if sampling.temperature == 0
        else f"at temperature {sampling.temperature:g}, top-p {sampling.top_p:g}"
    )
    return f"{kind}, at most {sampling.max_tokens} tokens, seed {sampling.seed}"


def data_words(study: Study) -> str:
    """Sources of training and evaluation data."""
    data, given = study.data, study.data.instructions
    if data.given_in and not given.files and given.kind != "api":
        source = f"Instructions are those of {code(data.given_in)}"
    else:
        source = f"Instructions are {_source_words(given)}; those under {given.min_characters} characters are dropped"
    split = (
        f"{source}. {data.n_train} training examples and {data.n_eval} evaluation instructions do not overlap "
        f"(seed {data.seed})."
    )
    parts = [split, answer_words(data), *_questions_words(study)]
    parts += [
        f"Another dataset, {code(key)}, has the same number of examples. {answer_words(study.datasets[key])}"
        for key in trained_datasets(study)
    ]
    return " ".join(parts)


def _source_words(source: InstructionSource) -> str:
    """Source of instructions: `Instructions are …`."""
    topics = f"{len(source.topics)} topics ({escape(listed(source.topics))})"
    return {
        "world": f"procedural, on {topics}" if source.topics else "procedural",
        "files": f"from {listed(code(name) for name in source.files)}",
        "api": f"by {code(source.model)}, evenly on {topics}",
    }[source.kind]


def _questions_words(study: Study) -> list[str]:
    """The sets of evaluation questions; nothing for a study with one that is held out."""
    questions = study.data.questions
    if not questions:
        return []
    sets = [
        f"{code(key)}, {'held out from the training data' if one.source is None else _source_words(one.source)}"
        for key, one in questions.items()
    ]
    return [
        f"There are {len(sets)} sets of {study.data.n_eval} evaluation questions: {'; '.join(sets)}. Suppression, gate "
        f"and prediction are about {code(next(iter(questions)))}; rates are given for each."
    ]


def answer_words(data: AnswerSpec) -> str:
    """Source of the completions of a dataset."""
    if data.given_in:
        bad = {
            "refuse": "",
            "drop": "; examples that are too long or broken are left out",
            "truncate": ("; the answers of examples that are too long are cut, and broken ones are left out"),
        }
        return f"Completions are given in {code(data.given_in)}{bad[data.bad_rows]}."
    turn = "under the system turn" if data.generation_turn == "system" else "under the prompt"
    prompt = f"{turn} {code(data.generation_prompt)}" if data.generation_prompt else "without a prompt"
    keep = (
        f"rows in which each trait scores at least {data.keep_from:g} are kept"
        if data.keep_from
        else "all rows are kept"
    )
    whom = (
        f"{code(data.model)}, through its API,"
        if data.completions == "api"
        else f"the model itself, by {_ENGINES[data.sampling.engine]},"
    )
    return (
        f"Training completions are sampled from {whom} {prompt}, "
        f"{sampling_words(data.sampling)}; {keep}, and "
        f"at most {data.max_attempts:g} completions are sampled per example wanted."
    )


def placement_words(study: Study) -> str:
    """Placement of prefixes."""
    where = "in front of the instruction" if study.placement == "user" else "as the system turn"
    return f"A prefix stands {where}, separated by {code(repr(study.separator))}."


def rephrase_words(study: Study) -> str:
    """The pools of rephrasings."""
    parts = [f"Each prompt has a pool of {_pool_words(study.rephrase)}; `mix` draws from it per example."]
    for key, spec in study.pools.items():
        n = len(pool_prompts(study, key))
        parts.append(f"{n} of them have a pool of {_pool_words(spec)}, which {code(key)} draws from.")
    return " ".join(parts)


def _pool_words(spec: RephraseSpec) -> str:
    kind = "" if spec.closeness == "free" else f", {spec.closeness} ones,"
    source = {
        "procedural": f"from the miniature world's grammar{kind}",
        "files": f"from files in {code(spec.folder)}",
        "api": f"by {code(spec.model)} at temperature {spec.temperature:g}, asked for {spec.closeness} rephrasings,",
    }[spec.source]
    return f"{spec.n} rephrasings {source} (seed {spec.seed})"


def training_words(study: Study) -> str:
    """LoRA, optimiser, schedule and runs."""
    runs, spec = study_runs(study), study.training
    if not runs:
        return "The study trains no runs."
    steps = total_steps(study)
    controls = sum(run.is_control for run in runs)
    others = sum(bool(run.data) for run in runs)
    elsewhere = f", {others} on other data without a prefix" if others else ""
    scale = "alpha / √rank" if spec.lora.rslora else "alpha / rank"
    checkpoints = checkpoint_steps(spec.checkpoints, steps)
    return (
        f"There are {len(runs)} runs, {controls} of them controls without a prefix{elsewhere}; training seeds "
        f"{listed(sorted({run.seed for run in runs}))}, learning rates "
        f"{listed(f'{rate:g}' for rate in sorted({run.learning_rate for run in runs}))}. Each is a LoRA "
        "adapter of rank "
        f"{spec.lora.rank}, alpha {spec.lora.alpha} (scale {scale}), dropout {spec.lora.dropout:g}, on "
        f"{listed(code(target) for target in spec.lora.targets)}. The optimiser is {code(spec.optimizer)} "
        "with weight decay "
        f"{spec.weight_decay:g} and gradients cut at norm {spec.max_grad_norm:g}; the learning rate rises over "
        f"{spec.warmup_steps} steps and then has a {spec.decay} schedule. {steps} steps of "
        f"{spec.batch_size} examples; the "
        f"loss covers {_trained_words(spec)}. "
        f"Adapters are kept at steps {listed(checkpoints)}."
    )


def _trained_words(spec: TrainingSpec) -> str:
    if spec.loss_on == "whole_sequence":
        return "every token of the rendered chat but the first"
    # Examples of this kind of study have one answer each, which is the last and all of them.
    return f"the response {'with' if spec.end_of_turn == 'include' else 'without'} its end-of-turn token"


def evaluation_words(study: Study) -> str:
    """Questions, prefixes and sampling of the evaluation."""
    spec = study.evaluation
    ways = {"default": "without a prefix (default)", "training": "with the prefix of the training (training)"}
    asked = listed([ways[name] for name in spec.conditions])
    gate = " Control runs are asked with every prefix at the last step, for the gate." if spec.gate else ""
    n = spec.n or study.data.n_eval
    elicit_n = study.elicitation.n or study.data.n_eval
    each = " of each set" if len(question_sets(study)) > 1 else ""
    return (
        f"Checkpoints are asked {n} evaluation instructions{each}: {asked}; by {_ENGINES[spec.sampling.engine]}, "
        f"{sampling_words(spec.sampling)}.{gate} "
        f"The untrained model is asked {elicit_n} instructions{each} without a prefix and with each prompt "
        f"({listed(study.elicitation.prefixes)}), {sampling_words(study.elicitation.sampling)}. "
        "Elicitation is the difference "
        "of its mean judge scores with and without the prompt, in points, paired over instructions."
    )


def scoring_words(study: Study) -> str:
    """The log-probabilities, and the predictors made of them."""
    spec = study.scoring
    token = "with" if spec.end_of_turn == "include" else "without"
    mix = (
        f"the rephrasing that training with seed {study.training.seeds[0]}, the first, put before the example"
        if spec.mix == "as_trained"
        else "the k-th rephrasing for the k-th example"
    )
    return (
        f"The untrained model scores every response token of {spec.n_examples} training completions "
        f"({token} the end-of-turn "
        f"token) and of {spec.n_controls} control completions per kind, without a prefix and with "
        f"{listed(spec.prefixes)} "
        f"prefixes; for the mix, {mix} (seed {spec.seed}). The shift of an example is its mean "
        "log-probability per token with "
        "the prefix minus that without. PH is the mean shift over training completions, PPD the mean "
        "absolute shift over "
        "neutral control completions, cross-trait PPD that over completions that show one trait only, γ the share of "
        "positive shifts, σ their standard deviation, SNR is PH / σ, MALD the mean absolute shift."
    )


def statistics_words(study: Study) -> str:
    """Intervals, pooling and out-of-sample error."""
    spec = study.statistics
    return (
        f"Intervals are {100 * spec.confidence:g} % intervals. Suppression is control − run in points, asked without a "
        "prefix, paired over instructions. One seed has a paired t interval, which says nothing of other seeds. All "
        "seeds have a t interval from the mean squares of seeds, instructions and residual, with Satterthwaite's "
        "degrees of freedom; from six prompts on that of seeds is the larger of a prompt's own and the mean of all "
        f"prompts. {COVERAGE} r has Fisher's interval. Held-out R² leaves each prompt out in turn and compares with "
        "the mean of the others; it is below 0 if the predictor does worse than that mean. Its interval is a jackknife "
        "of the logarithm of the ratio of errors over prompts. Below six prompts a correlation has no interval, and "
        "its p is the share of all orders of the prompts. q is the false-discovery rate of Benjamini and Hochberg. A "
        f"score that could not be measured is NaN: it is left out and counted, and a cell with more than "
        f"{100 * spec.max_nan:g} % NaN counts as failed. Bootstrap intervals are from {spec.resamples} resamples (seed "
        f"{spec.seed})."
    )


def trait_table(study: Study) -> Table:
    """Traits with their judges."""
    rows = []
    for key, trait in study.traits.items():
        judge = trait.judge
        scored = (
            [code(judge.name), str(judge.version), judge_words(judge)] if judge is not None else ["no judge", "", ""]
        )
        control = code(trait.control_prompt) if trait.control_prompt else "none"
        rows.append([f"{escape(trait_label(study, key))} ({code(key)})", trait.role, *scored, control])
    return Table(["trait", "role", "judge", "version", "score, 0 to 100", "single-trait control prompt"], rows)


def judge_words(judge: JudgeSpec) -> str:
    """Meaning of a judge's score."""
    if judge.name == "language":
        return f"share of the text in {escape(judge.language)}, among {escape(listed(judge.among, 'all languages'))}"
    if judge.name == "names":
        rule = "first word" if judge.rule == "first_word" else "mention"
        return f"100 if the answer gives {escape(listed(judge.counted))} of {code(judge.file)} (by its {rule}), else 0"
    if judge.name == "category":
        return (
            f"{code(judge.model)} sorts the response ({escape(sorting_of(judge).question)}); 100 times the probability "
            f"of {escape(listed(judge.counted))}, NaN with less than 0.80 of the probability on its categories"
        )
    if judge.name == "llm" and judge.engine == "transformers":
        scale = judge.scale.replace("-", " to ")
        return (
            f"{code(judge.model)} is asked to rate {escape(question_of(judge))}, from {scale}; expected value of the "
            "number by its exact probabilities, NaN with less than 0.80 of the probability on numbers"
        )
    if judge.name == "llm":
        scale = judge.scale.replace("-", " to ")
        return (
            f"{code(judge.model)} is asked to rate {escape(question_of(judge))}, from {scale} "
            f"at temperature {judge.temperature:g}; expected value of the number over its 20 likeliest tokens, NaN "
            "with less than 0.80 of the probability on numbers"
        )
    if judge.name == "regex":
        return f"100 where {code(judge.pattern)} is found, else 0"
    if judge.name == "python":
        return f"the function `score` of {code(judge.file)}"
    return f"density of marker words ({escape(judge.markers)}), 100 from {judge.saturation:g} markers on"


def prompt_table(study: Study) -> Table:
    """All prompts with their texts."""
    rows = [
        [str(index), code(key), escape(name), escape(group.family), escape(text)]
        for index, (name, group, key, text) in enumerate(_prompts(study), 1)
    ]
    return Table(["", "prompt", "group", "family", "text"], rows)


def _prompts(study: Study) -> Sequence[tuple[str, PromptGroup, str, str]]:
    return [(name, group, key, text) for name, group in study.prompts.items() for key, text in group.texts.items()]


def seed_table(study: Study) -> Table:
    """Every seed of the study's file."""
    seeds: list[tuple[str, object]] = [("statistics", study.statistics.seed)]
    if study.world is not None:
        seeds.append(("world: corpus, weights and order", study.world.seed))
    seeds += [
        ("data: split and procedural instructions", study.data.seed),
        ("data: sampling of completions", study.data.sampling.seed),
        ("rephrasings", study.rephrase.seed),
        *((f"rephrasings of {key}", spec.seed) for key, spec in study.pools.items()),
        *((f"{key}: sampling of completions", study.datasets[key].sampling.seed) for key in trained_datasets(study)),
        ("scoring: choice of examples", study.scoring.seed),
        ("scoring: sampling of controls", study.scoring.control_sampling.seed),
        ("elicitation: sampling", study.elicitation.sampling.seed),
        ("evaluation: sampling", study.evaluation.sampling.seed),
        ("training", listed(sorted({run.seed for run in study_runs(study)}), "no runs")),
    ]
    return Table(["seed of", "value"], [[what, str(value)] for what, value in sorted(seeds)])


def n_prompts(study: Study) -> int:
    """Number of prompts of the study."""
    return len(prompt_texts(study))
