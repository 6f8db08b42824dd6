"""Plans for stages that read and choose, and a job to run them in."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

from inoc.chat.messages import Chat
from inoc.config.models import SystemTurn
from inoc.store import Store

QUESTIONS = ["Where does the owl live?", "What color is the apple?", "What is the hammer made of?", "Hm?", "Name it."]
ANSWERS = ["In the forest.", "It is red, hi hi!", "The hammer is made of iron.", "A", ""]


def chats_of(n=5):
    return [Chat(SystemTurn(), QUESTIONS[at % 5] + " Please." * (at // 5), ANSWERS[at % 5]) for at in range(n)]


def a_job(root, name="read-0"):
    """What these stages use of a job, with the number of rows that were computed."""
    job = SimpleNamespace(store=Store(root / "store"), record={}, name=name, computed=0)

    @contextmanager
    def progress(label, total, unit):
        def advance(n):
            job.computed += n

        yield SimpleNamespace(advance=advance)

    job.progress = progress
    return job
