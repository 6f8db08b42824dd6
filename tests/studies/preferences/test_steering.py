"""Concepts and steering of a study: checks and plans, and all of their stages on a tiny model."""

from __future__ import annotations

import json
import string
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from inoc.config.load import load_study
from inoc.engines.candidates import candidate
from inoc.engines.choices import Questions
from inoc.engines.identity import ModelIdentity
from inoc.engines.transformers import load_tokenizer
from inoc.errors import ConfigError
from inoc.jobs.paths import Paths
from inoc.jobs.work import settings_of
from inoc.read.step import load_activations
from inoc.store import Store
from inoc.studies.preferences.asked import asked_of
from inoc.studies.preferences.concepts import Contrasts
from inoc.studies.preferences.steering_costs import steered_cells
from inoc.studies.preferences.steering_plans import parts_of_id, steered_id, steered_texts
from inoc.studies.preferences.steering_vectors import kind_of, steering_vectors
from inoc.studies.preferences.study import Study
from inoc.studies.preferences.tasks import tasks_of as tasks_of_study
from inoc.studies.preferences.texts import Texts
from inoc.tables import read_table
from inoc.vectors.steering import Steering
from inoc.vectors.vector import Vector
from support.jobs import StudyJob, plan_of, run_job
from support.preferences import study_of
from support.templates import ALL

FILE = """\
kind: preferences
name: toy
title: toy
model: {path: MODEL, dtype: float32}
tasks:
  origins:
    owls: {texts: {a: Where does the owl live?, b: Where is the fox?, c: Where does the cat live?}}
    pans: {texts: {d: What is the pan made of?, e: What is the jug made of?, f: What is a rope?}}
models:
  local: {}
  remote: {api: gpt, completes: false}
completions: {sampling: {max_tokens: 4}}
instruments:
  stars:
    template: {kind: rating, before: "{task} How good?", after: How good?, scale: {lowest: 1, highest: 5}}
    when: before
    raters: [local]
  pick:
    template: {kind: choice, before: "{task_a} or {task_b}?", after: Which?}
    when: before
    raters: [local]
  words:
    template: {kind: open, before: "{task} How is it?"}
    when: before
    raters: [local]
    sampling: {max_tokens: 4}
  order: {template: rank_preference, when: before, raters: [local], ranking: {size: 3}}
parsing: {tone: {name: regex, pattern: good}}
concepts:
  glad:
    positive: You are glad.
    negative: You are sad.
    sampling: {max_tokens: 4}
    sites: [0.0]
    readouts: [response_mean]
steering:
  vectors: [concept:glad, mine]
  files: {mine: {file: PLACE/mine.npy, intercept: true}}
  site: resid_post.0
  targets:
    rated: {instrument: stars, n: 3}
    first: {instrument: pick, text: first, n: 4}
    both: {instrument: pick, text: differential, n: 4}
    said: {instrument: words, n: 2}
  coefficients: [-0.5, 0, 0.5]
  random: 2
  combinations: 2
  coherence: {name: regex, pattern: .}
polarity: {anchors: {good: [{task: Sink., completion: Glug.}], bad: [{task: Sing., completion: La.}]}}
"""
WRONG = [
    ("vectors: [concept:glad, mine]", "vectors: [concept:gled, mine]", 'did you mean "glad"'),
    ("vectors: [concept:glad, mine]", "vectors: [refusal, mine]", "`inside.refusal` is false"),
    ("vectors: [concept:glad, mine]", "vectors: [probe:liking]", "is no key of `probes`"),
    ("vectors: [concept:glad, mine]", "vectors: [yours]", "is no key of `steering.files`"),
    ("vectors: [concept:glad, mine]", "vectors: [mine, mine]", "each once"),
    ("coefficients: [-0.5, 0, 0.5]", "coefficients: [-0.5, 0.5]", "0 is missing"),
    ("instrument: stars, n: 3", "instrument: strs", 'did you mean "stars"'),
    ("instrument: stars, n: 3", "instrument: stars, text: first", "the question shows one"),
    ("instrument: stars, n: 3", "instrument: order", "is a ranking"),
    (
        "when: before\n    raters: [local]\n  pick",
        "when: before\n    format: reasoned\n  pick",
        "need an answer at once",
    ),
    ("{max_tokens: 4}\n  order", "{max_tokens: 4, engine: vllm}\n  order", "engine that cannot steer"),
    ("dtype: float32}", "dtype: float32, thinking: on}", "thinks before it answers"),
    ("parsing: {tone: {name: regex, pattern: good}}", "parsing: {}", "nothing judges its answers"),
    ("  random: 2", "  random: 2\n  positions: answer", "before its first token"),
    ("negative: You are sad.", "negative: You are glad.", "another text"),
    ("readouts: [response_mean]", "readouts: [prompt_last]", "reads the prompt"),
    ("sites: [0.0]", "sites: [0.0, 0.0]", "each once"),
]


