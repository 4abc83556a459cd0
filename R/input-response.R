# What default priors need of a response whose rows come in pieces: its median, spread and squares.

# Responses less offsets, kept one by one up to this number; beyond, in steps of a hundred-thousandth of their spread.
most_responses <- 1e6

# `values`: single ones; `bins`: list(values, counts) of all others.
new_response_values <- function() {
  list2env(list(values = list(), n = 0, bins = NULL, step = NULL, sums = NULL), parent = emptyenv())
}

add_response <- function(reader, data) {
  y <- response_values(reader$formula, data, reader$family)
  offset <- stats::model.offset(evaluate_frame(reader$formula$fixed, data)) %||% 0
  r <- (if (is_count_family(reader$family)) log(pmax(y, 0.1)) else y) - offset
  held <- reader$response
  held$sums <- added_sums(held$sums, r)
  held$values <- c(held$values, list(r))
  held$n <- held$n + length(r)
  if (held$n > most_responses) bin_responses(held)
}

# Number, mean and squares about it, and squares about zero.
added_sums <- function(sums, r) {
  n <- length(r)
  mean <- mean(r)
  own <- list(n = n, mean = mean, squares = sum((r - mean)^2), whole = sum(r^2))
  if (is.null(sums)) return(own)
  shift <- own$mean - sums$mean
  total <- sums$n + n
  list(n = total, mean = sums$mean + shift * n / total, squares = sums$squares + own$squares + shift^2 * sums$n * n / total,
       whole = sums$whole + own$whole)
}

bin_responses <- function(held) {
  all <- counted_responses(held)
  if (is.null(held$step)) held$step <- 1e-5 * max(stats::mad(all$values), stats::sd(all$values) / 4)
  values <- if (held$step > 0) round(all$values / held$step) * held$step else all$values
  bins <- unique(values)
  held$bins <- list(values = bins, counts = as.vector(rowsum(all$counts, match(values, bins), reorder = TRUE)))
  held$values <- list()
  held$n <- 0
}

counted_responses <- function(held) {
  single <- unlist(held$values)
  list(values = c(held$bins$values, single), counts = c(held$bins$counts, rep(1, length(single))))
}

# list(median, mad, sd, root_mean_square) of all rows.
response_summary <- function(held) {
  all <- counted_responses(held)
  middle <- counted_median(all$values, all$counts)
  list(median = middle, mad = 1.4826 * counted_median(abs(all$values - middle), all$counts),
       sd = sqrt(held$sums$squares / (held$sums$n - 1)), root_mean_square = sqrt(held$sums$whole / held$sums$n))
}

# As of values that stand there as often as they count.
counted_median <- function(values, counts) {
  order <- order(values)
  reached <- cumsum(counts[order])
  n <- reached[length(reached)]
  at <- function(k) values[order][which(reached >= k)[1]]
  (at(floor((n + 1) / 2)) + at(ceiling((n + 1) / 2))) / 2
}
