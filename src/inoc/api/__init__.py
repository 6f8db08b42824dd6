"""Requests to an OpenAI-compatible API: one rate limiter, one budget, and no request paid twice.

Every request and raw response is kept in a database beside the store, under a key of everything that the answer
depends on. What is there is never asked again by any job; a killed job continues where it stopped.
"""

from inoc.api.client import Api, Reply
from inoc.api.request import Request

__all__ = ["Api", "Reply", "Request"]
