"""Training: the loop, its options, checkpoints with exact resume, history and progress.

batches.py      what it asks of batches, and of the step done with each
loop.py         Training: truncated backpropagation, clipping, early stopping, budget, interrupts
config.py       TrainingConfig: every option of the loop
optimizers.py   the optimizers by name, the learning rate of each step
update.py       one update of the weights: gradient norm, clipping, which value is not finite
average.py      a running average of the weights
first_weights.py   weights drawn as textbooks draw them
state.py        the carried state: cut from its history, and taken apart for checkpoints
generators.py   torch's random generators: seeded, kept, given back
checkpoints.py  last.safetensors (the whole of a training), best.safetensors
history.py      what is counted during an epoch, and the rows of metrics.jsonl
progress.py     reporters: a bar, plain lines, silence
"""
