"""One fit by PyMC's own NUTS, with its defaults (1000 draws of warm-up); started by bench/run.R."""

import time

import output
import pymc as pm
import pymc_model

settings, design = output.read_settings()


def main():
    """PyMC starts processes, which import this file."""
    start = time.perf_counter()
    with pymc_model.build(design):
        trace = pm.sample(
            draws=settings["draws"],
            chains=settings["chains"],
            cores=settings["cores"],
            random_seed=settings["seed"],
            progressbar=False,
            compute_convergence_checks=False,
        )
    seconds = time.perf_counter() - start
    stats = trace.sample_stats
    facts = {
        "seconds_sampling": stats.perf_counter_diff.sum() / min(settings["cores"], settings["chains"]),
        "seconds_all": seconds,
        "gradients_per_draw": stats.n_steps.mean(),
        "divergent": stats.diverging.sum(),
        "depth_hits": stats.reached_max_treedepth.sum(),
        "engine": "diagonal, C",
        "version": pm.__version__,
    }
    output.write_fit(settings, design, lambda name: trace.posterior[name].values, facts)


if __name__ == "__main__":
    main()
