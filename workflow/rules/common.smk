"""Helper functions of the rules. Rules contain no logic, and these helpers leave decisions to the package."""

import json
import shlex
import sys
from pathlib import Path

from inoc.config.load import load_study, workflow_of
from inoc.errors import InocError
from inoc.figures.entries import chosen_figures, entry_of
from inoc.figures.listing import empty_figures
from inoc.jobs.lock import check_snakemake_folder, hold
from inoc.jobs.make import RESULTS
from inoc.jobs.model_check import check_study_model
from inoc.jobs.paths import Paths
from inoc.jobs.ready import check_api, check_inputs, needs_of
from inoc.jobs.shards import shard_count
from inoc.jobs.work import settings_of, stage_files, step_version, work_of
from inoc.stages import kind_named, load, parts_of, stage_named
from inoc.trouble import explanation
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

try:
    check_snakemake_folder(Path(".snakemake"))
    WORKFLOW = workflow_of(config, Path("config/config.yaml"))
    STUDIES = {name: load_study(name) for name in WORKFLOW.studies}
except (InocError, OSError, UnicodeEncodeError) as error:
    raise WorkflowError(explanation(error) or str(error)) from None

# Imported results exist already; rules may read them, but never make them.
IMPORTED = {
    name for name in STUDIES if (RESULTS / name / "imports" / "findings.json").exists()
}
COMPUTED = "|".join(sorted(STUDIES.keys() - IMPORTED)) or "(?!)"

# The verbs are those of the environment in which Snakemake runs, activated or not; with `--sdm conda`, those of the
# sources next to this workflow, with the packages of the rules' environment.
# An environment is named only with `--sdm conda`, since Snakemake reads braces in its path as wildcards.
CONDA = None
if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
    CONDA = "../envs/inoc.yaml"
    SOURCES = shlex.quote(str(Path(workflow.current_basedir).parents[1] / "src"))
    VERBS = f'inoc() {{ PYTHONPATH={SOURCES} python -m inoc "$@"; }}'
else:
    VERBS = f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
PREFIX = f"{VERBS}; export INOC_STORE={shlex.quote(WORKFLOW.store)} INOC_PROGRESS=plain OMP_NUM_THREADS=1; "
# Braces are doubled, because Snakemake would read them as variables; `quote` protects the rest from the shell.
shell.prefix(PREFIX.replace("{", "{{").replace("}", "}}"))


wildcard_constraints:
    study="|".join(STUDIES),
    shard=r"\d+",


def parts(stage):
    """A pattern of the names of a stage's parts; one that nothing matches if no kind of study splits the stage."""
    return "|".join(parts_of(stage)) or "(?!)"


def refuse_what_cannot_run():
    """Stop before the first job if another workflow runs here, or if none of the studies that have jobs to run can run.

    With several studies, one that lacks a file or the API that it needs fails alone and does not hold up the others.
    Jobs that only read tables, such as redrawing a figure, need neither.
    """
    try:
        hold(Path(".snakemake/inoc.lock"))
        blocked, due = {}, stages_to_run()
        for name, stages in due.items():
            if name in IMPORTED or all(stage_named(one).reads_tables for one in stages):
                continue
            try:
                check_inputs(STUDIES[name], Path())
                check_study_model(STUDIES[name], Path())
                check_api(STUDIES[name], WORKFLOW.api, engine_spec=WORKFLOW.engine_api)
            except InocError as error:
                blocked[name] = str(error)
    except (InocError, OSError) as error:
        raise WorkflowError(explanation(error) or str(error)) from None
    if blocked and len(blocked) == len(due):
        raise WorkflowError("\n".join(blocked.values()))
    for words in blocked.values():
        print(f"{words}\nThe other studies go on.", file=sys.stderr)


def stages_to_run():
    """Study → stages that have jobs to run."""
    found = {}
    for job in workflow.dag.needrun_jobs():
        # results/<study>/<stage>/...
        parts = Path(job.output[0]).relative_to(RESULTS).parts if job.output else ()
        if parts and parts[0] in STUDIES:
            found.setdefault(parts[0], set()).add(parts[1])
    return found


def asks_an_api(stage):
    """Whether a stage asks an API for some study. It then runs on this machine: nodes may reach no API and no database."""
    return any(asks(name, stage) for name in STUDIES.keys() - IMPORTED)


def asking(stage):
    """A pattern of the studies for which a part of a stage asks an API. It then runs on this machine, without a GPU."""
    return studies_with_part(stage, by_api=True)


def computing(stage):
    """A pattern of the studies for which a part of a stage asks no API."""
    return studies_with_part(stage, by_api=False)


def studies_with_part(stage, by_api):
    """A pattern of the studies of which a part asks an API, or asks none. It looks ahead to the part in the path."""
    found = []
    for name in STUDIES.keys() - IMPORTED:
        every = kind_named(STUDIES[name].kind).parts.get(stage, ())
        chosen = [part for part in every if asks(name, stage, part) == by_api]
        if chosen:
            found.append(f"{name}(?=/{stage}/({'|'.join(chosen)})[/.])")
    return names_of(found)


def asks(study, stage, part=""):
    """Whether a stage asks an API for a study, in one of its parts or in any."""
    return any(
        one.stage == stage and (not part or one.part in ("", part))
        for one in needs_of(STUDIES[study]).apis
    )


def names_of(things):
    """A pattern of the names of studies or figures; one that nothing matches if there is none."""
    return "|".join(sorted(things)) or "(?!)"


def paths(wildcards):
    """Paths of a study's results."""
    return Paths(RESULTS, wildcards.study)


def shards(study):
    """Number of jobs into which each stage of a study is split."""
    return WORKFLOW.shards.get(study, {})


