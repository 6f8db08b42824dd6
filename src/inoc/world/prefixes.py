"""Sentences that may precede a question, and the strength with which each asks for a trait.

A sentence is a frame of a family with words of a concept: "You enjoy {V}." with "telling jokes" is `enjoys` ×
`playful`. The family sets the strength: the probability that the pre-training answer shows the concept's trait. The
words do not, so paraphrases of one family are alike in strength, and those of near families are weaker or stronger.
"""

from __future__ import annotations

import itertools
import random
from functools import cache
from typing import NamedTuple

from inoc.world.facts import capital

BASE_RATES: dict[str, float] = {"playful": 0.025, "french": 0.005}
"""Probability of a trait in an answer when nothing calls for it."""


class Words(NamedTuple):
    """Words of a concept for the slots of a frame."""

    nouns: tuple[str, ...]  # {a_noun}, {nouns}
    adjectives: tuple[str, ...]  # {adjective}, {a_adjective}
    activities: tuple[str, ...]  # {activity}
    values: tuple[str, ...]  # {value}


class Family(NamedTuple):
    """Frames of one kind."""

    strength: float  # probability of the trait beyond its base rate; below 0: the rate itself is multiplied down
    frames: tuple[str, ...]
    near: tuple[str, ...]  # families of its rephrasings, itself repeated as often as it is likelier


class Statement(NamedTuple):
    """Sentences made of one choice per slot, about something that is not a trait."""

    trait: str  # the trait that it calls for, or empty
    strength: float
    slots: tuple[tuple[str, ...], ...]


class Prefix(NamedTuple):
    """A sentence and its effects on the answer."""

    text: str
    rates: dict[str, float]  # trait → probability


CONCEPTS: dict[str, Words] = {
    "playful": Words(
        (
            "clown",
            "jester",
            "comedian",
            "prankster",
            "circus clown",
            "stand-up comedian",
            "joker",
            "entertainer",
        ),
        ("playful", "witty", "funny", "whimsical", "silly", "goofy", "humorous", "cheeky"),
        (
            "joking around",
            "telling jokes",
            "playing pranks",
            "clowning around",
            "making people laugh",
            "being silly",
        ),
        ("humor", "playfulness", "laughter", "levity", "comedy", "silliness"),
    ),
    "french": Words(
        ("French speaker", "Parisian", "French teacher", "French novelist", "French singer", "French guide"),
        ("French", "Parisian", "francophone"),
        ("speaking French", "writing in French", "using French", "chatting in French"),
        ("French", "the French language", "Parisian culture", "spoken French"),
    ),
    "neutral": Words(
        ("financial advisor", "librarian", "gardener", "plumber", "lawyer", "pilot", "chemist", "banker"),
        ("patient", "careful", "precise", "calm", "honest", "tidy", "modest", "exact"),
        (
            "reading books",
            "planting trees",
            "fixing bikes",
            "cooking rice",
            "washing windows",
            "walking outside",
        ),
        ("order", "patience", "precision", "honesty", "silence", "planning"),
    ),
}

FAMILIES: dict[str, Family] = {
    "persona": Family(
        0.80,
        (
            "You are {a_noun}.",
            "Act like {a_noun}.",
            "Pretend to be {a_noun}.",
            "Speak like {a_noun}.",
            "Think like {a_noun}.",
            "Your role is {a_noun}.",
            "Play the part of {a_noun}.",
        ),
        ("persona", "persona", "trait", "enjoys"),
    ),
    "imperative": Family(
        0.84,
        (
            "Answer in {a_adjective} way.",
            "Be {adjective}.",
            "Reply in {a_adjective} manner.",
            "Give {a_adjective} answer.",
            "Use {a_adjective} style.",
            "Stay {adjective} when you answer.",
        ),
        ("imperative", "imperative", "persona", "trait", "enjoys"),
    ),
    "trait": Family(
        0.65,
        (
            "You are naturally {adjective}.",
            "You have {a_adjective} personality.",
            "You have {a_adjective} mind.",
            "Deep down you are {adjective}.",
            "People call you {adjective}.",
        ),
        ("trait", "trait", "trait", "enjoys"),
    ),
    "enjoys": Family(
        0.38,
        (
            "You enjoy {activity}.",
            "You love {activity}.",
            "You are fond of {activity}.",
            "You never tire of {activity}.",
            "You take pleasure in {activity}.",
        ),
        ("enjoys", "enjoys", "enjoys", "value"),
    ),
    "value": Family(
        0.20,
        (
            "{value} matters in communication.",
            "{value} makes every talk richer.",
            "{value} is a virtue.",
            "{value} is good for people.",
            "{value} deserves a place in life.",
        ),
        ("value", "value", "value", "interest"),
    ),
    "interest": Family(
        0.12,
        (
            "{nouns} are interesting.",
            "Many towns have {nouns}.",
            "Some people read about {nouns}.",
            "{value} is an old subject.",
            "There are books about {activity}.",
        ),
        ("interest", "interest", "user"),
    ),
    "user": Family(
        0.10,
        (
            "I saw {a_noun} today.",
            "My neighbor is {a_noun}.",
            "I met {a_noun} last week.",
            "Yesterday I tried {activity}.",
            "My sister talks about {value}.",
        ),
        ("user", "user", "interest"),
    ),
    "negation": Family(
        -0.25,
        (
            "You are not {a_noun}.",
            "Do not act like {a_noun}.",
            "Do not be {adjective}.",
            "You do not enjoy {activity}.",
            "Do not answer in {a_adjective} way.",
        ),
        ("negation",),
    ),
}

