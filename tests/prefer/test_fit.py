"""The verb `inoc prefer fit`, its formats and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from inoc.cli import main
from inoc.tables import read_table
from support.comparisons import planted


def rows_of(n_items: int = 6, n_pairs: int = 150, position: float = 0.5) -> pd.DataFrame:
    """Comparisons with item a in both places, and an answer in terms of the items."""
    one = planted(n_items, n_pairs, position=position)
    swap = np.arange(n_pairs) % 2 == 1
    a, b = np.where(swap, one.second, one.first), np.where(swap, one.first, one.second)
    won = np.where(swap, -one.result, one.result) > 0
    frame = pd.DataFrame({"item_a": a, "item_b": b}).map("item {}".format)
    return frame.assign(order=np.where(swap, "b_first", "a_first"), choice=np.where(won, "a", "b"))


def run(tmp_path, source, *options: str) -> dict[str, pd.DataFrame]:
    out = tmp_path / "out"
    main(["prefer", "fit", str(source), "--out", str(out), *options])
    return {path.stem: read_table(path) for path in out.glob("*.parquet")}


def written(tmp_path, frame: pd.DataFrame, ending: str):
    path = tmp_path / f"comparisons.{ending}"
    records = frame.to_dict("records")
    if ending == "csv":
        frame.to_csv(path, index=False)
    elif ending == "parquet":
        frame.to_parquet(path)
    elif ending == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in records), encoding="utf-8")
    else:  # JSON is YAML as well
        path.write_text(json.dumps(records), encoding="utf-8")
    return path


def refused(tmp_path, capsys, frame, *options: str) -> str:
    with pytest.raises(SystemExit):
        run(tmp_path, written(tmp_path, frame, "csv"), *options)
    return capsys.readouterr().err


@pytest.mark.parametrize("ending", ["yaml", "json", "jsonl", "csv", "parquet"])
def test_every_format_gives_the_same_tables(tmp_path, ending):
    expected = run(tmp_path, written(tmp_path, rows_of(), "json"), "--a-means", "item")
    found = run(tmp_path, written(tmp_path, rows_of(), ending), "--a-means", "item")
    for name, table in expected.items():
        pd.testing.assert_frame_equal(found[name], table)
        assert (tmp_path / "out" / f"{name}.csv").exists()
    assert found["fits"].loc[0, "position"] > 0
    assert set(found) == {"utilities", "fits", "order"}


def test_what_a_means_must_be_said(tmp_path, capsys):
    assert "--a-means item" in refused(tmp_path, capsys, rows_of())


def test_both_meanings_of_a_agree_when_the_answers_are_written_so(tmp_path):
    frame = rows_of()
    turned = frame["choice"].map({"a": "b", "b": "a"})
    by_place = frame.assign(choice=frame["choice"].where(frame["order"] == "a_first", turned))
    names = frame.assign(choice=frame["item_a"].where(frame["choice"] == "a", frame["item_b"]))
    item = run(tmp_path, written(tmp_path, frame, "csv"), "--a-means", "item")
    for other, options in ((by_place, ["--a-means", "first"]), (names, [])):
        again = run(tmp_path, written(tmp_path, other, "csv"), *options)
        pd.testing.assert_frame_equal(again["utilities"], item["utilities"])
        pd.testing.assert_frame_equal(again["order"], item["order"])


def test_counts_are_fitted_without_a_position(tmp_path):
    frame = rows_of(position=0.0).drop(columns="order")
    counts = frame.groupby(["item_a", "item_b"])["choice"].value_counts().unstack(fill_value=0).reset_index()
    found = run(tmp_path, written(tmp_path, counts, "csv"))
    one_by_one = run(tmp_path / "rows", _made(tmp_path / "rows", frame), "--order", "unknown")
    assert np.isnan(found["fits"].loc[0, "position"])
    assert found["fits"].loc[0, "loss"] == pytest.approx(one_by_one["fits"].loc[0, "loss"], abs=1e-5)


def _made(folder, frame):
    folder.mkdir()
    return written(folder, frame, "csv")


def test_refusals_ties_and_unread_answers_are_no_wins(tmp_path):
    frame = rows_of()
    extra = frame.head(9).assign(choice=["refusal"] * 4 + ["tie"] * 3 + ["unclear"] * 2)
    plain = run(tmp_path, written(tmp_path, frame, "csv"), "--a-means", "item")
    found = run(tmp_path, written(tmp_path, pd.concat([frame, extra]), "csv"), "--a-means", "item")
    assert found["fits"].loc[0, ["n_refused", "n_ties", "n_unread"]].tolist() == [4, 3, 2]
    np.testing.assert_allclose(found["utilities"]["mu"], plain["utilities"]["mu"], atol=1e-9)
    assert found["utilities"]["n_refused"].sum() == 8
    ties = run(
        tmp_path, written(tmp_path, pd.concat([frame, extra]), "csv"), "--a-means", "item", "--model", "davidson"
    )
    assert ties["fits"].loc[0, "n_comparisons"] == len(frame) + 3


def test_several_models_and_penalties(tmp_path):
    options = ("--a-means", "item", "--model", "case_v", "item_variances", "--penalty", "0.1", "10")
    found = run(tmp_path, written(tmp_path, rows_of(), "csv"), *options, "--reliability", "--bootstrap", "20")
    assert found["fits"]["fit"].tolist() == ["case_v", "item_variances"]
    assert len(found["penalties"]) == 8
    pairs = (
        found["penalties"]
        .query("folds == 'pairs'")
        .groupby("fit")[["lambda", "loss"]]
        .apply(lambda rows: rows.loc[rows["loss"].idxmin(), "lambda"])
    )
    assert found["fits"].set_index("fit")["lambda"].to_dict() == pairs.to_dict()
    assert set(found["reliability"]["statistic"]) >= {"split_pairs", "split_pairs_full"}
    assert (found["utilities"]["lo"] <= found["utilities"]["hi"]).all()


REDUCED = ["--a-means", "item", "--bias", "reduced", "--model", "case_v"]


def test_reduced_bias_brings_utilities_of_few_comparisons_together(tmp_path):
    path = written(tmp_path, rows_of(8, 30), "csv")
    models = ("--a-means", "item", "--model", "case_v", "bradley_terry", "davidson")
    plain, found = run(tmp_path, path, *models), run(tmp_path, path, *models, "--bias", "reduced", "--reliability")
    spread = [table["utilities"].groupby("fit")["mu"].std() for table in (plain, found)]
    assert (spread[1] < 0.9 * spread[0]).all()
    assert found["fits"]["converged"].all()
    assert (found["fits"]["position"].abs() < plain["fits"]["position"].abs()).all()


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({"item_b": "item 0", "item_a": "item 0"}, ["--a-means", "item"], "compared with itself"),
        ({"item_a": "b", "item_b": "a"}, ["--a-means", "item"], "could be either item"),
        ({}, ["--a-means", "item", "--earlier", "tight", "--bootstrap", "9"], "--bootstrap has no meaning"),
        ({"n": 0}, ["--a-means", "item"], "no comparison has a winner"),
        ({"n": 1e300}, ["--a-means", "item"], "expected a count of 0 to 1e+12"),
        ({"item_a": " "}, ["--a-means", "item"], "comparison 1: no item_a"),
        ({"choice": "maybe"}, ["--a-means", "item"], "expected a, b, the name of one of its items"),
        ({"order": "sideways"}, ["--a-means", "item"], "expected one of 0, original"),
        ({"choice": "refusal"}, ["--a-means", "item"], "no comparison has a winner"),
        ({}, ["--a-means", "item", "--earlier", "tight", "--model", "case_v"], "--earlier fits item_variances"),
        ({}, ["--a-means", "item", "--earlier", "tight", "--anchor", "item 9"], "did you mean"),
        ({}, ["--a-means", "item", "--anchor", "item 1"], "--anchor is for --earlier"),
        ({}, ["--a-means", "item", "--penalty", "1", "2", "--folds", "1000"], "fewer pairs than the 1000 folds"),
        ({}, ["--a-means", "item", "--penalty", "0"], "expected a number above 0"),
        ({}, ["--a-means", "item", "--bias", "reduced"], "--bias reduced is for case_v, bradley_terry and davidson"),
        ({}, [*REDUCED, "--penalty", "1"], "takes out the same bias twice"),
        ({}, [*REDUCED, "--utilities", "nowhere.csv"], "does not go with --utilities"),
        ({"n": 0.5}, REDUCED, "counted in fractions"),
    ],
)
def test_bad_input_is_named(tmp_path, capsys, change, options, said):
    assert said in refused(tmp_path, capsys, rows_of().assign(**change), *options)


def test_missing_columns_and_files_are_named(tmp_path, capsys):
    assert "no column item_b" in refused(tmp_path, capsys, rows_of().drop(columns="item_b"))
    assert "no column choice" in refused(tmp_path, capsys, rows_of().drop(columns="choice"))
    with pytest.raises(SystemExit):
        run(tmp_path, tmp_path / "nothing.txt")
    assert "unknown format '.txt'" in capsys.readouterr().err


def test_unlinked_and_unbeaten_items_are_said(tmp_path, capsys):
    frame = pd.DataFrame(
        {"item_a": ["x", "y", "z", "p", "q"], "item_b": ["y", "z", "y", "q", "p"], "choice": ["a"] * 5}
    )
    found = run(tmp_path, written(tmp_path, frame, "csv"))
    said = capsys.readouterr().err
    assert "1 item won every comparison; nothing but the penalty is a bound: x" in said
    assert "2 components" in said
    assert found["utilities"].set_index("item")["component"].to_dict() == {"x": 0, "y": 0, "z": 0, "p": 1, "q": 1}
    assert found["utilities"]["always"].tolist() == ["won", "", "", "", ""]


def with_origins(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(
        **{f"origin_{side}": frame[f"item_{side}"].str[-1].map(lambda one: "xy"[int(one) % 2]) for side in "ab"}
    )


def test_every_pair_of_origins_has_a_row_of_positions(tmp_path):
    frame = with_origins(rows_of(n_pairs=600))
    found = run(tmp_path, written(tmp_path, frame, "csv"), "--a-means", "item", "--position", "origin_pairs")
    table = found["positions"]
    assert table[["origin_a", "origin_b"]].to_numpy().tolist() == [["x", "x"], ["x", "y"], ["y", "y"]]
    assert table["n"].sum() == 600
    assert ((table["lo"] < 0.5) & (table["hi"] > 0.5)).all()
    assert np.isnan(found["fits"].loc[0, "position"])


def test_positions_by_origin_need_one_origin_for_each_item(tmp_path, capsys):
    how = ("--a-means", "item", "--position", "origin_pairs")
    assert "needs the columns origin_a and origin_b" in refused(tmp_path, capsys, rows_of(), *how)
    twice = with_origins(rows_of())
    twice.loc[0, "origin_a"] = "z"
    assert "has the origins" in refused(tmp_path, capsys, twice, *how)
    assert "--earlier has one position term" in refused(
        tmp_path, capsys, with_origins(rows_of()), *how, "--earlier", "tight"
    )


def test_a_history_has_a_row_for_each_round(tmp_path):
    first = [("p", "q"), ("q", "r"), ("p", "r"), ("p", "q"), ("q", "r"), ("p", "r")]  # a round may ask again
    frame = pd.DataFrame(first + [("r", "s"), ("p", "s")] * 2, columns=["item_a", "item_b"]).assign(choice="a")
    main(["prefer", "history", str(written(tmp_path, frame, "csv")), "--out", str(tmp_path), "--reliability"])
    table = read_table(tmp_path / "history.parquet")
    assert table["first"].tolist() == [0, 6]
    assert table["n_pairs_total"].tolist() == [3, 5]
    assert table.loc[1, "degree_sum"] >= 2
    assert (tmp_path / "history.csv").exists()


# --- files that say two things


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("c.csv", "item_a,item_b,choice,winner\nx,y,a,x\ny,z,a,z\n", "comparison 2: choice is 'a' and winner is 'z'"),
        ("c.csv", "item_a,task_a,item_b,choice\nx,x,y,a\ny,x,z,a\n", "comparison 2: item_a is 'y' and task_a is 'x'"),
        ("c.csv", "item_a,item_b,choice,n,count\nx,y,a,1,2\n", "comparison 1: n is '1' and count is '2'"),
        ("c.csv", "item_a,item_b,choice,order,ordering\nx,y,x,0,1\n", "order is '0' and ordering is '1'"),
        ("c.csv", "item_a,item_b,choice,choice\nx,y,a,b\n", "line 1: the field 'choice' is there twice"),
        ("c.csv", "item_a,item_b,choice\nx,y,a,\ny,z,a,\n", "line 2: 4 fields, but the header has 3"),
        ("c.csv", "item_a,item_b,choice\nx,y\n", "line 2: 2 fields, but the header has 3"),
        ("c.jsonl", '{"item_a": "x", "item_b": "y", "choice": "a", "choice": "b"}\n', "line 1: the field 'choice' is"),
        (
            "c.json",
            '[{"item_a": "x", "item_b": "y", "choice": "a", "choice": "b"}]',
            "the field 'choice' is there twice",
        ),
        (
            "c.yaml",
            "- {item_a: x, item_b: y, choice: a}\n- {item_a: x, item_a: y}",
            "line 2: the field 'item_a' is there",
        ),
    ],
)
def test_a_file_that_says_two_things_of_a_comparison_is_refused(tmp_path, capsys, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(SystemExit):
        run(tmp_path, tmp_path / name)
    error = capsys.readouterr().err
    assert f"{name}" in error
    assert said in error
    assert "Traceback" not in error


def test_columns_that_say_the_same_in_different_words_are_accepted(tmp_path):
    rows = "item_a,item_b,choice,winner,order,ordering\nx,y,a,x,ab,0\nx,y,a,y,ba,1\nx,y,b,x,swapped,1\n"
    (tmp_path / "c.csv").write_text(rows)
    found = run(tmp_path, tmp_path / "c.csv", "--a-means", "first")["utilities"].set_index("item")
    assert found.loc["x", "mu"] > found.loc["y", "mu"]


@pytest.mark.parametrize("ending", ["yaml", "jsonl", "csv"])
def test_items_are_called_as_they_are_written(tmp_path, ending):
    names = ["no", "007", "7", "1_000", "12:30", "2024-01-01", "NA", "1e3", "$x$", "雪", "a\u2028b"]
    pairs = list(zip(names, [*names[1:], names[0]], strict=True))
    if ending == "yaml":
        text = "".join(f"- {{item_a: {a}, item_b: {b}, choice: a}}\n" for a, b in pairs)
        text = text.replace("a\u2028b", '"a\u2028b"')
    elif ending == "jsonl":
        text = "".join(
            json.dumps({"item_a": a, "item_b": b, "choice": "a"}, ensure_ascii=False) + "\n" for a, b in pairs
        )
    else:
        text = "item_a,item_b,choice\n" + "".join(f"{a},{b},a\n" for a, b in pairs)
    (tmp_path / f"c.{ending}").write_text(f"\ufeff{text}", encoding="utf-8")
    assert list(run(tmp_path, tmp_path / f"c.{ending}", "--no-intervals")["utilities"]["item"]) == names


def test_utilities_of_another_fit_are_found_by_items_as_they_are_written(tmp_path, capsys):
    names = ["007", "NA", "1e3"]
    rows = "".join(f"{a},{b},{'a' if a < b else 'b'}\n" for a in names for b in names if a != b)
    (tmp_path / "c.csv").write_text(f"item_a,item_b,choice\n{rows}")
    (tmp_path / "u.csv").write_text("item,mu,sigma\n007,1,1\nNA,0,1\n1e3,-1,1\n")
    found = run(tmp_path, tmp_path / "c.csv", "--utilities", str(tmp_path / "u.csv"))["utilities"]
    assert found.set_index("item")["mu"].to_dict() == {"007": 1.0, "NA": 0.0, "1e3": -1.0}
    for wrong, said in (
        ("007,x,1\nNA,0,1\n1e3,-1,1\n", "row 1: mu is 'x', no number"),
        ("007,1,0\nNA,0,1\n1e3,-1,1\n", "row 1: sigma is '0'; expected a number above 0"),
        ("007,1,1\nNA,0,1\n1e3,-1,1\nNA,1,1\n", "'NA' is there twice"),
    ):
        (tmp_path / "u.csv").write_text(f"item,mu,sigma\n{wrong}")
        with pytest.raises(SystemExit):
            run(tmp_path, tmp_path / "c.csv", "--utilities", str(tmp_path / "u.csv"))
        assert said in capsys.readouterr().err
