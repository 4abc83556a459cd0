# Loci of tw_inclusion(): input, the prior that they teach, and the table of all.

# A list of loci, each list(z = variants x studies, correlation = one matrix per study).
inclusion_loci <- function(z, correlation, max) {
  is_many <- is.list(z) && !is.data.frame(z)
  if (!is_many) return(list(inclusion_locus(z, correlation, max, "")))
  if (length(z) == 0) abort_twill("inclusion", "{.arg z} has no locus.")
  if (!is.list(correlation) || length(correlation) != length(z)) {
    abort_twill("inclusion", c("With a list of loci {.arg correlation} must be a list with an entry for each.",
                               "x" = "There are {length(z)} loci, and {length(correlation)} entr{?y/ies}."))
  }
  names(z) <- names(z) %||% paste0("locus", seq_along(z))
  if (!is.null(names(correlation)) && setequal(names(correlation), names(z))) correlation <- correlation[names(z)]
  loci <- Map(function(z, correlation, name) inclusion_locus(z, correlation, max, sprintf(" of locus %s", name)), z, correlation,
              names(z))
  n <- vapply(loci, function(locus) ncol(locus$z), 0L)
  if (length(unique(n)) > 1) abort_twill("inclusion", "All loci must have the same number of studies: here {.val {unique(n)}}.")
  loci
}

inclusion_locus <- function(z, correlation, max, of_locus) {
  z <- if (is.data.frame(z)) as.matrix(z) else z
  if (!is.numeric(z)) abort_twill("inclusion", "{.arg z}{of_locus} must be numeric: it is {.val {given_value(z)}}.")
  z <- if (is.matrix(z)) z else matrix(z, ncol = 1, dimnames = list(names(z), NULL))
  if (nrow(z) == 0 || !ncol(z) %in% 1:2) {
    abort_twill("inclusion", c("{.arg z}{of_locus} must have a row per variant and one column or two.",
                               "x" = "It has {nrow(z)} row{?s} and {ncol(z)} column{?s}.",
                               "i" = "For more studies take them two by two."))
  }
  bad <- which(rowSums(!is.finite(z)) > 0)
  if (length(bad) > 0) {
    abort_twill("inclusion", c("z-scores must be finite.", "x" = "{.arg z}{of_locus} is not in the row{?s} {.val {some(bad)}}."))
  }
  if (ncol(z) == 2 && is.null(colnames(z))) colnames(z) <- c("1", "2")
  check_number_of_sets(nrow(z), max, of_locus)
  matrices <- if (is.list(correlation) && !is.data.frame(correlation)) correlation else rep(list(correlation), ncol(z))
  if (length(matrices) != ncol(z)) {
    abort_twill("inclusion", "{.arg correlation}{of_locus} must be one matrix, or one for each of {ncol(z)} stud{?y/ies}.")
  }
  matrices <- lapply(matrices, checked_correlation, variants = rownames(z), m = nrow(z), of_locus = of_locus)
  rownames(z) <- rownames(z) %||% rownames(matrices[[1]]) %||% as.character(seq_len(nrow(z)))
  sets <- variant_sets(nrow(z), max)
  list(z = z, correlation = matrices, sets = sets, subsets = subsets_of_sets(sets, nrow(z)))
}

# All sets are listed once per study.
check_number_of_sets <- function(m, max, of_locus) {
  n <- sum(choose(m, 0:min(m, max)))
  if (n <= 5e6) return(invisible())
  abort_twill("inclusion", c("There are too many sets of at most {max} of {m} variants{of_locus}: {signif(n, 3)}.",
                             "i" = "Take fewer variants, such as those near the lead, or a smaller {.arg max}."))
}

checked_correlation <- function(matrix, variants, m, of_locus) {
  given <- matrix
  matrix <- tryCatch(as.matrix(matrix), error = function(e) NULL)
  refuse <- function(why, way_out = NULL) {
    abort_twill("inclusion", c("{.arg correlation}{of_locus} must be the matrix of correlations of the variants.", "x" = why,
                               "i" = way_out))
  }
  if (!is.numeric(matrix)) refuse("It is {.val {given_value(given)}}.")
  if (!is.null(variants) && !is.null(rownames(matrix)) && !identical(rownames(matrix), variants)) {
    missing <- setdiff(variants, rownames(matrix))
    if (length(missing) > 0) refuse("It has no row for {.val {some(missing)}}.")
    matrix <- matrix[variants, match(variants, colnames(matrix) %||% rownames(matrix)), drop = FALSE]
  }
  if (!identical(dim(matrix), c(m, m))) refuse("It is {nrow(matrix)} x {ncol(matrix)}, for {m} variant{?s}.")
  if (anyNA(matrix)) refuse("It has missing values.", "Leave out variants without correlations.")
  if (any(abs(diag(matrix) - 1) > 1e-3)) refuse("Its diagonal is not 1.", "{.fn cov2cor} makes correlations of covariances.")
  if (max(abs(matrix - t(matrix))) > 1e-6) refuse("It is not symmetric.")
  if (max(abs(matrix)) > 1 + 1e-3) refuse("It has a correlation of {.val {signif(max(abs(matrix)), 4)}}.")
  matrix
}

