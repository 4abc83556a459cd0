# Summaries of the columns of a matrix of draws: as the package makes them, and by matrixStats. Seconds of the processor.
#
#     Rscript bench/columns.R
suppressPackageStartupMessages(library(twill))
own <- asNamespace("twill")
draws <- local({
  set.seed(1)
  matrix(rnorm(300 * 2000), 300)
})
probs <- c(0.025, 0.975)
pairs <- list(
  "quantiles, type 7" = list(function() own$column_quantiles(draws, probs),
                             function() matrixStats::colQuantiles(draws, probs = probs)),
  "quantiles, type 6" = list(function() own$column_quantiles(draws, probs, 6),
                             function() matrixStats::colQuantiles(draws, probs = probs, type = 6L)),
  "standard deviations" = list(function() own$column_sds(draws), function() matrixStats::colSds(draws)),
  "mads" = list(function() apply(draws, 2, stats::mad), function() matrixStats::colMads(draws)))
seconds <- function(f) min(vapply(1:5, function(i) sum(system.time(f())[1:2]), 0))
for (name in names(pairs)) {
  f <- pairs[[name]]
  cat(sprintf("%-20s %.3f s here, %.3f s by matrixStats; largest difference %.1g\n", name, seconds(f[[1]]), seconds(f[[2]]),
              max(abs(f[[1]]() - f[[2]]()))))
}
