"""Sources of streams: streams on disk, published data sets, and a synthetic stream."""

from asmg_pl.data.sources.base import Source
from asmg_pl.data.sources.complete_journey import CompleteJourney
from asmg_pl.data.sources.diginetica import Diginetica
from asmg_pl.data.sources.drift import DriftingStream
from asmg_pl.data.sources.movielens import MovieLens
from asmg_pl.data.sources.movietweetings import MovieTweetings
from asmg_pl.data.sources.online_retail import OnlineRetail
from asmg_pl.data.sources.sobazaar import Sobazaar
from asmg_pl.data.sources.stream import Stream
from asmg_pl.data.sources.tmall import Tmall

__all__ = [
    "CompleteJourney",
    "Diginetica",
    "DriftingStream",
    "MovieLens",
    "MovieTweetings",
    "OnlineRetail",
    "Sobazaar",
    "Source",
    "Stream",
    "Tmall",
]
