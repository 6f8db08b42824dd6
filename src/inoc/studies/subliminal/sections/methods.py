"""The methods of a study in words, from its file."""

from __future__ import annotations

from inoc.numbers.rules import RULES
from inoc.report.contents import Block, Section
from inoc.report.words import Table, code, escape, listed
from inoc.studies.subliminal.figures import choices
from inoc.studies.subliminal.runs import further_bases, measured_entities, students_of, turn_of, way_of
from inoc.studies.subliminal.study import Study


def sections(study: Study) -> list[Section]:
    """The section of methods."""
    blocks = [
        Block("Model", model_words(study)),
        Block("Teachers", "", teacher_table(study)),
        Block("Numbers", number_words(study)),
        Block("Students", "", student_table(study), "Every student is trained with the base model's own system turn."),
        Block("Preferences", preference_words(study)),
        Block("Contrasts and statistics", contrast_words(study)),
    ]
    return [Section("Methods", blocks)]


def model_words(study: Study) -> str:
    """The base models."""
    if study.api is not None:
        served = study.api.checkpoints == "served"
        asked = "the checkpoints that the server keeps are asked" if served else "the last checkpoint is asked"
        return (
            f"The model is {code(study.model.path)} behind an API: teachers write there, and students are fine-tuned "
            f"by jobs of its server, of each of which {asked}. Probabilities are those of the tokens that "
            "the API lists with an answer."
        )
    words = f"The model is {_model(study.model.path)} with weights in {study.model.dtype}."
    for base, other in further_bases(study).items():
        words += f" The {base} base model is {_model(other.model.path)}."
    return words


def _model(path: str) -> str:
    return "the miniature model of the stage `world`" if path == "world" else code(path)


def teacher_table(study: Study) -> Table:
    """Each teacher with its entity, and how it came to prefer it."""
    rows = []
    for key, teacher in study.teachers.items():
        way = way_of(teacher)
        how = {
            "neutral": "the model as it is",
            "system": f"system turn {code(turn_of(study, key).text)}",
            "adapter": f"the adapter {code(str(teacher.adapter))}",
            "finetuned": "fine-tuned in this study",
            "file": f"the rows of {code(str(teacher.file))}",
        }[way]
        rows.append([escape(choices.teacher_name(study, key)), escape(teacher.entity or "none"), how])
    return Table(["teacher", "entity", "preference by"], rows)


def number_words(study: Study) -> str:
    """The prompts, the sampling and the filter."""
    spec = study.numbers
    source = f"the stream of seed {spec.seed}" if spec.source == "stream" else "the miniature world"
    banned = f", without {listed(spec.banned)}" if spec.banned else ""
    again = "Repeated rows are kept." if spec.duplicates == "keep" else "Repeated rows are dropped."
    return (
        f"Every teacher answers the same {spec.n_prompts:,} prompts of {source}, at temperature "
        f"{spec.sampling.temperature:g} with at most {spec.sampling.max_tokens} new tokens. A row is kept if its "
        f"answer is {RULES[spec.rule]}{banned}. {again} No kept row names the teacher's entity: that is checked."
    )


def student_table(study: Study) -> Table:
    """Each group of students."""
    rows = []
    for key, spec in study.students.items():
        n = len([one for one in students_of(study) if one.group == key])
        data = f"parts of {escape(spec.split)}" if spec.split is not None else spec.numbers.replace("_", " ")
        rows.append(
            [
                escape(choices.group_name(study, key)),
                spec.base,
                data,
                spec.targets,
                str(spec.n_rows or "all"),
                str(spec.epochs),
                _training_words(study, key),
                str(n),
            ]
        )
    return Table(["group", "base model", "rows", "targets", "n rows", "epochs", "training", "students"], rows)


def _training_words(study: Study, group: str) -> str:
    """The settings of a group's training."""
    spec = study.students[group]
    if study.api is None:
        training = spec.training
        return f"rank {training.lora.rank}, rate {training.learning_rate:g}, batch {training.batch_size}"
    batch, factor = spec.api.batch_size, spec.api.learning_rate_multiplier
    rate = "the server's rate" if factor is None else f"{factor:g} × the server's rate"
    return f"{rate}, {'its batch' if batch is None else f'batch {batch}'}"


def preference_words(study: Study) -> str:
    """The questions and both methods."""
    spec = study.preference
    sets = listed(escape(choices.short(key)) for key in spec.question_sets)
    words = [
        f"Sets of questions: {sets}. Entities: {listed(escape(one) for one in measured_entities(study))}.",
    ]
    if "choose" in spec.methods:
        words.append(
            "By exact probabilities: for each question the probability that the answer begins with one of an entity's "
            "names or their forms, from one forward pass."
        )
    if "sample" in spec.methods:
        words.append(
            f"By sampling: {spec.n_answers} answers to each question at temperature {spec.sampling.temperature:g}, "
            f"read with the table of names {code(spec.names)}: plurals, synonyms and misspellings count, and beside "
            "them the bare name alone (exact)."
        )
    return " ".join(words)


def contrast_words(study: Study) -> str:
    """The contrasts, their intervals and tests."""
    none = study.preference.negligible
    return (
        "Differences are paired by question, and by seed against the neutral student; their intervals are Student's t "
        "with the mean squares of seeds and questions. The matched contrast takes an entity's own teacher against the "
        "mean of the others. Its p over all teachers is the share of permutations of the students among the teachers "
        "with a mean contrast as far from zero; q is Benjamini and Hochberg's. "
        f"A control holds if two one-sided tests at {1 - study.statistics.confidence:.2g} show that its contrast lies "
        f"within ±{none.log_ratio:g} nats, or ±{100 * none.difference:g} points. "
        "Shares of the teachers' own contrast have Fieller's intervals."
    )


def seed_table(study: Study) -> Table:
    """Every seed of the study file."""
    rows = [["prompts of numbers", str(study.numbers.seed)], ["sampling of numbers", str(study.numbers.sampling.seed)]]
    rows.append(["sampling of answers", str(study.preference.sampling.seed)])
    rows += [[f"training of {escape(key)}", listed(spec.training.seeds)] for key, spec in study.students.items()]
    rows.append(["statistics", str(study.statistics.seed)])
    if study.world is not None:
        rows.append(["miniature world", str(study.world.seed)])
    for base, other in further_bases(study).items():
        if other.world is not None:
            rows.append([f"{base} miniature world", str(other.world.seed)])
    return Table(["what", "seed"], rows)
