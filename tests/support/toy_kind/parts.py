"""Everything that the toy kind brings."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd
import pyarrow as pa

from inoc.analyse.step import Analysed
from inoc.analyse.step import Plan as AnalysePlan
from inoc.config.document import Problem
from inoc.config.models import ModelStudy, RephraseSpec
from inoc.config.needs import Needs
from inoc.config.workflow import Shards
from inoc.figures.entries import Entry
from inoc.figures.sources import Sources
from inoc.figures.step import Plan as FiguresPlan
from inoc.jobs.costs import CostRow, Rates
from inoc.jobs.job import Job
from inoc.jobs.paths import Paths
from inoc.jobs.work import Settings, Work, plain
from inoc.plots.save import Drawing
from inoc.rephrase.step import Pool
from inoc.report.contents import EMPTY, Block, Contents, ListedFigure, Section
from inoc.report.words import Table
from inoc.tables import read_table

TABLES = ("pool_sizes",)
POOL_SIZES = pa.schema([("prompt", pa.string()), ("n", pa.int32())])


class Study(ModelStudy):
    """A few prompts."""

    prompts: dict[str, str]
    rephrase: RephraseSpec = RephraseSpec(source="procedural", n=3)


def problems(study: Study, sections: Collection[str] | None = None) -> list[Problem]:
    empty = [key for key, text in study.prompts.items() if not text.strip()]
    return [Problem(("prompts", key), "is empty; accepted: a text", "") for key in empty]


def needs(study: Study) -> Needs:
    return Needs(study.model)


def summary(study: Study) -> str:
    return f"{len(study.prompts)} prompts"


def costs(study: Study, shards: Shards, rates: Rates) -> list[CostRow]:
    return [CostRow("rephrase", 1, f"{len(study.prompts)} pools")]


def plan_pools(study: Study, job: Job, shards: Shards) -> list[Pool]:
    return [Pool("mix", "rephrase", study.rephrase, dict(study.prompts))]


def plan_analysis(study: Study, job: Job, shards: Shards) -> AnalysePlan:
    def sizes() -> Analysed:
        pools = read_table(job.paths.pools, ["prompt", "index", "text", "pool"])
        counts = pools.groupby("prompt", sort=False).size()
        return Analysed(
            {"pool_sizes": pd.DataFrame({"prompt": counts.index, "n": counts})}, {"pool_sizes": POOL_SIZES}, []
        )

    return AnalysePlan(sizes)


def draw(study: Study, sources: Sources) -> Drawing:
    from inoc.plots.style import new_figure

    sizes = sources.table("pool_sizes")
    figure = new_figure(3)
    figure.subplots().bar(sizes["prompt"], sizes["n"])
    return Drawing(figure, sizes, "Number of rephrasings of each prompt.")


ENTRIES = (
    Entry(
        "sizes",
        "Sizes of the pools",
        "support.toy_kind.parts:draw",
        TABLES,
        "Pools",
        {"figure": "sizes"},
        lambda study: "",
        core=True,
    ),
)


def plan_figures(study: Study, job: Job, shards: Shards) -> FiguresPlan[Study]:
    return FiguresPlan(study, ENTRIES)


def contents(study: Study, paths: Paths) -> Contents:
    sizes = read_table(paths.table("pool_sizes"))
    table = Table(["prompt", "rephrasings"], [[row.prompt, str(row.n)] for row in sizes.itertuples()])
    return {
        "title": study.title,
        "name": study.name,
        "question": "How many rephrasings are there?",
        "verdict": [],
        "headline": Block("Sizes", table=table),
        "reading": [],
        "glossary": [],
        "results": [Section("Pools", [Block("Sizes of the pools", table=table)])],
        "methods": [],
        "figures": [ListedFigure(one.name, one.title, one.category, one.core) for one in ENTRIES],
        "absent": [],
        "unasked": [],
        "seeds": EMPTY,
        "failed": [],
    }


def plan_report(study: Study, job: Job, shards: Shards) -> Contents:
    return contents(study, job.paths)


def _slice(study: Study, shard: int, shards: Shards) -> Settings:
    return {"prompts": dict(study.prompts), "rephrase": plain(study.rephrase)}


def _pools(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    return [paths.pools, paths.spread]


def _tables(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    return [paths.stage("analyse") / "skipped.json", *(paths.table(name) for name in TABLES)]


def _listing(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    return [paths.stage("figures") / "done.json"]


def _page(study: Study, paths: Paths, shards: Shards, shard: int) -> list[Path]:
    return [paths.stage("report") / "appendix.html"]


_HERE = "support.toy_kind.parts"
WORK = (
    Work("rephrase", _slice, f"{_HERE}:plan_pools", _pools),
    Work("analyse", _slice, f"{_HERE}:plan_analysis", _tables, _pools),
    Work("figures", _slice, f"{_HERE}:plan_figures", _listing, _tables),
    Work("report", _slice, f"{_HERE}:plan_report", _page, _listing),
)
