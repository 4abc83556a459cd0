# One random call for each door of the package, with the data that it names.

doors <- c("twill", "genes", "cells", "screen", "tables")

# A list of `code`, a call, and `data`, the values of the names in it.
random_fit <- function(door) {
  switch(door, twill = random_twill(), genes = random_genes(), cells = random_cells(), screen = random_screen(),
         tables = random_table())
}

# What every call says, so that it is short and gives the same again.
common <- function() {
  list(chains = 1, iter = random_iterations(), seed = sample.int(1e6, 1), silent = one_of(1, 1, 1, 2, 0))
}

random_twill <- function() {
  kind <- one_of("gaussian", "counts")
  required <- list(random_formula(), data = quote(data), family = random_family(kind))
  method <- one_of(list(), list(), list(), random_engine(), list(method = "laplace"),
                   list(method = "svi", control = list(max_steps = 50)))
  data <- random_frame(family = kind)
  relations <- random_relations(data)
  required <- c(required, if (names_matrices(required[[1]])) list(data2 = quote(relations)), common(), method)
  values <- list(data = data, relations = relations)
  if (chance(0.1)) {
    required$data <- element_of(list(quote(in_pieces(data, 4)), quote(in_pieces(data, 1)), quote(in_pieces(data, 1000))))
    values$in_pieces <- in_pieces
  }
  list(code = kept(random_call("twill", required, twill_settings), file_settings), data = values)
}

# One way of sampling, whether it is the one that would be taken or not.
random_engine <- function() {
  hmc <- if (chance(0.5)) list(method = "hmc")
  engine <- one_of("joint", "levels", "collapsed", "auto", if (is.null(hmc)) "guided" else "nothing")
  c(hmc, if (chance(0.7)) list(control = call("list", engine = engine)))
}

# Data that come in pieces of so many rows.
in_pieces <- function(data, size) {
  at <- 0
  function() {
    if (!is.data.frame(data) || at >= nrow(data)) return(NULL)
    rows <- seq(at + 1, min(at + size, nrow(data)))
    # The function's own state.
    assign("at", at + size, envir = parent.env(environment()))
    data[rows, , drop = FALSE]
  }
}

# Whether a formula asks for matrices in data2.
names_matrices <- function(code) grepl("(cov|prec|weights) = [KQCRV]\\b|fcor[(][VK]", one_line(code))

# Columns of samples, in decent designs of two conditions and some donors as often as not.
random_samples <- function(n) {
  data <- random_frame(n, p_strange = 0.2)
  if (is.data.frame(data)) data$y <- NULL
  data
}

# A design without response, as text that is code.
random_design <- function() {
  if (chance(0.4)) return(one_of(quote(~f), quote(~ f + (1 | g)), quote(~ x + (1 + x || g)), quote(~1),
                                 quote(~ f + (1 + f || g)), quote(~ f * h + (1 | g)), quote(~ f + (1 | gr(g, cov = K))),
                                   quote(~ 0 + f)))
  as_code(paste("~", random_terms(0.1, of_genes = TRUE)))
}

gene_method <- function() {
  if (chance(0.6)) return(list())
  list(method = one_of("nuts", "laplace", "auto", "svi", "hmc"))
}

# The matrix with its columns, in one of the forms that the door reads.
matrix_input <- function(n_genes, n_samples, mean, is_count = TRUE) {
  samples <- random_samples(n_samples)
  x <- random_matrix(n_genes, n_samples, mean, is_count)
  if (oddly(0.15)) x <- spoil_matrix(x)
  if (chance(0.3)) x <- as_other_matrix(x, samples)
  list(x = x, samples = samples, n = n_samples)
}

n_genes <- function() if (!oddly(0.15)) sample(2:5, 1) else sample(c(0, 1, 12), 1)

# The matrices that a design names come along.
random_set_call <- function(door, required, optional, input, ways = names(kept_settings())) {
  if (names_matrices(required[[2]])) {
    input$relations <- random_relations(input$samples)
    required$data2 <- quote(relations)
  }
  # Such objects have columns of their own.
  if (brings_columns(input$x) && !oddly(0.2)) required$col_data <- NULL
  list(code = kept(random_call(door, required, optional), kept_settings()[ways]), data = input)
}

