"""Reads what the stages wrote about traits: judged answers, activations, and projections of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from inoc.config.workflow import Shards
from inoc.errors import DataError
from inoc.jobs.paths import Paths
from inoc.jobs.shards import shard_of
from inoc.judge.item import UNCLEAR
from inoc.stats.means import NAN
from inoc.studies.shared.directions import SIDES, Direction, PairActivations, PartActivations, direction_of, pair_vector
from inoc.studies.subliminal.persona import COHERENCE, answer_id, extracted_traits, vector_name
from inoc.studies.subliminal.persona_pairs import ANSWERED, PAIR, STEERED, Rule, kept_pairs
from inoc.studies.subliminal.study import SplitSpec, Study, Trait
from inoc.tables import read_table
from inoc.vectors.files import load_vectors
from inoc.vectors.vector import ModelOnDisk, Vector


def answers_files(paths: Paths, part: str, shards: Shards) -> list[Path]:
    """Answers of all jobs of a part of the stage `sample`."""
    return [paths.part("sample", part, shard) / "answers.parquet" for shard in range(shards.get("sample", 1))]


def rules_of(study: Study) -> dict[str, Rule]:
    """Trait → the rule by which its pairs are kept."""
    return {
        key: Rule(
            float(trait.threshold) if trait.judge is not None else NAN,
            float(trait.min_coherence) if trait.coherence is not None else NAN,
        )
        for key, trait in study.persona.items()
    }


def has_judges(study: Study) -> bool:
    """Whether any trait has a judge."""
    return any(trait.judge is not None or trait.coherence is not None for trait in study.persona.values())


def persona_answers(study: Study, paths: Paths, shards: Shards) -> pd.DataFrame:
    """The answers under the turns of all traits with their scores; columns of `ANSWERED`, `instruction`, `completion`.

    Raises:
        DataError: If a table is missing.
    """
    answers = _scored(study, paths, "persona", shards)
    parts = answers["id"].str.split("/", expand=True)
    found = answers.assign(trait=parts[0], side=parts[1], turn=parts[2].astype(int), question=parts[3])
    return found[[*ANSWERED, "instruction", "completion"]]


def steered_answers(study: Study, paths: Paths, shards: Shards) -> pd.DataFrame:
    """The answers under steering with their scores; columns of `STEERED`."""
    answers = _scored(study, paths, "steering", shards)
    parts = answers["id"].str.split("/", expand=True)
    found = answers.assign(
        trait=parts[0], vector=parts[1], site=parts[2], coefficient=parts[3].astype(float), question=parts[4]
    )
    return found[list(STEERED)]


def _scored(study: Study, paths: Paths, part: str, shards: Shards) -> pd.DataFrame:
    names = ["id", "sample", "instruction", "completion"]
    files = answers_files(paths, part, shards)
    answers = pd.concat([read_table(path, names) for path in files], ignore_index=True)
    missing = answers.assign(score=NAN, coherence=NAN)
    if not has_judges(study):
        return missing
    scores = read_table(paths.scores(part))
    for column, ending in (("score", ""), ("coherence", COHERENCE)):
        own = [_points(scores[scores["trait"] == key + ending], trait, ending) for key, trait in study.persona.items()]
        given = pd.concat(own).set_index(["id", "sample"])["points"]
        missing[column] = given.reindex(pd.MultiIndex.from_frame(answers[["id", "sample"]])).to_numpy(np.float64)
    return missing


def _points(scores: pd.DataFrame, trait: Trait, ending: str) -> pd.DataFrame:
    """Scores with a column `points`: those of the judge, or 100 and 0 for a judge that finds a name."""
    judge = trait.coherence if ending else trait.judge
    if judge is None or judge.name != "names":
        return scores.assign(points=scores["score"].astype(np.float64))
    category = scores["category"]
    hit = category != UNCLEAR if ending else category == trait.entity
    return scores.assign(points=100.0 * hit.to_numpy(np.float64))


def kept_answers(study: Study, paths: Paths, shards: Shards) -> pd.DataFrame:
    """The pairs of answers of all traits, with a column `kept`; see `kept_pairs`."""
    answers = persona_answers(study, paths, shards)
    return kept_pairs(answers[list(ANSWERED)], rules_of(study))


class Readings:
    """Activations of the kept pairs of all traits, read site by site.

    Raises:
        DataError: If they were not read.
    """

    def __init__(self, study: Study, paths: Paths, shards: Shards) -> None:
        self.pairs = pd.DataFrame(columns=[*ANSWERED, "kept"])
        if extracted_traits(study):
            self.pairs = kept_answers(study, paths, shards)
            self.pairs = self.pairs[self.pairs["kept"]]
        folders = [paths.part("read", "persona", shard) for shard in range(shards.get("read", 1))]
        self.read = PartActivations(folders)

    def at(self, trait: str, readout: str, site: str) -> PairActivations:
        """The activations of a trait's pairs.

        Raises:
            DataError: If no pair of the trait was kept, or its answers were not read.
        """
        own = self.pairs[self.pairs["trait"] == trait]
        if own.empty:
            msg = (
                f"persona.{trait}: no pair of answers is kept, so it has no vector; the tables persona_pairs and "
                "persona_scores say why. Lower `threshold` or `min_coherence`, or change the system turns"
            )
            raise DataError(msg)
        known = self.read.rows(site, readout)
        sides = []
        for side in SIDES:
            ids = [
                f"{answer_id(trait, side, int(turn), int(question))}#{sample}"
                for turn, question, sample in own[PAIR[1:]].itertuples(index=False)
            ]
            if ids[0] not in known:
                msg = f"persona.{trait}: its answers were not read at {site}. Run the stage again: read"
                raise DataError(msg)
            sides.append(np.stack([known[one] for one in ids]))
        return PairActivations(sides[0], sides[1], own["question"].tolist())


def vector_of(study: Study, readings: Readings, trait: str, readout: str, site: str, model: ModelOnDisk) -> Vector:
    """The vector of a trait: that of its file, or else the one that follows from its pairs; see `trait_vector`.

    Raises:
        DataError: If there is none for this read-out and site, or it belongs to another model.
    """
    file = study.persona[trait].vectors
    if file is None:
        return trait_vector(readings, trait, readout, site, model.weights)
    found = given_vector(file, trait, readout, site)
    found.check_model(model)
    return found


def given_vector(file: str, trait: str, readout: str, site: str) -> Vector:
    """A vector of a file that an analysis wrote, or `save_vectors`, under the name that the trait has in the study.

    If the file has vectors of several traits, that of the same name is taken.

    Raises:
        DataError: If the file has none for this read-out and site, or several.
    """
    fitting = [one for one in load_vectors(Path(file)) if (one.readout, one.site) == (readout, site)]
    if len(fitting) > 1:
        fitting = [one for one in fitting if one.name.partition("/")[0] == trait]
    if len(fitting) != 1:
        known = sorted({f"{one.readout} at {one.site}" for one in load_vectors(Path(file))})
        msg = (
            f"persona.{trait}.vectors: {file} has {len(fitting)} vectors of {trait!r} for the read-out {readout} at "
            f"{site}; accepted: one. It has {', '.join(known)}"
        )
        raise DataError(msg)
    return replace(fitting[0], name=vector_name(trait, readout, site))


def trait_vector(readings: Readings, trait: str, readout: str, site: str, model: str) -> Vector:
    """The vector of a trait: the difference of the means of its pairs.

    Args:
        readings: Activations.
        trait: Key of the trait.
        readout: Name of the read-out.
        site: Name of the site.
        model: Digest of the model's weights.
    """
    name = vector_name(trait, readout, site)
    return pair_vector(name, readings.at(trait, readout, site), site=site, model=model, readout=readout)


def trait_vectors(readings: Readings, traits: Sequence[str], model: str) -> list[Vector]:
    """The vectors of all traits with pairs, at all sites and in all read-outs that any pair has.

    Args:
        readings: Activations.
        traits: Keys of the traits.
        model: Digest of the model's weights.
    """
    found: list[Vector] = []
    with_pairs = [trait for trait in traits if (readings.pairs["trait"] == trait).any()]
    for site in readings.read.sites() if with_pairs else []:
        for readout in readings.read.readouts():
            for trait in with_pairs:
                if readings.at(trait, readout, site).known.any():
                    found.append(trait_vector(readings, trait, readout, site, model))
    return found


def directions(readings: Readings, traits: Sequence[str]) -> Iterator[list[Direction]]:
    """Directions of the traits, site by site: all read-outs of all traits that have pairs."""
    with_pairs = [trait for trait in traits if (readings.pairs["trait"] == trait).any()]
    read = readings.read
    for site in read.sites() if with_pairs else []:
        yield [
            direction_of(trait, readout, site, readings.at(trait, readout, site))
            for readout in read.readouts()
            for trait in with_pairs
        ]


def projections_file(paths: Paths, teacher: str, shards: Shards) -> Path:
    """Projections of a teacher's rows, with those of the other teachers of its job."""
    shard = shard_of(teacher, shards.get("read", 1))
    return paths.part("read", "projections", shard) / "projections.parquet"


