"""What Prometheus is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving.server.answered import Client, answering, store

from asmg_pl.serving import load
from asmg_pl.serving.server import Fixed, create_app

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """Asks a server that has answered nothing yet."""
    source = Fixed(load(store(tmp_path, written="2024-05-01T00:00:00+00:00").path()))
    with answering(create_app(source)) as asks:
        yield asks


def samples(client: Client) -> Samples:
    """All samples by name and labels, as Prometheus reads them."""
    found = client.get("/metrics")
    assert found.status == 200
    assert found.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(found.text)
        for sample in family.samples
    }


def requests(found: Samples) -> dict[tuple[str, str], float]:
    """The numbers of requests by path and status."""
    return {
        (dict(labels)["path"], dict(labels)["status"]): value
        for (name, labels), value in found.items()
        if name == "asmg_requests_total"
    }


def test_requests_are_counted_by_path_and_status(client: Client) -> None:
    body = {"user": 1002, "items": [1003]}
    for _ in range(3):
        client.post("/score", body)
    client.post("/score", {})
    client.post("/score", b"{")
    client.post("/recommend", {"user": 1002})
    client.post("/score", b"x" * (2**20 + 1))
    client.get("/score")
    client.get("/health")
    assert requests(samples(client)) == {
        ("/score", "200"): 3,
        ("/score", "422"): 1,
        ("/score", "400"): 1,
        ("/score", "413"): 1,
        ("/score", "405"): 1,
        ("/recommend", "200"): 1,
        ("/health", "200"): 1,
    }


def test_no_path_that_a_client_invents_becomes_a_label(client: Client) -> None:
    for number in range(5):
        client.get(f"/invented-{number}")
    assert requests(samples(client)) == {("other", "404"): 5}


def test_the_seconds_of_each_request_fall_into_a_bucket(client: Client) -> None:
    for _ in range(4):
        client.post("/score", {"user": 1002, "items": [1003]})
    found = samples(client)
    path = ("path", "/score")
    assert found["asmg_request_seconds_count", (path,)] == 4
    assert found["asmg_request_seconds_sum", (path,)] > 0
    counts = [value for (name, labels), value in found.items() if name.endswith("seconds_bucket") and path in labels]
    assert counts == sorted(counts)
    assert counts[-1] == 4, "the last bucket has no upper end"


def test_the_version_and_its_age_are_told(client: Client) -> None:
    found = samples(client)
    assert found["asmg_model_info", (("version", "after-period-000001"),)] == 1
    assert found["asmg_model_age_seconds", ()] > 86_400
    assert found["asmg_swaps_total", ()] == found["asmg_failed_reloads_total", ()] == 0


def test_a_version_that_does_not_say_when_it_was_written_has_no_age(tmp_path: Path) -> None:
    with answering(create_app(Fixed(load(store(tmp_path).path())))) as client:
        assert not any(name == "asmg_model_age_seconds" for name, _ in samples(client))
        assert client.get("/health").json["age_seconds"] is None


def test_users_and_unknown_users_are_counted(client: Client) -> None:
    client.post("/score", {"users": [1002, "nobody", 5], "items": [[1003]] * 3})
    client.post("/recommend", {"user": 1003})
    found = samples(client)
    assert found["asmg_users_total", ()] == 4
    assert found["asmg_unknown_users_total", ()] == 2


def test_servers_in_one_process_count_each_for_itself(client: Client, tmp_path: Path) -> None:
    with answering(create_app(Fixed(load(store(tmp_path / "other").path())))) as other:
        other.post("/score", {"user": 1002, "items": [1003]})
        assert requests(samples(other)) == {("/score", "200"): 1}
    assert ("/score", "200") not in requests(samples(client))
