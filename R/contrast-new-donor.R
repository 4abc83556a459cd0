# False sign rates of effects in a new donor: the population's adaptive posterior, widened by how much donors differ.

# list(draws, statistics, extra, densities): what the rates of an effect are made from. For a new donor that is the effect in the
# population, and the variance that the donor adds, draws x genes; else the effect itself.
rate_base <- function(fit, contrast, weights, ask, effect, statistics, threshold, level) {
  if (ask$estimand != "new_donor" || ask$cell_noise) {
    return(list(draws = effect$draws, statistics = statistics, densities = effect$densities))
  }
  added <- new_level_variance(fit, weights, seq_along(ask$mask))[, !ask$mask, drop = FALSE]
  centre <- effect$draws
  if (!is_plain(ask)) {
    ask$estimand <- "population"
    centre <- asked_effect(fit, contrast, weights, ask)$draws
    # A log-ratio takes in what the donor does to its other genes too.
    ratio <- column_sds(effect$draws - centre)^2 / colMeans(added)
    added <- added * rep(ifelse(is.finite(ratio), ratio, 1), each = nrow(added))
  }
  own <- effect_statistics(list(draws = centre, densities = effect$densities), threshold, level)
  list(draws = centre, statistics = own, extra = added, densities = effect$densities)
}

# No statement about one more donor is surer than the same about the population.
no_surer <- function(statistics, population) {
  for (rate in c("lfsr", "fsos")) statistics[[rate]] <- pmax(statistics[[rate]], population[[rate]])
  statistics
}
