# Several responses as one: their rows stand one below the other, each with columns of its own, zero in the rows of the others.
# Terms that share a label are one term, whose coefficients are those of all responses.

# The design that the engine gets, of the designs of the responses by name. In `responses`, which tells it from others: `rows`,
# those of the data that each response has, and `terms`, by term of the whole the responses and their terms that it is made of.
# `centred` says which intercepts are those at the means of other columns; `disp_positive` which dispersions are no logarithms.
stack_designs <- function(designs, data, intercept) {
  plan <- plan_terms(designs)
  out <- stack_rows(designs, plan)
  out$coefficients <- stacked_coefficients(designs)
  out$coef_names <- out$coefficients$variable
  dispersion <- Map(stacked_dispersion, designs, names(designs))
  if (!is.null(out$x_disp)) {
    out$disp_names <- unlist(lapply(dispersion, `[[`, "names"), use.names = FALSE)
    out$disp_positive <- unlist(lapply(dispersion, `[[`, "positive"), use.names = FALSE)
  }
  out$dispersion <- designs[[1]]$dispersion
  centred <- lapply(designs, centres_of_response, intercept = intercept)
  out$centred <- list(x = joined_centres(lapply(centred, `[[`, "x")), x_disp = joined_centres(lapply(centred, `[[`, "x_disp")))
  rows <- lapply(designs, function(design) match(design$row_names, rownames(data)))
  out$responses <- list(rows = rows, plan = plan)
  out$latents <- stacked_latents(designs, plan)
  out
}

# Rows of several designs, those of the fit or of new data, with their terms by `plan`.
stack_rows <- function(designs, plan) {
  whole <- function(part) unlist(lapply(designs, `[[`, part), use.names = FALSE)
  out <- list(y = whole("y"), offset = whole("offset"), weights = whole("weights"), se = stacked_errors(designs),
              x = block_diagonal(lapply(designs, `[[`, "x")))
  colnames(out$x) <- unlist(Map(of_response, names(designs), lapply(designs, function(design) colnames(design$x))))
  x_disp <- Map(function(design) design$x_disp %||% if (!is.null(design$dispersion)) matrix(1, nrow(design$x), 1), designs)
  if (length(compact(x_disp)) > 0) out$x_disp <- block_diagonal(x_disp)
  sizes <- vapply(designs, function(design) nrow(design$x), 0L)
  of_mean <- Filter(function(one) !one$of_dispersion, plan)
  out$terms <- compact(lapply(of_mean, stacked_term, designs = designs, sizes = sizes))
  of_disp <- Filter(function(one) one$of_dispersion, plan)
  if (length(of_disp) > 0) out$disp_terms <- compact(lapply(of_disp, stacked_term, designs = designs, sizes = sizes))
  out
}

# Errors of a response that has none are zero.
stacked_errors <- function(designs) {
  has <- vapply(designs, function(design) length(design$se) > 0, NA)
  if (!any(has)) return(NULL)
  unlist(lapply(designs, function(design) if (length(design$se) > 0) design$se else rep(0, nrow(design$x))), use.names = FALSE)
}

block_diagonal <- function(blocks) {
  blocks <- compact(blocks)
  out <- matrix(0, sum(vapply(blocks, nrow, 0L)), sum(vapply(blocks, ncol, 0L)))
  row <- column <- 0
  for (block in blocks) {
    out[row + seq_len(nrow(block)), column + seq_len(ncol(block))] <- block
    row <- row + nrow(block)
    column <- column + ncol(block)
  }
  out
}

of_response <- function(resp, coef) paste0(resp, "_", coef, recycle0 = TRUE)

# b_y1_x, or bsp_y1_mix.
coefficient_of_response <- function(variable, resp) sub("^(b(sp)?)_", paste0("\\1_", resp, "_"), variable)

stacked_coefficients <- function(designs) {
  tables <- Map(function(design, resp) {
    table <- design$coefficients
    table$resp <- rep_len(resp, nrow(table))
    table$variable <- coefficient_of_response(table$variable, resp)
    table
  }, designs, names(designs))
  do.call(rbind, unname(tables))
}

# list(names, positive): sigma_y1, or b_sigma_y1_x of a regression.
stacked_dispersion <- function(design, resp) {
  name <- design$dispersion
  if (is.null(name)) return(NULL)
  if (is.null(design$x_disp)) return(list(names = paste0(name, "_", resp), positive = TRUE))
  names <- sub(paste0("^b_", name, "_"), paste0("b_", name, "_", resp, "_"), design$disp_names)
  list(names = names, positive = rep(FALSE, length(names)))
}

# Terms -----------------------------------------------------------------------------------------------------------------

# One entry per term of the whole: list(of_dispersion, label, resp, at), `at` the number of the term among all of each response
# in `resp`.
plan_terms <- function(designs) {
  single <- unlist(unname(Map(function(design, resp) {
    terms <- all_terms(design)
    lapply(seq_along(terms), function(k) {
      list(of_dispersion = !is.null(terms[[k]]$dpar), label = terms[[k]]$label, resp = resp, at = k)
    })
  }, designs, names(designs))), recursive = FALSE)
  labels <- vapply(seq_along(single), function(k) single[[k]]$label %||% paste0("\r", k), "")
  lapply(unname(split(single, factor(labels, unique(labels)))), function(same) {
    list(of_dispersion = same[[1]]$of_dispersion, label = same[[1]]$label, resp = vapply(same, `[[`, "", "resp"),
         at = vapply(same, `[[`, 1L, "at"))
  })
}