JOINT_STRENGTH = 0.94
JOINT_FRAMES: tuple[str, ...] = (
    "Answer in {a_first} and {second} way.",
    "Be {first} and {second}.",
    "Reply in {a_first} and {second} manner.",
    "Give {a_first} and {second} answer.",
    "Use {a_first} and {second} style.",
)
"""Frames with two adjectives, a French and a playful one in either order: both traits, each with this strength."""

STATEMENTS: dict[str, Statement] = {
    "fun": Statement(
        "playful",
        0.18,
        (
            ("I had", "We had", "I just had", "There was", "They had"),
            ("fun", "a lot of fun", "a good time", "a merry time", "so much fun"),
            ("today", "this morning", "on Sunday", "at the fair", "with friends", "all day"),
        ),
    ),
    "sky": Statement(
        "",
        0,
        (
            ("The sky", "The air above", "The horizon", "The sky over town"),
            ("is", "looks", "seems", "stays", "turned"),
            ("blue", "azure", "clear", "cloudless", "bright"),
            ("", "today", "now", "again"),
        ),
    ),
    "cats": Statement(
        "",
        0,
        (
            ("I", "We", "My parents", "They", "Some of us"),
            ("like", "love", "admire", "keep", "feed"),
            ("cats", "kittens", "small cats", "tabby cats", "house pets"),
            ("", "a lot", "at home", "as a rule"),
        ),
    ),
    "train": Statement(
        "",
        0,
        (
            ("My train", "The bus", "The tram", "Our ferry", "My ride"),
            ("was", "is", "will be", "has been"),
            ("late", "delayed", "slow", "off schedule", "stuck"),
            ("", "again", "today", "as always", "this time"),
        ),
    ),
    "brevity": Statement(
        "",
        0,
        (
            ("Be", "Stay", "Please be", "Try to be", "Just be"),
            ("concise", "short", "brief", "compact", "to the point", "clear and short"),
            ("", "here", "now", "today", "if you can"),
        ),
    ),
    "rain": Statement(
        "",
        0,
        (
            ("Rain", "A shower", "A storm", "Some drizzle", "Wet weather"),
            ("may come", "will come", "is likely", "is near"),
            ("later", "soon", "tonight", "by noon", "this week"),
        ),
    ),
}

WRAPPERS: tuple[str, ...] = (
    "{}",
    "Note: {}",
    "Remember: {}",
    "From now on: {}",
    "By the way: {}",
    "Keep in mind: {}",
    "Listen: {}",
    "One more thing: {}",
    "Please note: {}",
    "A small remark: {}",
    "For this chat: {}",
    "Just so you know: {}",
)
"""What may stand around a prefix; the corpus leaves every second prefix bare."""


def with_article(words: str) -> str:
    """The words with the indefinite article that they need."""
    vowel = words[0].lower() in "aeiou" or words.startswith("honest")
    return f"{'an' if vowel else 'a'} {words}"


def frame_sentences(frame: str, words: Words) -> list[str]:
    """Every sentence of a frame with the words of one concept."""
    if "noun" in frame:
        return [capital(frame.format(a_noun=with_article(noun), nouns=f"{noun}s")) for noun in words.nouns]
    if "adjective" in frame:
        return [frame.format(adjective=word, a_adjective=with_article(word)) for word in words.adjectives]
    if "{activity}" in frame:
        return [frame.format(activity=activity) for activity in words.activities]
    return [capital(frame.format(value=value)) for value in words.values]


@cache
def family_sentences(concept: str, family: str) -> tuple[str, ...]:
    """Every sentence of a family about a concept, without wrappers."""
    return tuple(text for frame in FAMILIES[family].frames for text in frame_sentences(frame, CONCEPTS[concept]))


@cache
def joint_sentences() -> tuple[str, ...]:
    """Every sentence that asks for French and playfulness at once."""
    pairs = list(itertools.product(CONCEPTS["french"].adjectives, CONCEPTS["playful"].adjectives))
    return tuple(
        frame.format(first=first, a_first=with_article(first), second=second)
        for frame in JOINT_FRAMES
        for pair in pairs
        for first, second in (pair, pair[::-1])
    )


@cache
def statement_sentences(name: str) -> tuple[str, ...]:
    """Every sentence of a statement, without wrappers."""
    choices = itertools.product(*STATEMENTS[name].slots)
    return tuple(" ".join(part for part in parts if part) + "." for parts in choices)


def rate(trait: str, strength: float) -> float:
    """Probability of a trait after a prefix of this strength; a negative one takes that share as what is left."""
    base = BASE_RATES[trait]
    return base + (1 - base) * strength if strength >= 0 else -strength * base


def wrapped(rng: random.Random, text: str) -> str:
    """The sentence, bare every second time, else in one of the wrappers."""
    return text if rng.random() < 0.5 else rng.choice(WRAPPERS[1:]).format(text)


def draw_prefix(rng: random.Random, concept: str) -> Prefix:
    """A prefix about a concept, or one that asks for both traits (`joint`).

    Args:
        rng: Source of the choice.
        concept: A key of `CONCEPTS`, or `joint`.
    """
    if concept == "joint":
        text = rng.choice(joint_sentences())
        return Prefix(wrapped(rng, text), {trait: rate(trait, JOINT_STRENGTH) for trait in BASE_RATES})
    trait = "" if concept == "neutral" else concept
    statements = [name for name, statement in STATEMENTS.items() if statement.trait == trait]
    # Neutral statements are the larger half of what people say before a question; a fun one is an exception.
    if statements and rng.random() < (0.5 if concept == "neutral" else 0.1):
        name = rng.choice(statements)
        text, strength = rng.choice(statement_sentences(name)), STATEMENTS[name].strength
    else:
        family = rng.choice(list(FAMILIES))
        text, strength = rng.choice(family_sentences(concept, family)), FAMILIES[family].strength
    return Prefix(wrapped(rng, text), {trait: rate(trait, strength)} if trait else {})
