"""Forecasting: n steps of a series in, the next steps out.

config        the options
data          series as rows of numbers that the network reads
settle        what the options leave open, chosen from the training parts
fitted        what was fitted on the training parts beside the network
preparation   all that a training needs, checked
network       the network in torch, and how it runs on beyond what is known
learning      the training windows, the loss, the validation loss
forecasting   forecasts and their distributions from known origins
backtest      … from many origins, beside the baselines
evaluation    a backtest in numbers and words
answers       what follows a series, as a table
pictures      the plots of a run
estimator     Forecaster: all of it behind the estimator that tasks share, and generate
"""
