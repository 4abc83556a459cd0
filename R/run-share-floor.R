# The least scale of effects that draws can tell of.
#
# The posterior of an effect with error s under a prior of scale tau has the variance tau^2 / (1 + (tau / s)^2). What genes tell
# of tau and of the mean is in how far that is from tau^2: below a quarter of s it is less than six percent, which is what the
# Monte Carlo error of a variance comes to. Reweighted draws then know nothing of wider priors, and of the mean they seem to know
# all. A scale of s / 4 in the place of a smaller one widens posteriors by three percent of s at most.

part_of_error <- 0.25

# By part, the logs of the scales' floors, by their places among its parameters; NA where there is none. `values` are draws under
# priors that are wide.
scale_floors <- function(parts, values, sizes) {
  Map(function(part, values, size) {
    out <- rep(NA_real_, size)
    if (part$kind %in% c("normal", "student_t")) out[1] <- typical_error(values)
    if (is_mvn(part)) {
      p <- length(part$variable)
      out[p + seq_len(p)] <- vapply(seq_len(p), function(j) typical_error(values[, , j]), 0)
    }
    log(part_of_error * out)
  }, parts, values, sizes)
}

# Draws x genes: the median sd of a gene.
typical_error <- function(values) {
  values <- matrix(values, NROW(values))
  stats::median(sqrt(colMeans(values^2) - colMeans(values)^2))
}

# Log density of a wall at the floors, and its derivative: nothing above them, below as a normal of a tenth.
wall_width <- 0.1

wall_depth <- function(par, floors) ifelse(is.na(floors), 0, pmin(par - floors, 0)) / wall_width

wall_density <- function(par, floors) -0.5 * sum(wall_depth(par, floors)^2)

wall_score <- function(par, floors) -wall_depth(par, floors) / wall_width
