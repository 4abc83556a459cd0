# Fits of every door and family for tests of verbs.

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
