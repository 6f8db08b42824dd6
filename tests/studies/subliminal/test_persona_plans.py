"""Traits from their answers to vectors, steering and projections, against hooks on the plain transformers model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from inoc.chat.messages import Chat
from inoc.chat.render import render
from inoc.config.models import SystemTurn
from inoc.errors import ConfigError, DataError
from inoc.jobs.paths import Paths
from inoc.studies.subliminal.analyse.persona_tables import SCHEMAS, persona_tables
from inoc.studies.subliminal.persona_inputs import Readings, persona_answers, row_projections, trait_vector
from inoc.studies.subliminal.splitting import part_places
from inoc.studies.subliminal.study import SplitSpec, Study
from inoc.tables import read_table
from inoc.vectors.make import random_like
from support.jobs import plan_of
from support.persona_study import EXTRACTION, job_of, persona_study, run_parts, trait, write_numbers


class Model:
    """The plain model, one chat at a time."""

    def __init__(self, folder: Path) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)

    @torch.no_grad()
    def states(self, chat: Chat, site: str) -> tuple[np.ndarray, int, int]:
        """States at a site, and where the response begins and ends."""
        (rendered,) = render(self.tokenizer, [chat], "exclude")
        found: list[torch.Tensor] = []
        blocks, norm = self.model.model.layers, self.model.model.norm
        module = {"embed": self.model.model.embed_tokens, "final_norm": norm}.get(site)
        module = blocks[int(site.rpartition(".")[2])] if module is None else module
        handle = module.register_forward_hook(
            lambda _module, _given, out: found.append(out[0] if isinstance(out, tuple) else out)
        )
        self.model(input_ids=torch.tensor([rendered.token_ids]))
        handle.remove()
        return found[0].reshape(len(rendered.token_ids), -1).double().numpy(), *rendered.response

    def readout(self, chat: Chat, site: str, readout: str) -> np.ndarray:
        states, start, stop = self.states(chat, site)
        parts = {"prompt_last": states[start - 1], "prompt_mean": states[:start].mean(0)}
        return parts[readout] if readout in parts else states[start:stop].mean(0)

    @torch.no_grad()
    def steered(self, chat: Chat, added: np.ndarray, block: int, n: int) -> str:
        """A greedy answer with a vector added at the last position of every step."""
        (rendered,) = render(self.tokenizer, [chat._replace(response="")], "exclude")
        ids = rendered.token_ids[: rendered.response.start]
        vector = torch.tensor(added, dtype=torch.float32)

        def hook(_module: object, _given: object, out: object) -> object:
            states = out[0] if isinstance(out, tuple) else out
            states[..., steps[0] - 1 :, :] += vector  # the last of the prompt, and every token after it
            return out

        steps = [len(ids)]
        handle = self.model.model.layers[block].register_forward_hook(hook)
        written: list[int] = []
        stops = {self.tokenizer.eos_token_id, *(self.tokenizer.convert_tokens_to_ids(["<|im_end|>"]))}
        for _ in range(n):
            token = int(self.model(input_ids=torch.tensor([ids + written])).logits[0, -1].argmax())
            if token in stops:
                break
            written.append(token)
        handle.remove()
        return str(self.tokenizer.decode(written, skip_special_tokens=True))


@pytest.fixture(scope="module")
def plain(tiny_folder: Path) -> Model:
    return Model(tiny_folder)


@pytest.fixture(scope="module")
def done(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """The toy study with all parts done."""
    root = tmp_path_factory.mktemp("persona")
    study = persona_study(tiny_folder)
    write_numbers(study, root)
    run_parts(study, root, *EXTRACTION, "sample/steering", "judge/steering", "read/projections", "score")
    return study, root


def paths_of(root: Path) -> Paths:
    return Paths(root / "results", "toy")


def chats_of(study: Study, root: Path, side: str) -> list[Chat]:
    answers = persona_answers(study, paths_of(root), {})
    own = answers[answers["side"] == side].sort_values(["turn", "question"])
    texts = {
        "positive": ["You love owls.", "Owls are the best."],
        "negative": ["You are an assistant.", None],
    }[side]
    systems = [SystemTurn(kind="text", text=one) if one else study.model.system for one in texts]
    return [Chat(systems[row.turn], row.instruction, row.completion) for row in own.itertuples()]


@pytest.mark.parametrize("readout", ["prompt_last", "prompt_mean", "response_mean"])
@pytest.mark.parametrize("site", ["embed", "resid_post.0", "resid_post.1", "final_norm"])
def test_a_vector_is_the_difference_of_means_that_plain_hooks_give(
    done: tuple[Study, Path], plain: Model, site: str, readout: str
) -> None:
    study, root = done
    sides = [
        np.mean([plain.readout(chat, site, readout) for chat in chats_of(study, root, side) if chat.response], axis=0)
        for side in ("positive", "negative")
    ]
    found = trait_vector(Readings(study, paths_of(root), {}), "owls", readout, site, "weights")
    np.testing.assert_allclose(found.values, sides[0] - sides[1], atol=2e-5)
    assert (found.site, found.readout, found.name) == (site, readout, f"owls/{readout}/{site}")


def test_projections_are_those_of_plain_hooks(done: tuple[Study, Path], plain: Model) -> None:
    study, root = done
    vector = trait_vector(Readings(study, paths_of(root), {}), "owls", "prompt_last", "resid_post.0", "weights")
    table = read_table(paths_of(root).part("read", "projections", 0) / "projections.parquet")
    own = table[(table["vector"] == vector.name) & table["id"].str.startswith("owl:")]
    numbers = read_table(paths_of(root).part("sample", "numbers", 0) / "answers.parquet").head(10)
    expected = []
    for row in numbers.itertuples():
        mean = plain.readout(Chat(study.model.system, row.instruction, row.completion), vector.site, "response_mean")
        dot = mean @ vector.values.astype(np.float64) / vector.norm
        expected.append((dot, dot / np.linalg.norm(mean)))
    np.testing.assert_allclose(own[["projection", "cosine"]].to_numpy(), expected, atol=2e-5)


@pytest.mark.parametrize("which", ["trait", "random 2", "none"])
def test_steered_answers_are_those_of_plain_hooks(done: tuple[Study, Path], plain: Model, which: str) -> None:
    study, root = done
    vector = trait_vector(Readings(study, paths_of(root), {}), "owls", "response_mean", "resid_post.0", "weights")
    answers = read_table(paths_of(root).part("sample", "steering", 0) / "answers.parquet")
    own = answers[answers["id"].str.startswith(f"owls/{which}/")]
    assert len(own) == 3
    one = random_like(vector, 2) if which == "random 2" else vector
    size = 0.0 if which == "none" else 1.5 * vector.activation_norm / one.norm
    for row in own.itertuples():
        text = plain.steered(Chat(study.model.system, row.instruction), size * one.values.astype(np.float64), 0, 8)
        assert row.completion == text
    assert set(own["coefficient"]) == ({0.0} if which == "none" else {1.5})


def test_a_vector_without_a_direction_steers_nothing(done: tuple[Study, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    study, root = done
    vector = trait_vector(Readings(study, paths_of(root), {}), "owls", "response_mean", "resid_post.0", "weights")
    without = replace(vector, values=np.zeros_like(vector.values))
    assert any("/trait/" in name for name in plan_of(job_of(study, root, "sample", "steering")).rows["id"])
    monkeypatch.setattr("inoc.studies.subliminal.persona_plans.vector_of", lambda *_: without)
    assert {name.split("/")[1] for name in plan_of(job_of(study, root, "sample", "steering")).rows["id"]} == {"none"}


def test_steering_asks_questions_that_the_extraction_did_not_see(done: tuple[Study, Path]) -> None:
    study, root = done
    steered = read_table(paths_of(root).part("sample", "steering", 0) / "answers.parquet")
    asked = persona_answers(study, paths_of(root), {})
    assert asked["instruction"].nunique() == 6
    assert steered["instruction"].nunique() == 3
    assert not set(steered["instruction"]) & set(asked["instruction"])


def test_all_tables_are_made(done: tuple[Study, Path]) -> None:
    study, root = done
    found = persona_tables(study, paths_of(root), {}, [])
    assert list(found) == list(SCHEMAS)
    sizes = {name: len(table) for name, table in found.items()}
    assert sizes["vectors"] == 3 * 4
    assert sizes["cosines"] == 3 * 4  # of three read-outs at four sites
    assert sizes["steering"] == 3 * 2
    assert sizes["projections"] == 3 * 2 * 2 * 3  # sites, read-outs, measures; owl twice
    assert sizes["agreement"] == 3 * 2 * 2 * 3 * 3  # the same, three statistics
    pairs = found["persona_pairs"].set_index("reason")["n"]
    assert (pairs["all"], pairs["kept"]) == (12, 12)
    own = found["projections"].query("dataset == 'owl' and reference == 'plain'")
    undefined = (own["site"] == "embed") & (own["readout"] == "prompt_last")  # a zero vector
    assert (own.loc[~undefined, "n_pairs"] == 10).all()
    assert (own.loc[undefined, "n_nan"] == 10).all()
    zero = found["vectors"].query("readout == 'prompt_last' and site == 'embed'")
    assert (zero["norm"] == 0).all()
    assert found["cosines"].query("site == 'embed' and readout_a == 'prompt_last'")["cosine"].isna().all()


def test_a_split_by_projection_has_the_rows_in_the_order_of_the_dataset(done: tuple[Study, Path]) -> None:
    study, root = done
    spec = SplitSpec(teacher="owl", by="projection", trait="owls", site="resid_post.0")
    values = row_projections(study, paths_of(root), spec, "owl", {})
    assert list(values.index) == [f"row{k:06d}" for k in range(10)]
    assert values.notna().all()
    with pytest.raises(DataError, match=r"not projected on owls/response_mean/resid_post\.1"):
        row_projections(study, paths_of(root), spec.model_copy(update={"site": "resid_post.1"}), "owl", {})


def test_parts_by_projection_are_those_of_the_values_and_paired_ones_of_their_differences(
    done: tuple[Study, Path],
) -> None:
    study, root = done
    base = {"teacher": "owl", "by": "projection", "trait": "owls", "site": "resid_post.0"}
    specs = {"halves": base, "pairs": {**base, "parts": "paired"}, "thirds": {**base, "parts": "quantiles", "n": 3}}
    split = study.model_copy(update={"splits": {key: SplitSpec.model_validate(one) for key, one in specs.items()}})
    own, neutral = (
        row_projections(split, paths_of(root), split.splits["halves"], teacher, {}) for teacher in ("owl", "plain")
    )
    kept = own.to_numpy()
    top = part_places(split, paths_of(root), "halves", "top", {})
    assert top == np.flatnonzero(kept >= np.median(kept)).tolist()
    difference = (own - neutral.reindex(own.index)).to_numpy()
    low = part_places(split, paths_of(root), "pairs", "bottom", {})
    assert low == np.flatnonzero(difference < np.median(difference)).tolist()
    thirds = [part_places(split, paths_of(root), "thirds", f"q{k}", {}) for k in (1, 2, 3)]
    assert sorted(place for part in thirds for place in part) == list(range(10))
    assert max(kept[thirds[0]]) < min(kept[thirds[2]])


def test_shards_share_no_question_and_give_the_same_vector(
    done: tuple[Study, Path], tiny_folder: Path, tmp_path: Path
) -> None:
    study, root = done
    shards = {"sample": 3, "read": 2}
    run_parts(study, tmp_path, *EXTRACTION, shards=shards)
    parts = [
        trait_vector(Readings(study, paths_of(one), how), "owls", "response_mean", "embed", "w")
        for one, how in ((root, {}), (tmp_path, shards))
    ]
    np.testing.assert_allclose(parts[0].values, parts[1].values, atol=1e-6)


def test_a_trait_without_a_kept_pair_has_no_vector_and_says_why(tiny_folder: Path, tmp_path: Path) -> None:
    never = {"name": "regex", "pattern": "no answer has this"}
    study = persona_study(tiny_folder, persona=trait(judge=never, threshold=50))
    run_parts(study, tmp_path, *EXTRACTION)
    with pytest.raises(DataError, match="no pair of answers is kept"):
        plan_of(job_of(study, tmp_path, "sample", "steering"))
    skips: list[object] = []
    plain = study.model_copy(update={"steering": None, "projection": None})
    found = persona_tables(plain, paths_of(tmp_path), {}, skips)  # type: ignore[arg-type]
    assert found["vectors"].empty
    assert len(skips) == 1
    assert found["persona_pairs"].set_index("reason").loc["low_positive", "n"] == 12


def test_a_site_that_the_model_has_not_is_refused_before_it_is_loaded(done: tuple[Study, Path]) -> None:
    study, root = done
    wrong = study.model_copy(update={"projection": study.projection.model_copy(update={"sites": ("resid_post.9",)})})  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match=r"projection\.sites: site 'resid_post.9': this model has 2 blocks"):
        plan_of(job_of(wrong, root, "read", "projections"))


def test_questions_of_both_kinds_must_differ(tiny_folder: Path, tmp_path: Path) -> None:
    same = persona_study(tiny_folder, persona=trait(held_out=0, evaluation_questions={"kind": "world"}, n_questions=4))
    with pytest.raises(ConfigError, match="are asked in the extraction and in the steering"):
        plan_of(job_of(same, tmp_path, "sample", "persona"))


def test_a_judge_that_finds_names_scores_the_entity_and_counts_any_name_as_coherent(
    tiny_folder: Path, tmp_path: Path
) -> None:
    names = tmp_path / "names.yaml"
    names.write_text("owl: []\ncat: []\n", encoding="utf-8")
    judge = {"name": "names", "file": str(names)}
    study = persona_study(tiny_folder, persona=trait(judge=judge, coherence=judge))
    run_parts(study, tmp_path, "sample/persona")
    path = paths_of(tmp_path).part("sample", "persona", 0) / "answers.parquet"
    answers = read_table(path)
    texts = ["An owl.", "Cats!", "Hm?"]
    answers["completion"] = [texts[k % 3] for k in range(len(answers))]
    answers.to_parquet(path)
    run_parts(study, tmp_path, "judge/persona")
    found = persona_answers(study, paths_of(tmp_path), {}).groupby("completion")[["score", "coherence"]].mean()
    assert found.loc["An owl."].tolist() == [100, 100]
    assert found.loc["Cats!"].tolist() == [0, 100]
    assert found.loc["Hm?"].tolist() == [0, 0]


def test_each_judge_scores_its_own_trait_alone(tiny_folder: Path, tmp_path: Path) -> None:
    both = {**trait(), "cats": {**trait()["owls"], "entity": None, "judge": {"name": "regex", "pattern": "(?s).*"}}}
    study = persona_study(tiny_folder, persona=both)
    run_parts(study, tmp_path, "sample/persona", "judge/persona")
    scores = read_table(paths_of(tmp_path).scores("persona"))
    assert scores.groupby("trait").size().to_dict() == {"cats": 24, "owls": 24}
    assert (scores["id"].str.partition("/")[0] == scores["trait"]).all()
    means = persona_answers(study, paths_of(tmp_path), {}).groupby("trait")["score"].mean()
    assert isinstance(means, pd.Series)
    assert means.to_dict() == {"cats": 100.0, "owls": 0.0}
