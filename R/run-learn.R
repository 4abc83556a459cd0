# From hyper-parameters to priors and back: rounds of sampling some genes and learning what all share.

# Genes and draws of all of them in the first round, which only has to come near, and in the later ones.
learning_sizes <- c(200, 1000, 1000, 1000)
learning_draws <- c(3e4, 1.2e5, 1.2e5, 1.2e5)

# Rounds end when reweighting to the new parameters leaves the median gene this many effective draws: what is learned from
# them then stands, however far it is from where they were drawn.
learning_ess <- 25

# list(parts, par, range, unit, rounds, n_genes): what genes share, as learned from `rows`; NULL if nothing is shared. `par`
# has the errors of what was learned in it (run-integrate.R).
# `run(job, rows, n_draws)` samples genes and returns a piece (see run-blocks.R).
learn_shared <- function(job, rows, run) {
  parts <- shared_parts(job$model, job$sharing$share, job$sharing$sd_prior, job$sharing$effect_prior)
  if (length(parts) == 0) return(NULL)
  parts <- lapply(parts, with_typical_levels, job, rows)
  shared <- start_shared(job, parts, rows)
  for (round in seq_along(learning_sizes)) {
    job$shared <- widened(shared)
    piece <- run(job, learning_rows(job, rows, learning_sizes[round]), learning_draws[round])
    piece$shared_par <- job$shared$par
    if (isTRUE(piece$interrupted)) abort_learning()
    shared <- update_shared(shared, piece, job)
    if (round > 1 && shared$rounds$ess[round] * dim(piece$draws)[1] >= learning_ess) break
  }
  log_mean <- trend_input(job$model, rough_means(job, rows), shared$unit)
  integrate_shared(final_shared(shared, piece, job, parts), log_mean)
}

# Draws are made under wider priors than those learned so far: from narrow ones no weights lead to wider ones.
widened <- function(shared) {
  widen <- function(part, par) {
    if (part$kind == "dispersion") par[4] <- max(par[4] + log(1.25), log(0.4))
    if (part$kind == "lognormal") par[2] <- max(par[2] + log(1.25), log(0.4))
    if (part$kind %in% c("normal", "half_normal")) par <- par + log(1.25)
    if (is_mvn(part)) par <- widened_mvn(par)
    par
  }
  shared$par <- Map(widen, shared$parts, shared$par)
  shared
}

abort_learning <- function() {
  abort_twill("interrupt", c("Learning what the genes share was not finished, and no gene is.",
                             "i" = "Interrupted later, {.fn twill_genes} returns the genes finished by then."))
}

# A horseshoe is learned from draws made under a half-t: its own prior would never let a draw leave the slab.
proxy_part <- function(part) {
  if (part$kind == "horseshoe") part$kind <- "half_t"
  part
}

start_shared <- function(job, parts, rows) {
  unit <- if (of_counts(job$model)) 1 else gaussian_unit(job, rows)
  level <- if (of_counts(job$model)) 1.5 else log(unit)
  proxies <- lapply(parts, proxy_part)
  log_mean <- trend_input(job$model, rough_means(job, rows), unit)
  list(parts = proxies, par = lapply(proxies, part_start, unit = unit, level = level), range = trend_range(log_mean),
       unit = unit, level = level, rounds = NULL)
}

# Means of genes, or of many of them, as the trend is of.
rough_means <- function(job, rows) {
  if (!is.null(job$scan$base_mean)) return(job$scan$base_mean[rows])
  mean <- rough_levels(job, rows, 2000)$mean
  if (of_counts(job$model)) mean + 0.5 / n_samples(job$source) * exp(-mean(job$model$log_size)) else mean
}

# The spread of a typical gene.
gaussian_unit <- function(job, rows) positive_or_one(stats::median(rough_levels(job, rows, 300)$size))

# Levels of genes that are spread evenly over the range of means.
rough_levels <- function(job, rows, most) {
  few <- max(100, min(most, floor(2e7 / n_samples(job$source))))
  job$shared <- NULL
  part_view(job_part(job, learning_rows(job, rows, few)))$levels
}

# What the trend is of: the log of the mean count, or the mean of Gaussian values in units of their spread.
trend_input <- function(model, mean, unit = 1) if (of_counts(model)) log(pmax(mean, 1e-10)) else mean / unit

