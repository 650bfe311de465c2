"""Detection of what is unusual in series, by a forecaster one step ahead.

config      the options
fitted      what was fitted, and the validation part's scores
scores      the scores of every step of a series, and of the baselines
episodes    alarms that belong together
truth       what is known to be unusual, from a column or a table of windows
measures    precision, recall, F1, average precision
evaluation  a judged detector in numbers and words
pictures    its plots
estimator   Detector
"""
