"""The vectors that a study steers with: probes, concepts, refusal, files, and their nulls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from inoc.config.workflow import Shards
from inoc.engines.identity import ModelIdentity
from inoc.engines.model_files import layer_count, state_width
from inoc.errors import DataError, did_you_mean
from inoc.jobs.paths import Paths
from inoc.probe.files import VECTORS, vector_name
from inoc.stats.means import Floats
from inoc.studies.preferences.concepts import REFUSAL, REFUSAL_READOUT, Contrasts, concept_contexts
from inoc.studies.preferences.inside import Readout, SteeringSpec
from inoc.studies.preferences.reading import chat_ids, part_of, read_folders
from inoc.studies.preferences.study import Study
from inoc.studies.preferences.tasks import Task
from inoc.studies.shared.directions import PartActivations, pair_vector
from inoc.vectors.files import load_foreign, load_vectors
from inoc.vectors.make import difference_of_means, random_combination, random_like
from inoc.vectors.sites import site_at
from inoc.vectors.vector import Vector

OWN, RANDOM, COMBINATION, SHUFFLED = "own", "random", "combination", "shuffled"
NULLS = (RANDOM, COMBINATION)
"""Kinds of vectors that are many, and whose effects are a distribution."""


def kind_of(name: str) -> str:
    """`random`, `combination` or `shuffled` for a null, `own` for a vector of the study."""
    start = name.split(" ")[0].split(":")[0]
    return start if start in (*NULLS, SHUFFLED) else OWN


def made_names(spec: SteeringSpec) -> list[str]:
    """Names of the vectors that are made from activations of the study, not taken from files."""
    return [name for name in spec.vectors if name not in spec.files]


def own_names(spec: SteeringSpec) -> list[str]:
    """Names of the vectors of a study, with the probes of shuffled labels behind."""
    probes = [name.removeprefix("probe:") for name in spec.vectors if name.startswith("probe:")]
    return [*spec.vectors, *(f"{SHUFFLED}:{key}" for key in probes if spec.shuffled)]


def steering_vectors(
    study: Study, paths: Paths, shards: Shards, model: ModelIdentity, tasks: Sequence[Task]
) -> dict[str, Vector]:
    """Name → vector, all at the site of the steering: those of the study, then the random ones.

    With units of the activation norm, one norm is the unit of all of them, that of the first vector that has one, so
    that a coefficient adds the same length along every vector. The random vectors are then shared, and combinations
    are of the activations of the first vector that was made from any that differ; with raw units each vector has its
    own, of its own norm, as `random 1/NAME`.

    Raises:
        DataError: If a vector was not made, or belongs to another model or site.
    """
    spec = study.steering
    if spec is None:
        return {}
    site = site_at(spec.site, layer_count(model.folder))
    contrasts = Contrasts(study, paths, shards, tasks)
    made = {name: _vector(study, paths, contrasts, name, site, model) for name in own_names(spec)}
    width = state_width(model.folder)
    # At the embedding of the template's last token, say, all activations are one: nothing has a direction there.
    found = {name: vector for name, vector in made.items() if vector is not None and vector.norm > 0}
    for vector in found.values():
        vector.check_model(model)
        vector.check_site(site, width or len(vector.values))
    if not found:
        return {}
    rows = {
        name: _activations(study, paths, shards, contrasts, name, site, tasks)
        for name in (made_names(spec) if spec.combinations else ())
        if name in found
    }
    rows = {name: each for name, each in rows.items() if each is not None and np.ptp(each, axis=0).any()}
    if spec.units == "raw":
        own = {name: vector for name, vector in found.items() if kind_of(name) == OWN}
        for name, vector in own.items():
            found |= _nulls(spec, vector, rows.get(name), f"/{name}")
        return found
    norms = [vector.activation_norm for vector in found.values() if vector.activation_norm > 0]
    if not norms:
        msg = (
            f"steering.vectors {list(found)}: none has an activation norm, which is the unit of the coefficients. Set "
            "`units: raw`, or steer with a vector of this study as well"
        )
        raise DataError(msg)
    found = {name: replace(vector, activation_norm=norms[0]) for name, vector in found.items()}
    return found | _nulls(spec, next(iter(found.values())), next(iter(rows.values()), None))


def _nulls(spec: SteeringSpec, vector: Vector, activations: Floats | None, end: str = "") -> dict[str, Vector]:
    """Random vectors that stand in for one, and combinations of activations if there are any."""
    seeds = [spec.seed * 1000 + k + 1 for k in range(max(spec.random, spec.combinations))]
    found = {f"{RANDOM} {k + 1}{end}": random_like(vector, seeds[k]) for k in range(spec.random)}
    for k in range(spec.combinations if activations is not None else 0):
        found[f"{COMBINATION} {k + 1}{end}"] = random_combination(vector, np.asarray(activations), seeds[k])
    return found


def _activations(
    study: Study, paths: Paths, shards: Shards, contrasts: Contrasts, name: str, site: str, tasks: Sequence[Task]
) -> Floats | None:
    """The activations from which a vector was made, shape (rows, width); None if there are none."""
    start, _, key = name.partition(":")
    if start == "concept":
        found = contrasts.concept(key, next(concept_contexts(study, key)), _readout(study, name), site)
        return np.concatenate([found.positive[found.known], found.negative[found.known]])
    if name == REFUSAL:
        sides = contrasts.refusal(site)
        return np.concatenate([sides.refused, sides.answered]) if sides is not None else None
    probe = study.probes[key]
    read = PartActivations(read_folders(paths, part_of(probe), shards.get("read", 1)))
    known = read.rows(site, _readout(study, name))
    ids = [chat for task in tasks for chat in chat_ids(study, probe, task.id)]
    return np.stack([known[one] for one in ids if one in known])


def _readout(study: Study, name: str) -> Readout:
    """Read-out of the vector of a probe or a concept."""
    start, _, key = name.partition(":")
    given = study.steering.readout if study.steering is not None else None
    if start == "concept":
        return given or study.concepts[key].readouts[0]
    return given or study.probes[key].readouts[0]


def _vector(
    study: Study, paths: Paths, contrasts: Contrasts, name: str, site: str, model: ModelIdentity
) -> Vector | None:
    """A vector by its name; None if there is none: too few tasks are refused, or a probe could not be fitted."""
    start, _, key = name.partition(":")
    if start == "concept":
        readout = _readout(study, name)
        context = next(concept_contexts(study, key))
        found = contrasts.concept(key, context, readout, site)
        return pair_vector(name, found, site=site, model=model.weights, readout=readout)
    if name == REFUSAL:
        sides = contrasts.refusal(site)
        if sides is None:
            return None
        return difference_of_means(
            name, sides.refused, sides.answered, site=site, model=model.weights, readout=REFUSAL_READOUT
        )
    if start in ("probe", SHUFFLED):
        return _probe(study, paths, key, site, shuffled=start == SHUFFLED)
    return file_vector(study, name, site, model.weights)


def _probe(study: Study, paths: Paths, key: str, site: str, *, shuffled: bool) -> Vector | None:
    wanted = vector_name(key, site, _readout(study, f"probe:{key}"), shuffled=shuffled)
    known = {vector.name: vector for vector in load_vectors(paths.stage("probe") / VECTORS)}
    if wanted not in known:
        return None
    return replace(known[wanted], name=f"{SHUFFLED if shuffled else 'probe'}:{key}")


def file_vector(study: Study, name: str, site: str | None, model: str) -> Vector:
    """A vector of `steering.files`.

    Args:
        study: The study.
        name: Key of the file.
        site: Where the study steers; None where that is not known.
        model: Digest of the weights that a vector of others is taken for.

    Raises:
        DataError: If the file has no such vector, or one of another site.
    """
    given = study.steering.files[name] if study.steering is not None else None
    if given is None:
        raise DataError(f"steering.files: {name!r} is none of them")
    path = Path(given.file)
    if path.suffix == ".safetensors" and given.name is not None:
        known = {vector.name: vector for vector in load_vectors(path)}
        if given.name not in known:
            hint = did_you_mean(given.name, known)
            raise DataError(f"steering.files.{name}: {path} has no vector {given.name!r}{hint}")
        vector = known[given.name]
        vector.check_site(site or vector.site, len(vector.values))
        return replace(vector, name=name)
    return load_foreign(
        path, name=name, site=site or "", model=model, key=given.name, intercept=given.intercept
    )  # fmt: skip
