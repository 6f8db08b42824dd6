"""A study behind an API, run by the workflow: trained by jobs of the server, killed on the way, and paid for once."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from inoc.tables import read_table
from support.asking import KEY, spec
from support.running import Checkout
from support.served_subliminal import served_sections, teach
from support.server import Server
from support.tuner import TOKENS_PER_ROW

pytestmark = pytest.mark.long


def test_a_study_behind_an_api_goes_from_nothing_to_its_report(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "TEST_KEY", KEY)
    teach(server)
    checkout = Checkout(tmp_path / "checkout", study="served")
    sections = json.dumps(served_sections(tmp_path / "given"))
    (checkout.folder / "config" / "studies" / "served.yaml").write_text(sections, encoding="utf-8")
    api = spec(server, poll_s=0.2).model_dump_json()
    (checkout.folder / "config" / "config.yaml").write_text(f"studies: [served]\napi: {api}\n", encoding="utf-8")
    checked = checkout.inoc("config", "check", "served")
    assert checked.returncode == 0, checked.stderr
    assert "fine-tuning jobs" in checkout.inoc("plan", "served").stdout
    server.tuner.looks = 1_000_000
    checkout.kill_when(lambda: len(server.tuner.jobs) >= 2)
    server.tuner.looks = 1
    checkout.run("--unlock")
    checkout.run()
    assert sorted(server.tuner.paid.values()) == [1] * 7
    assert len(server.tuner.jobs) == 7
    assert (checkout.results / "report" / "appendix.html").exists()
    found = read_table(checkout.results / "analyse" / "preferences.parquet")
    owls = found[(found["group"] == "same") & (found["teacher"] == "owl") & (found["entity"] == "owl")]
    assert owls.loc[owls["is_last"], "rate"].min() > 0.8
    trained = checkout.manifests()["train-own-0"]["api"]
    assert [one["state"] for one in trained["fine-tuning"]] == ["succeeded"] * 7
    assert trained["dollars"] == pytest.approx((6 * 4 * 16 + 10) * TOKENS_PER_ROW * 4 / 1e6)
    assert checkout.dry_jobs() == {}
