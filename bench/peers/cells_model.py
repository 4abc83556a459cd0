"""The model of twill_cells() in numpyro, captures and hyper-parameters given, and guides for it.

As its users would write it: plates of genes, donors and cells, one row per cell and gene. `y` variants hold the unknowns of a gene
in one vector, for guides with a full covariance per gene; effects of donors non-centred or centred. All densities are per gene:
the last axis of every site.
"""

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.infer.autoguide import AutoNormal

# Of the guides' normals, in units of the prior.
START_SD = 0.1


class Cells:
    """Counts [cells, genes], where each cell belongs, and priors, all from twill's fit."""

    def __init__(self, settings, counts):
        self.counts = counts
        self.donor = jnp.array(settings["donor"])
        self.treated = jnp.array(settings["treated"], dtype=float)[:, None]
        self.log_capture = jnp.array(settings["log_capture"], dtype=float)[:, None]
        self.n_cells, self.n_genes, self.n_donors = settings["cells"], settings["genes"], settings["donors"]
        self.level, self.log_shape = jnp.array(settings["level"]), jnp.array(settings["log_shape"])
        self.sd_at, self.sd_spread = settings["sd_location"], settings["sd_spread"]
        self.effect_sd, self.shape_spread = settings["effect_sd"], settings["shape_spread"]
        self.dim = 5 + 2 * self.n_donors

    def likelihood(self, b0, b1, r0, r1, shape):
        """b0 and its prior are at the mean of the design; r0 and r1 are [donors, genes]."""
        eta = (b0 - 0.5 * b1 + r0)[self.donor] + self.treated * (b1 + r1)[self.donor] + self.log_capture
        with numpyro.plate("cells", self.n_cells, dim=-2), numpyro.plate("counted", self.n_genes, dim=-1):
            numpyro.sample("u", dist.NegativeBinomial2(jnp.exp(eta), shape), obs=self.counts)

    def mean(self):
        """The model; donors' effects non-centred."""
        with numpyro.plate("genes", self.n_genes, dim=-1):
            b0 = numpyro.sample("b0", dist.StudentT(3.0, self.level, 2.5))
            b1 = numpyro.sample("b1", dist.Normal(0.0, self.effect_sd))
            sd0 = numpyro.sample("sd0", dist.LogNormal(self.sd_at[0], self.sd_spread[0]))
            sd1 = numpyro.sample("sd1", dist.LogNormal(self.sd_at[1], self.sd_spread[1]))
            shape = numpyro.sample("shape", dist.LogNormal(self.log_shape, self.shape_spread))
            with numpyro.plate("donors", self.n_donors, dim=-2):
                z0 = numpyro.sample("z0", dist.Normal(0.0, 1.0))
                z1 = numpyro.sample("z1", dist.Normal(0.0, 1.0))
        self.likelihood(b0, b1, sd0 * z0, sd1 * z1, shape)

    def full(self, centred):
        """The same with y [genes, dim]: units of the prior's normals; effects in their sds, or (centred) in the typical sd."""
        with numpyro.plate("genes", self.n_genes, dim=-1):
            y = numpyro.sample("y", dist.Normal(0.0, 1.0).expand([self.dim]).to_event(1))
            b0 = self.level + 2.5 * y[:, 0]
            t = dist.StudentT(3.0, 0.0, 1.0).log_prob(y[:, 0]) - dist.Normal(0.0, 1.0).log_prob(y[:, 0])
            numpyro.factor("student", t)
            sds = [jnp.exp(self.sd_at[k] + self.sd_spread[k] * y[:, 2 + k]) for k in range(2)]
            r = [self.effects(y, k, sds[k], centred) for k in range(2)]
        shape = jnp.exp(self.log_shape + self.shape_spread * y[:, 4])
        self.likelihood(b0, self.effect_sd * y[:, 1], r[0], r[1], shape)

    def effects(self, y, k, sd, centred):
        z = y[:, 5 + k * self.n_donors : 5 + (k + 1) * self.n_donors]
        if not centred:
            return (sd[:, None] * z).T
        typical = jnp.exp(self.sd_at[k])
        change = dist.Normal(0.0, (sd / typical)[:, None]).log_prob(z) - dist.Normal(0.0, 1.0).log_prob(z)
        numpyro.factor(f"centred{k}", change.sum(-1))
        return typical * z.T

    def full_guide(self):
        start = START_SD * jnp.eye(self.dim) * jnp.ones((self.n_genes, 1, 1))
        m = numpyro.param("m", jnp.zeros((self.n_genes, self.dim)))
        scale = numpyro.param("scale", start, constraint=dist.constraints.lower_cholesky)
        with numpyro.plate("genes", self.n_genes, dim=-1):
            numpyro.sample("y", dist.MultivariateNormal(m, scale_tril=scale))

    def pair(self, guide):
        """Model and guide by name: mean, full, centred."""
        if guide == "mean":
            return self.mean, AutoNormal(self.mean, init_scale=START_SD)
        centred = guide == "centred"
        return lambda: self.full(centred), self.full_guide

    def effect(self, values, guide):
        """b1 [genes] of the values of a draw."""
        return values["b1"] if guide == "mean" else self.effect_sd * values["y"][:, 1]


def by_gene(sites):
    """Sum of the log densities of a trace, gene by gene."""
    total = 0.0
    for site in sites.values():
        if site["type"] == "sample":
            value = site["fn"].log_prob(site["value"])
            total = total + value.reshape(-1, value.shape[-1]).sum(0)
    return total


def log_joint(model, values):
    return by_gene(handlers.trace(handlers.substitute(handlers.seed(model, 0), values)).get_trace())


def one_bound(model, guide, params, key):
    """log p(values, counts) - log q(values) [genes] at one draw of the guide, and the draw."""
    drawn = handlers.trace(handlers.substitute(handlers.seed(guide, key), params)).get_trace()
    values = {name: site["value"] for name, site in drawn.items() if site["type"] == "sample"}
    return log_joint(model, values) - by_gene(drawn), values