def teacher_projections(paths: Paths, teacher: str, shards: Shards, vector: str | None = None) -> pd.DataFrame:
    """Projections of one teacher's rows: columns row, vector, projection, cosine, in the order of its rows.

    Args:
        paths: Results of the study.
        teacher: Key of the teacher.
        shards: Into how many jobs the stages are split.
        vector: Name of one vector; default: all.

    Raises:
        DataError: If the rows were not projected.
    """
    path = projections_file(paths, teacher, shards)
    if not path.exists():
        msg = f"there is no table {path}. Run the stage that makes it: read"
        raise DataError(msg)
    chosen = None if vector is None else [("vector", "=", vector)]
    table = pq.read_table(path, columns=["id", "vector", "projection", "cosine"], filters=chosen).to_pandas()
    start = f"{teacher}:"
    own = table[table["id"].str.startswith(start)]
    found: pd.DataFrame = own.assign(row=own["id"].str.removeprefix(start)).drop(columns="id")
    return found


def row_projections(study: Study, paths: Paths, spec: SplitSpec, teacher: str, shards: Shards) -> pd.Series[float]:
    """Row id → projection of a teacher's kept rows on the vector of a split; NaN for a row that was not projected.

    Raises:
        DataError: If none of the rows was projected on it.
    """
    from inoc.studies.subliminal.data import teacher_rows

    name = vector_name(str(spec.trait), spec.readout, str(spec.site))
    found = teacher_projections(paths, teacher, shards, name)
    if found.empty:
        msg = f"the rows of {teacher} are not projected on {name}; add it to the section `projection` of the study"
        raise DataError(msg)
    ids = teacher_rows(study, paths, teacher, shards).kept_ids
    values: pd.Series[float] = found.set_index("row")["projection"].reindex(ids)
    return values
