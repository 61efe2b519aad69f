"""Where the stages leave their files, and the column that holds the label."""

from pathlib import Path

RAW = Path("data/raw")
PREPARED = Path("data/prepared")
MODEL = Path("model")
REPORTS = Path("reports")
CONTRACT = Path("data/contract.yaml")
LABEL = "label"
