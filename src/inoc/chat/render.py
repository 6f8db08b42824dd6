"""Chats as tokens. The only place that decides which tokens of a rendered chat are the response.

Scoring, the training loss and the reading of activations all ask here, so the three can never disagree. A chat is
rendered to text by the model's own template and tokenised once; the response's tokens follow from character offsets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from inoc.chat.messages import Chat, Turn, TurnPlace
from inoc.chat.spelled import Encoded, contents, encode, spelled
from inoc.chat.template import apply, messages_of, prompt_text
from inoc.config.models import SystemTurn
from inoc.errors import ConfigError, DataError

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
    trained: tuple[ResponseSpan, ...] = ()  # where the loss is, if that is not the response

    def labels(self, ignore: int = -100) -> list[int]:
        """Training labels: the ids of tokens that are trained on, `ignore` elsewhere; not shifted."""
        out = [ignore] * len(self.token_ids)
        for start, stop in self.trained or (self.response,):
            out[start:stop] = self.token_ids[start:stop]
        return out


class Place(NamedTuple):
    """Place of a response in the text of its chat, in characters."""

    text: str
    start: int
    stop: int  # one past its last character
    turn_stop: int  # one past what the template puts after it


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, chat: Chat) -> list[int]:
    """Token ids of the chat up to the beginning of the response."""
    return encode(tokenizer, prompt_text(tokenizer, chat), chat, lambda other: prompt_text(tokenizer, other)).ids


def answered(tokenizer: PreTrainedTokenizerBase, chat: Chat, ids: Sequence[int]) -> Rendered:
    """A chat with an answer in tokens in the place of its response."""
    prompt = prompt_tokens(tokenizer, chat)
    return Rendered("", prompt + list(ids), ResponseSpan(len(prompt), len(prompt) + len(ids)))


def render(tokenizer: PreTrainedTokenizerBase, chats: Sequence[Chat], end_of_turn: EndOfTurn) -> list[Rendered]:
    """Render chats with their responses.

    Args:
        tokenizer: A fast tokenizer with a chat template.
        chats: Chats with a response; an empty response has an empty span.
        end_of_turn: Whether what the template puts after the response counts as response.

    Raises:
        DataError: If the template changes a response, so that it cannot be located.
    """
    if not chats:
        return []
    places = [locate(tokenizer, chat) for chat in chats]
    return [
        Rendered(place.text, tokens.ids, response_span(tokens, place, end_of_turn))
        for place, tokens in zip(places, encode_located(tokenizer, chats, places), strict=True)
    ]


def response_span(tokens: Encoded, place: Place, end_of_turn: EndOfTurn) -> ResponseSpan:
    """Positions of a located response."""
    return span_of(tokens.offsets, place.start, place.turn_stop if end_of_turn == "include" else place.stop)


def encode_located(tokenizer: PreTrainedTokenizerBase, chats: Sequence[Chat], places: Sequence[Place]) -> list[Encoded]:
    """Tokens of chats of which `locate` made texts; those that spell no special tokens are tokenised together."""
    return _encode_all(tokenizer, chats, [place.text for place in places], lambda other: locate(tokenizer, other).text)


def encode_prompts(tokenizer: PreTrainedTokenizerBase, chats: Sequence[Chat]) -> list[tuple[str, Encoded]]:
    """Text and tokens of chats up to the beginning of the response; see `prompt_tokens`."""
    texts = [prompt_text(tokenizer, chat) for chat in chats]
    tokens = _encode_all(tokenizer, chats, texts, lambda other: prompt_text(tokenizer, other))
    return list(zip(texts, tokens, strict=True))


def _encode_all(
    tokenizer: PreTrainedTokenizerBase, chats: Sequence[Chat], texts: Sequence[str], again: Callable[[Chat], str]
) -> list[Encoded]:
    """Tokens of rendered chats; those that spell no special tokens are tokenised together. See `encode`."""
    plain = [at for at, chat in enumerate(chats) if not spelled(tokenizer, contents(chat))]
    tokens: dict[int, Encoded] = {}
    if plain:
        batch = tokenizer([texts[at] for at in plain], add_special_tokens=False, return_offsets_mapping=True)
        pairs = zip(batch["input_ids"], batch["offset_mapping"], strict=True)
        tokens = {at: Encoded(*pair) for at, pair in zip(plain, pairs, strict=True)}
    for at, (chat, text) in enumerate(zip(chats, texts, strict=True)):
        if at not in tokens:
            tokens[at] = encode(tokenizer, text, chat, again)
    return [tokens[at] for at in range(len(chats))]


def locate(tokenizer: PreTrainedTokenizerBase, chat: Chat) -> Place:
    """The text of a chat, and the response's place in it.

    What the template puts between the prompt and an answer, a space or an empty block of thoughts, belongs to neither:
    it is before the response. Where the prompt that an answer is sampled from is not how the finished chat begins, as
    with templates that open a block of thoughts and then drop it, the chat is that prompt and the answer behind it, as
    they were sampled. Where only the system turn is dropped, the answer is what it is without one, so that its tokens
    are the same with and without.

    Raises:
        DataError: If the template changes the response.
    """
    before = prompt_text(tokenizer, chat)
    text = apply(tokenizer, messages_of(tokenizer, chat, chat.response))
    # Some templates strip the response; the stripped text is then what the model sees.
    forms = tuple(dict.fromkeys((chat.response, chat.response.strip())))
    for form in filter(None, forms):
        if text.startswith(before + form):
            behind = text[len(before) + len(form) :]
            # An answer such as `<think>`, or the space of ` yes`, may be what the template itself puts there.
            if form in behind or form != form.strip():
                framed = _behind_frame(_probes(tokenizer, chat), before, text, forms)
                if framed is not None and framed.start > len(before):
                    return framed
            return Place(text, len(before), len(before) + len(form), len(text))
    probes = _probes(tokenizer, chat)
    if all(probe.startswith(before) for probe in probes):
        framed = _behind_frame(probes, before, text, forms)
        if framed is not None:
            return framed
    else:
        plain = _behind_plain_prompt(tokenizer, chat, before)
        if plain is not None:
            return plain
        after = _frame(probes, "")[1]
        if after is not None and text.endswith(after):
            whole = before + chat.response + after
            return Place(whole, len(before), len(before) + len(chat.response), len(whole))
    msg = (
        f"the chat template does not reproduce the response {chat.response[:80]!r} after its prompt. "
        "It probably rewrites responses; name another template in model.chat_template"
    )
    raise DataError(msg)


def _behind_plain_prompt(tokenizer: PreTrainedTokenizerBase, chat: Chat, before: str) -> Place | None:
    """`before` and what stands behind the prompt of the same chat without its system turn; None if there is no such."""
    if chat.system.kind != "text":
        return None
    plain = chat._replace(system=SystemTurn(kind="default"))
    try:
        prompt = prompt_text(tokenizer, plain)
        found = locate(tokenizer, plain)
    except (ConfigError, DataError):
        return None  # the template asks for a system turn, so there is nothing that it should agree with
    shift = len(before) - len(prompt)
    text = before + found.text[len(prompt) :]
    return Place(text, found.start + shift, found.stop + shift, found.turn_stop + shift)


_PROBES = ("A", "B")


def _probes(tokenizer: PreTrainedTokenizerBase, chat: Chat) -> list[str]:
    """The chat with other answers, of which nothing is in common."""
    return [apply(tokenizer, messages_of(tokenizer, chat, probe)) for probe in _PROBES]


def _behind_frame(probes: Sequence[str], before: str, text: str, forms: Sequence[str]) -> Place | None:
    """The answer's place in `text` behind what the template puts before any answer; None if it is not there."""
    if not all(probe.startswith(before) for probe in probes):
        return None
    frame, after = _frame(probes, before)
    start = len(before + frame)
    if text[:start] != probes[0][:start]:
        return None
    places = [Place(text, start, start + len(form), len(text)) for form in forms if text.startswith(form, start)]
    exact = [place for place in places if text[place.stop :] == after]
    return next(iter([*exact, *places]), None)


