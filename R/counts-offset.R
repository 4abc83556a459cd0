# Offsets of genes, and what offsets and size factors look like that were meant otherwise.

# The user's offset: NULL, one number per sample, or a matrix genes x samples, on the log scale.
check_gene_offset <- function(offset, source, is_count) {
  offset <- check_gene_matrix(offset, "offset", source)
  if (is.null(offset) || !is_count || all(abs(offset) <= largest_offset)) return(offset)
  given <- offset[abs(offset) > largest_offset]
  abort_twill("genes", c("{.arg offset} is too large: means are its exponential times that of the other terms.",
                         "x" = "It exceeds {largest_offset} in {length(given)} place{?s}: {.val {some(given)}}.",
                         "i" = "It holds logarithms. Of library sizes: {.code offset = log(size)}."))
}

# One number per sample, of a matrix its means.
sample_offset <- function(offset) if (is.null(dim(offset))) offset else colMeans(offset)

# Offsets in proportion to the counts of the samples, or from e^-20 to e^20, are library sizes and not their logarithms.
check_log_scale <- function(offset, total) {
  used <- total > 0
  if (sum(used) < 3 || all(offset == 0)) return(invisible())
  ratio <- offset[used] / total[used]
  is_proportional <- stats::sd(log(total[used])) > 0.01 && min(ratio) > 0 && stats::sd(ratio) < 1e-3 * mean(ratio)
  if (!is_proportional && diff(range(offset)) <= 40) return(invisible())
  ends <- signif(range(offset), 4)
  abort_twill("genes", c("The offset looks like library sizes, and must be their logarithm.",
                         "x" = if (is_proportional) "It is in proportion to the counts of the samples." else
                           "It goes from {.val {ends[1]}} to {.val {ends[2]}}: a factor of e^{round(diff(ends))}.",
                         "i" = "Say {.code log(size)}, as the offset, or give {.arg size_factors}."))
}

# Size factors divide counts, are about 1, and are no logarithms. Only what changes results is a warning.
say_odd_sizes <- function(sizes, total, silent) {
  used <- total > 0
  if (silent >= 2 || sum(used) < 3) return(invisible())
  log_total <- log(total[used])
  log_size <- log(sizes[used])
  if (max(sizes) < 100 && stats::sd(log_total) > 0.01 && stats::sd(sizes[used] - log_total) < 1e-3 * stats::sd(log_total)) {
    warn_twill("sizes", c("{.arg size_factors} are the logarithms of the samples' counts.",
                          "i" = "They divide counts and must not be logarithms: say {.code exp(size_factors)}."))
  } else if (stats::var(log_size) > 1e-4 && stats::var(log_total + log_size) < 0.05 * stats::var(log_total - log_size)) {
    warn_twill("sizes", c("{.arg size_factors} fall where the counts of samples rise, in proportion.",
                          "i" = "They divide counts: were {.code 1 / size_factors} meant?"))
  } else if (abs(mean(log_size)) > log(100)) {
    middle <- signif(exp(mean(log_size)), 3)
    inform_twill("sizes", c("{.arg size_factors} are about {.val {middle}}, as library sizes are, and not about 1.",
                            "i" = "Effects are the same. {.field baseMean} is counts over size factors."), silent)
  }
}
