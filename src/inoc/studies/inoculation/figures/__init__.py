"""The figures of an inoculation study."""
