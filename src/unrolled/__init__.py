"""Recurrent networks, from a file of sequences to a live stream: the same bits everywhere."""

__version__ = "0.1.0"
