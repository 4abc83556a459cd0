# Related levels: gr(g, cov = K) and gr(g, prec = Q), with the matrices in data2. What the engine gets is the precision.

# Entries of a precision that are rounding errors beside its diagonal: without them that of a chain or of families is sparse.
rounding_of_precision <- 1e-13

# A level whose variance given the others is a smaller share of its own is a combination of them.
smallest_share <- 1e-10

# The matrices that a formula asks for, checked, by name: list(name, kind, levels, precision).
new_relations <- function(formula, data2, silent = 1) {
  check_data2(data2)
  asked <- unique(compact(lapply(formula$bars, `[[`, "relation")))
  names <- vapply(asked, `[[`, "", "name")
  unused <- setdiff(names(data2), c(names, formula$fcor))
  if (length(unused) > 0) {
    inform_twill("data2", c("i" = "{.arg data2} holds what {.arg formula} does not ask for: {.val {unused}}."), silent)
  }
  relations <- lapply(asked, function(one) new_relation(one$kind, one$name, data2, silent))
  stats::setNames(relations, vapply(asked, relation_key, ""))
}

relation_key <- function(relation) paste(relation$kind, relation$name)

# What of data2 a fit keeps, of the covariance of errors the rows used; NULL if nothing is asked for.
used_data2 <- function(relations, data2, errors = NULL) {
  used <- data2[unique(vapply(relations, `[[`, "", "name"))]
  if (!is.null(errors)) used[[errors$name]] <- errors$given
  if (length(used) > 0) used
}

check_data2 <- function(data2) {
  if (is.null(data2)) return(invisible())
  if (is.list(data2) && !is.data.frame(data2) && length(names(data2)) == length(data2) && all(nzchar(names(data2)))) {
    return(invisible())
  }
  abort_twill("data2", c("{.arg data2} must be a list of matrices by name, such as {.code list(K = K)}.",
                         "x" = "It is of class {.cls {class(data2)[1]}}."))
}

# `call` is what asks for it.
need_data2 <- function(name, call, data2) {
  if (name %in% names(data2)) return(invisible())
  has <- if (length(data2) > 0) c("x" = "It has {.val {names(data2)}}.")
  way_out <- sprintf("data2 = list(%s = %s)", name, name)
  abort_twill("data2", c("{.arg data2} lacks {.val {name}}, which {.code {call}} asks for.", has, "i" = "Say {.code {way_out}}."))
}

new_relation <- function(kind, name, data2, silent) {
  if (kind == "weights") return(new_weights(name, data2))
  need_data2(name, sprintf("gr(g, %s = %s)", kind, name), data2)
  x <- checked_relation(data2[[name]], name)
  if (kind == "prec") {
    precision <- precision_of_matrix(x, name)
    return(list(name = name, kind = kind, levels = rownames(x), matrix = x, precision = precision, reach = reach_of_precision(x)))
  }
  root <- definite_root(x)
  twins <- if (is.null(root)) twins_of(x)
  if (length(twins) > 0) {
    inform_twill("data2", c("i" = "Levels of {.val {name}} with the same row are one, under the name of the first.",
                            "i" = "Such are {.val {some(names(twins))}}, named {.val {some(unname(twins))}}."), silent)
    x <- x[!rownames(x) %in% names(twins), !rownames(x) %in% names(twins), drop = FALSE]
    root <- definite_root(x)
  }
  relation <- list(name = name, kind = kind, levels = rownames(x), matrix = x, twins = twins,
                   reach = sqrt(mean(Matrix::diag(x))))
  if (is.null(root)) return(c(relation, list(root = low_rank_root(x, name, silent))))
  say_size_of_covariance(x, name, silent)
  c(relation, list(precision = precision_of_root(root)))
}

# The upper Cholesky factor; NULL where the matrix has no inverse.
definite_root <- function(x) {
  x <- as.matrix(x)
  root <- tryCatch(chol(x), error = function(e) NULL)
  if (!is.null(root) && all(diag(root)^2 >= smallest_share * diag(x))) root
}

# Levels that are others in all, such as clones: c(clone = "original").
twins_of <- function(x) {
  x <- as.matrix(x)
  rows <- do.call(paste, as.data.frame(round(x / max(abs(x)), 10)))
  first <- match(rows, rows)
  is_twin <- first != seq_along(rows)
  stats::setNames(rownames(x)[first[is_twin]], rownames(x)[is_twin])
}

# Names of levels, with the first's for those that are the same.
without_twins <- function(text, twins) {
  at <- match(text, names(twins))
  ifelse(is.na(at), text, unname(twins)[at])
}