checked_share_of_studies <- function(share, prior, loci, learn) {
  known <- c("prob", "scale", "share")
  if (!is.character(learn) || !all(learn %in% known)) {
    abort_twill("inclusion", c("{.arg learn} must be among {.val {known}}.", "x" = "It is {.val {given_value(learn)}}."))
  }
  is_pair <- ncol(loci[[1]]$z) == 2
  if (!is_pair && (!is.null(share) || "share" %in% learn)) {
    abort_twill("inclusion", "{.arg share} is for two studies: {.arg z} has one.")
  }
  if (length(learn) > 0 && length(loci) < 10) {
    abort_twill("inclusion", c("A prior is learned over ten loci at least, better over hundreds.",
                               "x" = "There {?is/are} {length(loci)}.", "i" = "State it: {.fn tw_spike_slab}."))
  }
  if (!is_pair) return(NULL)
  share <- share %||% prior$prob
  if (is_number(share) && share >= prior$prob && share < 1) return(as.numeric(share))
  abort_twill("inclusion", c("{.arg share} must be a number from {.arg prob} ({prior$prob}) to below 1.",
                             "x" = "It is {.val {given_value(share)}}."))
}

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

inclusion_table <- function(loci, found, prior, share, learn, level) {
  is_many <- !is.null(names(loci))
  parts <- lapply(seq_along(loci), function(i) {
    id <- data.frame(variant = rownames(loci[[i]]$z))
    if (is_many) id <- cbind(locus = names(loci)[i], id)
    cbind(id, found[[i]]$table)
  })
  table <- do.call(rbind, parts)
  rownames(table) <- NULL
  studies <- colnames(loci[[1]]$z)
  names <- if (length(studies) == 2) paste0("any_", studies) else "any"
  any <- do.call(rbind, lapply(found, `[[`, "any"))
  summary <- data.frame(variants = vapply(loci, function(locus) nrow(locus$z), 0L),
                        log_evidence = vapply(found, `[[`, 0, "log_evidence"), stats::setNames(as.data.frame(any), names))
  if (length(studies) == 2) summary$shared <- vapply(found, `[[`, 0, "shared")
  rownames(summary) <- if (is_many) names(loci)
  note <- paste0(if (length(learn) > 0) "learned prior: " else "prior: ", spike_slab_text(prior),
                 if (!is.null(share)) sprintf("; in both with probability %.3g", share))
  facts <- list(prob = level, note = note, prior = prior, share = share, loci = summary, studies = studies)
  minor <- grep("^(sd|mean|z)(_|$)", names(table), value = TRUE)
  new_table(table, "inclusion", "Variants with an effect", "variants", inclusion_texts(table, level), facts, minor)
}

inclusion_texts <- function(table, level) {
  of <- c(z = "z-score as given", pip = "probability of an effect", mean = "posterior mean of the effect, in units of z",
          sd = "its posterior sd", in_set = sprintf("in the %g %% credible set", 100 * level))
  columns <- names(table)
  texts <- stats::setNames(of[sub("_.*", "", sub("^in_set", "inset", columns))], columns)
  is_set <- startsWith(columns, "in_set")
  texts[is_set] <- of[["in_set"]]
  study <- sub("^(in_set|[a-z]+)_?", "", columns)
  with_study <- !is.na(texts) & nzchar(study)
  texts[with_study] <- paste0(texts[with_study], " (", study[with_study], ")")
  texts <- c(texts[!is.na(texts)], both = "probability of an effect in both", clpp = "product of the two probabilities")
  texts[intersect(columns, names(texts))]
}

#' @rdname tw_inclusion
#' @method plot tw_inclusion
#' @export
plot.tw_inclusion <- function(x, ...) {
  check_no_dots(...)
  need_columns(x, "variant", "{.fn tw_inclusion}.")
  if (length(unique(x$locus)) > 1) {
    abort_twill("plot", c("A plot shows one locus.", "i" = "Choose: {.code plot(x[x$locus == {.val {x$locus[1]}}, ])}."))
  }
  studies <- attr(x, "studies")
  suffix <- if (length(studies) == 2) paste0("_", studies) else ""
  parts <- lapply(seq_along(suffix), function(s) {
    data.frame(place = seq_len(nrow(x)), variant = x$variant, pip = x[[paste0("pip", suffix[s])]],
               in_set = x[[paste0("in_set", suffix[s])]], panel = if (length(studies) == 2) studies[s] else "effect")
  })
  if (length(studies) == 2) parts <- c(parts, list(data.frame(place = seq_len(nrow(x)), variant = x$variant, pip = x$both,
                                                              in_set = FALSE, panel = "both")))
  table <- do.call(rbind, parts)
  table$panel <- factor(table$panel, unique(table$panel))
  labelled <- table[table$pip >= max(0.1, sort(table$pip, decreasing = TRUE)[min(5, nrow(table))]), ]
  level <- sprintf("%g %%", 100 * attr(x, "prob"))
  plot <- ggplot2::ggplot(table, ggplot2::aes(.data$place, .data$pip)) +
    ggplot2::geom_segment(ggplot2::aes(xend = .data$place, yend = 0), colour = "grey70") +
    ggplot2::geom_point(ggplot2::aes(colour = .data$in_set), size = 1.8) +
    ggplot2::geom_text(ggplot2::aes(label = .data$variant), data = labelled, vjust = -0.7, size = 3) +
    ggplot2::scale_colour_manual(values = c(`FALSE` = "grey55", `TRUE` = "#B2182B"), name = paste(level, "set"),
                                labels = c(`FALSE` = "not in it", `TRUE` = "in it")) +
    ggplot2::scale_y_continuous(limits = c(0, 1.12), breaks = seq(0, 1, 0.25)) +
    ggplot2::labs(x = "variant, in the order given", y = "probability of an effect") + plot_theme()
  if (length(studies) == 2) plot <- plot + ggplot2::facet_wrap(ggplot2::vars(.data$panel), ncol = 1)
  plot
}
