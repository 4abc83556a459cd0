# Checks that R files use only what stands in their own stage or an earlier one, in the order in which a fit comes about.
#
# The stage of a file is told by the first word of its name; a few files have one of their own.
stages <- list(
  say = c("conditions", "arguments", "arithmetic", "family", "prior", "formula", "inference", "files", "table", "numbers",
          "words"),
  data = c("input", "counts"),
  model = c("design", "model"),
  run = c("run", "approximate", "cache"),
  fit = "fit",
  ask = c("contrast", "effect", "hypothesis", "conditional", "shrink", "inclusion"),
  look = c("check", "plot"),
  other = c("other", "verbs"),
  door = c("twill", "reexports", "data", "extendr"))

# Default priors are made from designs, draws of priors beside those of a fit; residuals of samples tell how genes of a set move
# together; refits and one gene as a fit go through the doors again; and what is generated, or set when the package is loaded, is
# of all.
own_stages <- c("counts-mask" = "ask", "check-shared-residuals" = "ask", "prior-default" = "model", "prior-draws" = "fit",
                "fit-update" = "door", "fit-genes-update" = "door", "fit-kfold" = "door", "fit-genes-kfold" = "door",
                "fit-genes-gene" = "door", "twill-package" = "say", "extendr-wrappers" = "say")

stage_of <- function(file) {
  name <- sub("[.]R$", "", basename(file))
  found <- if (name %in% names(own_stages)) own_stages[[name]] else
    names(stages)[vapply(stages, function(words) sub("[-.].*$", "", name) %in% words, NA)]
  if (length(found) != 1) stop(file, " is of no stage: add its first word to tools/lint-arrows-r.R")
  match(found, names(stages))
}

assigned_name <- function(expression) {
  is_assignment <- is.call(expression) && identical(expression[[1]], as.name("<-")) && is.name(expression[[2]])
  if (is_assignment) as.character(expression[[2]])
}

# Names that an expression makes itself: arguments and variables.
local_names <- function(expression) {
  if (!is.call(expression) && !is.pairlist(expression)) return(character())
  parts <- as.list(expression)
  own <- if (is.call(expression) && identical(expression[[1]], as.name("function"))) names(expression[[2]])
  c(own, assigned_name(expression), unlist(lapply(parts, function(part) if (!missing(part)) local_names(part))))
}

# An expression without what only looks like a use: names of elements (x$name), packages, and calls that are kept or compared,
# which nobody evaluates here. .onLoad() registers what all stages have for packages that are loaded later.
uses_of <- function(expression) {
  if (identical(assigned_name(expression), ".onLoad")) return(NULL)
  in_parts <- function() lapply(as.list(expression), function(part) if (missing(part)) quote(expr = ) else uses_of(part))
  if (is.pairlist(expression) && length(expression)) return(as.pairlist(in_parts()))
  if (!is.call(expression)) return(expression)
  called <- if (is.name(expression[[1]])) as.character(expression[[1]]) else ""
  if (called == "quote") return(NULL)
  if (called %in% c("$", "@")) return(uses_of(expression[[2]]))
  if (called %in% c("::", ":::")) return(expression[[3]])
  as.call(in_parts())
}

used_names <- function(expression) {
  expression <- uses_of(expression)
  value <- if (is.null(assigned_name(expression))) expression else expression[[3]]
  called <- setdiff(all.names(value), all.vars(value))
  unique(c(called, setdiff(all.vars(value), local_names(value))))
}

files <- list.files("R", pattern = "[.]R$", full.names = TRUE)
code <- stats::setNames(lapply(files, parse, keep.source = FALSE), files)
made <- lapply(code, function(file) unlist(lapply(file, assigned_name)))
where <- stats::setNames(rep(files, lengths(made)), unlist(made))

backwards <- function(file) {
  used <- intersect(unique(unlist(lapply(code[[file]], used_names))), names(where))
  later <- vapply(where[used], stage_of, 0L) > stage_of(file)
  if (any(later)) paste(basename(file), used[later])
}

found <- unlist(lapply(files, backwards))
complaints <- sprintf("R/%s uses %s(), which is of a later stage", sub(" .*$", "", found), sub("^.* ", "", found))
if (length(found)) writeLines(complaints)
quit(status = as.integer(length(found) > 0))