# The matrix with the names of its levels on both sides, if it can be a covariance or precision at all.
checked_relation <- function(x, name) {
  symmetric_relation(finite_relation(named_relation(square_relation(x, name), name), name), name)
}

square_relation <- function(x, name) {
  is_matrix <- (is.matrix(x) && is.numeric(x)) || inherits(x, "dMatrix")
  if (!is_matrix) {
    abort_twill("data2", c("{.val {name}} in {.arg data2} must be a matrix of numbers, or one of {.pkg Matrix}.",
                           "x" = "It is of class {.cls {class(x)[1]}}."))
  }
  size <- dim(x)
  if (size[1] != size[2]) {
    abort_twill("data2", c("{.val {name}} in {.arg data2} must be square.", "x" = "It is {size[1]} x {size[2]}."))
  }
  x
}

finite_relation <- function(x, name) {
  if (!all(is.finite(if (is.matrix(x)) x else methods::as(x, "generalMatrix")@x))) {
    abort_twill("data2", "{.val {name}} in {.arg data2} has values that are missing or infinite.")
  }
  x
}

named_relation <- function(x, name) {
  levels <- rownames(x) %||% colnames(x)
  if (is.null(levels)) {
    way_out <- sprintf("dimnames(%s) <- list(levels, levels)", name)
    abort_twill("data2", c("{.val {name}} in {.arg data2} must name the level of each row.", "x" = "It has no dimnames.",
                           "i" = "Say {.code {way_out}}, in the order of its rows."))
  }
  other <- colnames(x)
  if (!is.null(other) && !identical(levels, other)) {
    at <- which(levels != other)[1]
    abort_twill("data2", c("Rows and columns of {.val {name}} in {.arg data2} must be the same levels in the same order.",
                           "x" = "Row {at} is {.val {levels[at]}}, column {at} is {.val {other[at]}}."))
  }
  twice <- unique(levels[duplicated(levels)])
  if (length(twice) > 0 || anyNA(levels)) {
    abort_twill("data2", c("{.val {name}} in {.arg data2} must have each level once.",
                           "x" = "More than once, or without a name: {.val {some(twice)}}."))
  }
  dimnames(x) <- list(levels, levels)
  x
}

symmetric_relation <- function(x, name) {
  away <- abs(x - Matrix::t(x))
  if (max(away) <= 1e-8 * max(abs(x))) return((x + Matrix::t(x)) / 2)
  at <- arrayInd(which.max(as.matrix(away)), dim(x))
  pair <- rownames(x)[at]
  values <- signif(c(x[at[1], at[2]], x[at[2], at[1]]), 4)
  abort_twill("data2", c("{.val {name}} in {.arg data2} must be symmetric.",
                         "x" = "From {.val {pair[1]}} to {.val {pair[2]}} it is {.val {values[1]}}, back {.val {values[2]}}."))
}

# To the engine -----------------------------------------------------------------------------------------------------

say_size_of_covariance <- function(x, name, silent) {
  size <- mean(Matrix::diag(x))
  if (size >= 0.5 && size <= 2) return(invisible())
  inform_twill("data2", c("i" = "The diagonal of {.val {name}} has the mean {.val {signif(size, 3)}}; it is taken as it is.",
                          "i" = "A level's standard deviation is {.field sd} times the root of its diagonal."), silent)
}

# Root of the mean of the inverse's diagonal, from some products with random signs (Hutchinson 1990): its order of magnitude
# is all that is asked for.
reach_of_precision <- function(x) {
  signs <- with_local_seed(1, matrix(sample(c(-1, 1), 20 * nrow(x), TRUE), nrow(x)))
  sqrt(mean(signs * as.matrix(Matrix::solve(x, signs))))
}

precision_of_root <- function(root) {
  inverse <- chol2inv(root)
  scale <- sqrt(diag(inverse))
  keep <- which(abs(inverse) > rounding_of_precision * outer(scale, scale) & lower.tri(inverse, TRUE), arr.ind = TRUE)
  new_precision(keep[, 1], keep[, 2], inverse[keep], -2 * sum(log(diag(root))))
}

precision_of_matrix <- function(x, name) {
  is_sparse <- inherits(x, "sparseMatrix")
  entries <- if (is_sparse) Matrix::summary(methods::as(x, "generalMatrix")) else dense_entries(as.matrix(x))
  keep <- entries$i >= entries$j & (entries$x != 0 | entries$i == entries$j)
  precision <- new_precision(entries$i[keep], entries$j[keep], entries$x[keep], NA_real_)
  precision$log_det <- unwrap_engine(engine_log_determinant(nrow(x), precision$rows, precision$columns, precision$values))
  if (!is.finite(precision$log_det)) refuse_indefinite(x, name)
  precision
}

