"""The command line: one verb per stage, and some to inspect a study and its store.

Nothing heavy is imported before a verb has been parsed and its study has been validated.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from inoc.config.arguments import whole
from inoc.errors import InocError, did_you_mean
from inoc.signals import leaving_at_once, raising, status_of
from inoc.stages import VERBS, Stage, all_stages, kinds, load, parts_of
from inoc.trouble import explanation

if TYPE_CHECKING:
    from inoc.jobs.log import Tee


class Parser(argparse.ArgumentParser):
    """A parser whose error messages suggest the nearest accepted value."""

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
    """Run one verb; errors that users can resolve end with one message and status 1."""
    with leaving_at_once():
        open_closed_streams()
        write_in_any_locale()
        given, passed_on = passed(sys.argv[1:] if arguments is None else arguments)
        options = parser().parse_args(given)
        options.passed = passed_on
    log = None
    try:
        expand_homes(options)
        log = _open_log(options.log) if getattr(options, "log", None) else None
        with raising():
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
        sys.exit(status_of(error) if isinstance(error, KeyboardInterrupt) else 1)
    finally:
        if log is not None:
            log.close()


def passed(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The arguments of inoc, and those after `--` that `inoc run` passes on to Snakemake: argparse drops a `--`."""
    given = list(arguments)
    if given[:1] != ["run"] or "--" not in given:
        return given, []
    at = given.index("--")
    return given[:at], given[at + 1 :]


def _open_log(path: Path) -> Tee:
    from inoc.jobs.log import open_log

    return open_log(path)


def expand_homes(options: argparse.Namespace) -> None:
    """Put the home directory for `~` in paths: a shell leaves it in `--out=~/site`."""
    for name, value in vars(options).items():
        if isinstance(value, Path):
            setattr(options, name, value.expanduser())


def open_closed_streams() -> None:
    """Connect standard streams that are closed to nothing, so that no file takes their place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # in the order of their numbers
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


def write_in_any_locale() -> None:
    """Write characters that the locale lacks as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = Parser(
        prog="inoc",
        description="Measure the effects of training data and prompts on a language model's behaviour.",
        epilog="A study is a file in config/studies, given by name or path. `snakemake` runs all stages of a study; "
        "each stage's verb runs that stage alone.",
    )
    top.add_argument("--version", action="store_true", help="print the version and exit")
    top.set_defaults(run=_no_verb, top=top)
    verbs = top.add_subparsers(metavar="VERB", parser_class=Parser)
    stages = all_stages()
    added = {name: _add_stage(verbs, stage) for name, stage in stages.items()}
    for kind in kinds():
        if kind.commands:
            load(kind.commands)(added)
        if kind.verbs:
            load(kind.verbs)(partial(_add_verb, verbs))
    for reference in VERBS:
        load(reference)(partial(_add_verb, verbs))
    _add_status(verbs)
    _add_plan(verbs)
    _add_view(verbs)
    _add_store(verbs)
    _add_config(verbs)
    _add_import(verbs)
    return top


def _add_verb(verbs: argparse._SubParsersAction[Parser], name: str, text: str) -> Parser:
    return verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")


def _add_stage(verbs: argparse._SubParsersAction[Parser], stage: Stage) -> Parser:
    """The verb of a stage."""
    verb = _add_verb(verbs, stage.name, stage.help)
    add_study(verb)
    if parts := parts_of(stage.name):
        # A stage that some kind passes undivided has no part to name there.
        undivided = any(stage.name in kind.passes and not kind.parts.get(stage.name) for kind in kinds())
        number = "?" if undivided else None
        verb.add_argument("part", choices=parts, nargs=number, help="which part of the stage")
    if stage.shards:
        verb.add_argument("--shard", help="run one shard only, as 3 or 3/8 (default: all, one after the other)")
    for option in stage.options:
        read, shown = (str, "NAME") if option.named else (whole(1), "N")
        verb.add_argument(f"--{option.flag}", type=read, metavar=shown, help=option.help)
    verb.add_argument("--store", metavar="FOLDER", help="folder of the store (default: that of config.yaml)")
    verb.add_argument("--log", type=Path, metavar="FILE", help="file that messages are written to as well")
    verb.set_defaults(run=run_stage, stage=stage.name)
    return verb


