"""The verb `view`: write the site of a study, and open it."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

from inoc.api.client import FOLDER
from inoc.config.load import load_study, load_workflow
from inoc.config.workflow import Workflow
from inoc.errors import DataError
from inoc.jobs.make import RESULTS, store_folder
from inoc.jobs.paths import Paths
from inoc.jobs.work import present_jobs
from inoc.stages import kind_named, load
from inoc.view.declare import Kept, View
from inoc.view.serve import serve_forever
from inoc.view.site import write_site


def make_and_open(
    name: str, config: Path, out: Path | None, *, tokens: bool, browse: bool, serve: bool, port: int = 0
) -> None:
    """Write the site of a study, and open it or serve it.

    Args:
        name: Name or path of the study.
        config: Folder of `config.yaml`.
        out: Folder of the site; default: `view` among the study's results.
        tokens: Whether the values of single tokens are written.
        browse: Whether a browser opens it.
        serve: Whether it is served to this machine until Ctrl-C; its data are then plain files.
        port: Of the server; 0 for one that is free.

    Raises:
        DataError: If the study has no results, or the folder holds something else.
    """
    study = load_study(name, config)
    paths = Paths(RESULTS, study.name)
    if not paths.stage("").is_dir():
        run = f"snakemake results/figures/all --config 'studies=[{study.name}]'"
        msg = f"{study.name} has no results in {paths.stage('')}. Run it first: {run}"
        raise DataError(msg)
    kind = kind_named(study.kind)
    workflow = load_workflow(config / "config.yaml")
    shards = workflow.shards.get(study.name, {})
    view = load(kind.view)(study, paths, shards, _kept(workflow)) if kind.view else View((), ())
    contents = load(kind.contents)(study, paths)
    jobs = frozenset(name for name, _ in present_jobs(study, paths, shards))
    folder = out or paths.stage("view")
    site = write_site(view, contents, paths, folder, form="files" if serve else "scripts", tokens=tokens, jobs=jobs)
    print(f"{study.name}: {site.summary()}", file=sys.stderr)
    if serve:
        serve_forever(site.folder, port, browse=browse)
    elif browse:
        webbrowser.open((site.folder / "index.html").resolve().as_uri())


def _kept(workflow: Workflow) -> Kept:
    """Answers of the APIs of a workflow."""
    specs = {"api": workflow.api, "engine_api": workflow.engine_api or workflow.api}
    folders = {
        name: Path(spec.folder).expanduser() if spec.folder else store_folder(workflow) / FOLDER
        for name, spec in specs.items()
    }
    return Kept({name: spec.base_url for name, spec in specs.items()}, folders)
