from __future__ import annotations

import pytest

from support.fake_study import Tables, make_study


@pytest.fixture
def tables() -> Tables:
    """Tables of the default study, for a test to change before they are written."""
    return Tables(make_study())
