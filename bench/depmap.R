# The DepMap screens of 71 genes in 44 lines: slopes on expression by gene, with an effect of each gene in each line, beside lme4.
#
#   Rscript bench/depmap.R        TWILL_SHARED is the folder of the shared data

suppressPackageStartupMessages(library(twill))
source("bench/real-data.R")

formula <- lfc ~ rna + copy_number + (1 + rna | gene) + (1 | gene:guide) + (1 | cell_line) + (1 | sample) + (1 | gene:cell_line)

main <- function() {
  data <- utils::read.csv(shared("crispr_depmap", "lfc_long.csv.gz"))
  data$rna <- data$rna - stats::ave(data$rna, data$gene)
  data$copy_number <- data$copy_number - 1
  clock <- system.time(fit <- twill(formula, data, chains = 4, iter = 1000, seed = 1, refresh = 0))
  cat(sprintf("twill: %.1f s of the processor, %.1f of the wall\n", sum(clock[1:2]), clock[[3]]))
  print(fit)
  slopes <- as.data.frame(coef(fit)$gene[, , "rna"])
  slopes <- slopes[order(slopes$Estimate / slopes$Est.Error), ]
  cat(sprintf("%d of %d slopes have intervals below zero\n", sum(slopes$Q97.5 < 0), nrow(slopes)))
  print(utils::head(slopes, 10), digits = 2)
  clock <- system.time(peer <- lme4::lmer(formula, data, REML = FALSE))
  cat(sprintf("lme4: %.1f s of the processor\n", sum(clock[1:2])))
  print(lme4::VarCorr(peer), digits = 3)
  print(rbind(estimate = lme4::fixef(peer), se = sqrt(diag(as.matrix(stats::vcov(peer))))), digits = 3)
}

main()
