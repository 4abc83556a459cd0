# tw_report(): one file that stands alone, for each door; errors.

skip_without_report <- function() {
  skip_if_not_installed("rmarkdown")
  skip_if_not(rmarkdown::pandoc_available("1.12.3"))
}

report_of <- function(fit, ...) {
  path <- tempfile(fileext = ".html")
  expect_identical(tw_report(fit, path, ...), path)
  text <- paste(readLines(path, warn = FALSE), collapse = "\n")
  # Nothing is fetched: pictures and styles are inside.
  expect_no_match(text, "<(script|img|link)[^>]*(src|href)=\"(http|[^d#])")
  expect_match(text, "sessionInfo|R version")
  text
}

small_set <- function() {
  set.seed(91)
  samples <- expand.grid(condition = c("ctrl", "stim"), donor = paste0("d", 1:4))
  counts <- matrix(rnbinom(96, mu = rep(c(30, 90), each = 12), size = 20), 12, dimnames = list(paste0("gene_", 1:12), NULL))
  twill_genes(counts, ~ condition + (1 | donor), col_data = samples, iter = 200, seed = 1, silent = 2)
}

test_that("a report of genes has design, statuses, effects with plots, and says what it cannot show", {
  skip_without_report()
  fit <- small_set()
  text <- report_of(fit, title = "My pilot", n = 5)
  for (heading in c("My pilot", "Design", "Diagnostics", "Checks against the data", "Effects", "conditionstim", "Versions")) {
    expect_match(text, heading, fixed = TRUE)
  }
  expect_gte(lengths(regmatches(text, gregexpr("<img ", text))), 2)
  expect_match(text, "gene_")
  named <- report_of(fit, contrast = list("Stimulated" = cond(condition = "stim") - cond(condition = "ctrl")))
  expect_match(named, "Stimulated", fixed = TRUE)
})

test_that("tables begin with the surest effects, of those alike with the largest", {
  table <- data.frame(gene = letters[1:4], log2FoldChange = c(-1, 3, 0.5, -5), svalue = c(0.2, 0.01, 0.001, 0.01))
  expect_identical(report_top(table, 3)$gene, c("c", "d", "b"))
})

test_that("a report of one response has its summary, traces and checks", {
  skip_without_report()
  set.seed(92)
  data <- data.frame(y = rnorm(40), x = rnorm(40), g = gl(8, 5))
  fit <- twill(y ~ x + (1 | g), data, iter = 300, chains = 2, seed = 1, silent = 2)
  text <- report_of(fit)
  expect_match(text, "A model of y", fixed = TRUE)
  expect_gte(lengths(regmatches(text, gregexpr("<img ", text))), 3)
  expect_no_match(text, "Not shown")
})

test_that("a report of cells has their calibration", {
  skip_without_report()
  set.seed(93)
  cells <- expand.grid(cell = 1:15, condition = c("ctrl", "stim"), donor = paste0("d", 1:3))
  counts <- matrix(rpois(8 * nrow(cells), 3), 8, dimnames = list(paste0("g", 1:8), NULL))
  fit <- twill_cells(counts, ~ condition + (1 | donor), col_data = cells, capture = rep(0.2, nrow(cells)), iter = 200, seed = 1,
                     silent = 2)
  text <- report_of(fit)
  expect_match(text, "Single cells", fixed = TRUE)
  expect_match(text, "predicts", fixed = TRUE)
})

test_that("what cannot be reported is refused by name", {
  expect_error(tw_report(lm(dist ~ speed, cars)), "fit", class = "twill_error_argument")
  fit <- structure(list(), class = c("twillfit", "twill_model"))
  expect_error(tw_report(fit, 3), "file", class = "twill_error_argument")
  expect_error(tw_report(fit, file.path(tempdir(), "no such folder", "a.html")), "no such folder", class = "twill_error_argument")
  expect_error(tw_report(fit, n = 0), "n", class = "twill_error_setting")
  skip_without_report()
  expect_error(tw_report(fit, title = 1:2), "title", class = "twill_error_argument")
  expect_error(tw_report(fit, contrast = "x", title = "t"), "contrast", class = "twill_error_argument")
})
