"""What blocks are written in: the same operations on arrays of numpy and tensors of torch, and the state.
Each kind of array has a file here, numpy.py and torch.py, with every operation of blocks/ops.py; another
kind, such as the nodes of a graph, would be one more."""
