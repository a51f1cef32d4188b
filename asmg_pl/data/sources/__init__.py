"""Streams: the public data sets that can be read as they are distributed."""

from asmg_pl.data.sources.base import Source
from asmg_pl.data.sources.drift import DriftingStream
from asmg_pl.data.sources.movielens import MovieLens
from asmg_pl.data.sources.movietweetings import MovieTweetings

__all__ = ["DriftingStream", "MovieLens", "MovieTweetings", "Source"]
