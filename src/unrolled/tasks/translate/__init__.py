"""Sequence to sequence: texts that become other texts, of any length.

config      the options
codec       the symbols of both sides, how long answers may be, pairs as batches
network     encoder and decoder, the loss, scheduled sampling
answering   from a trained network to answers, in batches
scores      the questions that it is judged by, and baselines
nearest     the baseline that looks the nearest training pair up
estimator   Translator

When an answer stops: decoding/search.py.
"""