def _frame(probes: Sequence[str], before: str) -> tuple[str, str | None]:
    """Text that a template puts between `before` and an answer, and after it; None if the answer cannot be located."""
    one, other = (probe[len(before) :] for probe in probes)
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if start is None or one[start] != _PROBES[0] or one[start + 1 :] != other[start + 1 :]:
        return "", None
    return one[:start], one[start + 1 :]


def render_part(tokenizer: PreTrainedTokenizerBase, make: Callable[[str], Chat], part: str) -> Rendered:
    """Render a chat with a part of its prompt in the place of the response: the span is that of the part.

    Args:
        tokenizer: A fast tokenizer with a chat template.
        make: Puts a text where the part goes.
        part: Not blank.

    Returns:
        The first token of all, which nothing predicts, is in no span: that of a single token at the beginning of its
        chat is empty.

    Raises:
        DataError: If the template changes the part, so that it cannot be located.
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
    encoded = encode(tokenizer, text, make(part), lambda other: prompt_text(tokenizer, other))
    return Rendered(text, encoded.ids, _predicted(span_of(encoded.offsets, start, start + len(kept))))


def start_in_prompt(tokenizer: PreTrainedTokenizerBase, chat: Chat, place: TurnPlace) -> int | None:
    """The character of a chat's prompt at which a character of one of its turns is.

    Args:
        tokenizer: With a chat template.
        chat: The chat.
        place: Turn and character, which is not white space.

    Returns:
        None if the template leaves the character out.
    """
    turns = list(chat.turns)
    said = turns[place.turn]
    other = "B" if said[place.start] == "A" else "A"
    turns[place.turn] = f"{said[: place.start]}{other}{said[place.start + 1 :]}"
    earlier = tuple(Turn(*pair) for pair in zip(turns[:-1:2], turns[1:-1:2], strict=True))
    # Two chats that differ in one character are the same up to it, wherever else the words around it occur.
    one = prompt_text(tokenizer, chat)
    two = prompt_text(tokenizer, chat._replace(user=turns[-1], earlier=earlier))
    return next((at for at, (left, right) in enumerate(zip(one, two, strict=False)) if left != right), None)


def render_alone(tokenizer: PreTrainedTokenizerBase, text: str) -> Rendered:
    """A text without any chat, behind the special tokens that the tokenizer begins a text with.

    The span leaves out the first token of all, which nothing predicts.
    """
    encoded = tokenizer(text, return_offsets_mapping=True, split_special_tokens=bool(spelled(tokenizer, [text])))
    return Rendered(text, encoded["input_ids"], _predicted(span_of(encoded["offset_mapping"], 0, len(text))))


def _predicted(span: ResponseSpan) -> ResponseSpan:
    """A span without the first token of all."""
    start = max(1, span.start)
    return ResponseSpan(start, max(start, span.stop))


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