def _text(model: str = "somewhere/model", place: str = "somewhere") -> str:
    return FILE.replace("MODEL", model).replace("PLACE", place)


@pytest.mark.parametrize(("right", "wrong", "said"), WRONG, ids=[one[1] for one in WRONG])
def test_mistakes_are_told(right: str, wrong: str, said: str, tmp_path: Path):
    assert right in FILE
    path = tmp_path / "toy.yaml"
    path.write_text(_text().replace(right, wrong))
    with pytest.raises(ConfigError) as caught:
        load_study(path)
    assert said in str(caught.value)


def test_a_study_without_steering_has_the_settings_that_it_had_before():
    plain = study_of()
    for stage in ("analyse", "figures", "report"):
        said = json.dumps(settings_of(stage, plain))
        assert "steering" not in said
        assert "concepts" not in said


def test_names_of_steered_questions_are_read_back():
    name = steered_id("both", "random 1/concept:glad", -0.25, "pick|local|-|a > b")
    assert parts_of_id(name) == ("both", "random 1/concept:glad", -0.25, "pick|local|-|a > b")
    kinds = [kind_of(one) for one in ("random 1", "random 2/mine", "shuffled:liking", "probe:liking", "randomness")]
    assert kinds == ["random", "random", "shuffled", "own", "own"]


@pytest.fixture(scope="module")
def studied(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Paths, Store]:
    root = tmp_path_factory.mktemp("steered")
    np.save(root / "mine.npy", np.append(np.random.default_rng(0).standard_normal(64), 7.0))
    path = root / "toy.yaml"
    path.write_text(_text(str(tiny_folder), str(root)))
    study = load_study(path)
    assert isinstance(study, Study)
    paths, store = Paths(root / "results", study.name), Store(root / "store")
    for stage, part in (
        *(("sample", "concepts"), ("read", "contrasts"), ("sample", "answers"), ("sample", "open")),
        *(("choose", "answers"), ("judge", "open"), ("choose", "steering"), ("sample", "steering")),
        *(("judge", "steering"), ("analyse", "")),
    ):
        run_job(StudyJob(study.name, paths, store, stage, 0, part, of=study))
    return study, paths, store


def test_all_stages_run_on_a_tiny_model(studied):
    _, paths, _ = studied
    vectors = read_table(paths.table("vectors"))
    assert list(vectors["context"]) == ["with", "without"]
    assert vectors["cosine_with_prompt"].iloc[0] == pytest.approx(1.0)
    assert vectors["norm_units"].to_numpy() == pytest.approx(vectors["norm"] / vectors["activation_norm"])
    doses = read_table(paths.table("dose_response"))
    assert set(doses["target"]) == {"rated", "first", "both", "said"}
    nulls = {f"{kind} {k}" for kind in ("random", "combination") for k in (1, 2)}
    assert set(doses["vector"]) == {"concept:glad", "mine", *nulls}
    assert set(doses["coefficient"]) == {-0.5, 0.0, 0.5}
    slopes = read_table(paths.table("steering_slopes"))
    own = slopes[(slopes["target"] == "both") & (slopes["answers"] == "all") & (slopes["vector"] == "mine")].iloc[0]
    assert (own["n_random"], own["n_combinations"], own["n"]) == (2, 2, 8)


def test_unsteered_answers_are_those_of_the_unsteered_study(studied):
    _, paths, _ = studied
    steered = read_table(paths.part("choose", "steering", 0) / "candidates.parquet")
    plain = read_table(paths.part("choose", "answers", 0) / "candidates.parquet")
    zero = steered[steered["id"].str.startswith("rated|none|0.0|")]
    for name, own in zero.groupby("id"):
        same = plain[plain["id"] == str(name).split("|", 3)[3]]
        np.testing.assert_allclose(own["logprob"], same["logprob"], atol=1e-4)
    assert len(zero)


