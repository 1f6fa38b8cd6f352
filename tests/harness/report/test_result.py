import json
from typing import get_args

import pytest

from advisor.errors import DataError
from harness.report import result as results


def test_statuses_are_those_of_the_records():
    from harness.records import Status

    assert set(get_args(results.Status)) == set(get_args(Status))


def test_what_is_null_absent_or_not_finite_was_not_measured(run):
    probe = run["strategies"][2]
    probe["seconds"], probe["latency_ms"] = None, float("nan")
    probe["test"]["interval"] = [0.9, float("inf")]
    probe["per_class"]["tech"] = None
    del probe["validation"]
    read = results.parse(run).named("linear_probe")
    assert read.seconds is None
    assert read.latency_ms is None
    assert read.test.interval is None
    assert "tech" not in read.per_class
    assert read.validation is None
    assert read.test.mean == 0.951


def test_the_least_a_result_can_be():
    read = results.parse({"winner": None, "strategies": []})
    assert read.strategies == ()
    assert read.question.model.name is None


def test_fields_of_later_minor_versions_do_no_harm(run):
    run["new"] = run["strategies"][0]["new"] = {"anything": [1]}
    assert results.parse(run).winner == "linear_probe"


def test_a_newer_schema_is_refused(run):
    run["schema_version"] = results.SCHEMA_VERSION + 1
    with pytest.raises(DataError, match=r"has schema version 2; this harness reads up to 1"):
        results.parse(run)


def test_a_field_that_holds_the_wrong_thing_is_named(run):
    run["strategies"][1]["test"]["mean"] = "high"
    with pytest.raises(DataError, match=r"strategies\.1\.test\.mean: .*; got 'high'"):
        results.parse(run)


def test_a_folder_without_a_result(tmp_path):
    with pytest.raises(DataError, match=r"no result.json in .*: not the folder of a finished run"):
        results.read(tmp_path / "result.json")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"winner": '])
def test_a_result_that_is_no_json(tmp_path, content):
    (tmp_path / "result.json").write_bytes(content)
    with pytest.raises(DataError, match=r"result.json cannot be read"):
        results.read(tmp_path / "result.json")


def test_a_result_that_is_no_object(tmp_path):
    (tmp_path / "result.json").write_text("[1]")
    with pytest.raises(DataError, match=r"holds no JSON object; got list"):
        results.read(tmp_path / "result.json")


def test_read_is_parse_of_the_file(tmp_path, run):
    (tmp_path / "result.json").write_text(json.dumps(run))
    assert results.read(tmp_path / "result.json") == results.parse(run)
