"""SVI in numpyro of the model of twill_cells(), captures given; started by bench/cells-peer.R.

As its users would write it: a plate of genes, donors' effects non-centred, one row per cell and gene. The guide is numpyro's
AutoNormal (mean field), or a normal with a full covariance per gene. Hyper-parameters are those that twill learned, so that
the two fit the same posterior of each gene. Counts [cells, genes] are int32, row by row.
"""

import json
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoNormal
from numpyro.optim import Adam

settings = json.loads(Path(sys.argv[1]).read_text())
numpyro.set_platform("cpu")
if settings["double"]:
    numpyro.enable_x64()

n_cells, n_genes, n_donors = settings["cells"], settings["genes"], settings["donors"]
counts = np.fromfile(settings["counts"], dtype="<i4").reshape(n_cells, n_genes)
donor = jnp.array(settings["donor"])
treated = jnp.array(settings["treated"], dtype=float)
log_capture = jnp.array(settings["log_capture"])
# Per gene: location of the intercept's prior and of the log shape's.
level, log_shape = jnp.array(settings["level"]), jnp.array(settings["log_shape"])
effect_sd, shape_spread = settings["effect_sd"], settings["shape_spread"]
intercept = dist.StudentT(3.0, 0.0, 1.0)
sd_location, sd_spread = jnp.array(settings["sd_location"]), jnp.array(settings["sd_spread"])


def likelihood(b0, b1, sd0, sd1, z0, z1, shape, u):
    """Arguments are [genes] or [donors, genes]; the intercept's prior is at the mean of the design."""
    control = b0 - 0.5 * b1 + sd0 * z0
    eta = control[donor] + treated[:, None] * (b1 + sd1 * z1)[donor] + log_capture[:, None]
    numpyro.sample("u", dist.NegativeBinomial2(jnp.exp(eta), shape).to_event(2), obs=u)


def model(u):
    with numpyro.plate("genes", n_genes):
        b0 = numpyro.sample("b0", dist.StudentT(3.0, level, 2.5))
        b1 = numpyro.sample("b1", dist.Normal(0.0, effect_sd))
        sd0 = numpyro.sample("sd0", dist.LogNormal(sd_location[0], sd_spread[0]))
        sd1 = numpyro.sample("sd1", dist.LogNormal(sd_location[1], sd_spread[1]))
        shape = numpyro.sample("shape", dist.LogNormal(log_shape, shape_spread))
        with numpyro.plate("donors", n_donors):
            z0 = numpyro.sample("z0", dist.Normal(0.0, 1.0))
            z1 = numpyro.sample("z1", dist.Normal(0.0, 1.0))
    likelihood(b0, b1, sd0, sd1, z0, z1, shape, u)


DIM = 5 + 2 * n_donors


def whole(u):
    """The same with the unknowns of a gene in one vector, for the guide with covariances."""
    y = numpyro.sample("y", dist.Normal(0.0, 1.0).expand([n_genes, DIM]).to_event(2))
    numpyro.factor("intercept", jnp.sum(intercept.log_prob(y[:, 0]) - dist.Normal(0.0, 1.0).log_prob(y[:, 0])))
    b0, b1 = level + 2.5 * y[:, 0], effect_sd * y[:, 1]
    sd0 = jnp.exp(sd_location[0] + sd_spread[0] * y[:, 2])
    sd1 = jnp.exp(sd_location[1] + sd_spread[1] * y[:, 3])
    shape = jnp.exp(log_shape + shape_spread * y[:, 4])
    z = y[:, 5:].T
    likelihood(b0, b1, sd0, sd1, z[:n_donors], z[n_donors:], shape, u)


def full_guide(u):
    start = 0.1 * jnp.eye(DIM) * jnp.ones((n_genes, 1, 1))
    m = numpyro.param("m", jnp.zeros((n_genes, DIM)))
    scale = numpyro.param("scale", start, constraint=dist.constraints.lower_cholesky)
    numpyro.sample("y", dist.MultivariateNormal(m, scale_tril=scale).to_event(1))


full = settings["guide"] == "full"
svi = SVI(whole, full_guide, Adam(settings["rate"]), Trace_ELBO()) if full else SVI(
    model, AutoNormal(model, init_scale=0.1), Adam(settings["rate"]), Trace_ELBO()
)
u = jnp.array(counts)
state = svi.init(jax.random.PRNGKey(settings["seed"]), u)
step = jax.jit(svi.update)
begin = time.perf_counter()
state, loss = jax.block_until_ready(step(state, u))
compiled = time.perf_counter() - begin

losses, wall, cpu = [], time.perf_counter(), time.process_time()
while len(losses) < settings["steps"] and time.perf_counter() - wall < settings["limit"]:
    state, loss = step(state, u)
    losses.append(float(loss))
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
evaluate = jax.jit(svi.evaluate)
final = [float(evaluate(state._replace(rng_key=key), u)) for key in jax.random.split(jax.random.PRNGKey(1), 20)]
facts = {
    "steps": len(losses),
    "compile": compiled,
    "seconds_per_step": wall / len(losses),
    "cpu_per_step": cpu / len(losses),
    "elbo": -float(np.mean(final)),
    "losses": losses[:: max(1, len(losses) // 50)],
    "version": numpyro.__version__,
}
Path(settings["output"]).write_text(json.dumps(facts))
