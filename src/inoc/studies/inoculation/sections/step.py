"""Write the report of a study of inoculation."""

from inoc.studies.inoculation import write_report as run

__all__ = ["run"]
