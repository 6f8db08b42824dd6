from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file
from sklearn.linear_model import Ridge

from inoc.errors import DataError
from inoc.vectors.files import load_foreign, load_vectors, save_vectors, with_activation_norm
from inoc.vectors.make import difference_of_means, mean_norm, random_like, ridge_direction
from inoc.vectors.sites import in_order, site_names
from inoc.vectors.vector import Vector

WHERE = {"site": "resid_post.3", "model": "weights", "readout": "response_mean"}


def rows(n, width=6, seed=0):
    return np.random.default_rng(seed).standard_normal((n, width)).astype(np.float32)


def test_a_difference_of_means_points_from_the_negative_group_to_the_positive_and_leaves_nan_rows_out():
    positive, negative = rows(9), rows(7, seed=1)
    positive[2] = np.nan
    kept = np.delete(positive, 2, axis=0).astype(np.float64)
    vector = difference_of_means("v", positive, negative, **WHERE)
    np.testing.assert_allclose(vector.values, kept.mean(0) - negative.astype(np.float64).mean(0), atol=1e-7)
    norms = np.linalg.norm(np.concatenate([kept, negative]), axis=1)
    assert vector.activation_norm == pytest.approx(norms.mean())
    assert vector.norm == pytest.approx(np.linalg.norm(vector.values))
    assert (vector.site, vector.model, vector.readout) == ("resid_post.3", "weights", "response_mean")


@given(st.integers(0, 2**32), st.sampled_from([4, 30]), st.floats(0.01, 100))
def test_a_ridge_direction_is_that_of_scikit_learn(seed, n, penalty):
    x, y = rows(n, 10, seed), np.random.default_rng(seed + 1).standard_normal(n)
    vector = ridge_direction("v", x, y, penalty, **WHERE)
    expected = Ridge(alpha=penalty).fit(x.astype(np.float64), y).coef_
    np.testing.assert_allclose(vector.values, expected, atol=1e-5)


def test_rows_without_a_target_are_left_out_of_a_ridge_direction():
    x, y = rows(20), np.arange(20.0)
    y[3] = np.nan
    with_nan = ridge_direction("v", x, y, 1.0, **WHERE)
    without = ridge_direction("v", np.delete(x, 3, 0), np.delete(y, 3), 1.0, **WHERE)
    assert with_nan.digest == without.digest


@pytest.mark.parametrize("n", [0, 3])
def test_groups_without_a_row_have_no_difference(n):
    with pytest.raises(DataError, match="no negative row"):
        difference_of_means("v", rows(3), np.full((n, 6), np.nan, dtype=np.float32), **WHERE)
    with pytest.raises(DataError, match="at least 2 rows"):
        ridge_direction("v", rows(3), np.full(3, np.nan), 1.0, **WHERE)
    assert np.isnan(mean_norm(np.full((n, 6), np.nan)))


def test_vectors_come_back_from_their_file_with_what_they_belong_to(tmp_path):
    vectors = [
        difference_of_means("lion", rows(5), rows(5, seed=1), **WHERE),
        Vector("plain", np.ones(4), "embed", "others", "adapter"),
    ]
    save_vectors(vectors, tmp_path / "deep" / "v.safetensors")
    for one, other in zip(load_vectors(tmp_path / "deep" / "v.safetensors"), vectors, strict=True):
        assert one.digest == other.digest
        assert (one.values == other.values).all()
        assert one.activation_norm == other.activation_norm or np.isnan(other.activation_norm)
        assert [getattr(one, name) for name in ("name", "site", "model", "adapter", "readout", "source")] == [
            getattr(other, name) for name in ("name", "site", "model", "adapter", "readout", "source")
        ]
    with safe_open(tmp_path / "deep" / "v.safetensors", framework="numpy") as stream:
        manifest = json.loads(stream.metadata()["vectors"])
    assert manifest["lion"]["norm"] == pytest.approx(vectors[0].norm)
    assert manifest["lion"]["activation_norm"] == pytest.approx(vectors[0].activation_norm)
    assert manifest["plain"]["activation_norm"] is None
    with pytest.raises(DataError, match="one name"):
        save_vectors([vectors[0], vectors[0]], tmp_path / "w.safetensors")


def test_the_digest_depends_on_numbers_site_and_model_and_not_on_the_name():
    vector = Vector("v", np.ones(4), "embed", "weights")
    assert vector.digest == Vector("other", np.ones(4), "embed", "weights", activation_norm=2.0).digest
    others = [
        Vector("v", np.full(4, 2.0), "embed", "weights"),
        Vector("v", np.ones(4), "resid_post.0", "weights"),
        Vector("v", np.ones(4), "embed", "other"),
        Vector("v", np.ones(4), "embed", "weights", "adapter"),
    ]
    assert len({vector.digest, *(other.digest for other in others)}) == 5


