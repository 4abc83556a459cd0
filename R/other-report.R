# tw_report(): what a fit says, as one HTML file for those who do not use R.

#' A report of a fit
#'
#' Writes one HTML file with all that a reader needs to judge a fit: the design and what was fitted, diagnostics, checks against
#' the data, effects as tables and plots, how much groups differ, and versions. Pictures are inside of the file. Needs the
#' package 'rmarkdown' and pandoc.
#'
#' Sections that a fit has no answer for say why: a fit of moments alone has no draws to be checked with.
#'
#' @param fit A fit of [twill()], [twill_genes()], [twill_cells()] or [twill_screen()].
#' @param file Where to write. Default: `"twill-report.html"`.
#' @param contrast For fits of genes: a contrast as in [tw_contrast()], or a list of several, whose names are headings.
#'   Default: each coefficient but the intercept, up to four.
#' @param title The title. Default: the kind of fit.
#' @param n Rows of each table of effects, the surest first. Default: 20.
#' @param ... Must be empty.
#' @return The path of the file, invisibly. Errors have class `twill_error_package` (rmarkdown or pandoc is missing) or
#'   `twill_error_argument`.
#' @examplesIf requireNamespace("rmarkdown", quietly = TRUE) && rmarkdown::pandoc_available()
#' set.seed(1)
#' samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4))
#' counts <- matrix(rpois(80, 50), 10, dimnames = list(paste0("gene", 1:10), NULL))
#' fit <- twill_genes(counts, ~ condition + (1 | donor), col_data = samples, iter = 200, seed = 1)
#' path <- tw_report(fit, tempfile(fileext = ".html"))
#' @export
tw_report <- function(fit, file = "twill-report.html", contrast = NULL, title = NULL, n = 20, ...) {
  check_no_dots(...)
  check_reported(fit)
  n <- check_whole(n, "n", 1, 1e6)
  file <- check_report_file(file)
  check_report_tools()
  title <- check_report_title(title) %||% report_title(fit)
  contrasts <- if (is_set(fit)) report_contrasts(fit, contrast) else refuse_report_contrast(contrast)
  folder <- tempfile("report")
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  source <- file.path(folder, "report.Rmd")
  file.copy(list.files(system.file("report", package = "twill"), full.names = TRUE), folder)
  surroundings <- list2env(list(fit = fit, contrasts = contrasts, n = n, report_title = as_plain_html(title)), parent = topenv())
  made <- rmarkdown::render(source, output_file = "report.html", output_dir = folder, envir = surroundings, quiet = TRUE)
  if (!file.copy(made, file, overwrite = TRUE)) {
    abort_twill("argument", c("{.arg file} cannot be written.", "x" = "It is {.file {file}}."))
  }
  invisible(file)
}

check_reported <- function(fit) {
  if (is_fit(fit)) return(invisible())
  given <- class(fit)[1]
  doors <- "{.fn twill}, {.fn twill_genes}, {.fn twill_cells} or {.fn twill_screen}."
  abort_twill("argument", c(paste("{.arg fit} must be a fit of", doors),
                            "x" = "It is of class {.cls {given}}.",
                            if (is_by_type(fit)) c("i" = "Choose a type: {.code fits[[1]]}.")))
}

check_report_file <- function(file) {
  fine <- is.character(file) && length(file) == 1 && !is.na(file) && nzchar(file)
  given <- given_value(file)
  if (!fine) abort_twill("argument", c("{.arg file} must be the path of a file.", "x" = "It is {.val {given}}."))
  file <- path.expand(file)
  folder <- dirname(file)
  if (!dir.exists(folder)) abort_twill("argument", "{.arg file} is in a folder that does not exist: {.file {folder}}.")
  file
}

check_report_title <- function(title) {
  if (is.null(title) || (is.character(title) && length(title) == 1 && !is.na(title))) return(title)
  given <- given_value(title)
  abort_twill("argument", c("{.arg title} must be text.", "x" = "It is {.val {given}}."))
}

check_report_tools <- function() {
  need_package("rmarkdown", "to write a report")
  if (rmarkdown::pandoc_available("1.12.3")) return(invisible())
  abort_twill("package", c("A report needs {.pkg pandoc}, which was not found.",
                           "i" = "Debian: {.code apt-get install pandoc}; else {.url https://pandoc.org/installing.html}."))
}

refuse_report_contrast <- function(contrast) {
  if (is.null(contrast)) return(NULL)
  abort_twill("argument", c("{.arg contrast} is for fits of genes.", "i" = "For one response see {.fn tw_hypothesis}."))
}

report_title <- function(fit) {
  if (is_screen(fit)) return("A screen")
  if (is_cells(fit)) return("Single cells")
  if (is_set(fit)) "Genes" else paste("A model of", deparse1(fit$formula$formula[[2]]))
}

# A named list of contrasts.
report_contrasts <- function(fit, contrast) {
  if (is.null(contrast)) {
    names <- setdiff(contrast_coefs(model_of(fit)), "Intercept")
    if (length(names) == 0) names <- contrast_coefs(model_of(fit))[1]
    return(stats::setNames(as.list(utils::head(names, 4)), utils::head(names, 4)))
  }
  if (!is.list(contrast) || inherits(contrast, "tw_cond")) contrast <- list(contrast)
  labels <- vapply(contrast, function(one) resolve_contrast(model_of(fit), one)$label, "")
  named <- names(contrast) %||% rep("", length(contrast))
  stats::setNames(contrast, ifelse(nzchar(named), named, labels))
}

# Text that is no Markdown and no HTML: each sign by its number.
as_plain_html <- function(text) {
  of_sign <- function(sign) if (grepl("[[:punct:]]", sign) && utf8ToInt(sign) < 128) sprintf("&#%d;", utf8ToInt(sign)) else sign
  vapply(strsplit(enc2utf8(text), ""), function(signs) paste(vapply(signs, of_sign, ""), collapse = ""), "")
}

# What chunks of the report call ---------------------------------------------------------------------------------------

# A section that has no answer for this fit says why, and the report goes on.
report_part <- function(code) {
  tryCatch(code, error = function(e) {
    text <- gsub("\\s+", " ", cli::ansi_strip(conditionMessage(e)))
    cat("\n\n*Not shown: ", gsub("([*_`])", "\\\\\\1", text), "*\n\n", sep = "")
  })
}

report_table <- function(table, digits = 3, ...) {
  if (nrow(table) == 0) return(cat("\n\nNone.\n\n"))
  print(knitr::kable(as.data.frame(table), digits = digits, ...))
  cat("\n")
}

report_text <- function(x) {
  text <- cli::ansi_strip(utils::capture.output(print(x)))
  cat("\n```\n", paste(text, collapse = "\n"), "\n```\n\n", sep = "")
}

# The surest first; of those alike the largest.
report_top <- function(table, n) {
  effect <- intersect(effect_names, names(table))[1]
  support <- table_fact(table, "support")
  table <- as.data.frame(table[order(table$svalue, -abs(table[[effect]])), ])
  table <- utils::head(table, n)
  rates <- intersect(c("lfsr", "fsos", "svalue"), names(table))
  table[rates] <- lapply(rates, function(name) {
    supported_texts(formatC(table[[name]], digits = 2, format = "g", decimal.mark = "."), table[[name]], name, support)
  })
  table[setdiff(names(table), c("prob", "rhat", "ess", "khat"))]
}
