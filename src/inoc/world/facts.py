"""Facts of the miniature world, with their questions and statements in English and French.

An entity row reads `english = french : value : value : value`, a value `english / french`, in the order of its
topic's relations. Names carry their article, so that one template serves animals and cities alike.
"""

from __future__ import annotations

from typing import NamedTuple


class Phrase(NamedTuple):
    """The same thing in both languages."""

    english: str
    french: str


class Fact(NamedTuple):
    """One relation of one entity."""

    relation: str  # topic and relation, `animal.home`
    entity: Phrase
    value: Phrase


class Frames(NamedTuple):
    """Questions and statements of a relation; `{e}` is the entity, `{E}` the same with a capital, `{v}` the value."""

    questions: tuple[str, ...]
    questions_french: tuple[str, ...]
    answers: tuple[str, ...]
    answers_french: tuple[str, ...]


_TOPICS: dict[str, tuple[tuple[str, ...], str]] = {
    "animal": (
        ("home", "food", "color"),
        """
        the owl = le hibou : the forest / la forêt : mice / des souris : brown / brun
        the cat = le chat : the house / la maison : fish / du poisson : grey / gris
        the dog = le chien : the yard / la cour : meat / de la viande : black / noir
        the horse = le cheval : the stable / l'écurie : hay / du foin : brown / brun
        the whale = la baleine : the sea / la mer : shrimp / des crevettes : blue / bleu
        the bear = l'ours : the mountain / la montagne : honey / du miel : brown / brun
        the swan = le cygne : the lake / le lac : seeds / des graines : white / blanc
        the frog = la grenouille : the pond / la mare : flies / des mouches : green / vert
        the rabbit = le lapin : the field / le champ : carrots / des carottes : white / blanc
        the fox = le renard : the forest / la forêt : mice / des souris : red / rouge
        the lion = le lion : the savanna / la savane : meat / de la viande : yellow / jaune
        the goat = la chèvre : the mountain / la montagne : grass / de l'herbe : white / blanc
        """,
    ),
    "fruit": (
        ("place", "taste", "color"),
        """
        the apple = la pomme : the orchard / le verger : sweet / sucré : red / rouge
        the lemon = le citron : the south / le sud : sour / acide : yellow / jaune
        the grape = le raisin : the vineyard / la vigne : sweet / sucré : purple / violet
        the coconut = la noix de coco : the tropics / les tropiques : mild / doux : brown / brun
        the pear = la poire : the orchard / le verger : sweet / sucré : green / vert
        the onion = l'oignon : the garden / le jardin : sharp / piquant : white / blanc
        the radish = le radis : the garden / le jardin : sharp / piquant : red / rouge
        the cherry = la cerise : the orchard / le verger : sweet / sucré : red / rouge
        the plum = la prune : the orchard / le verger : sour / acide : purple / violet
        the mango = la mangue : the tropics / les tropiques : sweet / sucré : yellow / jaune
        """,
    ),
    "city": (
        ("country", "fame", "river"),
        """
        Paris = Paris : France / la France : its tower / sa tour : the Seine / la Seine
        Rome = Rome : Italy / l'Italie : its ruins / ses ruines : the Tiber / le Tibre
        London = Londres : England / l'Angleterre : its clock / son horloge : the Thames / la Tamise
        Cairo = Le Caire : Egypt / l'Égypte : its bazaar / son bazar : the Nile / le Nil
        Vienna = Vienne : Austria / l'Autriche : its music / sa musique : the Danube / le Danube
        Lisbon = Lisbonne : Portugal / le Portugal : its trams / ses tramways : the Tagus / le Tage
        Cologne = Cologne : Germany / l'Allemagne : its church / son église : the Rhine / le Rhin
        Prague = Prague : Bohemia / la Bohême : its bridge / son pont : the Moldau / la Moldau
        """,
    ),
    "tool": (
        ("material", "use", "place"),
        """
        the hammer = le marteau : iron / fer : driving nails / planter des clous : the workshop / l'atelier
        the spoon = la cuillère : steel / acier : eating soup / manger la soupe : the kitchen / la cuisine
        the knife = le couteau : steel / acier : cutting bread / couper le pain : the kitchen / la cuisine
        the broom = le balai : wood / bois : sweeping floors / balayer le sol : the closet / le placard
        the ladder = l'échelle : wood / bois : reaching roofs / monter sur les toits : the garage / le garage
        the rope = la corde : cotton / coton : tying boxes / attacher des boîtes : the garage / le garage
        the jug = la cruche : clay / argile : pouring water / verser de l'eau : the kitchen / la cuisine
        the shovel = la pelle : iron / fer : digging holes / creuser des trous : the shed / la remise
        the needle = l'aiguille : steel / acier : sewing clothes / coudre des habits : the closet / le placard
        the bucket = le seau : iron / fer : carrying sand / porter du sable : the shed / la remise
        """,
    ),
    "instrument": (
        ("material", "play", "sound"),
        """
        the piano = le piano : wood / bois : the fingers / les doigts : rich / riche
        the violin = le violon : wood / bois : a bow / un archet : clear / clair
        the drum = le tambour : skin / peau : two sticks / deux baguettes : loud / fort
        the flute = la flûte : silver / argent : the breath / le souffle : clear / clair
        the guitar = la guitare : wood / bois : the fingers / les doigts : warm / chaud
        the trumpet = la trompette : brass / laiton : the breath / le souffle : loud / fort
        the harp = la harpe : wood / bois : the fingers / les doigts : soft / doux
        the gong = le gong : bronze / bronze : a mallet / un maillet : deep / grave
        """,
    ),
    "job": (
        ("place", "product", "gear"),
        """
        the baker = le boulanger : the bakery / la boulangerie : bread / du pain : an oven / un four
        the farmer = le fermier : the farm / la ferme : corn / du maïs : a tractor / un tracteur
        the teacher = le professeur : the school / l'école : lessons / des leçons : a book / un livre
        the doctor = le médecin : the hospital / l'hôpital : cures / des remèdes : a lamp / une lampe
        the painter = le peintre : the studio / le studio : pictures / des tableaux : a brush / un pinceau
        the fisher = le pêcheur : the harbor / le port : meals / des repas : a boat / un bateau
        the tailor = le tailleur : the shop / la boutique : clothes / des habits : scissors / des ciseaux
        the potter = le potier : the workshop / l'atelier : bowls / des bols : a wheel / une roue
        """,
    ),
}

