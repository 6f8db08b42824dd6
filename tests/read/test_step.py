from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open

from inoc.chat.render import render
from inoc.engines.reading import Reader
from inoc.engines.transformers import TransformersEngine, load_model
from inoc.errors import ConfigError, DataError
from inoc.jobs import chats
from inoc.read import step
from inoc.read.plan import Plan
from inoc.read.step import load_activations, run, units
from inoc.vectors.steering import Steering
from inoc.vectors.vector import Vector
from support.reading import a_job, chats_of

SITES, READOUTS = ("resid_post.0", "embed"), ("prompt_last", "response_mean")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(chats, "BLOCK", 3)
    monkeypatch.setattr(step, "SHARD_BLOCKS", 2)


def a_plan(tiny_model, root, n=8, **changes):
    plain = {"sites": SITES} if "vectors" not in changes else {}
    return Plan(
        study="toy",
        model=tiny_model,
        ids=[f"c{at}" for at in range(n)],
        chats=chats_of(n),
        readouts=READOUTS,
        folder=root / "out",
        **{**plain, **changes},
    )


def directly(tiny_model, n=8):
    engine = TransformersEngine(tiny_model)
    rendered = render(engine.tokenizer, chats_of(n), "exclude")
    return Reader(engine.causal).submit(rendered, SITES, READOUTS, 4096)()


def test_shards_hold_the_activations_with_the_ids_of_their_rows(tiny_model, tmp_path):
    job = a_job(tmp_path)
    said = run(job, a_plan(tiny_model, tmp_path))
    assert "8 chats at 2 sites" in said
    assert "2 NaN" in said  # one empty response, at two sites
    expected = directly(tiny_model)
    for site in SITES:
        for at, readout in enumerate(READOUTS):
            ids, values = load_activations(tmp_path / "out", site, readout)
            assert ids == [f"c{row}" for row in range(8)]
            assert values.dtype == np.float32
            np.testing.assert_allclose(values, expected[site][:, at], atol=1e-5)
    rows = pd.read_parquet(tmp_path / "out" / "rows.parquet").set_index("id")
    assert tuple(rows.loc["c7"]) == (1, 1)
    with safe_open(tmp_path / "out" / "activations-00001.safetensors", framework="numpy") as stream:
        assert json.loads(stream.metadata()["ids"]) == ["c6", "c7"]
        assert sorted(stream.keys()) == sorted(f"{site}/{readout}" for site in SITES for readout in READOUTS)
    assert "owl" in job.record["rendered_example"]
    with pytest.raises(DataError, match=r"it has embed/prompt_last"):
        load_activations(tmp_path / "out", "resid_post.1", "prompt_last")


def test_what_is_in_the_store_is_not_read_again_and_fewer_chats_leave_no_old_shard(tiny_model, tmp_path):
    run(a_job(tmp_path), a_plan(tiny_model, tmp_path))
    again = a_job(tmp_path)
    run(again, a_plan(tiny_model, tmp_path, n=6))
    assert again.computed == 0
    assert len(load_activations(tmp_path / "out", "embed", "prompt_last")[0]) == 6


def test_projections_are_a_table_of_dot_products_and_cosines(tiny_model, tmp_path):
    vectors = [
        Vector(f"v{at}", np.random.default_rng(at).standard_normal(64), site, "weights")
        for at, site in enumerate(["resid_post.0", "embed", "resid_post.0"])
    ]
    run(a_job(tmp_path), a_plan(tiny_model, tmp_path, vectors=vectors))
    table = pd.read_parquet(tmp_path / "out" / "projections.parquet").set_index(["id", "vector", "readout"])
    assert len(table) == 8 * 3 * 2
    expected = directly(tiny_model)
    for row in range(8):
        for vector in vectors:
            for at, readout in enumerate(READOUTS):
                activation = expected[vector.site][row, at].astype(np.float64)
                found, dot = table.loc[f"c{row}", vector.name, readout], activation @ vector.values
                values = [dot, dot / vector.norm, dot / vector.norm / np.linalg.norm(activation)]
                np.testing.assert_allclose(
                    [found["dot"], found["projection"], found["cosine"]], values, rtol=1e-4, atol=1e-5
                )
    assert table["dot"].isna().sum() == 3