# Genes spread evenly over the range of means.
learning_rows <- function(job, rows, size) {
  if (length(rows) <= size) return(rows)
  ranked <- rows[order(job$scan$total[rows])]
  sort(ranked[round(seq(1, length(rows), length.out = size))])
}

update_shared <- function(shared, piece, job) {
  learned <- learn_from(drawn_under(shared, piece), piece, job, shared$parts, shared$par)
  shared$par <- learned$par
  trace <- data.frame(round = NROW(shared$rounds) + 1, n_genes = learned$n_genes, gain = learned$value,
                      ess = stats::median(learned$ess))
  for (k in seq_along(shared$parts)) {
    trace[paste0(part_name(shared$parts[[k]]), ".", names(learned$par[[k]]))] <- as.list(unname(learned$par[[k]]))
  }
  shared$rounds <- rbind(shared$rounds, trace)
  shared$n_genes <- learned$n_genes
  shared$covariance <- learned$covariance
  shared$floors <- learned$floors
  shared
}

final_shared <- function(shared, piece, job, parts) {
  if (identical(parts, shared$parts)) return(shared)
  start <- lapply(parts, part_start, unit = shared$unit, level = shared$level)
  keep <- vapply(parts, function(part) part$kind != "horseshoe", TRUE)
  start[keep] <- shared$par[keep]
  learned <- learn_from(drawn_under(shared, piece), piece, job, parts, start)
  shared$parts <- parts
  shared$par <- learned$par
  shared$covariance <- learned$covariance
  shared
}

drawn_under <- function(shared, piece) {
  shared$par <- piece$shared_par
  shared
}

# `shared` holds the parts and parameters under which the piece was drawn.
learn_from <- function(shared, piece, job, parts, start) {
  values <- lapply(shared$parts, part_values, piece = piece)
  finite <- vapply(values, finite_genes, logical(dim(piece$draws)[3]))
  usable <- piece$usable & rowSums(!matrix(finite, ncol = length(values))) == 0
  if (!any(usable)) abort_unlearned(piece)
  values <- lapply(values, values_of_genes, usable)
  x <- trend_basis(trend_input(job$model, piece$base_mean[usable], shared$unit), shared$range)
  hyper <- lapply(parts, part_hyperprior, unit = shared$unit, level = shared$level)
  hyper <- list(mean = unlist(lapply(hyper, `[[`, "mean")), sd = unlist(lapply(hyper, `[[`, "sd")))
  # The first draws are under wide priors.
  floors <- shared$floors %||% scale_floors(parts, values, lengths(start))
  # A horseshoe has other parameters than its proxy.
  at <- Map(function(own, size) if (length(own) == size) own else rep(NA_real_, size), floors, lengths(start))
  learned <- learn_round(parts, values, shared$parts, shared$par, start, hyper, x, unlist(at))
  c(learned, list(floors = floors), n_genes = sum(usable))
}

abort_unlearned <- function(piece) {
  why <- some(unique(piece$message[nzchar(piece$message)]), 3)
  # Draws that are not finite have no message.
  abort_twill("start", c("No gene could be sampled, so nothing can be learned from them.",
                         "x" = if (length(why) > 0) "{why}",
                         "i" = "With {.code share = \"none\"} {.fn tw_diagnostics} has what is wrong with each gene."))
}

# What the part's prior is of: the intercept of a regression of the dispersion is taken where it is centred.
part_values <- function(part, piece) {
  if (is_mvn(part)) return(mvn_values(part, piece))
  values_of <- function(variable) {
    v <- piece$draws[, match(variable, piece$names), , drop = FALSE]
    matrix(v, dim(v)[1])
  }
  v <- values_of(part$variable)
  for (slope in names(part$centre)) v <- v + part$centre[[slope]] * values_of(slope)
  if (part$kind == "dispersion" && part$variable %in% c("shape", "sigma")) log(v) else v
}

# Values are draws x genes, with the coefficients behind where a part is of several.
finite_genes <- function(values) rowSums(!is.finite(as.matrix(colSums(values)))) == 0

values_of_genes <- function(values, at) if (length(dim(values)) == 3) values[, at, , drop = FALSE] else values[, at, drop = FALSE]

