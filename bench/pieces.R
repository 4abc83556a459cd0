# Data in pieces: time and peak memory of reading them, and of the whole fit, beside the size of the merged rows.
#
#     Rscript bench/pieces.R                              # 2 million rows that become 60,000, and a screen that does not merge
#     Rscript bench/pieces.R --rows 8e6 --cases merging
#     Rscript bench/pieces.R --rows 2.88e6 --cases genome --stages fit     # 18,000 genes x 4 guides, a line a piece
#
# Each case has a process of its own, in which the pieces are simulated as they are asked for.

suppressPackageStartupMessages(library(twill))
source("bench/process.R")

piece_size <- 1e5

# Rows of 1,000 groups, 10 sites and 3 conditions with a slope: 30,000 cells, of which each becomes two rows.
merging_piece <- function(k) {
  set.seed(k)
  n <- piece_size
  g <- sample(1000L, n, TRUE)
  x <- stats::rnorm(n)
  data.frame(y = 1 + 0.3 * sin(g) + (0.5 + 0.2 * cos(g)) * x + stats::rnorm(n), x, g, h = sample(10L, n, TRUE),
             f = sample(c("a", "b", "c"), n, TRUE))
}

# A guide once in each line: nothing to merge.
screen_piece <- function(k) {
  set.seed(k)
  guide <- rep(seq_len(4000L), piece_size / 4000)
  line <- as.integer((k - 1) * piece_size / 4000 + rep(seq_len(piece_size / 4000), each = 4000))
  gene <- (guide - 1L) %/% 4L + 1L
  rna <- stats::rnorm(1000)[gene]
  data.frame(y = 0.5 * sin(gene) + 0.1 * rna + 0.3 * cos(guide) + 0.4 * stats::rnorm(piece_size), rna, gene, guide, line)
}

# All genes in one line, with an effect of each on each: a piece for each line.
genome_genes <- 18000L
genome_piece <- function(k) {
  set.seed(1)
  of_genes <- function(sd) stats::rnorm(genome_genes, 0, sd)[gene]
  guide <- seq_len(4L * genome_genes)
  gene <- (guide - 1L) %/% 4L + 1L
  known <- of_genes(0.5) + stats::rnorm(length(guide), 0, 0.3)
  slope <- of_genes(0.1)
  set.seed(1000 + k)
  rna <- of_genes(1)
  lfc <- 0.2 + (0.1 + slope) * rna + known + stats::rnorm(1, 0, 0.2) + stats::rnorm(length(guide), 0, 0.5)
  data.frame(y = lfc, rna, gene, guide, line = as.integer(k))
}

cases <- list(
  genome = list(formula = y ~ rna + (1 + rna | gene) + (1 | guide) + (1 | line), piece = genome_piece, size = 4 * genome_genes),
  merging = list(formula = y ~ x + f + (1 + x | g) + (1 | h), piece = merging_piece),
  screen = list(formula = y ~ rna + (1 + rna | gene) + (1 | guide) + (1 | line), piece = screen_piece))

pieces_of <- function(case, n_rows) {
  state <- new.env()
  state$k <- 0
  function() {
    state$k <- state$k + 1
    if (state$k <= n_rows / (case$size %||% piece_size)) case$piece(state$k)
  }
}

`%||%` <- function(a, b) if (is.null(a)) b else a

megabytes <- function(x) as.numeric(utils::object.size(x)) / 2^20

run_case <- function(case) {
  what <- cases[[case[1]]]
  n_rows <- as.numeric(case[2])
  is_fit <- case[3] == "fit"
  gc()
  base <- resident_memory()
  clock <- proc.time()
  if (is_fit) {
    fit <- twill(what$formula, pieces_of(what, n_rows), chains = 2, iter = as.integer(option("iter", 100)), seed = 1, silent = 2,
                 save_pars = tw_save(group = FALSE))
    data <- fit$data
  } else {
    gaussian <- twill:::as_twill_family(stats::gaussian())
    data <- twill:::prepare_source(tw_formula(what$formula), pieces_of(what, n_rows), gaussian)$data
  }
  clock <- proc.time() - clock
  spent <- sum(clock[c("user.self", "sys.self")])
  size <- megabytes(data) + 16 * nrow(data) / 2^20
  whole <- megabytes(what$piece(1)) * n_rows / (what$size %||% piece_size)
  saveRDS(data.frame(case = case[1], stage = case[3], rows = n_rows, merged = nrow(data), processor = spent,
                     wall = clock[["elapsed"]], merged_mb = size, whole_mb = whole, peak = peak_memory() - base), case[4])
}

main <- function() {
  case <- option("case", NULL)
  if (!is.null(case)) return(run_case(strsplit(case, ",")[[1]]))
  rows <- option("rows", "2e6")
  runs <- expand.grid(stage = option_list("stages", "read,fit"), name = option_list("cases", "merging,screen"),
                      stringsAsFactors = FALSE)
  table <- do.call(rbind, lapply(seq_len(nrow(runs)), function(i) {
    file <- tempfile(fileext = ".rds")
    n_rows <- if (runs$name[i] == "screen") min(as.numeric(rows), 8e5) else as.numeric(rows)
    run <- paste(runs$name[i], n_rows, runs$stage[i], file, sep = ",")
    call <- c("bench/pieces.R", commandArgs(trailingOnly = TRUE), "--case", run)
    if (system2(file.path(R.home("bin"), "Rscript"), call) == 0) readRDS(file)
  }))
  table$times <- table$peak / table$merged_mb
  numbers <- vapply(table, is.numeric, NA)
  table[numbers] <- lapply(table[numbers], round, 1)
  names(table) <- c("case", "stage", "rows", "merged rows", "processor s", "wall s", "merged, MB", "as a data frame, MB",
                    "peak above start, MB", "peak / merged")
  print(table, row.names = FALSE)
}

invisible(main())