@pytest.fixture
def adapter(tiny_model, tmp_path):
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(load_model(tiny_model), config).save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def with_zero(plan):
    """A plan of steered chats, and the same chats without steering."""
    ids = [*plan.ids, *(f"{one} unsteered" for one in plan.ids)]
    steerings = [*plan.steerings, *([None] * len(plan.ids))]
    return Plan(**{**plan.__dict__, "ids": ids, "chats": [*plan.chats] * 2, "steerings": steerings})


def test_chats_that_are_only_read_with_steering_are_refused(tiny_model, tmp_path):
    vector = Vector("v", np.ones(64), "embed", "weights")
    plan = a_plan(tiny_model, tmp_path, steerings=[Steering(vector, 1.0)] * 7 + [None])
    with pytest.raises(ConfigError, match=r"coefficients \[1.0\] and vector 'v'.*Add 0"):
        run(a_job(tmp_path), plan)


def test_chats_of_several_adapters_are_read_in_one_job_as_in_jobs_of_their_own(tiny_model, adapter, tmp_path):
    both = a_plan(tiny_model, tmp_path, adapter=["digest"] * 4 + ["base"] * 4, adapters={"digest": adapter})
    run(a_job(tmp_path / "both"), both)
    together = load_activations(tmp_path / "out", "resid_post.0", "prompt_last")
    apart = []
    for name, rows in (("digest", slice(0, 4)), ("base", slice(4, 8))):
        own = {"ids": both.ids[rows], "chats": both.chats[rows], "adapter": name, "adapters": {"digest": adapter}}
        run(a_job(tmp_path / name), Plan(**{**both.__dict__, **own}))
        apart.append(load_activations(tmp_path / "out", "resid_post.0", "prompt_last")[1])
    assert together[0] == both.ids
    np.testing.assert_array_equal(together[1], np.concatenate(apart))


def test_an_adapter_and_steering_are_read_through_and_part_of_the_key(tiny_model, adapter, tmp_path):
    vector = Vector("v", np.ones(64), "embed", "weights")
    plans = {
        "plain": a_plan(tiny_model, tmp_path),
        "adapted": a_plan(tiny_model, tmp_path, adapter="digest", adapters={"digest": adapter}),
        "steered": with_zero(a_plan(tiny_model, tmp_path, steerings=[Steering(vector, 1.0, units="raw")] * 8)),
        "zero": a_plan(tiny_model, tmp_path, steerings=[Steering(vector, 0.0)] * 8),
    }
    keys = {name: [unit.key for unit in units(a_job(tmp_path), plan)] for name, plan in plans.items()}
    assert keys["zero"] == keys["plain"]
    assert len({tuple(key) for key in keys.values()}) == 3
    found = {}
    for name, plan in plans.items():
        run(a_job(tmp_path), plan)
        found[name] = {site: load_activations(tmp_path / "out", site, "prompt_last")[1] for site in SITES}
    np.testing.assert_allclose(found["steered"]["embed"][:8] - found["plain"]["embed"], 1.0, atol=1e-5)
    np.testing.assert_array_equal(found["steered"]["embed"][8:], found["plain"]["embed"])
    assert np.array_equal(found["adapted"]["embed"], found["plain"]["embed"])
    assert np.abs(found["adapted"]["resid_post.0"] - found["plain"]["resid_post.0"]).max() > 1e-4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": ["x"] * 8}, "8 ids .1 different. for 8 chats"),
        ({"sites": ()}, "either sites, or vectors"),
        ({"vectors": [Vector("v", np.ones(64), "embed", "weights")] * 2}, "a name of its own"),
        ({"readouts": ("first",)}, "accepted: prompt_last"),
        ({"sites": ("resid_post.9",)}, "this model has 2 blocks"),
    ],
)
def test_plans_that_cannot_be_read_are_refused(tiny_model, tmp_path, changes, message):
    plan = a_plan(tiny_model, tmp_path)
    changes = {"sites": (), **changes} if "vectors" in changes else changes
    values = {**plan.__dict__, **changes}
    with pytest.raises(ConfigError, match=message):
        run(a_job(tmp_path), Plan(**values))


def test_a_vector_of_another_model_is_refused_before_anything_is_loaded(tiny_model, tmp_path):
    plan = a_plan(tiny_model, tmp_path, vectors=[Vector("v", np.ones(64), "embed", "others")])
    with pytest.raises(DataError, match="belongs to the weights others"):
        run(a_job(tmp_path), plan)
