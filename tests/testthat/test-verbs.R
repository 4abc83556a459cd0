# Every verb on a fit of every door and family answers, or is refused by name, as ?twill-verbs says.

# Arguments that a verb needs, by door.
verb_needs <- list(fitted = list(c = list(genes = 1:2)), residuals = list(c = list(genes = 1:2)),
                   kfold = list(s = list(K = 2), g = list(K = 2), c = list(K = 2)),
                   `[` = list(g = list(1:2), c = list(1:2)))

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
    if (door == "s" && verb %in% verbs_of_many) next
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

# Methods of fits that are registered, as generic -> letters of the doors.
registered_methods <- function() {
  methods <- getNamespaceInfo("twill", "S3methods")
  doors <- list(twill_model = c("s", "g"), twillfit = "s", twillgenes = "g", twill_screen = "g", twillcells = "c",
                twillrows = "c")
  ours <- methods[methods[, 2] %in% names(doors), 1:2]
  of_verbs <- split(ours[, 2], sub("^.*::", "", ours[, 1]))
  lapply(of_verbs, function(classes) unlist(doors[classes], use.names = FALSE))
}

# Generics of packages that twill suggests, which ?twill-easystats and ?twill-draws are about.
others_verbs <- c("bridge_sampler", "conditional_effects", "control_params", "hypothesis", "mcmc_plot", "posterior_summary",
                  "prior_draws", "as.mcmc", "as.mcmc.list", "emm_basis", "recover_data", "nsamples", "plotMA", "describe_prior",
                  "diagnostic_posterior", "effective_sample", "mcse", "find_algorithm", "find_formula", "find_parameters",
                  "find_statistic", "get_data", "get_parameters", "get_predicted", "get_priors", "get_residuals", "get_variance",
                  "model_info", "model_parameters", "model_performance", "r2", "r2_posterior")

test_that("the table of verbs, NAMESPACE and the reference name the same verbs", {
  methods <- registered_methods()
  # A generic that the package keeps to itself is no verb.
  own <- Filter(function(name) exists(name, asNamespace("twill"), inherits = FALSE), names(methods))
  methods <- methods[setdiff(names(methods), setdiff(own, getNamespaceExports("twill")))]
  # `[[` has parts of the object; its method only says that genes are no parts.
  of_others <- setdiff(names(methods), c(names(verb_doors), "[["))
  expect_identical(setdiff(of_others, others_verbs), character())
  # What the table says of a door is there, by a method of its class or of the class that it is built on.
  has_default <- c("loo_compare", "simulate", "logLik", "anova")
  for (verb in setdiff(names(verb_doors), has_default)) {
    doors <- strsplit(verb_doors[[verb]], "")[[1]]
    found <- methods[[verb]]
    if (any(found == "g")) found <- c(found, "c")
    expect_identical(setdiff(doors, found), character(), info = verb)
  }
  # Generics that twill exports are in the table; its own functions are checked where the page is built.
  exports <- grep("^tw|^cond$|^negbinomial$", getNamespaceExports("twill"), value = TRUE, invert = TRUE)
  exports <- grep("^[.]__", exports, value = TRUE, invert = TRUE)
  expect_identical(setdiff(exports, names(verb_doors)), character())
  page <- test_path("..", "..", "vignettes", "reference.Rmd")
  skip_if_not(file.exists(page), "the vignettes of a checkout")
  text <- readLines(page)
  expect_true(any(grepl("\"verb_doors\"", text, fixed = TRUE)))
  # Functions of ours that the page names are there.
  named <- unlist(regmatches(text, gregexpr("\\btw(ill)?_[a-z_]+(?=\\()", text, perl = TRUE)))
  expect_identical(setdiff(named, getNamespaceExports("twill")), character())
  former <- c("tw_effect", "tw_effects", "tw_sets", "tw_status", "tw_screen", "tw_mcmc_plot")
  ours <- setdiff(grep("^tw", getNamespaceExports("twill"), value = TRUE), former)
  is_named <- vapply(ours, function(name) any(grepl(paste0(name, "("), text, fixed = TRUE)), NA)
  expect_identical(ours[!is_named], character())
})

test_that("the package loads where R has attached no package", {
  code <- "namespace <- base::loadNamespace('twill'); cat(is.function(namespace$twill))"
  libraries <- paste0("R_LIBS=", paste(.libPaths(), collapse = .Platform$path.sep))
  out <- suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), c("--no-init-file", "-e", shQuote(code)), stdout = TRUE,
                                  stderr = TRUE, env = c("R_DEFAULT_PACKAGES=NULL", libraries)))
  expect_identical(out[length(out)], "TRUE")
})

test_that("data with a sparse matrix can be used first thing", {
  for (code in c("library(twill); cat(dim(glioblastoma$counts[1:3, 1:2]))",
                 "data(glioblastoma, package = 'twill'); cat(dim(glioblastoma$counts[1:3, 1:2]))")) {
    out <- suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", "-e", shQuote(code)), stdout = TRUE,
                                    stderr = TRUE, env = paste0("R_LIBS=", paste(.libPaths(), collapse = .Platform$path.sep))))
    expect_identical(out[length(out)], "3 2")
  }
})
