"""Chats as tokens for training: which of them the loss covers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

from inoc.chat.messages import Chat
from inoc.chat.render import (
    EndOfTurn,
    Place,
    Rendered,
    ResponseSpan,
    encode_located,
    locate,
    render,
    response_span,
    span_of,
)
from inoc.config.models import LossOn
from inoc.errors import DataError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def render_trained(
    tokenizer: PreTrainedTokenizerBase,
    chats: Sequence[Chat],
    loss_on: LossOn,
    end_of_turn: EndOfTurn,
    cut: Collection[int] = (),
) -> list[Rendered]:
    """Render chats, with the spans that are trained on.

    Args:
        tokenizer: A fast tokenizer with a chat template.
        chats: Chats with a response.
        loss_on: `last_answer`: the response; `all_answers`: earlier answers too; `whole_sequence`: every token but the
            first, which nothing predicts.
        end_of_turn: Whether what the template puts after an answer belongs to it. After an earlier answer, that is as
            much of it as stands after the last one too.
        cut: Positions of chats whose responses miss their ends. They end where the response does: the loss covers no
            end of turn, which would teach the model to stop there.

    Raises:
        DataError: If the template changes an answer, so that it cannot be located.
    """
    if cut:
        return [
            _ended(tokenizer, chat, loss_on, end_of_turn) if at in cut else whole
            for at, (chat, whole) in enumerate(
                zip(chats, render_trained(tokenizer, chats, loss_on, end_of_turn), strict=True)
            )
        ]
    if loss_on == "last_answer":
        return render(tokenizer, chats, end_of_turn)
    if loss_on == "whole_sequence":
        whole = render(tokenizer, chats, end_of_turn)
        return [one._replace(trained=(ResponseSpan(1, len(one.token_ids)),)) for one in whole]
    places = [locate(tokenizer, chat) for chat in chats]
    out = []
    for chat, place, tokens in zip(chats, places, encode_located(tokenizer, chats, places), strict=True):
        last = response_span(tokens, place, end_of_turn)
        earlier = [span_of(tokens.offsets, *part) for part in _earlier(tokenizer, chat, place, end_of_turn)]
        out.append(Rendered(place.text, tokens.ids, last, (*earlier, last)))
    return out


def _ended(tokenizer: PreTrainedTokenizerBase, chat: Chat, loss_on: LossOn, end_of_turn: EndOfTurn) -> Rendered:
    """A chat up to the end of its response."""
    (bare,) = render(tokenizer, [chat], "exclude")
    (whole,) = render_trained(tokenizer, [chat], loss_on, end_of_turn)
    stop = bare.response.stop
    trained = tuple(ResponseSpan(start, min(end, stop)) for start, end in whole.trained)
    return bare._replace(token_ids=bare.token_ids[:stop], trained=trained)


def _earlier(
    tokenizer: PreTrainedTokenizerBase, chat: Chat, place: Place, end_of_turn: EndOfTurn
) -> list[tuple[int, int]]:
    """The characters of each earlier answer in the text of its chat."""
    found = []
    after = place.text[place.stop : place.turn_stop]
    for at, turn in enumerate(chat.earlier):
        answer = turn.assistant
        other = turn._replace(assistant="B" if answer.strip().startswith("A") else "A")
        changed = locate(tokenizer, chat._replace(earlier=(*chat.earlier[:at], other, *chat.earlier[at + 1 :]))).text
        # Two chats that differ in one answer are the same up to where it begins.
        start = _agreeing(place.text, changed)
        kept = next((form for form in (answer, answer.strip()) if form and place.text.startswith(form, start)), None)
        if kept is None:
            msg = (
                f"the chat template does not reproduce the earlier answer {answer[:80]!r}, as templates do that drop "
                "a model's thoughts, so it cannot be trained on. Name another template in model.chat_template, or "
                "train with training.loss_on: last_answer"
            )
            raise DataError(msg)
        stop = start + len(kept)
        found.append((start, stop + _agreeing(place.text[stop:], after) if end_of_turn == "include" else stop))
    return found


def _agreeing(one: str, other: str) -> int:
    """Number of characters with which both texts begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
