# Which names of an expression are variables, and which are functions.

# Names of all functions called in an expression, or handed over.
call_names <- function(expression) {
  if (!is.call(expression)) return(character())
  head <- expression[[1]]
  is_qualified <- is.call(head) && as.character(head[[1]]) %in% c("::", ":::")
  name <- if (is.name(head)) as.character(head) else if (is_qualified) character() else call_names(head)
  parts <- parts_of_call(expression)
  unique(c(name, vapply(parts[handed_over(expression)], as.character, ""), unlist(lapply(parts[-1], call_names))))
}

# Those of a formula have brackets of their own.
parts_of_call <- function(call) {
  parts <- as.list(call)
  attributes(parts) <- attributes(parts)["names"]
  parts
}

# Which argument of these is a function, and what it is called elsewhere.
function_places <- c(sapply = 2, lapply = 2, vapply = 2, C = 2, outer = 3, apply = 3, tapply = 3, Map = 1, mapply = 1, Reduce = 1,
                     Filter = 1, do.call = 1)
function_arguments <- c("FUN", "f", "what", "contr")

# Places in a call of names that are handed over as functions, as `sqrt` in sapply(x, sqrt).
handed_over <- function(call) {
  place <- if (is.name(call[[1]])) function_places[as.character(call[[1]])] else NA
  names <- names(call) %||% rep("", length(call))
  named <- which(names %in% function_arguments)
  at <- unique(c(named, if (!is.na(place) && length(named) == 0 && place < length(call)) place + 1))
  at[vapply(parts_of_call(call)[at], is.name, TRUE)]
}

# Variables of an expression: its names but for functions and the parameters of functions that it defines.
variables_in <- function(expression) {
  special <- c("function", function_arguments, names(function_places))
  if (!any(special %in% c(all.names(expression), names_within(expression)))) return(all.vars(expression))
  if (is.name(expression)) return(setdiff(as.character(expression), ""))
  if (!is.call(expression)) return(character())
  if (is_call_to(expression, "function")) {
    inside <- unlist(lapply(c(as.list(expression[[2]]), expression[[3]]), variables_in))
    return(setdiff(unique(inside), names(expression[[2]])))
  }
  parts <- parts_of_call(expression)[-c(if (is.name(expression[[1]])) 1, handed_over(expression))]
  as.character(unique(unlist(lapply(parts, variables_in))))
}

# Names of arguments anywhere in an expression.
names_within <- function(expression) {
  if (!is.call(expression)) return(NULL)
  c(names(expression), unlist(lapply(parts_of_call(expression)[-1], names_within)))
}
