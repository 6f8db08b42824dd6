"""Checks that a study can run on this machine, before anything runs or is paid for."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from inoc.config.document import listed
from inoc.config.models import BaseStudy
from inoc.config.needs import ApiUse, GivenFile, Needs
from inoc.config.workflow import ApiSpec
from inoc.errors import ApiError, ConfigError, InocError
from inoc.stages import kind_named, load


def needs_of(study: BaseStudy) -> Needs:
    """Everything that a study needs from the machine it runs on."""
    needs: Needs = load(kind_named(study.kind).needs)(study)
    return needs


def check_inputs(study: BaseStudy, base: Path, *, in_job: bool = False) -> None:
    """Check that a study can run here: its files exist, and the engine that it samples with is installed.

    Loading does not ask this, so that a study is valid on a machine without its data.

    Args:
        study: The study.
        base: Folder that the study's paths are relative to.
        in_job: Whether a job is about to start. The GPU is then not asked what it can do: that starts CUDA, after which
            the job could no longer take a GPU of its own. The job finds out as soon as it has one.

    Raises:
        ConfigError: If anything is missing, with all that is missing.
    """
    needs = needs_of(study)
    problems = [
        *_absent_files(needs, base),
        *_unreadable_files(needs, base),
        *_absent_engines(needs),
        *_absent_bits(needs),
        *(() if in_job else _absent_eight_bit(needs)),
        *needs.problems,
    ]
    if problems:
        lines = "\n".join(f"  {problem}" for problem in dict.fromkeys(problems))
        raise ConfigError(f"study {study.name} cannot run here:\n{lines}")


def check_rows(study: BaseStudy) -> None:
    """Check that the files of a study have as many rows as it wants. They are there and can be read.

    Raises:
        ConfigError: With every file that has too few.
    """
    problems = list(needs_of(study).row_problems())
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise ConfigError(f"study {study.name} cannot run with its files:\n{lines}")


def _absent_files(needs: Needs, base: Path) -> Iterator[str]:
    """A line per key and advice, however many files of it are missing."""
    groups: dict[tuple[str, str], list[GivenFile]] = {}
    for one in needs.files:
        if not (base / one.path).exists():
            groups.setdefault((one.key.partition(" (")[0], one.advice), []).append(one)
    for (key, advice), absent in groups.items():
        names = list(dict.fromkeys(repr(one.path) for one in absent))
        if len(names) == 1:
            yield f"{absent[0].key} = {names[0]}: there is no such file below {base.absolute()}; {advice}"
        else:
            yield (
                f"{key}: {len(names)} files are missing below {base.absolute()}: {listed(names)}; for each: {advice}"
            )


def _unreadable_files(needs: Needs, base: Path) -> Iterator[str]:
    """Problems of the files themselves, with file and line; absent and empty files are left to others."""
    for one in needs.files:
        path = base / one.path
        if one.read is None or not path.is_file() or not path.stat().st_size:
            continue
        try:
            one.read(path)
        except InocError as error:
            yield f"{one.key}: {error}"


def _absent_engines(needs: Needs) -> Iterator[str]:
    for key, _, sampling in [*needs.samples, *(one for use in needs.others for one in use.samples)]:
        if sampling.engine == "vllm" and find_spec("vllm") is None:
            yield (
                f"{key}.engine = 'vllm': the package is not installed. With a GPU: pip install \"inoc[vllm]\", into an "
                "environment as docs/engines.md says; without one: make env-vllm. Or choose `transformers`"
            )


def _absent_bits(needs: Needs) -> Iterator[str]:
    if find_spec("bitsandbytes") is not None:
        return
    remedy = 'needs bitsandbytes. Install it with: pip install "inoc[bits]"'
    own = [("model", needs.model)] if needs.loaded else []
    for key, spec in [*own, *((use.key, use.spec) for use in needs.others)]:
        if spec.quantization:
            yield f"{key}.quantization = {spec.quantization!r}: {remedy}; or leave it out"
    if needs.optimizer == "adamw_8bit":
        yield f"training.optimizer = 'adamw_8bit': {remedy}; or choose `adamw_torch_fused`"


def _absent_eight_bit(needs: Needs) -> Iterator[str]:
    own = [("model", needs.model)] if needs.loaded else []
    keys = [key for key, spec in [*own, *((use.key, use.spec) for use in needs.others)] if spec.compute == "fp8"]
    # From the entrance of a cluster its GPUs cannot be seen; there, the job stops before it computes anything.
    if not keys or which("sbatch") is not None:
        return
    from inoc.engines.eight_bit import absent

    why = absent()
    if why:
        for key in keys:
            yield f"{key}.compute = 'fp8': {why}. Accepted: a GPU such as L40S, H100 or H200; or leave it out"


def engine_uses(needs: Needs) -> Iterator[ApiUse]:
    """Everything that is sampled with the study's models behind an API."""
    sampled = [(one, needs.model) for one in needs.samples]
    sampled += [(one, use.spec) for use in needs.others for one in use.samples]
    for (key, stage, sampling), spec in sampled:
        if sampling.engine == "api":
            yield ApiUse(stage, f"{key}.engine = 'api'", spec.path)


def check_api(study: BaseStudy, spec: ApiSpec, stage: str | None = None, *, engine_spec: ApiSpec | None = None) -> None:
    """Check that the APIs that a study needs can be asked from here; nothing is sent.

    Args:
        study: The study.
        spec: The API of the workflow.
        stage: Check what this stage needs; default: all of them.
        engine_spec: The API that serves the study's model; default: the same.

    Raises:
        ConfigError: If the SDK, the key or a price is missing, with all that is missing and why it is needed.
    """
    from inoc.api.client import unavailable
    from inoc.api.request import price_of
    from inoc.api.tunings import training_nano

    needs = needs_of(study)
    problems, why = [], []
    own = [use for use in needs.apis if not use.served]
    served = [*engine_uses(needs), *(use for use in needs.apis if use.served)]
    for one, uses in ((spec, own), (engine_spec or spec, served)):
        asked = [use for use in uses if stage in (None, use.stage)]
        if not asked:
            continue
        found = [str(error) for error in unavailable(one)]
        for model, tunes in dict.fromkeys((use.model, use.tunes) for use in asked):
            try:
                price = price_of(model, one.prices)
                if tunes:
                    training_nano(0, price, model)
            except ApiError as error:
                found.append(str(error))
        problems += found
        why += [use.key for use in asked if found]
    if problems:
        lines = "\n".join(f"  {problem}" for problem in dict.fromkeys(problems))
        raise ConfigError(
            f"study {study.name} asks an API ({listed(dict.fromkeys(why))}), which cannot be done here:\n{lines}"
        )
