"""One fit by nutpie of the PyMC model, with nutpie's defaults (400 draws of warm-up); started by bench/run.R."""

import time

import nutpie
import output
import pymc_model


def wait_for(sampler):
    """Returns when the draws are done; the conversion of the trace to its Python form is not counted as sampling."""
    while True:
        try:
            if sampler.is_finished:
                return
        except TimeoutError:  # what some versions raise for "not yet"
            pass
        time.sleep(0.0005)


settings, design = output.read_settings()
start = time.perf_counter()
compiled = nutpie.compile_pymc_model(pymc_model.build(design))
begin = time.perf_counter()
sampler = nutpie.sample(
    compiled,
    draws=settings["draws"],
    chains=settings["chains"],
    cores=settings["cores"],
    seed=settings["seed"],
    progress_bar=False,
    blocking=False,
)
wait_for(sampler)
sampled = time.perf_counter()
trace = sampler.wait()
end = time.perf_counter()

# nutpie does not time its phases: leapfrog steps tell how much of the time was sampling.
stats = trace.sample_stats
steps, warmup_steps = float(stats.n_steps.sum()), float(trace.warmup_sample_stats.n_steps.sum())
facts = {
    "seconds_compile": begin - start,
    "seconds_sampling": (sampled - begin) * steps / (steps + warmup_steps),
    "seconds_all": end - start,
    "gradients_per_draw": stats.n_steps.mean(),
    "divergent": stats.diverging.sum(),
    "depth_hits": stats.maxdepth_reached.sum(),
    "engine": "diagonal, numba",
    "version": nutpie.__version__,
}
output.write_fit(settings, design, lambda name: trace.posterior[name].values, facts)