# The term of one entry of the plan, NULL where none of its parts is asked for. Parts of new data carry `index`.
stacked_term <- function(one, designs, sizes) {
  parts <- Map(function(resp, at) {
    terms <- all_terms(designs[[resp]])
    numbers <- vapply(seq_along(terms), function(k) terms[[k]]$index %||% k, 1L)
    if (at %in% numbers) terms[[match(at, numbers)]]
  }, one$resp, one$at)
  parts <- compact(parts)
  if (length(parts) == 0) return(NULL)
  first <- parts[[1]]
  out <- first[intersect(names(first), c("group", "vars", "levels", "level_names", "precision", "root", "factor"))]
  own <- Map(function(part, resp) if (one$of_dispersion) part$coefs else of_response(resp, part$coefs), parts, names(parts))
  out$coefs <- unlist(own, use.names = FALSE)
  out$cor <- if (is.null(one$label)) isTRUE(first$cor) else length(out$coefs) > 1
  out <- c(out, rows_of_parts(parts, own, designs, sizes))
  if (one$of_dispersion) {
    out$dpar <- paste0(first$dpar, "_", names(parts))
    out$group <- paste0(first$factor, "__", out$dpar)
  } else {
    out$own <- list(resp = rep(names(parts), lengths(own)), coef = unlist(lapply(parts, `[[`, "coefs"), use.names = FALSE))
  }
  out
}

# Codes and columns of all rows; those of other responses have zeros, at the level that the row has.
rows_of_parts <- function(parts, own, designs, sizes) {
  of_rows <- function(part, resp, name) {
    if (!is.null(part)) return(part[[name]])
    if (name == "new_levels") return(rep(NA_character_, sizes[[resp]]))
    known <- parts[[1]]$known_codes
    codes <- if (is.null(known)) rep(NA, sizes[[resp]]) else unname(known[designs[[resp]]$row_names])
    ifelse(is.na(codes), 1L, codes)
  }
  all <- function(name) unlist(lapply(names(sizes), function(resp) of_rows(parts[[resp]], resp, name)), use.names = FALSE)
  z <- block_diagonal(lapply(stats::setNames(nm = names(sizes)), function(resp) {
    if (is.null(parts[[resp]])) matrix(0, sizes[[resp]], 0) else parts[[resp]]$z
  }))
  colnames(z) <- unlist(own, use.names = FALSE)
  out <- list(codes = all("codes"), z = z)
  if (!is.null(parts[[1]]$new_levels)) out$new_levels <- all("new_levels")
  out
}

# Rows of all responses whose grouping factor is there: the levels of a term are those of all of them.
rows_with_groups <- function(whole, bar) whole[stats::complete.cases(whole[bar$vars]), , drop = FALSE]

groups_of_rows <- function(groups, shared, data) {
  groups$known_codes <- stats::setNames(groups$codes, rownames(shared))
  groups$codes <- groups$codes[match(rownames(data), rownames(shared))]
  groups
}

# Intercepts ----------------------------------------------------------------------------------------------------------

# Of one response: by column the intercept that it is centred by (0 without), and at what.
centres_of_response <- function(design, intercept) {
  of <- function(class, x) {
    if (is.null(x)) return(list(by = if (!is.null(design$dispersion)) 0L else integer(), at = if (!is.null(design$dispersion)) 0))
    found <- centred_intercept(class, x, intercept)
    if (is.null(found)) return(list(by = integer(ncol(x)), at = numeric(ncol(x))))
    list(by = ifelse(found$centre != 0, as.integer(found$column) + 1L, 0L), at = found$centre)
  }
  disp_class <- if (!is.null(design$x_disp)) dispersion_classes(design$x_disp)
  list(x = of(design$coefficients$class, design$x), x_disp = of(disp_class, design$x_disp))
}

joined_centres <- function(centres) {
  n <- vapply(centres, function(one) length(one$by), 0L)
  before <- cumsum(c(0L, n))[seq_along(n)]
  by <- unlist(Map(function(one, before) ifelse(one$by > 0, one$by + before, 0L), centres, before), use.names = FALSE)
  list(by = as.integer(by), at = as.numeric(unlist(lapply(centres, `[[`, "at"), use.names = FALSE)))
}

# Columns less their means where their intercept is: the engine's intercept is then the one that has the prior.
less_their_means <- function(x, centred) {
  for (j in which(centred$by > 0)) x[, j] <- x[, j] - centred$at[j] * x[, centred$by[j]]
  x
}

# Draws of such coefficients as those of the columns as they are.
uncentred_draws <- function(draws, names, centred) {
  if (is.null(draws)) return(NULL)
  for (j in which(centred$by > 0)) {
    to <- names[centred$by[j]]
    draws[, , to] <- draws[, , to] - centred$at[j] * draws[, , names[j]]
  }
  draws
}
