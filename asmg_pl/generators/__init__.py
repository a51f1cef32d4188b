"""Meta generators: from a sequence of snapshots to the serving model's parameters."""

from asmg_pl.generators.base import Generator, ParameterShapes
from asmg_pl.generators.cell import Cells, GRUCells, VanillaCells
from asmg_pl.generators.gru import GRUGenerator, ResidualGRU
from asmg_pl.generators.linear import LinearGenerator
from asmg_pl.generators.row import RowGenerator
from asmg_pl.generators.trend import TrendGenerator

__all__ = [
    "Cells",
    "GRUCells",
    "GRUGenerator",
    "Generator",
    "LinearGenerator",
    "ParameterShapes",
    "ResidualGRU",
    "RowGenerator",
    "TrendGenerator",
    "VanillaCells",
]
