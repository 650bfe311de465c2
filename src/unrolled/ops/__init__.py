"""What blocks are written in: the same operations on arrays of numpy and tensors of torch, and the state."""
