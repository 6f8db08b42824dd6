"""Checks that the parts of a comparison agree, and that the compared studies are of the kind that it says."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from os.path import normpath
from pathlib import Path

from inoc.config.checks import Checks, problems_of
from inoc.config.document import Problem, listed, read_document
from inoc.config.load import load_study, study_path
from inoc.errors import ConfigError, did_you_mean
from inoc.stages import KINDS, kind_named, load
from inoc.studies.comparison.measures import RESERVED, changed, comparable_kinds, declared
from inoc.studies.comparison.sides import computed_otherwise, paths_of
from inoc.studies.comparison.study import Measure, Study


def study_problems(study: Study, sections: Collection[str] | None = None) -> list[Problem]:
    """Everything on which the parts of a comparison disagree."""
    return problems_of(_CHECKS, study, sections)


def _kind(study: Study) -> Iterator[Problem]:
    accepted = comparable_kinds()
    if study.of not in accepted:
        hint = did_you_mean(study.of, accepted)
        yield Problem(("of",), f"studies of this kind cannot be compared; accepted: {listed(accepted)}{hint}", study.of)


def _named(study: Study) -> Iterator[Problem]:
    for key, spec in study.studies.items():
        if spec.study is None and spec.folder is None:
            yield Problem(("studies", key), "names nothing; accepted: a `study`, a `folder`, or both", None)


def _kinds_of_studies(study: Study) -> Iterator[Problem]:
    for key, spec in study.studies.items():
        if spec.study is None:
            continue
        place = ("studies", key, "study")
        try:
            document = read_document(study_path(spec.study, Path("config")))
        except (ConfigError, OSError) as error:
            yield Problem(place, str(error), spec.study)
            continue
        # Not loaded before its kind is known: a comparison may name itself.
        kind = str(document.value.get("kind", next(iter(KINDS))))
        if kind != study.of:
            yield Problem(
                place, f"is a study of kind {kind}; accepted: one of kind {study.of}, as `of` says", spec.study
            )
            continue
        yield from _loaded(study, key, spec.study)


def _loaded(study: Study, key: str, name: str) -> Iterator[Problem]:
    """Problems of the file of a compared study of the right kind."""
    try:
        found = load_study(name)
    except ConfigError as error:
        yield Problem(("studies", key, "study"), f"its file has problems. {error}", name)
        return
    theirs = getattr(getattr(found, "statistics", None), "confidence", study.statistics.confidence)
    if theirs != study.statistics.confidence:
        yield Problem(
            ("statistics", "confidence"),
            f"studies.{key} has intervals of level {theirs:g}, from which those of differences follow; "
            f"accepted: {theirs:g}",
            study.statistics.confidence,
        )


def _measures(study: Study) -> Iterator[Problem]:
    known = declared(study.of)
    tables = _tables(study.of)
    for name, spec in study.measures.items():
        if name not in known:
            missing = [field for field in ("table", "keys", "value") if getattr(spec, field) is None]
            if missing:
                yield Problem(
                    ("measures", name),
                    f"studies of kind {study.of} declare no such measure; accepted: {listed(known)}"
                    f"{did_you_mean(name, known)}, or one with `table`, `keys` and `value`; missing: {listed(missing)}",
                )
                continue
        yield from _measure(name, spec, study, tables)


def _measure(name: str, spec: Measure, study: Study, tables: Collection[str]) -> Iterator[Problem]:
    one = changed(name, spec, declared(study.of).get(name))
    if tables and one.of.table not in tables:
        hint = did_you_mean(one.of.table, tables)
        accepted = f"accepted: {listed(tables)}{hint}"
        yield Problem(
            ("measures", name, "table"), f"studies of kind {study.of} have no such table; {accepted}", spec.table
        )
    for field in ("ignore", "within"):
        for column in getattr(spec, field) or ():
            if column not in one.of.keys:
                yield Problem(("measures", name, field), f"accepted: columns among {listed(one.of.keys)}", column)
    for column in dict.fromkeys(key for key in one.of.keys if one.of.keys.count(key) > 1):
        yield Problem(("measures", name, "keys"), f"names {column!r} twice; accepted: each once", list(one.of.keys))
    if not one.keys:
        yield Problem(("measures", name, "ignore"), "leaves no column by which rows are matched", list(spec.ignore))
    for column in sorted(RESERVED & set(one.keys)):
        yield Problem(
            ("measures", name, "keys"), "is a column of the comparison's own tables; accepted: other columns", column
        )


def _tables(of: str) -> Collection[str]:
    return tuple(load(kind_named(of).tables)) if of in KINDS else ()


def _twice(study: Study) -> Iterator[Problem]:
    """Two entries that are the same rows of the same results."""
    seen: dict[str, str] = {}
    for key, spec in study.studies.items():
        folder = normpath(paths_of(spec).stage("analyse"))  # however its path is written
        what = f"{folder} {sorted(spec.where.items())} {sorted(spec.rename.items())}"
        if what in seen:
            yield Problem(
                ("studies", key), f"is the same as studies.{seen[what]}; accepted: another study, or other rows"
            )
        seen.setdefault(what, key)


def _computed(study: Study) -> Iterator[Problem]:
    # Files that are wrong, or of another kind, are told of by their own checks, and cannot be loaded here.
    if any(_kinds_of_studies(study)):
        return
    for key, why in computed_otherwise(study):
        yield Problem(("studies", key), why)


_CHECKS: Checks[Study] = (
    (("of",), _kind),
    (("studies",), _named),
    (("of", "studies", "statistics"), _kinds_of_studies),
    (("of", "measures"), _measures),
    (("studies",), _twice),
    (("of", "studies"), _computed),
)
