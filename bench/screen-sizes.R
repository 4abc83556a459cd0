# Size factors of screens where many genes are essential: how far each way to find them is off.
#
#   Rscript bench/screen-sizes.R [--experiments 40] [--seed 1]
#
# Simulated libraries of 2,000 genes and four guides: plasmid counts log-normal around 300, guides with efficacies around 0.8,
# negative binomial counts of size 15; a share of the genes is essential, with folds of -0.5 to -3 (natural log). The figure is
# the level that is found over that of the same library without essential genes, less one, in percent, and its standard
# deviation over libraries. Ways: the median over guides of count over plasmid count; Tukey's biweight over genes' medians, from
# their median; the mean of the shortest half of genes' medians; and what twill_screen() does, a biweight from the
# middle of that half.
source("bench/process.R")
suppressMessages(library(twill))

n_genes <- 2000
n_guides <- 4
gene <- rep(seq_len(n_genes), each = n_guides)
shares <- c(0.1, 0.2, 0.33, 0.45)

# The same noise with and without essential genes: uniform numbers are turned into counts.
simulate_ratios <- function(shares) {
  plasmid <- round(rlnorm(length(gene), log(300), 0.5)) + 30
  efficacy <- pmin(1, pmax(0, rnorm(length(gene), 0.8, 0.15)))
  fold <- -runif(n_genes, 0.5, 3)
  place <- runif(n_genes)
  chance <- runif(length(gene))
  lapply(c(0, shares), function(share) {
    effect <- ifelse(place < share, fold, 0)[gene] * efficacy
    (qnbinom(chance, mu = plasmid * exp(effect), size = 15) + 0.5) / plasmid
  })
}

own <- function(name) getFromNamespace(name, "twill")
medians <- function(ratio) vapply(split(log(ratio), gene), stats::median, 0)

levels_of <- function(ratio) {
  by_gene <- medians(ratio)
  c("median of guides" = log(stats::median(ratio)),
    "biweight from the median" = own("redescending_location")(by_gene),
    "mean of the shortest half" = own("shortest_half")(by_gene)$middle,
    "`twill_screen()`" = log(own("screen_level")(ratio, gene, FALSE)))
}

set.seed(as.integer(option("seed", 1)))
experiments <- replicate(as.integer(option("experiments", 40)), simplify = FALSE, {
  levels <- vapply(simulate_ratios(shares), levels_of, numeric(4))
  list(bias = exp(levels[, -1] - levels[, 1]) - 1, level = levels[, 1])
})
of <- function(part) simplify2array(lapply(experiments, `[[`, part))
bias <- apply(of("bias"), 1:2, mean)
noise <- apply(of("level"), 1, stats::sd)
cat(sprintf("%d libraries; bias in percent by share of essential genes, and the spread without any\n\n", length(experiments)))
cat(sprintf("| way | %s | sd at 0 %% |\n|---|%s---|\n", paste(sprintf("%g %%", 100 * shares), collapse = " | "),
            strrep("---|", length(shares))))
for (way in rownames(bias)) {
  cat(sprintf("| %s | %s | %.2f |\n", way, paste(sprintf("%.1f", 100 * bias[way, ]), collapse = " | "), 100 * noise[[way]]))
}
