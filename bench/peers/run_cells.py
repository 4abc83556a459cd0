"""SVI in numpyro of the model of twill_cells(), and its density at draws from elsewhere; started by bench/cells-peer.R.

    run_cells.py SETTINGS.json

With `guide`, fits: the rate of Adam falls tenfold over `steps`; parameters are kept now and then and their bounds on the evidence
are computed afterwards, in double precision and off the clock. With `draws` (a file of values [draws, dim, genes]), gives the log
density of the model at each.
"""

import json
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from cells_model import Cells, log_joint, one_bound
from numpyro.infer import SVI, Trace_ELBO
from numpyro.optim import Adam

# Draws of a bound on the way and of the last one.
ON_THE_WAY, AT_THE_END = 4, 64


def read_cells(settings):
    counts = np.fromfile(settings["counts"], dtype="<i4").reshape(settings["cells"], settings["genes"])
    return Cells(settings, jnp.array(counts, dtype=float))


def stops(steps):
    """Where parameters are kept: four times per doubling."""
    return sorted({round(16 * 2 ** (k / 4)) for k in range(100) if 16 * 2 ** (k / 4) < 0.95 * steps} | {steps})


def fit(cells, settings):
    """Facts of the run (`at`: steps and seconds where parameters were kept), and those parameters."""
    model, guide = cells.pair(settings["guide"])
    rate, steps = settings["rate"], settings["steps"]
    svi = SVI(model, guide, Adam(lambda i: rate * 0.1 ** (i / steps)), Trace_ELBO(num_particles=settings["particles"]))
    state = svi.init(jax.random.PRNGKey(settings["seed"]))
    advance = jax.jit(lambda state, n: jax.lax.fori_loop(0, n, lambda _, s: svi.update(s)[0], state))
    begin = time.perf_counter()
    jax.block_until_ready(advance(state, 0))
    facts = {"compile": time.perf_counter() - begin}
    kept, at, wall, cpu = [], [], 0.0, 0.0
    for stop in stops(steps):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        state = jax.block_until_ready(advance(state, stop - (at[-1][0] if at else 0)))
        wall, cpu = wall + time.perf_counter() - begin, cpu + time.process_time() - begin_cpu
        at.append((stop, wall))
        kept.append(jax.tree.map(np.asarray, svi.get_params(state)))
        if wall > settings["limit"]:
            break
    facts.update(at=at, steps=at[-1][0], seconds_per_step=least_per_step(at), cpu=cpu, version=numpyro.__version__)
    return facts, kept


def least_per_step(at):
    """Over the parts of the run that have at least 16 steps."""
    parts = zip([(0, 0.0)] + at, at)
    return min((b[1] - a[1]) / (b[0] - a[0]) for a, b in parts if b[0] - a[0] >= 16)


def bounds(cells, settings, kept):
    """Bound per gene of each kept guide; means and sds of the effect under the last."""
    model, guide = cells.pair(settings["guide"])
    if settings["guide"] == "mean":
        guide_prepared(guide)

    def one(params, key):
        value, drawn = one_bound(model, guide, params, key)
        return value, cells.effect(drawn, settings["guide"])

    several = jax.jit(lambda params, keys: jax.lax.map(lambda key: one(params, key), keys))
    to_double = lambda params: jax.tree.map(lambda a: jnp.array(a, dtype=float), params)
    keys = jax.random.split(jax.random.PRNGKey(9), AT_THE_END)
    trace = [several(to_double(params), keys[:ON_THE_WAY])[0].mean(0).mean() for params in kept]
    values, effects = several(to_double(kept[-1]), keys)
    return {"trace": [float(t) for t in trace], "elbo": values.mean(0).tolist(), "mean": effects.mean(0).tolist(),
            "sd": effects.std(0, ddof=1).tolist()}


def guide_prepared(guide):
    """An automatic guide knows its sites after a first call."""
    numpyro.handlers.trace(numpyro.handlers.seed(guide, 0)).get_trace()


def density_at(cells, settings):
    """Log density [draws, genes] at twill's draws: b0, b1, sd0, sd1, shape, z0 of each donor, z1."""
    d = cells.n_donors
    draws = np.fromfile(settings["draws"], dtype="<f8").reshape(cells.n_genes, cells.dim, -1).transpose(2, 1, 0)

    def one(v):
        values = {"b0": v[0], "b1": v[1], "sd0": v[2], "sd1": v[3], "shape": v[4], "z0": v[5 : 5 + d], "z1": v[5 + d :]}
        return log_joint(cells.mean, values)

    return np.asarray(jax.lax.map(jax.jit(one), jnp.array(draws)))


def main(settings):
    numpyro.set_platform("cpu")
    facts, kept = {}, None
    if "guide" in settings:
        facts, kept = fit(read_cells(settings), settings)
    numpyro.enable_x64()
    if kept and settings["evaluate"]:
        facts.update(bounds(read_cells(settings), settings, kept))
    if "draws" in settings:
        density_at(read_cells(settings), settings).T.astype("<f8").tofile(settings["densities"])
    Path(settings["output"]).write_text(json.dumps(facts))


main(json.loads(Path(sys.argv[1]).read_text()))
