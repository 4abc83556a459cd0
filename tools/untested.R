# Functions of the package that no test calls, by source file.
#
#   Rscript tools/untested.R run FILE [PART N]     runs a share of the tests, as tools/run-tests.R does, and notes what is called
#   Rscript tools/untested.R report FILE ...       what none of these runs called
#
# Bodies of functions are changed in the loaded package alone. What only other processes call (workers, `Rscript`) is not seen.
arguments <- commandArgs(trailingOnly = TRUE)
called <- new.env()

note_calls <- function(f, name) {
  body(f) <- call("{", bquote(base::assign(.(name), TRUE, envir = .(called))), body(f))
  f
}

replace_in <- function(env, prefix = "") {
  for (name in ls(env, all.names = TRUE)) {
    f <- get(name, env)
    # Methods and functions of other packages, and what R makes of classes, are not ours.
    if (!is.function(f) || is.primitive(f) || !identical(environment(f), asNamespace("twill"))) next
    if (bindingIsLocked(name, env)) unlockBinding(name, env)
    assign(name, note_calls(f, name), env)
  }
}

# Wherever R looks for a function: the package, what it shows to users, methods registered with it and with others.
instrument <- function() {
  replace_in(asNamespace("twill"))
  shown <- as.environment("package:twill")
  for (name in ls(shown)) {
    if (!exists(name, asNamespace("twill"), inherits = FALSE) || !is.function(get(name, shown))) next
    unlockBinding(name, shown)
    assign(name, get(name, asNamespace("twill")), shown)
  }
  for (package in loadedNamespaces()) replace_in(asNamespace(package)[[".__S3MethodsTable__."]] %||% emptyenv())
}

`%||%` <- function(a, b) if (is.null(a)) b else a

if (arguments[[1]] == "run") {
  suppressPackageStartupMessages(library(twill))
  instrument()
  file <- arguments[[2]]
  counts <- tempfile()
  share <- arguments[-(1:2)]
  commandArgs <- function(trailingOnly = TRUE) c(counts, share)
  sys.source("tools/run-tests.R", environment())
  saveRDS(ls(called, all.names = TRUE), file)
  cat(readLines(counts), "\n")
} else {
  seen <- unique(unlist(lapply(arguments[-1], readRDS)))
  of_file <- function(file) {
    expressions <- as.list(parse(file))
    is_function <- vapply(expressions, function(e) {
      is.call(e) && identical(e[[1]], as.name("<-")) && is.call(e[[3]]) && identical(e[[3]][[1]], as.name("function"))
    }, NA)
    vapply(expressions[is_function], function(e) as.character(e[[2]]), "")
  }
  files <- list.files("R", "[.]R$", full.names = TRUE)
  files <- files[basename(files) != "extendr-wrappers.R"]
  all <- lapply(stats::setNames(files, basename(files)), of_file)
  missed <- lapply(all, setdiff, seen)
  cat(sprintf("%d of %d functions are called by a test; of %d files %d have none that is not.\n",
              sum(lengths(all)) - sum(lengths(missed)), sum(lengths(all)), length(all), sum(lengths(missed) == 0)))
  for (name in names(missed)[lengths(missed) > 0]) {
    cat(strwrap(paste0(name, ": ", toString(missed[[name]])), 118, exdent = 2), sep = "\n")
  }
}
