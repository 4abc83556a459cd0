# Draws and effects of a fit of genes, as arrays: those that are kept, in a folder, or made again.

#' Effects, variance components and draws of a fit of genes
#'
#' As [fixef.twillfit()] and the other methods of single fits, with a dimension more: the genes.
#'
#' @param object,x A fit of class `twillgenes`, from [twill_genes()].
#' @param summary Summarise the draws? Default: yes. If not, the draws themselves. Draws that a fit has not kept are made
#'   again, the same ones, for up to 200 genes.
#' @param probs Probabilities of the quantiles. Default: `c(0.025, 0.975)`. Without draws they are those of a normal.
#' @param groups Names of the groups to keep. Default: all.
#' @param genes Names or numbers of genes, or a condition. Default: all.
#' @param variable,regex Names of variables, or regular expressions, as in [as_draws.twillfit()]. Default: all that the fit
#'   has kept.
#' @param sigma Not used; part of the generic.
#' @param ... Not used.
#' @return
#' * `fixef()`: array gene x (Estimate, Est.Error, quantiles) x coefficient; with `summary = FALSE` draw x gene x coefficient.
#' * `ranef()`: list with one array per group, gene x (Estimate, Est.Error, quantiles) x level x coefficient; with
#'   `summary = FALSE` draw x gene x level x coefficient.
#' * `coef()`: list with one array per group, gene x (Estimate, Est.Error, quantiles) x level x coefficient, of the level's own
#'   coefficients, \eqn{\beta_{gc} + b_{gjc}}; those that do not vary over the group are the same for all levels. With
#'   `summary = FALSE` draw x gene x level x coefficient. For more than 200 genes without `keep = "effects"` only estimates
#'   are known, the rest is `NA`, with a message.
#' * `VarCorr()`: list with, per group, `sd`, an array gene x statistic x coefficient, and `cor` where effects are
#'   correlated, with the pairs of coefficients in the last dimension.
#' * `as_draws()`, `as_draws_array()` and the other formats of posterior (and those of coda, see [twill-coda]): the draws of
#'   one gene under their own names, or of several with the gene as the first index, `b_x[gene]`, `r_donor[gene,D1,x]`.
#' * `variables()`: names of the variables that the draws of a gene have.
#'
#' Errors have class `twill_error_genes`, `twill_error_draws`, `twill_error_variable` or `twill_error_group`.
#' @examples
#' set.seed(1)
#' samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4))
#' counts <- matrix(rpois(48, 50), 6, dimnames = list(paste0("gene", 1:6), NULL))
#' fit <- twill_genes(counts, ~ condition + (1 + condition || donor),
#'                    col_data = samples, iter = 200, seed = 1)
#' fixef(fit)[, "Estimate", ]
#' VarCorr(fit)$donor$sd[, "Estimate", ]
#' coef(fit, genes = "gene2")$donor["gene2", "Estimate", , ]
#' posterior::summarise_draws(as_draws(fit, genes = "gene2"), "mean", "sd")
#' @name twillgenes-effects
NULL

#' @rdname twillgenes-effects
#' @method fixef twillgenes
#' @export
fixef.twillgenes <- function(object, summary = TRUE, probs = c(0.025, 0.975), genes = NULL, ...) {
  check_no_dots(...)
  at <- set_positions(object, genes)
  design <- model_of(object)$design
  variable <- c(design$coef_names, design$disp_names[!is.null(design$x_disp)])
  gene_array(object, variable, sub("^b_", "", variable), at, summary, probs)
}

#' @rdname twillgenes-effects
#' @method ranef twillgenes
#' @export
ranef.twillgenes <- function(object, groups = NULL, genes = NULL, summary = TRUE, probs = c(0.025, 0.975), ...) {
  check_no_dots(...)
  need_set_groups(object)
  check_probs(probs, open = is.null(object$posterior$effects))
  at <- set_positions(object, genes)
  groups <- pick_groups(model_of(object), groups)
  if (!check_flag(summary, "summary")) return(lapply(groups, level_draw_array, fit = object, at = at))
  lapply(groups, level_array, fit = object, at = at, probs = probs)
}

