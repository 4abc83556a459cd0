# Words and numbers as they are shown.

big <- function(x) format(as.numeric(x), big.mark = ",", trim = TRUE)

time_text <- function(seconds) {
  if (seconds < 120) sprintf("%.1f s", seconds) else sprintf("%.1f min", seconds / 60)
}

# A table without its class and what that hangs on it: what is taken out of it is an ordinary data frame.
plain_table <- function(x) {
  attributes(x) <- list(names = names(x), row.names = attr(x, "row.names"), class = "data.frame")
  x
}

bullets <- function(hints) if (length(hints) > 0) stats::setNames(hints, rep("i", length(hints)))
