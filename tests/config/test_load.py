from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from inoc.cli import main
from inoc.config.load import load_study, load_workflow, workflow_of
from inoc.config.workflow import ApiSpec, Price, Shards
from inoc.errors import ConfigError
from inoc.jobs.ready import check_api, check_inputs
from inoc.studies.inoculation.runs import prompt_texts, study_runs, total_steps

STUDY = (Path(__file__).parent / "toy.yaml").read_text(encoding="utf-8")
Write = Callable[[str, str], Path]


def refusal(write: Write, *changes: tuple[str, str]) -> str:
    """The message with which the toy study is refused after replacing parts of its text."""
    text = STUDY
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    with pytest.raises(ConfigError) as caught:
        load_study(write("toy.yaml", text))
    return str(caught.value)


def test_a_study_is_found_by_its_name_or_its_path(write: Write, tmp_path: Path) -> None:
    path = write("toy.yaml", STUDY)
    assert load_study("toy", tmp_path) == load_study(path) == load_study(str(path))
    assert total_steps(load_study(path)) == 8


def test_an_unknown_study_is_refused_with_the_nearest_name(write: Write, tmp_path: Path) -> None:
    write("toy.yaml", STUDY)
    with pytest.raises(ConfigError, match=r"no study 'tyo'.*did you mean \"toy\""):
        load_study("tyo", tmp_path)


def test_true_is_no_number(write: Write) -> None:
    told = refusal(write, ("  batch_size: 8", "  batch_size: true"))
    assert ":32: training.batch_size = true: accepted: a number" in told


