"""Stage 3: Great Expectations on the raw and the prepared tables.

Owns reports/validation.json and the pages under reports/data_docs. Refuses to
let the pipeline go on if one expectation fails, and names it with the share
and a few of the rows that broke it.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from slipway.atomic import write_json
from slipway.errors import BadInput
from training import contract, declared
from training.layout import CONTRACT, LABEL, REPORTS
from training.stage import run

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

RESULT = REPORTS / "validation.json"
DATA_DOCS = REPORTS / "data_docs"
SAMPLES = 3


@dataclass(frozen=True)
class Outcome:
    """One expectation, met or not; `share` is the fraction of rows that broke it."""

    table: str
    expectation: str
    subject: str
    success: bool
    expected: dict[str, Any]
    observed: Any
    share: float | None
    samples: list[dict[str, Any]]


def validate(rules: dict[str, Any], docs: Path | None = None) -> list[Outcome]:
    """Check every table of the contract; build the Data Docs under `docs`.

    Raises:
        BadInput: a table cannot be read.
    """
    import great_expectations as gx

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    if docs is not None:
        shutil.rmtree(docs, ignore_errors=True)
        context.add_data_docs_site(site_name="slipway", site_config=_site(docs))
    source = context.data_sources.add_pandas("slipway")
    outcomes: list[Outcome] = []
    for name, frame, expected in _checks(rules):
        suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=expected))
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
        definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
        checkpoint = gx.Checkpoint(name=name, validation_definitions=[definition], result_format="SUMMARY")
        ran = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
        found = [_outcome(name, frame, result) for run in ran.run_results.values() for result in run.results]
        outcomes += found
        _say(name, found)
    if docs is not None:
        context.build_data_docs()
    return outcomes


def as_json(outcomes: list[Outcome]) -> dict[str, Any]:
    """Sum up for the registry and for people: the verdict, counts, then every expectation."""
    failed = sum(not outcome.success for outcome in outcomes)
    return {
        "success": failed == 0,
        "expectations": len(outcomes),
        "failed": failed,
        "outcomes": [vars(outcome) for outcome in sorted(outcomes, key=lambda o: (o.table, o.subject, o.expectation))],
    }


def _checks(rules: dict[str, Any]) -> Iterator[tuple[str, pd.DataFrame, list[Any]]]:
    from training import expectations

    tables = rules["tables"]
    frames = {name: _frame(Path(table["path"])) for name, table in tables.items()}
    for name, table in tables.items():
        yield name, frames[name], expectations.of_table(_unnamed(table, rules), frames, frames[name])
        if "label_share" in table and LABEL in frames[name] and rules.get("positive") is not None:
            yield f"{name} share of positives", *expectations.share(table, frames[name], rules["positive"])
        if "per_month" in table and "month" in frames[name]:
            yield f"{name} per month", *expectations.per_month(table, frames[name])
        if table.get("features") and "row_id" in frames[name]:
            yield f"{name} as the server reads it", *expectations.unreadable(frames[name])
        if other := table.get("shares_no_rows_with"):
            yield f"{name} rows also in {other}", *expectations.shared_rows(frames[name], frames[other])


def _unnamed(table: dict[str, Any], rules: dict[str, Any]) -> dict[str, Any]:
    """Leave out the mean of a label that is not 0 or 1: its share has a frame of its own."""
    return {key: value for key, value in table.items() if key != "label_share" or rules.get("positive") is None}


def _frame(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise BadInput(
            f"{path} cannot be read as Parquet",
            expected="a table of data/contract.yaml",
            found=str(error).splitlines()[0],
            hint="dvc repro prepare",
        ) from error


def _outcome(table: str, frame: pd.DataFrame, result: Any) -> Outcome:
    config = result.expectation_config
    expected = {key: value for key, value in config.kwargs.items() if key != "batch_id"}
    if len(expected.get("value_set", [])) > 40:
        expected["value_set"] = f"{len(expected['value_set'])} values"
    column = expected.pop("column", None)
    subject = column or ", ".join(expected.get("column_list", [])) or "table"
    percent = result.result.get("unexpected_percent")
    return Outcome(
        table=table,
        expectation=config.type,
        subject=subject,
        success=bool(result.success),
        expected=_plain(expected),
        observed=_plain(_observed(result)),
        share=None if percent is None else round(percent / 100, 9),
        samples=[] if result.success else _samples(frame, column, config.type, result.result),
    )


def _samples(frame: pd.DataFrame, column: str | None, kind: str, result: dict[str, Any]) -> list[dict[str, Any]]:
    """Find rows that broke the expectation; asking the library for them costs minutes on a large table."""
    values = result.get("partial_unexpected_list", [])
    if column in frame and values:
        rows = frame[frame[column].isin(values) if pd.notna(values[0]) else frame[column].isna()]
    elif values and isinstance(values[0], dict):
        rows = frame.merge(pd.DataFrame(values[:1]), how="inner")
    else:  # a frame that must be empty is its own sample; a count or a mean has none
        rows = frame if kind == "expect_table_row_count_to_equal" else frame.head(0)
    return [_plain(row) for row in rows.head(SAMPLES).to_dict(orient="records")]


def _observed(result: Any) -> Any:
    """Say what was found: the measured value, else a few of the values that broke it, else why there is none."""
    values = result.result.get("partial_unexpected_list") or []
    if "observed_value" in result.result or not values:
        return result.result.get("observed_value", _exception(result))
    return values[:SAMPLES]


def _exception(result: Any) -> str | None:
    message = (result.exception_info or {}).get("exception_message")
    return str(message) if message else None


def _plain(value: Any) -> Any:
    """Turn what pandas holds into what JSON holds; NaN becomes null."""
    text = json.dumps(value, default=lambda item: item.item() if hasattr(item, "item") else str(item))
    return json.loads(text, parse_constant=lambda _: None)


def _site(docs: Path) -> dict[str, Any]:
    backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.absolute())}
    return {
        "class_name": "SiteBuilder",
        "store_backend": backend,
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "show_how_to_buttons": False,
    }


def _say(table: str, found: list[Outcome]) -> None:
    met = sum(outcome.success for outcome in found)
    print(f"validate: {table:<26} {met:>3} of {len(found):>3} expectations met", flush=True)


def _refuse(failed: list[Outcome]) -> None:
    first = failed[0]
    share = "" if first.share is None else f"{first.share:.4%} of rows break it; "
    rows = "; for example " + json.dumps(first.samples[0]) if first.samples else ""
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    raise BadInput(
        f"{first.table}.{first.subject} breaks {first.expectation}{more}",
        expected=json.dumps(first.expected),
        found=f"{share}observed {json.dumps(first.observed)}{rows}",
        hint=f"open {DATA_DOCS / 'index.html'}; every failure with sample rows is in {RESULT}",
    )


def main() -> None:
    """Validate the raw and the prepared data."""
    warnings.filterwarnings("ignore", module="great_expectations")
    declared.refuse_wrong()
    outcomes = validate(contract.load(CONTRACT), DATA_DOCS)
    write_json(RESULT, as_json(outcomes))
    print(f"validate: pages for people -> {DATA_DOCS / 'index.html'}")
    failed = [outcome for outcome in outcomes if not outcome.success]
    if failed:
        _refuse(failed)


if __name__ == "__main__":
    run(main)
