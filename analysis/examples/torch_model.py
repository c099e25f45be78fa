# %% [markdown]
# A model of PyTorch, explained by facet in its own process, and beside it what autograd and Captum say. Runs as a script
# or, cell by cell, as a notebook (Jupytext, VS Code, Spyder): `python analysis/examples/torch_model.py`

# %% A model: any ReLU network does
import numpy as np
import torch
from torch import nn

import facet

torch.manual_seed(3)
model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
                      nn.Conv2d(8, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2),
                      nn.Flatten(), nn.Linear(12 * 3 * 3, 24), nn.ReLU(), nn.Linear(24, 5))
for _ in range(20):  # batch norm sees some data
    model(torch.randn(32, 1, 12, 12) + 0.5)
model.eval()
x = torch.randn(6, 1, 12, 12)

# %% Ten lines: W and b of every class, what each layer's constants add to b, and a certificate
network = facet.Network.from_torch(model, x, precision="double")
linear = network.linearize(x)                            # F(x) = W x + b around each of the samples
print(network)
print(linear)
predicted = linear.logits.argmax(axis=1)
for i, k in enumerate(predicted):
    pixels = linear.W[i, k] * x[i].numpy()               # what every pixel adds to the logit
    print(f"sample {i}, class {k}: pixels {pixels.sum():+.4f}, b {linear.b[i, k]:+.4f}, logit {linear.logits[i, k]:+.4f}")
print("b by node:", dict(zip(linear.node, linear.b_node[0, predicted[0]].round(4).tolist())))

# %% The same gradient by autograd, in double: it says W, and neither b nor whether W x + b is the logit
exact = model.double()
leaf = x.double().requires_grad_()
gradient = torch.stack([torch.autograd.grad(exact(leaf)[:, k].sum(), leaf)[0] for k in range(5)], dim=1).numpy()
print(f"W and autograd differ by {np.abs(linear.W - gradient).max():.1e} of at most {np.abs(gradient).max():.2f}")

# %% Captum: input times gradient is W x, and leaves b out; integrated gradients add up, but on a path from a baseline
try:
    from captum.attr import InputXGradient, IntegratedGradients
except ImportError:
    print("Captum is not installed: pip install captum")
else:
    target = torch.from_numpy(predicted)
    product = InputXGradient(exact).attribute(leaf, target=target).detach().numpy()
    path = IntegratedGradients(exact).attribute(leaf, target=target).detach().numpy()
    logit = linear.logits[np.arange(6), predicted]
    offset = linear.b[np.arange(6), predicted]
    print("of the logit are missing, by sample:")
    print("  input x gradient     ", np.round(logit - product.sum(axis=(1, 2, 3)), 4), "which is b")
    print("  integrated gradients ", np.round(logit - path.sum(axis=(1, 2, 3)), 4), "which is about the baseline's logit")
    print("  W x + b              ", np.round(logit - (product.sum(axis=(1, 2, 3)) + offset), 4))

# %% Pruned here and now, and explained again: what moved
smaller = network.prune("magnitude", 0.5)
print(smaller)
moved = smaller.linearize(x)
cosine = [(a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(linear.W, moved.W)]
print("W turns by, in degrees, by sample:", np.degrees(np.arccos(cosine)).round(1))
