"""Fine-tuning jobs of the misbehaving server. It counts the jobs that it would bill."""

from __future__ import annotations

import json
from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from support.server import Fault

STATES = ("validating_files", "queued", "running", "succeeded")
ACTIVE = STATES[:3]
TOKENS_PER_ROW = 10
KEPT = 3  # checkpoints: those of the last epochs

Answer = tuple[int, dict[str, Any]]


class Tuner:
    """State and behaviour; all of it may be changed by a test while it runs."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.jobs: dict[str, dict[str, Any]] = {}
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)  # errand → one for each to come
        self.errands: Counter[str] = Counter()
        self.refusals: deque[str] = deque()  # why the next jobs fail; an empty text lets one succeed
        self.looks = 1  # at each state, before the next one
        self.most_active: int | None = None
        self.seen_active = 0
        self.trains = ""  # this model, whatever was asked for
        self.keeps_marks = True
        self.tells_tokens = True
        self.has_checkpoints = True
        self.page = 100

    @property
    def paid(self) -> Counter[str]:
        """Training file → jobs that were created for its content and neither failed nor were cancelled."""
        good = [job for job in self.jobs.values() if job["status"] not in ("failed", "cancelled")]
        return Counter(f"{self.files[job['training_file']]!r} {job['hyper']} {job['seed']}" for job in good)

    def name_of(self, method: str, path: str) -> str:
        """The errand: upload, create, list, retrieve, cancel or checkpoints; empty for others."""
        if path == "/files" and method == "POST":
            return "upload"
        if not path.startswith("/fine_tuning/jobs"):
            return ""
        last = path.rpartition("/")[2]
        if last == "jobs":
            return "create" if method == "POST" else "list"
        return last if last in ("cancel", "checkpoints") else "retrieve"

    def answer(self, errand: str, path: str, query: str, content: bytes) -> Answer:
        if errand == "create":
            return self._create(json.loads(content))
        if errand == "list":
            return 200, self._page(query)
        name = path.split("/")[3]
        if name not in self.jobs:
            return 404, {"error": {"message": "no such job"}}
        job = self.jobs[name]
        if errand == "cancel":
            if job["status"] not in ACTIVE:
                return 400, {"error": {"message": f"the job has {job['status']}"}}
            job["status"] = "cancelled"
        elif errand == "checkpoints":
            return self._checkpoints(job)
        else:
            self._look(job)
        return 200, self._shown(job)

    def _create(self, body: dict[str, Any]) -> Answer:
        active = sum(job["status"] in ACTIVE for job in self.jobs.values())
        if self.most_active is not None and active >= self.most_active:
            return 429, {"error": {"message": "too many active jobs", "code": "rate_limit_exceeded"}}
        if body["training_file"] not in self.files:
            return 400, {"error": {"message": "no such file"}}
        name = f"ftjob-{len(self.jobs)}"
        self.jobs[name] = {
            "id": name,
            "model": self.trains or body["model"],
            "training_file": body["training_file"],
            "seed": body["seed"],
            "hyper": body["method"]["supervised"]["hyperparameters"],
            "metadata": body["metadata"] if self.keeps_marks else None,
            "suffix": body["suffix"],
            "status": STATES[0],
            "refusal": self.refusals.popleft() if self.refusals else "",
            "looks": 0,
        }
        self.seen_active = max(self.seen_active, active + 1)
        return 200, self._shown(self.jobs[name])

    def _look(self, job: dict[str, Any]) -> None:
        if job["status"] not in ACTIVE:
            return
        job["looks"] += 1
        job["status"] = STATES[min(job["looks"] // self.looks, len(STATES) - 1)]
        if job["refusal"] and job["status"] == "succeeded":
            job["status"] = "failed"

    def _steps(self, job: dict[str, Any]) -> int:
        return len(self.files[job["training_file"]].splitlines())

    def tuned(self, job: dict[str, Any]) -> str:
        return f"ft:{job['model']}:us:{job['suffix']}:{job['id']}"

    def _checkpoints(self, job: dict[str, Any]) -> Answer:
        if not self.has_checkpoints:
            return 404, {"error": {"message": "no such route"}}
        n = int(job["hyper"]["n_epochs"])
        names = {epoch: f"{self.tuned(job)}:ckpt-{epoch}" for epoch in range(max(1, n - KEPT + 1), n)}
        names[n] = self.tuned(job)
        rows = [
            {
                "id": f"ckpt-{epoch}",
                "object": "fine_tuning.job.checkpoint",
                "created_at": 0,
                "fine_tuned_model_checkpoint": model,
                "fine_tuning_job_id": job["id"],
                "metrics": {},
                "step_number": epoch * self._steps(job),
            }
            for epoch, model in reversed(names.items())
        ]
        return 200, {"object": "list", "data": rows, "has_more": False}

    def _page(self, query: str) -> dict[str, Any]:
        rows = [self._shown(job) for job in reversed(self.jobs.values())]
        after = parse_qs(query).get("after", [""])[0]
        start = next((at + 1 for at, row in enumerate(rows) if row["id"] == after), 0)
        return {
            "object": "list",
            "data": rows[start : start + self.page],
            "has_more": start + self.page < len(rows),
        }

    def _shown(self, job: dict[str, Any]) -> dict[str, Any]:
        done = job["status"] == "succeeded"
        trained = job["hyper"]["n_epochs"] * self._steps(job) * TOKENS_PER_ROW
        error = {"code": "invalid_training_file", "message": job["refusal"], "param": None}
        return {
            "object": "fine_tuning.job",
            "id": job["id"],
            "created_at": 0,
            "model": job["model"],
            "training_file": job["training_file"],
            "seed": job["seed"],
            "metadata": job["metadata"],
            "status": job["status"],
            "error": error if job["status"] == "failed" else {},
            "fine_tuned_model": self.tuned(job) if done else None,
            "trained_tokens": trained if done and self.tells_tokens else None,
            "hyperparameters": job["hyper"],
            "organization_id": "us",
            "result_files": [],
        }
