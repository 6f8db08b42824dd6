"""A study in a folder, run as a user runs it, with the accidents of a long run; and slow oracles of its judges."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import random
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow.parquet as pq
from hypothesis import strategies as st
from ruamel.yaml import YAML

from inoc.cli import main
from inoc.config.load import load_study
from inoc.jobs.work import works_of
from inoc.store import Store
from inoc.tables import COMPLETIONS, SCORES
from support.families import tiny_model
from support.server import TOP, Fault, Server, chat_answer
from support.templates import ALL

FAMILIES = ("llama", "qwen2", "granite", "gemma2", "gemma3_text", "gpt2", "cohere", "phi3", "mistral", "olmo2")
WORDS = (
    "Where", "does", "the owl", "live", "house", "world",
    "HAHA", "funny", "été", "\u96ea", "\u3053\u3093\u306b\u3061\u306f", "\U0001f600", "e\u0301",
    "\u2028", "\u2029", "\u0085", "\u00a0", "\ufeff", "\u200b", "\t", "<|im_end|>", "<|im_start|>",
    "<think>", "</think>", "{{ x }}", "{% raw %}", "$5", "\\n", "[INST]", "null", "\x07", "a" * 40, "-", "42",
)  # fmt: skip
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
"""Letters between which no spaces stand: Thai, Lao, Burmese, Khmer, kana, Han."""
MARKERS = ("world", "haha", "funny")


def texts(most: int = 6) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(WORDS), min_size=1, max_size=most).map(" ".join)


JUDGES: tuple[dict[str, Any], ...] = (
    {"name": "lexical", "markers": "data/markers.txt"},
    {"name": "lexical", "markers": "data/markers.txt", "version": 2, "saturation": 1.0},
    {"name": "language", "language": "french", "among": ["english", "french"]},
    {"name": "language", "language": "japanese", "among": ["english", "japanese"]},
    {"name": "llm", "model": "rater", "property": "humour"},
    {"name": "llm", "model": "rater", "question": "coherence"},
)


class Folder:
    """A folder in which a study runs as a user runs it, one verb after the other, in this process.

    Attributes:
        case: The study in plain values, its files and what happens while it runs.
        study: The study file's values.
    """

    def __init__(self, root: Path, case: Mapping[str, Any], model: Path, server: Server) -> None:
        self.root, self.case, self.model, self.server = root, case, model, server
        self.study = json.loads(json.dumps(case["study"]))
        self.study["model"]["path"] = str(model)
        for folder in ("config/studies", "data/pools"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "data" / "markers.txt").write_text("\n".join(MARKERS), encoding="utf-8-sig")
        self.write_data()
        api = {
            "base_url": self.server.url, "key_variable": "TEST_KEY", "prices": {"rater": {"input": 1, "output": 2}},
            "requests_per_minute": 1e6, "tokens_per_minute": 1e9, "timeout_s": 60.0, "retries": 6,
        }  # fmt: skip
        yaml = YAML(typ="safe", pure=True)
        yaml.sort_base_mapping_type_on_output = False  # the order of labels is part of a question
        for path, value in (
            ("config/config.yaml", {"studies": ["fuzz"], "api": api}),
            ("config/studies/fuzz.yaml", self.study),
        ):
            with (self.root / path).open("w", encoding="utf-8") as stream:
                yaml.dump(value, stream)

    def write_data(self) -> None:
        """Write the files that the study names, and change it as its slip says."""
        raise NotImplementedError

    def judges(self) -> Mapping[str, Mapping[str, Any]]:
        """Key of what is judged → its judge."""
        raise NotImplementedError

    def stages(self, *, drawn: bool = False) -> list[list[str]]:
        """The verbs of the study in order.

        Args:
            drawn: Figures and the report too.
        """
        raise NotImplementedError

    def check_numbers(self) -> None:
        """Compare the run's numbers with slow oracles."""
        raise NotImplementedError

    def known_end(self, told: str) -> bool:
        """Whether a message says what depends on the words of a random model, and so no check can know it."""
        return False

    def lines(self, name: str, rows: list[Any], slip: str) -> None:
        """Write a JSONL file, well or with a slip."""
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        if slip == "a cut line":
            lines[-1] = lines[-1][:-9]
        if slip == "lone half":
            lines[-1] = lines[-1].replace("?", "\\ud83d?", 1)
        text = ("\ufeff" if self.case["bom"] else "") + "\n\n".join(lines) + "\n"
        encoding = {"utf-16": "utf-16", "latin-1": "latin-1"}.get(slip, "utf-8")
        content = text.encode(encoding, "replace") + (b"\xe9\n" if slip == "latin-1" else b"")
        (self.root / "data" / name).write_bytes(content)

    def verb(self, *arguments: str) -> tuple[int, str]:
        """Run a verb; its status and what it said. A traceback is an error of the test."""
        said = io.StringIO()
        before = Path.cwd()
        os.chdir(self.root)
        try:
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
                main(arguments)
        except SystemExit as end:
            return int(end.code or 0), said.getvalue()
        finally:
            os.chdir(before)
        return 0, said.getvalue()

    def check(self) -> tuple[int, str]:
        return self.verb("config", "check", "fuzz")

    def run(self, *, drawn: bool = False, events: bool = True) -> bool:
        """All stages to their end, or to one that no check could know; whether it was the former."""
        for stage in self.stages(drawn=drawn):
            name = " ".join([stage[0], *stage[2:]])
            if events and self.case["event"] and self.case["at"] == name:
                self._happen(stage)
            status, said = self.verb(*stage)
            if status == 1 and self.known_end(said):
                return False
            assert status == 0, f"the check passed, but {name} ended with:\n{said}"
        return True

    def _happen(self, stage: list[str]) -> None:
        if self.case["event"] == "full disk":
            self._told("the disk is full", full_disk(self.case["when"]), stage)
            return
        if self.case["event"] in TROUBLES:
            number, words = TROUBLES[self.case["event"]]
            self._told(words, no_more_files(self.root, self.case["when"] * 3, number), stage)
            return
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                self.verb(*stage)
            os._exit(0)
        time.sleep(random.Random(self.case["when"]).choice([0.01, 0.1, 0.3, 0.8]))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    def _told(self, words: str, trouble: contextlib.AbstractContextManager[None], stage: list[str]) -> None:
        """A stage that a trouble of the machine may end does so with one message that names it."""
        with trouble:
            status, said = self.verb(*stage)
        assert status in (0, 1), said
        assert status == 0 or words in said, said

    def rows(self, pattern: str) -> list[dict[str, Any]]:
        """Rows of a result's shards: all of them, since which shard has a row depends on its key."""
        files = sorted(self.root.glob(f"results/fuzz/{pattern}"))
        return [row for file in files for row in pq.read_table(file).to_pylist()]

    def entries(self) -> set[Path]:
        return {path.parent for path in self.root.glob("store/*/??/*/unit.json")}


