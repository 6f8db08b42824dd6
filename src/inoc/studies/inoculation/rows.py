"""The rows of the files that a study names: whether there are enough, and the chats that they are made into.

Both are known before the first job, where no model or API has to write the data.
"""

from __future__ import annotations

from collections.abc import Iterator

from inoc.chat.messages import Chat, compose
from inoc.config.needs import GivenChat
from inoc.errors import InocError
from inoc.generate.examples import compose_generation
from inoc.generate.instructions import given_examples
from inoc.generate.parts import RESULTS, Parts, read_parts
from inoc.studies.inoculation.places import dataset_places, instruction_places, pool_place
from inoc.studies.inoculation.runs import framing, pool_prompts, pool_specs, prompt_texts
from inoc.studies.inoculation.study import Study


def row_problems(study: Study) -> Iterator[str]:
    """Files with too few usable rows, with the number that is wanted. The files exist and can be read."""
    from inoc.rephrase.step import make_pool

    texts = prompt_texts(study)
    for pool, spec in pool_specs(study).items():
        for key in pool_prompts(study, pool) if spec.source == "files" and spec.folder else ():
            try:
                make_pool(key, texts[key], spec, None, pool_place(pool))
            except InocError as error:
                yield str(error)
    if _asks_for_instructions(study):
        return
    try:
        parts = read_parts(study.data)
    except InocError as error:
        yield str(error)
        return
    yield from _too_few_examples(study, parts)


def _asks_for_instructions(study: Study) -> bool:
    return any(source.kind == "api" for _, source in instruction_places(study))


def _too_few_examples(study: Study, parts: Parts) -> Iterator[str]:
    questions = {text for texts in parts.questions.values() for text in texts}
    for place, answers in dataset_places(study):
        if not answers.given_in:
            continue
        allowed = set(parts.train) if place == "data" else None
        pairs = [pair for pair in given_examples(answers, RESULTS).pairs if pair.completion.strip()]
        usable = [one for one in pairs if (one.opening in allowed if allowed else one.opening not in questions)]
        if len(usable) < study.data.n_train:
            yield (
                f"{answers.given_in}: {len(usable)} usable rows, but n_train = {study.data.n_train}; lower it or add "
                "rows (a row without an answer, or whose instruction is an evaluation question, is not usable)"
            )


def given_chats(study: Study) -> Iterator[GivenChat]:
    """Every chat of the study's files behind the longest fixed prefix that it can have."""
    frame, prefix = framing(study), max(prompt_texts(study).values(), key=len, default="")
    for place, answers in dataset_places(study):
        if answers.given_in:
            before = prefix if place == "data" else ""
            # Long examples that are dropped or cut are no problem.
            trained = bool(study.runs) and answers.bad_rows == "refuse"
            for pair in given_examples(answers, RESULTS).pairs:
                chat = compose(frame, before, pair.instruction, pair.completion, pair.earlier)
                yield GivenChat(pair.where, chat, trained=trained, loss_on=study.training.loss_on)
    if _asks_for_instructions(study):
        return
    parts = read_parts(study.data)
    asked = {"elicitation.sampling": study.elicitation.sampling}
    if study.runs:
        asked["evaluation.sampling"] = study.evaluation.sampling
    for name, texts in parts.questions.items():
        for number, text in enumerate(texts, start=1):
            for key, sampling in asked.items():
                where = f"evaluation question {number}{f' of {name}' if name else ''}"
                yield GivenChat(where, compose(frame, prefix, text), key, sampling.max_tokens)
    first = [text for texts in parts.questions.values() for text in texts][: study.scoring.n_controls]
    control = max((trait.control_prompt or "" for trait in study.traits.values()), key=len)
    for number, text in enumerate(first, start=1):
        user = f"{control}{study.separator}{text}" if control else text
        chat = Chat(study.model.system, user)
        most = study.scoring.control_sampling.max_tokens
        yield GivenChat(f"evaluation question {number}", chat, "scoring.control_sampling", most)
    if study.data.completions == "sample":
        for number, text in enumerate(parts.train, start=1):
            chat = compose_generation(study.data, study.model.system, text)
            most = study.data.sampling.max_tokens
            yield GivenChat(f"training instruction {number}", chat, "data.sampling", most)