part_name <- function(part) if (is_mvn(part)) "coefficients" else part$variable

# How genes are sampled to learn from, with `n_draws` in all: one short chain per gene, once, all draws kept.
learning_run <- function(silent, refresh, BPPARAM) {
  function(job, rows, n_draws) {
    job$settings <- learning_settings(job$settings, ceiling(n_draws / length(rows)))
    job$keep <- "draws"
    blocks <- block_plan(rows, "auto", job$source, n_workers(BPPARAM), FALSE)
    pieces <- run_blocks(job, blocks, vector("list", length(blocks)), NULL, BPPARAM, silent, refresh)
    if (length(pieces) < length(blocks)) abort_learning()
    bind_pieces(pieces)
  }
}

learning_settings <- function(settings, n_draws) {
  settings$chains <- 1
  settings$warmup <- min(settings$warmup, 36)
  settings$n_draws <- min(1000, max(100, n_draws))
  settings$iter <- settings$warmup + settings$n_draws
  settings$thin <- 1
  # Weighted, guides' draws are as good as the posterior's; what is learned from plain ones adds up their errors round by round.
  if (settings$method == "svi") settings$resample <- TRUE
  settings$retry <- FALSE
  settings
}

# Into the model ---------------------------------------------------------------------------------------------------

# The model with the learned priors: in its table, in the parsed priors, and in the spec.
apply_shared <- function(model, shared) {
  for (k in seq_along(shared$parts)) {
    priors <- part_priors(shared$parts[[k]], shared$par[[k]])
    for (variable in names(priors)) model <- with_shared_prior(model, variable, priors[[variable]])
  }
  model$spec_json <- to_json(new_spec(model$design, model$family, model$parameters, model$intercept, FALSE))
  model
}

with_shared_prior <- function(model, variable, parsed) {
  at <- match(variable, model$parameters$variable)
  model$parameters$parsed[[at]] <- parsed
  model$parameters$prior[at] <- prior_text(parsed)
  model$parameters$source[at] <- "shared"
  model$prior[prior_row(model, at), c("prior", "source")] <- list(prior_text(parsed), "shared")
  model
}

# By variable; of coefficients with a joint prior those of each alone.
part_priors <- function(part, par) {
  if (!is_mvn(part)) return(stats::setNames(list(part_prior(part, par)), part$variable))
  normal <- function(mean, sd) list(dist = "normal", args = c(mean, sd), half = FALSE)
  stats::setNames(Map(normal, split_mvn(par)$mean, sqrt(diag(mvn_covariance(par)))), part$variable)
}

# The row of a parameter in the table of priors, where members of a horseshoe have none of their own.
prior_row <- function(model, at) sum(is.na(model$parameters$horseshoe[seq_len(at)]))

part_prior <- function(part, par) {
  prior <- function(dist, ...) list(dist = dist, args = unname(c(...)), half = FALSE)
  is_log_normal <- part$variable %in% c("shape", "sigma")
  switch(part$kind,
    dispersion = prior(if (is_log_normal) "lognormal" else "normal", par[1], exp(par[4])),
    lognormal = prior("lognormal", par[1], exp(par[2])),
    half_normal = , normal = prior("normal", 0, exp(par)),
    half_t = prior("student_t", half_t_df, 0, exp(par)),
    student_t = prior("student_t", effect_df, 0, exp(par)),
    horseshoe = prior("horseshoe_scale", exp(par)))
}

prior_text <- function(parsed, digits = 4) {
  if (!is_proper_prior(parsed)) return("")
  sprintf("%s(%s)", parsed$dist, paste(number_text(signif(parsed$args, digits)), collapse = ", "))
}

# The gene-wise arguments of shared priors: where the trend of the dispersion is at the gene's mean.
trend_priors <- function(model, shared, base_mean) {
  is_dispersion <- vapply(shared$parts, function(part) part$kind == "dispersion", TRUE)
  lapply(which(is_dispersion), function(k) {
    override(shared$parts[[k]]$variable, 0L, trend_at(shared, k, trend_input(model, base_mean, shared$unit %||% 1)))
  })
}

trend_at <- function(shared, k, log_mean) drop(trend_basis(log_mean, shared$range) %*% shared$par[[k]][1:3])