dense_entries <- function(x) list(i = as.vector(row(x)), j = as.vector(col(x)), x = as.vector(x))

new_precision <- function(rows, columns, values, log_det) {
  list(rows = unname(rows) - 1L, columns = unname(columns) - 1L, values = as.double(values), log_det = log_det)
}

# Which eigenvalue, and of what rank the matrix is.
refuse_indefinite <- function(x, name) {
  n <- nrow(x)
  values <- if (n <= 3000) eigen(as.matrix(x), symmetric = TRUE, only.values = TRUE)$values
  smallest <- signif(values[n], 3)
  rank <- sum(values > smallest_share * max(values, 0))
  why <- if (!is.null(values)) c("x" = "The smallest of its {n} eigenvalues is {.val {smallest}}; {rank} are above zero.")
  # A little on the diagonal mends rounding and copies, not an eigenvalue that is clearly negative.
  is_clear <- !is.null(values) && values[n] < -5e-5
  code <- if (is_clear) sprintf("Matrix::nearPD(%s)$mat", name) else sprintf("%s + diag(1e-4, %d)", name, n)
  way_out <- if (is_clear) "Look for entries that are too large; {.code {code}} is the nearest matrix that is." else
    "What every level has of its own is missing: {.code {code}} adds a little of it."
  # As an intrinsic autoregression has it.
  if (!is_clear && all(abs(Matrix::rowSums(x)) <= 1e-8 * abs(Matrix::diag(x)))) {
    way_out <- paste("All its rows sum to zero, which leaves the level of all effects open. A proper autoregression is",
                     "{.code D - 0.99 * W} in the place of {.code D - W}, with {.code D} the diagonal.")
  }
  abort_twill("data2", c("{.val {name}} in {.arg data2} must be positive definite.", why, "i" = way_out))
}

# Levels of a term ---------------------------------------------------------------------------------------------------

# The matrix of a term; NULL if its levels are independent.
relation_of <- function(bar, relations) {
  if (is.null(bar$relation)) return(NULL)
  if (length(bar$vars) > 1) {
    abort_twill("formula", c("A grouping factor with {.arg {bar$relation$kind}} must be one column of {.arg data}.",
                             "x" = "It is {.field {bar$group}}.",
                             "i" = "Make one with {.fn interaction}, whose levels have rows in the matrix."))
  }
  relations[[relation_key(bar$relation)]]
}

# The relation of the levels that the data have, the others integrated out.
observed_relation <- function(relation, column) {
  levels <- relation$levels[relation$levels %in% without_twins(level_text(column), relation$twins)]
  # Where no level has a row related_groups() says which lack one.
  if (length(levels) %in% c(0, length(relation$levels))) return(relation)
  covariance <- as.matrix(if (relation$kind == "cov") relation$matrix else Matrix::solve(relation$matrix))
  dimnames(covariance) <- list(relation$levels, relation$levels)
  covariance <- covariance[levels, levels, drop = FALSE]
  root <- definite_root(covariance)
  if (is.null(root)) refuse_indefinite(covariance, relation$name)
  relation$precision <- precision_of_root(root)
  relation$levels <- levels
  relation
}

# Levels x levels; NULL where levels are independent.
precision_matrix <- function(term) {
  p <- term$precision
  if (is.null(p)) return(NULL)
  n <- length(term$levels)
  out <- matrix(0, n, n)
  out[cbind(p$rows, p$columns) + 1L] <- p$values
  out[cbind(p$columns, p$rows) + 1L] <- p$values
  out
}

# As new_groups(), with the levels of the matrix: those without rows are known by their relatives.
related_groups <- function(column, group, relation) {
  levels <- relation$levels
  text <- without_twins(level_text(column), relation$twins)
  missing <- setdiff(unique(text), levels)
  if (length(missing) > 0) {
    abort_twill("data2", c("Levels of {.field {group}} have no row in {.val {relation$name}} of {.arg data2}.",
                           "x" = "Without a row: {.val {some(missing, 10)}}. Its rows are named {.val {some(levels, 3)}}.",
                           "i" = "Its rownames must be the levels; others than those of the data may be there too."))
  }
  list(codes = match(text, levels), keys = level_keys(list(levels)), names = levels, labels = level_labels(levels))
}
