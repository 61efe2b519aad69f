"""A minute of what `make soak` does for an hour."""

from __future__ import annotations

import random

import pytest

from tests.soak.run import soak

SECONDS = 60.0
# A process that is a minute old has not yet seen everything once.
MOST_BYTES, MOST_DESCRIPTORS = 48 << 20, 80.0


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_a_minute_of_faults_at_random_loses_no_row_and_grows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    found = soak(SECONDS, random.SystemRandom().randrange(1 << 31), print)
    wrong = found.wrong(MOST_BYTES, MOST_DESCRIPTORS)
    assert not wrong, (wrong, capsys.readouterr().out)
    assert found.accepted > SECONDS
    assert len(found.faults) >= 3
