# Random calls of the package: every outcome must be a classed error or a finite result.
#
#   Rscript tools/fuzz.R [--door twill|genes|cells|screen] [--calls 2000] [--seed 1] [--first 1] [--cores 2]
#
# Without --door all doors, each so many calls. Call i has the seed `seed + i - 1`, so that `--seed S --calls 1` runs a call that
# was reported with seed S again. Ends with status 1 if anything was found.
source("tools/fuzz/all.R")
fuzz <- read_fuzzer("tools/fuzz")

option <- function(name, otherwise) {
  given <- commandArgs(trailingOnly = TRUE)
  at <- match(paste0("--", name), given)
  if (is.na(at)) otherwise else given[at + 1]
}

number <- function(name, otherwise) as.integer(option(name, otherwise))

# Pieces of 100 calls, so that cores share the work and a child does not grow.
pieces <- function(doors, first, calls) {
  starts <- seq(first, by = 100, length.out = ceiling(calls / 100))
  out <- expand.grid(first = starts, door = doors, stringsAsFactors = FALSE)
  out$calls <- pmin(100, first + calls - out$first)
  out
}

main <- function() {
  work <- pieces(option("door", fuzz$doors), number("first", 1), number("calls", 2000))
  seed <- number("seed", 1)
  started <- Sys.time()
  run <- function(i) {
    found <- fuzz$fuzz_door(work$door[i], seed, work$calls[i], work$first[i])
    if (length(found)) cat(found, sep = "\n")
    found
  }
  cores <- if (.Platform$OS.type == "windows") 1 else number("cores", 2)
  findings <- unlist(parallel::mclapply(seq_len(nrow(work)), run, mc.cores = cores, mc.preschedule = FALSE))
  minutes <- as.numeric(difftime(Sys.time(), started, units = "mins"))
  cat(sprintf("%d calls in %.1f minutes: %d findings\n", sum(work$calls), minutes, length(findings)))
  quit(status = as.integer(length(findings) > 0))
}

main()
