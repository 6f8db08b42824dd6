"""Draw the figures of an inoculation study."""

from inoc.studies.inoculation import draw as run

__all__ = ["run"]
