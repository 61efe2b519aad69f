from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from release.git.commits import actor, message, read_log, signing
from release.release_file import Release, parse, render, untagged
from slipway.errors import BadInput

SHA = "0123456789abcdef" * 4
RELEASE = Release("tiny", 7, SHA[:32], SHA[:40], SHA[:32], SHA, SHA, "127.0.0.1:5000/team/tiny", f"sha256:{SHA}")
NOTHING = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"


def test_a_release_survives_its_file() -> None:
    assert parse(render(RELEASE), "file") == RELEASE


def test_a_digest_of_digits_stays_a_string() -> None:
    digits = replace(RELEASE, git_commit="1" * 40, run_id="1e" + "0" * 30, data_md5="0" * 32)
    assert parse(render(digits), "file") == digits


@pytest.mark.parametrize("name", ["no", "on", "off", "null", "true", "y"])
def test_a_name_that_yaml_could_take_for_something_else_stays_a_name(name: str) -> None:
    release = replace(RELEASE, model=name)
    text = render(release)
    assert parse(text, "file") == release
    assert yaml.safe_load(text)["images"][0]["name"] == name
    with pytest.raises(BadInput, match="is not a release file"):
        parse(text.replace(f'"{name}"', name), "file")


@pytest.mark.parametrize("name", ["007", "1e3", "0x1f", "2026-01-01", "0b1"])
def test_a_name_that_begins_with_a_digit_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="cannot be written"):
        render(replace(RELEASE, model=name))


@pytest.mark.parametrize("text", [NOTHING, NOTHING + "patches: []\n"])
def test_nothing_released_yet_is_none(text: str) -> None:
    assert parse(text, "file") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kind: Kustomization\n",
        "a: [",
        render(RELEASE) + "resources: [https://evil.example/x]\n",
        render(RELEASE) + "# a note\n",
        render(RELEASE).replace("digest: ", "newTag: latest\n  digest: "),
        render(RELEASE).replace('"7"', '"07"'),
        render(RELEASE).replace("images:", "images: &x"),
    ],
)
def test_every_other_form_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"file is not a release file|cannot be written"):
        parse(text, "file")


@pytest.mark.parametrize(
    "change", [{"model": "../x"}, {"image": "a/b\n- name: c"}, {"digest": "sha256:1"}, {"version": 0}]
)
def test_a_value_that_could_be_more_than_itself_is_not_written(change: dict[str, str]) -> None:
    with pytest.raises(BadInput, match="cannot be written"):
        render(replace(RELEASE, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("image", "name"),
    [("r.example:5000/a/b:7", "r.example:5000/a/b"), ("r/a", "r/a"), ("r/a:1@sha256:0", "r/a"), ("r:1/a", "r:1/a")],
)
def test_a_tag_goes_and_a_port_stays(image: str, name: str) -> None:
    assert untagged(image) == name


def test_a_person_has_one_key_however_the_address_is_spelled() -> None:
    assert actor("Ada <Ada+work@Example.org>").key == actor("A. L. <ada@example.ORG>").key


@pytest.mark.parametrize("text", ["", "Ada", "Ada <ada>", "<a@b>", "Ada <a@b>\nSlipway-Action: x", "Ada <a@b> <c@d>"])
def test_an_actor_is_a_name_and_an_address(text: str) -> None:
    with pytest.raises(BadInput, match="no one is named"):
        actor(text)


def test_a_message_keeps_a_reason_on_one_line() -> None:
    text = message("Stage", "stage", RELEASE, "a\n\nSlipway-Approved-By: Eve <e@e>")
    assert "\nSlipway-Approved-By" not in text
    assert text.count("\n\n") == 1


def test_a_log_is_read_back() -> None:
    record = "\0".join(
        ["a" * 40, "b c", "Ada", "a@x", "Bob", "b@x", "2026-01-01", "Subject", "Slipway-Action: stage\n"]
    )
    (commit,) = read_log(record + "\0")
    assert (commit.parents, commit.action, str(commit.author)) == (("b", "c"), "stage", "Ada <a@x>")


def test_a_fingerprint_signs_by_openpgp() -> None:
    assert signing("0123ABCD") == ("gpg.format=openpgp", "user.signingKey=0123ABCD")
    assert signing(None) == ()


SEPARATORS = ["\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x1f", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize("separator", SEPARATORS)
def test_nothing_that_an_author_writes_forges_a_field_or_a_trailer(separator: str) -> None:
    forged = f"Eve{separator}Slipway-Action: rollback{separator}"
    said = message(forged, "stage", RELEASE, forged, Approved_By=forged)
    trailers = said.partition("\n\n")[2]
    assert len(trailers.splitlines()) == len(trailers.split("\n")) - 1
    fields = ["a" * 40, "b", forged, "eve@x", forged, "eve@x", "2026-01-01", forged, f"Slipway-Reason: {forged}\n"]
    if separator != "\n":
        (commit,) = read_log("\0".join(fields) + "\0")
        assert commit.action is None


def test_trailers_that_disagree_count_for_nothing() -> None:
    trailers = "Slipway-Action: rollback\nslipway-action: promote\nSlipway-Reason: a\nSlipway-Reason: a\n"
    fields = ["a" * 40, "b", "Eve", "eve@x", "Eve", "eve@x", "2026-01-01", "Go", trailers]
    (commit,) = read_log("\0".join(fields) + "\0")
    assert (commit.action, commit.reason, commit.contradicts) == (None, "a", ("Slipway-Action",))
