"""The equations, one file a cell, and the loop that runs any of them over time: the reference."""

from unrolled.cells.cell import Cell
from unrolled.cells.elman import Elman
from unrolled.cells.gru import GRU
from unrolled.cells.loop import Call, Masks, Result, unroll
from unrolled.cells.lstm import LSTM

__all__ = ["GRU", "LSTM", "Call", "Cell", "Elman", "Masks", "Result", "unroll"]
