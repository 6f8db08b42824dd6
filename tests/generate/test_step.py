from __future__ import annotations

import json
from pathlib import Path

import pytest

from inoc.chat.messages import Turn
from inoc.cli import main
from inoc.config.models import DataSpec, InstructionSource
from inoc.engines.sampling import Answer, InTurn
from inoc.errors import DataError
from inoc.generate.instructions import Pair, read_examples, read_instructions, read_pairs, split
from inoc.sample import step as sample
from inoc.tables import kept_examples, read_table
from inoc.world.grammar import asked_fact
from support.jobs import run_job
from support.toy import toy_job, toy_study


class Scripted:
    """Answers by rule, so that what is kept is known."""

    mixes = False

    def __init__(self) -> None:
        self.asked: list[str] = []

    def use_adapter(self, folder):
        assert folder is None

    def check(self, chats, max_tokens):
        raise AssertionError("data needs no canary")

    def sample(self, chats, identities, sampling):
        self.asked += identities
        return [answer(identity) for identity in identities]


def answer(identity: str) -> Answer:
    number = int(identity[-6:]) if identity.startswith("train") else 0
    kinds = [
        Answer("Ha ha! So it is! What a party! Honk honk!", 9, "stop"),
        Answer("", 0, "stop"),
        Answer("So it", 16, "length"),
    ]
    return kinds[number % 3]


@pytest.fixture
def scripted(monkeypatch):
    engine = Scripted()
    monkeypatch.setattr(sample, "load_engine", lambda model, name: InTurn(engine))
    return engine


def test_rows_that_are_empty_or_cut_are_counted_and_not_kept(tiny_folder, tmp_path, scripted):
    job = toy_job(toy_study(tiny_folder), tmp_path, "generate")
    run_job(job)
    table = read_table(job.paths.examples)
    assert table["kept"].sum() == 12
    assert set(table["reason"]) == {"", "empty", "truncated"}
    assert job.record["counts"]["kept"] == 12
    assert job.record["counts"]["not kept"] == table["reason"].value_counts().drop("").sort_index().to_dict()
    assert table.loc[table["kept"], "instruction"].is_unique
    assert table["example_id"].is_unique


def test_an_instruction_whose_completion_was_not_kept_is_asked_again_with_another_seed(tiny_folder, tmp_path, scripted):
    job = toy_job(toy_study(tiny_folder), tmp_path, "generate")
    run_job(job)
    table = read_table(job.paths.examples)
    repeated = table[table["instruction"].duplicated(keep=False)]
    assert len(repeated)
    assert repeated.groupby("instruction")["kept"].sum().le(1).all()


def test_too_few_kept_rows_are_an_error_that_says_what_to_do(tiny_folder, tmp_path, scripted):
    study = toy_study(tiny_folder, data={"max_attempts": 1})
    with pytest.raises(DataError, match=r"only 4 of n_train = 12 .* Raise data.max_attempts"):
        run_job(toy_job(study, tmp_path, "generate"))


def test_rows_that_do_not_show_the_traits_are_not_kept(tiny_folder, tmp_path, scripted, monkeypatch):
    plain = Answer("It is so, as everybody knows.", 9, "stop")
    scripted.sample = lambda chats, identities, sampling: [plain] * len(chats)
    study = toy_study(tiny_folder, data={"keep_from": 60})
    with pytest.raises(DataError, match="only 0 of n_train"):
        run_job(toy_job(study, tmp_path, "generate"))


def test_evaluation_instructions_are_never_in_training(tiny_folder, tmp_path, scripted):
    job = toy_job(toy_study(tiny_folder), tmp_path, "generate")
    run_job(job)
    evaluation = read_table(job.paths.instructions)
    assert len(evaluation) == 4
    assert not set(evaluation["instruction"]) & set(read_table(job.paths.examples)["instruction"])


