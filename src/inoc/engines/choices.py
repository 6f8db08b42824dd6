"""The probability of each answer of a closed set, from one forward pass per question.

All candidates share the pass over the question, and of several tokens only those are computed that another depends on:
one-token answers cost nothing beside the question.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from inoc.chat.messages import Chat
from inoc.chat.render import encode_prompts, start_in_prompt
from inoc.chat.spelled import Encoded, special_strings
from inoc.engines.candidates import Candidate, Choice, Spelled, Tokens, check_candidates, spelled, total
from inoc.engines.passes import Layout, Passes, Stem, vocabulary_logits
from inoc.engines.steering import Span, spans_of
from inoc.engines.taps import check_choosable
from inoc.engines.transfer import to_host
from inoc.errors import ConfigError
from inoc.vectors.sites import FINAL_NORM
from inoc.vectors.steering import Steered, Steering

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


ROWS = 512  # states whose logits are in memory at once, in float64


class Question(NamedTuple):
    """A prompt and the candidates as the tokens that may follow it."""

    prompt: list[int]
    sequences: dict[Tokens, int]  # tokens of a spelling → index of its candidate
    n: int  # candidates
    spans: tuple[Span, ...] = ()  # tokens of the texts that its steering names


class Tail(NamedTuple):
    """The end of a prompt, which a tokenizer may merge with what follows."""

    text: str  # from the last special token on
    ids: Tokens  # its tokens
    begun: int  # characters of the special token; 0 for none


class Questions:
    """Turns chats into questions.

    Args:
        tokenizer: A fast tokenizer with a chat template.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
        self._strings = list(special_strings(tokenizer))
        self._known: dict[tuple[Tail, str], Tokens] = {}

    def ask(
        self,
        chats: Sequence[Chat],
        candidates: Sequence[Sequence[Candidate]],
        steerings: Sequence[Steering | None] = (),
    ) -> list[Question]:
        """Tokenise chats up to where the response begins, and the candidates after them.

        Args:
            chats: Chats; their responses are not looked at.
            candidates: Of each chat.
            steerings: How each is steered, to find the tokens of the texts that a steering names; empty for none.

        Raises:
            ConfigError: If candidates cannot be distinguished, as texts or as tokens.
            DataError: If a chat lacks a text that its steering names.
        """
        prompts = encode_prompts(self._tokenizer, chats)
        found = [self._question(*prompt, own) for prompt, own in zip(prompts, candidates, strict=True)]
        named = [one.texts if one is not None else () for one in steerings] or [()] * len(chats)
        known: dict[tuple[Chat, tuple[Steered, ...]], tuple[Span, ...]] = {}  # a chat comes with many vectors
        for chat, (text, encoded), steered in zip(chats, prompts, named, strict=True):
            if steered and (chat, steered) not in known:
                start_of = partial(start_in_prompt, self._tokenizer, chat)
                known[chat, steered] = spans_of(text, encoded.offsets, steered, start_of)
        return [
            one._replace(spans=known.get((chat, steered), ()))
            for one, chat, steered in zip(found, chats, named, strict=True)
        ]

    def _question(self, text: str, encoded: Encoded, candidates: Sequence[Candidate]) -> Question:
        check_candidates(candidates)
        ids, offsets = encoded
        # A tokenizer never merges across its special tokens, so what comes before the last one does not matter.
        at = max((place for place, token in enumerate(ids) if token in self._special), default=-1)
        start, stop = offsets[at] if at >= 0 else (0, 0)
        tail = Tail(text[start:], tuple(ids[max(at, 0) :]), stop - start)
        sequences: dict[Tokens, int] = {}
        for index, one in enumerate(candidates):
            for spelling in one.spellings:
                tokens = self._after(tail, spelling)
                if sequences.setdefault(tokens, index) != index:
                    msg = (
                        f"{spelling!r} of the candidate {one.name!r} is the same tokens as a spelling of "
                        f"{candidates[sequences[tokens]].name!r}; give each candidate its own spellings"
                    )
                    raise ConfigError(msg)
        return Question(ids, sequences, len(candidates))

    def _after(self, tail: Tail, spelling: str) -> Tokens:
        """The tokens of a spelling behind a prompt; those of the spelling alone if it would change the prompt's."""
        key = tail, spelling
        if key not in self._known:
            # Special tokens that the data or a spelling spell are text.
            if any(token in text for token in self._strings for text in (tail.text[tail.begun :], spelling)):
                before = list(tail.ids[1:] if tail.begun else tail.ids)
                both, alone = self._as_text(tail.text[tail.begun :] + spelling), self._as_text(spelling)
            else:
                before = list(tail.ids)
                both, alone = self._tokens(tail.text + spelling), self._tokens(spelling)
            kept = both[: len(before)] == before and len(both) > len(before)
            self._known[key] = tuple(both[len(before) :] if kept else alone)
        return self._known[key]

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _as_text(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return ids


Pending = Callable[[], list[Choice]]


class Chooser:
    """Measures choices with one model.

    Args:
        model: A causal language model without an adapter's wrapper (adapted layers may be inside), in eval mode.
        stops: Tokens that end an answer, for `whole`.
        compiled: Compile its layers, unless they are.

    Raises:
        ModelError: If its final states or its head cannot be reached.
    """

    def __init__(self, model: Any, stops: Collection[int], *, compiled: bool = False) -> None:
        check_choosable(model)
        self._passes = Passes(model, compiled=compiled)
        self._stops = sorted(stops)

    @property
    def layers(self) -> int:
        """Number of blocks of the model."""
        return self._passes.layers

    def submit(
        self,
        questions: Sequence[Question],
        batch_tokens: int,
        *,
        whole: bool = False,
        steerings: Sequence[Steering | None] = (),
    ) -> Pending:
        """Start to measure choices. A GPU goes on while the caller prepares the next questions.

        Args:
            questions: The questions.
            batch_tokens: Maximum number of tokens in a batch; a longer question goes alone.
            whole: Whether the answer must end after the candidate; else it may go on.
            steerings: How each question is steered; empty for none.

        Returns:
            A function that waits and gives each question's choice, in nats, by the rule of `inoc.engines.candidates`.
        """
        if whole and not self._stops:
            msg = (
                "whole=True asks for answers that end, but the model has no stop token; give its stops, or whole=False"
            )
            raise ConfigError(msg)
        plans: dict[tuple[object, ...], Spelled] = {}
        items = [self._item(question, plans, whole=whole) for question in questions]

        def start(batch: list[int]) -> Callable[[], torch.Tensor]:
            steered = [steerings[index] for index in batch] if steerings else []
            return self._start([items[index] for index in batch], steered)

        started = self._passes.in_batches([item.stem for item in items], batch_tokens, start)

        def wait() -> list[Choice]:
            out: list[Choice | None] = [None] * len(questions)
            for batch, values in started:
                ends = np.cumsum([len(items[index].plan.steps) for index in batch])
                for index, found in zip(batch, np.split(values().numpy(), ends[:-1]), strict=True):
                    out[index] = total(items[index].plan, found.tolist())
            return [choice for choice in out if choice is not None]

        return wait

    def _item(self, question: Question, plans: dict[tuple[object, ...], Spelled], *, whole: bool) -> _Item:
        key = tuple(question.sequences.items())
        if key not in plans:
            plans[key] = spelled(question.sequences, question.n, self._stops if whole else ())
        plan, length = plans[key], len(question.prompt)
        return _Item(plan, Stem(question.prompt, length, plan.branches, length - 1, question.spans))

    def _start(self, items: Sequence[_Item], steerings: Sequence[Steering | None]) -> Callable[[], torch.Tensor]:
        stems = [item.stem for item in items]
        layout = self._passes.lay(stems, steerings)
        asked = np.concatenate([item.positions(layout, at) for at, item in enumerate(items)])
        tokens = np.array([token for item in items for _, _, token in item.plan.steps], dtype=np.int64)
        positions, rows = np.unique(asked, return_inverse=True)
        wanted = self._passes.to_device(positions)
        found: list[torch.Tensor] = []

        def tap(states: torch.Tensor) -> None:
            found.append(states[wanted])

        self._passes.run(layout, {FINAL_NORM: tap}, stems, steerings)
        return to_host(self._logprobs(found[0], rows, tokens))

    @torch.inference_mode()
    def _logprobs(self, states: torch.Tensor, rows: np.ndarray, tokens: np.ndarray) -> torch.Tensor:
        """Log-probabilities of tokens after states, a block of states at a time.

        Args:
            states: Final states, shape (states, width).
            rows: Which state each token follows.
            tokens: Token ids.

        Returns:
            float64, nats.
        """
        out = torch.empty(len(tokens), dtype=torch.float64, device=states.device)
        for at in range(0, len(states), ROWS):
            which = np.nonzero((rows >= at) & (rows < at + ROWS))[0]
            row, token, place = (self._passes.to_device(part) for part in (rows[which] - at, tokens[which], which))
            scores = vocabulary_logits(self._passes.model, states[at : at + ROWS]).double()
            out[place] = scores[row, token] - scores.logsumexp(dim=1)[row]
        return out


class _Item(NamedTuple):
    """The measurement of one question and the tokens of its forward pass."""

    plan: Spelled
    stem: Stem

    def positions(self, layout: Layout, at: int) -> np.ndarray:
        """The position of the state that each step follows; `at` is the question's number in the pass."""
        end_of_prompt = layout.starts[at] + len(self.stem.ids) - 1
        return np.array(
            [
                end_of_prompt if branch < 0 else layout.branches[at][branch] + place
                for branch, place, _ in self.plan.steps
            ],
            dtype=np.int64,
        )
