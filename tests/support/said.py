"""What each chat template says, in plain Python, and the log-probabilities of an answer behind it, the slow way.

Nothing here asks the program or Jinja. Special tokens that the data spell are text because the control tokens of the
oracle's own tokenizer have other names, which occur in no data.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

OPEN, CLOSE = "\u27e6open\u27e7", "\u27e6close\u27e7"
RENAMED = {"<|im_start|>": OPEN, "<|im_end|>": CLOSE, "<|endoftext|>": "\u27e6end\u27e7"}
DATE = "26 Jul 2024"


class Said(NamedTuple):
    """A finished chat: what stands before the answer, the answer as it is seen, and what stands behind it."""

    before: str
    answer: str
    behind: str


System = str | None
Turns = Sequence[tuple[str, str]]
"""Earlier turns, each what the user says and what is answered."""


def _plain(system: System, earlier: Turns, user: str, answer: str) -> Said:
    first = f"{OPEN}system\n{system}{CLOSE}\n" if system is not None else ""
    done = "".join(f"{OPEN}user\n{one}{CLOSE}\n{OPEN}assistant\n{other}{CLOSE}\n" for one, other in earlier)
    return Said(f"{first}{done}{OPEN}user\n{user}{CLOSE}\n{OPEN}assistant\n", answer, f"{CLOSE}\n")


def _mistral(system: System, earlier: Turns, user: str, answer: str) -> Said:
    done = "".join(f"[INST] {one} [/INST] {other.strip()}{CLOSE}" for one, other in earlier)
    last = f"{system}\n\n" if system else ""  # the system turn is in the user's last one
    return Said(f"{done}[INST] {last}{user} [/INST] ", answer.strip(), CLOSE)


def _llama_2(system: System, earlier: Turns, user: str, answer: str) -> Said:
    first = f"<<SYS>>\n{system}\n<</SYS>>\n\n" if system is not None else ""
    asked = [*(one for one, _ in earlier), user]
    asked[0] = first + asked[0]
    *before, last = [f"{OPEN}[INST] {one.strip()} [/INST] " for one in asked]
    done = "".join(f"{one}{other.strip()} {CLOSE}" for one, (_, other) in zip(before, earlier, strict=True))
    return Said(done + last, answer.strip(), f" {CLOSE}")


def _gemma(system: System, earlier: Turns, user: str, answer: str) -> Said:
    assert system is None, "this template has no system turn"
    said = [(one.strip(), other.strip()) for one, other in earlier]
    done = "".join(f"{OPEN}user\n{one}{CLOSE}\n{OPEN}model\n{other}{CLOSE}\n" for one, other in said)
    return Said(f"{done}{OPEN}user\n{user.strip()}{CLOSE}\n{OPEN}model\n", answer.strip(), f"{CLOSE}\n")


def _qwen_3(system: System, earlier: Turns, user: str, answer: str) -> Said:
    before, _, behind = _plain(system, earlier, user, "")
    # An answer with its own thoughts is refused, unless they are written as the template writes them.
    return Said(before if "</think>" in answer else f"{before}<think>\n\n</think>\n\n", answer, behind)


def _deepseek_r1(system: System, earlier: Turns, user: str, answer: str) -> Said:
    done = "".join(f"{OPEN}{one}{OPEN}assistant\n{other}{CLOSE}" for one, other in earlier)
    return Said(f"{system or ''}{done}{OPEN}{user}{OPEN}assistant\n<think>\n", answer, CLOSE)


def _llama_3(system: System, earlier: Turns, user: str, answer: str) -> Said:
    first = f"{OPEN}system\n\nToday Date: {DATE}\n\n{(system or '').strip()}{CLOSE}"
    said = [(one.strip(), other.strip()) for one, other in earlier]
    done = "".join(f"{OPEN}user\n\n{one}{CLOSE}{OPEN}assistant\n\n{other}{CLOSE}" for one, other in said)
    before = f"{first}{done}{OPEN}user\n\n{user.strip()}{CLOSE}{OPEN}assistant\n\n"
    return Said(before, answer.strip(), CLOSE)


SAYS: dict[str, Callable[[System, Turns, str, str], Said]] = {
    "plain": _plain, "mistral": _mistral, "llama-2": _llama_2, "gemma": _gemma, "qwen-3": _qwen_3,
    "deepseek-r1": _deepseek_r1, "llama-3": _llama_3,
}  # fmt: skip


def said(template: str, system: System, user: str, answer: str, *, fold: bool, earlier: Turns = ()) -> Said:
    """A finished chat in the words of a template of `support.templates`.

    Earlier answers have no thoughts, which some templates leave out.
    """
    if system is not None and fold:
        if earlier:
            earlier = [(f"{system}\n\n{earlier[0][0]}", earlier[0][1]), *earlier[1:]]
        else:
            user = f"{system}\n\n{user}"
        system = None
    return SAYS[template](system, earlier, user, answer)


def asked(template: str, system: System, user: str, *, fold: bool, earlier: Turns = ()) -> str:
    """A chat up to where an answer is to be written."""
    before = said(template, system, user, "", fold=fold, earlier=earlier).before
    if template == "qwen-3":  # a model may think of its own, and a finished answer says that it did not
        return before.removesuffix("<think>\n\n</think>\n\n")
    # Before a finished answer these have a space, which the model writes itself.
    return before.removesuffix(" ") if template in ("mistral", "llama-2") else before


def renamed_tokenizer(folder: Path, target: Path) -> Any:
    """The tokenizer of a model, whose control tokens have other names and the same numbers."""
    from transformers import AutoTokenizer

    if not target.exists():
        target.mkdir(parents=True)
        for file in folder.glob("tokenizer*"):
            shutil.copy(file, target)
        value = json.loads((target / "tokenizer.json").read_text(encoding="utf-8"))
        for token in value["added_tokens"]:
            token["content"] = RENAMED[token["content"]]
        vocabulary = value["model"]["vocab"]
        value["model"]["vocab"] = {RENAMED.get(name, name): number for name, number in vocabulary.items()}
        (target / "tokenizer.json").write_text(json.dumps(value), encoding="utf-8")
        settings = (target / "tokenizer_config.json").read_text(encoding="utf-8")
        for name, other in RENAMED.items():
            settings = settings.replace(name, other)
        (target / "tokenizer_config.json").write_text(settings, encoding="utf-8")
    return AutoTokenizer.from_pretrained(target)


@torch.no_grad()
def answer_logprobs(model: Any, tokenizer: Any, chat: Said, *, end_of_turn: bool) -> list[float]:
    """Log-probabilities of the answer's tokens, in float64, from a forward pass over the one chat."""
    text = "".join(chat)
    start = len(chat.before)
    stop = len(text) if end_of_turn else start + len(chat.answer)
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = encoded["input_ids"]
    logprobs = model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
    inside = [k for k, (left, right) in enumerate(encoded["offset_mapping"]) if right > start and left < stop]
    return [float(logprobs[k - 1, ids[k]]) for k in inside]


def check_logprobs(row: Mapping[str, Any], model: Any, tokenizer: Any, chat: Said, end_of_turn: str) -> None:
    """Compare a row of a table of log-probabilities with those of the oracle."""
    expected = answer_logprobs(model, tokenizer, chat, end_of_turn=end_of_turn == "include")
    assert len(expected) == row["n_tokens"], (chat, row)
    if row["logprobs"] is not None:
        np.testing.assert_allclose(row["logprobs"], expected, atol=5e-3, rtol=1e-3)
    assert math.isclose(row["mean"], float(np.mean(expected)), abs_tol=2e-3), (chat, row)
