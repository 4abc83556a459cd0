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


def rows_model(x, first, second, y):
    """y: rows, `~ x + (1 | 3000 levels) + (1 | 1000 levels)`, negative binomial."""
    beta = numpyro.sample("beta", dist.Normal(0, 2).expand([x.shape[1]]).to_event(1))
    sd = numpyro.sample("sd", dist.HalfNormal(0.5).expand([2]).to_event(1))
    a = numpyro.sample("a", dist.Normal(0, 1).expand([3000]).to_event(1))
    b = numpyro.sample("b", dist.Normal(0, 1).expand([1000]).to_event(1))
    shape = numpyro.sample("shape", dist.LogNormal(1, 1))
    eta = x @ beta + sd[0] * a[first] + sd[1] * b[second]
    numpyro.sample("y", dist.NegativeBinomial2(jnp.exp(eta), shape).to_event(1), obs=y)


def seconds_per_step(model, arguments, steps, draws=1):
    svi = SVI(model, AutoNormal(model), Adam(0.01), Trace_ELBO(num_particles=draws))
    state = svi.init(jax.random.PRNGKey(0), *arguments)
    run = jax.jit(lambda s: jax.lax.fori_loop(0, steps, lambda _, t: svi.update(t, *arguments)[0], s))
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
    return jnp.asarray(index % 2, jnp.float32), jnp.asarray(index // 2 % 7), jnp.asarray(y)


def rows(n):
    rng = np.random.default_rng(2)
    x = np.concatenate([np.ones((n, 1)), rng.uniform(-1, 1, (n, 2))], axis=1).astype(np.float32)
    codes = [jnp.asarray(rng.integers(0, levels, n)) for levels in (3000, 1000)]
    return jnp.asarray(x), *codes, jnp.asarray(rng.integers(0, 6, n).astype(np.float32))


def main():
    print("JAX", jax.__version__, "numpyro", numpyro.__version__, jax.devices()[0])
    step = seconds_per_step(donors_model, data(10_000, 14, 50.0), 200)
    print(f"pseudobulk, 10000 genes x 14 samples: {1e3 * step:.3f} ms per step")
    step = seconds_per_step(donors_model, data(1_000, 5_000, 0.5), 20)
    print(f"1000 genes x 5000 cells, dense: {1e3 * step:.3f} ms per step, {1e9 * step / 5e6:.4f} ns per entry")
    print(f"50000 cells x 10000 genes by entries: {1e3 * step * 100:.1f} ms per step")
    step = seconds_per_step(rows_model, rows(1_000_000), 20, draws=4)
    print(f"1000000 rows, 3 columns, 3000 and 1000 levels: {1e3 * step:.3f} ms per step of 4 draws")


main()
