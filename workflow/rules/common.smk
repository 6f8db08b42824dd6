"""Every helper of the rules. Rules hold no logic, and what the helpers decide is decided in the package."""

import importlib
import json
import shlex
import sys
from pathlib import Path

from inoc.config.load import (
    api_uses,
    check_api,
    check_inputs,
    given_files,
    load_study,
    workflow_of,
)
from inoc.config.models import Shards
from inoc.config.settings import settings_of
from inoc.jobs.context import RESULTS, shard_count
from inoc.errors import InocError
from inoc.studies.inoculation.figures.catalogue import entry_of, figure_names
from inoc.jobs.lock import hold
from inoc.jobs.paths import Paths
from inoc.studies.inoculation.runs import question_sets
from inoc.stages import PACKAGES
from inoc.trouble import explanation
from snakemake.exceptions import WorkflowError

try:
    WORKFLOW = workflow_of(config, Path("config/config.yaml"))
    STUDIES = {name: load_study(name) for name in WORKFLOW.studies}
except (InocError, OSError, UnicodeEncodeError) as error:
    raise WorkflowError(explanation(error) or str(error)) from None

# What was imported is there already; no rule may make it, only read it.
IMPORTED = {
    name for name in STUDIES if (RESULTS / name / "imports" / "findings.json").exists()
}
COMPUTED = "|".join(sorted(STUDIES.keys() - IMPORTED)) or "(?!)"

# The verbs are those of the very environment that Snakemake runs in, activated or not.
# Snakemake takes braces for variables, and the shell takes nearly everything else for something else.
ENVIRONMENT = shlex.quote(str(Path(sys.executable).parent))
STORE = shlex.quote(WORKFLOW.store)
shell.prefix(
    f"export PATH={ENVIRONMENT}:$PATH INOC_STORE={STORE} INOC_PROGRESS=plain OMP_NUM_THREADS=1; ".replace(
        "{", "{{"
    ).replace("}", "}}")
)


wildcard_constraints:
    study="|".join(STUDIES),
    shard=r"\d+",
    part="elicit|evaluate",


def refuse_what_cannot_run():
    """Stop before the first job if another workflow runs here, or if a study's files, or the API it asks, are missing."""
    try:
        hold(Path(".snakemake/inoc.jobs.lock"))
        for name in STUDIES.keys() - IMPORTED:
            check_inputs(STUDIES[name], Path())
            check_api(STUDIES[name], WORKFLOW.api, engine_spec=WORKFLOW.engine_api)
    except (InocError, OSError, UnicodeEncodeError) as error:
        raise WorkflowError(explanation(error) or str(error)) from None


def asks_an_api(stage):
    """Whether a stage asks an API for some study; then it runs here: nodes may reach none, and share no database."""
    return any(
        stage == asking.stage
        for name in STUDIES.keys() - IMPORTED
        for asking in api_uses(STUDIES[name])
    )


def paths(wildcards):
    """Artefacts of a study."""
    return Paths(RESULTS, wildcards.study)


def shards(study):
    """Into how many jobs a study's stages are split."""
    return WORKFLOW.shards.get(study, Shards())


def shard_numbers(stage, study):
    """Numbers of a stage's jobs."""
    return range(shard_count(stage, shards(study)))


def n_shards(stage):
    """Into how many jobs a stage of a study is split, for a rule's params."""

    def count(wildcards):
        return shard_count(stage, shards(wildcards.study))

    return count


def settings(stage, study=None):
    """The smallest slice of the study that a job of the stage depends on, as text."""

    def slice_of(wildcards):
        name = study or wildcards.study
        value = settings_of(
            stage, STUDIES[name], int(getattr(wildcards, "shard", 0)), shards(name)
        )
        return json.dumps(value, sort_keys=True)

    return slice_of


def step_version(stage):
    """The stage's version, bumped by hand when its results change."""
    return importlib.import_module(PACKAGES[stage]).VERSION


def memory(megabytes):
    """Memory of a job, twice as much at each further attempt."""

    def asked(wildcards, attempt):
        return megabytes * 2 ** (attempt - 1)

    return asked


