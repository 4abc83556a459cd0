# Screens with guides that do not cut: coverage of intervals, with normal guides and with guides that fail.
#
#   Rscript bench/screen-failing.R [--screens 50] [--seed 1] [--fail 0.1667] [--genes 120]
#
# Screens of the vignette *CRISPR screens from counts*: 120 genes with four guides each, a quarter of them essential (effects of
# cutting guides around -1.5, sd 0.5, natural log), of whose guides one in six barely cuts (a tenth of the effect) and the others
# have efficacies of 0.7 to 1.1; guides differ besides (sd 0.1), three replicates, negative binomial counts of size 15. Intervals
# of 95 % by tw_contrast(). With normal guides the truth is the mean over guides that might have been; with guides that fail it is
# the mean over guides that work, 0.9 of the effect.
source("bench/process.R")
suppressMessages(library(twill))

share_failing <- as.numeric(option("fail", 1 / 6))
n_genes <- as.integer(option("genes", 120))

simulate_screen <- function() {
  genes <- sprintf("gene%03d", seq_len(n_genes))
  is_essential <- seq_len(n_genes) <= n_genes / 4
  n_guides <- 4 * n_genes
  effect <- ifelse(is_essential, rnorm(n_genes, -1.5, 0.5), 0)
  efficacy <- ifelse(runif(n_guides) < share_failing, 0.1, runif(n_guides, 0.7, 1.1))
  plasmid <- rnbinom(n_guides, mu = 400, size = 4)
  growth <- rep(effect, each = 4) * efficacy + rnorm(n_guides, 0, 0.1)
  replicate <- function(depth) as.double(rnbinom(n_guides, mu = depth * plasmid * exp(growth), size = 15))
  counts <- vapply(c(A = 0.8, B = 1.1, C = 1.6), replicate, numeric(n_guides))
  counts <- cbind(plasmid, counts)
  rownames(counts) <- paste0(rep(genes, each = 4), "_", 1:4)
  list(counts = counts, gene = rep(genes, each = 4), genes = genes, is_essential = is_essential, effect = effect,
       works = stats::setNames(efficacy > 0.5, rownames(counts)), controls = genes[seq_len(n_genes) > 3 / 4 * n_genes])
}

assess <- function(screen, guide_dist, truth, seed) {
  clock <- proc.time()[["elapsed"]]
  fit <- twill_screen(screen$counts, gene = screen$gene, plasmid = "plasmid", controls = screen$controls, seed = seed, silent = 2,
                      check = FALSE, guide_dist = guide_dist)
  seconds <- proc.time()[["elapsed"]] - clock
  table <- as.data.frame(tw_contrast(fit))
  at <- match(rownames(table), screen$genes)
  truth <- truth[at] / log(2)
  guides <- as.data.frame(tw_guides(fit, genes = screen$genes[screen$is_essential]))
  data.frame(guide_dist, is_essential = screen$is_essential[at], covered = table$lower <= truth & truth <= table$upper,
             width = table$upper - table$lower, called = table$svalue <= 0.05, rhat = table$rhat, seconds,
             right = if (is.null(guides$works)) NA else mean((guides$works > 0.5) == screen$works[guides$guide]))
}

set.seed(as.integer(option("seed", 1)))
rows <- do.call(rbind, lapply(seq_len(as.integer(option("screens", 50))), function(i) {
  screen <- simulate_screen()
  mean_efficacy <- (1 - share_failing) * 0.9 + share_failing * 0.1
  both <- rbind(assess(screen, "normal", screen$effect * mean_efficacy, i), assess(screen, "mixture", screen$effect * 0.9, i))
  cat(sprintf("screen %d: %s\n", i, paste(sprintf("%.3f", with(both[both$is_essential, ], tapply(covered, guide_dist, mean))),
                                          collapse = " ")), file = stderr())
  cbind(both, screen = i)
}))
cat(sprintf("%d screens; coverage of 95 %% intervals in percent, with its standard error over screens\n\n", max(rows$screen)))
cat("| guides | essential genes | others | width, essential | width, others | called | false calls | guides told right | s |\n",
    "|---|---|---|---|---|---|---|---|---|\n", sep = "")
for (guide_dist in c("normal", "mixture")) {
  own <- rows[rows$guide_dist == guide_dist, ]
  coverage <- function(at) {
    by_screen <- tapply(own$covered[at], own$screen[at], mean)
    sprintf("%.1f (%.1f)", 100 * mean(by_screen), 100 * sd(by_screen) / sqrt(length(by_screen)))
  }
  e <- own$is_essential
  right <- if (guide_dist == "normal") "" else sprintf("%.1f %%", 100 * mean(own$right))
  cat(sprintf("| %s | %s | %s | %.2f | %.2f | %.1f | %.1f | %s | %.0f |\n", guide_dist, coverage(e), coverage(!e),
              median(own$width[e]), median(own$width[!e]), 100 * mean(own$called[e]), 100 * mean(own$called[!e]), right,
              mean(own$seconds)))
}
