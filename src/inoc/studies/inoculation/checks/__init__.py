"""Agreement between the parts of a study: every check that needs more than one field.

A check is a function of the study that yields problems. It names the sections that it reads, so that it can
be left out while one of them is malformed, and the rest of the file is still checked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from inoc.config.checks import problems_of
from inoc.config.document import Problem
from inoc.studies.inoculation.checks import data, judges, models, prompts, runs
from inoc.studies.inoculation.study import Study


def study_problems(study: Study, sections: Collection[str] | None = None) -> list[Problem]:
    """All disagreements between the parts of a study.

    Args:
        study: The study.
        sections: Names of its well-formed sections; checks that read any other are left out. None: all sections.
    """
    # The other checks make every run.
    return problems_of(_FIRST, study, sections) or problems_of(_CHECKS, study, sections)


_Checks = tuple[tuple[tuple[str, ...], Callable[[Study], Iterator[Problem]]], ...]
_FIRST: _Checks = ((("runs", "prompts", "training"), runs.too_many_runs),)
_CHECKS: _Checks = (
    (("traits",), judges.trait_judges),
    (("prompts",), prompts.distinct_prompts),
    (("prompts", "traits"), prompts.prompt_families),
    (("runs", "prompts"), runs.run_keys),
    (("runs", "rephrase", "pools", "elicitation", "scoring"), prompts.prefix_keys),
    (("runs", "datasets"), runs.run_datasets),
    (("runs", "prompts"), runs.empty_blocks),
    (("runs", "prompts", "training"), runs.run_controls),
    (("runs", "prompts", "training"), runs.distinct_run_names),
    (("rephrase", "pools", "prompts", "runs", "scoring", "elicitation"), prompts.pool_sources),
    (("rephrase", "pools", "prompts", "runs", "training", "scoring", "elicitation"), prompts.pool_files),
    (("world", "model", "data", "rephrase", "pools", "traits"), models.world),
    (("rephrase", "pools", "data", "datasets", "embedding"), data.api_models),
    (("model",), models.system_turn),
    (("capability", "runs"), models.capability),
    (("data", "datasets"), data.data_files),
    (("data",), data.held_out_questions),
    (("datasets",), data.dataset_keys),
    (("data", "evaluation", "elicitation", "scoring"), data.sizes),
    (("elicitation", "evaluation", "runs", "data", "datasets", "scoring"), models.engines),
    (("model", "data", "datasets", "elicitation", "evaluation"), models.quantized_sampling),
    (("data", "datasets", "elicitation", "evaluation", "scoring"), models.one_answer),
    (("training",), runs.micro_batches),
    (("training", "data"), runs.moves),
    (("training", "data", "datasets", "runs"), runs.lengths),
    (("training", "data"), runs.checkpoints),
    (("rates", "traits"), judges.rate_conditions),
    (("expect", "traits", "runs"), judges.expectation),
)
