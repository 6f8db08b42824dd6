"""`inoc.load`: everything that is computed of a study, as pandas."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from inoc.config.load import load_study, load_workflow
from inoc.config.models import BaseStudy
from inoc.config.workflow import Shards
from inoc.errors import DataError, did_you_mean
from inoc.jobs.paths import Paths
from inoc.python.found import Piece, find_tables, read_pieces, scored_sources
from inoc.python.transcripts import add_messages
from inoc.stages import kind_named

_TEXTS = ("instruction", "completion")
_TRAIT = "trait"


@dataclass(frozen=True)
class Results:
    """The computed results of a study. Tables are read when they are asked for.

    Attributes:
        study: The study file, checked; each section is an attribute, and its fields are.
        folder: Where the results are.
    """

    study: BaseStudy
    folder: Path
    _shards: Shards
    _found: dict[str, list[Piece]]

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.study.name

    @property
    def kind(self) -> str:
        """Kind of the study."""
        return self.study.kind

    @property
    def model(self) -> dict[str, Any]:
        """The model of the study for `inoc.score` and `inoc.read`, as the section `model` of a study file.

        The miniature model is named by its folder.
        """
        section: dict[str, Any] = getattr(self.study, "model").model_dump()  # noqa: B009 - a kind's own field
        return section | ({"path": str(self._paths.world_model)} if section["path"] == "world" else {})

    @property
    def _paths(self) -> Paths:
        return Paths(self.folder.parent, self.study.name)

    def tables(self) -> list[str]:
        """Names of the tables that are computed, as `<stage>/<table>` or `<stage>/<part>/<table>`."""
        return list(self._found)

    def table(self, name: str) -> pd.DataFrame:
        """A table, with the rows of all jobs that write it.

        Args:
            name: As `tables` lists it; a table of the analysis can be named without its stage.

        Returns:
            The columns that the page of its stage describes; NaN is a measurement that failed. A table that several
            jobs can write has a column `shard` besides.

        Raises:
            DataError: If there is no such table, or its stage has not been run.
        """
        name = f"analyse/{name}" if "/" not in name else name
        if name not in self._found:
            raise DataError(self._absent(name))
        return read_pieces(self._found[name])

    def _absent(self, name: str) -> str:
        stage = name.partition("/")[0]
        own = [one for one in self._found if one.startswith(f"{stage}/")]
        if not own and stage in kind_named(self.kind).passes:
            verb = f"inoc {stage} {self.name}"
            return f"no table of the stage {stage} of {self.name} is computed in {self.folder}. Run: {verb}"
        hint = did_you_mean(name, self._found)
        accepted = ", ".join(own or self._found)
        return f"{self.name} has no table {name!r}{hint}; accepted: {accepted}"

    def has_completions(self) -> bool:
        """Whether the study has generated or sampled texts."""
        return bool(self._with_texts())

    def has_scores(self) -> bool:
        """Whether a judge has scored any completion."""
        return any(True for _ in scored_sources(self._found))

    def _with_texts(self) -> list[str]:
        return [
            name for name, pieces in self._found.items() if set(_TEXTS) <= set(pq.read_schema(pieces[0].path).names)
        ]

    def _refuse_none(self) -> None:
        if not self.has_completions():
            raise DataError(
                f"{self.name} has no completions in {self.folder}; they are written by the stages that generate or "
                f"sample. Run the study, or one of these: {', '.join(kind_named(self.kind).passes)}"
            )

    def completions(self) -> pd.DataFrame:
        """Every text that the study generated or sampled, with its scores.

        Returns:
            A row per completion: `source`, the table that it is from; the columns of all these tables, where one that
            a table lacks is None for texts and NaN for numbers; and for each trait that a judge scored
            `score.<trait>`, 0 to 100, where NaN says that the judge could not tell or was not asked (`scores` tells
            the two apart). Judges of categories add `category.<trait>`.

        Raises:
            DataError: If there are none.
        """
        self._refuse_none()
        judged = dict(scored_sources(self._found))
        parts = []
        for name in self._with_texts():
            frame = self.table(name)
            frame.insert(0, "source", name)
            parts.append(_with_scores(frame, self.table(judged[name])) if name in judged else frame)
        frame = pd.concat(parts, ignore_index=True)
        for name in list(frame.columns):
            if not pd.api.types.is_numeric_dtype(frame[name]):
                frame[name] = frame[name].astype(object).where(frame[name].notna(), None)
        return frame

    def scores(self) -> pd.DataFrame:
        """Every score of a judge.

        Returns:
            A row per completion and trait: `source`, the table of the completion; the columns that identify it there;
            trait, judge, judge_version, score (0 to 100, NaN if the judge could not tell), and what else the judge
            says.

        Raises:
            DataError: If nothing has been judged.
        """
        parts = [self.table(scores).assign(source=name) for name, scores in scored_sources(self._found)]
        if not parts:
            raise DataError(
                f"no completion of {self.name} has been judged in {self.folder}. Run: inoc judge {self.name}"
            )
        frame = pd.concat(parts, ignore_index=True)
        return frame[["source", *frame.columns.drop("source")]]

    def transcripts(self) -> pd.DataFrame:
        """Every completion as a chat.

        Returns:
            The rows of `completions` with two more columns. `messages` is the chat, a list of
            `{"role": …, "content": …}` that ends with the completion; the system turn is there only if the study
            writes one, not if the chat template inserts its own. `as_asked` is True where these are the turns that the
            model was given, and False where they are put together from the table's own columns, which do not say
            everything: rows that were generated or given for training, imported results, and steered
        answers whose model is not on this machine.

        Raises:
            DataError: If there are no completions, or an input of their stage has gone.
        """
        return add_messages(self.study, self._paths, self._shards, self.completions())


def _with_scores(frame: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    keys = [name for name in scores.columns[: list(scores.columns).index(_TRAIT)] if name in frame]
    for trait, own in scores.groupby(_TRAIT, sort=False):
        names = {"score": f"score.{trait}"} | ({"category": f"category.{trait}"} if "category" in own else {})
        taken = own[[*keys, *names]].rename(columns=names).drop_duplicates(keys)
        frame = frame.merge(taken, how="left", on=keys)
    return frame


def load(study: str | Path, *, config: str | Path = "config", results: str | Path = "results") -> Results:
    """Open what is computed of a study.

    Args:
        study: Its name, or the path of its file.
        config: Folder of `config.yaml`.
        results: Folder of the results of all studies.

    Raises:
        ConfigError: If the study file is wrong.
        DataError: If nothing is computed.
    """
    found = load_study(study if isinstance(study, Path) else str(study), Path(config))
    shards = load_workflow(Path(config) / "config.yaml").shards.get(found.name, {})
    paths = Paths(Path(results), found.name)
    tables = find_tables(found, paths, shards)
    if not tables:
        raise DataError(
            f"nothing of the study {found.name} is computed in {Path(results) / found.name}. Run it, for example: "
            f"snakemake --cores 2 --config 'studies=[{found.name}]'; or name another folder: results=…"
        )
    return Results(found, Path(results) / found.name, shards, tables)
