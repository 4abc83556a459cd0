"""Any design as a PyMC model, in the form its users would write: non-centred effects, the intercept at the means."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from design import needs_zero_location, pairs, same_prior

REAL = {
    "normal": lambda mean, sd: (pm.Normal, {"mu": mean, "sigma": sd}),
    "student_t": lambda df, loc, scale: (pm.StudentT, {"nu": df, "mu": loc, "sigma": scale}),
    "cauchy": lambda loc, scale: (pm.Cauchy, {"alpha": loc, "beta": scale}),
}


def _half(dist, kind):
    def make(*args):
        *df, loc, scale = args
        needs_zero_location(dist, loc)
        return kind(*df, scale)

    return make


POSITIVE = {
    "normal": _half("normal", lambda scale: (pm.HalfNormal, {"sigma": scale})),
    "student_t": _half("student_t", lambda df, scale: (pm.HalfStudentT, {"nu": df, "sigma": scale})),
    "cauchy": _half("cauchy", lambda scale: (pm.HalfCauchy, {"beta": scale})),
    "exponential": lambda rate: (pm.Exponential, {"lam": rate}),
    "gamma": lambda shape, rate: (pm.Gamma, {"alpha": shape, "beta": rate}),
    "inv_gamma": lambda shape, scale: (pm.InverseGamma, {"alpha": shape, "beta": scale}),
    "lognormal": lambda mean, sd: (pm.LogNormal, {"mu": mean, "sigma": sd}),
}


def _vector(name, priors, table):
    """A vector of parameters whose priors differ in their arguments only."""
    dist, args = same_prior(priors)
    kind, keywords = table[dist](*args)
    return kind(name, shape=len(priors), **keywords)


def _scalar(name, prior, table):
    kind, keywords = table[prior["dist"]](*prior["args"])
    return kind(name, **keywords)


def _coefficients(d):
    """Linear predictor of the population level, and all coefficients on the raw scale."""
    others = [j for j in range(len(d.names)) if j != d.intercept]
    is_one = {j: bool(np.all(d.x[:, j] == 1)) for j in others}
    parts = {}
    ones, columns = [j for j in others if is_one[j]], [j for j in others if not is_one[j]]
    eta = d.offset if np.any(d.offset) else 0.0
    for j in ones:
        parts[j] = _scalar(d.names[j], d.priors[j], REAL)
        eta = eta + parts[j]
    centre = np.zeros(len(d.names)) if d.centre is None else d.centre
    if columns:
        b = _vector("b", [d.priors[j] for j in columns], REAL)
        parts.update({j: b[i] for i, j in enumerate(columns)})
        eta = eta + pt.dot(d.x[:, columns] - centre[columns], b)
    if d.intercept is not None:
        at_means = _scalar("intercept_at_means", d.priors[d.intercept], REAL)
        eta = eta + at_means
        parts[d.intercept] = at_means - sum(centre[j] * parts[j] for j in columns)
    return eta, [parts[j] for j in range(len(d.names))]


def _effects(k, term):
    """Effects [levels, q], their sds and correlations."""
    n_levels, q = term.shape
    if term.eta is None:
        sd = _vector(f"sd_{k}", term.sd_priors, POSITIVE)
        return pm.Normal(f"z_{k}", shape=(n_levels, q)) * sd, sd, []
    dist, args = same_prior(term.sd_priors)
    kind, keywords = POSITIVE[dist](*args)
    chol, cor, sd = pm.LKJCholeskyCov(f"chol_{k}", n=q, eta=term.eta, sd_dist=kind.dist(shape=q, **keywords))
    return pm.Normal(f"z_{k}", shape=(n_levels, q)) @ chol.T, sd, [cor[i, j] for i, j in pairs(q)]


def _likelihood(d, eta):
    """Adds the response; the dispersion parameters."""
    if d.family == "poisson":
        pm.Poisson("y", mu=pt.exp(eta), observed=d.y)
        return []
    if d.dispersion is None:
        pm.Normal("y", mu=eta, sigma=d.se, observed=d.y)
        return []
    spread = _scalar(d.dispersion["name"], d.dispersion["prior"], POSITIVE)
    if d.family == "negbinomial":
        pm.NegativeBinomial("y", mu=pt.exp(eta), alpha=spread, observed=d.y)
    else:
        sigma = pt.sqrt(spread**2 + d.se**2) if len(d.se) else spread
        pm.Normal("y", mu=eta, sigma=sigma, observed=d.y)
    return [spread]


def build(d):
    """The model; `population` and `effects_0`, `effects_1`, ... are the parameters in the order of the design's names."""
    with pm.Model() as model:
        eta, coefficients = _coefficients(d)
        sds, cors = [], []
        for k, term in enumerate(d.terms):
            effects, sd, cor = _effects(k, term)
            effects = pm.Deterministic(f"effects_{k}", effects)
            for c in range(term.shape[1]):
                own = effects[:, c][term.codes]
                eta = eta + (own if np.all(term.z[:, c] == 1) else own * term.z[:, c])
            sds += [sd[c] for c in range(term.shape[1])]
            cors += cor
        dispersion = _likelihood(d, eta)
        pm.Deterministic("population", pt.stack(coefficients + dispersion + sds + cors))
    return model