def test_the_texts_of_both_tasks_are_steered_in_opposite_directions(studied):
    study, paths, store = studied
    plan = plan_of(StudyJob(study.name, paths, store, "choose", 0, "steering", of=study))
    for name, chat, steering in zip(plan.ids, plan.chats, plan.steerings, strict=True):
        target, vector, _, asked = parts_of_id(name)
        if target != "both" or vector == "none":
            continue
        first, second = asked.split("|")[-1].split(" > ")
        texts = {task.id: task.text for task in tasks_of_study(study)}
        assert [(one.text, one.weight) for one in steering.texts] == [(texts[first], 1.0), (texts[second], -1.0)]
        assert texts[first] in chat.user


_PICK = "{task_a} or {task_b}?"
_PLACES = [  # wording, when, both tasks, completions, and whether a search would find another place
    (_PICK, "before", ("Where does the owl live?", "Where is the fox?"), ("", ""), False),
    ("Either {task_b} or {task_a}?", "before", ("Where does the owl live?", "Where is the fox?"), ("", ""), False),
    ("A: {task_a} B: {task_b} Or rather {task_a}?", "before", ("Sing of the sea.", "Sit on it."), ("", ""), False),
    ("Do you like tea more? A: {task_a} B: {task_b}", "before", ("tea", "Sit on the tea pot."), ("", ""), True),
    ("  {{x}} {task_a}\n{task_b}\n", "before", (" user ", "assistant\n"), ("", ""), True),
    (_PICK, "before", ("Be kind.", "kind"), ("", ""), True),
    (
        _PICK,
        "after",
        ("Where does the owl live?", "Where is the fox?"),
        ("In the oak.", "Where does the owl live?"),
        False,
    ),
    (_PICK, "after", ("Where does the owl live?", "Is it?"), ("", "user"), True),
]


@pytest.mark.parametrize("template", ["plain", "llama-2", "mistral", "qwen-3", "llama-3"])
@pytest.mark.parametrize(("before", "when", "tasks", "completions", "keyed"), _PLACES)
def test_a_vector_is_added_where_a_task_is_shown_and_not_where_its_words_are_found_first(
    template, before, when, tasks, completions, keyed, tiny_folder
):
    given = {"template": {"kind": "choice", "before": before, "after": "Which?"}, "when": when}
    model = {"path": "none", "system": {"kind": "text", "text": "Be kind."}}
    origins = {"own": {"texts": dict(zip("ab", tasks, strict=True))}}
    study = study_of(instruments={"pick": given}, models={"a": {}}, model=model, tasks={"origins": origins})
    tokenizer = load_tokenizer(ModelIdentity(tiny_folder, "", "", "", None))
    tokenizer.chat_template = ALL[template]
    asked = next(one for one in asked_of(study, tasks_of_study(study), "pick", "a") if one.tasks == ("a", "b"))
    done = {f"a|none|0|{name}": text for name, text in zip("ab", completions, strict=True)}
    texts = Texts(study, tasks_of_study(study), done)
    named = steered_texts(texts, asked, "differential")
    assert any(one.keyed for one in named) == keyed
    steering = Steering(Vector("v", np.ones(4, np.float32), "embed", "m"), 1.0, texts=named)
    options = (candidate("A"), candidate("B"))
    (question,) = Questions(tokenizer).ask([texts.chat(asked)], [options], [steering])
    if when == "before":
        slots = [(literal, slot == "task_b") for literal, slot, *_ in string.Formatter().parse(before) if slot]
        expected = [(literal, tasks[second], -1.0 if second else 1.0) for literal, second in slots]
    else:
        turns = zip(tasks, completions, (1.0, -1.0), strict=True)
        expected = [(one[0] * (at == 1), one[at], one[2]) for one in turns for at in (0, 1) if one[at]]
    assert len(question.spans) == len(expected)
    for span, (behind, text, weight) in zip(question.spans, expected, strict=True):
        found = tokenizer.decode(question.prompt[span.start : span.stop])
        assert span.weight == weight
        assert text.strip() in found
        assert len(found) <= len(text.strip()) + 4  # a token at its edge may have more
        assert behind.format().strip() in tokenizer.decode(question.prompt[: span.start + 1])


