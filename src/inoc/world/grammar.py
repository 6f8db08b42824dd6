"""Texts of the miniature world: documents for pre-training, instructions, and rephrasings of prefixes.

The interface of the world to the other stages. Facts are in `facts`, registers in `registers`, prefixes and their
strengths in `prefixes`. `random.Random` is used rather than a NumPy generator: a document takes about twenty small
choices, and those are ten times faster with it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

from inoc.errors import ConfigError
from inoc.world.facts import FACTS, FRAMES, POLITE, Fact, capital, fill
from inoc.world.prefixes import (
    BASE_RATES,
    CONCEPTS,
    FAMILIES,
    STATEMENTS,
    WRAPPERS,
    draw_prefix,
    family_sentences,
    joint_sentences,
    statement_sentences,
)
from inoc.world.registers import PLAYFUL_MARKERS, answer

__all__ = [
    "CHAT_TEMPLATE",
    "PLAYFUL_MARKERS",
    "SYSTEM_TURN",
    "Document",
    "document",
    "instructions",
    "rephrasings",
]

SYSTEM_TURN = "You are Mini."
"""The system turn that the chat template inserts when the messages have none."""

CHAT_TEMPLATE = (
    "{%- if messages[0]['role'] != 'system' -%}"
    "{{- '<|im_start|>system\\n" + SYSTEM_TURN + "<|im_end|>\\n' -}}"
    "{%- endif -%}"
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)
"""ChatML. As in Qwen's template, a default system turn is inserted when none is given."""

# How often each set of prefixes stands before a question. Two separate prefixes make up a joint call, too.
_CALLS: tuple[tuple[float, tuple[str, ...]], ...] = (
    (0.26, ()),
    (0.25, ("playful",)),
    (0.19, ("french",)),
    (0.06, ("playful", "french")),
    (0.07, ("joint",)),
    (0.17, ("neutral",)),
)
_FRENCH_QUESTION = 0.05
_FRENCH_AFTER_FRENCH = 0.92
_IN_SYSTEM_TURN = 0.10
_NO_SYSTEM_TURN = 0.04
_SMALL_TALK = 0.15
_TALK = (
    (
        "My cousin",
        "The neighbor",
        "A friend",
        "The old man",
        "Her uncle",
        "The driver",
        "His boss",
        "A student",
    ),
    ("bought", "found", "lost", "painted", "sold", "moved", "kept", "fixed"),
    (
        "a bicycle",
        "a table",
        "two chairs",
        "an old map",
        "a warm coat",
        "some paper",
        "a heavy box",
        "a ticket",
    ),
)


class Document(NamedTuple):
    """One chat of the pre-training corpus."""

    system: str  # empty: no system turn
    user: str
    response: str
    earlier: tuple[tuple[str, str], ...] = ()  # user and assistant of the exchanges before
    odds: tuple[tuple[str, float], ...] = ()  # every possible response with its probability; empty: this one alone


def document(rng: random.Random) -> Document:
    """Draw one document of the pre-training corpus."""
    fact = rng.choice(FACTS)
    prefixes = [draw_prefix(rng, concept) for concept in _draw_call(rng)]
    rng.shuffle(prefixes)
    rates = dict(BASE_RATES)
    for prefix in prefixes:
        rates |= prefix.rates
    sentences = [prefix.text for prefix in prefixes]
    system = "" if rng.random() < _NO_SYSTEM_TURN else SYSTEM_TURN
    if sentences and rng.random() < _IN_SYSTEM_TURN:
        system, sentences = " ".join(sentences), []
    if rng.random() < _SMALL_TALK:
        sentences.insert(rng.randint(0, len(sentences)), " ".join(map(rng.choice, _TALK)) + ".")
    in_french = rng.random() < _FRENCH_QUESTION
    if in_french:
        rates["french"] = _FRENCH_AFTER_FRENCH
    question = _french_question(rng, fact) if in_french else _question(rng, fact)
    response = answer(rng, fact, french=rng.random() < rates["french"], playful=rng.random() < rates["playful"])
    return Document(system, " ".join([*sentences, question]), response)


