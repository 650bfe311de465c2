"""Transcribing: sequences in, labels that nobody has put to their steps out.

config       the options
codec        what is fitted on the training part beside the network
network      the network
criterion    how labels without steps are learned and found: ctc, hybrid (with alignments)
examples     encoded sequences and their labels
scores       how near transcripts are to the true ones
pictures     the plots of a run
estimator    Transcriber: all of it behind the estimator that tasks share
"""
