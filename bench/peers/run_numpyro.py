"""One fit by numpyro's NUTS on the CPU in double precision; started by bench/run.R.

numpyro has no default length of warm-up: as many iterations as draws. One XLA device per chain, all at once.
"""

import time

import jax
import numpyro
import output

settings, design = output.read_settings()
numpyro.enable_x64()
numpyro.set_platform("cpu")
numpyro.set_host_device_count(settings["chains"])

# After the settings above.
import numpyro_model
from numpyro.infer import MCMC, NUTS

compilations = []


def note_compilation(event, duration, **_):
    """XLA compiles when a function is first called: this is taken out of the time of sampling."""
    if event.startswith("/jax/core/compile/"):
        now = time.perf_counter()
        compilations.append((now - duration, now))


def compile_seconds(since, until):
    """Time covered by compilations; they nest and overlap."""
    covered, last = 0.0, since
    for begin, end in sorted(compilations):
        covered += max(0.0, min(end, until) - max(begin, last))
        last = max(last, end)
    return covered


jax.monitoring.register_event_duration_secs_listener(note_compilation)
mcmc = MCMC(
    NUTS(numpyro_model.build(design)),
    num_warmup=settings["draws"],
    num_samples=settings["draws"],
    num_chains=settings["chains"],
    chain_method="parallel",
    progress_bar=False,
)
fields = ("num_steps", "diverging")
start = time.perf_counter()
mcmc.warmup(jax.random.PRNGKey(settings["seed"]), extra_fields=fields)
begin = time.perf_counter()
mcmc.run(mcmc.post_warmup_state.rng_key, extra_fields=fields)
samples = jax.block_until_ready(mcmc.get_samples(group_by_chain=True))
end = time.perf_counter()

steps = mcmc.get_extra_fields()["num_steps"]
facts = {
    "seconds_compile": compile_seconds(start, end),
    "seconds_sampling": end - begin - compile_seconds(begin, end),
    "seconds_all": end - start,
    "gradients_per_draw": steps.mean(),
    "divergent": mcmc.get_extra_fields()["diverging"].sum(),
    "depth_hits": (steps >= 2**10 - 1).sum(),
    "engine": "diagonal, XLA",
    "version": numpyro.__version__,
}
output.write_fit(settings, design, samples.__getitem__, facts)
