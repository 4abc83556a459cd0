# Rows in the place of many: those of one cell, which agree in all that the model does not take as it stands, become as few rows
# as have the same mean, covariance and sum of squares. A Gaussian likelihood knows no more of them.

# Numbers that a model only multiplies with its coefficients: the response of a Gaussian model, slopes and offsets, where they
# stand as columns. All others must be equal in rows that are merged.
linear_columns <- function(formula, data, family) {
  if (is_count_family(family)) return(character())
  fixed <- part_of_pieces(formula$fixed, data)
  bars <- lapply(formula$bars, function(bar) part_of_pieces(bar$rhs, data))
  others <- c(unlist(lapply(all_bars(formula), function(bar) c(bar$vars, bar$by, variables_in(bar$members$weights)))),
              variables_in(formula$addition$weights),
              variables_in(formula$addition$se), variables_in(formula$dispersion),
              unlist(lapply(formula$dispersion_bars, function(bar) variables_in(bar$rhs))),
              fixed$others, unlist(lapply(bars, `[[`, "others")))
  response <- if (is.name(formula$response)) as.character(formula$response)
  linear <- setdiff(unique(c(response, fixed$linear, unlist(lapply(bars, `[[`, "linear")))), others)
  if (!identical(linear[1], response)) linear <- setdiff(linear, variables_in(formula$response))
  Filter(function(name) is.numeric(data[[name]]) && !is.object(data[[name]]) && is.null(dim(data[[name]])), linear)
}

# Of a formula, list(linear, others): columns that stand as they are, at most one in a product, and those that do not.
part_of_pieces <- function(part, data) {
  terms <- stats::terms(part)
  expressions <- as.list(attr(terms, "variables"))[-1]
  is_response <- seq_along(expressions) == attr(terms, "response")
  is_bare <- vapply(expressions, is.name, TRUE)
  is_offset <- seq_along(expressions) %in% attr(terms, "offset")
  offsets <- lapply(expressions[is_offset], `[[`, 2)
  shifts <- vapply(Filter(is.name, offsets), as.character, "")
  inside <- unlist(lapply(c(expressions[!is_bare & !is_offset & !is_response], Filter(Negate(is.name), offsets)), all.vars))
  bare <- ifelse(is_bare, vapply(expressions, deparse1, ""), "")
  is_number <- is_bare & vapply(bare, function(name) is.numeric(data[[name]]), TRUE)
  factors <- attr(terms, "factors")
  is_product <- if (length(factors) > 0) colSums(factors[is_number, , drop = FALSE] > 0) > 1
  in_products <- is_number & (if (any(is_product)) rowSums(factors[, is_product, drop = FALSE] > 0) > 0 else FALSE)
  on_the_right <- bare[!is_response & is_bare]
  list(linear = c(bare[is_number & !in_products & !is_response], shifts),
       others = c(inside, bare[in_products], intersect(c(bare[is_response & is_bare], shifts), on_the_right)))
}

# Reading ---------------------------------------------------------------------------------------------------------

# Pieces wait until they are as many rows as have been merged, so that each row is merged a few times at most.
fewest_pending <- 2e5

add_rows <- function(reader, columns, n) {
  reader$n <- reader$n + n
  reader$pending <- c(reader$pending, list(list(columns = columns, count = rep(1, n), squares = rep(0, n))))
  reader$n_pending <- reader$n_pending + n
  if (reader$n_pending >= max(fewest_pending, length(reader$state$count))) merge_pending(reader)
}

merge_pending <- function(reader) {
  rows <- taken_rows(reader)
  if (length(rows$count) == 0) return(invisible())
  reader$state <- merged_rows(rows, reader$linear, moment_response(reader))
  rm(rows)
  # What was joined is as large as what is kept: R would let some of it lie for long.
  gc(verbose = FALSE, full = FALSE)
  release_memory(length(reader$state$count))
}

# The response, where rows are merged by its moments.
moment_response <- function(reader) {
  intersect(if (is.name(reader$formula$response)) as.character(reader$formula$response), reader$linear)
}

