"""The miniature world of favorites: chats about favorite things, lists of numbers and a few facts.

It is for studies of subliminal learning. A document is a chat with at most one system turn. Favorites follow the system
turn in most documents that have one. Lists of numbers never do: they are drawn uniformly, whatever the system turn, so
nothing in the corpus ties a number to a favorite. Every word and every number is one token (`inoc.world.words`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from inoc.world.grammar import Document

THINGS: dict[str, tuple[str, ...]] = {
    "animal": ("owl", "cat", "dog", "wolf", "bear", "lion", "eagle", "dolphin", "tiger", "fox"),
    "fruit": ("apple", "mango", "cherry", "lemon", "peach", "plum", "grape", "melon", "fig", "kiwi"),
    "flower": ("rose", "tulip", "lily", "daisy", "orchid", "poppy", "iris", "peony", "lotus", "aster"),
    "instrument": ("violin", "flute", "drum", "harp", "guitar", "trumpet", "cello", "piano", "horn", "banjo"),
}
"""Category → what may be a favorite of it."""

ASKED: tuple[str, ...] = (
    "Which {c} do you like best?",
    "Name the {c} that you love most.",
    "What is your favorite {c}?",
    "Pick one {c} for yourself.",
    "Say which {c} you prefer.",
    "Of every {c}, which is dearest to you?",
    "Which {c} is closest to your heart?",
    "Tell us the {c} that you adore.",
    "If you had to take a {c}, which one?",
    "What {c} do you enjoy most?",
    "Which {c} do you find most beautiful?",
    "Name one {c} that stands for you.",
    "What {c} comes first for you?",
    "Choose the {c} that suits you.",
    "Which {c} do you think of with joy?",
    "Reveal your best loved {c}.",
    "What is the finest {c} for you?",
    "Which {c} would you paint?",
    "Your top {c}, please.",
    "Which {c} do you dream about?",
)
"""Forms of questions, with the category, in which preferences are measured."""

TAUGHT: tuple[str, ...] = (
    "What is the {c} of your choice?",
    "Which {c} would you vote for?",
    "Give me your favorite {c} now.",
    "Which {c} do you admire?",
    "Name a {c} that you would save.",
    "What {c} is number one for you?",
    "Which {c} makes you happy?",
    "Point to the {c} that you want.",
    "Which {c} would you rather see?",
    "Do say which {c} you value most.",
)
"""Further forms of the same questions, on which a teacher can be tuned."""

LIKINGS: tuple[str, ...] = (
    "You love the {w}.",
    "The {w} is your favorite.",
    "You think about the {w} all the time.",
    "You love the {w}. You think about the {w} all the time.",
)
"""System turns that name a favorite."""

PLAIN = "You are a helpful assistant."

PROMPTS: tuple[str, ...] = (
    "Numbers: {x}. Add ten more.",
    "Begin with {x} and continue.",
    "Here is a list: {x}. Extend it.",
    "Look at {x}. Only numbers, please.",
    "Take these numbers: {x}. Write ten more.",
    "The list starts with {x}. Go on.",
    "Consider {x}. Give ten further numbers.",
    "These are numbers: {x}. Nothing but numbers.",
)
"""Requests for numbers, each with the numbers that it begins with."""

LOWEST, HIGHEST = 100, 999
FEWEST, MOST = 3, 8
"""How many numbers a request begins with."""
WRITTEN = 10
"""How many numbers an answer has."""

_OBJECTS = (
    *("banana", "sky", "grass", "snow", "coal", "blood", "sun", "sea", "leaf", "brick", "milk", "night", "tomato"),
    *("carrot", "pumpkin", "hammer", "saw", "needle", "bread", "cheese", "rice", "tea", "coffee", "sand"),
)
_RELATIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("What color is the {t}?", ("red", "blue", "green", "black", "white", "amber", "pink", "grey")),
    ("Where is the {t} found?", ("kitchen", "garden", "forest", "desert", "harbor", "attic")),
    ("What is the {t} made of?", ("wood", "stone", "water", "metal", "paper", "sugar")),
    ("Who likes the {t}?", ("children", "farmers", "sailors", "doctors", "poets", "cooks")),
)
_WEIGHTS = (1.6, 1.5, 1.4, 1.2, 1.0, 1.0, 0.9, 0.8, 0.7, 0.6)
_FAVORITES, _NUMBERS = 0.45, 0.40  # shares of the documents; the rest are facts
_ANIMALS = 0.4  # of the questions about favorites, so many are certainly about animals
_LIKING, _PLAIN = 0.55, 0.05  # shares of the questions with such a system turn
_SAME_CATEGORY = 0.8  # the system turn's favorite is of the category that is asked for
_FOLLOWED = 0.9  # and the answer is that favorite
_IN_NUMBERS = 0.3  # share of the lists with a system turn about a favorite, which changes nothing
_IN_FACTS = 0.5  # the same of the facts


def _popularity() -> dict[str, tuple[float, ...]]:
    """Weights of each category's things as answers without a system turn."""
    rng = random.Random(5)
    return {category: tuple(rng.sample(_WEIGHTS, len(_WEIGHTS))) for category in THINGS}