def test_half_a_surrogate_pair_in_a_key_is_refused_with_its_line(write: Write) -> None:
    told = refusal(write, ("clown:", '"\\ud83dclown":'))
    assert r"\ud83d is half of a surrogate pair" in told
    assert ":21: " in told


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            "  batch_size: 8",
            "  bacth_size: 8",
            [":32: training.bacth_size = 8: unknown key", 'did you mean "batch_size"'],
            id="unknown key",
        ),
        pytest.param(
            "title: A toy",
            "tilte: A toy",
            [":2: tilte", 'did you mean "title"', "title: is missing. One-line title"],
            id="unknown and missing",
        ),
        pytest.param(
            "      joker: You enjoy joking around.",
            "      clown: You enjoy joking around.",
            [":22: prompts.strong.texts.clown", "written twice", "line 21"],
            id="a key twice in one mapping",
        ),
        pytest.param(
            "      sky:",
            "      clown:",
            [":26: prompts.plain.texts.clown", "also in group strong"],
            id="a key in two groups",
        ),
        pytest.param(
            "[clown, sky]",
            "[clwn, sky]",
            [
                ':30: runs[0].prompts[0] = "clwn": there is no prompt',
                "accepted: clown, joker, sky",
                'did you mean "clown"',
            ],
            id="missing prompt",
        ),
        pytest.param(
            "- prompts: [clown, sky]",
            "- groups: [storng]",
            ['runs[0].groups[0] = "storng": there is no group', 'did you mean "strong"'],
            id="missing group",
        ),
        pytest.param(
            "  n_examples: 16",
            "  n_examples: 16\nevaluation:\n  sampling: {engine: vllm}",
            ['elicitation.sampling.engine = "transformers"', "accepted: vllm, as in evaluation.sampling"],
            id="trained and untrained models sampled by two engines",
        ),
        pytest.param(
            "  n_examples: 16",
            "  n_examples: 16\n  control_sampling: {engine: vllm}",
            [':36: scoring.control_sampling.engine = "vllm"', "accepted: transformers, as in data.sampling"],
            id="training and control completions sampled by two engines",
        ),
        pytest.param(
            "    judge: {name: lexical, markers: markers.txt}\n",
            "",
            [":9: traits.playful.judge: the trait has no judge", "language, lexical"],
            id="trait without a judge",
        ),
        pytest.param(
            "micro_batch_size: 4",
            "checkpoints: [0, 4, 9]",
            ["training.checkpoints = [0, 4, 9]", "0 to 8"],
            id="checkpoint past the last step",
        ),
        pytest.param(
            "batch_size: 8\n  micro_batch_size: 4",
            "batch_size: 64",
            ["training.warmup_steps = 30 (the default): the training has one step", "accepted: 0, or more steps"],
            id="one step, which is the first of the warm-up",
        ),
        pytest.param(
            "micro_batch_size: 4",
            "checkpoints: denes",
            [
                'training.checkpoints = "denes"',
                "ends, dense, powers_of_two, or a list",
                'did you mean "dense"',
            ],
            id="unknown schedule",
        ),
        pytest.param(
            "micro_batch_size: 4",
            "checkpoints: [0, -1]",
            ["training.checkpoints[1] = -1", "0 or more"],
            id="negative checkpoint",
        ),
        pytest.param(
            "micro_batch_size: 4",
            "micro_batch_size: 3",
            [":33: training.micro_batch_size = 3: does not divide batch_size = 8", "1, 2, 4, 8"],
            id="micro batch",
        ),
        pytest.param(
            "family: neutral",
            "family: netural",
            ['prompts.plain.family = "netural"', 'did you mean "neutral"'],
            id="family",
        ),
        pytest.param(
            "org/model",
            "world",
            ['model.path = "world": needs a section `world`'],
            id="world model without world",
        ),
        pytest.param(
            "    files: [instructions.jsonl]",
            "    kind: world",
            ["data.instructions.kind", "needs a section `world`"],
            id="world instructions without world",
        ),
        pytest.param(
            "  folder: pools",
            "  source: procedural",
            ["rephrase.source", "needs a section `world`"],
            id="procedural pools without world",
        ),
        pytest.param(
            "language: french",
            "language: german",
            ['traits.french.judge.language = "german": is not in `among`; accepted: english, french'],
            id="language not among",
        ),
        pytest.param(
            ", language: french",
            "",
            ["traits.french.judge.language: is missing"],
            id="language judge without language",
        ),
        pytest.param(
            "among: [english, french]",
            "among: [english, french, Frensh]",
            ['traits.french.judge.among[2] = "Frensh": the judge knows no such language', 'did you mean "french"'],
            id="unknown language",
        ),
        pytest.param(
            "language: french, among: [english, french]",
            "language: klingon, among: [klingon, french]",
            ["judge.among[0]", "judge.language", "accepted, in lower case: afrikaans"],
            id="unknown language that is scored",
        ),
        pytest.param(
            "among: [english, french]",
            "among: [french]",
            ["judge.among", "names one language; accepted: all that are considered, two or more"],
            id="one language",
        ),
        pytest.param(
            "markers: markers.txt",
            "markers: markers.txt, language: french",
            ['traits.playful.judge.language = "french"', "no such setting"],
            id="setting of another judge",
        ),
        pytest.param("name: toy", "name: tyo", ['name = "tyo": differs', "accepted: toy"], id="name and file"),
        pytest.param(
            "trait: playful",
            "trait: palyful",
            ['expect.trait = "palyful"', 'did you mean "playful"'],
            id="expectation about no trait",
        ),
        pytest.param(
            "expect:",
            "rates:\n  odd: {above: {palyful: 60}}\nexpect:",
            ["rates.odd.above.palyful: there is no trait", 'did you mean "playful"'],
            id="rate of no trait",
        ),
        pytest.param("expect:", "rates: {odd: {}}\nexpect:", ["rates.odd: has no condition"], id="rate of nothing"),
        pytest.param("  n_train: 64", "  completions: file\n  n_train: 64", ["data.file: goes with"], id="no file"),
        pytest.param(
            "    files: [instructions.jsonl]",
            "    kind: files",
            ["data.instructions.files = []"],
            id="no files",
        ),
        pytest.param("You are a clown.", '" "', ['texts.clown = " ": the text is blank'], id="blank text"),
        pytest.param(
            "You enjoy joking around.",
            "You are a clown.",
            [":22: prompts.strong.texts.joker", "prompt clown has the same text"],
            id="same text",
        ),
        pytest.param(
            "  folder: pools",
            "  n: 10",
            ["rephrase.folder: is missing", "runs, scoring.prefixes"],
            id="mix without pools",
        ),
        pytest.param(
            "      joker: You",
            "      Clown: You",
            [
                'rephrase.folder = "pools": would hold clown.jsonl and Clown.jsonl',
                "keys of prompts that differ in more",
            ],
            id="files of pools that differ in capital letters",
        ),
        pytest.param("  french:", "  train:", ["traits.train", "reserved"], id="reserved trait"),
        pytest.param(
            "role: wanted",
            "role: wished",
            ['traits.french.role = "wished": accepted: wanted, unwanted'],
            id="role",
        ),
        pytest.param("      sky:", "      blue-sky:", ["prompts.plain.texts.blue-sky", "cannot be a key"], id="key"),
        pytest.param(
            "n_examples: 16",
            "n_examples: 65",
            ["scoring.n_examples = 65", "data.n_train = 64"],
            id="more examples than there are",
        ),
        pytest.param("n_eval: 6", "n_eval: .inf", ["data.n_eval"], id="infinite"),
        pytest.param(
            "  path: org/model",
            "  path: org/model\n  system: {kind: text}",
            ["model.system.text", "kind: text"],
            id="system turn without text",
        ),
        pytest.param(
            "micro_batch_size: 4",
            "max_length: 2048",
            ["training.max_length = 2048", "no room for a prompt", "data.sampling.max_tokens = 2048"],
            id="completions as long as all that may be trained on",
        ),
        pytest.param(
            "  path: org/model",
            "  path: org/model\n  quantization: nf4\nevaluation: {sampling: {engine: vllm}}\n"
            "elicitation: {sampling: {engine: vllm}}",
            ['evaluation.sampling.engine = "vllm"', "model.quantization: nf4", "elicitation.sampling.engine"],
            id="4 bits with vLLM",
        ),
        pytest.param("micro_batch_size: 4", "<<: {steps: 3}", ["training.<<", "unknown key"], id="merge key"),
        pytest.param(
            "[clown, sky]",
            "[clown]\n    prefixes: [fixed, clsoe]\npools:\n  close: {folder: close}",
            ['runs[0].prefixes[1] = "clsoe"', "accepted: fixed, mix, close", 'did you mean "close"'],
            id="prefix of no pool",
        ),
        pytest.param(
            "  n_examples: 16",
            "  n_examples: 16\n  prefixes: [close]",
            ['scoring.prefixes[0] = "close"', "accepted: fixed, mix, or a key of `pools`"],
            id="scoring with no pool",
        ),
        pytest.param(
            "[clown, sky]",
            "[clown]\n    prefixes: [close]\npools:\n  close: {n: 10}",
            ["pools.close.folder: is missing", "`close` is asked for by runs"],
            id="pool without its files",
        ),
        pytest.param("expect:", "pools: {mix: {folder: more}}\nexpect:", ["pools.mix", "reserved"], id="reserved pool"),
        pytest.param(
            "expect:",
            "pools: {close: {source: api}}\nexpect:",
            ["pools.close.model: goes with `source: api`"],
            id="pool of no model",
        ),
        pytest.param(
            "- prompts: [clown, sky]",
            "- {}\n  - data: subtel\ndatasets:\n  subtle: {}",
            ['runs[1].data = "subtel": there is no dataset', 'did you mean "subtle"'],
            id="runs on no dataset",
        ),
        pytest.param(
            "- prompts: [clown, sky]",
            "- {}\n  - {data: subtle, prompts: [clown]}\ndatasets:\n  subtle: {}",
            ['runs[1].data = "subtle": runs on another dataset have no prefix'],
            id="prefix on another dataset",
        ),
        pytest.param(
            "- prompts: [clown, sky]",
            "- {control: false, prompts: [clown]}\n  - data: subtle\ndatasets:\n  subtle: {}",
            ["expect: needs a control run"],
            id="a run on other data is no control",
        ),
        pytest.param(
            "expect:",
            "datasets: {other: {completions: file}}\nexpect:",
            ["datasets.other.file: goes with `completions: file`"],
            id="dataset without its file",
        ),
        pytest.param(
            "expect:",
            "datasets: {other: {completions: file, file: a.jsonl, generation_turn: system}}\nexpect:",
            ["datasets.other.generation_turn", "goes with `completions: sample`"],
            id="generation turn of a file",
        ),
        pytest.param(
            "expect:", "datasets: {control: {}}\nexpect:", ["datasets.control", "reserved"], id="reserved data"
        ),
        pytest.param(
            "expect:",
            "datasets: {other: {sampling: {engine: vllm}}}\nexpect:",
            ['datasets.other.sampling.engine = "vllm"', "accepted: transformers"],
            id="datasets sampled by two engines",
        ),
        pytest.param(
            "n_eval: 6",
            "n_eval: 6\n  questions: {own: {}, again: {}}",
            ["data.questions.again.source: is missing", "own is held out"],
            id="two sets held out",
        ),
        pytest.param(
            "n_eval: 6",
            "n_eval: 6\n  questions: {more: {source: {kind: api, model: rater}}}",
            ["data.questions.more.source.topics", "go with `kind: api`"],
            id="questions on no topics",
        ),
        pytest.param(
            "n_eval: 6",
            "n_eval: 6\n  questions: {more: {source: {}}}",
            ["data.questions.more.source.files = [] (the default): go with `kind: files`"],
            id="questions of no files",
        ),
        pytest.param(
            "n_eval: 6",
            "n_eval: 6\n  questions: {more: {source: {kind: world, topics: [frut]}}}",
            ['data.questions.more.source.topics[0] = "frut"', 'did you mean "fruit"', "needs a section `world`"],
            id="topic that the world lacks",
        ),
    ],
)
def test_what_cannot_run_is_refused_with_line_key_value_and_remedy(
    write: Write, old: str, new: str, expected: list[str]
) -> None:
    message = refusal(write, (old, new))
    assert "toy.yaml" in message
    for part in expected:
        assert part in message


