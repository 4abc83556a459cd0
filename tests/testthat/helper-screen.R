# A screen whose verbs are looked at.

# Three genes of 3, 2 and 1 guides, two of which share a name; one guide has no plasmid counts in one sample, and one sample no
# value of the design.
verbs_screen <- function(design = ~ arm + (1 | rep), ...) {
  gene <- c("A", "B", "A", "C", "A", "B")
  plasmid <- matrix(300, 6, 5)
  plasmid[3, 2] <- 5
  data <- data.frame(arm = c("a", "b", NA, "a", "b"), rep = c("r1", "r1", "r1", "r2", "r2"))
  counts <- with_fixed_seed(1, matrix(rpois(30, 200), 6, dimnames = list(c("x", "x", "a2", "c1", "a3", "b2"), paste0("s", 1:5))))
  local_engine(fake_engine)
  fit <- suppressMessages(twill_screen(counts, design, gene = gene, plasmid = plasmid, col_data = data, iter = 100, seed = 1,
                                       silent = 2, share = "none", ...))
  list(fit = fit, counts = counts, data = data)
}