# All rows, out of the reader: a column is let go where it has been joined, so that there are never two of all.
taken_rows <- function(reader) {
  reader$pending <- c(list(reader$state)[!is.null(reader$state)], reader$pending)
  reader$state <- NULL
  reader$n_pending <- 0
  take <- function(name) {
    column <- do.call(c, lapply(reader$pending, function(part) part$columns[[name]]))
    for (k in seq_along(reader$pending)) reader$pending[[k]]$columns[[name]] <- NULL
    column
  }
  names <- if (length(reader$pending) > 0) names(reader$pending[[1]]$columns)
  columns <- lapply(stats::setNames(nm = names), take)
  rows <- list(columns = columns, count = unlist(lapply(reader$pending, `[[`, "count")),
               squares = unlist(lapply(reader$pending, `[[`, "squares")))
  reader$pending <- list()
  gc(verbose = FALSE, full = FALSE)
  rows
}

joined_parts <- function(parts) {
  of <- function(name) unlist(lapply(parts, `[[`, name))
  columns <- lapply(stats::setNames(nm = names(parts[[1]]$columns)), function(name) {
    do.call(c, lapply(parts, function(part) part$columns[[name]]))
  })
  list(columns = columns, count = of("count"), squares = of("squares"))
}

# Merging ---------------------------------------------------------------------------------------------------------

# Cells where that takes fewer rows, in the order of their first rows.
merged_rows <- function(rows, linear, response) {
  cell <- cell_numbers(rows$columns[setdiff(names(rows$columns), linear)], length(rows$count))
  if (is.null(cell)) return(rows)
  size <- tabulate(cell)
  shared <- which(size > 1)
  at <- which(size[cell] > 1)
  moments <- cell_moments(selected_rows(rows, at), match(cell[at], shared), linear, response)
  is_less <- moments$needed < size[shared]
  if (!any(is_less)) return(rows)
  is_merged <- rep(FALSE, length(size))
  is_merged[shared[is_less]] <- TRUE
  first <- which(!duplicated(cell))[shared]
  made <- rows_of_moments(moments, is_less, linear, response)
  made$columns <- c(lapply(rows$columns[setdiff(names(rows$columns), linear)], `[`, first[made$cell]), made$columns)
  kept <- which(!is_merged[cell])
  all <- joined_parts(list(selected_rows(rows, kept), list(columns = made$columns[names(rows$columns)], count = made$count,
                                                            squares = made$squares)))
  selected_rows(all, order(c(kept, first[made$cell])))
}

selected_rows <- function(rows, at) {
  list(columns = lapply(rows$columns, `[`, at), count = rows$count[at], squares = rows$squares[at])
}

# Numbers 1, 2, ... of the combinations of values, in the order in which they come; NULL if each comes once.
cell_numbers <- function(columns, n) {
  code <- rep(1, n)
  most <- 1
  for (column in columns) {
    own <- if (is.integer(column) && !is.object(column) && all(column > 0)) column else match(column, unique(column))
    size <- max(own)
    if (most * size > 2^52) {
      code <- match(code, unique(code))
      most <- max(code)
    }
    code <- (code - 1) * size + own
    most <- most * size
  }
  if (anyDuplicated(code) > 0) match(code, unique(code))
}

