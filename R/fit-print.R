# Layout of a printed summary.

#' @rdname twill-summary
#' @method print summary.twillfit
#' @export
print.summary.twillfit <- function(x, digits = 2, ...) {
  check_no_dots(..., allow = print_arguments)
  digits <- check_digits(digits)
  print_heading(x)
  if (!is.null(x$prior)) print_section("Priors:", print(x$prior))
  print_groups(x, digits)
  print_table("Population-level effects:", x$fixed, digits)
  print_table("Free means of group-level terms:", x$means, digits)
  print_table("Predictors measured with error:", x$latents, digits)
  print_table("Horseshoe scales:", x$horseshoe, digits)
  print_table("Family-specific parameters:", x$spec_pars, digits)
  cat("\n")
  cat(strwrap(x$diagnostics$text[1], exdent = 2), x$diagnostics$text[-1], sep = "\n")
  invisible(x)
}

print_heading <- function(x) {
  if (x$is_partial) cat("PARTIAL FIT: sampling was interrupted; these are the draws until then.\n\n")
  if (x$prior_only) cat("Draws from the prior: the data were not used.\n\n")
  rhat <- x$diagnostics$rhat
  if (length(rhat) == 1 && rhat > rhat_limit_effects) {
    text <- sprintf("NOT CONVERGED: the chains do not agree (R-hat %.2f, %s); these draws should not be used.", rhat, names(rhat))
    cat(strwrap(text, screen_width(), exdent = 2), "", sep = "\n")
  }
  parameters <- c(mu = x$family$link, if (!is.null(x$formula$dispersion)) stats::setNames("log", x$formula$dpar))
  links <- paste(names(parameters), "=", parameters, collapse = "; ")
  dropped <- if (x$n_dropped) sprintf("; %d rows with missing values dropped", x$n_dropped)
  by <- if (length(unique(x$nobs_by)) > 1) sprintf(" (%s)", paste(names(x$nobs_by), x$nobs_by, collapse = ", "))
  merged <- if (!is.null(x$n_merged)) if (x$n_merged < x$nobs) sprintf(", merged to %s rows", big(x$n_merged)) else ", in pieces"
  print_field("Family:", x$family$family)
  print_field("Links:", links)
  print_field("Formula:", format(x$formula))
  if (has_responses(x$formula)) print_field("", "(residuals of the responses independent, given their effects)")
  print_field("Data:", paste0("Number of observations: ", if (is.null(merged)) x$nobs else big(x$nobs), by, merged, dropped))
  print_field("Draws:", x$draws)
  if (!is.null(x$sampled)) print_field("Engine:", x$sampled)
}

# A label and its value, wrapped to the screen under itself.
print_field <- function(label, value) {
  lines <- unlist(lapply(value, strwrap, width = getOption("width") - 10, exdent = 2))
  cat(paste0(c(formatC(label, width = 9), rep(strrep(" ", 9), length(lines) - 1)), " ", lines), sep = "\n")
}

print_groups <- function(x, digits) {
  if (length(x$random) == 0) return(invisible())
  cat("\nGroup-level effects:\n")
  tables <- lapply(x$random, format_table, digits = digits)
  width <- max(nchar(unlist(lapply(x$random, rownames))))
  for (group in names(tables)) {
    cat("~", group, " (Number of levels: ", x$ngrps[[group]], ")\n", sep = "")
    rownames(tables[[group]]) <- formatC(rownames(tables[[group]]), width = -width)
    print(tables[[group]], quote = FALSE, right = TRUE)
  }
}

print_table <- function(title, table, digits) {
  if (nrow(table)) print_section(title, print(format_table(table, digits), quote = FALSE, right = TRUE))
}

print_section <- function(title, code) {
  cat("\n", title, "\n", sep = "")
  code
}

# Text of every cell: estimates with `digits` decimals, R-hat with two, sample sizes whole.
format_table <- function(table, digits) {
  decimals <- ifelse(names(table) %in% c("Bulk_ESS", "Tail_ESS"), 0, ifelse(names(table) == "Rhat", 2, digits))
  out <- mapply(format_number, table, decimals)
  matrix(out, nrow(table), dimnames = dimnames(as.matrix(table)))
}

# Fixed decimals; very large or small magnitudes keep three significant digits instead.
format_number <- function(x, decimals) {
  fixed <- fixed_text(x, decimals)
  lost <- decimals > 0 & x != 0 & abs(x) < 10^-decimals / 2
  ifelse(is.na(x), "NA", ifelse(lost | abs(x) >= 1e7, formatC(x, format = "e", digits = 1, decimal.mark = "."), fixed))
}
