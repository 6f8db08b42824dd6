"""The figures of an inoculation study, one module for each subject."""
