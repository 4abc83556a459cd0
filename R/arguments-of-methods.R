# Arguments that a method does not have: refused by name, with the one that was meant, never swallowed by the dots of the generic.

# What print() and as.data.frame() hand on from lists and data frames to whatever they hold.
print_arguments <- names(formals(print.default))
frame_arguments <- c("row.names", "optional", "stringsAsFactors", "make.names", "cut.names", "col.names")

# Names that stand for one thing in different packages.
argument_synonyms <- list(
  c("prob", "level", "conf.level", "prob_outer", "ci", "credMass"),
  c("variable", "pars", "parm", "parameters", "variables"),
  c("groups", "group", "whichel"), c("genes", "gene", "features"),
  c("re_formula", "re.form", "ReForm", "REform", "REForm"), c("allow_new_levels", "allow.new.levels"),
  c("ndraws", "nsamples", "draws", "n_samples"), c("draw_ids", "subset"), c("newdata", "data"),
  c("conf.int", "intervals"), c("exponentiate", "exp"))

# Words of other packages that need more than another name. Those that lead to `variable` or `probs` hold where the method has it.
foreign_words <- c(
  moment_match = "Moment matching is not there; {.fn kfold} refits without the rows in question.",
  reloo = "{.fn kfold} refits: {.code kfold(fit, folds = )} takes the rows to leave out together.",
  k_threshold = "The limit of Pareto k is 0.7, or less for few draws; {.code $diagnostics$pareto_k} of the result holds all.",
  model_names = "Names are those of the arguments; {.fn loo_compare} takes a named list.",
  condVar = "Their standard deviations always come along, as {.field Est.Error}.",
  postVar = "Their standard deviations always come along, as {.field Est.Error}.",
  fixed.only = "{.code terms(fit)} leaves out the group-level terms.",
  random.only = "{.code formula(fit)} has the group-level terms; {.fn ranef} their effects.",
  type = paste("{.fn fitted} has means of the response, {.fn posterior_linpred} the linear predictor,",
               "{.fn posterior_predict} new responses."),
  summary = "Draws are what {.fn as_draws_df} gives.", robust = "Means and standard deviations are given.",
  inc_warmup = "Warm-up draws are not kept here.", combine_chains = "{.fn as_draws_matrix} puts chains together.")

# Called first in a method that makes no use of its dots. `allow`: names that callers hand on to objects of any class.
check_no_dots <- function(..., allow = character()) {
  if (...length() == 0) return(invisible())
  names <- names(as.list(substitute(list(...)))[-1]) %||% ""
  names <- setdiff(names, allow)
  if (length(names) == 0) return(invisible())
  method <- sys.function(sys.parent())
  known <- names(formals(method))
  # What the verb is of is not among what else it takes.
  if (known[1] %in% c("x", "object", "fit")) known <- known[-1]
  refuse_unknown(names[[1]], verb_of(method, sys.call(sys.parent())), known)
}

# For functions further in that dots are handed on to: the words are those of the function that the user called.
refuse_unused <- function(names, known) {
  if (length(names) == 0) return(invisible())
  frame <- user_frame()
  method <- sys.function(frame)
  refuse_unknown(names[[1]] %||% "", verb_of(method, sys.call(frame)), unique(c(names(formals(method))[-1], known)))
}

# For dots that are handed on to `target`, a function that would not take all of them.
check_dots_of <- function(dots, target) {
  known <- setdiff(names(formals(target))[-1], "...")
  refuse_unused(setdiff(dot_names(dots), known), known)
}

dot_names <- function(dots) if (length(dots) > 0) names(dots) %||% rep("", length(dots))

refuse_unknown <- function(name, verb, known) {
  known <- setdiff(known, "...")
  takes <- if (length(known) > 0) c("i" = "It takes {.arg {known}}.") else c("i" = "It takes no other argument.")
  if (is.na(name) || name == "") {
    abort_twill("argument", c("{.fn {verb}} was given an argument too many: what is not used is refused.", takes))
  }
  abort_twill("argument", c("{.fn {verb}} has no argument {.arg {name}}.", argument_hint(name, known), takes))
}

# A bullet with the way out, if one is known.
argument_hint <- function(name, known) {
  same <- unlist(lapply(argument_synonyms, function(group) if (name %in% group) intersect(group, known)))
  if (length(same) > 0) return(c("i" = cli_verbatim("Say {.arg %s}.", same[[1]])))
  if (name == "regex_pars" && "variable" %in% known) return(c("i" = "Say {.code variable = \"^b_\", regex = TRUE}."))
  if (name %in% argument_synonyms[[1]] && "probs" %in% known) {
    return(c("i" = "Say which quantiles: {.code probs = c(0.05, 0.95)} are the ends of a 90 percent interval."))
  }
  if (name %in% names(foreign_words)) return(c("i" = foreign_words[[name]]))
  found <- nearest(name, known)
  if (!is.null(found)) c("i" = cli_verbatim("Did you mean {.arg %s}?", found))
}

# What the user calls a method: the name of its generic.
verb_of <- function(method, call) {
  ours <- topenv()
  is_it <- function(name) identical(get(name, ours), method)
  found <- Filter(is_it, ls(ours, all.names = TRUE))
  if (length(found) == 0) found <- sub("^.*::", "", deparse1(call[[1]]))
  sub("\\.(summary\\.twill|twill|tw_)[a-z_]*$", "", found[1])
}