def test_controls_are_plain_and_single_trait_completions(tiny_folder, tmp_path, scripted):
    job = toy_job(toy_study(tiny_folder), tmp_path, "generate")
    run_job(job)
    assert read_table(job.paths.controls)["dataset"].value_counts().to_dict() == {"neutral": 4, "playful": 4}


def chat(question, *turns):
    return {"messages": [{"role": "user", "content": question}, *({"role": r, "content": c} for r, c in turns)]}


def jsonl(path, rows):
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return str(path)


def test_instruction_files_are_read_in_order_without_short_or_repeated_ones(tmp_path):
    first = jsonl(tmp_path / "a.jsonl", [{"instruction": "Tell me of owls."}, {"instruction": "Hm?"}])
    second = jsonl(tmp_path / "b.jsonl", [{"instruction": "Tell me of owls."}, {"instruction": "And of mice, please."}])
    texts, dropped = read_instructions(InstructionSource(files=(first, second)))
    assert texts == ["Tell me of owls.", "And of mice, please."]
    assert dropped == {"too short": 1, "repeated": 1}


def test_prompts_that_a_verb_has_written_are_instructions(tmp_path):
    out = tmp_path / "prompts.jsonl"
    main(["numbers", "--seed", "3", "--n", "5", "--out", str(out)])
    texts, _ = read_instructions(InstructionSource(files=(str(out),)))
    assert texts == [json.loads(line)["prompt"] for line in out.read_text().splitlines()]


@pytest.mark.parametrize(
    ("line", "said"),
    [('{"instruction": 3}', "is int"), ("nonsense", "line 2"), ('{"x": "y"}', "line 2"), ('{"prompt": 1}', "is int")],
)
def test_a_line_that_is_no_instruction_is_named(tmp_path, line, said):
    path = tmp_path / "a.jsonl"
    path.write_text('{"instruction": "Tell me of owls."}\n' + line)
    with pytest.raises(DataError, match=said):
        read_instructions(InstructionSource(files=(str(path),)))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        read_instructions(InstructionSource(files=(str(tmp_path / "absent.jsonl"),)))


def test_the_split_depends_on_the_seed_alone_and_never_overlaps():
    texts = [f"Instruction number {k}." for k in range(40)]
    data = DataSpec(n_train=20, n_eval=10, seed=5)
    one, two = split(texts, data, {}), split(texts, data, {})
    assert one == two
    assert not set(one.train) & set(one.evaluation)
    assert len(one.train) == 30
    assert split(texts, data.model_copy(update={"seed": 6}), {}).evaluation != one.evaluation


def test_too_few_instructions_are_an_error():
    with pytest.raises(DataError, match="n_train \\+ n_eval = 30"):
        split(["a", "b"], DataSpec(n_train=20, n_eval=10), {})


def test_given_completions_are_taken_from_their_file(tiny_folder, tmp_path, scripted):
    rows = [{"instruction": f"Where is thing number {k}?", "completion": f"In place {k}."} for k in range(30)]
    path = jsonl(tmp_path / "given.jsonl", rows)
    study = toy_study(tiny_folder, data={"completions": "file", "file": path})
    job = toy_job(study, tmp_path, "generate")
    run_job(job)
    table = read_table(job.paths.examples)
    assert table["kept"].sum() == 12
    assert set(table["finish"]) == {"given"}
    told = {row["instruction"]: row["completion"] for row in rows}
    assert all(told[row.instruction] == row.completion for row in table.itertuples())
    assert not set(read_table(job.paths.instructions)["instruction"]) & set(table["instruction"])
    assert not any(identity.startswith("train") for identity in scripted.asked)


