"""Cells and options that the tests in this folder go through."""

import itertools

from unrolled import cells
from unrolled.cells import GRU, LSTM, MGU, Elman

CELLS = {
    "tanh": Elman("tanh"),
    "relu": Elman("relu"),
    "sigmoid": Elman("sigmoid"),
    "gru": GRU(),
    "gru reset before": GRU(reset_after=False),
    "gru layer norm": GRU(layer_norm=True),
    "gru reset before, layer norm": GRU(reset_after=False, layer_norm=True),
    "mgu": MGU(),
    "mgu layer norm": MGU(layer_norm=True),
    "lstm": LSTM(),
    "lstm projected": LSTM(proj_size=3),
    "lstm peephole": LSTM(peephole=True),
    "lstm blocks": LSTM(cells_per_block=2),
    "lstm coupled": LSTM(coupled_input_forget=True),
    "lstm layer norm": LSTM(layer_norm=True),
    "lstm blocks, peephole": LSTM(cells_per_block=3, peephole=True),
    "lstm coupled, peephole": LSTM(coupled_input_forget=True, peephole=True),
    "lstm everything": LSTM(3, peephole=True, cells_per_block=2, coupled_input_forget=True, layer_norm=True),
    "lstm everything but coupling": LSTM(2, peephole=True, cells_per_block=3, layer_norm=True),
}


def combinations():
    """Every cell with every combination of its options that it takes."""
    for kind in cells.CELLS.values():
        fields = [option.name for option in kind.options()]
        values = [dict.fromkeys((option.default, *option.others)) for option in kind.options()]
        for chosen in itertools.product(*values):
            try:
                yield kind(*chosen)
            except ValueError as error:
                assert chosen[fields.index("coupled_input_forget")] and "forget_bias" in str(error)


def options(cell):
    """The options of the equations, for the oracle."""
    return {option.name: getattr(cell, option.name) for option in cell.options() if not option.initial}
