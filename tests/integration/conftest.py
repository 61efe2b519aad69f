from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration import s3 as seaweed


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seaweed.S3]:
    with seaweed.serving(tmp_path_factory.mktemp("s3")) as server:
        yield server