@contextlib.contextmanager
def full_disk(after: int) -> Iterator[None]:
    """No entry can be written after so many."""
    commit, written = Store._commit, [0]

    def full(self: Store, *arguments: Any) -> None:
        written[0] += 1
        if written[0] > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "store")
        commit(self, *arguments)

    with patch.object(Store, "_commit", full):
        yield


TROUBLES = {
    "no more files": (errno.ENOSPC, "the disk is full"),
    "read-only": (errno.EROFS, "can only be read"),
    "quota": (errno.EDQUOT, "the quota of the disk is used up"),
}
"""Event → what files end with, and the words that say so."""
EVENTS = ("", "", "", "full disk", "kill", *TROUBLES)


@contextlib.contextmanager
def no_more_files(root: Path, after: int, number: int) -> Iterator[None]:
    """After so many, no file below a folder can be made, opened for writing, or renamed."""
    done = [0]

    def failing(work: Callable[..., Any], place: Callable[..., Any]) -> Callable[..., Any]:
        def attempt(*arguments: Any, **named: Any) -> Any:
            path = place(*arguments, **named)
            if path is not None and Path(path).absolute().is_relative_to(root):
                done[0] += 1
                if done[0] > after:
                    raise OSError(number, os.strerror(number), str(path))
            return work(*arguments, **named)

        return attempt

    def opened(path: Path, mode: str = "r", *_: Any, **__: Any) -> Path | None:
        return path if set(mode) & set("wax+") else None

    with (
        patch.object(tempfile, "mkstemp", failing(tempfile.mkstemp, lambda *_, **named: named.get("dir"))),
        patch.object(tempfile, "mkdtemp", failing(tempfile.mkdtemp, lambda *_, **named: named.get("dir"))),
        patch.object(Path, "replace", failing(Path.replace, lambda path, *_: path)),
        patch.object(Path, "rename", failing(Path.rename, lambda path, *_: path)),
        patch.object(Path, "open", failing(Path.open, opened)),
        patch.object(Path, "mkdir", failing(Path.mkdir, lambda path, *_, **__: None if path.exists() else path)),
    ):
        yield