def test_all_problems_of_a_file_are_reported_together(write: Write) -> None:
    message = refusal(
        write,
        ("title: A toy", "titel: A toy"),
        ("[clown, sky]", "[clown, sly]"),
        ("trait: playful", "trait: palyful"),
        ("n_eval: 6", "n_eval: four"),
    )
    assert "has 5 problems" in message
    lines = [int(line.split(":")[1]) for line in message.splitlines()[1:]]
    assert lines == sorted(lines)


def test_a_malformed_section_gives_no_second_problem_elsewhere(write: Write) -> None:
    """Without `steps` the last step would be 8, and the checkpoint would seem to be past it."""
    message = refusal(write, ("micro_batch_size: 4", "stesp: 20\n  checkpoints: [16]"))
    assert "has a problem" in message
    assert 'did you mean "steps"' in message


def test_runs_whose_learning_rate_has_no_control_are_refused(write: Write) -> None:
    blocks = "[clown]\n  - prompts: [sky]\n    learning_rates: [1.0e-3]\n    control: false"
    message = refusal(write, ("[clown, sky]", blocks))
    assert "runs[1].control = false: no block trains a control for learning rate 0.001 with seed 3407" in message


def test_a_study_may_state_that_it_has_no_controls(write: Write) -> None:
    text = STUDY.replace("[clown, sky]", "[clown]\n    control: false").replace("expect:\n  trait: playful\n", "")
    assert {run.prefix for run in study_runs(load_study(write("toy.yaml", text)))} == {"fixed", "mix"}


