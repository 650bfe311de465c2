"""The equations, one file a cell: a registry that needs no torch. loop.py runs any of them over time: the
reference."""

from unrolled.cells.call import Call, Masks, Result
from unrolled.cells.cell import Cell
from unrolled.cells.elman import Elman
from unrolled.cells.gru import GRU
from unrolled.cells.lstm import LSTM
from unrolled.cells.mgu import MGU
from unrolled.cells.registry import CELLS

__all__ = ["CELLS", "GRU", "LSTM", "MGU", "Call", "Cell", "Elman", "Masks", "Result"]
