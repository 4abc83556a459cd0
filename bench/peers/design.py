"""Reads a design written by bench/exchange.R: the model spec of twill and its arrays."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass
class Term:
    """A group-level term: `q` coefficients for each of its levels."""

    group: str
    levels: list
    coefs: list
    sd_priors: list
    eta: float | None  # of the LKJ prior; None if the coefficients are independent
    codes: np.ndarray
    z: np.ndarray  # [n, q]

    @property
    def shape(self):
        return len(self.levels), len(self.coefs)


@dataclass
class Design:
    """A model and its data. `x` is [n, p]; `centre` is None if the intercept's prior is on the raw intercept."""

    family: str
    names: list
    priors: list
    intercept: int | None
    centre: np.ndarray | None
    dispersion: dict | None
    terms: list
    y: np.ndarray
    offset: np.ndarray
    se: np.ndarray
    x: np.ndarray

    def population_names(self):
        """Names of all but the effects, as twill gives them to its draws."""
        names = list(self.names)
        if self.dispersion:
            names.append(self.dispersion["name"])
        for term in self.terms:
            names += [f"sd_{term.group}__{c}" for c in term.coefs]
        for term in (t for t in self.terms if t.eta is not None):
            names += [f"cor_{term.group}__{term.coefs[j]}__{term.coefs[i]}" for i, j in pairs(len(term.coefs))]
        return names

    def effect_names(self):
        """Names of the effects: term by term, level by level."""
        return [f"r_{t.group}[{level},{c}]" for t in self.terms for level in t.levels for c in t.coefs]


def pairs(q):
    """Below the diagonal, row by row."""
    return [(i, j) for i in range(1, q) for j in range(i)]


def read_design(folder):
    """The design in `folder`."""
    folder = Path(folder)
    spec = json.loads((folder / "design.json").read_text())
    reals = {name: np.fromfile(folder / f"{name}.f64") for name in ("y", "offset", "se", "x")}
    n = len(reals["y"])
    reals["x"] = np.asfortranarray(reals["x"].reshape((n, -1), order="F"))
    intercept = spec["intercept"] or {"column": None, "centre": None}
    return Design(
        family=spec["family"],
        names=[c["name"] for c in spec["coefficients"]],
        priors=[c["prior"] for c in spec["coefficients"]],
        intercept=intercept["column"],
        centre=None if intercept["centre"] is None else np.array(intercept["centre"]),
        dispersion=spec["dispersion"],
        terms=[_read_term(folder, k, term, n) for k, term in enumerate(spec["terms"])],
        **reals,
    )


def _read_term(folder, k, term, n):
    return Term(
        group=term["group"],
        levels=term["levels"],
        coefs=term["coefs"],
        sd_priors=term["sd_priors"],
        eta=term["cor"]["eta"] if term.get("cor") else None,
        codes=np.fromfile(folder / f"term{k}.i32", dtype=np.int32),
        z=np.fromfile(folder / f"term{k}.f64").reshape((n, -1), order="F"),
    )


def same_prior(priors):
    """Name and arguments (one array each, an element per parameter) of priors that differ in arguments only."""
    names = {prior["dist"] for prior in priors}
    if len(names) != 1:
        raise NotImplementedError(f"one vector of parameters with several priors: {sorted(names)}")
    return names.pop(), [np.array(a, dtype=float) for a in zip(*(prior["args"] for prior in priors))]


def needs_zero_location(dist, location):
    """Positive parameters have half distributions here."""
    if np.any(np.asarray(location) != 0):
        raise NotImplementedError(f"{dist} on a positive parameter with a location other than 0")
