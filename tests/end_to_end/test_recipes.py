"""The recipes of the documentation, each run by a shell on a small file of the data set's real form."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from asmg_pl.data.log import InteractionLog
from asmg_pl.data.stream import open_stream, read_names

TEXT = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
RECIPES = dict(re.findall(r"^## ([^\n]*)\n.*?```sh\n(.*?)```", TEXT, re.DOTALL | re.MULTILINE))

FILES: dict[str, Callable[[], None]] = {}


def files(name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Mark a function that writes the files of a data set to the working folder."""

    def mark(write: Callable[[], None]) -> Callable[[], None]:
        FILES[name] = write
        return write

    return mark


def stream(
    name: str, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> tuple[str, InteractionLog, dict[str, list[object]]]:
    """What the recipe prints, the stream, and the names of the items and users of its rows."""
    monkeypatch.chdir(folder)
    FILES[name]()
    program = f'asmg() {{ "{sys.executable}" -P -m asmg_pl "$@"; }}; set -e\n'
    done = subprocess.run(["bash", "-c", program + RECIPES[name]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = Path("streams").iterdir()
    log = open_stream(path)
    ids = {"users": log.user, "items": log.item}
    return done.stdout, log, {role: read_names(path, role)[index.tolist()].to_list() for role, index in ids.items()}


Made = Callable[[str], tuple[str, InteractionLog, dict[str, list[object]]]]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Made:
    """Run a recipe in a folder of its own."""
    return lambda name: stream(name, monkeypatch, tmp_path)


def test_every_recipe_is_tested() -> None:
    assert RECIPES.keys() == FILES.keys()


@files("RetailRocket")
def retailrocket() -> None:
    Path("events.csv").write_text(
        "timestamp,visitorid,event,itemid,transactionid\n"
        "1433221332117,257597,view,355908,\n1433224214164,992329,view,248676,\n"
        "1433221999827,111016,addtocart,318965,\n1433222276276,599528,transaction,356475,4000\n"
    )


def test_retailrocket(made: Made) -> None:
    _, log, names = made("RetailRocket")
    assert names["items"] == [355908, 318965, 356475, 248676]
    assert log.label.tolist() == [0, 1, 1, 0]
    assert log.time.tolist()[0] == 1433221332


@files("Taobao UserBehavior")
def taobao() -> None:
    Path("UserBehavior.csv").write_text(
        "1,2268318,2520377,pv,1511544070\n1,2333346,2520771,pv,1511561733\n100,2576651,149192,buy,1511600000\n"
        "100,3830808,4181361,cart,1512300000\n100,3830808,4181361,pv,-2134949234\n5,4365585,2520377,fav,2122867355\n"
    )


def test_taobao(made: Made) -> None:
    out, log, names = made("Taobao UserBehavior")
    assert "left out: 2 rows by --where" in out
    assert names["users"] == [1, 1, 100, 100]
    assert log.label.tolist() == [0, 0, 1, 1]


@files("Amazon reviews")
def amazon() -> None:
    reviews = [
        {
            "rating": rating,
            "title": 'Such a "lovely" scent',
            "text": "This spray is really nice.\nIt smells good.",
            "images": [],
            "asin": item,
            "parent_asin": item,
            "user_id": user,
            "timestamp": time,
            "helpful_vote": 0,
            "verified_purchase": verified,
        }
        for rating, item, user, time, verified in (
            (5.0, "B00YQ6X8EO", "AGKHLEW2SOWHNMFQIJGBECAF7INQ", 1588687728923, True),
            (3.0, "0123034892", "AGKHLEW2SOWHNMFQIJGBECAF7INQ", 1588615855070, True),
            (4.0, "123034892", "AE74DYR3QUGVPZJ3P7RFWBGIX7XQ", 1589665266052, False),
        )
    ]
    meta = [
        {"main_category": "All Beauty", "title": "Spray", "features": [], "parent_asin": "B00YQ6X8EO", "details": {}},
        {
            "main_category": None,
            "title": "Comb",
            "features": ["x"],
            "parent_asin": "0123034892",
            "details": {"UPC": "1"},
        },
    ]
    for name, rows in (("All_Beauty.jsonl.gz", reviews), ("meta_All_Beauty.jsonl.gz", meta)):
        Path(name).write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))


def test_amazon_reviews(made: Made) -> None:
    out, log, names = made("Amazon reviews")
    assert names["items"] == ["0123034892", "B00YQ6X8EO", "123034892"]
    assert log.label.tolist() == [0, 1, 1]
    assert "the stream has 3 rows of 2 users and 3 items, 1 categories" in out


@files("YOOCHOOSE")
def yoochoose() -> None:
    Path("yoochoose-clicks.dat").write_text(
        "1,2014-04-07T10:51:09.277Z,214536502,0\n1,2014-04-07T10:54:09.868Z,214536500,0\n"
        "2,2014-04-07T13:56:37.614Z,214662742,S\n"
    )


def test_yoochoose(made: Made) -> None:
    _, log, names = made("YOOCHOOSE")
    assert log.label.tolist().count(1) == 3
    assert set(names["items"]) == {214536502, 214536500, 214662742}


@files("Last.fm 1K")
def lastfm() -> None:
    Path("userid-timestamp-artid-artname-traid-traname.tsv").write_text(
        "user_000001\t2009-05-04T23:08:57Z\tf1b1cf71-bd35-4e99-8624-24a6e15f133a\tDeep Dish\t\tA Mix (Live)\n"
        'user_000001\t2009-05-04T13:54:10Z\ta7f7df4a-77d8-4f12-8acd-5c60c93f4de8\t坂本龍一\t\t"12 (Live_2009_4_15)\n'
        "user_000002\t2007-05-04T13:54:10Z\t\tNobody\t\tA Song\n"
        "user_000002\t2013-09-29T18:32:04Z\ta7f7df4a-77d8-4f12-8acd-5c60c93f4de8\t坂本龍一\t\tLater\n"
    )


def test_lastfm(made: Made) -> None:
    out, log, _ = made("Last.fm 1K")
    assert log.label.tolist().count(1) == 2
    assert "left out: 1 rows by --where" in out
    assert "left out: 1 rows before --start or after --end" in out


@files("KuaiRand")
def kuairand() -> None:
    header = (
        "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,"
        "play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab\n"
    )
    Path("log_standard_4_08_to_4_21_pure.csv").write_text(
        f"{header}0,3784,20220408,1200,1649390414137,1,0,0,0,0,0,1,21880,21880,0,0,0,0,1\n"
        "0,75,20220409,1500,1649487614137,0,0,0,0,0,0,0,0,9000,0,0,0,0,4\n"
    )
    Path("log_standard_4_22_to_5_08_pure.csv").write_text(
        f"{header}3,75,20220422,1500,1650610814137,1,1,0,0,0,0,0,0,9000,0,0,0,0,1\n"
    )
    Path("video_features_basic_pure.csv").write_text(
        "video_id,author_id,video_type,upload_dt,upload_type,visible_status,video_duration,server_width,server_height,"
        "music_id,music_type,tag\n"
        '75,3,NORMAL,2022-04-05,ShortImport,1.0,9000.0,720.0,1280.0,14,9.0,"12,65"\n'
        "3784,7,NORMAL,2022-04-05,ShortImport,1.0,21880.0,720.0,1280.0,15,9.0,\n"
    )


def test_kuairand(made: Made) -> None:
    out, log, names = made("KuaiRand")
    assert names["items"] == [3784, 75, 75]
    assert log.label.tolist() == [1, 0, 1]
    assert "2 categories" in out


@files("MIND")
def mind() -> None:
    Path("behaviors.tsv").write_text(
        "1\tU13740\t11/11/2019 9:05:58 AM\tN55189 N42782\tN55689-1 N35729-0\n"
        "2\tU91836\t11/12/2019 6:11:30 PM\t\tN20678-0 N39317-0 N55689-1\n"
    )
    Path("news.tsv").write_text(
        'N55689\tsports\tfootball_nfl\tA "headline\tSome text.\thttps://assets.msn.com/1.html\t[]\t[]\n'
        'N35729\tnews\tnewsus\tAnother\t\thttps://assets.msn.com/2.html\t[{"Label": "X"}]\t[]\n'
    )


def test_mind(made: Made) -> None:
    out, log, names = made("MIND")
    assert names["items"] == ["N55689", "N35729", "N20678", "N39317", "N55689"]
    assert names["users"] == ["U13740"] * 2 + ["U91836"] * 3
    assert log.label.tolist() == [1, 0, 0, 0, 1]
    assert "from 2019-11-11 09:05:58 to 2019-11-12 18:11:30 UTC" in out
    assert "2 categories" in out


@files("EB-NeRD")
def ebnerd() -> None:
    Path("train").mkdir()
    kinds: dict[str, Any] = {
        "impression_id": pl.UInt32,
        "article_id": pl.Int32,
        "impression_time": pl.Datetime("us"),
        "read_time": pl.Float32,
        "device_type": pl.Int8,
        "article_ids_inview": pl.List(pl.Int32),
        "article_ids_clicked": pl.List(pl.Int32),
        "user_id": pl.UInt32,
        "is_subscriber": pl.Boolean,
    }
    pl.DataFrame(
        [
            (48401, None, datetime(2023, 5, 21, 21, 6, 50), 21.0, 2, [9774516, 9771051], [9771051], 22779, False),
            (152513, 9778745, datetime(2023, 5, 24, 7, 31, 26), 30.0, 1, [9778669, 9771051], [9778669], 150224, True),
        ],
        kinds,
        orient="row",
    ).write_parquet("train/behaviors.parquet")
    pl.DataFrame({"article_id": [9771051, 9774516], "category_str": ["sport", "nyheder"]}).write_parquet(
        "articles.parquet"
    )


def test_ebnerd(made: Made) -> None:
    out, log, names = made("EB-NeRD")
    assert names["items"] == [9774516, 9771051, 9778669, 9771051]
    assert log.label.tolist() == [0, 1, 1, 0]
    assert "2 categories" in out


@files("Avazu")
def avazu() -> None:
    Path("train.gz").write_bytes(
        gzip.compress(
            b"id,click,hour,C1,banner_pos,site_id,site_domain,site_category,app_id,app_domain,app_category,device_id,"
            b"device_ip,device_model,device_type,device_conn_type,C14,C15,C16,C17,C18,C19,C20,C21\n"
            b"1000009418151094273,0,14102100,1005,0,1fbe01fe,f3845767,28905ebd,ecad2386,7801e8d9,07d7df22,a99f214a,"
            b"ddd2926e,44956a24,1,2,15706,320,50,1722,0,35,-1,79\n"
            b"10000169349117863715,1,14102101,1005,0,1fbe01fe,f3845767,28905ebd,ecad2386,7801e8d9,07d7df22,a99f214a,"
            b"96809ac8,711ee120,1,0,15704,320,50,1722,0,35,100084,79\n"
        )
    )


def test_avazu(made: Made) -> None:
    out, log, names = made("Avazu")
    assert names["users"] == ["ddd2926e", "96809ac8"]
    assert log.label.tolist() == [0, 1]
    assert "from 2014-10-21 00:00:00 to 2014-10-21 01:00:00 UTC" in out


@files("Criteo")
def criteo() -> None:
    ids = "\t".join(f"{n:08x}" for n in range(0x68FD1E64, 0x68FD1E64 + 26))
    Path("train.txt").write_text(
        f"0\t1\t1\t5\t0\t1382\t4\t15\t2\t181\t1\t2\t\t2\t{ids}\n"
        f"1\t2\t-1\t44\t1\t102\t8\t2\t2\t4\t1\t1\t\t4\t{ids[:-8]}\n"
    )


def test_criteo(made: Made) -> None:
    out, log, _ = made("Criteo")
    assert "2 rows written" in out
    assert log.label.tolist() == [0, 1]
    assert log.time.tolist() == [1400000000, 1400000000]


@files("Yambda")
def yambda() -> None:
    pl.DataFrame(
        {
            "uid": [100, 100, 200],
            "timestamp": [39420, 39420, 5],
            "item_id": [8326270, 1441281, 286361],
            "is_organic": [0, 1, 0],
            "played_ratio_pct": [100, 49, 50],
            "track_length_seconds": [170, 105, 185],
        },
        {
            "uid": pl.UInt32,
            "timestamp": pl.UInt32,
            "item_id": pl.UInt32,
            "is_organic": pl.UInt8,
            "played_ratio_pct": pl.UInt16,
            "track_length_seconds": pl.UInt32,
        },
    ).write_parquet("listens.parquet")


def test_yambda(made: Made) -> None:
    _, log, names = made("Yambda")
    assert names["users"] == [200, 100, 100]
    assert log.label.tolist() == [1, 1, 0]
    assert log.time.tolist() == [5, 39420, 39420]


@files("Tmall")
def tmall() -> None:
    Path("user_log_format1.csv").write_text(
        "user_id,item_id,cat_id,seller_id,brand_id,time_stamp,action_type\n"
        "328862,323294,833,2882,2661,829,0\n328862,844400,1271,2882,2661,1111,0\n328862,575153,1271,2882,,1111,2\n"
    )


def test_tmall(made: Made) -> None:
    out, log, names = made("Tmall")
    assert {item for item, label in zip(names["items"], log.label.tolist(), strict=True) if label} == {323294, 844400}
    assert "from 2014-08-29 00:00:00 to 2014-11-11 00:00:00 UTC" in out
    assert "left out: 1 rows by --where" in out
