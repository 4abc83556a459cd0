# Rows that belong to several levels of a term, mm(g1, g2) and mm(g, weights = W): each has the effects of all, by weights.

# Such a term has `codes` and `weights`, rows x members, `vars` the columns of the members. Where a row names a level twice the
# first of the two has the weight of both.
has_members <- function(term) !is.null(term$weights)

# One term per member, whose z has its weights: what a row adds is the sum over them.
member_terms <- function(term) {
  if (!has_members(term)) return(list(term))
  lapply(seq_len(ncol(term$codes)), function(m) {
    own <- term
    own$codes <- term$codes[, m]
    own$new_levels <- if (!is.null(term$new_levels)) term$new_levels[, m]
    own$z <- term$z * term$weights[, m]
    own$weights <- NULL
    own
  })
}

# The sd that effects of variance one add to each row.
member_sizes <- function(term) sqrt(rowSums(term$weights^2))

# As new_groups(), with codes and weights rows x members, and `scheme`: what finds both in other data.
member_groups <- function(bar, data, relation) {
  if (!is.null(relation)) return(matrix_groups(bar, data, relation))
  check_member_types(data[bar$vars], bar$group)
  levels <- member_levels(data[bar$vars])
  check_group_levels(bar$group, length(levels), list(levels))
  scheme <- list(vars = bar$vars, weights = bar$members$weights, scale = bar$members$scale)
  texts <- vapply(data[bar$vars], level_text, character(nrow(data)))
  dim(texts) <- c(nrow(data), length(bar$vars))
  weights <- merged_weights(texts, member_weights(scheme, data, environment(bar$rhs), "data"))
  list(codes = matrix(match(texts, levels), nrow(data)), weights = weights, keys = level_keys(list(levels)), names = levels,
       labels = level_labels(levels), scheme = scheme)
}

# The levels of all columns, in the order of the first that has them.
member_levels <- function(columns) {
  known <- unique(unlist(lapply(columns, function(column) levels(level_factor(column)))))
  known[known %in% unlist(lapply(columns, level_text))]
}

check_member_types <- function(columns, group) {
  kinds <- vapply(columns, function(column) if (is_category(column)) "text" else column_kind(column), "")
  if (length(unique(kinds)) == 1) return(invisible())
  shown <- paste(names(columns), "is", vapply(columns, column_kind, ""))
  abort_twill("data", c("The columns of {.fn mm} must be of one type: their levels are the same.",
                        "x" = "{.val {shown}}.", "i" = "Convert them, as with {.fn as.character}."))
}

# rows x members, from the expression of a scheme. `kind` is that of errors, and the argument that has the columns.
member_weights <- function(scheme, data, env, kind) {
  n_members <- length(scheme$vars)
  if (is.null(scheme$weights)) return(scaled_weights(matrix(1, nrow(data), n_members), scheme, rownames(data), kind))
  value <- evaluate_term(scheme$weights, data, env)
  text <- deparse1(scheme$weights)
  # cbind() would take the numbers of their levels.
  stated <- if (is_call_to(scheme$weights, "cbind")) as.list(scheme$weights)[-1] else list(scheme$weights)
  names <- intersect(vapply(Filter(is.name, stated), as.character, ""), names(data))
  if (any(vapply(data[names], is_category, NA))) value <- "text"
  # Numbers without columns are the weights of all rows.
  if (is.numeric(value) && length(value) == n_members && NROW(value) == 1) {
    value <- matrix(value, nrow(data), n_members, byrow = TRUE)
  }
  fits <- is.numeric(value) && NROW(value) == nrow(data) && NCOL(value) == n_members
  if (!fits) {
    size <- if (is.numeric(value)) paste(NROW(value), "x", NCOL(value)) else paste("of class", class(value)[1])
    abort_twill(kind, c("{.arg weights} of {.fn mm} must be numbers, one row per row and one column per grouping factor.",
                        "x" = "{.code {text}} is {size}; numbers of {nrow(data)} x {n_members} are needed.",
                        "i" = "Such as {.code weights = cbind(w1, w2)}."))
  }
  scaled_weights(matrix(as.numeric(value), nrow(data)), scheme, rownames(data), kind)
}

scaled_weights <- function(weights, scheme, rows, kind) {
  text <- deparse1(scheme$weights)
  refuse <- function(bad, rule, way_out) {
    if (!any(bad)) return(invisible())
    rows <- rows[bad]
    values <- some(unlist(apply(weights[bad, , drop = FALSE], 1, function(w) paste(signif(w, 4), collapse = " "))))
    abort_twill(kind, c(rule, "x" = "{.code {text}} breaks this in {length(rows)} row{?s}: {.val {some(rows)}}.",
                        "x" = "Values there: {.val {values}}.", way_out))
  }
  refuse(rowSums(!is.finite(weights)) > 0, "{.arg weights} of {.fn mm} must not be missing or infinite.",
         c("i" = "A row that has fewer levels than others names any level, with the weight zero."))
  if (!scheme$scale) return(weights)
  refuse(rowSums(weights < 0) > 0, "{.arg weights} of {.fn mm} must not be negative, as those of a row are made to sum to one.",
         c("i" = "{.code scale = FALSE} takes weights as they are."))
  refuse(rowSums(weights) == 0, "{.arg weights} of {.fn mm} must not all be zero in a row, as they are made to sum to one.",
         c("i" = "{.code scale = FALSE} takes weights as they are: the row then has no effect of the term."))
  weights / rowSums(weights)
}

merged_weights <- function(texts, weights) {
  for (m in seq_len(ncol(texts))[-1]) for (first in seq_len(m - 1)) {
    same <- which(texts[, m] == texts[, first])
    weights[same, first] <- weights[same, first] + weights[same, m]
    weights[same, m] <- 0
  }
  weights
}