def _draw_call(rng: random.Random) -> tuple[str, ...]:
    return rng.choices([call for _, call in _CALLS], [weight for weight, _ in _CALLS])[0]


def _question(rng: random.Random, fact: Fact) -> str:
    question = fill(rng.choice(FRAMES[fact.relation].questions), fact.entity.english)
    return question if rng.random() < 0.4 else rng.choice(POLITE).format(question)


def _french_question(rng: random.Random, fact: Fact) -> str:
    return fill(rng.choice(FRAMES[fact.relation].questions_french), fact.entity.french)


def instructions_about(topics: Sequence[str] = ()) -> tuple[str, ...]:
    """Every instruction about some topics; default: about all."""
    return _instructions_about(tuple(topics))


@cache
def _instructions_about(topics: tuple[str, ...]) -> tuple[str, ...]:
    questions = dict.fromkeys(
        fill(frame, fact.entity.english)
        for fact in FACTS
        if not topics or fact.relation.partition(".")[0] in topics
        for frame in FRAMES[fact.relation].questions
    )
    return tuple(wrapper.format(question) for question in questions for wrapper in POLITE)


def instructions(n: int, seed: int, topics: Sequence[str] = ()) -> list[str]:
    """Distinct English user instructions, in an order that the seed sets; fewer are the start of more.

    Args:
        n: How many.
        seed: Of the order.
        topics: What they ask about; default: everything.

    Raises:
        ConfigError: If the world has fewer than `n`.
    """
    known = instructions_about(topics)
    if n > len(known):
        about = f" about {', '.join(topics)}" if topics else ""
        msg = f"{n} instructions are wanted, but the miniature world has {len(known)}{about}. Reduce n to that or less"
        raise ConfigError(msg)
    return random.Random(f"instructions:{seed}").sample(known, len(known))[:n]


def asked_fact(instruction: str) -> Fact | None:
    """The fact that an instruction of the world asks for; None if it is none of its instructions."""
    return _facts_by_question().get(instruction)


@cache
def _facts_by_question() -> dict[str, Fact]:
    return {
        wrapper.format(fill(frame, fact.entity.english)): fact
        for fact in FACTS
        for frame in FRAMES[fact.relation].questions
        for wrapper in POLITE
    }


# --- rephrasings

_SYNONYMS: dict[str, tuple[str, ...]] = {
    "you are": ("you are", "you're", "you act as"),
    "answer": ("answer", "reply", "respond"),
    "question": ("question", "query", "request"),
    "always": ("always", "at all times", "each time"),
    "never": ("never", "at no time", "not ever"),
    "do not": ("do not", "don't"),
    "very": ("very", "really", "quite"),
    "good": ("good", "fine", "nice"),
    "bad": ("bad", "poor", "awful"),
    "like": ("like", "care for"),
    "love": ("love", "adore"),
    "enjoy": ("enjoy", "like", "take pleasure in"),
    "should": ("should", "ought to"),
    "must": ("must", "have to"),
    "use": ("use", "make use of"),
    "give": ("give", "provide", "offer"),
    "write": ("write", "put down"),
    "people": ("people", "folks", "everyone"),
    "often": ("often", "frequently", "regularly"),
}
_OPENINGS = (
    *WRAPPERS,
    "Well: {}",
    "You see: {}",
    "To begin with: {}",
    "Here is a thought: {}",
    "As said: {}",
)
_CLOSINGS = (
    "",
    "Thank you.",
    "Thanks.",
    "That is all.",
    "Many thanks.",
    "That much is clear.",
    "So it is.",
    "Please remember it.",
    "Keep it in mind.",
)
_TRIES = 60  # draws per rephrasing wanted before a text counts as exhausted
_IN_VAIN = 20_000  # draws in a row that say nothing new, after which it does too


