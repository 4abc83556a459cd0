# The table of a benchmark: Rscript bench/report.R [RESULTS] prints the last run in bench-output/results.jsonl.
#
# ESS/s is the smallest bulk ESS over all parameters per second; "all" includes compilation, set-up and warm-up.
# "ratio" is ESS/s over that of the best peer of the same run and model; a peer that has not converged (R-hat above
# 1.05) counts only if none has, and the ratio then has the sign ">".

read_results <- function(file) {
  lines <- lapply(readLines(file), jsonlite::fromJSON)
  columns <- unique(unlist(lapply(lines, names)))
  rows <- lapply(lines, function(line) {
    as.data.frame(lapply(stats::setNames(columns, columns), function(name) line[[name]] %||% NA), stringsAsFactors = FALSE)
  })
  results <- do.call(rbind, rows)
  results[results$run == results$run[nrow(results)], ]
}

`%||%` <- function(x, y) if (is.null(x)) y else x

# list(value, sure): the speed to compare with; NULL without a peer that finished.
best_peer <- function(rows, column) {
  peers <- rows[!startsWith(rows$sampler, "twill") & !is.na(rows[[column]]), ]
  if (nrow(peers) == 0) return(NULL)
  converged <- peers[peers$max_rhat <= 1.05, ]
  sure <- nrow(converged) > 0
  list(value = max((if (sure) converged else peers)[[column]]), sure = sure)
}

ratio_text <- function(value, best) {
  if (is.null(best) || is.na(value)) return("")
  paste0(if (!best$sure) "> ", number(value / best$value))
}

number <- function(x) {
  ifelse(is.na(x), "", trimws(formatC(signif(x, 3), format = "fg", digits = 3, big.mark = ",")))
}

one_model <- function(rows) {
  is_twill <- startsWith(rows$sampler, "twill")
  ratio <- function(column) {
    best <- best_peer(rows, column)
    vapply(seq_len(nrow(rows)), function(i) if (is_twill[i]) ratio_text(rows[[column]][i], best) else "", "")
  }
  data.frame(
    model = c(rows$model[1], rep("", nrow(rows) - 1)), sampler = rows$sampler, `ESS/s` = number(rows$ess_per_second),
    ratio = ratio("ess_per_second"), `ESS/s all` = number(rows$ess_per_second_all), `ratio all` = ratio("ess_per_second_all"),
    seconds = number(rows$seconds_all), ESS = number(rows$min_ess), `grad/draw` = number(rows$gradients_per_draw),
    `R-hat` = ifelse(is.na(rows$max_rhat), "", sprintf("%.3f", rows$max_rhat)), div = number(rows$divergent),
    depth = number(rows$depth_hits), z = ifelse(is.na(rows$z), "", sprintf("%.1f", rows$z)),
    engine = ifelse(rows$status == "ok", rows$engine, rows$status), check.names = FALSE)
}

needed_columns <- c("ess_per_second", "ess_per_second_all", "seconds_all", "min_ess", "gradients_per_draw", "max_rhat",
                    "divergent", "depth_hits", "z", "engine")

results_table <- function(results) {
  for (name in setdiff(needed_columns, names(results))) results[[name]] <- NA
  models <- split(results, factor(results$model, unique(results$model)))
  do.call(rbind, unname(lapply(models, one_model)))
}

as_markdown <- function(table) {
  rows <- do.call(paste, c(unname(as.list(table)), sep = " | "))
  c(paste("|", paste(names(table), collapse = " | "), "|"), paste0("|", strrep("---|", ncol(table))), paste("|", rows, "|"))
}

print_report <- function(file) {
  results <- read_results(file)
  table <- results_table(results)
  options(width = 200)
  print(table, row.names = FALSE, right = FALSE)
  last <- results[nrow(results), ]
  cat(sprintf("\nRun %s, commit %s, %s chains x %s draws on %s cores, limit %s s, %s\n", last$run, last$commit, last$chains,
              last$draws, last$cores, last$limit, last$machine))
  writeLines(as_markdown(table), file.path(dirname(file), "table.md"))
}

if (sys.nframe() == 0) {
  file <- commandArgs(TRUE)
  print_report(if (length(file) > 0) file[1] else file.path("bench-output", "results.jsonl"))
}
