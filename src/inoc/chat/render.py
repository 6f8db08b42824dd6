"""Chats as tokens. The only place that decides which tokens of a rendered chat are the response.

Scoring, the training loss and the reading of activations all ask here, so the three can never disagree. A chat is
rendered to text by the model's own template and tokenised once; the response's tokens follow from character offsets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from inoc.chat.messages import Chat
from inoc.config.models import SystemTurn
from inoc.errors import ConfigError, DataError, ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

EndOfTurn = Literal["include", "exclude"]


class ResponseSpan(NamedTuple):
    """Positions of the response among the tokens of a chat."""

    start: int  # index of the first response token
    stop: int  # one past the last one


class Rendered(NamedTuple):
    """A chat with its response, as text and tokens."""

    text: str
    token_ids: list[int]
    response: ResponseSpan

    def labels(self, ignore: int = -100) -> list[int]:
        """Training labels: the token ids of the response, `ignore` elsewhere; not shifted."""
        start, stop = self.response
        return [ignore] * start + self.token_ids[start:stop] + [ignore] * (len(self.token_ids) - stop)


def prompt_text(tokenizer: PreTrainedTokenizerBase, chat: Chat) -> str:
    """The chat up to where the response begins.

    Raises:
        ConfigError: If no system turn is asked for and the template inserts one of its own.
        ModelError: If the tokenizer has no chat template.
    """
    if tokenizer.chat_template is None:
        msg = f"the tokenizer {tokenizer.name_or_path!r} has no chat template; name one with model.chat_template"
        raise ModelError(msg)
    if chat.system.kind == "none" and inserts_system_turn(tokenizer):
        msg = (
            "model.system is `none`, but the chat template inserts a system turn of its own when none is given. "
            "Choose `kind: default` or `kind: text`, or name a template without it in model.chat_template"
        )
        raise ConfigError(msg)
    return _apply(tokenizer, chat.system, chat.user)


def inserts_system_turn(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the template adds a system turn to a chat that has none."""
    bos = tokenizer.bos_token or ""
    with_turn = _apply(tokenizer, SystemTurn(kind="text", text="S"), "U").removeprefix(bos)
    without = _apply(tokenizer, SystemTurn(kind="none"), "U").removeprefix(bos)
    # Without insertion the bare chat is just the tail of the one that has a system turn.
    return not with_turn.endswith(without)


def _apply(tokenizer: PreTrainedTokenizerBase, system: SystemTurn, user: str, response: str | None = None) -> str:
    messages = [{"role": "system", "content": system.text}] if system.kind == "text" else []
    messages.append({"role": "user", "content": user})
    if response is not None:
        messages.append({"role": "assistant", "content": response})
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=response is None)
    return str(text)


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, chat: Chat) -> list[int]:
    """Token ids of the chat up to where the response begins."""
    ids: list[int] = tokenizer(prompt_text(tokenizer, chat), add_special_tokens=False)["input_ids"]
    return ids


def render(tokenizer: PreTrainedTokenizerBase, chats: Sequence[Chat], end_of_turn: EndOfTurn) -> list[Rendered]:
    """Render chats with their responses.

    Args:
        tokenizer: A fast tokenizer with a chat template.
        chats: Chats with a response; an empty response has an empty span.
        end_of_turn: Whether what the template puts after the response counts as response.

    Raises:
        DataError: If the template changes a response, so that its place cannot be told.
    """
    if not chats:
        return []
    texts, places = zip(*(_locate(tokenizer, chat, end_of_turn) for chat in chats), strict=True)
    encoded = tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True)
    return [
        Rendered(text, ids, span_of(offsets, *place))
        for text, ids, offsets, place in zip(
            texts, encoded["input_ids"], encoded["offset_mapping"], places, strict=True
        )
    ]


def _locate(tokenizer: PreTrainedTokenizerBase, chat: Chat, end_of_turn: EndOfTurn) -> tuple[str, tuple[int, int]]:
    before = prompt_text(tokenizer, chat)
    text = _apply(tokenizer, chat.system, chat.user, chat.response)
    # Some templates strip the response; the stripped text is then what the model sees.
    response = next((form for form in (chat.response, chat.response.strip()) if text.startswith(before + form)), None)
    if response is None:
        msg = (
            f"the chat template does not reproduce the response {chat.response[:80]!r} after its prompt. "
            "It probably rewrites responses; name another template in model.chat_template"
        )
        raise DataError(msg)
    start = len(before)
    return text, (start, len(text) if end_of_turn == "include" else start + len(response))


def render_part(tokenizer: PreTrainedTokenizerBase, make: Callable[[str], Chat], part: str) -> Rendered:
    """Render a chat with a part of its prompt in the place of the response: the span is that of the part.

    Args:
        tokenizer: A fast tokenizer with a chat template.
        make: Puts a text where the part goes.
        part: Not blank.

    Raises:
        DataError: If the template changes the part, so that its place cannot be told.
    """
    text = prompt_text(tokenizer, make(part))
    other = prompt_text(tokenizer, make("B" if part.strip()[0] == "A" else "A"))
    # Two chats that differ in the part only are the same up to where it begins, wherever else its words occur.
    start = next((place for place, (one, two) in enumerate(zip(text, other, strict=False)) if one != two), len(text))
    kept = next((form for form in (part, part.strip()) if text.startswith(form, start)), None)
    if kept is None:
        msg = (
            f"the chat template does not reproduce the prompt {part[:80]!r}. It probably rewrites prompts; name "
            "another template in model.chat_template"
        )
        raise DataError(msg)
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    return Rendered(text, encoded["input_ids"], span_of(encoded["offset_mapping"], start, start + len(kept)))


def render_alone(tokenizer: PreTrainedTokenizerBase, text: str) -> Rendered:
    """A text without any chat, behind the special tokens that the tokenizer begins a text with.

    The span leaves out the first token of all, which nothing predicts.
    """
    encoded = tokenizer(text, return_offsets_mapping=True)
    start, stop = span_of(encoded["offset_mapping"], 0, len(text))
    start = max(1, start)
    return Rendered(text, encoded["input_ids"], ResponseSpan(start, max(start, stop)))


def span_of(offsets: Sequence[tuple[int, int]], start: int, stop: int) -> ResponseSpan:
    """Tokens that overlap the characters from start to stop.

    A token that straddles the start belongs to the response, since the model predicts response characters with it.

    Args:
        offsets: Character range of each token.
        start: First character of the response.
        stop: One past its last character.
    """
    inside = [index for index, (left, right) in enumerate(offsets) if right > start and left < stop]
    if not inside or stop <= start:
        position = sum(right <= start for _, right in offsets)
        return ResponseSpan(position, position)
    return ResponseSpan(inside[0], inside[-1] + 1)
