"""The compared studies: where their tables are, and what is missing from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from inoc.config.load import load_study, load_workflow
from inoc.config.models import BaseStudy, ModelStudy
from inoc.config.workflow import Shards
from inoc.jobs.make import RESULTS
from inoc.jobs.paths import Paths
from inoc.score.computed import ways_of
from inoc.studies.comparison.measures import chosen
from inoc.studies.comparison.study import ComparedStudy, Study

_WORKFLOW = Path("config") / "config.yaml"


class Side(NamedTuple):
    """One of the compared studies."""

    key: str
    spec: ComparedStudy
    paths: Paths
    study: BaseStudy | None  # None without its file
    shards: Shards


def name_of(spec: ComparedStudy) -> str:
    """Name of a study, which is that of its file and of its folder of results."""
    if spec.study is None:
        return Path(spec.folder or "").name
    return Path(spec.study).stem if spec.study.endswith((".yaml", ".yml")) else spec.study


def paths_of(spec: ComparedStudy) -> Paths:
    """Where the results of a compared study are."""
    if spec.folder is None:
        return Paths(RESULTS, name_of(spec))
    folder = Path(spec.folder)
    return Paths(folder.parent, folder.name)


def sides_of(study: Study) -> list[Side]:
    """The compared studies, in the file's order.

    Raises:
        ConfigError: If the file of one is wrong.
    """
    shards = load_workflow(_WORKFLOW).shards if _WORKFLOW.exists() else {}
    return [
        Side(
            key,
            spec,
            paths_of(spec),
            load_study(spec.study) if spec.study is not None else None,
            shards.get(name_of(spec), {}),
        )
        for key, spec in study.studies.items()
    ]


def computed_otherwise(study: Study) -> Iterator[tuple[str, str]]:
    """Keys of compared studies that were, or are to be, computed in another way than the first, each with why.

    What the manifests of finished jobs say counts, or else the study's file; a folder of tables alone says nothing.

    Raises:
        ConfigError: If the file of one is wrong.
    """
    first: tuple[str, frozenset[str]] | None = None
    for key, spec in study.studies.items():
        ways = ways_of(paths_of(spec))
        if not ways and spec.study is not None:
            found = load_study(spec.study)
            ways = frozenset({found.model.compute} if isinstance(found, ModelStudy) else ())
        if not ways:
            continue
        first = first or (key, ways)
        if ways != first[1]:
            own, other = (", ".join(sorted(one)) for one in (ways, first[1]))
            yield (
                key,
                f"has model.compute = {own}, and studies.{first[0]} has {other}: the rounding of 8-bit floating point "
                "would count as a difference; accepted: studies with one value",
            )


def table_files(study: Study) -> dict[str, list[Path]]:
    """Key of a compared study → tables of its analysis that the comparison reads."""
    tables = list(dict.fromkeys(one.of.table for one in chosen(study)))
    return {key: [paths_of(spec).table(table) for table in tables] for key, spec in study.studies.items()}


def unfinished(study: Study) -> Iterator[str]:
    """Studies without the tables that are to be compared, each with what to run."""
    for key, files in table_files(study).items():
        absent = [path for path in files if not path.is_file()]
        if absent:
            spec = study.studies[key]
            names = ", ".join(path.name for path in absent)
            place, value = ("study", spec.study) if spec.folder is None else ("folder", spec.folder)
            yield f"studies.{key}.{place} = {value!r}: {absent[0].parent} has no {names}; {_remedy(study, spec)}"


def _remedy(study: Study, spec: ComparedStudy) -> str:
    if spec.study is None or spec.folder is not None:
        return "name the folder of the results of a finished study, or leave out the measures of these tables"
    names = ",".join(dict.fromkeys(name_of(one) for one in study.studies.values()))
    return f"run it, alone or together: snakemake --cores 2 --config 'studies=[{names},{study.name}]'"
