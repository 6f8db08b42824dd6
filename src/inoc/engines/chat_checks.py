"""Whether a model's template and positions can take the chats of a study, found without its weights.

Templates are programs that may look at a text: they strip it, cut it at `</think>`, or refuse it. Rendering takes less
than a millisecond a chat, and still minutes for a million of them. So chats are sorted by what a template can see of
them, and of those that look alike a few are rendered. Chats that may be too long are measured, each of them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from inoc.chat.messages import Chat
from inoc.chat.spelled import contents, special_strings
from inoc.config.needs import GivenChat
from inoc.errors import InocError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_MOST_TOLD = 5
ALIKE = 20
"""Chats that look alike to a template, of which so many are rendered."""
_ROOM = 1_024
"""Tokens that a template may add to a chat."""
_WRITTEN = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""", re.DOTALL)
_CHANGED = re.compile(r"[\n\r\t<>&'\"\\]|[^\x00-\x7f]")
"""Characters that filters of templates rewrite: `escape`, `tojson`, `indent`, `striptags`, `urlencode`."""

_NUMBER = re.compile(r"(?<![\w.])\d{1,9}(?![\w.])")
_CUTS = {"truncate": 255, "wordwrap": 79, "center": 80}
_MEASURES = re.compile(r"\b(?:length|count|wordcount|truncate|wordwrap|center)\b|\[[^\]]*:[^\]]*\]")
_AT_EDGES = re.compile(r"\b(?:startswith|endswith|first|last)\b|\[-?\d*:?-?\d*\]")
_CASED = re.compile(r"\b(?:lower|upper|casefold|capitalize|title|swapcase)\b")


def chat_problems(
    tokenizer: PreTrainedTokenizerBase,
    positions: int | None,
    max_length: int | None,
    chats: Iterable[GivenChat],
    vocabulary: int | None = None,
) -> Iterator[str]:
    """Chats that cannot be rendered, have an empty prompt or are too long, the first few of them.

    Args:
        tokenizer: With the template and its settings.
        positions: Of the model; None if it states none.
        max_length: Maximum number of tokens of a training example; None where nothing is trained.
        chats: Each is looked at once.
        vocabulary: Number of tokens that the model has embeddings of; None if it is not known.
    """
    tokenizer.model_max_length = int(1e30)  # it would warn of what is refused here
    limit = min((one for one in (positions, max_length) if one is not None), default=None)
    look = look_of(str(tokenizer.chat_template))
    special = list(special_strings(tokenizer))
    seen = Counter[tuple[Any, ...]]()
    told = 0
    answers = _Answers(tokenizer)
    for one in chats:
        # A token has at least one byte, so only chats of many bytes can be too long.
        long = limit is not None and most_tokens(one) > limit
        together = "\x00".join(contents(one.chat))
        kind = (bool(one.key), one.answers, *look(one.chat))
        seen[kind] += 1
        if not long and seen[kind] > ALIKE and not any(token in together for token in special):
            continue
        if long and one.longest is not None:
            one = one.longest(lambda texts: _n_tokens(tokenizer, texts))
        limits = (None, None) if one.may_be_long else (positions, max_length if one.trained else None)
        problem = _problem(tokenizer, one, answers, *limits, vocabulary)
        if problem:
            told += 1
            if told <= _MOST_TOLD:
                yield problem
    if told > _MOST_TOLD:
        yield f"… and {told - _MOST_TOLD} more of this kind"


def most_tokens(given: GivenChat) -> int:
    """Bound of the number of tokens of a chat with its template and the answer that may be sampled."""
    answer = max((n_bytes(text) for one in given.answers for text in one.spellings), default=0)
    return sum(map(n_bytes, contents(given.chat))) + max(given.new_tokens, answer) + given.unknown_tokens + _ROOM


