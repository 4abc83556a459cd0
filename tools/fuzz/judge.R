# The verdict of the fuzzer on one call: a classed error or a finite result is right, everything else is a finding.

# Seconds of a processor that one step may take. What never ends is ended by the parent process.
time_limit <- 60

# One call of a door, then verbs on its fit: a list of findings, empty if all is right.
fuzz_call <- function(door, seed, n_verbs = 3) {
  set.seed(seed, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
  mood$decent <- chance(0.5)
  case <- random_fit(door)
  mood$decent <- FALSE
  env <- list2env(case$data, parent = globalenv())
  # Drawn before anything runs, so that the verbs do not depend on what the package does with R's generator.
  seeds <- sample.int(1e6, n_verbs)
  fitted <- judge(case$code, env)
  findings <- fitted$findings
  if (is.null(fitted$value)) return(structure(findings, outcome = "refused"))
  env$fit <- fitted$value
  # Of long data verbs about the matrix have the data.
  if (is.null(env$x)) env$x <- env$data
  # What is no fit and no table has been printed: it has no verbs.
  if (door == "tables" && !inherits(env$fit, "tw_table")) return(structure(findings, outcome = "fitted"))
  if (chance(0.5)) findings <- c(findings, property_findings(case, env))
  asked <- if (inherits(env$fit, "twill_by")) "by" else door
  for (seed in seeds) {
    set.seed(seed)
    verb <- random_verb(asked)
    env$newdata <- random_newdata(data_of(env))
    findings <- c(findings, judge(verb, env)$findings)
  }
  structure(lapply(findings, function(finding) c(finding, list(fit = one_line(case$code)))), outcome = "fitted")
}

property_findings <- function(case, env) {
  set.seed(1)
  started <- processor_seconds()
  utils::capture.output(texts <- broken_properties(env$fit, case, env))
  seconds <- processor_seconds() - started
  if (seconds > time_limit) texts <- c(texts, sprintf("%.0f seconds", seconds))
  lapply(texts, function(text) list(kind = "property", text = text, frames = NULL, code = one_line(case$code)))
}

data_of <- function(env) if (!is.null(env$data)) env$data else env$samples

# list(value, findings): runs a call, draws what it would draw, and looks at the numbers.
judge <- function(code, env) {
  seen <- new.env()
  seen$findings <- list()
  note <- function(kind, text, frames = NULL) {
    finding <- list(kind = kind, text = text, frames = frames, code = one_line(code))
    seen$findings <- c(seen$findings, list(finding))
  }
  started <- processor_seconds()
  value <- run_quietly(code, env, note)
  seconds <- processor_seconds() - started
  if (seconds > limit_of(code)) note("slow", sprintf("%.0f seconds", seconds))
  for (where in not_finite(value)) if (!is_allowed(where, code)) note("not finite", where)
  list(value = value, findings = seen$findings)
}

# Ten refits may take longer than a fit.
limit_of <- function(code) if (any(c("kfold", "loo_compare") %in% all.names(code))) 4 * time_limit else time_limit

processor_seconds <- function() sum(proc.time()[c("user.self", "sys.self")])

run_quietly <- function(code, env, note) {
  # Other packages' verbs refuse what never reaches a method of ours in their own way.
  is_theirs <- is.call(code[[1]])
  on_error <- function(e) {
    frames <- frames_here()
    is_known <- !nzchar(frames) && grepl(errors_of_others, conditionMessage(e))
    if (!is_good_error(e) && !is_known && (nzchar(frames) || !is_theirs)) note("error", first_line(e), frames)
  }
  on_warning <- function(w) {
    frames <- frames_here()
    is_known <- inherits(w, "twill_warning") || grepl(warnings_of_others, conditionMessage(w))
    if (!is_known && (nzchar(frames) || !is_theirs)) note("warning", first_line(w), frames)
    invokeRestart("muffleWarning")
  }
  run <- function() {
    value <- eval(code, env)
    show_value(value)
    value
  }
  value <- NULL
  utils::capture.output(value <- tryCatch(
    withCallingHandlers(run(), error = on_error, warning = on_warning, message = function(m) invokeRestart("muffleMessage")),
    error = function(e) NULL))
  value
}

# What loo and easystats say of few draws, in words that their users know, and what the null device says of letters that it
# cannot draw.
warnings_of_others <- paste0("mbcsToSbcs|p_waic estimates greater than|Pareto k diagnostic values|",
                             "Relative effective sample sizes|`ci` is too large|The posterior is too short")

# What generics of R refuse before they look for a method.
errors_of_others <- "'decreasing' must be a length-1 logical"

# Classed, and no bug by its own words.
is_good_error <- function(e) inherits(e, "twill_error") && !inherits(e, "twill_error_engine")

first_line <- function(e) substr(paste(strwrap(conditionMessage(e), 1000), collapse = " "), 1, 300)

# Functions of the package that were running, the innermost last.
frames_here <- function() {
  ours <- asNamespace("twill")
  running <- vapply(seq_len(sys.nframe()), function(i) identical(environment(sys.function(i)), ours), TRUE)
  names <- vapply(sys.calls()[running], function(call) one_line(call[[1]]), "")
  paste(utils::tail(names, 5), collapse = " > ")
}

# Results are printed and plots drawn: both may fail when nothing else does.
show_value <- function(value) {
  if (inherits(value, c("ggplot", "bayesplot_grid", "gtable"))) return(draw(value))
  if (is.list(value) && length(value) && all(vapply(value, inherits, TRUE, c("ggplot", "gtable")))) return(lapply(value, draw))
  if (inherits(value, c("twillfit", "twillgenes", "twill_by", "tw_contrast", "twill_prior")) || any(startsWith(class(value)[1],
      c("tw_",
      "summary.tw")))) print(value)
}

draw <- function(plot) if (inherits(plot, "gtable")) grid::grid.draw(plot) else print(plot)

# Numbers ------------------------------------------------------------------------------------------------------------------

# Names of the parts of a result that hold an infinite number or NaN; NA is a way of saying that there is none. What was
# given (data, priors, settings) is not looked at.
given_parts <- c("data", "design", "prior", "parameters", "spec_json", "call", "formula", "family", "job", "env", "terms",
                 "model", "grobs", "ggplot")

not_finite <- function(value, name = "") {
  # Genes without draws say so in their status.
  if (inherits(value, "twillgenes")) value$posterior <- value[value$posterior$usable, ]$posterior
  if (inherits(value, c("ggplot", "gtable", "formula", "twill_family", "twill_prior", "family"))) return(NULL)
  if (isS4(value)) value <- tryCatch(as.data.frame(value), error = function(e) NULL)
  if (inherits(value, "rvar")) value <- posterior::draws_of(value)
  if (is.list(value)) {
    value <- unclass(value)
    parts <- names(value)
    if (is.null(parts)) parts <- as.character(seq_along(value))
    keep <- which(!parts %in% given_parts)
    return(unlist(lapply(keep, function(i) not_finite(.subset2(value, i), paste0(name, "$", parts[i])))))
  }
  if (!is.numeric(value) || inherits(value, "integer64")) return(NULL)
  if (is.matrix(value) && !is.null(colnames(value))) {
    return(unlist(lapply(unique(colnames(value)), function(column) {
      not_finite_values(value[, colnames(value) == column], paste0(name, "[", column, "]"))
    })))
  }
  not_finite_values(value, name)
}

not_finite_values <- function(value, name) {
  if (any(is.infinite(value))) return(paste(name, "is infinite"))
  if (any(is.nan(value))) return(paste(name, "is NaN"))
  if (grepl("draws$", name) && anyNA(value)) paste(name, "is NA")
}

# What is not finite and right. Odds of a hypothesis that every draw agrees with are infinite, as in brms. A k that cannot be
# estimated is infinite, as in loo. What a gene does not have (R-hat of approximations, the spread of one draw) is NaN in the
# engine's own record, and NA where it is shown. Where a guide reaches beyond what doubles hold, its ELBO is -Inf, and means of
# new data far beyond those of a fit are Inf. A user's own number stays what it is.
allowed <- c("Evid.Ratio is infinite$", "(pareto_k|khat|leaf_k|sample_k|influence_pareto_k)([[][^]]*[]]|[]])? is infinite$",
             "^([$].*)?[$]posterior[$](khat|rhat|ess|effects_sd) is NaN$", "[$]info[$]elbo is infinite$")
means_of_new_data <- c("augment", "fitted", "predict", "posterior_epred")

is_allowed <- function(where, code) {
  verb <- one_line(code[[1]])
  is_own <- verb %in% c("augment", "model.frame", "cond") && grepl("^[$][^.]", where)
  is_far <- verb %in% means_of_new_data && "newdata" %in% names(code) && grepl("is infinite$", where)
  is_power <- verb == "tidy" && isTRUE(code$exponentiate) && grepl("is infinite$", where)
  is_own || is_far || is_power || any(vapply(allowed, grepl, TRUE, where))
}

# Text -----------------------------------------------------------------------------------------------------------------------

one_line <- function(code) paste(trimws(deparse(code, width.cutoff = 500)), collapse = " ")

report_finding <- function(finding, door, seed) {
  lines <- c(sprintf("door %s, seed %d: %s: %s", door, seed, finding$kind, finding$text), paste0("    call ", finding$code),
             if (length(finding$fit) && !identical(finding$fit, finding$code)) paste0("    fit  ", finding$fit),
             if (length(finding$frames) && nzchar(finding$frames)) paste0("    in   ", finding$frames))
  paste(lines, collapse = "\n")
}
