"""Captions: an input of one step in, an answer of any length out.

config      the options
codec       what is fitted on the training part: how inputs and answers become numbers and back
examples    the batches of a training
network     an encoder, and a decoder of text or of sequences of numbers; the losses
answering   from a trained network to answers, in batches
scores      answers in numbers and words, beside the baselines
pictures    the plots of a run
estimator   Captioner: all of it behind the estimator that tasks share
"""
