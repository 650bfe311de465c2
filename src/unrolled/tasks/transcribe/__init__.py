"""The task `transcribe`: labels of a sequence that nobody has put to its steps. See network.py and ctc.py.

Its parts import their neighbours themselves; config.py needs no torch.
"""
