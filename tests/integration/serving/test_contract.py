from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase

from tests.fixtures.servers import Server

EXCLUDED = {
    # An open probe ignores a token, and statuses for other methods have a test of their own.
    "ignored_auth",
    "unsupported_method",
    # OpenAPI cannot say that columns have one length, or that a tensor's shape fits its data.
    "positive_data_acceptance",
}


def attack(server: Server, bearer: Callable[..., str], cases: int) -> int:
    """Send generated requests to every operation; return how many were sent."""
    headers = {"Authorization": f"Bearer {bearer()}"}
    schema = schemathesis.openapi.from_url(server.url + "/openapi.json", headers=headers)
    operations = list(schema.get_all_operations())
    checks = [check for check in schemathesis.checks.CHECKS.get_all() if check.__name__ not in EXCLUDED]
    sent = 0
    for result in operations:
        operation: Any = result.ok()  # type: ignore[union-attr]
        posts = operation.method == "post"
        modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
        for mode in modes:
            share = max(2, cases // 10 if posts else cases // 100)

            @hypothesis.settings(
                max_examples=share, deadline=None, database=None, suppress_health_check=list(HealthCheck),
                phases=[Phase.explicit, Phase.generate],
            )  # fmt: skip
            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            def send(case: Any) -> None:
                nonlocal sent
                sent += 1
                case.call_and_validate(headers=headers, checks=checks)

            if posts or mode is schemathesis.GenerationMode.POSITIVE:
                send()
            else:
                with contextlib.suppress(hypothesis.errors.Unsatisfiable):  # a route with nothing to get wrong
                    send()
    return sent


@pytest.mark.long
def test_generated_requests_never_break_the_contract(server: Server, bearer: Callable[..., str]) -> None:
    assert attack(server, bearer, 200) >= 150


@pytest.mark.nightly
@pytest.mark.timeout(1500)
def test_ten_thousand_generated_requests_never_break_the_contract(server: Server, bearer: Callable[..., str]) -> None:
    assert attack(server, bearer, 16_000) >= 10_000
