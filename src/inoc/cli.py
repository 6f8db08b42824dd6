"""The command line: one verb per stage, and a few to look at a study and its store.

Nothing heavy is imported before a verb has been chosen and its study has been found right.
"""

from __future__ import annotations

import argparse
import importlib
import io
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from inoc.errors import InocError, did_you_mean
from inoc.stages import Stage, all_stages, kinds, load, parts_of
from inoc.trouble import explanation

if TYPE_CHECKING:
    from inoc.jobs.log import Tee


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
        log = _open_log(options.log) if getattr(options, "log", None) else None
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


def _open_log(path: Path) -> Tee:
    from inoc.jobs.log import open_log

    return open_log(path)


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
    stages = all_stages()
    added = {name: _add_stage(verbs, stage) for name, stage in stages.items()}
    for kind in kinds():
        if kind.commands:
            load(kind.commands)(added)
    _add_status(verbs)
    _add_plan(verbs)
    _add_store(verbs)
    _add_config(verbs)
    _add_import(verbs)
    return top


def _add_stage(verbs: argparse._SubParsersAction[Parser], stage: Stage) -> Parser:
    """The verb of a stage."""
    verb = verbs.add_parser(stage.name, help=stage.help, description=f"{stage.help[0].upper()}{stage.help[1:]}.")
    add_study(verb)
    if parts := parts_of(stage.name):
        verb.add_argument("part", choices=parts, help="of which stage")
    if stage.shards:
        verb.add_argument("--shard", help="one shard, as 3 or 3/8 (default: all, one after the other)")
    for option in stage.options:
        verb.add_argument(f"--{option.flag}", type=positive, metavar="N", help=option.help)
    verb.add_argument("--store", help="folder of the store (default: as in config.yaml)")
    verb.add_argument("--log", type=Path, help="also write messages to this file")
    verb.set_defaults(run=run_stage, stage=stage.name)
    return verb


def positive(text: str) -> int:
    """A whole number of 1 or more."""
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, not {text!r}")
    return int(text)


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
    explain.add_argument("stage", choices=[name for name, stage in all_stages().items() if stage.computes])
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
    for kind in kinds():
        if kind.imports:
            load(kind.imports)(what)


def _no_verb(options: argparse.Namespace) -> None:
    if options.version:
        from inoc import __version__

        print(f"inoc {__version__}")
        return
    options.top.print_help()


def run_stage(options: argparse.Namespace) -> None:
    """Run the jobs of a stage, one after the other."""
    from inoc.heartbeat import beating
    from inoc.jobs.make import make_jobs
    from inoc.jobs.manifest import write_manifest
    from inoc.jobs.work import step_version

    for made in make_jobs(options.study, options.config, options.stage, options):
        # Imported now that the study has been read: a wrong one is answered at once.
        step = importlib.import_module(all_stages()[options.stage].step)
        with beating(made.job.heartbeat):
            started = time.monotonic()
            summary = str(step.run(made.job, made.plan()))
            version = step_version(options.stage, made.study)
            write_manifest(made.job, made.settings(), version, time.monotonic() - started, summary)
        print(f"{made.study.name}: {made.job.name}: {summary}", file=sys.stderr)


def _status(options: argparse.Namespace) -> None:
    from inoc.jobs.status import print_status

    print_status(options.study, options.config)


def _plan(options: argparse.Namespace) -> None:
    from inoc.config.load import load_study, load_workflow
    from inoc.jobs.make import RESULTS
    from inoc.jobs.paths import Paths
    from inoc.jobs.plan import print_plan

    study, workflow = load_study(options.study, options.config), load_workflow(options.config / "config.yaml")
    print_plan(study, workflow, Paths(RESULTS, study.name), options.gpu, options.response_tokens)


def _store_explain(options: argparse.Namespace) -> None:
    from inoc.jobs.make import print_explanations

    print_explanations(options.study, options.config, options.stage, options)


def _store_gc(options: argparse.Namespace) -> None:
    from inoc.jobs.make import print_garbage

    print_garbage(options.config, delete=options.delete, grace_s=options.grace)


def _config_check(options: argparse.Namespace) -> None:
    from inoc.config.load import load_study, load_workflow
    from inoc.jobs.model_check import check_study_model
    from inoc.jobs.ready import check_api, check_inputs
    from inoc.stages import kind_named

    study = load_study(options.study, options.config)
    check_inputs(study, Path())
    check_study_model(study, Path())
    workflow = load_workflow(options.config / "config.yaml")
    check_api(study, workflow.api, engine_spec=workflow.engine_api)
    print(f"{study.name}: {load(kind_named(study.kind).summary)(study)}")


def _config_generate(options: argparse.Namespace) -> None:
    from inoc.config.generate import write_generated

    written = write_generated(Path(), check=options.check)
    print("in step" if options.check else "\n".join(str(path) for path in written))


if __name__ == "__main__":
    main()
