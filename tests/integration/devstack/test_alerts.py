"""Every alert rule fires on the series that it is for, and is silent on their healthy twin: real promtool."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.long  # needs promtool and amtool
ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "gitops/platform/monitoring"
RULES = sorted((MONITORING / "rules").glob("*.yaml"))
ANSWERED = 'slipway_requests_total{instance="a",route="/predict",status="200"}'
FAILED = 'slipway_requests_total{instance="a",route="/predict",status="503"}'
BUCKET = 'slipway_request_seconds_bucket{route="/predict",le="%s"}'
WRITTEN = 'slipway_journal_written_total{instance="a"}'
UP = 'up{job="slipway-api",instance="a"}'

# Per alert: when it must be firing, the series (a sample every 5 s), and the healthy twin's.
CASES: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "SlipwayNoData": ("1m", {'up{job="prometheus"}': "1x30"}, {UP: "1x30"}),
    "SlipwayApiDown": ("90s", {UP: "0x30"}, {UP: "1x30"}),
    "SlipwayErrors": (
        "4m", {ANSWERED: "0+95x60", FAILED: "0+5x60"}, {ANSWERED: "0+995x60", FAILED: "0+5x60"},
    ),
    "SlipwaySlow": (
        "6m",
        {BUCKET % "0.1": "0+90x90", BUCKET % "0.25": "0+100x90", BUCKET % "+Inf": "0+100x90"},
        {BUCKET % "0.1": "0+100x90", BUCKET % "0.25": "0+100x90", BUCKET % "+Inf": "0+100x90"},
    ),
    "SlipwayShedding": (
        "2m", {'slipway_shed_total{reason="deadline"}': "0x10 1x20"}, {'slipway_shed_total{reason="deadline"}': "7x30"},
    ),
    "SlipwaySpoolOld": (
        "1m", {"slipway_spool_age_seconds": "0 61x20"}, {"slipway_spool_age_seconds": "59x20"},
    ),
    "SlipwaySpoolFilling": (
        "1m",
        {"slipway_spool_bytes": "51x20", "slipway_spool_limit_bytes": "100x20"},
        {"slipway_spool_bytes": "49x20", "slipway_spool_limit_bytes": "100x20"},
    ),
    "SlipwaySpoolFailing": (
        "2m", {"slipway_spool_failing": "0 0 1x30"}, {"slipway_spool_failing": "0 1x3 0x30"},
    ),
    "SlipwaySpoolDamaged": (
        "2m", {"slipway_spool_damaged_total": "0x6 1x30"}, {"slipway_spool_damaged_total": "1x30"},
    ),
    "SlipwaySpoolAside": (
        "2m",
        {"slipway_spool_aside_bytes": "21x30", "slipway_spool_limit_bytes": "100x30"},
        {"slipway_spool_aside_bytes": "19x30", "slipway_spool_limit_bytes": "100x30"},
    ),
    "SlipwayLogDropped": (
        "2m", {"slipway_log_dropped_total": "0x6 5x30"}, {"slipway_log_dropped_total": "5x30"},
    ),
    "SlipwayNotFinite": (
        "2m", {"slipway_not_finite_total": "0x6 1x30"}, {"slipway_not_finite_total": "1x30"},
    ),
    "SlipwayBreakerOpen": (
        "1m",
        {'slipway_breaker_open{store="redis"}': "1x20"},
        {'slipway_breaker_open{store="redis"}': "1x3 0x20"},
    ),
    "SlipwayJournalFails": (
        "1m",
        {"slipway_journal_failures_total": "0x6 1x20"},
        {"slipway_journal_failures_total": "3x30"},
    ),
    "SlipwayJournalSilent": (
        "8m", {ANSWERED: "0+5x120", WRITTEN: "9x120"}, {ANSWERED: "0+5x120", WRITTEN: "9+5x120"},
    ),
    "SlipwayJournalSetAside": (
        "2m", {"slipway_journal_set_aside_total": "0x6 2x30"}, {"slipway_journal_set_aside_total": "2x30"},
    ),
    "SlipwayKeysFail": (
        "3m", {"slipway_keys_failures_total": "0 0 1+0.25x60"}, {"slipway_keys_failures_total": "4x60"},
    ),
    "SlipwayKeysOld": (
        "3m",
        {"slipway_keys_age_seconds": "451x20", "slipway_keys_stale_seconds": "900x20"},
        {"slipway_keys_age_seconds": "449x20", "slipway_keys_stale_seconds": "900x20"},
    ),
    "SlipwayTaskFails": (
        "5m",
        {'slipway_task_failures_total{task="keys"}': "0+1x20"},
        {'slipway_task_failures_total{task="keys"}': "0 0 1x20"},
    ),
    "SlipwayManifestsRefused": (
        "1m", {"slipway_promoter_refused": "0x6 1x20"}, {"slipway_promoter_refused": "1x3 0x20"},
    ),
    "SlipwayPromoterLate": (
        "1m", {"slipway_promoter_pass_age_seconds": "601x20"}, {"slipway_promoter_pass_age_seconds": "599x20"},
    ),
    "SlipwayPromoterNeedsAPerson": (
        "10m",
        {'slipway_promoter_outcome_timestamp_seconds{model="m",kind="held"}': "60x200"},
        {'slipway_promoter_outcome_timestamp_seconds{model="m",kind="opened"}': "60x200"},
    ),
    "SlipwayCacheForged": (
        "2m", {"slipway_cache_forged_total": "0x6 1x30"}, {"slipway_cache_forged_total": "0x30"},
    ),
}  # fmt: skip


@pytest.fixture(scope="session")
def promtool() -> str:
    found = shutil.which("promtool")
    assert found, "promtool is not on PATH: apt-get install --no-install-recommends prometheus"
    return found


def firing(promtool: str, folder: Path, alert: str, when: str, series: dict[str, str]) -> bool:
    """Ask promtool whether the alert fires; both answers are tried, so that a broken file is neither."""
    answers = {}
    for wanted in (True, False):
        expected = [{"labels": '{__name__="firing"}', "value": 1}] if wanted else []
        count = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > bool 0'
        query = f'label_replace({count}, "__name__", "firing", "", "")'
        test = {
            "interval": "5s",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [{"expr": query, "eval_time": when, "exp_samples": expected}],
        }
        file = folder / f"{wanted}.yaml"
        content = {"rule_files": [str(one) for one in RULES], "evaluation_interval": "5s", "tests": [test]}
        file.write_text(json.dumps(content))
        done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False)
        answers[wanted] = done.returncode == 0
        said = done.stdout + done.stderr
    assert answers[True] != answers[False], said
    return answers[True]


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_on_its_fault_and_on_nothing_else(alert: str, promtool: str, tmp_path: Path) -> None:
    when, fault, healthy = CASES[alert]
    assert firing(promtool, tmp_path, alert, when, fault)
    assert not firing(promtool, tmp_path, alert, when, healthy)


def test_every_alert_has_a_case_and_an_entry_in_the_reference() -> None:
    groups = [group for file in RULES for group in yaml.safe_load(file.read_text())["groups"]]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}
    entries = set(re.findall(r"^### (\w+)$", (ROOT / "docs/reference/alerts.md").read_text(), flags=re.MULTILINE))
    assert alerts == set(CASES) == entries


def test_every_configuration_is_valid(promtool: str, tmp_path: Path) -> None:
    amtool = shutil.which("amtool")
    assert amtool, "amtool is not on PATH: apt-get install --no-install-recommends prometheus-alertmanager"
    copy = shutil.copytree(MONITORING, tmp_path / "monitoring")
    (copy / "targets").mkdir()
    for name in ("api", "alertmanager", "prometheus"):
        (copy / "targets" / f"{name}.json").write_text('[{"targets": ["127.0.0.1:1"]}]')
    subprocess.run([promtool, "check", "config", str(copy / "prometheus.yaml")], check=True)
    subprocess.run([amtool, "check-config", str(copy / "alertmanager.yaml")], check=True)
