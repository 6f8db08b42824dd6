"""The command line: one verb per stage, and a few to look at a study and its store.

Nothing heavy is imported before a verb has been chosen and its study has been found right.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from inoc.errors import InocError, did_you_mean
from inoc.stages import PACKAGES
from inoc.trouble import explanation

STAGES = {
    "world": "make the miniature world: corpus, tokenizer, a small model pre-trained from scratch",
    "generate": "sample training examples and control completions, split off evaluation instructions",
    "rephrase": "make a pool of rephrasings for each prompt",
    "embed": "sentence embeddings of each prompt and its rephrasings",
    "elicit": "sample the untrained model with and without each prefix",
    "score": "log-probability of every response token, without prefix, with it, with a mix",
    "train": "fine-tune an adapter per prompt, prefix, learning rate and seed",
    "evaluate": "sample completions from every checkpoint",
    "judge": "score completions with the study's judges",
    "analyse": "compute the tables: elicitation, predictors, suppression, gate",
    "figures": "draw the figures",
    "report": "write the appendix page",
}
PARTS = {"judge": ("elicit", "evaluate")}


class Parser(argparse.ArgumentParser):
    """A parser whose complaints name the nearest thing that it would accept."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, what would be accepted, and stop with status 2."""
        wrong = message.rpartition("unrecognized arguments: ")[2].split()
        if "unrecognized arguments" in message and wrong:
            message += did_you_mean(wrong[0].partition("=")[0], options_of(self))
        elif "invalid choice: '" in message:
            value = message.partition("invalid choice: '")[2].partition("'")[0]
            choices = [c for a in self._actions if a.choices for c in a.choices]
            message += did_you_mean(value, choices)
        self.exit(2, f"{self.prog}: {message}\nTry: {self.prog} --help\n")


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """All flags of a parser and of the verbs below it."""
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found = found.union(*(options_of(verb) for verb in action.choices.values()))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb; problems that have a cure end with one message and status 1."""
    write_in_any_locale()
    options = parser().parse_args(arguments)
    log = None
    try:
        log = open_log(options.log) if getattr(options, "log", None) else None
        options.run(options)
    except InocError as error:
        print(f"inoc: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)
    except BaseException as error:
        words = explanation(error)
        if words is None:  # a mistake in the program: its traceback is of use
            raise
        print(f"inoc: {words}", file=sys.stderr)
        sys.exit(130 if isinstance(error, KeyboardInterrupt) else 1)
    finally:
        if log is not None:
            log.close()


def write_in_any_locale() -> None:
    """Let messages be written where the locale lacks a character of theirs, with an escape in its place."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = Parser(
        prog="inoc",
        description="What training data and prompts do to a language model's behaviour.",
        epilog="A study is a file in config/studies, given by name or path. `snakemake` runs all stages of a study; "
        "each verb runs one of them.",
    )
    top.add_argument("--version", action="store_true", help="print the version and stop")
    top.set_defaults(run=_no_verb, top=top)
    verbs = top.add_subparsers(metavar="VERB", parser_class=Parser)
    for stage, text in STAGES.items():
        verb = verbs.add_parser(stage, help=text, description=f"{text[0].upper()}{text[1:]}.")
        add_study(verb)
        if stage in PARTS:
            verb.add_argument("part", choices=PARTS[stage], help="whose completions")
        if stage in {"elicit", "score", "train", "evaluate"}:
            verb.add_argument("--shard", help="one shard, as 3 or 3/8 (default: all, one after the other)")
        if stage == "train":
            verb.add_argument(
                "--gpus", type=positive, metavar="N", help="GPUs that train one run together (default: config.yaml's)"
            )
        if stage == "figures":
            verb.add_argument(
                "--jobs", type=positive, metavar="N", help="how many to draw at the same time (default: all cores)"
            )
        verb.add_argument("--store", help="folder of the store (default: config.yaml's)")
        verb.add_argument("--log", type=Path, help="also write messages to this file")
        verb.set_defaults(run=_run_stage, stage=stage)
        if stage == "analyse":
            _add_table(verb)
    _add_status(verbs)
    _add_plan(verbs)
    _add_store(verbs)
    _add_config(verbs)
    _add_import(verbs)
    return top


def positive(text: str) -> int:
    """A whole number of 1 or more."""
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, not {text!r}")
    return int(text)


