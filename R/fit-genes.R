# The class twillgenes: its making, size, parts, and how sets of genes are cut and joined.

# `pieces` hold the genes of finished blocks; genes that an interrupt left unfinished are dropped and said to be.
new_set <- function(job, pieces, n_wanted, call, store) {
  if (length(pieces) == 0) abort_no_gene(store)
  piece <- bind_pieces(pieces)
  finished <- which(piece$status != "interrupted")
  if (length(finished) == 0) abort_no_gene(store)
  posterior <- piece_genes(piece, finished)
  posterior[c("interrupted", "shared_par")] <- NULL
  wanted <- which(job$reason == "")
  job$reason[setdiff(wanted, posterior$rows)] <- "not finished"
  info <- list(seed = job$settings$seed, elapsed = 0, folder = store$folder,
               run = if (!is.null(store)) value_hash(store_run(store)), version = utils::packageVersion("twill"))
  partial <- length(finished) < n_wanted
  new_twill_model(list(call = call, job = job, posterior = posterior, info = info),
                  c(if (partial) "twill_partial", "twillgenes"))
}

abort_no_gene <- function(store) {
  abort_twill("interrupt", c("Interrupted before any gene was finished.",
                             "i" = "Interrupted later, {.fn twill_genes} returns the genes finished by then.",
                             if (!is.null(store)) goes_on(store$folder)))
}

# Where what is finished lies, for messages.
goes_on <- function(folder) {
  n <- length(block_files(folder))
  text <- sprintf("%d finished block%s in {.file %%s}: the same call goes on from there.", n, if (n == 1) " is" else "s are")
  c("i" = cli_verbatim(text, folder))
}

# A call with values in the place of names, as do.call() makes it. update() evaluates it, so data stay; formulas and functions
# keep of their surroundings what they use.
small_set_call <- function(call, env) {
  for (door in c("twill_genes", "twill_cells", "twill_screen")) if (identical(call[[1]], get(door))) call[[1]] <- as.name(door)
  for (name in setdiff(names(call), "")) call[[name]] <- without_surroundings(call[[name]], env)
  call
}

without_surroundings <- function(value, env) {
  if (is.function(value)) return(portable_function(value))
  if (inherits(value, "formula")) environment(value) <- env
  if (is.list(value) && !is.object(value)) value <- lapply(value, without_surroundings, env = env)
  value
}

warn_set <- function(fit) {
  n <- length(fit$posterior$rows)
  left <- sum(fit$job$reason == "not finished")
  if (is_partial(fit)) {
    warn_twill("partial", c("The run was not finished: {n} of {n + left} genes are.",
                            "i" = "{.code update(fit, genes = )} fits the others.",
                            if (!is.null(fit$info$folder)) goes_on(fit$info$folder)))
  }
  bad <- table(factor(fit$posterior$status, c("high_rhat", "high_khat", "no_start", "failed")))
  bad <- bad[bad > 0]
  if (length(bad) == 0) return(invisible())
  shown <- sprintf("%s (%d)", names(bad), as.integer(bad))
  warn_twill("genes", c("{sum(bad)} of {n} gene{?s} should not be used as {?it is/they are}: {.val {shown}}.",
                        "i" = "{.fn tw_diagnostics} lists them; {.arg iter} gives longer chains.",
                        if ("high_khat" %in% names(bad)) c("i" = "{.code control = list(refine = TRUE)} samples these.")))
}

set_genes <- function(fit) fit$job$source$genes[fit$posterior$rows]

# `also` names what makes other fits that are taken.
check_set <- function(fit, argument = "fit", also = NULL) {
  if (is_set(fit)) return(invisible(fit))
  caller <- sys.call(-1)
  given <- class(fit)[1]
  one <- if (is_by_type(fit)) c("i" = "It holds a fit for each of {.val {some(names(fit))}}: choose one by {.code [[}.") else
    if (is_one(fit)) of_one_response(caller)
  made <- sprintf("made by {.fn twill_genes}%s.", if (is.null(also)) "" else sprintf(", or one by {.fn %s}", also))
  abort_twill("argument", c(paste("{.arg {argument}} must be a fit of class {.cls twillgenes},", made),
                            "x" = "It is of class {.cls {given}}.", one))
}

