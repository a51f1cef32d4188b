"""Checks of an author's own class against the rules that the rest of the package relies on.

Each check raises :class:`BrokenRule` at the first rule that is broken, since later rules build on earlier ones. The
message says what to write instead.
"""

from asmg_pl.testing.generator import check_generator
from asmg_pl.testing.recommender import check_recommender
from asmg_pl.testing.rules import BrokenRule
from asmg_pl.testing.updater import check_updater

__all__ = ["BrokenRule", "check_generator", "check_recommender", "check_updater"]
