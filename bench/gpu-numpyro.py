"""The same models in numpyro on JAX's default device: time of a step of SVI, for `make bench-gpu`.

    python3 bench/gpu-numpyro.py

Single precision, AutoNormal, one draw per step; compilation is not counted.
"""
import time

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoNormal
from numpyro.optim import Adam


def donors_model(condition, donor, y):
    """y: genes x observations, `~ condition + (1 + condition || donor)`, negative binomial."""
    genes = y.shape[0]
    beta = numpyro.sample("beta", dist.Normal(0, 2).expand([genes, 2]).to_event(2))
    sd = numpyro.sample("sd", dist.HalfNormal(0.5).expand([genes, 2]).to_event(2))
    z = numpyro.sample("z", dist.Normal(0, 1).expand([genes, 7, 2]).to_event(3))
    shape = numpyro.sample("shape", dist.LogNormal(1, 1).expand([genes]).to_event(1))
    b = z * sd[:, None, :]
    eta = beta[:, :1] + b[:, donor, 0] + (beta[:, 1:] + b[:, donor, 1]) * condition
    numpyro.sample("y", dist.NegativeBinomial2(jnp.exp(eta), shape[:, None]).to_event(2), obs=y)


def seconds_per_step(y, condition, donor, steps):
    svi = SVI(donors_model, AutoNormal(donors_model), Adam(0.01), Trace_ELBO())
    state = svi.init(jax.random.PRNGKey(0), condition, donor, y)
    run = jax.jit(lambda s: jax.lax.fori_loop(0, steps, lambda _, t: svi.update(t, condition, donor, y)[0], s))
    jax.block_until_ready(jax.tree_util.tree_leaves(run(state)))
    times = []
    for _ in range(5):
        clock = time.perf_counter()
        jax.block_until_ready(jax.tree_util.tree_leaves(run(state)))
        times.append(time.perf_counter() - clock)
    return sorted(times)[2] / steps


def data(genes, observations, mean):
    rng = np.random.default_rng(1)
    y = rng.poisson(rng.gamma(1.0, mean, (genes, observations))).astype(np.float32)
    index = np.arange(observations)
    return jnp.asarray(y), jnp.asarray(index % 2, jnp.float32), jnp.asarray(index // 2 % 7)


def main():
    print("JAX", jax.__version__, "numpyro", numpyro.__version__, jax.devices()[0])
    y, condition, donor = data(10_000, 14, 50.0)
    print(f"pseudobulk, 10000 genes x 14 samples: {1e3 * seconds_per_step(y, condition, donor, 200):.3f} ms per step")
    y, condition, donor = data(1_000, 5_000, 0.5)
    step = seconds_per_step(y, condition, donor, 20)
    print(f"1000 genes x 5000 cells, dense: {1e3 * step:.3f} ms per step, {1e9 * step / 5e6:.4f} ns per entry")
    print(f"50000 cells x 10000 genes by entries: {1e3 * step * 100:.1f} ms per step")


main()