# What answers for a fit of one response what a verb of genes is asked.
of_one_response <- function(call) {
  # A function that was handed over has no name.
  verb <- if (is.call(call) && is.language(call[[1]])) utils::tail(as.character(call[[1]]), 1) else ""
  if (!verb %in% names(verbs_of_one)) return(NULL)
  c("i" = sprintf("For one response: %s.", paste(sprintf("{.code %s}", verbs_of_one[[verb]]), collapse = "; ")))
}

# Arguments that say nothing of one response.
refuse_of_genes <- function(given) {
  if (length(given) == 0) return(invisible())
  abort_twill("argument", c("{cli::qty(given)}{.arg {given}} {?is/are} about many genes, and the fit is of one response.",
                            "i" = "{cli::qty(given)}Leave {?it/them} out."))
}

verbs_of_one <- list(
  tw_diagnostics = c("print(fit)", "rhat(fit)", "neff_ratio(fit)", "nuts_params(fit)"),
  tw_means = c("fitted(fit)", "posterior_epred(fit, newdata)"), tw_groups = "posterior_linpred(fit, newdata = )",
  tw_draws = c("as_draws_df(fit)", "fixef(fit, summary = FALSE)", "ranef(fit, summary = FALSE)"),
  tw_spread = c("VarCorr(fit)", "tw_contrast(fit)"), tw_residuals = "residuals(fit)",
  tw_calibration = c("pp_check(fit)", "loo(fit)"), tw_shared_variation = "pp_check(fit)", tw_denoised = "fitted(fit)")

# Positions in the fit of genes given by name, number or condition.
set_positions <- function(fit, genes, arg = "genes") pick_genes(genes, set_genes(fit), arg)

# Methods ----------------------------------------------------------------------------------------------------------

#' Size and parts of a fit of genes
#'
#' A fit of genes has genes as rows and samples as columns.
#'
#' @param x,object A fit of class `twillgenes`, from [twill_genes()].
#' @param i Genes, by name, number or condition.
#' @param j Must be missing: samples belong to the model.
#' @param drop Not used.
#' @param ... For `c()`: fits of other genes under the same design, settings and shared hyper-parameters, such as `update()`
#'   gives. For `update()`: arguments of [twill_genes()] to change.
#' @param genes For `update()`: further genes to fit, with the hyper-parameters that were learned. By name; `NULL` with other
#'   changes fits all genes again. A formula in this place is the new `design`.
#' @return `dim()`: numbers of genes and samples; `dimnames()`: their names; `x[i, ]` and `c()`: a fit of these genes;
#'   `x[[i]]`: a part of the object.
#'   `update()`: the fit with the new genes (in the order of the data), or a new fit. `formula()`, `family()`,
#'   `model.matrix()`, `model.frame()`, `nobs()` (samples), as for [twill()]; `prior_summary()`: the table of priors, with
#'   `gene` for arguments that differ by gene. Errors have class
#'   `twill_error_genes`.
#' @examples
#' set.seed(1)
#' samples <- data.frame(condition = rep(c("ctrl", "stim"), 5))
#' counts <- matrix(rpois(60, 50), 6, dimnames = list(paste0("gene", 1:6), NULL))
#' fit <- twill_genes(counts, ~ condition, col_data = samples, genes = 1:4, iter = 200, seed = 1)
#' dim(fit)
#' fit["gene2", ]
#' more <- update(fit, genes = "gene5")
#' rownames(more)
#' @name twillgenes-methods
NULL

#' @rdname twillgenes-methods
#' @method dim twillgenes
#' @export
dim.twillgenes <- function(x) c(length(x$posterior$rows), n_samples(x$job$source))

#' @rdname twillgenes-methods
#' @method dimnames twillgenes
#' @export
dimnames.twillgenes <- function(x) list(set_genes(x), x$job$source$samples)

#' @rdname twillgenes-methods
#' @method [ twillgenes
#' @export
`[.twillgenes` <- function(x, i, j, ..., drop = FALSE) {
  check_no_dots(...)
  check_flag(drop, "drop")
  if (!missing(j)) abort_twill("genes", "Samples cannot be taken out of a fit: say {.code fit[genes, ]}.")
  if (missing(i)) return(x)
  x$posterior <- piece_genes(x$posterior, set_positions(x, i))
  x
}

