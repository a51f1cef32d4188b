"""What the paths answer: the scorer's own numbers, of one version, whatever happens beneath."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving.server.answered import SIZES, Client, answering, eventually, store
from serving.small import share_rows

from asmg_pl.recommenders import EmbeddingMLP
from asmg_pl.serving import Live, Store, load, write
from asmg_pl.serving.drawn import drawn_contents
from asmg_pl.serving.server import Fixed, create_app
from asmg_pl.system.files import written_whole

CONTEXT = {"context-0": 1001}


@pytest.fixture
def served(tmp_path: Path) -> Store:
    """Three versions, the first of which serves."""
    return store(tmp_path / "serving", versions=3, written="2024-05-01T00:00:00+00:00")


@pytest.fixture
def client(served: Store) -> Iterator[Client]:
    """Asks a server that follows the store."""
    with Live(served) as source, answering(create_app(source, watch=0.02)) as asks:
        yield asks


def answers_as(client: Client, version: str) -> bool:
    """Whether a version serves."""
    return bool(client.get("/health").json["version"] == version)


def same(found: dict[str, Any], expected: Any) -> bool:
    """Whether an answer says what the scorer says."""
    assert found["scores"] == pytest.approx(np.asarray(expected.scores).tolist(), abs=1e-6)
    return bool(found["items"] == list(expected.items) and found["by"] == expected.by)


def test_scores_are_those_of_the_scorer(client: Client, served: Store) -> None:
    scorer, items = load(served.path()), [1003, 1001, 1019]
    found = client.post("/score", {"user": 1002, "items": items, "context": CONTEXT}).json
    assert same(found, scorer.score(1002, items, None, CONTEXT))
    assert found["version"] == "after-period-000001"
    assert found["unknown"] == {"user": False, "items": [], "context": [], "history": [], "instead": ""}


def test_ids_without_a_row_of_their_own_are_told_as_unknown(tmp_path: Path) -> None:
    shared = {"user": np.arange(SIZES.users) == 2, "item": np.arange(SIZES.items) == 3}
    contents, made = drawn_contents(EmbeddingMLP, SIZES, strings=False), Store(tmp_path / "s")
    made.publish(made.add(1, lambda folder: write(contents, folder)))
    share_rows(made.path(), shared)
    with Live(made) as source, answering(create_app(source)) as client:
        found = client.post("/score", {"user": 1002, "items": [1003, 1004, 7], "context": CONTEXT}).json
        assert (found["unknown"]["user"], found["unknown"]["items"]) == (True, [1003, 7])
        assert same(found, source.scorer.score(1002, [1003, 1004, 7], None, CONTEXT))
        best = client.post("/recommend", {"user": 1002, "k": 20, "exclude_seen": False}).json
    assert (best["by"], best["unknown"]["items"]) == ("score", [1003])


def test_a_history_of_the_request_takes_the_place_of_the_known_one(client: Client, served: Store) -> None:
    scorer = load(served.path())
    found = client.post("/score", {"user": 1002, "items": [1003], "history": [1004, 1005]}).json
    assert same(found, scorer.score(1002, [1003], [1004, 1005]))
    assert found["scores"] != client.post("/score", {"user": 1002, "items": [1003]}).json["scores"]


def test_recommendations_are_those_of_the_scorer(client: Client, served: Store) -> None:
    scorer = load(served.path())
    for wish in (
        {"k": 4},
        {"k": 4, "exclude_seen": False},
        {"k": 2, "candidates": [1001, 1002, 1003]},
        {"k": 3, "history": [1001], "context": CONTEXT},
    ):
        found = client.post("/recommend", {"user": 1002} | wish).json
        assert same(found, scorer.recommend(1002, **wish))
        assert found["scores"] == sorted(found["scores"], reverse=True)


def test_several_users_get_what_each_would_get_alone(client: Client) -> None:
    items: list[list[int]] = [[1003, 1001], [1002], [1005, 7]]
    histories, contexts = [None, [1004], None], [CONTEXT, None, None]
    users = [1002, 1003, 5]
    body = {"users": users, "items": items, "history": histories, "context": contexts}
    found = client.post("/score", body).json
    assert found["version"] == "after-period-000001"
    for user, asked, history, context, answer in zip(users, items, histories, contexts, found["answers"], strict=True):
        alone = client.post("/score", {"user": user, "items": asked, "history": history, "context": context}).json
        assert answer["scores"] == pytest.approx(alone["scores"], abs=1e-6)
        assert all(answer[key] == alone[key] for key in ("user", "items", "by", "unknown"))
    wish = {"users": [1002, 5], "k": 2, "candidates": [[1001, 1002, 1003], None], "exclude_seen": False}
    first, second = client.post("/recommend", wish).json["answers"]
    assert set(first["items"]) < {1001, 1002, 1003}
    assert second["by"] == "popularity"


def test_what_is_unknown_is_said(client: Client) -> None:
    found = client.post("/score", {"user": "nobody", "items": [1001, 5], "history": [6, 1002]}).json
    unknown = found["unknown"]
    assert unknown["user"] is True
    assert (unknown["items"], unknown["context"], unknown["history"]) == ([5], ["context-0"], [6])
    assert "unknown" in unknown["instead"]


def test_an_integer_and_its_spelling_are_one_id(client: Client) -> None:
    as_numbers = client.post("/score", {"user": 1002, "items": [1003]}).json
    as_texts = client.post("/score", {"user": "1002", "items": ["1003"]}).json
    assert as_texts["scores"] == as_numbers["scores"]
    assert not as_texts["unknown"]["user"]
    assert as_texts["unknown"]["items"] == []


def test_streams_of_strings_have_strings_as_ids(tmp_path: Path) -> None:
    with Live(store(tmp_path, strings=True)) as source, answering(create_app(source)) as client:
        found = client.post("/recommend", {"user": "user-2", "k": 3}).json
        assert not found["unknown"]["user"]
        assert all(item.startswith("item-") for item in found["items"])


def test_a_version_that_is_published_takes_over_and_one_that_is_gone_back_to(client: Client, served: Store) -> None:
    for change, version in (
        (lambda: served.publish("after-period-000002"), "after-period-000002"),
        (lambda: served.publish("after-period-000003"), "after-period-000003"),
        (served.rollback, "after-period-000002"),
    ):
        change()
        eventually(partial(answers_as, client, version))
        found = client.post("/score", {"user": 1002, "items": [1003], "context": CONTEXT}).json
        assert found["version"] == version
        assert same(found, load(served.folder / version).score(1002, [1003], None, CONTEXT))
    assert "asmg_swaps_total 3.0" in client.get("/metrics").text


def test_a_damaged_version_does_not_take_over_and_health_says_why(client: Client, served: Store) -> None:
    damaged = served.folder / "after-period-000002" / "popularity.npy"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with written_whole(served.folder / "current") as pointer:
        pointer.write_text("after-period-000002\n")
    eventually(lambda: client.get("/health").json["failed_reload"] is not None)
    health = client.get("/health").json
    assert health["status"] == "ok"
    assert health["version"] == "after-period-000001"
    assert "popularity.npy" in health["failed_reload"]
    assert client.post("/score", {"user": 1002, "items": [1003]}).json["version"] == "after-period-000001"
    metrics = client.get("/metrics").text
    assert "asmg_failed_reloads_total 0.0" not in metrics
    assert 'asmg_model_info{version="after-period-000001"} 1.0' in metrics
    served.publish("after-period-000003")
    eventually(lambda: client.get("/health").json["version"] == "after-period-000003")
    assert client.get("/health").json["failed_reload"] is None


def test_without_a_watch_the_first_version_stays(served: Store) -> None:
    with Live(served) as source, answering(create_app(source, watch=0.0)) as client:
        served.publish("after-period-000002")
        assert client.get("/health").json["version"] == "after-period-000001"
        assert source.reload()
        assert client.get("/health").json["version"] == "after-period-000002"


def test_a_score_that_is_no_number_is_never_sent(served: Store) -> None:
    scorer = load(served.path())

    class Broken:
        """Answers with a score that is not a number."""

        version, package = scorer.version, scorer.package

        def score(self, *given: Any) -> Any:
            found = scorer.score(*given)
            found.scores[1:] = np.nan
            return found

    with answering(create_app(Fixed(Broken()))) as client:  # type: ignore[arg-type]
        found = client.post("/score", {"user": 1002, "items": [1003, 1004]})
        assert found.status == 500
        assert "1004" in found.error
        assert "asmg rollback" in found.error


class Held:
    """A scorer that waits until it is let go."""

    def __init__(self, scorer: Any) -> None:
        self.version, self.package, self._scorer = scorer.version, scorer.package, scorer
        self.begun, self.go = threading.Semaphore(0), threading.Event()

    def score(self, *given: Any) -> Any:
        self.begun.release()
        self.go.wait()
        return self._scorer.score(*given)


def test_a_long_request_keeps_no_other_path_waiting_and_too_many_are_sent_away(served: Store) -> None:
    held = Held(load(served.path()))
    body, statuses = {"user": 1002, "items": [1003]}, []
    with answering(create_app(Fixed(held), threads=1, waiting=1)) as client:  # type: ignore[arg-type]
        asking = [threading.Thread(target=lambda: statuses.append(client.post("/score", body).status)) for _ in "ab"]
        try:
            for thread in asking:
                thread.start()
            held.begun.acquire()
            assert client.get("/health").status == 200
            eventually(lambda: "asmg_requests_in_flight 3.0" in client.get("/metrics").text)
            refused = client.post("/score", body)
            assert refused.status == 503
            assert "try again" in refused.error
            assert refused.headers["retry-after"] == "1"
        finally:
            held.go.set()
            for thread in asking:
                thread.join()
        assert statuses == [200, 200]
        assert client.post("/score", body).status == 200


def test_a_request_is_answered_by_the_version_that_it_began_with(served: Store) -> None:
    held = Held(load(served.path()))
    source, replies = Fixed(held), []  # type: ignore[arg-type]
    body = {"user": 1002, "items": [1003]}
    with answering(create_app(source)) as client:
        thread = threading.Thread(target=lambda: replies.append(client.post("/score", body).json))
        thread.start()
        held.begun.acquire()
        source.scorer = load(served.folder / "after-period-000002")
        assert client.get("/health").json["version"] == "after-period-000002"
        held.go.set()
        thread.join()
        assert replies[0]["version"] == "after-period-000001"
        assert same(replies[0], load(served.path()).score(1002, [1003]))
        assert client.post("/score", body).json["version"] == "after-period-000002"


def test_health_says_how_old_the_version_is(client: Client) -> None:
    assert client.get("/health").json["age_seconds"] > 86_400