def _add_table(verb: argparse.ArgumentParser) -> None:
    """What `inoc analyse heuristics STUDY_OR_TABLE` takes."""
    verb.usage = (
        "inoc analyse STUDY [--config FOLDER] [--store FOLDER] [--log FILE]\n"
        "       inoc analyse heuristics STUDY_OR_TABLE [--protocol fair|published] [--out FILE.csv]"
    )
    verb.epilog = (
        "`inoc analyse heuristics` prints how well each heuristic tells the suppression: of a study that has been "
        "analysed, or of a table file (.csv). The protocol `fair` gives all heuristics the same rows, own and other "
        "traits apart, with the prompt as the unit; `published` pools rows as the earlier study did."
    )
    verb.add_argument("table", nargs="?", type=Path, metavar="STUDY_OR_TABLE", help="after `heuristics`: whose")
    verb.add_argument("--protocol", choices=("fair", "published"), default="fair", help="default: fair")
    verb.add_argument("--out", type=Path, metavar="FILE.csv", help="also write all columns to this file")
    verb.set_defaults(run=_analyse)


def add_study(verb: argparse.ArgumentParser) -> None:
    """The arguments that every verb about a study has."""
    verb.add_argument("study", help="name of a file in config/studies, or a path")
    verb.add_argument("--config", type=Path, default=Path("config"), help="folder of config.yaml (default: config)")


def _add_status(verbs: argparse._SubParsersAction[Parser]) -> None:
    verb = verbs.add_parser("status", help="what of a study is finished, running, failed and left")
    add_study(verb)
    verb.set_defaults(run=_status)


def _add_plan(verbs: argparse._SubParsersAction[Parser]) -> None:
    verb = verbs.add_parser("plan", help="what a study will take: jobs, tokens, GPU-hours, API calls, dollars, disk")
    add_study(verb)
    verb.add_argument("--gpu", default="h200", help="whose rates: h200 (measured), h100, a100 or l40s (default: h200)")
    verb.add_argument(
        "--response-tokens", type=float, metavar="N", help="mean length of responses (default: measured, or else 350)"
    )
    verb.set_defaults(run=_plan)


def _add_store(verbs: argparse._SubParsersAction[Parser]) -> None:
    store = verbs.add_parser("store", help="look into the store of computed units: explain, gc")
    what = store.add_subparsers(metavar="WHAT", required=True, parser_class=Parser)
    explain = what.add_parser(
        "explain", help="which units of a stage are there; for others, what differs and from what"
    )
    add_study(explain)
    explain.add_argument("stage", choices=("world", "generate", "embed", "elicit", "score", "train", "evaluate"))
    explain.add_argument("--shard", help="only this shard, as 3 or 3/8")
    explain.add_argument("--missing", action="store_true", help="only units that are not there")
    explain.set_defaults(run=_store_explain)
    gc = what.add_parser("gc", help="list, and with --delete remove, what no study needs any more")
    gc.add_argument("--config", type=Path, default=Path("config"), help="folder of config.yaml (default: config)")
    gc.add_argument("--delete", action="store_true", help="really remove")
    gc.add_argument("--grace", type=float, default=3600.0, metavar="S", help="keep what is younger (default: 3600 s)")
    gc.set_defaults(run=_store_gc)


def _add_config(verbs: argparse._SubParsersAction[Parser]) -> None:
    config = verbs.add_parser("config", help="check study files; write what is generated from the models")
    what = config.add_subparsers(metavar="WHAT", required=True, parser_class=Parser)
    check = what.add_parser("check", help="check a study file and its inputs, and say how much it would run")
    add_study(check)
    check.set_defaults(run=_config_check)
    generate = what.add_parser("generate", help="write schemas, config.yaml and the reference page")
    generate.add_argument("--check", action="store_true", help="only say whether they are in step")
    generate.set_defaults(run=_config_generate)


def _add_import(verbs: argparse._SubParsersAction[Parser]) -> None:
    verb = verbs.add_parser("import", help="read somebody's released results, so that they can be analysed")
    what = verb.add_subparsers(metavar="WHAT", required=True, parser_class=Parser)
    release = what.add_parser("trait-inoculation", help="a checkout of that study's repository, or part of one")
    tables = what.add_parser("tables", help="a study file and tables of scores and log-probabilities")
    for one, name in ((release, "trait-inoculation"), (tables, "tables")):
        one.add_argument("path", type=Path, help="the folder to read")
        one.add_argument("--study", required=True, metavar="NAME", help="name of the study to make")
        one.add_argument("--out", type=Path, default=Path("config/studies"), help="folder of study files")
        one.add_argument("--replace", action="store_true", help="replace an earlier import of this name")
        one.set_defaults(run=_import, what=name)
    release.add_argument("--step", type=int, help="the last step to use (default: the largest)")
    release.add_argument("--pair", help="which pair of traits, if there are results of several")
    release.add_argument("--experiment", default="main", help="main (default), prefix_sweep or lr_sweep")