#' @rdname twillgenes-effects
#' @method VarCorr twillgenes
#' @export
VarCorr.twillgenes <- function(x, sigma = 1, summary = TRUE, probs = c(0.025, 0.975), genes = NULL, ...) {
  check_no_dots(...)
  need_set_groups(x)
  at <- set_positions(x, genes)
  lapply(pick_groups(model_of(x), NULL), function(group) {
    part <- function(prefix) {
      start <- paste0(prefix, "_", group, "__")
      variable <- grep(start, x$posterior$names, fixed = TRUE, value = TRUE)
      variable <- variable[startsWith(variable, start)]
      if (length(variable)) gene_array(x, variable, substring(variable, nchar(start) + 1), at, summary, probs)
    }
    compact(list(sd = part("sd"), cor = part("cor")))
  })
}

need_set_groups <- function(fit) {
  if (length(model_of(fit)$design$terms) == 0) {
    abort_twill("group", c("The design has no group-level terms such as {.code (1 | donor)}.",
                           "i" = "{.fn fixef} has its coefficients."))
  }
}

# gene x statistic x variable, or draw x gene x variable.
gene_array <- function(fit, variable, labels, at, summary, probs) {
  genes <- set_genes(fit)[at]
  if (!check_flag(summary, "summary")) {
    draws <- aperm(draws_of(fit, variable, at), c(1, 3, 2))
    return(array(draws, dim(draws), list(NULL, genes, labels)))
  }
  check_probs(probs, open = is.null(fit$posterior$draws))
  values <- lapply(match(variable, fit$posterior$names), function(v) gene_statistics(fit, v, at, probs))
  statistics <- c("Estimate", "Est.Error", quantile_names(probs))
  array(unlist(values), c(length(at), length(statistics), length(variable)), list(genes, statistics, labels))
}

gene_statistics <- function(fit, v, at, probs) {
  mean <- fit$posterior$mean[v, at]
  sd <- nan_to_na(fit$posterior$sd[v, at])
  if (is.null(fit$posterior$draws)) return(cbind(mean, sd, mean + outer(sd, stats::qnorm(probs))))
  draws <- draws_of(fit, fit$posterior$names[v], at)
  draws <- matrix(draws, nrow(draws))
  cbind(mean, sd, column_quantiles(draws, probs, few_draws_type))
}

# gene x statistic x level x coefficient: moments of the effects, and quantiles of those draws that were kept.
level_array <- function(fit, group, at, probs) {
  plan <- level_plan(fit, group)
  rows <- match(plan$variables, fit$posterior$effect_names)
  pick <- function(name) array(fit$posterior[[name]][rows, at], c(length(rows), length(at)))
  mean <- pick("effects_mean")
  sd <- nan_to_na(pick("effects_sd"))
  values <- c(list(mean, sd), lapply(probs, function(prob) {
    if (is.null(fit$posterior$effects)) return(mean + sd * stats::qnorm(prob))
    draws <- draws_of(fit, plan$variables, at)
    matrix(column_quantiles(matrix(draws, dim(draws)[1]), prob, few_draws_type), length(rows))
  }))
  both <- aperm(array(unlist(values), c(length(plan$levels), length(plan$coefs), length(at), length(values))), c(3, 4, 1, 2))
  array(both, dim(both), list(set_genes(fit)[at], c("Estimate", "Est.Error", quantile_names(probs)), plan$levels, plan$coefs))
}

# draw x gene x level x coefficient.
level_draw_array <- function(fit, group, at) {
  plan <- level_plan(fit, group)
  draws <- draws_of(fit, plan$variables, at)
  draws <- aperm(array(draws, c(dim(draws)[1], length(plan$levels), length(plan$coefs), length(at))), c(1, 4, 2, 3))
  array(draws, dim(draws), list(NULL, set_genes(fit)[at], plan$levels, plan$coefs))
}

# list(levels, coefs, variables) of a group, with levels running faster than coefficients.
level_plan <- function(fit, group) {
  terms <- group_terms(model_of(fit), group)
  coefs <- unlist(lapply(terms, `[[`, "coefs"))
  list(levels = terms[[1]]$level_names, coefs = coefs,
       variables = unlist(lapply(coefs, effect_variables, group = group, levels = terms[[1]]$levels)))
}

# Draws ------------------------------------------------------------------------------------------------------------

# draw x variable x gene of what is no effect: from memory, else from the folder of the run.
main_draws <- function(fit, variable, at) {
  draws <- fit$posterior$draws
  if (is.null(draws)) return(folder_draws(fit, variable, at))
  draws[, match(variable, fit$posterior$names), at, drop = FALSE]
}

