"""Writes draws and facts of a fit in the form that bench/exchange.R reads."""

import json
import sys
from pathlib import Path

import numpy as np
from design import read_design


def read_settings():
    """Settings of this process and its design."""
    settings = json.loads(Path(sys.argv[1]).read_text())
    return settings, read_design(settings["design"])


def write_fit(settings, design, get, facts):
    """`get(name)` gives the draws [chain, draw, ...] of `population` and of `effects_0`, `effects_1`, ..."""
    blocks = [np.asarray(get("population"))] + [np.asarray(get(f"effects_{k}")) for k in range(len(design.terms))]
    chains, iterations = blocks[0].shape[:2]
    flat = np.concatenate([b.reshape(chains, iterations, -1) for b in blocks], axis=2)
    output = Path(settings["output"])
    np.ascontiguousarray(flat.transpose(2, 0, 1), dtype="<f8").tofile(output / "draws.f64")
    names = design.population_names() + design.effect_names()
    assert len(names) == flat.shape[2], (len(names), flat.shape)
    size = {"iterations": iterations, "chains": chains, "variables": names}
    facts = {key: value if isinstance(value, str) else float(value) for key, value in facts.items()}
    (output / "fit.json").write_text(json.dumps({**size, **facts}))
