# Screens as they come: plasmid counts by batch, count tables of MAGeCK, guides of two genes; and what is said of them.

screen_data <- function(n_genes = 4, n_guides = 3, seed = 1) {
  with_fixed_seed(seed, {
    n <- n_genes * n_guides
    gene <- rep(LETTERS[seq_len(n_genes)], each = n_guides)
    plasmid <- cbind(p1 = rpois(n, 300), p2 = rpois(n, 900))
    counts <- matrix(rnbinom(4 * n, mu = plasmid[, c(1, 1, 2, 2)], size = 50), n, dimnames = list(NULL, paste0("s", 1:4)))
    list(gene = gene, guide = sprintf("%s_sg%d", gene, seq_len(n_guides)), plasmid = plasmid, counts = counts)
  })
}

fake_screen <- function(...) {
  local_engine(fake_engine)
  twill_screen(..., iter = 100, seed = 1, silent = 2, share = "none")
}

long_rows <- function(d, own = c(1, 1, 2, 2)) {
  data.frame(guide = rep(d$guide, 4), gene = rep(d$gene, 4), sample = rep(paste0("s", 1:4), each = length(d$guide)),
             batch = rep(c("b1", "b1", "b2", "b2"), each = length(d$guide)), count = as.vector(d$counts),
             plasmid = as.vector(d$plasmid[, own]))
}

# Offsets and counts of one gene, guides x samples.
gene_view <- function(fit, gene, n_guides = 3) {
  g <- match(gene, rownames(fit))
  shape <- function(v) t(matrix(v, ncol = n_guides))
  list(offset = shape(fit$job$offset[g, ]), counts = shape(as.numeric(set_counts(fit)[g, ])))
}

test_that("each row has its own plasmid count, in long and wide data", {
  d <- screen_data()
  rows <- long_rows(d)
  own <- d$plasmid[, c(1, 1, 2, 2)]
  long <- fake_screen(rows[sample(nrow(rows)), ], count ~ batch, gene = "gene", guide = "guide", plasmid = "plasmid",
                      size_factors = rep(1, 4))
  batches <- data.frame(batch = c("b1", "b1", "b2", "b2"))
  named <- c(s1 = "p1", s2 = "p1", s3 = "p2", s4 = "p2")
  fits <- list(fake_screen(d$counts, ~ batch, gene = d$gene, plasmid = own, size_factors = rep(1, 4), col_data = batches),
               fake_screen(cbind(d$plasmid, d$counts), ~ batch, gene = d$gene, plasmid = named, size_factors = rep(1, 4),
                           col_data = batches))
  for (fit in fits) expect_equal(gene_view(fit, "B")$offset, unname(log(own[d$gene == "B", ])))
  # Rows were shuffled: each count stays with its plasmid count.
  view <- gene_view(long, "B")
  expected <- data.frame(count = as.vector(d$counts[d$gene == "B", ]), log = log(as.vector(own[d$gene == "B", ])))
  found <- data.frame(count = as.vector(view$counts), log = as.vector(view$offset))
  expect_equal(found[do.call(order, found), ], expected[do.call(order, expected), ], ignore_attr = TRUE)
  one <- fake_screen(rows[rows$batch == "b1", ], count ~ 1, gene = "gene", guide = "guide", plasmid = "plasmid")
  expect_equal(unname(one$screen$plasmid), unname(d$plasmid[, 1]))
})

test_that("a guide is left out in the samples where its plasmid count is low", {
  d <- screen_data()
  d$plasmid[1, 2] <- 10
  d$plasmid[2, ] <- 5
  local_engine(fake_engine)
  own <- d$plasmid[, c(1, 1, 2, 2)]
  run <- function() twill_screen(d$counts, gene = d$gene, plasmid = own, iter = 100, silent = 2, share = "none")
  expect_message(fit <- run(), "Left out 1 guide with fewer.*Left out 1 guide in those samples where it has fewer",
                 class = "twill_message_genes")
  expect_identical(fit$screen$guides$guide[1:2], c("guide1", "guide3"))
  expect_identical(tw_diagnostics(fit)["A", "n_used"], 6)
  bad <- own
  bad[3, 4] <- NA
  expect_error(fake_screen(d$counts, gene = d$gene, plasmid = bad), "for 1 guide", class = "twill_error_genes")
  expect_error(fake_screen(d$counts, gene = d$gene, plasmid = bad[, 1:3]), "size 12 x 3", class = "twill_error_genes")
  one <- c(s1 = "p")
  expect_error(fake_screen(cbind(d$counts, p = 1), gene = d$gene, plasmid = one), "not named", class = "twill_error_genes")
})