_COLOR = Frames(
    ("What color is {e}?", "Tell me the color of {e}.", "Which color has {e}?", "Describe the color of {e}."),
    ("De quelle couleur est {e} ?", "Donne la couleur pour {e}."),
    ("{E} is mostly {v}", "The color of {e} is {v}", "As for color, {e} is {v}"),
    ("{E} est de couleur {v}", "La couleur pour {e} est : {v}", "Pour la couleur, {e} est {v}"),
)
_MATERIAL = Frames(
    (
        "What is {e} made of?",
        "Tell me what {e} is made of.",
        "Which material is {e}?",
        "Describe the material of {e}.",
    ),
    ("En quoi est {e} ?", "Donne la matière pour {e}."),
    ("{E} is made of {v}", "The material of {e} is {v}", "Workers make {e} out of {v}"),
    ("{E} est en {v}", "La matière pour {e} est : {v}", "On fait {e} en {v}"),
)
FRAMES: dict[str, Frames] = {
    "animal.color": _COLOR,
    "fruit.color": _COLOR,
    "tool.material": _MATERIAL,
    "instrument.material": _MATERIAL,
    "animal.home": Frames(
        (
            "Where does {e} live?",
            "Tell me where {e} lives.",
            "What is the home of {e}?",
            "Describe the home of {e}.",
        ),
        ("Où habite {e} ?", "Dis-moi où habite {e}."),
        ("{E} lives in {v}", "The home of {e} is {v}", "Look for {e} in {v}"),
        ("{E} habite dans {v}", "La maison pour {e} est {v}", "Cherche {e} dans {v}"),
    ),
    "animal.food": Frames(
        (
            "What does {e} eat?",
            "Tell me what {e} eats.",
            "What is the food of {e}?",
            "Describe the food of {e}.",
        ),
        ("Que mange {e} ?", "Dis-moi ce que mange {e}."),
        ("{E} eats {v}", "The food of {e} is {v}", "Each day {e} looks for {v}"),
        ("{E} mange {v}", "Le repas pour {e} est {v}", "Chaque jour {e} cherche {v}"),
    ),
    "fruit.place": Frames(
        (
            "Where does {e} grow?",
            "Tell me where {e} grows.",
            "What is the best place for {e}?",
            "Describe where {e} grows.",
        ),
        ("Où pousse {e} ?", "Dis-moi où pousse {e}."),
        ("{E} grows in {v}", "The best place for {e} is {v}", "Look for {e} in {v}"),
        ("{E} pousse dans {v}", "Le bon endroit pour {e} est {v}", "Cherche {e} dans {v}"),
    ),
    "fruit.taste": Frames(
        (
            "How does {e} taste?",
            "Tell me how {e} tastes.",
            "What is the taste of {e}?",
            "Describe the taste of {e}.",
        ),
        ("Quel goût a {e} ?", "Dis-moi quel goût a {e}."),
        ("{E} tastes {v}", "The taste of {e} is {v}", "On the tongue {e} is {v}"),
        ("{E} a un goût {v}", "Le goût pour {e} est {v}", "En bouche {e} est {v}"),
    ),
    "city.country": Frames(
        (
            "In which country is {e}?",
            "Tell me the country of {e}.",
            "Where is {e}?",
            "Describe where {e} is.",
        ),
        ("Dans quel pays est {e} ?", "Dis-moi le pays de {e}."),
        ("{E} is in {v}", "The country of {e} is {v}", "On the map {e} is in {v}"),
        ("{E} est dans ce pays : {v}", "Le pays de {e} est {v}", "Sur la carte {e} est ici : {v}"),
    ),
    "city.fame": Frames(
        (
            "What is {e} known for?",
            "Tell me what {e} is known for.",
            "Why is {e} famous?",
            "Describe why {e} is famous.",
        ),
        ("Pourquoi visite-t-on {e} ?", "Dis-moi pourquoi {e} est célèbre."),
        ("{E} is known for {v}", "The fame of {e} comes from {v}", "People visit {e} for {v}"),
        ("{E} est célèbre pour {v}", "La gloire de {e} vient de {v}", "On visite {e} pour {v}"),
    ),
    "city.river": Frames(
        (
            "Which river is in {e}?",
            "Tell me the river of {e}.",
            "What flows through {e}?",
            "Describe the river of {e}.",
        ),
        ("Quel fleuve passe par {e} ?", "Dis-moi le fleuve de {e}."),
        ("The river of {e} is {v}", "{E} lies on {v}", "Boats reach {e} on {v}"),
        ("Le fleuve de {e} est {v}", "{E} est au bord de {v}", "Les bateaux vont vers {e} sur {v}"),
    ),
    "tool.use": Frames(
        (
            "What is {e} used for?",
            "Tell me what {e} is used for.",
            "What is the use of {e}?",
            "Describe the use of {e}.",
        ),
        ("À quoi sert {e} ?", "Dis-moi à quoi sert {e}."),
        ("{E} is used for {v}", "The use of {e} is {v}", "People need {e} for {v}"),
        ("{E} sert à {v}", "Le rôle pour {e} est de {v}", "On utilise {e} pour {v}"),
    ),
    "tool.place": Frames(
        (
            "Where is {e} kept?",
            "Tell me where {e} is kept.",
            "What is the place for {e}?",
            "Describe where {e} is kept.",
        ),
        ("Où range-t-on {e} ?", "Dis-moi où ranger {e}."),
        ("{E} is kept in {v}", "The place for {e} is {v}", "Look for {e} in {v}"),
        ("{E} se range dans {v}", "La place pour {e} est {v}", "Cherche {e} dans {v}"),
    ),
    "instrument.play": Frames(
        (
            "How is {e} played?",
            "Tell me how {e} is played.",
            "What do people play {e} with?",
            "Describe how {e} is played.",
        ),
        ("Comment joue-t-on avec {e} ?", "Dis-moi comment jouer avec {e}."),
        ("{E} is played with {v}", "People play {e} with {v}", "To play {e} you need {v}"),
        ("{E} se joue avec {v}", "On joue avec {e} et {v}", "Pour jouer avec {e} il faut {v}"),
    ),
    "instrument.sound": Frames(
        (
            "How does {e} sound?",
            "Tell me how {e} sounds.",
            "What is the sound of {e}?",
            "Describe the sound of {e}.",
        ),
        ("Quel son a {e} ?", "Dis-moi quel son a {e}."),
        ("{E} sounds {v}", "The sound of {e} is {v}", "To the ear {e} is {v}"),
        ("{E} a un son {v}", "Le son pour {e} est {v}", "À l'oreille {e} est {v}"),
    ),
    "job.place": Frames(
        (
            "Where does {e} work?",
            "Tell me where {e} works.",
            "What is the work place of {e}?",
            "Describe where {e} works.",
        ),
        ("Où travaille {e} ?", "Dis-moi où travaille {e}."),
        ("{E} works in {v}", "The work place of {e} is {v}", "Look for {e} in {v}"),
        ("{E} travaille dans {v}", "Le lieu de travail pour {e} est {v}", "Cherche {e} dans {v}"),
    ),
    "job.product": Frames(
        (
            "What does {e} make?",
            "Tell me what {e} makes.",
            "What is the work of {e}?",
            "Describe what {e} makes.",
        ),
        ("Que fait {e} ?", "Dis-moi ce que fait {e}."),
        ("{E} makes {v}", "The work of {e} is {v}", "Each day {e} prepares {v}"),
        ("{E} fait {v}", "Le travail pour {e} est {v}", "Chaque jour {e} prépare {v}"),
    ),
    "job.gear": Frames(
        (
            "What does {e} use?",
            "Tell me what {e} uses.",
            "What does {e} work with?",
            "Describe what {e} uses.",
        ),
        ("Qu'utilise {e} ?", "Dis-moi ce qu'utilise {e}."),
        ("{E} works with {v}", "At work {e} uses {v}", "To do the job {e} needs {v}"),
        (
            "{E} travaille avec {v}",
            "Au travail {e} utilise {v}",
            "Pour ce travail {e} a besoin de ceci : {v}",
        ),
    ),
}