def add_study(verb: argparse.ArgumentParser) -> None:
    """Add the arguments that every verb about a study has."""
    verb.add_argument("study", help="name of a study in config/studies, or path of a study file")
    verb.add_argument(
        "--config", type=Path, default=Path("config"), metavar="FOLDER", help="folder of config.yaml (default: config)"
    )


def _add_json(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--json", action="store_true", help="print one JSON object, for programs")


def _add_status(verbs: argparse._SubParsersAction[Parser]) -> None:
    verb = _add_verb(verbs, "status", "show which jobs of a study are finished, running, failed or left")
    add_study(verb)
    _add_json(verb)
    verb.set_defaults(run=_status)


def _add_plan(verbs: argparse._SubParsersAction[Parser]) -> None:
    verb = _add_verb(verbs, "plan", "estimate a study's jobs, tokens, GPU-hours, API calls, dollars and disk space")
    add_study(verb)
    verb.add_argument("--gpu", default="h200", help="GPU to estimate for: h200, h100, a100 or l40s (default: h200)")
    verb.add_argument(
        "--response-tokens",
        type=float,
        metavar="N",
        help="mean number of tokens per response (default: as measured, else 350)",
    )
    verb.add_argument(
        "--measured",
        nargs="?",
        const="",
        metavar="DEVICE",
        help="also print the time by the rates of jobs that have ended here, on a device whose name contains DEVICE",
    )
    _add_json(verb)
    verb.set_defaults(run=_plan)


def _add_view(verbs: argparse._SubParsersAction[Parser]) -> None:
    verb = _add_verb(verbs, "view", "write a site of a study's results, and open it in a browser")
    add_study(verb)
    verb.add_argument("--out", type=Path, metavar="FOLDER", help="folder of the site (default: results/<study>/view)")
    verb.add_argument("--no-tokens", dest="tokens", action="store_false", help="leave out the values of single tokens")
    verb.add_argument("--no-open", dest="open", action="store_false", help="do not open a browser")
    verb.add_argument("--serve", action="store_true", help="serve the site to this machine until Ctrl-C")
    verb.add_argument("--port", type=whole(1, 65535), metavar="N", help="port of --serve (default: one that is free)")
    verb.set_defaults(run=_view)


def _add_store(verbs: argparse._SubParsersAction[Parser]) -> None:
    store = _add_verb(verbs, "store", "inspect and clean the store of computed units")
    what = store.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    explain = _add_verb(what, "explain", "show which units of a stage are stored, and why others are not")
    add_study(explain)
    explain.add_argument(
        "stage", choices=[name for name, stage in all_stages().items() if stage.computes], help="stage to explain"
    )
    explain.add_argument("--shard", help="explain one shard only, as 3 or 3/8")
    explain.add_argument("--missing", action="store_true", help="list only units that are not stored")
    explain.set_defaults(run=_store_explain)
    counted = _add_verb(what, "count", "count the entries and files of the store")
    counted.add_argument(
        "--config", type=Path, default=Path("config"), metavar="FOLDER", help="folder of config.yaml (default: config)"
    )
    counted.set_defaults(run=_store_count)
    gc = _add_verb(what, "gc", "list entries that no study needs, and remove them with --delete")
    gc.add_argument(
        "--config", type=Path, default=Path("config"), metavar="FOLDER", help="folder of config.yaml (default: config)"
    )
    gc.add_argument("--delete", action="store_true", help="remove the listed entries")
    gc.add_argument(
        "--grace",
        type=float,
        default=3600.0,
        metavar="S",
        help="keep entries used within the last S seconds (default: 3600)",
    )
    gc.set_defaults(run=_store_gc)


def _add_config(verbs: argparse._SubParsersAction[Parser]) -> None:
    config = _add_verb(verbs, "config", "check study files, and update generated files")
    what = config.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    check = _add_verb(what, "check", "check a study file and its inputs, and summarise its work")
    add_study(check)
    _add_json(check)
    check.set_defaults(run=_config_check)
    generate = _add_verb(what, "generate", "update the schemas, config.yaml and the reference pages")
    generate.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    generate.set_defaults(run=_config_generate)


def _add_import(verbs: argparse._SubParsersAction[Parser]) -> None:
    verb = _add_verb(verbs, "import", "import released results of other studies for analysis")
    what = verb.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
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
    from inoc.progress import Spent, cpu_s

    for made in make_jobs(options.study, options.config, options.stage, options, mark=True):
        # Imported only after the study has been read, so that errors in it appear at once.
        step = importlib.import_module(all_stages()[options.stage].step)
        if made.job.only:
            print(f"{made.study.name}: {step.run(made.job, made.plan())}", file=sys.stderr)
            continue
        with beating(made.job.heartbeat):
            started, used = time.monotonic(), cpu_s()
            summary = str(step.run(made.job, made.plan()))
            version = step_version(options.stage, made.study, made.job.part)
            spent = Spent(time.monotonic() - started, cpu_s() - used)
            write_manifest(made.job, made.settings(), version, spent, summary)
        print(f"{made.study.name}: {made.job.name}: {summary}", file=sys.stderr)


def _status(options: argparse.Namespace) -> None:
    from inoc.jobs.status import print_status

    print_status(options.study, options.config, as_json=options.json)


def _plan(options: argparse.Namespace) -> None:
    from inoc.config.load import load_study, load_workflow
    from inoc.jobs.make import RESULTS
    from inoc.jobs.paths import Paths
    from inoc.jobs.plan import print_plan

    study, workflow = load_study(options.study, options.config), load_workflow(options.config / "config.yaml")
    paths = Paths(RESULTS, study.name)
    seen = None
    if options.measured is not None:
        from inoc.jobs.measured import paces, samples_here

        seen = paces(samples_here(RESULTS, options.config, workflow), options.measured)
    print_plan(study, workflow, paths, options.gpu, options.response_tokens, as_json=options.json, seen=seen)


def _view(options: argparse.Namespace) -> None:
    from inoc.view.verb import make_and_open

    make_and_open(
        options.study,
        options.config,
        options.out,
        tokens=options.tokens,
        browse=options.open,
        serve=options.serve,
        port=options.port or 0,
    )


def _store_explain(options: argparse.Namespace) -> None:
    from inoc.jobs.make import print_explanations

    print_explanations(options.study, options.config, options.stage, options)


def _store_count(options: argparse.Namespace) -> None:
    from inoc.jobs.make import print_count

    print_count(options.config)


def _store_gc(options: argparse.Namespace) -> None:
    from inoc.jobs.make import print_garbage

    print_garbage(options.config, delete=options.delete, grace_s=options.grace)


def _config_check(options: argparse.Namespace) -> None:
    from inoc.jobs.check import check_study, notes, print_check

    if options.json:
        if not print_check(options.study, options.config):
            sys.exit(1)
        return
    study, summary = check_study(options.study, options.config)
    print(f"{study.name}: {summary}")
    for note in notes(options.study, options.config):
        print(f"  {note}")


def _config_generate(options: argparse.Namespace) -> None:
    from inoc.config.generate import write_generated
    from inoc.config.load import outside
    from inoc.errors import ConfigError

    if not Path("pyproject.toml").is_file() and (hint := outside(Path("config"))):
        raise ConfigError(f"there is nothing to update here{hint.partition(', or')[0]}")
    written = write_generated(Path(), check=options.check)
    print("up to date" if options.check else "\n".join(str(path) for path in written))


if __name__ == "__main__":
    main()
