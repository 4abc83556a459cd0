# What a user of single cells is told before the fit: counts that are none, designs that say less than they seem to.

check_cells_design <- function(model, input, capture, silent) {
  if (silent >= 2) return(invisible())
  check_replicates(model)
  check_depths(model, input, capture)
  terms <- model$design$terms
  terms <- terms[!duplicated(vapply(terms, `[[`, "", "group"))]
  for (factor in population_factors(model)) {
    # Samples of donors that are seen under both conditions are nested by design.
    is_crossed <- any(vapply(terms, function(term) max(arms_of_levels(model, factor, term)) > 1, TRUE))
    for (term in terms) if (!is_crossed || max(arms_of_levels(model, factor, term)) > 1) check_nesting(model, factor, term)
  }
}

# Levels of a factor of the population-level design whose cells have very different depths. Two cells in five more is much.
max_depth_ratio <- 2

check_depths <- function(model, input, capture) {
  row <- if (input$has_leaves) input$leaf else seq_along(input$total)
  for (name in population_factors(model)) {
    level <- level_text(model$data[[name]])[row]
    depth <- tapply(input$total, level, stats::median)
    if (min(depth) == 0 || max(depth) / min(depth) < max_depth_ratio) next
    low <- names(depth)[which.min(depth)]
    high <- names(depth)[which.max(depth)]
    ratio <- signif(max(depth) / min(depth), 2)
    against <- if (capture == "model") "gene" else "molecule"
    warn_twill("depth", c("Cells of {.field {name}} {.val {high}} have {ratio} times the counts of {.val {low}}.",
                          "i" = "A change of all molecules cannot be told from depth; effects are against the typical {against}.",
                          "i" = "{.code tw_contrast(scale = \"clr\")} does not depend on depth."))
  }
}

population_factors <- function(model) {
  variables <- variables_in(stats::delete.response(model$design$blueprint$terms))
  Filter(function(name) is.factor(model$data[[name]]) || is.character(model$data[[name]]), variables)
}

# Number of levels of a factor under which each level of a group is seen.
arms_of_levels <- function(model, factor, term) {
  arm <- level_text(model$data[[factor]])
  tapply(arm, term$level_names[term$codes], function(v) length(unique(v)))
}

check_replicates <- function(model) {
  if (length(model$design$terms) > 0) return(invisible())
  inform_twill("replicates", c("{.arg design} has no group-level term: every cell counts as a replicate of its own.",
                               "i" = "With cells of several donors, say who they are: {.code (1 + condition || donor)}."))
}

# A donor seen under one condition only says nothing of its own response.
check_nesting <- function(model, factor, term) {
  levels <- term$level_names[term$codes]
  arm <- level_text(model$data[[factor]])
  n_arms <- arms_of_levels(model, factor, term)
  if (factor %in% term$vars || length(unique(arm)) < 2) return(invisible())
  if (max(n_arms) == 1) return(warn_nested(factor, term, levels, arm))
  alone <- names(n_arms)[n_arms == 1]
  if (length(alone) == 0) return(invisible())
  text <- "{length(alone)} of {length(n_arms)} {term$group}s {cli::qty(length(alone))}{?has/have} one {.field {factor}} only:"
  inform_twill("unpaired", c(paste(text, "{.val {some(alone)}}."),
                             "i" = "They inform the baseline; responses are estimated from the other {term$group}s."))
}

warn_nested <- function(factor, term, levels, arm) {
  per_arm <- as.integer(tapply(levels, arm, function(v) length(unique(v))))
  warn_twill("confounded", c("Every {.field {term$group}} has one {.field {factor}} only.",
                             "i" = "Effects of {.field {factor}} compare {.val {per_arm}} different {.field {term$group}}s.",
                             if (min(per_arm) < 2) c("x" = "With one only, the two cannot be told apart.")))
}