# draw x gene of the correlation of two coefficients of a term, whichever of them is named first.
correlation_of <- function(fit, term, first, second, at) {
  names <- c(cor_name(term, c(first, second)), cor_name(term, c(second, first)))
  known <- if (is_one(fit)) variables(fit) else fit$posterior$names
  draws_of(fit, intersect(names, known), at)[, 1, ]
}

has_draws <- function(fit) is_one(fit) || !is.null(fit$posterior$draws) || has_folder_draws(fit)

has_folder_draws <- function(fit) !is.null(fit$info$folder) && is.null(folder_trouble(fit))

# Why the draws of a fit cannot be read from its folder, NULL if they can.
folder_trouble <- function(fit) {
  folder <- fit$info$folder
  plan <- read_sealed(plan_path(folder))
  blocks <- blocks_of(plan, fit$posterior$rows)
  path <- block_path(folder, blocks)
  if (!dir.exists(folder)) "is not there"
  else if (is.null(plan)) "has no plan, or a damaged one"
  else if (plan_run(plan) != fit$info$run || !all(fit$posterior$rows %in% unlist(plan$blocks))) "holds another run"
  else if (!all(file.exists(path))) sprintf("has lost %s", first_few(basename(path[!file.exists(path)]), 3))
}

# Which run a plan is of, as the fit has it.
plan_run <- function(plan) value_hash(store_run(with_plan(plan["fingerprint"], plan)))

# Numbers of the blocks that hold these rows.
blocks_of <- function(plan, rows) which(vapply(plan$blocks, function(block) any(block %in% rows), TRUE))

folder_draws <- function(fit, variable, at) {
  rows <- fit$posterior$rows[at]
  parts <- if (has_folder_draws(fit)) folder_parts(fit, variable, rows)
  if (is.null(parts)) return(repeated_piece(fit, at)$draws[, match(variable, fit$posterior$names), , drop = FALSE])
  found <- unlist(lapply(parts, `[[`, "rows"))
  shape <- dim(parts[[1]]$draws)
  all <- array(unlist(lapply(parts, `[[`, "draws")), c(shape[1:2], length(found)))
  all[, , match(rows, found), drop = FALSE]
}

# Draws that were not kept are made again where genes are few: a gene's seed gives the same ones.
max_repeated <- 200

repeated_piece <- function(fit, at) {
  if (length(at) > max_repeated) {
    abort_twill("draws", c("The draws of {length(at)} genes were not kept, too many to make them again (at most {max_repeated}).",
                           lost_folder(fit),
                           "i" = "Fit with {.code keep = \"draws\"} or {.val effects}, or with {.arg folder}."))
  }
  job <- fit$job
  job$keep <- "effects"
  run_part(job_part(job, fit$posterior$rows[at]))
}

# draw x effect x gene.
effect_draws <- function(fit, effects, at) {
  all <- fit$posterior$effects
  if (is.null(all)) {
    all <- repeated_piece(fit, at)$effects
    at <- seq_along(at)
  }
  all[, match(effects, fit$posterior$effect_names), at, drop = FALSE]
}

# For messages: that the draws were in a folder, and what is wrong with it.
lost_folder <- function(fit) {
  folder <- fit$info$folder
  if (is.null(folder)) return(NULL)
  c("x" = cli_verbatim("They were in {.file %s}, which %s.", folder, folder_trouble(fit) %||% "has damaged blocks"))
}

# Draws of rows from the blocks that have them; NULL if one of these is damaged.
folder_parts <- function(fit, variable, rows) {
  plan <- read_sealed(plan_path(fit$info$folder))
  run <- store_run(with_plan(plan["fingerprint"], plan))
  parts <- lapply(blocks_of(plan, rows), function(k) {
    piece <- read_run_block(fit$info$folder, k, plan$blocks[[k]], run)
    at <- which(piece$rows %in% rows)
    if (!is.null(piece)) list(rows = piece$rows[at], draws = piece$draws[, match(variable, piece$names), at, drop = FALSE])
  })
  if (!any(vapply(parts, is.null, TRUE))) parts
}

is_sampled <- function(fit) fit$job$settings$method %in% c("hmc", "nuts")

# Draws of an approximation are independent: one chain.
draw_chains <- function(fit, n) {
  chains <- fit$job$settings$chains
  if (is_sampled(fit) && n %% chains == 0) chains else 1
}