def test_a_study_extends_another(write: Write) -> None:
    write("toy.yaml", STUDY)
    study = load_study(
        write(
            "child.yaml",
            """\
            extends: toy.yaml
            name: child
            prompts:
              strong:
                texts:
                  joker: null
                  comedian: You are a comedian.
              plain: null
            runs:
              - groups: [strong]
            training:
              batch_size: null
            """,
        )
    )
    assert prompt_texts(study) == {"clown": "You are a clown.", "comedian": "You are a comedian."}
    assert study.runs[0].prompts == ()
    assert (study.training.batch_size, study.training.micro_batch_size) == (32, 4)
    assert study.title == "A toy"


def test_a_problem_of_an_extended_file_names_that_file_and_its_line(write: Write) -> None:
    write("toy.yaml", STUDY.replace("trait: playful", "trait: palyful"))
    child = write("child.yaml", "extends: toy.yaml\nname: child\nruns:\n- prompts: [skye]\n")
    with pytest.raises(ConfigError) as caught:
        load_study(child)
    assert "toy.yaml:37: expect.trait" in str(caught.value)
    assert "child.yaml:4: runs[0].prompts[0]" in str(caught.value)


def test_a_circle_of_files_is_refused(write: Write) -> None:
    write("one.yaml", "extends: two.yaml\n")
    with pytest.raises(ConfigError, match=r"two\.yaml → one\.yaml → two\.yaml"):
        load_study(write("two.yaml", "extends: one.yaml\n"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("extends: tou.yaml\n", 'did you mean "toy.yaml"'),
        ("extends: [toy.yaml]\n", "the name of one YAML file"),
        ("a: [1\n", "is not YAML"),
        ("- a\n", "holds a list"),
        ("", "name: is missing"),
        ("a: &x [*x]\n", "is not YAML"),
    ],
)
def test_a_file_that_is_no_study_is_refused(write: Write, text: str, expected: str) -> None:
    write("toy.yaml", STUDY)
    with pytest.raises(ConfigError) as caught:
        load_study(write("other.yaml", text))
    assert expected in str(caught.value)


