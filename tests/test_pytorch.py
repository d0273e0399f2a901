"""docs/pytorch.md: on a set of this project PyTorch is as good as the project itself."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_pytorch_trains_on_a_set_as_well_as_mttjax(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.chdir(ROOT)
    text = (ROOT / "docs/pytorch.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    names = {}
    for block in blocks:
        exec(compile(block, "docs/pytorch.md", "exec"), names)
    own = json.loads((ROOT / "results/digits/ipc10.json").read_text())["rows"]["last"]
    assert abs(np.mean(names["accuracies"]) - own["mean"]) <= 2 * own["std"]
