# Draws the figure of README.md, man/figures/README-genes.png. Run from the root with twill installed.

library(twill)
library(ggplot2)

screen <- transform(depmap_screen, rna = rna - ave(rna, gene))
fit <- twill(lfc ~ rna + copy_number + (1 + rna | gene) + (1 | gene:guide) + (1 | cell_line) + (1 | gene:cell_line),
             data = screen, prior = tw_prior("normal(0, 1)", class = "b"), chains = 4, seed = 1, refresh = 0)

slopes <- as.data.frame(coef(fit)$gene[, , "rna"])
slopes$gene <- reorder(rownames(slopes), slopes$Estimate)
plot <- ggplot(slopes, aes(Estimate, gene, xmin = Q2.5, xmax = Q97.5)) +
  geom_vline(xintercept = 0, colour = "grey60") + geom_pointrange(size = 0.3) +
  labs(x = "log2 fold change per doubling of the gene's expression", y = NULL) + theme_minimal(base_size = 10)

dir.create("man/figures", recursive = TRUE, showWarnings = FALSE)
ggsave("man/figures/README-genes.png", plot, width = 5, height = 3, dpi = 120)