def test_absent_inputs_are_listed_only_when_asked_for(write: Write, tmp_path: Path) -> None:
    study = load_study(write("toy.yaml", STUDY))
    with pytest.raises(ConfigError) as caught:
        check_inputs(study, tmp_path)
    for name in ("instructions.jsonl", "markers.txt", "pools/clown.jsonl", "pools/sky.jsonl"):
        assert name in str(caught.value)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "pools/joker.jsonl").touch()
    check_inputs(study, tmp_path)


def test_an_engine_that_is_not_installed_is_refused_with_what_to_install(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vllm = "{sampling: {engine: vllm}}"
    study = load_study(write("toy.yaml", f"{STUDY}evaluation: {vllm}\nelicitation: {vllm}\n"))
    monkeypatch.setattr("inoc.studies.inoculation.needs.given_files", lambda _: iter(()))
    monkeypatch.setattr("inoc.jobs.ready.find_spec", lambda _: None)
    with pytest.raises(
        ConfigError, match=r"evaluation.sampling.engine = 'vllm': .* pip install \"inoc\[vllm\]\""
    ) as caught:
        check_inputs(study, tmp_path)
    assert "elicitation.sampling.engine" in str(caught.value)
    assert "control" not in str(caught.value)
    monkeypatch.setattr("inoc.jobs.ready.find_spec", lambda name: name)
    check_inputs(study, tmp_path)


def test_what_needs_bitsandbytes_is_refused_where_it_is_not_installed(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = STUDY.replace("  path: org/model", "  path: org/model\n  quantization: nf4")
    study = load_study(write("toy.yaml", text.replace("micro_batch_size: 4", "optimizer: adamw_8bit")))
    monkeypatch.setattr("inoc.studies.inoculation.needs.given_files", lambda _: iter(()))
    monkeypatch.setattr("inoc.jobs.ready.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"model.quantization = 'nf4': .* pip install \"inoc\[bits\]\"") as caught:
        check_inputs(study, tmp_path)
    assert "training.optimizer = 'adamw_8bit'" in str(caught.value)
    monkeypatch.setattr("inoc.jobs.ready.find_spec", lambda name: name)
    check_inputs(study, tmp_path)


def with_llm(write: Write, judge: str) -> Path:
    text = STUDY.replace("{name: lexical, markers: markers.txt}", judge)
    assert text != STUDY
    return write("toy.yaml", text)


def test_a_study_that_asks_an_api_is_refused_where_it_cannot_be_asked(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    study = load_study(with_llm(write, "{name: llm, model: some-model, property: playful}"))
    with pytest.raises(ConfigError) as caught:
        check_api(study, ApiSpec(key_variable="SOME_KEY"))
    text = str(caught.value)
    assert "traits.playful.judge.name = 'llm'" in text
    assert "export SOME_KEY=" in text
    assert "'some-model' has no price" in text
    check_api(study, ApiSpec(key_variable="SOME_KEY"), "elicit")  # which asks no API
    check_api(load_study(write("toy.yaml", STUDY)), ApiSpec(key_variable="SOME_KEY"))


def test_a_server_that_is_to_sample_needs_its_own_key_and_the_models_price(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    served = "{sampling: {engine: api}}"
    study = load_study(write("toy.yaml", f"{STUDY}\nelicitation: {served}\nevaluation: {served}\n"))
    name = study.model.path
    ready = ApiSpec(key_variable="", prices={name: Price(input=0)})
    away = ApiSpec(key_variable="SOME_KEY")
    check_api(study, away, engine_spec=ready)
    check_api(study, ready)
    with pytest.raises(ConfigError) as caught:
        check_api(study, ready, "evaluate", engine_spec=away)
    text = str(caught.value)
    assert "evaluation.sampling.engine = 'api'" in text
    assert "elicitation" not in text
    assert "export SOME_KEY=" in text
    assert f"'{name}' has no price" in text


def test_a_missing_sdk_is_named_with_its_extra(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    study = load_study(with_llm(write, "{name: llm, model: gpt-4.1-mini, property: playful}"))
    with pytest.raises(ConfigError, match=r"inoc\[api\]"):
        check_api(study, ApiSpec(key_variable=""))


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        ("{name: llm, model: m}", "property: is missing"),
        ("{name: llm, property: playful}", "model: is missing"),
        ("{name: llm, model: m, question: coherence, property: playful}", "goes with `question: property`"),
        ("{name: llm, model: m, question: language}", "language: is missing"),
        ("{name: llm, model: m, property: playful, scale: 0-9}", "`scale: 0-9` is version 2"),
        ("{name: llm, model: m, property: playful, markers: world}", "has no such setting"),
        ("{name: llm, model: m, question: coherense}", 'did you mean "coherence"'),
    ],
)
def test_a_question_has_its_own_settings_and_no_other(write: Write, judge: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_study(with_llm(write, judge))
    assert message in str(caught.value)


@pytest.mark.parametrize("section", ["api", "engine_api"])
@pytest.mark.parametrize(
    "line",
    ["key_variable: sk-secret", "key: sk-secret", "base_url: 'https://me:sk-secret@host/v1'", "budget: sk-secret"],
)
def test_a_key_in_the_wrong_place_is_refused_and_not_repeated(
    write: Write, tmp_path: Path, line: str, section: str
) -> None:
    write("toy.yaml", STUDY)
    path = tmp_path / "config.yaml"
    path.write_text(f"studies: [toy]\n{section}:\n  {line}\n")
    with pytest.raises(ConfigError) as caught:
        load_workflow(path)
    assert line.partition(":")[0] in str(caught.value)
    assert "sk-secret" not in str(caught.value)


def test_the_workflow_file_names_studies_that_exist(write: Write, tmp_path: Path) -> None:
    write("toy.yaml", STUDY)
    path = tmp_path / "config.yaml"
    path.write_text("studies: [toy]\nshards:\n  toy: {score: 2}\n")
    assert load_workflow(path).shards == {"toy": Shards(score=2)}
    path.write_text("studies: [tyo]\nshards:\n  toi: {score: 2}\ntrain_gpus: {yot: 2}\n")
    with pytest.raises(ConfigError) as caught:
        load_workflow(path)
    assert 'config.yaml:1: studies[0] = "tyo"' in str(caught.value)
    assert "config.yaml:3: shards.toi" in str(caught.value)
    assert "config.yaml:4: train_gpus.yot" in str(caught.value)
    with pytest.raises(ConfigError, match=r"studies\[0\] = \"nope\""):
        workflow_of({"studies": ["nope"]}, path)


def test_loading_a_study_imports_nothing_heavy(write: Write) -> None:
    """It has to answer in half a second, interpreter and all; which machine that is, a test cannot know."""
    path = write("toy.yaml", STUDY)
    program = (
        "import sys\nfrom inoc.config.load import load_study\nfrom inoc.jobs.work import settings_of\n"
        f"load_study({str(path)!r})\n"
        "print([name for name in ('numpy', 'pandas', 'pyarrow', 'scipy', 'torch', 'jinja2') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run(
        [sys.executable, "-c", program], check=True, env=environment, capture_output=True, text=True
    )
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("n_eval: 6", "n_eval: 2"), "data.n_eval = 2: is too few for any interval"),
        (("n_eval: 6", "n_eval: 5"), "accepted: at least 6"),
    ],
)
def test_so_few_questions_that_nothing_has_an_interval_are_refused(write, change, words) -> None:
    with pytest.raises(ConfigError, match=words):
        load_study(write("toy.yaml", STUDY.replace(*change)))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "n_eval: 6",
            "n_eval: 6\n  questions: {more: {source: {topics: fruit}}}",
            'topics = "fruit": accepted: a list',
        ),
        ("n_eval: 6", "n_eval: 1", "data.n_eval = 1: accepted: 2 or more"),
        ("n_eval: 6", "n_eval: six", 'data.n_eval = "six": accepted: a whole number'),
        ("n_eval: 6", "n_eval: 2.5", "data.n_eval = 2.5: accepted: a whole number"),
        ("n_eval: 6", "n_eval: 6\n  sampling: [a]", 'data.sampling = ["a"]: accepted: a mapping'),
        ("n_eval: 6", "n_eval: 6\n  sampling: {top_p: 0}", "data.sampling.top_p = 0: accepted: more than 0"),
        ("n_eval: 6", "n_eval: 6\n  sampling: {top_p: half}", 'data.sampling.top_p = "half": accepted: a number'),
        ("title: A toy", "title: [A toy]", 'title = ["A toy"]: accepted: a text'),
    ],
)
def test_messages_speak_of_lists_and_mappings_and_not_of_python(
    write: Write, old: str, new: str, expected: str
) -> None:
    message = refusal(write, (old, new))
    assert expected in message
    for word in ("tuple", "dictionary", "instance", "parse", "Input"):
        assert word not in message