random_genes <- function() {
  is_count <- chance(0.8)
  input <- matrix_input(n_genes(), n_rows(), 20, is_count)
  if (chance(0.1)) return(random_long_genes())
  family <- if (is_count) list() else list(family = "gaussian")
  if (chance(0.2)) family <- list(family = random_family(if (is_count) "counts" else "gaussian"))
  required <- c(list(quote(x), random_design(), col_data = quote(samples)), family, common(), gene_method())
  sizes <- list(size_factors = any_of("typical", "normed_sum", "ratio", "poscounts", "none", "sizeFactors", rep(1, n), runif(n),
                                      rep(0, n), 1),
                offset = any_of(rep(0, n), rnorm(n), x, 1, rep(1e4, n)))
  random_set_call("twill_genes", required, c(gene_only_settings, sizes), input)
}

random_long_genes <- function() {
  genes <- gene_names(3)
  data <- random_frame(24, "counts")
  if (is.data.frame(data)) data$gene <- rep_len(if (is.null(genes)) 1:3 else genes, nrow(data))
  required <- c(list(quote(data), as_code(paste("y ~", random_terms(0.1, of_genes = TRUE))), gene = "gene"), common(),
      gene_method())
  list(code = random_call("twill_genes", required, gene_only_settings), data = list(data = data, n = 24))
}

random_cells <- function() {
  input <- matrix_input(n_genes(), n_rows() * 4, 2)
  # Leaves: designs of factors. Numbers that differ from cell to cell are fitted cell by cell.
  required <- c(list(quote(x), random_design(), col_data = quote(samples)), common(), gene_method())
  own <- list(capture = any_of("model", "library", "sizeFactors", rep(0.1, n), rep(0, n), runif(n),
                               c(NA, rep(1, max(0, n - 1))), 1, "nothing"),
              organism = any_of("human", "mouse", "yeast", "ecoli", "cat"), capture_efficiency = any_of(0.1, 0.9, 1, 1e-6, 0),
              gene_coverage = any_of(0.5, 0.9, 1, 0), family = any_of("poisson", "negbinomial", "gaussian"))
  optional <- gene_only_settings[setdiff(names(gene_only_settings), "weights")]
  random_set_call("twill_cells", required, c(optional, own), input)
}

random_screen <- function() {
  n_samples <- sample(2:6, 1)
  input <- matrix_input(sample(4:12, 1), n_samples, 200)
  n_guides <- if (is.null(dim(input$x))) length(input$x) else nrow(input$x)
  input$gene <- rep_len(paste0("g", 1:4), n_guides)
  if (oddly(0.1)) input$gene <- spoil_genes(input$gene)
  input$plasmid <- stats::rpois(n_guides, 200)
  if (chance(0.15)) return(random_long_screen(input))
  # Samples named `plasmid` are not fitted, and need no row of their own below.
  before <- one_of(list(), list(plasmid = quote(plasmid)), list(plasmid = "s1"), list(plasmid = one_of("nothing", 0,
      quote(plasmid * 0))))
  required <- c(list(quote(x), random_design(), gene = quote(gene)), before, list(col_data = quote(samples)), common(),
                gene_method())
  own <- list(controls = any_of("g1", "nothing", 1, c("g1", "g2")), min_plasmid = any_of(0, 10, 1e6), max_guides = any_of(2, 3,
      1),
              size_factors = any_of(rep(1, n), rep(0, n), runif(n)), guide_dist = any_of("normal", "mixture", "student",
                "nothing"))
  optional <- gene_only_settings[setdiff(names(gene_only_settings), c("weights", "genes", if (mood$decent) "by"))]
  random_set_call("twill_screen", required, c(optional, own), input, setdiff(names(kept_settings()), if (mood$decent) "by"))
}

spoil_genes <- function(gene) one_of(replace(gene, 1, NA), rep("a", length(gene)), gene[-1], seq_along(gene), replace(gene, 1,
    ""), factor(gene))

random_long_screen <- function(input) {
  guides <- paste0("guide", 1:6)
  data <- expand.grid(guide = guides, sample = paste0("s", 1:3), stringsAsFactors = FALSE)
  data$gene <- rep(c("a", "b"), each = 3)
  data$x <- rep(stats::rnorm(3), each = 6)
  data$before <- stats::rpois(6, 200)
  data$y <- stats::rpois(18, 100)
  if (chance(0.3)) data[[sample(length(data), 1)]] <- element_of(strange_covariates)(18)
  if (chance(0.2)) data <- data[-sample(18, 5), ]
  required <- c(list(quote(data), one_of(quote(y ~ 1), quote(y ~ x), quote(y ~ x + (1 | sample)), quote(~x)), gene = "gene",
                     guide = "guide"),
                if (chance(0.7)) list(plasmid = "before"), common(), gene_method())
  list(code = random_call("twill_screen", required, gene_only_settings[c("chains", "thin", "prior", "keep", "share")]),
       data = list(data = data, n = 18))
}
