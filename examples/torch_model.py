"""A small network in torch, on tensors; the log-odds distance, since its probabilities are extreme."""

import torch
from sklearn.datasets import load_wine
from torch import nn

import onlyif


def main() -> None:
    wines, kind = load_wine(return_X_y=True)
    rows = torch.tensor(wines, dtype=torch.float32)
    rows = (rows - rows.mean(0)) / rows.std(0)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(13, 32), nn.ReLU(), nn.Linear(32, 3))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(200):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(rows), torch.tensor(kind)).backward()
        optimiser.step()

    asked = rows[[10, 70]]
    for distance in ("absolute", "logit"):
        found = onlyif.explain(
            model,
            asked,
            background=rows,
            reference=onlyif.Marginal(n_rows=25),
            output="probability",
            distance=distance,
        )
        print(f"distance {found[0].provenance.distance}")
        print(found, end="\n\n")
    print(f"the model is as it was: training={model.training}, device={next(model.parameters()).device}")


if __name__ == "__main__":
    main()