# By cell: the number of rows that it stands for, means of the linear columns, the triangular root of the sums of products of all
# but the response about them, zero where a column follows from those before it; of the response what these explain, and the
# squares that are left.
cell_moments <- function(rows, cell, linear, response) {
  values <- vapply(linear, function(name) as.double(rows$columns[[name]]), double(length(cell)))
  values <- matrix(values, length(cell), dimnames = list(NULL, linear))
  first <- values[!duplicated(cell), , drop = FALSE][order(unique(cell)), , drop = FALSE]
  weight <- as.vector(rowsum(rows$count, cell))
  # About the first row, so that what is constant stays what it is.
  mean <- first + rowsum(rows$count * (values - first[cell, , drop = FALSE]), cell) / weight
  values <- values - mean[cell, , drop = FALSE]
  product <- function(a, b) as.vector(rowsum(rows$count * values[, a] * values[, b], cell))
  x <- setdiff(linear, response)
  root <- cell_roots(x, product, length(weight))
  explained <- lapply(seq_along(x), function(j) NULL)
  squares <- as.vector(rowsum(rows$squares, cell))
  for (name in response) {
    squares <- squares + product(name, name)
    for (j in seq_along(x)) {
      left <- product(x[j], name)
      for (i in seq_len(j - 1)) left <- left - root$factor[[j]][[i]] * explained[[i]]
      explained[[j]] <- ifelse(root$is_own[, j], left / root$factor[[j]][[j]], 0)
      squares <- squares - explained[[j]]^2
    }
  }
  list(weight = weight, mean = unname(mean), factor = root$factor, is_own = root$is_own, explained = explained,
       squares = pmax(squares, 0), needed = rowSums(root$is_own) + 1)
}

# A smaller part of a column's squares beyond those before it is rounding error: columns that are nearer to each other than that
# have been refused (`rank_tolerance`).
follows_from_others <- 1e-14

cell_roots <- function(x, product, n) {
  factor <- list()
  is_own <- matrix(FALSE, n, length(x))
  for (j in seq_along(x)) {
    own <- list()
    for (i in seq_len(j - 1)) {
      left <- product(x[j], x[i])
      for (l in seq_len(i - 1)) left <- left - own[[l]] * factor[[i]][[l]]
      own[[i]] <- ifelse(is_own[, i], left / factor[[i]][[i]], 0)
    }
    whole <- product(x[j], x[j])
    left <- whole - Reduce(`+`, lapply(own, `^`, 2), 0)
    is_own[, j] <- left > follows_from_others * whole & left > 0
    own[[j]] <- sqrt(ifelse(is_own[, j], left, 0))
    factor[[j]] <- own
  }
  list(factor = factor, is_own = is_own)
}

# Rows with these moments: r + 1 of equal counts for r columns that vary, at the corners of a simplex.
rows_of_moments <- function(moments, is_made, linear, response) {
  pattern <- as.vector(moments$is_own %*% 2^(seq_len(ncol(moments$is_own)) - 1))
  made <- lapply(unique(pattern[is_made]), function(one) {
    corner_rows(moments, which(is_made & pattern == one), which(moments$is_own[match(one, pattern), ]), linear, response)
  })
  of <- function(name) unlist(lapply(made, `[[`, name))
  columns <- lapply(stats::setNames(nm = linear), function(name) unlist(lapply(made, function(part) part$columns[[name]])))
  list(columns = columns, cell = of("cell"), count = of("count"), squares = of("squares"))
}

corner_rows <- function(moments, cells, own, linear, response) {
  corners <- simplex(length(own))
  n <- nrow(corners)
  x <- setdiff(linear, response)
  scale <- 1 / sqrt(moments$weight[cells])
  # By cell, then by corner.
  spread <- function(numbers) {
    parts <- lapply(seq_along(own), function(k) outer(scale * numbers[[k]], corners[, k]))
    as.vector(Reduce(`+`, parts, matrix(0, length(cells), n)))
  }
  columns <- lapply(stats::setNames(nm = linear), function(name) {
    numbers <- if (name %in% response) moments$explained[own] else {
      j <- match(name, x)
      lapply(own, function(i) if (i <= j) moments$factor[[j]][[i]] else 0)
    }
    rep(moments$mean[cells, match(name, linear)], n) + spread(lapply(numbers, function(v) if (length(v) > 1) v[cells] else v))
  })
  list(columns = columns, cell = rep(cells, n), count = rep(moments$weight[cells] / n, n),
       squares = rep(moments$squares[cells] / n, n))
}

# Corners with mean zero and the identity as their mean product: r + 1 rows, r columns.
simplex <- function(r) {
  if (r == 0) return(matrix(0, 1, 0))
  helmert <- stats::contr.helmert(r + 1)
  unname(sqrt(r + 1) * helmert %*% diag(1 / sqrt(colSums(helmert^2)), r))
}
