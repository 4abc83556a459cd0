# The prior that the loci of tw_inclusion() teach: empirical Bayes.

# The maximum of the loci's joint evidence in the parameters named, each on a scale without bounds.
learn_inclusion <- function(loci, prior, share, learn) {
  with_values <- function(x) {
    at <- list(prior = prior, share = share)
    if ("prob" %in% learn) at$prior$prob <- 0.5 * stats::plogis(x[["prob"]])
    if ("scale" %in% learn) at$prior$scale <- exp(x[["scale"]])
    if (!is.null(share)) {
      # Between prob, where it begins, and 1.
      part <- if ("share" %in% learn) stats::plogis(x[["share"]]) else max(0, (share - at$prior$prob) / (1 - at$prior$prob))
      at$share <- at$prior$prob + min(part, 1 - 1e-9) * (1 - at$prior$prob)
    }
    at
  }
  loss <- function(x) {
    at <- with_values(stats::setNames(x, learn))
    -sum(vapply(loci, function(locus) weigh_locus(locus, at$prior, at$share)$log_evidence, 0))
  }
  start <- c(prob = stats::qlogis(2 * prior$prob), scale = log(prior$scale), share = 0)[learn]
  # Evidence is flat far out, where steps along gradients would end: one parameter is bracketed.
  is_one <- length(learn) == 1
  found <- stats::optim(start, loss, method = if (is_one) "Brent" else "Nelder-Mead", lower = if (is_one) start - 8 else -Inf,
                        upper = if (is_one) start + 8 else Inf, control = list(reltol = 1e-6, maxit = 2000))
  if (found$convergence != 0) {
    warn_twill("inclusion", c("The prior over loci had not converged.", "i" = "Learn fewer of {.val {learn}}."))
  }
  with_values(stats::setNames(found$par, learn))
}
