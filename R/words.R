# Words and numbers as they are shown.

big <- function(x) format(as.numeric(x), big.mark = ",", decimal.mark = ".", trim = TRUE)

# With so many decimals, and a point also where R prints a comma.
fixed_text <- function(x, digits, ...) formatC(x, format = "f", digits = digits, decimal.mark = ".", ...)

time_text <- function(seconds) {
  if (seconds < 120) sprintf("%.1f s", seconds) else sprintf("%.1f min", seconds / 60)
}
