# Conditions: the constructors of every error, warning and message of the package.

# Raises an error of class `twill_error_<kind>`. `message` is a cli message whose user text stands in substitutions,
# evaluated in `.envir`, so that braces and percent signs of the data are never read as a format.
abort_twill <- function(kind, message, .envir = parent.frame(), ...) {
  class <- c(paste0("twill_error_", kind), "twill_error")
  cli::cli_abort(message, class = class, call = user_call(), .envir = .envir, ...)
}

warn_twill <- function(kind, message, .envir = parent.frame()) {
  class <- c(paste0("twill_warning_", kind), "twill_warning")
  cli::cli_warn(message, class = class, call = user_call(), .envir = .envir)
}

inform_twill <- function(kind, message, silent = 1, .envir = parent.frame()) {
  if (silent >= 2) return(invisible())
  class <- c(paste0("twill_message_", kind), "twill_message")
  cli::cli_inform(message, class = class, .envir = .envir)
}

# The frame of the package's function that the user called: errors name the door, not the room.
user_call <- function() {
  i <- user_frame()
  if (!is.null(i)) sys.frame(i)
}

user_frame <- function() {
  ours <- topenv()
  for (i in seq_len(sys.nframe())) {
    env <- environment(sys.function(i))
    if (!is.null(env) && identical(topenv(env), ours)) return(i)
  }
  NULL
}

# Some values of a long vector, for messages; the class of what has no values to show. cli shows 20 by itself, which is too many
# for rows.
some <- function(x, n = 5) {
  if (!is.atomic(x)) return(class(x)[1])
  if (is.numeric(x)) x <- signif(x, 6)
  cli::cli_vec(x, list("vec-trunc" = max(n, 5)))
}

# What was given in the place of something else, for messages: its values, or its class where it has none to show.
given_value <- function(x) if (is.atomic(x) && length(x) > 0) some(x) else class(x)[1]

# The candidate nearest to `x`, or NULL if none is near: for "did you mean".
nearest <- function(x, candidates) {
  candidates <- candidates[!is.na(candidates)]
  if (length(candidates) == 0 || is.na(x)) return(NULL)
  distance <- utils::adist(x, candidates, ignore.case = TRUE)[1, ]
  limit <- max(1, floor(nchar(x) / 3))
  # A word of which no letter is left is another word.
  if (min(distance) > limit || min(distance) >= nchar(x)) NULL else candidates[[which.min(distance)]]
}

# A bullet "Did you mean ...?", or nothing.
did_you_mean <- function(x, candidates) {
  found <- nearest(x, candidates)
  if (is.null(found)) return(NULL)
  c("i" = cli_verbatim("Did you mean {.val %s}?", found))
}

# Puts user text into a template of a cli message, its braces doubled so that they stay text.
cli_verbatim <- function(template, ...) {
  text <- lapply(list(...), function(x) gsub("}", "}}", gsub("{", "{{", x, fixed = TRUE), fixed = TRUE))
  do.call(sprintf, c(list(template), text))
}

# Ways out as bullets of a message; NULL where there are none.
bullets <- function(hints) if (length(hints) > 0) stats::setNames(hints, rep("i", length(hints)))

`%||%` <- function(x, otherwise) if (is.null(x)) otherwise else x

# The engine returns list(ok, err, kind) instead of raising errors.
unwrap_engine <- function(result) {
  if (is.null(result$err)) return(result$ok)
  why <- result$err
  switch(result$kind,
    start = abort_twill("start", c("No starting point with a finite log density was found.", "x" = "{why}",
                                   "i" = "Look for extreme values in the data, offsets or priors.",
                                   "i" = "A response that is fitted without error has no start either.")),
    interrupt = abort_interrupt(),
    exact = abort_exact(why),
    device = abort_device(why),
    spec = abort_twill("spec", c("The engine cannot use this model.", "x" = "{why}")),
    abort_twill("engine", c("The engine failed.", "x" = "{why}",
                            "i" = "This is a bug: please report it with the call that caused it.")))
}

abort_interrupt <- function() {
  abort_twill("interrupt", c("Interrupted during the warm-up: no draw was made yet, so there is nothing to return.",
                             "i" = "Interrupted later, {.fn twill} returns the draws so far."))
}

abort_exact <- function(why) {
  abort_twill("data", c("The model fits the response without error: the residual standard deviation is not identifiable.",
                        "x" = "{why}.",
                        "x" = "The density grows without bound as {.field sigma} goes to zero: there is no posterior to sample.",
                        "i" = "If a value was measured once and repeated over rows, keep one row of each.",
                        "i" = "If errors are known, give them: {.code y | se(s) ~ ...}."))
}

# An error of the engine about a GPU: why, and on the next line what to do.
abort_device <- function(why) {
  lines <- strsplit(why, "\n", fixed = TRUE)[[1]]
  abort_twill("device", c("The GPU cannot be used.", "x" = "{lines[1]}", "i" = "{lines[-1]}"))
}

# A message or a warning that several parts of `code` have in common is given once.
said_once <- function(code) {
  said <- new.env()
  once <- function(restart) function(condition) {
    text <- conditionMessage(condition)
    if (!is.null(said[[text]])) invokeRestart(restart)
    said[[text]] <- TRUE
  }
  withCallingHandlers(code, twill_message = once("muffleMessage"), twill_warning = once("muffleWarning"))
}
