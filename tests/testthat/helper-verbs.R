# Fits of every door and family for tests of verbs, and what they say by hand.

# One fit of each door and family, made once; names begin with the letter of the door in the table of verbs.
small_fits <- function() {
  if (is.null(shared_fits$small)) shared_fits$small <- new_small_fits()
  shared_fits$small
}

new_small_fits <- function() {
  data <- with_fixed_seed(1, data.frame(x = rnorm(40), g = gl(8, 5)))
  data$value <- with_fixed_seed(2, data$x + rnorm(8)[data$g] + rnorm(40))
  data$count <- with_fixed_seed(3, rpois(40, exp(1 + 0.3 * data$x)))
  single <- function(formula, ...) twill(formula, data, ..., chains = 2, iter = 100, seed = 1, silent = 2)
  counts <- gene_counts(6)
  genes <- function(family, x = counts) {
    twill_genes(x, ~ condition + (1 | donor), family, col_data = gene_samples(), iter = 100, seed = 1, silent = 2, check = FALSE)
  }
  cells <- function(family) cells_fit(cell_data(3), family = family)
  screen <- twill_screen(counts[, 1:4], ~arm, gene = rep(c("A", "B"), 3), col_data = data.frame(arm = gl(2, 2)), iter = 100,
                         seed = 1, silent = 2, check = FALSE)
  list(s.gaussian = single(value ~ x + (1 | g)), s.poisson = single(count ~ x + (1 | g), family = poisson()),
       s.negbinomial = single(count ~ x + (1 | g), family = negbinomial()),
       g.gaussian = genes("gaussian", log(counts + 1)), g.poisson = genes("poisson"), g.negbinomial = genes("negbinomial"),
       g.screen = screen, c.negbinomial = cells("negbinomial"), c.poisson = cells("poisson"))
}

draws_by_name <- function(fit, gene) {
  unclass(if (is.null(gene)) as_draws_matrix(fit) else as_draws_matrix(fit, genes = gene, variable = variables(fit)))
}

# What a fit (one gene of a fit of many) says by hand: draws of parameters and of the linear predictor, the response.
by_hand <- function(fit, gene) {
  is_set <- inherits(fit, "twillgenes")
  draws <- draws_by_name(fit, gene)
  frame <- if (is_set) model.frame(fit) else fit$data
  x <- if (is_set) as.numeric(frame[[1]]) - 1 else frame$x
  eta <- outer(draws[, "b_Intercept"], rep(1, length(x))) + outer(draws[, 2], x)
  group <- if (is_set) "donor" else "g"
  levels <- as.character(frame[[group]])
  eta <- eta + draws[, sprintf("r_%s[%s,Intercept]", group, levels)]
  slope <- sprintf("r_%s[%s,conditionstim]", group, levels)
  if (all(slope %in% colnames(draws))) eta <- eta + draws[, slope] * rep(x, each = nrow(eta))
  size <- if (is_set && family(fit)$link == "log") log(fit$job$sizes$values) else 0
  list(draws = draws, eta = unname(eta) + rep(size, each = nrow(eta)), group = group)
}

log_density <- function(family, y, eta, draws) {
  y <- rep(y, each = nrow(eta))
  switch(family, gaussian = dnorm(y, eta, draws[, "sigma"], log = TRUE), poisson = dpois(y, exp(eta), log = TRUE),
         negbinomial = dnbinom(y, mu = exp(eta), size = draws[, "shape"], log = TRUE))
}

variance_at <- function(family, mu, draws) {
  switch(family, gaussian = matrix(draws[, "sigma"]^2, nrow(mu), ncol(mu)), poisson = mu,
         negbinomial = mu + mu^2 / draws[, "shape"])
}

# Answers of one gene as those of a single fit: the dimension of genes goes.
slice <- function(values, gene, where) {
  if (where == "last") matrix(values[, , gene], dim(values)[1]) else values[gene, ]
}
