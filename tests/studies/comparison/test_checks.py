"""A comparison that cannot be made is refused before it runs, with what to do."""

from __future__ import annotations

import math
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from inoc.cli import main
from inoc.config.load import load_study
from inoc.errors import ConfigError
from inoc.jobs.work import work_of
from inoc.stages import kinds
from inoc.studies.comparison.measures import RESERVED, comparable_kinds, declared
from support.ready_tables import scores, write_ready


def _two(**settings):
    return {"one": {"folder": "ready/one", **settings}, "two": {"folder": "ready/two"}}


SEEDS = {"a": {"study": "smoke"}, "b": {"study": "smoke", "where": {"seed": ["1"]}}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"of": "inoculaton"}, "cannot be compared; accepted: inoculation, .*did you mean .inoculation."),
        ({"of": "comparison"}, "cannot be compared"),
        ({"studies": {"a": {}, "b": {"folder": "x"}}}, "studies.a: names nothing; accepted: a `study`, a `folder`"),
        ({"studies": {**SEEDS, "c": {"study": "smoke_subliminal"}}}, "is a study of kind subliminal; accepted: one of"),
        ({"studies": {**SEEDS, "c": {"study": "pair"}}}, "is a study of kind comparison; accepted: one of"),
        ({"studies": {**SEEDS, "c": {"study": "smok"}}}, "there is no study 'smok'.*did you mean .smoke."),
        ({"studies": {"a": {"study": "smoke"}, "b": {"study": "smoke"}}}, "is the same as studies.a"),
        ({"studies": SEEDS, "statistics": {"confidence": 0.9}}, "has intervals of level 0.95.*accepted: 0.95"),
        ({"measures": {"score": {}}}, "declare no such measure; accepted: scores.*missing: table, keys, value"),
        ({"measures": {"x": {"table": "scors", "keys": ["trait"], "value": "value"}}}, "no such table.*.scores."),
        ({"measures": {"scores": {"ignore": ["sed"]}}}, "measures.scores.ignore = \"sed\": accepted: columns among"),
        ({"measures": {"x": {"table": "scores", "keys": ["n"], "value": "value"}}}, "of the comparison's own tables"),
        ({"studies": {"a": {"study": "smoke"}}}, "at least 2"),
        ({"studies": {"a": {"folder": "ready/one/"}, "b": {"folder": "x/../ready/./one"}}}, "is the same as studies.a"),
        ({"measures": {"x": {"table": "scores", "keys": ["trait", "trait"], "value": "value"}}}, "names 'trait' twice"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused_with_its_place(changes, said, write_study):
    with pytest.raises(ConfigError) as error:
        load_study(write_study(**changes))
    assert re.search(said, str(error.value)), str(error.value)


def test_studies_in_eight_bits_and_in_the_models_type_are_not_compared(write_study, ready, project, capsys):
    """By what their jobs noted, or before they ran by their files."""
    folder = ready / "two" / "score"
    folder.mkdir()
    manifest = folder / "manifest-0.json"
    manifest.write_text('{"compute": "fp8"}')
    load_study(write_study())  # of tables alone nobody knows how they were computed
    other = ready / "one" / "train"
    other.mkdir()
    (other / "manifest-0.json").write_text("{}")
    said = r"studies.two.*model.compute = fp8, and studies.one has dtype.*accepted: studies with one value"
    with pytest.raises(ConfigError, match=said):
        load_study(write_study())
    manifest.write_text("{}")
    main(["analyse", str(write_study())])
    manifest.write_text('{"compute": "fp8"}')
    eight = project / "config" / "studies" / "eight.yaml"
    eight.write_text("extends: smoke.yaml\nname: eight\nmodel: {path: org/model, dtype: bfloat16, compute: fp8}\n")
    both = {"a": {"study": "smoke"}, "b": {"study": "eight"}}
    with pytest.raises(ConfigError, match=r"studies.b.*model.compute = fp8, and studies.a has dtype"):
        load_study(write_study(studies=both))
    both["a"]["study"] = str(eight)
    both["b"]["where"] = {"seed": ["1"]}
    load_study(write_study(studies=both))


def checked(capsys) -> str:
    with pytest.raises(SystemExit):
        main(["config", "check", "pair"])
    return capsys.readouterr().err


def test_unfinished_studies_are_refused_with_what_to_run(write_study, capsys):
    write_study(studies=SEEDS)
    said = checked(capsys)
    assert "results/smoke/analyse has no scores.parquet" in said
    assert "snakemake --cores 2 --config 'studies=[smoke,pair]'" in said
    write_study()
    assert "ready/two/analyse has no scores.parquet; name the folder of the results of a finished" in checked(capsys)
    with pytest.raises(SystemExit):
        main(["analyse", "pair"])
    assert "compares studies that are not finished" in capsys.readouterr().err


def test_studies_with_nothing_in_common_are_refused_with_rows_of_each(ready, write_study, capsys):
    frame = scores(2)
    write_ready(ready / "two", frame.assign(trait=frame["trait"] + "_2"))
    write_study()
    said = checked(capsys)
    assert "no row of any measure is in two of the studies" in said
    assert "trait = 'french'" in said
    assert "trait = 'french_2'" in said


def test_a_comparison_that_can_be_made_passes_and_reads_the_tables_of_the_studies(ready, write_study, capsys):
    write_study()
    main(["config", "check", "pair"])
    assert "2 studies of kind inoculation, 1 pairs: scores" in capsys.readouterr().out
    study = load_study("pair")
    read = work_of(study, "analyse").inputs(study, None, {}, 0)
    assert [str(path) for path in read] == [f"ready/{one}/analyse/scores.parquet" for one in ("one", "two")]


def test_labels_and_titles_analyse_nothing_again(write_study):
    settings = []
    for label in (None, "Another name"):
        studies = {
            "one": {"folder": "ready/one", **({"label": label} if label else {})},
            "two": {"folder": "ready/two"},
        }
        study = load_study(write_study(studies=studies, title=str(label)))
        settings.append([work_of(study, stage).settings(study, 0, {}) for stage in ("analyse", "figures")])
    assert settings[0][0] == settings[1][0]
    assert settings[0][1] != settings[1][1]


def test_every_kind_but_the_comparison_declares_what_can_be_compared_in_columns_that_are_free():
    assert comparable_kinds() == [kind.name for kind in kinds() if kind.name != "comparison"]
    for kind in kinds():
        for one in declared(kind.name).values():
            assert not RESERVED & set(one.keys)
            assert set(one.within) <= set(one.keys)
            assert set(one.where) <= {*one.keys, "is_last", "choice"}


def _changed(path, change):
    write = change(pq.read_table(path).to_pandas())
    pq.write_table(pa.Table.from_pandas(write, preserve_index=False), path)


@pytest.mark.parametrize(
    ("changes", "spoil", "said"),
    [
        ({"studies": _two(where={"sed": ["0"]})}, None, "where: no compared table has the column 'sed'.*seed"),
        ({"studies": _two(rename={"promt": {"a": "b"}})}, None, "studies.one.rename: .*'promt'.*prompt"),
        ({"studies": _two(rename={"run": {"a": "b"}})}, None, "studies.one.rename: .*'run'"),
        ({"measures": {"x": {"table": "scores", "keys": ["run", "step", "trait"], "value": "trait"}}}, None,
         "column trait: 'french' is no number"),
        ({}, lambda path: _changed(path, lambda rows: rows.assign(value=math.inf)), "column value, is infinite"),
        ({}, lambda path: (path.unlink(), path.mkdir()), "has no scores.parquet"),
    ],
)  # fmt: skip
def test_what_the_tables_do_not_have_is_refused_before_the_first_job(changes, spoil, said, ready, write_study, capsys):
    write_study(**changes)
    if spoil is not None:
        spoil(ready / "two" / "analyse" / "scores.parquet")
    with pytest.raises(SystemExit):
        main(["config", "check", "pair"])
    assert re.search(said, " ".join(capsys.readouterr().err.split()))