#' @rdname twillgenes-methods
#' @method [[ twillgenes
#' @export
`[[.twillgenes` <- function(x, i) {
  if (is.character(i) && length(i) == 1 && i %in% setdiff(set_genes(x), names(x))) {
    abort_twill("genes", c("{.code [[} has parts of a fit, and {.val {i}} is a gene.",
                           "i" = "{.code fit[\"{i}\", ]} is the fit of this gene alone,
                                  {.code tw_gene(fit, \"{i}\")} one of its own."))
  }
  .subset2(x, i)
}

#' @rdname twillgenes-methods
#' @method c twillgenes
#' @export
c.twillgenes <- function(...) {
  sets <- list(...)
  lapply(sets, check_set, argument = "...")
  first <- sets[[1]]
  for (set in sets[-1]) check_same_job(first, set)
  posterior <- bind_pieces(lapply(sets, `[[`, "posterior"))
  first$posterior <- piece_genes(posterior, which(!duplicated(posterior$rows)))
  first$job$reason[first$posterior$rows] <- ""
  first$info$elapsed <- sum(vapply(sets, function(set) set$info$elapsed, 0))
  if (!any(first$job$reason == "not finished")) class(first) <- setdiff(class(first), "twill_partial")
  first
}

check_same_job <- function(a, b) {
  parts <- c("shared", "keep", "offset", "weights")
  differs <- parts[!vapply(parts, function(part) identical(a$job[[part]], b$job[[part]]), TRUE)]
  if (!identical(a$screen$works, b$screen$works)) differs <- c("guides that fail", differs)
  if (!identical(a$job$model$spec_json, b$job$model$spec_json)) differs <- c("design", differs)
  if (!identical(a$job$source$genes, b$job$source$genes)) differs <- c("genes of the data", differs)
  is_same <- identical(a$posterior$names, b$posterior$names) && n_samples(a$job$source) == n_samples(b$job$source)
  if (!is_same) differs <- c("parameters", differs)
  settings <- setdiff(names(a$job$settings), placement)
  if (!identical(a$job$settings[settings], b$job$settings[settings])) differs <- c("settings", differs)
  if (length(differs) == 0) return(invisible())
  abort_twill("genes", c("Only fits of the same model to the same data can be joined.", "x" = "These differ: {.val {differs}}.",
                         "i" = "{.code update(fit, genes = )} fits more genes of the same data."))
}

#' @rdname twillgenes-methods
#' @param formula A fit of class `twillgenes`.
#' @method model.frame twillgenes
#' @export
model.frame.twillgenes <- function(formula, ...) {
  check_no_dots(...)
  data <- model_of(formula)$data
  data[setdiff(names(data), response_name)]
}

#' @rdname twillgenes-methods
#' @method nobs twillgenes
#' @export
nobs.twillgenes <- function(object, ...) {
  check_no_dots(..., allow = "use.fallback")
  n_samples(object$job$source)
}

#' @rdname twillgenes-methods
#' @method prior_summary twillgenes
#' @export
prior_summary.twillgenes <- function(object, ...) {
  check_no_dots(...)
  job <- object$job
  model <- if (is.null(job$shared)) job$model else apply_shared(job$model, job$shared)
  levels <- list(location = 0, spread = 1, size = 1, square = 1, size_without_level = 1, mean = 1)
  by_gene <- c(level_priors(model, levels), if (!is.null(job$shared)) trend_priors(model, job$shared, 1))
  mark_by_gene(model, by_gene)
}

# The table of priors with the word "gene" for arguments that differ by gene.
mark_by_gene <- function(model, overrides) {
  table <- model$prior
  for (variable in unique(vapply(overrides, `[[`, "", "name"))) {
    at <- match(variable, model$parameters$variable)
    parsed <- model$parameters$parsed[[at]]
    args <- as.character(number_text(signif(parsed$args, 4)))
    args[vapply(overrides, function(o) if (o$name == variable) o$arg + 1 else 0, 0)] <- "gene"
    table$prior[prior_row(model, at)] <- sprintf("%s(%s)", parsed$dist, paste(args, collapse = ", "))
  }
  table
}
