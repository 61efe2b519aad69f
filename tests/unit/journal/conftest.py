from tests.unit.serving.conftest import contract, exported, rows

__all__ = ["contract", "exported", "rows"]
