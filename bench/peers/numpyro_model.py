"""Any design as a numpyro model, in the form its users would write: non-centred effects, the intercept at the means."""

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from design import needs_zero_location, pairs, same_prior
from numpyro import deterministic, sample

REAL = {"normal": dist.Normal, "student_t": dist.StudentT, "cauchy": dist.Cauchy}


def _half(name, kind):
    def make(*args):
        *df, loc, scale = args
        needs_zero_location(name, loc)
        return kind(*df, scale)

    return make


def _half_student(df, scale):
    return dist.FoldedDistribution(dist.StudentT(df, 0.0, scale))


POSITIVE = {
    "normal": _half("normal", dist.HalfNormal),
    "student_t": _half("student_t", _half_student),
    "cauchy": _half("cauchy", dist.HalfCauchy),
    "exponential": dist.Exponential,
    "gamma": dist.Gamma,
    "inv_gamma": dist.InverseGamma,
    "lognormal": dist.LogNormal,
}


def _vector(name, priors, table):
    kind, args = same_prior(priors)
    return sample(name, table[kind](*args))


def _scalar(name, prior, table):
    return sample(name, table[prior["dist"]](*prior["args"]))


def _coefficients(d):
    """Linear predictor of the population level, and all coefficients on the raw scale."""
    others = [j for j in range(len(d.names)) if j != d.intercept]
    ones = [j for j in others if np.all(d.x[:, j] == 1)]
    columns = [j for j in others if j not in ones]
    parts = {j: _scalar(d.names[j], d.priors[j], REAL) for j in ones}
    eta = d.offset + sum(parts.values())
    centre = np.zeros(len(d.names)) if d.centre is None else d.centre
    if columns:
        b = _vector("b", [d.priors[j] for j in columns], REAL)
        parts.update({j: b[i] for i, j in enumerate(columns)})
        eta = eta + (d.x[:, columns] - centre[columns]) @ b
    if d.intercept is not None:
        at_means = _scalar("intercept_at_means", d.priors[d.intercept], REAL)
        eta = eta + at_means
        parts[d.intercept] = at_means - sum(centre[j] * parts[j] for j in columns)
    return eta, [parts[j] for j in range(len(d.names))]


def _effects(k, term):
    """Effects [levels, q], their sds and correlations."""
    sd = _vector(f"sd_{k}", term.sd_priors, POSITIVE)
    chol, cors = None, []
    if term.eta is not None:
        chol = sample(f"chol_{k}", dist.LKJCholesky(term.shape[1], term.eta))
        cor = chol @ chol.T
        cors = [cor[i, j] for i, j in pairs(term.shape[1])]
    z = sample(f"z_{k}", dist.Normal(0.0, 1.0).expand(term.shape).to_event(2))
    return (z if chol is None else z @ chol.T) * sd, sd, cors


def _likelihood(d, eta):
    if d.family == "poisson":
        sample("y", dist.Poisson(jnp.exp(eta)), obs=d.y)
        return []
    if d.dispersion is None:
        sample("y", dist.Normal(eta, d.se), obs=d.y)
        return []
    spread = _scalar(d.dispersion["name"], d.dispersion["prior"], POSITIVE)
    if d.family == "negbinomial":
        sample("y", dist.NegativeBinomial2(jnp.exp(eta), spread), obs=d.y)
    else:
        sigma = jnp.sqrt(spread**2 + d.se**2) if len(d.se) else spread
        sample("y", dist.Normal(eta, sigma), obs=d.y)
    return [spread]


def build(d):
    """The model function; `population` and `effects_0`, ... are the parameters in the order of the design's names."""

    def model():
        eta, coefficients = _coefficients(d)
        sds, cors = [], []
        for k, term in enumerate(d.terms):
            effects, sd, cor = _effects(k, term)
            effects = deterministic(f"effects_{k}", effects)
            for c in range(term.shape[1]):
                own = effects[term.codes, c]
                eta = eta + (own if np.all(term.z[:, c] == 1) else own * term.z[:, c])
            sds += [sd[c] for c in range(term.shape[1])]
            cors += cor
        dispersion = _likelihood(d, eta)
        deterministic("population", jnp.stack(coefficients + dispersion + sds + cors))

    return model
