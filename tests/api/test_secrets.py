"""The key goes to the API and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inoc.api import Api
from inoc.cli import main
from inoc.errors import ApiError, ConfigError
from support.asking import KEY, bodies, spec
from support.completions import write_completions
from support.server import Fault, Server, chat_answer
from support.toy import STUDY, toy_job, toy_study


def assert_nowhere(folder: Path, *texts: str) -> None:
    assert not [text for text in texts if KEY in text]
    assert not [path for path in folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


def test_the_key_is_in_no_file_no_message_and_no_error(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_LOG", "debug")
    server.answer = lambda body: chat_answer(f"echo {KEY}")  # a server that repeats it
    server.faults.extend([Fault("status", 500), Fault(), Fault("status", 400)])
    api = Api(spec(server, concurrency=1), tmp_path)
    replies = api.chat(bodies(3))
    server.faults.append(Fault("status", 403))
    with pytest.raises(ApiError) as caught:
        api.chat(bodies(1, start=9))
    assert any(KEY in one for one in server.authorizations)
    server.errand_fault = Fault("status", 403)
    with pytest.raises(ApiError, match=r"status 403: .*\[key\]") as listed:
        api.models()
    error = caught.value
    chain = [str(one) for one in (error, error.__cause__) if one is not None]
    assert "[key]" in replies[0].text
    texts = [*chain, str(listed.value), json.dumps(api.record), repr(replies), repr(api), repr(spec(server))]
    assert_nowhere(tmp_path, *texts, *capfd.readouterr())


@pytest.mark.parametrize("fails", [False, True])
def test_a_stage_leaves_the_key_in_no_log_manifest_table_or_database(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    judge = {"name": "llm", "model": "rater", "property": "how playful the response is"}
    study = STUDY | {
        "data": STUDY["data"] | {"n_eval": 6},
        "model": {"path": "org/model"},
        "traits": {"playful": {"role": "unwanted", "judge": judge}},
    }
    study |= {"runs": [], "world": {}, "rephrase": {"source": "procedural"}}
    folder = tmp_path / "config" / "studies"
    folder.mkdir(parents=True)
    (folder / "toy.yaml").write_text(json.dumps(study))
    workflow = {"studies": ["toy"], "api": spec(server).model_dump(mode="json")}
    (folder.parent / "config.yaml").write_text(json.dumps(workflow))
    write_completions(toy_job(toy_study(tmp_path), tmp_path, "judge"), ["Honk!", "So be it."])
    server.answer = lambda body: chat_answer(f"8 {KEY}")
    server.faults.append(Fault("status", 401 if fails else 500))
    arguments = ["judge", "toy", "elicit", "--log", "logs/judge.log"]
    if fails:
        with pytest.raises(SystemExit):
            main(arguments)
        assert "api.key_variable" in Path("logs/judge.log").read_text()
    else:
        main(arguments)
        manifest = json.loads(Path("results/toy/judge/manifest-elicit-0.json").read_text())
        assert manifest["api"]["answered now"] == 2
        assert manifest["api"]["dollars"] > 0
    assert any(KEY in one for one in server.authorizations)
    assert_nowhere(tmp_path, *capfd.readouterr())


@pytest.mark.parametrize("key", ["sk-se cret", "sk-sécret", "sk-se\ncret"])
def test_a_key_that_cannot_be_one_is_refused_and_not_repeated(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("TEST_KEY", key)
    with pytest.raises(ConfigError, match="TEST_KEY holds") as caught:
        Api(spec(server), tmp_path)
    assert "cret" not in str(caught.value)