def test_a_default_that_was_not_written_is_called_a_default(write: Write) -> None:
    message = refusal(write, ("batch_size: 8\n  micro_batch_size: 4", "batch_size: 6"))
    assert "training.micro_batch_size = 4 (the default): does not divide batch_size = 6; accepted" in message
    message = refusal(write, ("batch_size: 8\n  micro_batch_size: 4", "micro_batch_size: 5"))
    assert "training.micro_batch_size = 5: does not divide batch_size = 32 (the default)" in message


def test_what_is_missing_is_said_to_be_missing_where_it_is(write: Write) -> None:
    message = refusal(write, ("    family: playful\n", ""))
    line = next(at for at, text in enumerate(STUDY.splitlines(), 1) if text.strip() == "strong:")
    assert f"toy.yaml:{line}: prompts.strong.family: is missing" in message


@pytest.mark.parametrize(("written", "hint"), [("cat", ""), ("toys", ' (did you mean "toy"?)'), ("fairly_far_off", "")])
def test_only_a_close_name_is_suggested(write: Write, tmp_path: Path, written: str, hint: str) -> None:
    write("toy.yaml", STUDY)
    with pytest.raises(ConfigError) as caught:
        load_study(written, tmp_path)
    assert str(caught.value).partition("accepted: toy")[2] == hint