test_that("count tables of MAGeCK are read, with samples from col_data", {
  d <- screen_data()
  table <- data.frame(sgRNA = d$guide, Gene = d$gene, sequence = "ACGT", d$plasmid, d$counts)
  samples <- data.frame(batch = c("b2", "b2", "b1", "b1"), row.names = paste0("s", 4:1))
  run <- function(x = table, ...) fake_screen(x, ..., plasmid = "p1", size_factors = rep(1, 4))
  expect_message(fit <- run(design = ~ batch, col_data = samples), "12 guides", class = "twill_message_screen")
  view <- gene_view(fit, "C")
  expect_identical(unname(view$counts), unname(d$counts[d$gene == "C", 4:1]) + 0)
  expect_equal(view$offset, unname(log(d$plasmid[d$gene == "C", c(1, 1, 1, 1)])))
  expect_identical(as.character(model.frame(fit)$batch), samples$batch)
  expect_identical(fit$screen$guides$guide, d$guide)
  plain <- suppressMessages(run(table[names(table) != "p2"]))
  expect_identical(unname(gene_view(plain, "C")$counts), unname(d$counts[d$gene == "C", ]) + 0)
  expect_error(run(rbind(table, table)), "several rows", class = "twill_error_genes")
  expect_error(run(table[-2]), "must name a column", class = "twill_error_genes")
  expect_error(run(long_rows(d)), "several rows", class = "twill_error_genes")
})

test_that("a guide of two genes is a guide of each, and genes without a name are refused", {
  d <- screen_data(2)
  rows <- long_rows(d)
  rows$guide[rows$guide == "B_sg1"] <- "A_sg1"
  fit <- fake_screen(rows, count ~ batch, gene = "gene", guide = "guide")
  expect_identical(fit$screen$guides$guide, c("A_sg1", "A_sg2", "A_sg3", "A_sg1", "B_sg2", "B_sg3"))
  expect_identical(dim(fit), c(2L, 4L))
  rows$gene[1] <- ""
  expect_error(fake_screen(rows, count ~ 1, gene = "gene", guide = "guide"), "1 of them missing", class = "twill_error_genes")
  d$gene[1] <- ""
  expect_error(fake_screen(d$counts, gene = d$gene), "1 of them missing", class = "twill_error_genes")
})

test_that("parts of genes with many guides have names of their own", {
  input <- list(gene = c("A_1", rep("A", 6)), guide = paste0("g", 1:7))
  expect_message(slots <- guide_slots(input, 3), "Cut into parts", class = "twill_message_genes")
  expect_identical(lengths(split(slots$guide, factor(slots$gene, unique(slots$gene)))), c(A_1 = 1L, A_1.1 = 3L, A_2 = 3L))
})

test_that("prints and forests show the guides and samples that there are", {
  d <- screen_data()
  d$gene <- c("A", "A", rep("B", 10))
  fit <- fake_screen(d$counts, gene = d$gene, plasmid = d$plasmid[, 1])
  expect_output(print(fit), "2 negbinomial models, 12 guides, 4 samples")
  expect_output(print(summary(fit["A", ])), "1 negbinomial models, 2 guides, 4 samples")
  table <- plot(fit, "forest", gene = "A")$data
  expect_setequal(as.character(table$level), c("guide1", "guide2", "(population)", "(new guide)"))
  at <- tw_guides(fit, genes = "A")
  expect_equal(sort(table$estimate[table$level %in% c("guide1", "guide2")]), sort(at$log2FoldChange), tolerance = 0.3)
})
