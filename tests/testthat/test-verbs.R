# Every verb on a fit of every door and family answers, or is refused by name, as ?twill-verbs says.

# Arguments that a verb needs, by door.
verb_needs <- list(fitted = list(c = list(genes = 1:2)), residuals = list(c = list(genes = 1:2)),
                   kfold = list(s = list(K = 2), g = list(K = 2), c = list(K = 2)))

verb_function <- function(verb) {
  packages <- c("twill", "stats", "base", "graphics")
  owner <- Find(function(package) verb %in% getNamespaceExports(package), packages)
  getExportedValue(owner, verb)
}

answer_of <- function(verb, fit, door) {
  f <- verb_function(verb)
  more <- if (verb == "loo_compare") list(fit) else verb_needs[[verb]][[door]]
  call <- as.call(c(list(f, quote(fit)), more))
  value <- NULL
  tryCatch({
    utils::capture.output(value <- suppressMessages(suppressWarnings(eval(call, list(fit = fit)))))
    value
  }, error = identity)
}

test_that("the table of verbs holds for every door and family", {
  wrong <- character()
  fits <- small_fits()
  # Fits of fake engines have no call to repeat.
  verbs <- setdiff(names(verb_doors), "update")
  for (name in names(fits)) for (verb in verbs) {
    door <- substr(name, 1, 1)
    got <- answer_of(verb, fits[[name]], door)
    expected <- if (grepl(door, verb_doors[[verb]], fixed = TRUE)) "answer" else "refusal"
    is_refusal <- inherits(got, "twill_error_method")
    found <- if (is_refusal) "refusal" else if (inherits(got, "error")) conditionMessage(got) else "answer"
    if (found != expected) wrong <- c(wrong, paste(name, verb, found))
  }
  expect_identical(wrong, character())
  expect_setequal(unlist(verb_groups), names(verb_doors))
})

test_that("numbers of all doors are those of draws", {
  for (fit in small_fits()[c("s.poisson", "g.gaussian", "g.poisson", "g.negbinomial", "c.poisson")]) {
    is_set <- inherits(fit, "twillgenes")
    draws <- if (is_set) as_draws_matrix(fit, genes = 1) else as_draws_matrix(fit)
    coef <- grep("^b_", colnames(draws), value = TRUE)[2]
    estimate <- mean(draws[, coef])
    of_first <- function(x) if (is_set) x[1, , ] else x
    name <- sub("^b_", "", coef)
    expect_equal(of_first(fixef(fit))[if (is_set) cbind("Estimate", name) else cbind(name, "Estimate")], estimate)
    expect_equal(tidy(fit)$estimate[tidy(fit)$term == name][1], estimate)
    expect_equal(of_first(vcov(fit))[name, name], var(c(draws[, coef])))
    bounds <- confint(fit, name, level = 0.8)
    # Of few draws, as fits of genes have, outer quantiles are taken a little wider.
    expect_equal(as.vector(bounds)[if (is_set) c(1, 1 + dim(bounds)[1]) else 1:2],
                 unname(quantile(draws[, coef], c(0.1, 0.9), type = if (is_set) 6 else 7)))
  }
})
