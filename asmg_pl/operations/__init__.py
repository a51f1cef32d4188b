"""The daily job, ``asmg update``: new rows are appended and walked, and a gate decides whether the new model serves.

files ─▶ append ─▶ walk ─▶ gate ─▶ export ─▶ publish
"""

from asmg_pl.operations.gate import Gate, Judgement
from asmg_pl.operations.update import Outcome, Update, Updated
from asmg_pl.operations.walked import WalkedRun

__all__ = ["Gate", "Judgement", "Outcome", "Update", "Updated", "WalkedRun"]
