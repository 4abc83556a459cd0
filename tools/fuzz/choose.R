# Random choices of the fuzzer: among things that make sense, and among things that make none.

chance <- function(p) stats::runif(1) < p

# Half of the calls are of decent data and arguments, so that most of these give a fit, which verbs and properties need: in
# them nothing odd is drawn on purpose.
mood <- new.env()
mood$decent <- FALSE

oddly <- function(p) !mood$decent && chance(p)

one_of <- function(...) {
  choices <- list(...)
  choices[[sample.int(length(choices), 1)]]
}

element_of <- function(x) x[[sample.int(length(x), 1)]]

some_of <- function(x, n) x[sample.int(length(x), min(n, length(x)))]

index_of <- function(x) sample.int(length(x), 1)

# Values of every kind that no argument, or hardly any, takes. As code, so that the call that is shown can be typed.
senseless <- expression(
  NULL, NA, NA_character_, NaN, Inf, -Inf, -1, 0, 0.5, 1.5, 1e308, -1e-300, 3, 1e10, 1:3, c(2, NA), "nonsense", "", c("a", NA),
  character(0), numeric(0), logical(0), list(), list(1, "a"), list(a = NULL), TRUE, c(TRUE, FALSE), factor("a"), factor(1:2)[0],
  as.Date("2020-02-29"), 1i, as.raw(1), quote(x), quote(x + 1), function(x) x, data.frame(a = 1:2), data.frame(),
  matrix(1:4, 2), matrix(0, 0, 2), array(1, c(1, 1, 1)), c(a = 1, b = 2), "a {b} %s", "~", ~x, y ~ x, new.env(), mean, "\u00e9",
  structure(1, class = "strange"), structure(list(), class = "stranger"), as.difftime(1, units = "days"), 2147483648, "1e3")

nonsense <- function() senseless[[sample.int(length(senseless), 1)]]

# A call of `name` with some of the arguments of `optional`, a list of functions or values to draw from, and now and then a
# value that makes no sense in the place of one.
random_call <- function(name, required, optional = list(), n_optional = 2, p_senseless = 0.15) {
  chosen <- some_of(optional[setdiff(names(optional), names(required))], sample(0:n_optional, 1))
  arguments <- lapply(c(required, chosen), function(x) if (is.function(x)) x() else x)
  # The first is what the others are about.
  if (length(arguments) > 1 && oddly(p_senseless)) arguments[1 + index_of(arguments[-1])] <- list(nonsense())
  as.call(c(function_named(name), arguments))
}

function_named <- function(name) if (grepl("::", name)) str2lang(name) else as.name(name)

# An optional argument whose value is one of these, written as code.
any_of <- function(...) {
  codes <- as.list(substitute(list(...)))[-1]
  there <- !vapply(codes, function(code) "nothing" %in% c(all.names(code), unlist(code_texts(code))), NA)
  function() element_of(if (mood$decent && any(there)) codes[there] else codes)
}

code_texts <- function(code) if (is.character(code)) code else if (is.call(code)) lapply(as.list(code), code_texts)
