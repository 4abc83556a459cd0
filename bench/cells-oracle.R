# The best test there could be of simulated cells: it knows all but the effect, namely means, dispersions, captures, donors'
# baselines and the sd of each gene's responses. What its intervals miss in an experiment, they miss by chance.
#
# With m the true mean count of a donor under a condition and r = (y - m) / m, its log ratio is about its own response plus
# r_treated - r_control. Donors are weighted by the precision expected of them, which does not know their responses:
# Var r = E[1 / m] + sum of squared captures / (phi exposure^2), E[1 / m] = exp(tau^2 / 2) / m without response.

oracle_test <- function(sim, bulk, genes) {
  of_sample <- function(v) rowsum(v, sim$cells$sample)[colnames(bulk$counts), ]
  exposure <- of_sample(exp(sim$cells$log_capture))
  squares <- of_sample(exp(2 * sim$cells$log_capture)) / exposure^2
  fitted <- vapply(match(genes, sim$genes$gene), oracle_gene, numeric(2), sim = sim, bulk = bulk, exposure = exposure,
                   squares = squares) / log(2)
  p <- 2 * stats::pnorm(-abs(fitted[1, ] / fitted[2, ]))
  data.frame(estimate = fitted[1, ], padj = stats::p.adjust(p, "BH"), lower = fitted[1, ] - 1.96 * fitted[2, ],
             upper = fitted[1, ] + 1.96 * fitted[2, ])
}

# Estimate and standard error, natural logs.
oracle_gene <- function(g, sim, bulk, exposure, squares) {
  gene <- sim$genes[g, ]
  own <- sim$donor_effects[sim$donor_effects$gene == gene$gene, ]
  at <- match(bulk$samples$donor, own$donor)
  x <- as.numeric(bulk$samples$condition == "treated")
  expected <- exp(gene$alpha + own$a[at] + x * gene$beta) * exposure
  m <- expected * exp(x * own$b[at])
  error <- (bulk$counts[g, ] - m) / m
  variance <- exp(x * gene$tau_b^2 / 2) / expected + squares / gene$phi
  by_donor <- function(v) as.numeric(rowsum(v, at))
  ratio <- gene$beta + own$b[sort(unique(at))] + by_donor((2 * x - 1) * error)
  weight <- 1 / (gene$tau_b^2 + by_donor(variance))
  c(sum(weight * ratio) / sum(weight), 1 / sqrt(sum(weight)))
}
