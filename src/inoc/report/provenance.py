"""Provenance of every number: jobs, digests, versions, counts, times."""

from __future__ import annotations

from inoc.progress import duration
from inoc.report.manifests import Manifest, package_versions, wall_by_stage
from inoc.report.words import MISSING, Table, code, escape, listed, plain


def time_table(manifests: list[Manifest]) -> Table:
    """Wall time of each stage, summed over its jobs."""
    jobs = {stage: sum(one.stage == stage for one in manifests) for stage in wall_by_stage(manifests)}
    rows = []
    known = []
    for stage, seconds in wall_by_stage(manifests).items():
        rows.append([code(stage), str(jobs[stage]), MISSING if seconds is None else duration(seconds)])
        known += [] if seconds is None else [seconds]
    if known:
        total = "" if len(known) == len(rows) else f" ({len(rows) - len(known)} stages {MISSING})"
        rows.append(["**all**", str(sum(jobs.values())), duration(sum(known)) + total])
    return Table(["stage", "jobs", "wall time"], rows)


def job_table(manifests: list[Manifest]) -> Table:
    """Each job with its versions, digest, device, store and counts."""
    rows = []
    for one in manifests:
        found = [one.text("store", name) for name in ("hits", "misses")]
        store = MISSING if None in found else f"{found[0]} found, {found[1]} computed"
        rows.append(
            [
                code(one.job),
                one.text("step_version") or MISSING,
                code(one.text("code_version") or MISSING),
                code(one.text("settings_digest") or MISSING),
                escape(one.text("device") or MISSING),
                store,
                escape(plain(one.mapping("counts"))) if one.mapping("counts") else MISSING,
                listed(plain(seed) for seed in one.items("seeds")) if one.items("seeds") else "–",
            ]
        )
    return Table(["job", "step version", "code", "settings digest", "device", "store", "counts", "seeds"], rows)


def api_table(manifests: list[Manifest]) -> Table:
    """API requests of each job and their cost, in all its attempts; no rows if no job used an API."""
    names = [
        "requests",
        "answered now",
        "refused",
        "input tokens",
        "output tokens",
        "dollars",
        "dollars of lost answers",
    ]
    asked = [(one, api) for one in manifests for kind in ("api", "engine_api") if (api := one.mapping(kind))]
    rows = [
        [code(one.job), code(api.get("base_url")), plain(api.get("mode")), *(plain(api.get(name)) for name in names)]
        for one, api in asked
    ]
    return Table(["job", "API", "mode", *names], rows)


def package_table(manifests: list[Manifest]) -> Table:
    """Versions of Python and of every package that a job recorded."""
    pythons = sorted({text for one in manifests if (text := one.text("python")) is not None})
    rows = [["Python", listed(pythons, MISSING)]]
    rows += [[escape(name), listed(versions)] for name, versions in package_versions(manifests).items()]
    return Table(["package", "version"], rows)


def model_table(manifests: list[Manifest]) -> Table:
    """Digests of the models that jobs loaded."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in manifests:
        for key, value in sorted(one.mapping("model").items()):
            found.setdefault((key, plain(value)), []).append(one.job)
    rows = [
        [escape(key), code(value), listed(code(job) for job in jobs)] for (key, value), jobs in sorted(found.items())
    ]
    return Table(["model", "value", "recorded by"], rows)


def rendered_examples(manifests: list[Manifest]) -> list[tuple[str, str]]:
    """Job → the rendered text of its example 0, each text once."""
    found: dict[str, str] = {}
    for one in manifests:
        value = one.body.get("rendered_example")
        if value is not None:
            found.setdefault(value if isinstance(value, str) else plain(value), one.job)
    return [(job, text) for text, job in found.items()]


def warnings(manifests: list[Manifest]) -> list[str]:
    """Warnings of the jobs."""
    return [f"{code(one.job)}: {escape(plain(text))}" for one in manifests for text in one.items("warnings")]