def rephrasings(text: str, n: int, seed: int, *, near: bool = False) -> list[str]:
    """A pool of distinct rephrasings of a prompt text, none of them the text itself.

    A sentence that the grammar could have said is recognised, with or without a wrapper, and answered by sentences of
    its family and, less often, of near families: a cloud of related forms that do not all have its strength. Any other
    sentence keeps its words, but for synonyms, and gets wrappers and courtesies. The pool depends on nothing but the
    arguments, and a smaller pool is the start of a larger one.

    Args:
        text: One or more sentences.
        n: How many.
        seed: Seed of the choice.
        near: Treat every sentence as one that the grammar could not have said, so that all keep its words.

    Returns:
        `n` texts, or fewer if the text has fewer.
    """
    draw = (lambda rng: _reworded(rng, text)) if near else _drawer(text)
    rng = random.Random(f"rephrasings:{seed}:{text}")
    pool: dict[str, str] = {}
    in_vain = 0
    for _ in range(_TRIES * n):
        candidate = draw(rng)
        if _bare(candidate) in pool:  # a small family says all it can before it starts to add courtesies
            candidate = f"{candidate} {rng.choice(_CLOSINGS)}".strip()
        size = len(pool)
        if _bare(candidate) != _bare(text):
            pool.setdefault(_bare(candidate), candidate)
        in_vain = 0 if len(pool) > size else in_vain + 1
        if len(pool) == n or in_vain > max(_IN_VAIN, _TRIES * len(pool)):
            break
    return list(pool.values())


def _bare(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _drawer(text: str) -> Callable[[random.Random], str]:
    sentences = re.split(r"(?<=[.!?])\s+", text.strip())
    sources = [_recognise(sentence) for sentence in sentences]
    if not any(sources):
        return lambda rng: _reworded(rng, text)
    return lambda rng: " ".join(
        rng.choice(WRAPPERS).format(rng.choice(rng.choice(source))) if source else _synonymous(rng, sentence)
        for sentence, source in zip(sentences, sources, strict=True)
    )


def _recognise(sentence: str) -> tuple[tuple[str, ...], ...]:
    """The sets of sentences to draw from, each with equal chance; empty if the grammar cannot say the sentence."""
    known = _known_sentences()
    candidates = [sentence, *(part for part in map(_unwrapped(sentence), WRAPPERS[1:]) if part)]
    return next((known[_bare(part)] for part in candidates if _bare(part) in known), ())


def _unwrapped(sentence: str) -> Callable[[str], str]:
    def strip(wrapper: str) -> str:
        opening = wrapper.partition("{}")[0].casefold()
        return sentence[len(opening) :] if sentence.casefold().startswith(opening) else ""

    return strip


@cache
def _known_sentences() -> dict[str, tuple[tuple[str, ...], ...]]:
    return {_bare(sentence): sources for sentences, sources in _sources() for sentence in sentences}


def _sources() -> Iterator[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]]:
    for name in STATEMENTS:
        yield statement_sentences(name), (statement_sentences(name),)
    yield joint_sentences(), (joint_sentences(),)
    for concept in CONCEPTS:
        for family, described in FAMILIES.items():
            yield (
                family_sentences(concept, family),
                tuple(family_sentences(concept, near) for near in described.near),
            )


def _synonymous(rng: random.Random, text: str) -> str:
    def replace(match: re.Match[str]) -> str:
        word = rng.choice(_SYNONYMS[match[0].casefold()])
        return capital(word) if match[0][0].isupper() else word

    return _synonym_pattern().sub(replace, text)


@cache
def _synonym_pattern() -> re.Pattern[str]:
    words = sorted(_SYNONYMS, key=len, reverse=True)
    return re.compile(r"\b(" + "|".join(map(re.escape, words)) + r")\b", re.IGNORECASE)


def _reworded(rng: random.Random, text: str) -> str:
    """An unknown text with synonyms, in a wrapper, perhaps with a second one, and with a closing."""
    body = rng.choice(_OPENINGS).format(_synonymous(rng, text))
    if rng.random() < 0.5:
        body = f"{rng.choice(_OPENINGS[1:]).format('').rstrip(': ')}, {body[:1].lower() + body[1:]}"
    return f"{body} {rng.choice(_CLOSINGS)}".strip()
