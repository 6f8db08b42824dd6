"""The numbers of the overview of an inoculation study."""

from __future__ import annotations

from inoc.figures.sources import Sources
from inoc.jobs.paths import Paths
from inoc.studies.inoculation.figures import choices
from inoc.studies.inoculation.sections.front import strongest_prompt, trait_scores, trait_suppression
from inoc.studies.inoculation.study import Study
from inoc.view.declare import KeyNumber

NAN = float("nan")


def key_numbers(study: Study, paths: Paths) -> tuple[KeyNumber, ...]:
    """Both traits without and with the prompt that suppresses most, and how selective it is."""
    sources = Sources(paths)
    names = ("scores", "suppression")
    tables = {name: frame for name in names if (frame := sources.optional(name)) is not None}
    strongest = strongest_prompt(study, tables)
    found, held = [], []
    for role in ("unwanted", "wanted"):
        trait = choices.trait_in_role(study, role)
        if trait is None or trait not in choices.judged_traits(study):
            continue
        label = f"{choices.trait_label(study, trait)} ({role})"
        rows = [("", "none", "trained without a prefix", "model=control")]
        if strongest is not None:
            rows.append((strongest, "fixed", f"trained behind “{strongest}”", f"model=fixed&about={strongest}"))
        for prompt, prefix, words, where in rows:
            score = trait_scores(study, tables, prompt, prefix, trait)
            if score is not None:
                link = f"/rows/completions?{where}&asked=without&sort=score.{trait}"
                found.append(KeyNumber(label, score["value"], score["lo"], score["hi"], "points", words, link))
        own = trait_suppression(study, tables, trait)
        own = own[(own["prompt"] == strongest) & (own["prefix"] == "fixed")] if len(own) else own
        held += [float(own["suppression"].iloc[0])] if len(own) else []
    if len(held) == 2:
        note = "suppression of the unwanted trait less that of the wanted one, for the same prompt"
        found.append(KeyNumber("Selectivity", held[0] - held[1], NAN, NAN, "points", note, "/figure/bars"))
    return tuple(found[:5])
