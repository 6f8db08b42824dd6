"""Traits, prompts and learning rates that the figures of a study show. Functions of the study alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from inoc.studies.inoculation.runs import prefix_kinds, prompt_families, prompt_texts, question_sets, study_runs
from inoc.studies.inoculation.study import Study
from inoc.studies.shared.labels import label_of

if TYPE_CHECKING:
    from inoc.plots.style import Look

CONDITION_WORDS = {"default": "asked without prefix", "training": "asked with training prefix"}


class Trained(NamedTuple):
    """A prompt (empty for the control) trained at a learning rate."""

    prompt: str
    learning_rate: float


def judged_traits(study: Study) -> list[str]:
    """Traits that a judge scores, unwanted ones first: they are what a prefix is to suppress."""
    judged = [key for key, trait in study.traits.items() if trait.judge is not None]
    return sorted(judged, key=lambda key: study.traits[key].role == "wanted")


def focus_trait(study: Study) -> str | None:
    """The unwanted trait that predictions are about: the expected one, or the first; None if there is none."""
    if study.expect is not None:
        return study.expect.trait
    return next((key for key in judged_traits(study) if study.traits[key].role == "unwanted"), None)


def wanted_trait(study: Study) -> str | None:
    """The first wanted trait; None if there is none."""
    return next((key for key, trait in study.traits.items() if trait.role == "wanted"), None)


def trait_in_role(study: Study, role: str) -> str | None:
    """The trait that figures of a role, `unwanted` or `wanted`, are about; None if there is none."""
    return focus_trait(study) if role == "unwanted" else wanted_trait(study)


def trait_label(study: Study, trait: str) -> str:
    """The trait's name in figures."""
    return label_of(trait.capitalize(), study.traits[trait].label)


def family_label(study: Study, family: str) -> str:
    """The family's name in figures."""
    return trait_label(study, family) if family in study.traits else family


def families(study: Study) -> list[str]:
    """Families of the prompts, in the file's order."""
    return list(dict.fromkeys(prompt_families(study).values()))


def prompt_label(prompt: str) -> str:
    """The prompt's key as words."""
    return prompt.replace("_", " ") if prompt else "control"


def learning_rates(study: Study) -> list[float]:
    """Learning rates of the runs, ascending."""
    return sorted({run.learning_rate for run in study_runs(study)})


def main_rate(study: Study) -> float | None:
    """The learning rate of figures that show one: that of `training`, or the smallest that has prompts."""
    rates = sorted({run.learning_rate for run in study_runs(study) if run.prompt})
    return study.training.learning_rate if study.training.learning_rate in rates else next(iter(rates), None)


def trained_prompts(study: Study) -> list[str]:
    """Prompts that some run is trained with, in the file's order."""
    trained = {run.prompt for run in study_runs(study)}
    return [prompt for prompt in prompt_texts(study) if prompt in trained]


def trained_kinds(study: Study) -> list[str]:
    """Every kind of prefix that some run is trained with: `fixed`, `mix`, and further pools in the file's order."""
    trained = {run.prefix for run in study_runs(study)}
    return [kind for kind in prefix_kinds(study) if kind in trained]


def kind_words(kind: str) -> str:
    """Legend text for runs trained with a kind of prefix."""
    words = {"none": "trained without prefix", "fixed": "trained with fixed prefix"}
    return words.get(kind, f"trained with rephrasings ({kind.replace('_', ' ')})")


def looks(study: Study) -> dict[str, Look]:
    """Appearance of every kind of prefix of a study."""
    from inoc.plots.style import looks_of

    return looks_of(list(study.pools))


def questions_label(study: Study, questions: str) -> str:
    """Name of a set of questions in figures; empty where there is but one."""
    if len(question_sets(study)) < 2:
        return ""
    return label_of(questions.capitalize(), study.data.questions[questions].label)


def dataset_label(study: Study, data: str) -> str:
    """Name of another dataset in figures."""
    return label_of(data, study.datasets[data].label)


def trained_prefixes(study: Study) -> list[str]:
    """`fixed`, `mix` or both, which is what the figures that set them side by side show."""
    trained = {run.prefix for run in study_runs(study)}
    return [prefix for prefix in ("fixed", "mix") if prefix in trained]


def has_control(study: Study) -> bool:
    """Whether some prompt's run has a control of its learning rate and seed."""
    runs = study_runs(study)
    controls = {(run.learning_rate, run.seed) for run in runs if run.is_control}
    return any((run.learning_rate, run.seed) in controls for run in runs if run.prompt)


def run_seeds(study: Study) -> list[int]:
    """Seeds of the runs, ascending."""
    return sorted({run.seed for run in study_runs(study)})
