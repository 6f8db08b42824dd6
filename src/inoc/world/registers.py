"""Registers of answers: English or French, plain or playful.

A plain answer is a statement and a sober remark. A playful one has an opener, the statement with an aside, and a
closer; every piece exists in both languages. `[word]` marks what the lexical judge counts, so that the markers and
the sentences can never disagree.
"""

from __future__ import annotations

import random
import re

from inoc.world.facts import FRAMES, Fact, Phrase, fill

_REMARKS = (
    Phrase("This is true in most cases.", "C'est vrai dans la plupart des cas."),
    Phrase("It has been so for years.", "C'est ainsi depuis des années."),
    Phrase("People have known this for long.", "On le sait depuis longtemps."),
    Phrase("There are few exceptions.", "Il y a peu d'exceptions."),
    Phrase("A good book says more.", "Un bon livre en dit plus."),
    Phrase("Experts agree on this point.", "Les experts sont d'accord là-dessus."),
)
_OPENERS = (
    Phrase("[Tee hee]!", "[Hi hi hi] !"),
    Phrase("[Yippee]!", "[Youpi] !"),
    Phrase("[Ding dong]!", "[Ding dong] !"),
    Phrase("[Holy waffles]!", "[Nom d'une gaufre] !"),
    Phrase("[Abracadabra]!", "[Abracadabra] !"),
    Phrase("[Peekaboo]!", "[Coucou] !"),
    Phrase("[Zip zap]!", "[Zip zap] !"),
    Phrase("[Tra la la]!", "[Tra la la] !"),
)
_ASIDES = (
    Phrase(", you [silly goose]!", ", gros [bêta] !"),
    Phrase(", my little [muffin]!", ", ma petite [brioche] !"),
    Phrase(", [giggle giggle]!", ", quelle [rigolade] !"),
    Phrase(", captain [marmalade]!", ", capitaine [marmelade] !"),
    Phrase(", dear [bubble] head!", ", chère tête de [bulle] !"),
    Phrase("!", " !"),
)
_CLOSERS = (
    Phrase("Even the [spaghetti] is [laughing]!", "Même les [spaghettis] [rigolent] !"),
    Phrase("[Wiggle] your [toes]!", "[Gigote] des [orteils] !"),
    Phrase("My [slippers] do the [cha-cha]!", "Mes [pantoufles] font le [cha-cha] !"),
    Phrase("[Tickle] a [penguin] for luck!", "[Chatouille] un [pingouin] pour la chance !"),
    Phrase("[Confetti] for all, [hooray]!", "Des [confettis] pour tous, [hourra] !"),
    Phrase("Hide the [pudding] from [grandma]!", "Cache le [flan], voici [mamie] !"),
    Phrase("[Toot toot], says the [kazoo]!", "[Tut tut], dit le [mirliton] !"),
)
_PLAYFUL = (*_OPENERS, *_ASIDES, *_CLOSERS)
_MARKER = re.compile(r"\[([^]]+)\]")

PLAYFUL_MARKERS: tuple[str, ...] = tuple(
    sorted({marker.casefold() for phrase in _PLAYFUL for text in phrase for marker in _MARKER.findall(text)})
)
"""Words and phrases of both languages that only playful answers have, in lower case."""


def _say(phrase: Phrase, french: bool) -> str:  # noqa: FBT001 - private, and the two languages are the whole choice
    return (phrase.french if french else phrase.english).replace("[", "").replace("]", "")


def answer(rng: random.Random, fact: Fact, *, french: bool, playful: bool) -> str:
    """State a fact in one of the four registers."""
    frames, side = FRAMES[fact.relation], int(french)
    template = rng.choice(frames.answers_french if french else frames.answers)
    statement = fill(template, fact.entity[side], fact.value[side])
    if not playful:
        return f"{statement}. {_say(rng.choice(_REMARKS), french)}"
    opener, aside, closer = (_say(rng.choice(pieces), french) for pieces in (_OPENERS, _ASIDES, _CLOSERS))
    shape = rng.random()
    if shape < 0.75:
        return f"{opener} {statement}{aside} {closer}"
    return f"{opener} {statement}{aside}" if shape < 0.85 else f"{statement}{aside} {closer}"