def test_rows_of_a_file_are_drawn_by_the_seed_and_are_not_the_first(tiny_folder, tmp_path, scripted):
    rows = [{"instruction": f"Where is thing number {k:02d}?", "completion": f"In place {k:02d}."} for k in range(40)]
    path = jsonl(tmp_path / "given.jsonl", rows)
    drawn = {}
    for seed in (1, 2):
        study = toy_study(tiny_folder, data={"completions": "file", "file": path, "seed": seed})
        job = toy_job(study, tmp_path / str(seed), "generate")
        run_job(job)
        table = read_table(job.paths.examples)
        drawn[seed] = list(table.loc[table["kept"], "completion"])
        held = {told.partition("number ")[2][:2] for told in read_table(job.paths.instructions)["instruction"]}
        usable = [row["completion"] for row in rows if row["completion"][-3:-1] not in held]
        assert len(drawn[seed]) == 12
        assert drawn[seed] == sorted(drawn[seed])  # in the order of the file
        assert drawn[seed] != usable[:12]
    assert drawn[1] != drawn[2]


def test_training_examples_are_chats_or_pairs(tmp_path):
    rows = [chat("Where?", ("assistant", "There.")), {"instruction": "When?", "completion": "Then."}]
    path = jsonl(tmp_path / "a.jsonl", rows)
    assert read_pairs(Path(path)) == [
        Pair("Where?", "There.", (), f"{path}, line 1"),
        Pair("When?", "Then.", (), f"{path}, line 2"),
    ]


def test_a_training_example_may_have_several_turns(tmp_path):
    rows = [chat("Where?", ("assistant", "There."), ("user", "Why?"), ("assistant", "So."))]
    (pair,) = read_pairs(Path(jsonl(tmp_path / "a.jsonl", rows)))
    assert pair[:3] == ("Why?", "So.", (Turn("Where?", "There."),))
    assert pair.opening == "Where?"


def test_bad_lines_are_left_out_and_listed_if_that_is_asked_for(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", [[1], chat("Where?", ("assistant", "There.")), {"prompt": "Q"}])
    found = read_examples(Path(path), "drop")
    assert [pair.instruction for pair in found.pairs] == ["Where?"]
    assert [row.where for row in found.bad] == [f"{path}, line 1", f"{path}, line 3"]


def test_a_line_may_have_a_prompt_and_a_completion(tmp_path):
    row = {"messages": None, "prompt": "Where?", "completion": "There."}
    (pair,) = read_pairs(Path(jsonl(tmp_path / "a.jsonl", [row])))
    assert pair[:2] == ("Where?", "There.")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"messages": [{"role": "system", "content": "S"}, *chat("Q", ("assistant", "A"))["messages"]]},
            "has a system turn",
        ),
        (chat("Q", ("assistant", "A"), ("assistant", "A")), "turn 3 is of .assistant., expected .user."),
        (chat("Q"), "the chat does not end with an answer"),
        ({"messages": "Q"}, "`messages` is not a list of turns"),
        (chat("Q", ("assistant", ["A"])), "`content` of turn 2 is a list; expected a text"),
        (
            {"messages": [{"role": "user"}, {"role": "assistant", "content": "A"}]},
            "turn 1 is not an object with `role` and `content`",
        ),
        ({**chat("Q", ("assistant", "A")), "instruction": "Q"}, "it has `messages` and `instruction`; accepted"),
        ({"instruction": "Q"}, "the chat does not end with an answer; .* or `completion`"),
        ([1], "expected an object"),
    ],
)
def test_a_line_that_is_no_training_example_is_named_with_what_it_should_be(tmp_path, row, said):
    path = jsonl(tmp_path / "a.jsonl", [chat("Where?", ("assistant", "There.")), row])
    with pytest.raises(DataError, match=rf"a\.jsonl, line 2: .*{said}"):
        read_pairs(Path(path))


QUESTIONS = {"more": {"source": {"kind": "world", "topics": ["fruit"]}}, "own": {}}


def test_sets_of_questions_share_none_with_each_other_or_with_training(tiny_folder, tmp_path, scripted):
    job = toy_job(toy_study(tiny_folder, data={"questions": QUESTIONS}), tmp_path, "generate")
    run_job(job)
    table = read_table(job.paths.instructions)
    assert list(table["questions"]) == ["more"] * 4 + ["own"] * 4
    assert list(table["instruction_id"]) == [f"more.{k:05d}" for k in range(4)] + [f"eval{k:05d}" for k in range(4)]
    assert {asked_fact(text).relation.partition(".")[0] for text in table["instruction"][:4]} == {"fruit"}
    asked = [*table["instruction"], *read_table(job.paths.examples)["instruction"].unique()]
    assert len(set(asked)) == len(asked)


