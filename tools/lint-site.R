# Checks that every help page stands in _pkgdown.yml, without pkgdown (`make site` stops where one does not), and that lines of
# examples fit the manual, which R CMD check notes.
titles <- function(file) {
  lines <- readLines(file, encoding = "UTF-8")
  if (any(grepl("\\keyword{internal}", lines, fixed = TRUE))) return(NULL)
  sub("^\\\\(name|alias)\\{(.*)\\}$", "\\2", grep("^\\\\(name|alias)\\{", lines, value = TRUE))
}

pages <- lapply(list.files("man", pattern = "[.]Rd$", full.names = TRUE), titles)
listed <- unlist(strsplit(readLines("_pkgdown.yml"), "[][, ]+"))
is_lost <- !vapply(pages, function(names) is.null(names) || any(names %in% listed), NA)
if (any(is_lost)) writeLines(sprintf("_pkgdown.yml: the page of %s stands nowhere", vapply(pages[is_lost], `[`, "", 1)))

wide_examples <- function(file) {
  lines <- readLines(file, encoding = "UTF-8")
  from <- match("\\examples{", lines)
  at <- seq_along(lines)
  to <- which(lines == "}" & at > from)[1]
  wide <- which(nchar(lines) > 100L & at > from & at < to & !startsWith(lines, "\\dontshow"))
  if (length(wide)) sprintf("%s:%d: an example wider than 100 characters", file, wide)
}
wide <- unlist(lapply(list.files("man", pattern = "[.]Rd$", full.names = TRUE), wide_examples))
writeLines(as.character(wide))
quit(status = as.integer(any(is_lost) || length(wide) > 0L))