def test_files_of_others_are_read_with_their_site_and_model(tmp_path):
    values = rows(3)
    np.save(tmp_path / "v.npy", values[0])
    torch.save(torch.from_numpy(values).to(torch.bfloat16), tmp_path / "v.pt")
    torch.save({"lion": torch.from_numpy(values[1]), "step": 3}, tmp_path / "named.pt")
    save_file({"a": values[0], "b": values[2]}, tmp_path / "v.safetensors")

    def load(name, **changes):
        return load_foreign(tmp_path / name, name="v", site="embed", model="weights", **changes).values

    np.testing.assert_array_equal(load("v.npy"), values[0])
    np.testing.assert_allclose(load("v.pt", row=1), values[1], rtol=1e-2)
    np.testing.assert_array_equal(load("named.pt"), values[1])
    np.testing.assert_array_equal(load("v.safetensors", key="b"), values[2])
    np.testing.assert_array_equal(load("v.npy", intercept=True), values[0][:-1])
    vector = load_foreign(tmp_path / "v.npy", name="v", site="embed", model="weights", activation_norm=4.0)
    assert (vector.source, vector.activation_norm) == ("v.npy", 4.0)
    assert with_activation_norm(vector, 5.0).activation_norm == 5.0


class Trap:
    """Would write a file if it were unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("ending", [".pt", ".npy"])
def test_nothing_in_a_file_of_others_is_run(tmp_path, ending):
    trap, path = Trap(tmp_path / "sprung"), tmp_path / f"v{ending}"
    if ending == ".pt":
        torch.save({"v": trap}, path)
    else:
        with path.open("wb") as stream:
            np.lib.format.write_array(stream, np.array([trap], dtype=object))
    with pytest.raises(DataError, match="cannot be read as plain numbers"):
        load_foreign(path, name="v", site="embed", model="weights")
    assert not (tmp_path / "sprung").exists()
    path.write_bytes(pickle.dumps(trap))
    with pytest.raises(DataError):
        load_foreign(path, name="v", site="embed", model="weights")
    assert not (tmp_path / "sprung").exists()


def test_files_that_do_not_say_which_vector_is_meant_are_refused(tmp_path):
    np.save(tmp_path / "two.npy", rows(2))
    save_file({"lion": rows(2)[0], "eagle": rows(2)[1]}, tmp_path / "v.safetensors")
    (tmp_path / "v.csv").write_text("1,2")

    def load(name, **changes):
        return load_foreign(tmp_path / name, name="v", site="embed", model="weights", **changes)

    with pytest.raises(DataError, match="a row from 0 to 1"):
        load("two.npy")
    with pytest.raises(DataError, match="did you mean"):
        load("v.safetensors", key="lions")
    with pytest.raises(DataError, match=r"accepted: \.safetensors, \.npy, \.pt"):
        load("v.csv")
    with pytest.raises(DataError, match="cannot be read"):
        load("absent.npy")
    with pytest.raises(DataError, match="load_foreign"):
        load_vectors(tmp_path / "v.safetensors")
    with pytest.raises(DataError, match="not finite"):
        Vector("v", np.array([1.0, np.nan]), "embed", "weights")


def test_a_vector_of_another_model_adapter_or_site_is_refused(tiny_model):
    Vector("v", np.ones(64), "embed", "weights").check_model(tiny_model, "adapter")
    with pytest.raises(DataError, match="belongs to the weights others"):
        Vector("v", np.ones(64), "embed", "others").check_model(tiny_model)
    adapted = Vector("v", np.ones(64), "embed", "weights", "adapter")
    adapted.check_model(tiny_model, "adapter")
    with pytest.raises(DataError, match="read through the adapter"):
        adapted.check_model(tiny_model)
    with pytest.raises(DataError, match="belongs to the site 'embed'"):
        adapted.check_site("final_norm", 64)
    assert random_like(adapted, 0).adapter == "adapter"


def test_sites_are_in_the_order_of_a_forward_pass():
    names = site_names(12)
    assert in_order(sorted(names)) == names


def test_vectors_that_cannot_be_written_leave_the_file_that_was_there(tmp_path, monkeypatch):
    path = tmp_path / "vectors.safetensors"
    vector = Vector("one", np.ones(4), "embed", "others", "adapter")
    save_vectors([vector], path)

    def half(_, place, __):
        Path(place).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.numpy.save_file", half)
    with pytest.raises(OSError, match="No space left"):
        save_vectors([vector], path)
    assert [one.name for one in load_vectors(path)] == ["one"]
    assert [one.name for one in tmp_path.iterdir()] == ["vectors.safetensors"]
