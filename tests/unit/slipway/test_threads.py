from __future__ import annotations

import pytest

from slipway.threads import Recurring
from tests.fixtures.servers import wait_until


def test_a_failing_step_is_counted_tried_again_and_over_when_it_passes(caplog: pytest.LogCaptureFixture) -> None:
    left = [KeyError("one"), MemoryError("two")]

    def step() -> None:
        if left:
            raise left[0]

    thread = Recurring("worker", step, 0.01)
    thread.start()
    wait_until(lambda: thread.failures >= 2, what="two failures")
    assert thread.trouble is not None
    assert "KeyError" in thread.trouble
    assert sum("worker failed" in line for line in caplog.messages) == 1  # the same again is counted, not written
    left.pop(0)
    wait_until(lambda: "MemoryError" in (thread.trouble or ""), what="the other failure")
    left.pop()
    wait_until(lambda: thread.trouble is None, what="the step passing")
    assert thread.stop(5)
    assert thread.trouble is None