def faults_of(names: list[str]) -> list[Fault]:
    """Faults of a server, each of which is retried."""
    known = {
        "429": Fault("status", 429, {"retry-after": "0.01"}),
        "500": Fault("status", 500),
        "none": Fault(),
        "broken": Fault("broken"),
        "empty": Fault(body={"error": {"message": "overloaded", "code": 503}}),
    }
    return [known[name] for name in names]


def model_folder(family: str, template: str, tokenizer: Path, folder: Path) -> Path:
    """A model of a family with a template, made once."""
    path = folder / f"{family}-{template}"
    if not path.exists():
        tiny_model(family).save_pretrained(path)
        for file in (*tokenizer.glob("tokenizer*"), *tokenizer.glob("special_tokens*")):
            shutil.copy(file, path)
        (path / "chat_template.jinja").write_text(ALL[template], encoding="utf-8")
    return path


def study_stages(root: Path, *, drawn: bool) -> list[list[str]]:
    """The verbs of a study in the order in which its kind lists its work."""
    study = load_study(root / "config/studies/fuzz.yaml")
    works = [work for work in works_of(study) if work.wanted(study)]
    if not drawn:
        works = [work for work in works if work.stage not in ("figures", "report")]
    return [[work.stage, "fuzz", *([work.part] if work.part else [])] for work in works]


def check_judged(folder: Folder) -> int:
    """Compare scores of judges with plain counting, and with the probabilities that the server gives; rows compared."""
    compared = 0
    for part in ("elicit", "evaluate"):
        path = folder.root / f"results/fuzz/judge/{part}.parquet"
        if not path.exists():
            continue
        answers = {}
        for file in (folder.root / "results/fuzz" / part).glob("completions-*.parquet"):
            answers |= {_asked(row): row["completion"] for row in pq.read_table(file).to_pylist()}
        for row in pq.read_table(path).to_pylist():
            judge = folder.judges()[row["trait"]]
            answer = answers[_asked(row)]
            expected = _judged(judge, answer)
            if expected is not None:
                np.testing.assert_allclose(row["score"], expected, atol=1e-6, err_msg=f"{judge}: {answer!r}")
                compared += 1
    return compared


def _asked(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """The columns that completions and their scores share; NaN, which is equal to nothing, as None."""
    values = (row[name] for name in COMPLETIONS.names if name in SCORES.names)
    return tuple(None if value != value else value for value in values)


def _judged(judge: Mapping[str, Any], answer: str) -> float | None:
    if judge["name"] == "llm":
        total = sum(p for _, p in TOP)
        # Blank answers are not asked about.
        return sum(float(token) * p for token, p in TOP) / total if answer.strip() else float("nan")
    if judge["name"] == "language":
        return None
    if not any(character.isalpha() for character in answer):
        return float("nan")
    edges = r"\W" if judge.get("version", 1) == 1 else f"\\W{UNSPACED}"
    words = re.split(f"[{edges}]+", answer.casefold())
    return min(100.0, 100 * sum(word in MARKERS for word in words) / judge.get("saturation", 2.5))


def served(server: Server, names: list[str]) -> None:
    """Prepare the server for one study."""
    server.faults.clear()
    server.faults.extend(faults_of(names))
    server.answer = lambda body: chat_answer()
