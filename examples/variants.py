"""Swap torch.nn.LSTM for unrolled.nn.LSTM, then turn on what torch.nn never took: peepholes, lengths, more.

The task is Gers & Schmidhuber's kind: at every step, say how long ago the last spike was.
"""

import torch
from torch import nn

import unrolled.nn

torch.manual_seed(0)
B, T = 32, 40
lengths = torch.randint(T // 4, T + 1, (B,))
x = (torch.rand(B, T, 1) < 0.1).float()
since = [torch.zeros(B, 1)]
for t in range(T):
    since.append(torch.where(x[:, t] > 0, 0.0, since[-1] + 0.1))
target = torch.stack(since[1:], 1)
valid = (torch.arange(T) < lengths.unsqueeze(1)).unsqueeze(-1)
x[~valid] = float("nan")  # padding is never read, whatever stands in it

layers = {
    "as torch.nn.LSTM": unrolled.nn.LSTM(1, 16, batch_first=True),
    "peephole": unrolled.nn.LSTM(1, 16, batch_first=True, peephole=True, forget_bias=1.0),
    "both": unrolled.nn.LSTM(1, (16, 4), batch_first=True, bidirectional=True, layer_norm=True),
}
layers["as torch.nn.LSTM"].load_state_dict(nn.LSTM(1, 16).state_dict())
for name, layer in layers.items():
    head = nn.Linear(layer.output_size, 1)
    optimizer = torch.optim.Adam([*layer.parameters(), *head.parameters()], 0.02)
    for _ in range(60):
        y, state = layer(x, lengths=lengths)
        loss = (head(y) - target)[valid].square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"{name:18} mean squared error {loss.item():.4f}")