def _import(options: argparse.Namespace) -> None:
    from inoc.studies.inoculation.released.verb import import_results

    import_results(options)


def _no_verb(options: argparse.Namespace) -> None:
    if options.version:
        from inoc import __version__

        print(f"inoc {__version__}")
        return
    options.top.print_help()


def open_log(path: Path) -> Tee:
    """Write messages to a file too."""
    return Tee(path)


class Tee:
    """Standard error that also goes to a file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        self._stream = sys.stderr
        sys.stderr = self

    def write(self, text: str) -> int:
        """Write to both."""
        self._to_file(text)
        return self._stream.write(text)

    def flush(self) -> None:
        """Flush both."""
        self._to_file("")
        self._stream.flush()

    def _to_file(self, text: str) -> None:
        """Write to the file as long as that can be done: a full disk must not hide the message that it is full."""
        with contextlib.suppress(OSError):
            self._file.write(text)
            self._file.flush()

    def isatty(self) -> bool:
        """Whether the terminal side is one."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The terminal side's descriptor, for child processes."""
        return self._stream.fileno()

    def close(self) -> None:
        """Give standard error back."""
        if sys.exc_info()[0] not in (None, SystemExit):  # what ends with a message has said all
            self._to_file(traceback.format_exc())
        sys.stderr = self._stream
        with contextlib.suppress(OSError):
            self._file.close()


def _run_stage(options: argparse.Namespace) -> None:
    from inoc.jobs.context import make_jobs
    from inoc.jobs.manifest import write_manifest

    for job, settings in make_jobs(options.study, options.config, options.stage, options):
        step = importlib.import_module(f"{PACKAGES[options.stage]}.step")
        version = importlib.import_module(PACKAGES[options.stage]).VERSION
        started = time.monotonic()
        summary = str(step.run(job))
        write_manifest(job, settings, version, time.monotonic() - started, summary)
        print(f"{job.study.name}: {job.name}: {summary}", file=sys.stderr)


def _analyse(options: argparse.Namespace) -> None:
    from inoc.errors import ConfigError

    if options.study != "heuristics" and options.table is None and options.out is None:
        _run_stage(options)
        return
    if options.study != "heuristics" or options.table is None:
        msg = (
            "heuristics are judged by: inoc analyse heuristics STUDY_OR_TABLE [--protocol fair|published] "
            "[--out FILE.csv]; a study is analysed by: inoc analyse STUDY"
        )
        raise ConfigError(msg)
    from inoc.studies.inoculation.analyse.verb import print_heuristics

    print_heuristics(options)


def _status(options: argparse.Namespace) -> None:
    from inoc.jobs.status import print_status

    print_status(options.study, options.config)


def _plan(options: argparse.Namespace) -> None:
    from inoc.config.load import load_study, load_workflow
    from inoc.jobs.context import RESULTS
    from inoc.jobs.paths import Paths
    from inoc.jobs.plan import print_plan

    study, workflow = load_study(options.study, options.config), load_workflow(options.config / "config.yaml")
    print_plan(study, workflow, Paths(RESULTS, study.name), options.gpu, options.response_tokens)


def _store_explain(options: argparse.Namespace) -> None:
    from inoc.jobs.context import print_explanations

    print_explanations(options.study, options.config, options.stage, options)


def _store_gc(options: argparse.Namespace) -> None:
    from inoc.jobs.context import print_garbage

    print_garbage(options.config, delete=options.delete, grace_s=options.grace)


def _config_check(options: argparse.Namespace) -> None:
    from inoc.config.load import check_api, check_inputs, load_study, load_workflow
    from inoc.studies.inoculation.runs import prompt_texts, study_runs, total_steps

    study = load_study(options.study, options.config)
    check_inputs(study, Path())
    workflow = load_workflow(options.config / "config.yaml")
    check_api(study, workflow.api, engine_spec=workflow.engine_api)
    runs = f"{len(study_runs(study))} runs of {total_steps(study)} steps"
    print(
        f"{study.name}: {len(prompt_texts(study))} prompts, {runs}, "
        f"{study.data.n_train} training examples, {study.data.n_eval} evaluation instructions"
    )


def _config_generate(options: argparse.Namespace) -> None:
    from inoc.config.generate import write_generated

    written = write_generated(Path(), check=options.check)
    print("in step" if options.check else "\n".join(str(path) for path in written))


if __name__ == "__main__":
    main()