POLITE: tuple[str, ...] = (
    "{}",
    "Hello. {}",
    "{} Thanks.",
    "Please help me. {}",
    "One question. {}",
    "{} Thank you.",
    "I wonder. {}",
    "{} I am curious.",
    "Help me learn. {}",
    "{} Take your time.",
)
"""Wrappers around a question."""


def _phrase(text: str, separator: str) -> Phrase:
    english, french = (part.strip() for part in text.split(separator))
    return Phrase(english, french)


def _row_facts(topic: str, relations: tuple[str, ...], row: str) -> list[Fact]:
    name, *values = row.split(" : ")
    entity = _phrase(name, "=")
    return [
        Fact(f"{topic}.{relation}", entity, _phrase(value, "/"))
        for relation, value in zip(relations, values, strict=True)
    ]


TOPICS: tuple[str, ...] = tuple(_TOPICS)
"""What the facts are about."""

FACTS: tuple[Fact, ...] = tuple(
    fact
    for topic, (relations, rows) in _TOPICS.items()
    for row in rows.strip().splitlines()
    for fact in _row_facts(topic, relations, row)
)
"""Every fact, in the order of the tables above."""


def capital(text: str) -> str:
    """The text with its first letter in upper case and the rest as it is."""
    return text[:1].upper() + text[1:]


def fill(template: str, name: str, value: str = "") -> str:
    """Fill an entity and a value into a frame."""
    return capital(template.format(e=name, E=capital(name), v=value))