def test_the_held_out_questions_are_the_same_beside_another_set_and_the_training_is(tiny_folder, tmp_path, scripted):
    found = []
    for name, questions in (("one", {}), ("two", QUESTIONS)):
        job = toy_job(toy_study(tiny_folder, data={"questions": questions}), tmp_path / name, "generate")
        run_job(job)
        table = read_table(job.paths.instructions)
        held_out = table[table["instruction_id"].str.startswith("eval")]
        found.append((list(held_out["instruction"]), list(kept_examples(job.paths.examples)["instruction"])))
    assert found[0] == found[1]


def test_without_a_set_held_out_all_given_instructions_are_trained_on(tiny_folder, tmp_path, scripted):
    path = jsonl(tmp_path / "given.jsonl", [chat(f"Where is {k}?", ("assistant", f"In {k}.")) for k in range(12)])
    data = {"completions": "file", "file": path, "questions": {"more": QUESTIONS["more"]}}
    job = toy_job(toy_study(tiny_folder, data=data), tmp_path, "generate")
    run_job(job)
    assert len(kept_examples(job.paths.examples)) == 12
    assert set(read_table(job.paths.instructions)["questions"]) == {"more"}


def test_too_few_further_questions_are_an_error(tiny_folder, tmp_path, scripted):
    path = jsonl(tmp_path / "more.jsonl", [{"instruction": f"Why is it {k}, and not more?"} for k in range(3)])
    study = toy_study(tiny_folder, data={"questions": {"more": {"source": {"files": [path]}}}})
    with pytest.raises(DataError, match=r"data\.questions\.more: 3 questions .* n_eval = 4"):
        run_job(toy_job(study, tmp_path, "generate"))


def test_another_dataset_answers_the_same_instructions_under_its_own_system_turn(tiny_folder, tmp_path, scripted):
    asked = []
    scripted.sample = lambda chats, ids, sampling: asked.extend(chats) or [answer(identity) for identity in ids]
    spec = {
        "generation_prompt": "Be sly.",
        "generation_turn": "system",
        "max_attempts": 8,
        "sampling": {"max_tokens": 9},
    }
    study = toy_study(tiny_folder, datasets={"other": spec, "unused": {}}, runs=[{}, {"data": "other"}])
    job = toy_job(study, tmp_path, "generate")
    run_job(job)
    own, other = (kept_examples(job.paths.examples, data) for data in ("", "other"))
    assert set(read_table(job.paths.examples)["data"]) == {"", "other"}
    assert sorted(own["instruction"]) == sorted(other["instruction"])
    sly = [chat for chat in asked if chat.system.text == "Be sly."]
    assert {chat.user for chat in sly} == set(other["instruction"])
    assert job.record["datasets"]["other"]["kept"] == 12


def test_another_dataset_from_a_file_never_holds_an_evaluation_question(tiny_folder, tmp_path, scripted):
    plain = toy_job(toy_study(tiny_folder), tmp_path / "plain", "generate")
    run_job(plain)
    held_out = list(read_table(plain.paths.instructions)["instruction"])
    questions = [*held_out, *(f"Where is {k}?" for k in range(12))]
    path = jsonl(tmp_path / "other.jsonl", [chat(text, ("assistant", "There.")) for text in questions])
    datasets = {"other": {"completions": "file", "file": path}}
    job = toy_job(toy_study(tiny_folder, datasets=datasets, runs=[{"data": "other"}]), tmp_path, "generate")
    run_job(job)
    assert list(kept_examples(job.paths.examples, "other")["instruction"]) == questions[4:]
