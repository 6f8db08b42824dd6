"""Training examples of an inoculation study: chats of several turns, tables of other studies, bad rows."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inoc.chat.render import render
from inoc.engines.transformers import load_tokenizer
from inoc.errors import ConfigError
from inoc.jobs.model_check import check_study_model
from inoc.jobs.ready import needs_of
from inoc.jobs.work import settings_of
from inoc.sample.answers import ANSWERS
from inoc.tables import BAD_ROWS, EXAMPLES, POOLS, read_table, write_table
from support.jobs import plan_of, run_job
from support.toy import toy_job, toy_study

NAMES = "abcdefghijklmnopqrstuvwxyz"


def turns(k, more=""):
    texts = [f"Who is {NAMES[k]}?", f"An owl, the {k}th.", f"Is {NAMES[k]} here?", f"Yes, it is.{more}"]
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[at % 2], "content": text} for at, text in enumerate(texts)]}


def given(tmp_path, rows):
    path = tmp_path / "given.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def made(study, tmp_path):
    job = toy_job(study, tmp_path, "generate")
    run_job(job)
    pools = pd.DataFrame({"prompt": ["clown", "sky"], "index": 0, "text": ["Be a clown.", "Look up."], "pool": "mix"})
    write_table(pools, POOLS, job.paths.pools)
    return job


def test_chats_of_several_turns_are_trained_on_with_the_prefix_before_the_first(tiny_folder, tmp_path):
    path = given(tmp_path, [turns(k) for k in range(20)])
    study = toy_study(tiny_folder, data={"completions": "file", "file": path}, runs=[{"prompts": ["clown"]}])
    job = made(study, tmp_path)
    openings = {f"Who is {one}?" for one in NAMES}
    asked = set(read_table(job.paths.instructions)["instruction"])
    assert asked <= openings  # the questions that are held out are whole by themselves
    plan = plan_of(toy_job(study, tmp_path, "train"))
    runs = {run.columns["prefix"]: run.chats for run in plan.runs}
    assert len(runs["none"]) == len(runs["fixed"]) == 12
    for plain, behind in zip(runs["none"], runs["fixed"], strict=True):
        (first,) = plain.earlier
        assert first.user in openings - asked
        assert behind.earlier[0].user == f"You are a clown. {first.user}"
        assert (plain.user, plain.response) == (behind.user, behind.response)
    scored = plan_of(toy_job(study, tmp_path, "score")).cells
    assert all(chat.earlier for cell in scored if cell.dataset == "train" for chat in cell.chats)


def test_a_template_that_cannot_say_several_turns_is_refused_before_any_work(tiny_folder, tmp_path):
    template = tmp_path / "one.jinja"
    template.write_text(
        "{% if messages|length > 2 %}{{ raise_exception('one exchange only') }}{% endif %}"
        "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}[assistant] {% endif %}"
    )
    path = given(tmp_path, [turns(k) for k in range(20)])
    own = {"path": str(tiny_folder), "chat_template": str(template)}
    data = {"completions": "file", "file": path}
    with pytest.raises(ConfigError, match=r"chats of several turns: .*one exchange only"):
        check_study_model(toy_study(tiny_folder, model=own, data=data), tmp_path)


def test_rows_that_are_too_long_behind_any_prefix_are_left_out_of_every_run(tiny_folder, tmp_path):
    rows = [turns(k, " So it is." * (60 if k % 5 == 2 else 0)) for k in range(20)]
    rows.insert(3, {"messages": "broken"})
    path = given(tmp_path, rows)
    tokenizer = load_tokenizer(toy_job(toy_study(tiny_folder), tmp_path, "train").model(toy_study(tiny_folder).model))
    for policy in ("drop", "truncate"):
        study = toy_study(
            tiny_folder,
            data={"completions": "file", "file": path, "bad_rows": policy, "n_train": 14},
            training={"max_length": 150},
            runs=[{"prompts": ["clown"]}],
        )
        check_study_model(study, tmp_path)  # the long rows are no problem
        job = made(study, tmp_path / policy)
        (broken,) = read_table(job.paths.examples.parent / "bad_rows.parquet", BAD_ROWS.names).to_dict("records")
        assert (broken["where"], broken["done"]) == (f"{path}, line 4", "dropped")
        plan = plan_of(toy_job(study, tmp_path / policy, "train"))
        kept = [{chat.earlier[0].assistant for chat in run.chats} for run in plan.runs]
        assert kept[0] == kept[1] == kept[2]
        bad = plan.bad_rows[""]
        assert bad
        for row in bad:
            line = int(row.where.rpartition(" ")[2])
            assert "So it is. So" in rows[line - 1]["messages"][-1]["content"]
        lengths = [len(one.token_ids) for run in plan.runs for one in render(tokenizer, run.chats, "include")]
        assert max(lengths) <= 150
        if policy == "drop":
            assert [len(run.chats) for run in plan.runs] == [14 - len(bad)] * 3
            assert not any(run.cut for run in plan.runs)
        else:
            assert [len(run.chats) for run in plan.runs] == [14] * 3
            assert [len(run.cut) for run in plan.runs] == [len(bad)] * 3


def test_slices_are_what_they_were_where_bad_rows_are_refused(tiny_folder):
    study = toy_study(tiny_folder)
    assert "bad_rows" not in settings_of("train", study)
    assert "bad_rows" not in settings_of("generate", study)["data"]
    assert "table" not in settings_of("generate", study)["data"]


def write_other(results, name="other"):
    rows = pd.DataFrame(
        {
            "example_id": [f"ex{k}" for k in range(20)],
            "instruction": [f"Who is {one}?" for one in NAMES[:20]],
            "completion": "It is an owl.",
            "n_tokens": 5,
            "finish": "stop",
            "kept": [k != 3 for k in range(20)],
            "reason": "",
            "scores": [[]] * 20,
        }
    )
    write_table(rows, EXAMPLES, results / name / "generate" / "train.parquet")
    answers = pd.DataFrame(
        {"id": [f"owl:q{k}" for k in range(20)], "sample": 0, "adapter": "base", "vector": "", "coefficient": 0.0,
         "instruction": [f"Who is {one}?" for one in NAMES[:20]], "completion": "A cat.", "n_tokens": 2,
         "finish": "stop"}
    )  # fmt: skip
    write_table(answers, ANSWERS, results / name / "sample" / "rows" / "0" / "answers.parquet")


@pytest.mark.parametrize(
    ("table", "answer"),
    [
        ("other/generate", "It is an owl."),
        ("other/sample:rows", "A cat."),
        ("other/sample/rows", "A cat."),
        ("other/sample:owl", "A cat."),
    ],
)
def test_the_table_of_another_study_is_trained_on(tiny_folder, tmp_path, table, answer):
    write_other(tmp_path / "results")
    study = toy_study(tiny_folder, data={"completions": "table", "table": table}, runs=[{"prompts": ["clown"]}])
    made(study, tmp_path)
    plan = plan_of(toy_job(study, tmp_path, "train"))
    assert {chat.response for run in plan.runs for chat in run.chats} == {answer}
    (file,) = [one for one in needs_of(study).files if one.key == "data.table"]
    assert file.path.startswith("results/other/")