def test_missing_files_of_one_setting_are_one_line(write: Write, tmp_path: Path) -> None:
    path = write("toy.yaml", STUDY)
    study = load_study(path)
    data = study.data.model_copy(
        update={
            "instructions": study.data.instructions.model_copy(
                update={"kind": "files", "files": tuple(f"part_{k}.jsonl" for k in range(5))}
            )
        }
    )
    with pytest.raises(ConfigError) as caught:
        check_inputs(study.model_copy(update={"data": data}), tmp_path)
    line = next(line for line in str(caught.value).splitlines() if "part_0" in line)
    assert "data.instructions.files: 5 files are missing" in line
    assert all(f"part_{k}.jsonl" in line for k in range(5))
    assert str(tmp_path) in line


@pytest.mark.parametrize(
    "verb",
    [
        ["status", "mini"],
        ["config", "check", "mini"],
        ["new", "own"],
        ["run", "mini"],
        ["plan", "mini"],
        ["store", "gc"],
        ["store", "count"],
        ["config", "generate"],
        ["score", "mini"],
    ],
)
def test_outside_the_repository_a_message_says_where_to_go(
    verb: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(verb)
    assert "in the folder of the repository" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seeds", [[2**31], [2**32, 1], [2**64], [1, -1]])
def test_a_seed_that_is_refused_has_one_message(write: Write, seeds: list[int]) -> None:
    message = refusal(write, ("  batch_size: 8", f"  seeds: {seeds}\n  batch_size: 8"))
    assert message.count("\n") == 1
    assert "training.seeds[" in message
    assert "Tuple" not in message


def test_an_empty_list_of_seeds_says_what_is_accepted(write: Write) -> None:
    assert "training.seeds = []: accepted: at least 1 entry" in refusal(
        write, ("  batch_size: 8", "  seeds: []\n  batch_size: 8")
    )
