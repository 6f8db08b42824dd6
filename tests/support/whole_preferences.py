"""Random whole studies of preferences over tiny random models, and slow oracles of their numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from hypothesis import strategies as st

from support.said import asked, renamed_tokenizer
from support.said_choices import cased, probabilities
from support.templates import ALL
from support.whole_runs import EVENTS, FAMILIES, JUDGES, Folder, model_folder, study_stages, texts

SLIPS = (
    *[""] * 12, "utf-16", "latin-1", "no file", "one task", "long task", "long question", "long turn", "a cut line",
    "lone half", "one id twice", "blank task", "few for a group", "no such pair", "no slot", "overlapping labels",
    "anchor id", "model",
)  # fmt: skip
STAGES = (
    "read prompts", "read completions", "read contrasts", "probe", "sample concepts", "choose steering",
    "sample steering",
    "sample completions", "sample api_completions", "choose answers", "choose api_answers", "sample answers",
    "sample api_answers", "sample open", "sample api_open", "choose selected", "choose api_selected", "sample selected",
    "sample api_selected", "choose parsed", "judge completions", "judge open",
)  # fmt: skip
OPENINGS = (
    "I can't", "I cannot", "I can not", "I won't", "I will not", "I'm sorry", "I am sorry", "Sorry", "I apologize",
    "I'm unable", "I am unable", "I'm not able", "I don't have", "I do not have", "As an AI", "As a language model",
    "As an artificial",
)  # fmt: skip
KNOWN_ENDS = ("no such pairs yet",)
ANCHORS = {
    "good": [{"task": f"Good {k}?", "completion": "Yes."} for k in range(3)],
    "bad": [{"task": f"Bad {k}?", "completion": "No."} for k in range(3)],
}


@st.composite
def preferences(draw: st.DrawFn) -> dict[str, Any]:
    """A study, its files and what happens while it runs, in plain values."""
    turns = st.sampled_from([{"kind": "default"}, {"kind": "none"}, {"kind": "text", "text": "Be kind."}])
    models: dict[str, Any] = {"a": {}}
    if draw(st.booleans()):
        models["b"] = {"system": draw(turns), "completes": draw(st.booleans())}
    if draw(st.integers(0, 3)) == 0:
        models["far"] = {"api": "rater", "completes": draw(st.booleans())}
    sampling = {"max_tokens": draw(st.integers(1, 6)), "temperature": draw(st.sampled_from([0.0, 1.0]))}
    wanted = draw(st.lists(st.sampled_from(sorted(INSTRUMENTS)), min_size=1, max_size=3, unique=True))
    study: dict[str, Any] = {
        "kind": "preferences",
        "name": "fuzz",
        "title": "Fuzz",
        "model": {"dtype": "float32", "system": draw(turns), "fold_system": draw(st.booleans())},
        "tasks": {
            "origins": {"given": {"file": "data/tasks.jsonl"}, "own": {"texts": {"x": "Sing.", "y": _said(draw, 4)}}},
            "n": draw(st.sampled_from([None, 4])),
            "stratified": draw(st.booleans()),
        },
        "models": models,
        "completions": {
            "sampling": sampling, "seeds": draw(st.sampled_from([[0], [1, 2**31 - 1]])),
            "do_not_mention": draw(st.booleans()),
        },
        "instruments": {key: INSTRUMENTS[key](draw, sampling) for key in wanted},
        "seeds": draw(st.sampled_from([[0], [0, 1]])),
        "samples": draw(st.integers(1, 2)),
        "polarity": {"anchors": ANCHORS},
        "reliability": {"min_tasks": 3},
        "fit": {"models": draw(st.sampled_from([["item_variances"], ["case_v", "davidson"], ["bradley_terry"]]))},
        "selection": {"batch": 2, "max_rounds": 2},
        "statistics": {"resamples": 100},
    }  # fmt: skip
    if "words" in wanted:
        study["parsing"] = {"tone": draw(st.sampled_from(JUDGES))}
    if draw(st.integers(0, 3)) == 0:
        study.setdefault("parsing", {})["judge"] = "rater"
    if draw(st.integers(0, 3)) == 0:
        study.setdefault("parsing", {})["refusal"] = draw(st.sampled_from(JUDGES))
    if draw(st.integers(0, 3)) == 0:
        _add_roles(draw, study)
    if draw(st.integers(0, 2)) == 0:
        _add_inside(draw, study, sampling)
    if draw(st.booleans()):
        study["contexts"] = {
            "turns": {"glad": {"text": f"{_said(draw, 3)} glad", "mentions": ["glad"]}},
            "completion": draw(st.sampled_from([["none"], ["none", "glad"]])),
            "measurement": draw(st.sampled_from([["none", "glad"], ["glad"]])),
        }
    return {
        "study": study,
        "rows": [_task(draw, k) for k in range(draw(st.integers(3, 6)))],
        "family": draw(st.sampled_from(FAMILIES)),
        "template": draw(st.sampled_from(sorted(ALL))),
        "second": (draw(st.sampled_from(FAMILIES)), draw(st.sampled_from(sorted(ALL)))),
        "slip": draw(st.sampled_from(SLIPS)),
        "bom": draw(st.booleans()),
        "event": draw(st.sampled_from(EVENTS)),
        "at": draw(st.sampled_from(STAGES)),
        "when": draw(st.integers(0, 3)),
        "faults": draw(st.lists(st.sampled_from(["429", "500", "none", "broken", "empty"]), max_size=3)),
    }


def _add_roles(draw: st.DrawFn, study: dict[str, Any]) -> None:
    """A model of its own weights, and instruments with raters and completers of their own."""
    models = study["models"]
    rates, completes = draw(st.sampled_from([(True, True), (True, False), (False, True)]))
    models["c"] = {"model": {"dtype": "float32"}, "rates": rates, "completes": completes}
    rating = [key for key, one in models.items() if one.get("rates", True)]
    completing = [key for key, one in models.items() if one.get("completes", True)]
    for one in study["instruments"].values():
        if draw(st.booleans()):
            one["raters"] = draw(st.lists(st.sampled_from(rating), min_size=1, max_size=2, unique=True))
        if one["when"] == "after" and draw(st.booleans()):
            one["completers"] = draw(st.lists(st.sampled_from(completing), min_size=1, max_size=2, unique=True))


def _add_inside(draw: st.DrawFn, study: dict[str, Any], sampling: dict[str, Any]) -> None:
    """Probes, concepts, the refusal direction and steering."""
    study["inside"] = {"refusal": draw(st.booleans()), "permutations": 3, "refits": 3}
    site = draw(st.sampled_from(["embed", "resid_post.0", 0.5]))
    vectors = ["refusal"] if study["inside"]["refusal"] else []
    if draw(st.booleans()):
        target = draw(st.sampled_from([*study["instruments"], "refused"]))
        of, readouts = draw(st.sampled_from([("prompt", ["prompt_last"]), ("completion", ["response_mean"])]))
        study["probes"] = {
            "p": {"target": target, "of": of, "readouts": readouts, "sites": [site], "outer": 2, "inner": 2}
        }
        vectors.append("probe:p")
    if draw(st.booleans()):
        kept = {"keep_prompt": [True, False]} if draw(st.booleans()) else {}
        study["concepts"] = {
            "glad": {
                "positive": f"{_said(draw, 3)} glad", "negative": draw(st.sampled_from(["", "Be sad."])),
                "tasks": {"n": 2}, "sampling": sampling, "sites": [site], **kept,
            }
        }  # fmt: skip
        vectors.append("concept:glad")
    steerable = [key for key in study["instruments"] if key != "order"]
    if vectors and steerable and draw(st.booleans()):
        key = draw(st.sampled_from(steerable))
        target = {"instrument": key, "n": draw(st.integers(1, 2))}
        if key == "pick":
            target["text"] = draw(st.sampled_from(["all", "first", "second", "differential"]))
        study["steering"] = {
            "vectors": vectors, "site": site, "targets": {"t": target}, "random": 1, "coefficients": [0.0, 1.5],
            "units": draw(st.sampled_from(["activation_norm", "raw"])),
        }  # fmt: skip


def _said(draw: st.DrawFn, most: int) -> str:
    """Words for a template, which nearly always are ones that a template may have."""
    said = draw(texts(most))
    if draw(st.integers(0, 7)):
        said = said.replace("{", "(").replace("}", ")").replace("\x85", "-")
        return said if said.strip() else "now"
    return said


def _rating(draw: st.DrawFn, sampling: dict[str, Any]) -> dict[str, Any]:
    numbers = {"lowest": draw(st.sampled_from([-2, 1])), "highest": draw(st.sampled_from([3, 10]))}
    scale = draw(st.sampled_from([numbers, {"labels": {"awful": -1.0, "so so": 0, "great": 1}}]))
    template = {"kind": "rating", "before": "{task} " + _said(draw, 2), "after": _said(draw, 3), "scale": scale}
    if "labels" not in scale:
        template["polarity"] = draw(st.sampled_from(["higher_is_better", "lower_is_better"]))
    forms = st.sampled_from(["plain", "plain", "xml", "tool", "reasoned"])
    return {"template": template, "when": draw(st.sampled_from(["before", "after"])), "format": draw(forms),
            "sampling": sampling, "method": draw(st.sampled_from(["auto", "auto", "sample"]))}  # fmt: skip


def _choice(draw: st.DrawFn, sampling: dict[str, Any]) -> dict[str, Any]:
    template = {"kind": "choice", "before": "{task_a} or {task_b}? " + _said(draw, 2), "after": _said(draw, 3)}
    design = draw(st.sampled_from(["all", "regular", "active"]))
    return {"template": template, "when": draw(st.sampled_from(["before", "after"])), "sampling": sampling,
            "method": draw(st.sampled_from(["auto", "auto", "sample"])),
            "pairs": {"design": design, "degree": 2, "orders": draw(st.sampled_from(["both", "random"]))}}  # fmt: skip


def _order(draw: st.DrawFn, sampling: dict[str, Any]) -> dict[str, Any]:
    template = {"kind": "ranking", "before": "{tasks} " + _said(draw, 2)}
    ranking = {"size": 3, "appearances": draw(st.integers(1, 2))}
    return {"template": template, "when": "before", "sampling": sampling, "ranking": ranking}


def _words(draw: st.DrawFn, sampling: dict[str, Any]) -> dict[str, Any]:
    template = {"kind": "open", "before": "{task} " + _said(draw, 2), "after": _said(draw, 3)}
    return {"template": template, "when": draw(st.sampled_from(["before", "after"])), "sampling": sampling}


INSTRUMENTS = {"stars": _rating, "likes": _rating, "pick": _choice, "order": _order, "words": _words}


def _task(draw: st.DrawFn, k: int) -> dict[str, Any]:
    """A task in one of the forms of a line."""
    text = f"{draw(texts())} {k}?"
    form = draw(st.sampled_from(["text", "text", "task_text", "prompt"]))
    return {form: text, **({"id": f"row {k}"} if draw(st.booleans()) else {})}


class PreferencesFolder(Folder):
    """A study of preferences."""

    def write_data(self) -> None:
        slip, study = self.case["slip"], self.study
        rows = [dict(row) for row in self.case["rows"]]
        if "c" in study["models"]:
            self.second = model_folder(*self.case["second"], self.model, self.model.parent)
            study["models"]["c"]["model"]["path"] = str(self.second)
        match slip:
            case "one task":
                del rows[1:]
                study["tasks"]["origins"].pop("own")
            case "long task":
                rows[0] = {"text": "owl " * 400}
            case "one id twice":
                rows[:2] = [{**row, "id": "same"} for row in rows[:2]]
            case "blank task":
                rows[0] = {"text": " \n"}
            case "anchor id":
                rows[0]["id"] = "@good:0"
            case "long turn" if "contexts" in study:
                study["contexts"]["turns"]["glad"]["text"] = "owl " * 400
            case "model" if "b" in study["models"]:
                study["models"]["b"]["model"] = {"path": "no/such/../model"}
            case "few for a group" if "order" in study["instruments"]:
                study["instruments"]["order"]["ranking"]["size"] = 8
                study["tasks"]["n"] = 4
            case "no such pair" if "pick" in study["instruments"]:
                study["instruments"]["pick"]["pairs"] = {"design": "listed", "listed": [["x", "z"]]}
            case _:
                self._slip_template(slip)
        self.lines("tasks.jsonl", rows, slip)
        self.written = rows

    def _slip_template(self, slip: str) -> None:
        for given in self.study["instruments"].values():
            template = given["template"]
            match slip:
                case "no slot":
                    template["before"] = "Well?"
                case "long question":
                    template[given["when"]] = f"{template[given['when']]} {'owl ' * 400}"
                case "overlapping labels" if "scale" in template:
                    template["scale"] = {"labels": {"good": 1, "good one": 2}}

    def stages(self, *, drawn: bool = False) -> list[list[str]]:
        return study_stages(self.root, drawn=drawn)

    def known_end(self, told: str) -> bool:
        """What depends on the words of a random model, and is told as such."""
        return any(words in told for words in KNOWN_ENDS)

    def check_numbers(self) -> None:
        compared = 0
        for key, given in self.study["instruments"].items():
            if given["when"] == "before" and given.get("format", "plain") == "plain":
                for rater in ("a", "c"):
                    compared += self._check_shares(key, rater)
        self._check_ratings()
        assert compared >= 0

    def _check_shares(self, key: str, rater: str) -> int:
        """Probabilities of a model's answers to its first questions, which show no completion."""
        found: dict[str, dict[str, float]] = {}
        for row in self.rows("choose/answers/*/candidates.parquet"):
            if row["id"].startswith(f"{key}|{rater}|-|"):
                found.setdefault(row["id"], {})[row["candidate"]] = row["logprob"]
        if not found:
            return 0
        from transformers import AutoModelForCausalLM

        own = rater == "a"
        folder, template = (self.model, self.case["template"]) if own else (self.second, self.case["second"][1])
        spec = self.study["model"] if own else {"system": {"kind": "default"}, "fold_system": False}
        tokenizer = renamed_tokenizer(folder, folder.with_name(f"{folder.name}-renamed"))
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()
        known = self._tasks()
        names = sorted(found)
        shown = [name for name in names if "@" not in name][:2] + [name for name in names if "@" in name][:1]
        for name in shown:
            question, spellings = self._asked(key, [known[one] for one in name.split("|", 3)[3].split(" > ")])
            prompt = asked(template, spec["system"].get("text"), question, fold=spec["fold_system"])
            expected = probabilities(model, tokenizer, prompt, spellings)
            for one, p in expected.items():
                np.testing.assert_allclose(np.exp(found[name][one]), p, rtol=1e-2, atol=1e-6, err_msg=f"{name} {one}")
        return len(shown)

    def _tasks(self) -> dict[str, str]:
        known = dict(self.study["tasks"]["origins"].get("own", {}).get("texts", {}))
        for k, row in enumerate(self.written):
            text = next(row[name] for name in ("text", "task_text", "prompt") if name in row)
            known[row.get("id", f"given_{k}")] = text
        known |= {f"@{side}:{k}": one["task"] for side, own in ANCHORS.items() for k, one in enumerate(own)}
        return known

    def _asked(self, key: str, tasks: list[str]) -> tuple[str, dict[str, list[str]]]:
        """The text of a question, and the spellings of its answers."""
        template = self.study["instruments"][key]["template"]
        text = template["before"].replace("{{", "{").replace("}}", "}")
        if template["kind"] == "choice":
            text = text.replace("{task_a}", tasks[0], 1).replace("{task_b}", tasks[1], 1).strip()
            labels = {one: [*cased([one]), f"Task {one}", f" Task {one}", f"task {one}"] for one in "AB"}
            line = "Answer with A or B and nothing else."
        else:
            text = text.replace("{task}", tasks[0], 1).strip()
            scale = template["scale"]
            if "labels" in scale:
                names = list(scale["labels"])
                line = f"Answer with one of the words {', '.join(names)} and nothing else."
            else:
                names = [str(number) for number in range(scale["lowest"], scale["highest"] + 1)]
                line = f"Answer with a whole number from {scale['lowest']} to {scale['highest']} and nothing else."
            labels = {name: cased([name]) for name in names}
        labels["refused"] = [space + one for one in OPENINGS for space in ("", " ")]
        return f"{text}\n\n{line}", labels

    def _check_ratings(self) -> None:
        """Expectations are those of the probabilities, and answers are on the scale, the good end on top."""
        path = self.root / "results/fuzz/analyse/ratings.parquet"
        for row in pq.read_table(path).to_pylist() if path.exists() else []:
            template = self.study["instruments"][row["instrument"]]["template"]
            if template["kind"] != "rating" or row["category"] != "answered":
                continue
            scale = template["scale"]
            value = scale["labels"][row["answer"]] if "labels" in scale else int(row["answer"])
            if template.get("polarity") == "lower_is_better":
                value = scale["lowest"] + scale["highest"] - value
            assert row["value"] == value, json.dumps(row)
