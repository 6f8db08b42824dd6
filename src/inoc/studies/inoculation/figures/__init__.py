"""The figures of an inoculation study."""

from inoc.figures import VERSION as VERSION
