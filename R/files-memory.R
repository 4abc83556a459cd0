# Memory that nothing uses any more.

# Of many rows what is made on the way is larger than what stays. R would let much of it lie, and keep the memory of the rest.
fewest_rows_to_release <- 2e6

release_memory <- function(n_rows) {
  if (n_rows < fewest_rows_to_release) return(invisible())
  gc(verbose = FALSE)
  unwrap_engine(engine_release_memory())
  invisible()
}
