# Draws the figures of README.md, man/figures/README-*.png. Run from the root with twill installed.

library(twill)
library(ggplot2)

data("grouseticks", package = "lme4")
grouseticks$cHEIGHT <- (grouseticks$HEIGHT - mean(grouseticks$HEIGHT)) / 100
fit <- twill(TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION), data = grouseticks, family = negbinomial(),
             prior = tw_prior("normal(0, 1)", class = "b"), chains = 4, seed = 1, refresh = 0)

depmap <- depmap_screen
depmap$rna <- depmap$rna - ave(depmap$rna, depmap$gene)
screen <- twill(lfc ~ rna + copy_number + (1 + rna | gene) + (1 | gene:guide) + (1 | cell_line) + (1 | gene:cell_line),
                data = depmap, prior = tw_prior("normal(0, 1)", class = "b"), chains = 4, seed = 1, refresh = 0)

slopes <- as.data.frame(coef(screen)$gene[, , "rna"])
slopes$gene <- reorder(rownames(slopes), slopes$Estimate)
gene_plot <- ggplot(slopes, aes(Estimate, gene, xmin = Q2.5, xmax = Q97.5)) +
  geom_vline(xintercept = 0, colour = "grey60") + geom_pointrange(size = 0.3) +
  labs(x = "log2 fold change per doubling of the gene's expression", y = NULL) + theme_minimal(base_size = 10)

counts_plot <- pp_check(fit, type = "rootogram", ndraws = 100) + theme_minimal(base_size = 10) +
  theme(legend.position = "none")

dir.create("man/figures", recursive = TRUE, showWarnings = FALSE)
ggsave("man/figures/README-genes.png", gene_plot, width = 5, height = 3, dpi = 120)
ggsave("man/figures/README-counts.png", counts_plot, width = 5, height = 3, dpi = 120)
