from __future__ import annotations

import re
from pathlib import Path

from registry.verdict import Rule
from release.rules.policy import POLICY, judge, shown
from release.rules.rule import PromotionRule, rule_of_answer
from slipway.answer import Answer
from tests.unit.release.rules.conftest import MakeCandidate

TOP = Path(__file__).parents[4]
NO_RULES = {"__init__", "candidate", "policy", "rule"}


def of(name: str, passed: bool | None) -> PromotionRule[Answer]:
    return rule_of_answer(name, lambda _: Answer(passed, "why"))


def test_a_rule_is_one_file_with_a_test_beside_it_and_a_row_in_the_reference() -> None:
    names = [rule.name for rule in POLICY]
    files = {path.stem for path in (TOP / "release/rules").glob("*.py")} - NO_RULES
    assert sorted(names) == sorted(files)
    tests = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
    assert tests - {"policy"} == files
    page = (TOP / "docs/reference/release.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|", page.partition("| rule |")[2].partition("\n\n")[0], re.MULTILINE)
    assert rows == names


def test_what_time_can_turn_comes_from_the_rules(candidate: MakeCandidate) -> None:
    wanted = candidate()
    yes, no, silent = of("a", True), of("b", False), of("c", None)
    assert judge(wanted, (yes,)).verdict.passed
    assert not judge(wanted, (yes,)).may_pass
    assert judge(wanted, (yes, silent)).may_pass
    both = judge(wanted, (silent, no, yes))
    assert [rule.name for rule in both.verdict.rules] == ["c", "b", "a"]
    assert (both.verdict.passed, both.may_pass, both.lasting) == (False, False, (Rule("b", False, "why"),))


def test_a_policy_without_rules_passes_nobody(candidate: MakeCandidate) -> None:
    assert not judge(candidate(), ()).verdict.passed


def test_the_reasons_that_name_who_signed_are_shown(candidate: MakeCandidate) -> None:
    signed = tuple(rule for rule in POLICY if rule.shown)
    outcomes = judge(candidate(), signed).verdict
    assert [rule.name for rule in shown(outcomes)] == ["verdict", "image_as_packaged", "data_in_remote"]