def n_shards(stage):
    """Number of jobs into which a stage of a study is split, for a rule's params."""

    def count(wildcards):
        return shard_count(stage_named(stage), shards(wildcards.study))

    return count


def settings(stage, study=None):
    """The smallest slice of the study that a job of the stage depends on, as text."""

    def slice_of(wildcards):
        name = study or wildcards.study
        value = settings_of(
            stage,
            STUDIES[name],
            int(getattr(wildcards, "shard", 0)),
            shards(name),
            getattr(wildcards, "part", ""),
        )
        return json.dumps(value, sort_keys=True)

    return slice_of


def version(stage, study=None):
    """The stage's version, bumped by hand when its results change."""

    def of_study(wildcards):
        name = study or wildcards.study
        return step_version(stage, STUDIES[name], getattr(wildcards, "part", ""))

    return of_study


def memory(megabytes):
    """Memory of a job, doubled at each further attempt."""

    def asked(wildcards, attempt):
        return megabytes * 2 ** (attempt - 1)

    return asked


def model_memory(wildcards, attempt):
    """Memory of a job that loads the study's model: a large one passes through main memory on its way to the GPU."""
    small = STUDIES[wildcards.study].model.path == "world"
    return memory(4_000 if small else 48_000)(wildcards, attempt)


def loads_another(stage):
    """The number of GPUs for models other than the study's that a stage loads, such as a judge's, for a rule."""

    def count(wildcards):
        found = needs_of(STUDIES[wildcards.study]).local_models
        return int(any(one.stage == stage for one in found))

    return count


def memory_of(stage, megabytes):
    """Memory of a job that may load another model than the study's."""

    def asked(wildcards, attempt):
        loads = loads_another(stage)(wildcards)
        return (
            model_memory(wildcards, attempt)
            if loads
            else memory(megabytes)(wildcards, attempt)
        )

    return asked


def runtime_of(stage, short):
    """Time of a job that is short, unless it loads another model than the study's."""

    def asked(wildcards):
        return "8h" if loads_another(stage)(wildcards) else short

    return asked


def train_gpus(wildcards):
    """Number of GPUs that train one run together."""
    return WORKFLOW.train_gpus.get(wildcards.study, 1)


def train_memory(wildcards, attempt):
    """Memory of a training job, in which one process per GPU loads the model."""
    return model_memory(wildcards, attempt) * train_gpus(wildcards)


def model_of(wildcards):
    """The summary of the miniature model, with its digest, if the study uses it; the workflow makes no other model."""
    made = STUDIES[wildcards.study].model.path == "world"
    return [str(paths(wildcards).stage("world") / "world.json")] if made else []


def inputs(stage, study=None):
    """Files that a job of the stage reads: those that the study names, and those of earlier stages.

    A missing file that a study names is reported before the first job. Of an imported study, only the tables that the
    import wrote are read.
    """

    def files(wildcards):
        name = study or wildcards.study
        work = work_of(STUDIES[name], stage, getattr(wildcards, "part", ""))
        needed = needs_of(STUDIES[name]).files if work.given else ()
        named = [
            one.path
            for one in needed
            if one.key.startswith(work.given) and Path(one.path).is_file()
        ]
        made = work.inputs(
            STUDIES[name],
            Paths(RESULTS, name),
            shards(name),
            int(getattr(wildcards, "shard", 0)),
        )
        there = [path for path in made if is_made(path) or path.exists()]
        return [*named, *map(str, there)]

    return files


def is_made(path):
    """Whether a rule makes the file. No rule makes an imported study's tables of earlier stages.

    Nor does one make the tables of a study that is not in the configuration, which a comparison may read.
    """
    if not path.is_relative_to(RESULTS):
        return False
    study, stage = path.relative_to(RESULTS).parts[:2]
    return study in STUDIES and (
        study not in IMPORTED or stage_named(stage).reads_tables
    )


def stage_outputs(stage, study):
    """Output files of a stage of one study."""
    return [
        str(path)
        for path in stage_files(
            STUDIES[study], stage, Paths(RESULTS, study), shards(study)
        )
    ]


def entries(study):
    """The figures of a study's kind."""
    return load(kind_named(STUDIES[study].kind).figures)


def study_targets(wildcards):
    """Figures and appendices of all studies."""
    pages = [
        str(Paths(RESULTS, study).stage("report") / "appendix.html")
        for study in STUDIES
    ]
    return [*pages, *(path for study in STUDIES for path in figure_files(study, "svg"))]


def figures_of(wildcards):
    """Figures of one study."""
    return figure_files(wildcards.study, "svg")


def figure_files(study, suffix):
    """One file per figure that a study asks for."""
    folder = Paths(RESULTS, study).stage("figures")
    names = chosen_figures(entries(study), STUDIES[study])
    return [str(folder / f"{name}.{suffix}") for name in names]


def other_figures(study):
    """A pattern of the figures that a study does not ask for; one that nothing matches if it asks for all."""
    asked = chosen_figures(entries(study), STUDIES[study])
    return names_of(entry.name for entry in entries(study) if entry.name not in asked)


def figure_in_report(study, name):
    """A figure with its caption, category and labels in the report."""
    entry = entry_of(entries(study), name)
    folder = (Paths(RESULTS, study).stage("figures")).resolve()

    def subcategory(wildcards):
        # Known only when the figure has been drawn, which it has when a report is made.
        empty = name in empty_figures(Paths(RESULTS, study))
        return "Nothing to show" if empty else entry.category

    return report(
        f"results/{study}/figures/{name}.svg",
        caption=str(folder / f"{name}.rst"),
        category=study,
        subcategory=subcategory,
        labels=dict(entry.labels),
    )