def model_memory(wildcards, attempt):
    """Memory of a job that loads the study's model: a large one passes through it on its way to the GPU."""
    small = STUDIES[wildcards.study].model.path == "world"
    return memory(4_000 if small else 48_000)(wildcards, attempt)


def train_gpus(wildcards):
    """GPUs that train one run together."""
    return WORKFLOW.train_gpus.get(wildcards.study, 1)


def train_memory(wildcards, attempt):
    """Memory of a job in which each GPU's process loads the model."""
    return model_memory(wildcards, attempt) * train_gpus(wildcards)


def model_of(wildcards):
    """The summary of the miniature model, which has its digest, if the study uses it; others are not made here."""
    made = STUDIES[wildcards.study].model.path == "world"
    return [str(paths(wildcards).stage("world") / "world.json")] if made else []


def given(*sections):
    """Files that the study names in some of its sections; those that are missing are refused before any job starts."""

    def files(wildcards):
        named = given_files(STUDIES[wildcards.study])
        return [
            path
            for key, path in named
            if key.startswith(sections) and Path(path).is_file()
        ]

    return files


def losses_of(wildcards):
    """Loss curves of all shards."""
    return there(
        wildcards, [paths(wildcards).losses(shard) for shard in _run_shards(wildcards)]
    )


def completions_of(wildcards):
    """Completions of all shards of `elicit` or `evaluate`."""
    place = getattr(paths(wildcards), wildcards.part)
    return [
        str(place(shard)) for shard in shard_numbers(wildcards.part, wildcards.study)
    ]


def logprobs_of(wildcards):
    """Log-probabilities of all shards."""
    return [
        str(paths(wildcards).logprobs(shard))
        for shard in shard_numbers("score", wildcards.study)
    ]


def self_perplexity_of(wildcards):
    """How surprising the prompts are to the model, of all shards."""
    place = paths(wildcards).self_perplexity
    return there(
        wildcards,
        [place(shard) for shard in shard_numbers("score", wildcards.study)],
    )


def questions_of(wildcards):
    """Which set each evaluation question belongs to, if there are several."""
    several = len(question_sets(STUDIES[wildcards.study])) > 1
    return there(wildcards, [paths(wildcards).instructions] if several else [])


def embeddings_of(wildcards):
    """Embeddings of the prompts, if the study asks for them."""
    wanted = STUDIES[wildcards.study].embedding is not None
    return there(wildcards, [paths(wildcards).embeddings] if wanted else [])


def scores_of(wildcards):
    """Judge scores: of the untrained model, and of the runs if there are any."""
    parts = ["elicit", "evaluate"] if STUDIES[wildcards.study].runs else ["elicit"]
    return there(wildcards, [paths(wildcards).scores(part) for part in parts])


def spread_of(wildcards):
    """How far the pools are from their prompts."""
    return there(wildcards, [paths(wildcards).spread])


def there(wildcards, places):
    """All of the files, or those of them that an import brought."""
    return [
        str(path) for path in places if wildcards.study not in IMPORTED or path.exists()
    ]


def study_targets(wildcards):
    """Figures and appendix of every study."""
    pages = [
        str(Paths(RESULTS, study).stage("report") / "appendix.html")
        for study in STUDIES
    ]
    return [*pages, *(path for study in STUDIES for path in figure_files(study, "svg"))]


def figures_of(wildcards):
    """Figures of one study."""
    return figure_files(wildcards.study, "svg")


def figure_files(study, suffix):
    """One file per figure of a study."""
    folder = Paths(RESULTS, study).stage("figures")
    return [str(folder / f"{name}.{suffix}") for name in figure_names(STUDIES[study])]


def figure_in_report(study, name):
    """A figure with its caption, its place in the report and its labels."""
    entry = entry_of(name)
    folder = (Paths(RESULTS, study).stage("figures")).resolve()
    return report(
        f"results/{study}/figures/{name}.svg",
        caption=str(folder / f"{name}.rst"),
        category=study,
        subcategory=entry.category,
        labels=entry.labels,
    )


def _run_shards(wildcards):
    return (
        shard_numbers("train", wildcards.study) if STUDIES[wildcards.study].runs else []
    )