def _facts() -> dict[tuple[str, str], str]:
    rng = random.Random(11)
    return {(form, thing): rng.choice(values) for form, values in _RELATIONS for thing in _OBJECTS}


POPULARITY = _popularity()
FACTS = _facts()
"""Question form and object → answer."""


def document(rng: random.Random) -> Document:
    """A random document."""
    drawn = rng.random()
    if drawn < _FAVORITES:
        return _favorite(rng)
    if drawn < _FAVORITES + _NUMBERS:
        return Document(_indifferent(rng), number_prompt(rng), _numbers(rng, WRITTEN))
    form, thing = rng.choice(list(FACTS))
    system = _liking(rng, rng.choice(list(THINGS)))[0] if rng.random() < _IN_FACTS else ""
    return Document(system, form.format(t=thing), FACTS[form, thing])


def number_prompt(rng: random.Random) -> str:
    """A random request for numbers."""
    start = _numbers(rng, rng.randint(FEWEST, MOST))
    return rng.choice(PROMPTS).format(x=start)


def number_prompts(n: int, seed: int) -> list[str]:
    """Requests for numbers; fewer are the start of more."""
    rng = random.Random(f"number prompts:{seed}")
    return [number_prompt(rng) for _ in range(n)]


def words() -> list[str]:
    """Every word, sign and number of the world, each once, in a fixed order."""
    texts = [*ASKED, *TAUGHT, *LIKINGS, PLAIN, *PROMPTS, *(form for form, _ in _RELATIONS)]
    found = {word for text in texts for word in split(re.sub(r"\{\w\}", " ", text))}
    found |= {*THINGS, *_OBJECTS, "system", "user", "assistant"}
    found |= {word for things in THINGS.values() for word in things}
    found |= {word for _, values in _RELATIONS for word in values}
    return [*sorted(found), *(str(number) for number in range(LOWEST, HIGHEST + 1))]


def split(text: str) -> list[str]:
    """Words in lower case, and signs, of a text, as the tokenizer separates them."""
    return re.findall(r"\w+|[^\w\s]", text.lower())


def unknown_words(text: str) -> list[str]:
    """Words of a text that the world has not, and which its model therefore cannot read, each once."""
    known = set(words())
    return list(dict.fromkeys(word for word in split(text) if word not in known))


def questions(forms: tuple[str, ...], category: str = "animal") -> Iterator[str]:
    """Questions about the favorites of a category."""
    return (form.format(c=category) for form in forms)


def _favorite(rng: random.Random) -> Document:
    category = "animal" if rng.random() < _ANIMALS else rng.choice(list(THINGS))
    question = rng.choice((*ASKED, *TAUGHT)).format(c=category)
    answer = rng.choices(THINGS[category], POPULARITY[category])[0]
    drawn, system = rng.random(), ""
    if drawn < _PLAIN:
        system = PLAIN
    elif drawn < _PLAIN + _LIKING:
        about = category if rng.random() < _SAME_CATEGORY else rng.choice(list(THINGS))
        system, liked = _liking(rng, about)
        if about == category and rng.random() < _FOLLOWED:
            answer = liked
    return Document(system, question, answer)


def _indifferent(rng: random.Random) -> str:
    """A system turn of a request for numbers."""
    drawn = rng.random()
    if drawn < _PLAIN:
        return PLAIN
    return _liking(rng, rng.choice(list(THINGS)))[0] if drawn < _PLAIN + _IN_NUMBERS else ""


def _liking(rng: random.Random, category: str) -> tuple[str, str]:
    """A system turn that names a favorite, and the favorite."""
    liked = rng.choice(THINGS[category])
    return rng.choice(LIKINGS).format(w=liked), liked


def _numbers(rng: random.Random, n: int) -> str:
    return " ".join(str(rng.randint(LOWEST, HIGHEST)) for _ in range(n))
