"""The kernels as torch operators, and what else runs a recurrence on tensors."""
