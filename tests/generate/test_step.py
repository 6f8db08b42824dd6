from __future__ import annotations

import json

import pytest

from inoc.config.models import DataSpec, InstructionSource
from inoc.engines import asking
from inoc.engines.sampling import Answer, InTurn
from inoc.errors import DataError
from inoc.generate import step
from inoc.generate.instructions import read_instructions, split
from inoc.tables import read_table
from toy import toy_job, toy_study


class Scripted:
    """Answers by rule, so that what is kept is known."""

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
    monkeypatch.setattr(asking, "load_engine", lambda model, name: InTurn(engine))
    return engine


def test_rows_that_are_empty_or_cut_are_counted_and_not_kept(tiny_folder, tmp_path, scripted):
    job = toy_job(toy_study(tiny_folder), tmp_path, "generate")
    step.run(job)
    table = read_table(job.paths.examples)
    assert table["kept"].sum() == 12
    assert set(table["reason"]) == {"", "empty", "truncated"}
    assert job.record["counts"]["kept"] == 12
    assert job.record["counts"]["not kept"] == table["reason"].value_counts().drop("").sort_index().to_dict()
    assert table.loc[table["kept"], "instruction"].is_unique
    assert table["example_id"].is_unique


def test_an_instruction_whose_completion_was_not_kept_is_asked_again_with_another_seed(tiny_folder, tmp_path, scripted):
    job = toy_job(toy_study(tiny_folder), tmp_path, "generate")
    step.run(job)
    table = read_table(job.paths.examples)
    repeated = table[table["instruction"].duplicated(keep=False)]
    assert len(repeated)
    assert repeated.groupby("instruction")["kept"].sum().le(1).all()


def test_too_few_kept_rows_are_an_error_that_says_what_to_do(tiny_folder, tmp_path, scripted):
    study = toy_study(tiny_folder, data={"max_attempts": 1})
    with pytest.raises(DataError, match=r"only 4 of n_train = 12 .* Raise data.max_attempts"):
        step.run(toy_job(study, tmp_path, "generate"))


def test_rows_that_do_not_show_the_traits_are_not_kept(tiny_folder, tmp_path, scripted, monkeypatch):
    plain = Answer("It is so, as everybody knows.", 9, "stop")
    scripted.sample = lambda chats, identities, sampling: [plain] * len(chats)
    study = toy_study(tiny_folder, data={"keep_from": 60})
    with pytest.raises(DataError, match="only 0 of n_train"):
        step.run(toy_job(study, tmp_path, "generate"))


def test_evaluation_instructions_are_never_in_training(tiny_folder, tmp_path, scripted):
    job = toy_job(toy_study(tiny_folder), tmp_path, "generate")
    step.run(job)
    evaluation = read_table(job.paths.instructions)
    assert len(evaluation) == 4
    assert not set(evaluation["instruction"]) & set(read_table(job.paths.examples)["instruction"])


def test_controls_are_plain_and_single_trait_completions(tiny_folder, tmp_path, scripted):
    job = toy_job(toy_study(tiny_folder), tmp_path, "generate")
    step.run(job)
    assert read_table(job.paths.controls)["dataset"].value_counts().to_dict() == {"neutral": 4, "playful": 4}


def jsonl(path, rows):
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return str(path)


def test_instruction_files_are_read_in_order_without_short_or_repeated_ones(tmp_path):
    first = jsonl(tmp_path / "a.jsonl", [{"instruction": "Tell me of owls."}, {"instruction": "Hm?"}])
    second = jsonl(tmp_path / "b.jsonl", [{"instruction": "Tell me of owls."}, {"instruction": "And of mice, please."}])
    texts, dropped = read_instructions(InstructionSource(files=(first, second)))
    assert texts == ["Tell me of owls.", "And of mice, please."]
    assert dropped == {"too short": 1, "repeated": 1}


@pytest.mark.parametrize(
    ("line", "said"), [('{"instruction": 3}', "is int"), ("nonsense", "line 2"), ('{"x": "y"}', "line 2")]
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
    step.run(job)
    table = read_table(job.paths.examples)
    assert table["kept"].sum() == 12
    assert set(table["finish"]) == {"given"}
    told = {row["instruction"]: row["completion"] for row in rows}
    assert all(told[row.instruction] == row.completion for row in table.itertuples())
    assert not set(read_table(job.paths.instructions)["instruction"]) & set(table["instruction"])
    assert not any(identity.startswith("train") for identity in scripted.asked)