def test_all_vectors_add_the_same_length_and_files_lose_their_intercept(studied):
    study, paths, store = studied
    plan = plan_of(StudyJob(study.name, paths, store, "choose", 0, "steering", of=study))
    norms = {
        parts_of_id(name)[1]: float(np.linalg.norm(one.added()))
        for name, one in zip(plan.ids, plan.steerings, strict=True)
        if one is not None
    }
    assert len(norms) == 6
    assert max(norms.values()) == pytest.approx(min(norms.values()), rel=1e-5)
    mine = next(one.vector for one in plan.steerings if one is not None and one.vector.name == "mine")
    assert len(mine.values) == 64


def test_what_remains_of_a_concept_without_its_turn_is_read_without_it(studied):
    study, paths, _ = studied
    ids, _ = load_activations(paths.part("read", "contrasts", 0), "resid_post.0", "response_mean")
    assert len(ids) == 2 * 2 * 6
    found = Contrasts(study, paths, {}, tasks_of_study(study))
    kept, bare = (found.concept("glad", one, "response_mean", "resid_post.0") for one in ("with", "without"))
    assert not np.allclose(kept.positive, bare.positive)
    assert kept.groups == bare.groups


def test_open_answers_are_judged_for_attitude_and_coherence(studied):
    _, paths, _ = studied
    scores = pd.read_parquet(paths.scores("steering"))
    assert set(scores["trait"]) == {"attitude", "coherence"}
    assert (scores.groupby("trait")["id"].nunique() == 2 * (1 + 6 * 2)).all()


def test_combinations_lie_among_the_activations_of_the_first_vector(studied):
    study, paths, store = studied
    plan = plan_of(StudyJob(study.name, paths, store, "choose", 0, "steering", of=study))
    known = {one.vector.name.split()[0]: one.vector.values for one in plan.steerings if one is not None}
    found = Contrasts(study, paths, {}, tasks_of_study(study)).concept("glad", "with", "response_mean", "resid_post.0")
    rows = np.concatenate([found.positive, found.negative]).astype(np.float64)
    axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[2][: len(rows) - 1]
    inside = {name: np.linalg.norm(axes @ one) / np.linalg.norm(one) for name, one in known.items()}
    assert inside["combination"] == pytest.approx(1, abs=1e-5)
    assert inside["concept:glad"] == pytest.approx(1, abs=1e-5)
    assert inside["random"] < 0.7


@pytest.mark.parametrize("units", ["raw", "activation_norm"])
def test_activations_without_differences_are_combined_to_nothing(units, studied, monkeypatch):
    study, paths, _ = studied
    assert study.steering is not None
    given = study.model_copy(update={"steering": study.steering.model_copy(update={"units": units})})
    model = SimpleNamespace(folder=Path(study.model.path), weights="", adapter="base")
    module = "inoc.studies.preferences.steering_vectors"
    monkeypatch.setattr(f"{module}._activations", lambda *_: np.ones((4, 64), dtype=np.float32))
    found = steering_vectors(given, paths, {}, model, tasks_of_study(given))
    assert {kind_of(name) for name in found} == {"own", "random"}


def test_a_vector_without_a_direction_steers_nothing(studied, monkeypatch):
    study, paths, _ = studied
    model = SimpleNamespace(folder=Path(study.model.path), weights="", adapter="base")
    module = "inoc.studies.preferences.steering_vectors"
    own = steering_vectors(study, paths, {}, model, tasks_of_study(study))["concept:glad"]
    assert own.norm > 0
    monkeypatch.setattr(f"{module}._vector", lambda *_: replace(own, values=np.zeros_like(own.values)))
    assert steering_vectors(study, paths, {}, model, tasks_of_study(study)) == {}


def test_with_raw_units_every_vector_has_nulls_of_its_own(studied, tmp_path):
    study, paths, _ = studied
    assert study.steering is not None
    raw = study.model_copy(update={"steering": study.steering.model_copy(update={"units": "raw"})})
    model = SimpleNamespace(folder=Path(study.model.path), weights="", adapter="base")
    found = steering_vectors(raw, paths, {}, model, tasks_of_study(raw))
    named = {name for name in found if "/" in name}
    assert named == {
        *(f"random {k}/{name}" for k in (1, 2) for name in ("concept:glad", "mine")),
        *(f"combination {k}/concept:glad" for k in (1, 2)),  # no activations of a file's vector are known
    }
    for name in named:
        assert found[name].norm == pytest.approx(found[name.split("/")[1]].norm, rel=1e-5)
    assert steered_cells(raw) == 1 + 2 * len(found)