# Weights from a matrix ------------------------------------------------------------------------------------------------

# The matrix of mm(g, weights = W), checked: levels of g by the levels that have effects.
new_weights <- function(name, data2) {
  need_data2(name, sprintf("mm(g, weights = %s)", name), data2)
  x <- data2[[name]]
  is_matrix <- (is.matrix(x) && is.numeric(x)) || inherits(x, "dMatrix")
  if (!is_matrix) {
    abort_twill("data2", c("{.val {name}} in {.arg data2} must be a matrix of numbers, or one of {.pkg Matrix}.",
                           "x" = "It is of class {.cls {class(x)[1]}}."))
  }
  x <- finite_relation(x, name)
  for (side in 1:2) check_weight_names(dimnames(x)[[side]], c("row", "column")[side], name)
  list(name = name, kind = "weights", matrix = x)
}

check_weight_names <- function(names, side, name) {
  twice <- unique(names[duplicated(names)])
  if (!is.null(names) && !anyNA(names) && length(twice) == 0) return(invisible())
  why <- if (is.null(names)) "It has no {side} names." else "More than once, or without a name: {.val {some(twice)}}."
  abort_twill("data2", c("{.val {name}} in {.arg data2} must name each {side} once.", "x" = why,
                         "i" = "Rows are named by the levels of the grouping factor, columns by those that have effects."))
}

matrix_groups <- function(bar, data, relation) {
  levels <- colnames(relation$matrix)
  check_group_levels(bar$group, length(levels), list(levels))
  text <- level_text(data[[bar$vars]])
  members <- matrix_members(relation$matrix, bar$members$scale, relation$name)
  missing <- setdiff(unique(text), members$rows)
  if (length(missing) > 0) refuse_rows_of_weights(bar$vars, relation$name, missing, "data2")
  at <- match(text, members$rows)
  list(codes = members$codes[at, , drop = FALSE], weights = members$weights[at, , drop = FALSE], keys = level_keys(list(levels)),
       names = levels, labels = level_labels(levels), scheme = c(list(vars = bar$vars, name = relation$name), members))
}

refuse_rows_of_weights <- function(var, name, missing, kind) {
  abort_twill(kind, c("Levels of {.field {var}} have no row in {.val {name}} of {.arg data2}.",
                      "x" = "Without a row: {.val {some(missing, 10)}}.",
                      "i" = "Its rownames must be the levels of {.field {var}}; others may be there too."))
}

# list(rows, codes, weights): per row of the matrix the columns that are not zero, and their values.
matrix_members <- function(x, scale, name) {
  entries <- if (inherits(x, "sparseMatrix")) Matrix::summary(methods::as(x, "generalMatrix")) else dense_entries(as.matrix(x))
  keep <- entries$x != 0
  by_row <- split(data.frame(code = entries$j, weight = entries$x)[keep, ], factor(entries$i[keep], seq_len(nrow(x))))
  most <- max(1L, vapply(by_row, nrow, 0L))
  codes <- matrix(1L, nrow(x), most)
  weights <- matrix(0, nrow(x), most)
  for (i in seq_along(by_row)) {
    own <- seq_len(nrow(by_row[[i]]))
    codes[i, own] <- by_row[[i]]$code
    weights[i, own] <- by_row[[i]]$weight
  }
  scheme <- list(weights = as.name(name), scale = scale)
  list(rows = rownames(x), codes = codes, weights = scaled_weights(weights, scheme, rownames(x), "data2"))
}

# New rows -------------------------------------------------------------------------------------------------------------

# list(codes, weights, new_levels), rows x members, of new data; codes are NA where a level is new.
new_members <- function(group, newdata, env, allow_new_levels) {
  scheme <- group$scheme
  if (!is.null(scheme$rows)) return(new_matrix_members(group, newdata))
  texts <- vapply(scheme$vars, function(name) level_text(newdata[[name]] %||% rep(NA, nrow(newdata))), character(nrow(newdata)))
  dim(texts) <- c(nrow(newdata), length(scheme$vars))
  weights <- merged_weights(texts, member_weights(scheme, newdata, env, "newdata"))
  codes <- matrix(match(level_keys(list(as.vector(texts))), group$keys), nrow(newdata))
  codes[is.na(codes) & weights == 0] <- 1L
  new <- unique(texts[is.na(codes)])
  if (length(new) > 0 && !allow_new_levels) refuse_new_levels(group$group, new)
  new_levels <- texts
  new_levels[] <- ifelse(is.na(codes), ifelse(is.na(texts), "NA", texts), NA_character_)
  list(codes = codes, weights = weights, new_levels = new_levels)
}

new_matrix_members <- function(group, newdata) {
  scheme <- group$scheme
  text <- level_text(newdata[[scheme$vars]] %||% rep(NA, nrow(newdata)))
  missing <- setdiff(unique(text), scheme$rows)
  if (length(missing) > 0) refuse_rows_of_weights(scheme$vars, scheme$name, missing, "newdata")
  at <- match(text, scheme$rows)
  list(codes = scheme$codes[at, , drop = FALSE], weights = scheme$weights[at, , drop = FALSE],
       new_levels = matrix(NA_character_, length(at), ncol(scheme$codes)))
}

# What does not take such terms -----------------------------------------------------------------------------------------

# Tables of many genes look levels up by the rows of a level.
refuse_members <- function(terms) {
  term <- Find(has_members, terms)
  if (is.null(term)) return(invisible())
  abort_twill("formula", c("{.fn mm} is not supported for many genes and cells.", "x" = "It is the term of {.field {term$vars}}.",
                           "i" = "{.fn twill} fits it, one response at a time."))
}