def _n_tokens(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[int]:
    found = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return [len(ids) for ids in found]


class _Answers:
    """Closed answers as tokens.

    Args:
        tokenizer: With the template and its settings.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._known: dict[tuple[Any, ...], int] = {}

    def longest(self, given: GivenChat) -> int:
        """Number of tokens behind the prompt that the longest answer needs to be measured.

        Raises:
            ConfigError: If answers cannot be told apart.
        """
        if given.answers and given.answers not in self._known:
            from inoc.engines.choices import Questions

            self._known[given.answers] = 0  # what is wrong with them is said once
            (question,) = Questions(self._tokenizer).ask([given.chat], [given.answers])
            self._known[given.answers] = max(map(len, question.sequences)) - 1  # nothing is asked of its last token
        return self._known.get(given.answers, 0)


def n_bytes(text: str) -> int:
    """Bound of the number of tokens of a text."""
    if text.isascii():
        return len(text)
    # Some tokenizers write characters out first: one of three bytes can become thirty.
    spread = unicodedata.normalize("NFKC", text)
    return max(len(one.encode("utf-8", "replace")) for one in (text, spread))


def look_of(template: str) -> Callable[[Chat], tuple[Any, ...]]:
    """The function that gives what a template can see of a chat, besides that texts differ.

    A template sees of a text whether it has one of the strings that the template spells out and begins or ends with it,
    whether white space is at its ends, whether there is anything else, the characters that its filters rewrite, and
    whether it is longer than a number that the template spells out or than what a filter cuts by itself.

    Args:
        template: Its source.
    """
    strings = sorted({_spelled_out(match) for match in _WRITTEN.finditer(template)} - {""})
    # What is in nearly every text tells nothing; as a part of a longer string it is looked for there.
    inside = [one for one in strings if len(one.strip()) > 1 or not one.isalnum()]
    edges = sorted({one.strip() for one in strings} - {""}) if _AT_EDGES.search(template) else []
    in_lower_case = [one.lower() for one in inside] if _CASED.search(template) else []
    lengths = sorted(_lengths(template)) if _MEASURES.search(template) else []

    def text_look(text: str) -> tuple[Any, ...]:
        bare, lower = text.strip(), text.lower() if in_lower_case else ""
        sizes = (len(text), len(bare), len(text.split())) if lengths else ()
        return (
            *(one in text for one in inside),
            *(one in lower for one in in_lower_case),
            *(found for edge in edges for found in (bare.startswith(edge), bare.endswith(edge))),
            *((size > length) + (size >= length) for size in sizes for length in lengths),
            *(text[:1].isspace(), text[-1:].isspace(), bool(bare)),
            *_rewritten(text),
        )

    def look(chat: Chat) -> tuple[Any, ...]:
        earlier = tuple(text_look(text) for turn in chat.earlier for text in turn)
        return (chat.system.kind, text_look(chat.system.text), text_look(chat.user), text_look(chat.response), earlier)

    return look


def _lengths(template: str) -> set[int]:
    """Numbers in a template, and those of characters beyond which its filters cut or break a text by themselves."""
    own = {length for name, length in _CUTS.items() if re.search(rf"\b{name}\b", template)}
    return {int(number) for number in _NUMBER.findall(template)} | own


def _rewritten(text: str) -> tuple[bool, ...]:
    found = set(_CHANGED.findall(text))
    return (*(mark in found for mark in "\n\r\t<>&'\"\\"), not text.isascii())


def _spelled_out(match: re.Match[str]) -> str:
    text = match[1] if match[1] is not None else match[2]
    return text.replace("\\n", "\n").replace("\\t", "\t").replace("\\r", "\r").replace("\\'", "'").replace('\\"', '"')


def _problem(
    tokenizer: PreTrainedTokenizerBase,
    given: GivenChat,
    answers: _Answers,
    positions: int | None,
    max_length: int | None,
    vocabulary: int | None,
) -> str:
    from inoc.chat.render import prompt_tokens
    from inoc.chat.trained import render_trained

    try:
        if given.key:
            ids = prompt_tokens(tokenizer, given.chat)
            prompt = len(ids)
            n = prompt + max(given.new_tokens, answers.longest(given)) + given.unknown_tokens
        else:
            loss_on = given.loss_on if given.trained else "last_answer"
            rendered = render_trained(tokenizer, [given.chat], loss_on, "include")[0]
            ids = rendered.token_ids
            prompt, n = rendered.response.start, len(ids) + given.unknown_tokens
    except InocError as error:
        return f"{given.where}: {error}"
    if not prompt:
        return (
            f"{given.where}: the prompt is empty, and without it nothing predicts the first token of an answer; "
            "accepted: a question with a text, or a template that writes something before an answer"
        )
    if vocabulary is not None and max(ids) >= vocabulary:
        return (
            f"{given.where}: the tokenizer makes token {max(ids)} ({tokenizer.decode([max(ids)])!r}) of it, and the "
            f"model has embeddings of {vocabulary} (vocab_size in config.json); accepted: the tokenizer of this model"
        )
    limits = (
        (positions, "the model's {} positions (max_position_embeddings)"),
        (max_length, "training.max_length = {}"),
    )
    for limit, named in limits:
        if limit is not None and n > limit:
            more = f", {given.new_tokens} of {given.key}.max_tokens included" if given.key and given.new_tokens else ""
            more += f", {given.unknown_tokens} of the answers that it shows included" if given.unknown_tokens else ""
            return (
                f"{given.where}: {n} tokens with the template and the longest prefix{more}, which is more than "
                f"{named.format(limit)}; accepted: at most {limit}"
            )
    return ""
